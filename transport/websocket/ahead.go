package websocket

import (
	"net"
	"sync"
	"syscall"
)

// An ahead is what a socket has read beyond what the framing library has asked
// for. The library has a small buffer of its own, so that an idle connection is
// small; to read no more than fits into that would cost a system call for each
// part of a frame.
//
// It belongs to the reading goroutine.
type ahead struct {
	raw  syscall.RawConn    // of a socket of the system; nil where it cannot be had
	fill func(uintptr) bool // reads from raw
	data []byte             // what was read and not yet taken
	lent *[aheadSize]byte   // holds data, where it is of a socket of the system
	own  []byte             // holds it elsewhere
	err  error              // what the reading has ended with, behind data
}

const (
	// aheadSize is how much is read at once from the system. The buffer is lent
	// when something has arrived.
	aheadSize = 4 << 10
	// ownSize is that where a Read has to have its buffer while it waits, and
	// the connection therefore keeps one.
	ownSize = 512
)

var aheads = sync.Pool{New: func() any { return new([aheadSize]byte) }}

// read is c.Read(p), and may read more than that.
func (a *ahead) read(c net.Conn, p []byte) (int, error) {
	if len(a.data) == 0 && a.err == nil {
		if len(p) >= aheadSize {
			return c.Read(p)
		}
		if err := a.wait(c); err != nil {
			return 0, err
		}
	}
	n := copy(p, a.data)
	a.data = a.data[n:]
	if len(a.data) == 0 {
		a.giveBack()
	}
	if n > 0 {
		return n, nil
	}
	return 0, a.err
}

func (a *ahead) giveBack() {
	a.data = nil
	if a.lent != nil {
		aheads.Put(a.lent)
		a.lent = nil
	}
}

// wait reads until there is data, or err.
func (a *ahead) wait(c net.Conn) error {
	if a.raw != nil {
		if a.fill == nil {
			a.fill = a.readRaw
		}
		return a.raw.Read(a.fill)
	}
	if a.own == nil {
		a.own = make([]byte, ownSize)
	}
	n, err := c.Read(a.own)
	if n > 0 {
		err = nil // it comes again
	}
	a.data = a.own[:n]
	return err
}
