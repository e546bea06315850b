//go:build linux && !386 && !s390x && !race

package direct

import (
	"syscall"
	"unsafe"
)

// The system is called without the runtime being told: these calls never wait,
// and take no longer than other work. And by what there is for sockets alone, which
// passes by what write(2) and read(2) do for files. A single broadcast to 1,000
// so costs 1.12 times the limit of the bench, one write(2) by the net package for
// each, and 1.28 times with write(2) as the other systems have it.
//
// On two kinds of processors the system had no number for these calls at first; and
// of calls made in this way the race detector knows nothing.

func send(fd uintptr, data []byte, more bool) (n int, err syscall.Errno) {
	flags := uintptr(syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL)
	if more {
		flags |= msgMore
	}
	return call(syscall.SYS_SENDTO, fd, data, flags)
}

// msgMore is MSG_MORE, which the syscall package does not have.
const msgMore = 0x8000

func receive(fd uintptr, p []byte) (n int, err syscall.Errno) {
	return call(syscall.SYS_RECVFROM, fd, p, syscall.MSG_DONTWAIT)
}

func call(number, fd uintptr, data []byte, flags uintptr) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall6(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)), flags, 0, 0)
	return int(n), err
}
