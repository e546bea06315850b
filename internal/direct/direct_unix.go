//go:build unix

package direct

import (
	"os"
	"syscall"
)

const supported = true

func writeOnce(fd uintptr, data []byte, more bool) (int, error) {
	for {
		n, err := send(fd, data, more)
		switch err {
		case 0:
			return n, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return 0, os.NewSyscallError("write", err)
		}
	}
}

// Receive reads what has arrived on a socket, whose descriptor a RawConn has given,
// and reports false where nothing has. At the peer's end, n is 0.
func Receive(fd uintptr, p []byte) (n int, arrived bool, err error) {
	for {
		n, err := receive(fd, p)
		switch err {
		case 0:
			return n, true, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, false, nil
		default:
			return 0, true, os.NewSyscallError("read", err)
		}
	}
}
