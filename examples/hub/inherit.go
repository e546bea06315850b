package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// isInherited reports whether an address names a socket that the process was started with.
func isInherited(address string) bool { return strings.HasPrefix(address, "fd:") }

// inherit returns the listener of an address such as fd:3: a socket that the process was
// started with, under that file descriptor. systemd gives the sockets of a socket unit so,
// the first as 3, and keeps them open while the program is replaced.
func inherit(address string) (net.Listener, error) {
	fd, err := strconv.Atoi(strings.TrimPrefix(address, "fd:"))
	if err != nil || fd < 3 {
		return nil, errors.New("the number of a file descriptor is expected, as in fd:3, which is the first")
	}
	if err := handed(fd, os.Getpid(), os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")); err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), address)
	defer file.Close() // what FileListener returns is a copy
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("the process was not started with a listening socket there: %w", err)
	}
	return listener, nil
}

// handed holds what systemd says of the sockets that it has handed on against what is asked
// for. Who starts the program otherwise need not say anything. See sd_listen_fds(3).
func handed(fd, pid int, forPID, sockets string) error {
	if sockets == "" {
		return nil
	}
	if forPID != strconv.Itoa(pid) {
		return fmt.Errorf("LISTEN_PID says that the sockets are for process %q, and this is %d", forPID, pid)
	}
	if n, err := strconv.Atoi(sockets); err != nil || fd >= 3+n {
		return fmt.Errorf("LISTEN_FDS says that there are %q sockets, and the first is fd:3", sockets)
	}
	return nil
}
