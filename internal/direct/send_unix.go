//go:build unix && (!linux || 386 || s390x || race)

package direct

import "syscall"

// These also tell the race detector that what is read was written before, and what
// is done with the buffers. Services whose tests run under it rely on the first.

func send(fd uintptr, data []byte, _ bool) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), data)
	return n, number(err)
}

func receive(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), p)
	return n, number(err)
}

// number is the error of a system call.
func number(err error) syscall.Errno {
	errno, _ := err.(syscall.Errno)
	return errno
}
