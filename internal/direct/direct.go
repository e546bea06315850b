// Package direct is what the adapters do with the system's sockets beside what the
// net package does with them: it writes and reads without waiting, and bounds what
// the system holds.
package direct

import (
	"net"
	"sync"
	"syscall"
)

// Of gives access to c where it is itself a socket of the system's, of TCP or of
// the Unix domain, and the system is known to write without waiting; it returns
// nil elsewhere. What is around one, as TLS or a wrapper, must not be passed by.
func Of(c net.Conn) syscall.RawConn {
	if !supported {
		return nil
	}
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

// SetSendBuffer bounds what the system holds for a peer that does not read, where c,
// or what is beneath it, has SetWriteBuffer; where bytes is not positive, nothing is
// changed. What is around a connection shows it by its method NetConn, as TLS does.
func SetSendBuffer(c net.Conn, bytes int) {
	for bytes > 0 {
		if sized, ok := c.(interface{ SetWriteBuffer(bytes int) error }); ok {
			_ = sized.SetWriteBuffer(bytes) // a socket that has died meanwhile is for Read to tell
			return
		}
		above, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return
		}
		c = above.NetConn()
	}
}

// Write writes as much of data as the system takes at once, which may be
// nothing. An error is final. It must not run beside a Write of the net.Conn,
// whose deadline is nothing to it.
//
// The descriptor is the RawConn's for as long as it is used: so a Close of the
// net.Conn, by whoever, waits for that, and the descriptor cannot become another
// connection's meanwhile.
func Write(raw syscall.RawConn, data []byte) (n int, err error) { return write(raw, data, false) }

// WriteMore is Write where the end of the sending, or more, follows at once: the
// system may wait for that, so that both are one packet. It is the packets that
// cost on loopback: one less takes a fifth off the closing of a connection.
func WriteMore(raw syscall.RawConn, data []byte) (n int, err error) { return write(raw, data, true) }

func write(raw syscall.RawConn, data []byte, more bool) (n int, err error) {
	a := attempts.Get().(*attempt)
	a.data, a.more = data, more
	err = raw.Control(a.try)
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
	more bool
	n    int
	err  error
	try  func(fd uintptr)
}

var attempts = sync.Pool{New: func() any {
	a := new(attempt)
	a.try = a.once
	return a
}}

func (a *attempt) once(fd uintptr) { a.n, a.err = writeOnce(fd, a.data, a.more) }
