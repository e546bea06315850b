package main

import (
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/lectern-go/lectern/hubfile"
)

// listenUnix listens on a Unix socket, and takes the place of a socket file that nobody
// listens on any more: a process that was killed leaves its own behind.
//
// Whether anybody listens cannot be seen from the file in one step. So whoever takes a
// place holds a lock beside it for as long as it listens, and of several that start at
// once one goes on.
func listenUnix(path string) (net.Listener, error) {
	if strings.HasPrefix(path, "@") {
		return net.Listen("unix", path) // a name without a file, which ends with its listener
	}
	unlock, err := hubfile.Lock(path)
	if errors.Is(err, hubfile.ErrLocked) {
		return nil, errInUse
	}
	if err != nil {
		return nil, err
	}
	listener, err := replaceSocket(path)
	if err != nil {
		unlock()
		return nil, err
	}
	file, err := os.Lstat(path)
	if err != nil {
		listener.Close()
		unlock()
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	return &unixListener{UnixListener: listener, path: path, file: file, unlock: unlock}, nil
}

var errInUse = errors.New("another process listens there")

// replaceSocket listens where no socket is, or one that nobody listens on. The caller
// holds the lock.
func replaceSocket(path string) (*net.UnixListener, error) {
	listen := func() (*net.UnixListener, error) {
		return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	}
	listener, err := listen()
	if !errors.Is(err, syscall.EADDRINUSE) {
		return listener, err
	}
	info, statErr := os.Lstat(path)
	if statErr != nil {
		return nil, statErr
	}
	if info.Mode().Type() != os.ModeSocket {
		return nil, errors.New("the file is there already, and is no socket")
	}
	conn, dialErr := net.Dial("unix", path)
	if dialErr == nil {
		conn.Close()
		return nil, errInUse // one that does not know of the lock
	}
	// Only a refusal says that nobody listens. It may also be that we are not
	// allowed to ask.
	if !errors.Is(dialErr, syscall.ECONNREFUSED) {
		return nil, dialErr
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return listen()
}

// A unixListener removes its socket file when it is closed, where that is still its own.
type unixListener struct {
	*net.UnixListener
	path   string
	file   os.FileInfo
	unlock func()
	once   sync.Once
}

func (l *unixListener) Close() error {
	l.once.Do(func() {
		// While the socket is open no other file can be taken for its own.
		if now, err := os.Lstat(l.path); err == nil && os.SameFile(l.file, now) {
			_ = os.Remove(l.path)
		}
	})
	err := l.UnixListener.Close()
	l.unlock()
	return err
}
