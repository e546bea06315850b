// Package direct writes to the system's sockets without waiting, beside what the
// net package does with them.
package direct

import (
	"net"
	"sync"
	"syscall"
)

// A Socket is what is beneath a net.Conn of the system's. The zero Socket takes
// nothing.
type Socket struct{ raw syscall.RawConn }

// Of returns the socket of c: the zero Socket where c is not itself one of TCP or
// of the Unix domain, such as one of TLS, and where the system is not known to
// write without waiting.
func Of(c net.Conn) Socket {
	if !supported {
		return Socket{}
	}
	switch c := c.(type) {
	case *net.TCPConn:
		raw, _ := c.SyscallConn()
		return Socket{raw}
	case *net.UnixConn:
		raw, _ := c.SyscallConn()
		return Socket{raw}
	}
	return Socket{}
}

// Ready reports whether the socket can be written to.
func (s Socket) Ready() bool { return s.raw != nil }

// Write writes as much of data as the system takes at once, which may be
// nothing. An error is final. It must not run beside a Write of the net.Conn, and
// fails where that one's deadline has passed.
func (s Socket) Write(data []byte) (n int, err error) { return Write(s.raw, data) }

// Write is Socket.Write for who has access to the socket already.
func Write(raw syscall.RawConn, data []byte) (n int, err error) {
	a := attempts.Get().(*attempt)
	a.data = data
	err = raw.Write(a.try)
	n = a.n
	if err == nil {
		err = a.err
	}
	a.data, a.n, a.err = nil, 0, nil
	attempts.Put(a)
	return n, err
}

// attempt is a call of Write. It is kept because its function is, which would be
// allocated each time.
type attempt struct {
	data []byte
	n    int
	err  error
	try  func(fd uintptr) bool
}

var attempts = sync.Pool{New: func() any {
	a := new(attempt)
	a.try = a.once
	return a
}}

// once reports that it is done, whatever has come of it: the caller would wait
// otherwise.
func (a *attempt) once(fd uintptr) bool {
	a.n, a.err = writeOnce(fd, a.data)
	return true
}
