//go:build unix

package websocket

import (
	"io"
	"net"
	"os"
	"syscall"
)

// rawConn gives access to c where it is a socket of the system itself. What is
// around one, as TLS or a wrapper, must not be passed by.
func rawConn(c net.Conn) syscall.RawConn {
	var (
		raw syscall.RawConn
		err error
	)
	switch c := c.(type) {
	case *net.TCPConn:
		raw, err = c.SyscallConn()
	case *net.UnixConn:
		raw, err = c.SyscallConn()
	}
	if err != nil {
		return nil
	}
	return raw
}

// readRaw reads what is there, and reports false where nothing is.
func (a *ahead) readRaw(fd uintptr) bool {
	lent := a.lent
	if lent == nil {
		lent = aheads.Get().(*[aheadSize]byte)
	}
	rest := copy(lent[:], a.data)
	if a.lent != nil {
		a.data = lent[:rest] // moved, whatever comes of the reading
	}
	n, err := syscall.Read(int(fd), lent[rest:])
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), lent[rest:])
	}
	switch {
	case err == syscall.EAGAIN:
	case err != nil:
		a.err = os.NewSyscallError("read", err)
	case n == 0:
		a.err = io.EOF
	default:
		a.lent, a.data = lent, lent[:rest+n]
		a.empty = rest+n < len(lent)
		return true
	}
	if a.lent == nil {
		aheads.Put(lent)
	}
	return a.err != nil
}

// writeRaw writes what can be written without waiting, and returns how much that
// is. An error is for the next write to find.
func writeRaw(raw syscall.RawConn, data []byte) (n int) {
	_ = raw.Control(func(fd uintptr) {
		n, _ = syscall.Write(int(fd), data)
	})
	return max(n, 0)
}
