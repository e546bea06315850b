package websocket

import (
	"net"
	"sync"
	"syscall"
)

// An ahead is what a socket has read and nobody has taken yet. It belongs to the
// reading goroutine.
type ahead struct {
	raw  syscall.RawConn    // of a socket of the system; nil where it cannot be had
	fill func(uintptr) bool // reads from raw
	data []byte
	lent *[aheadSize]byte // holds data, where it is of a socket of the system
	own  *[ownSize]byte   // holds it elsewhere
	err  error            // what the reading has ended with, behind data

	fresh int  // how much of data has come since the last message was read
	empty bool // nothing was left in the system's buffer
	ended bool // but maybe the end, or what follows on urgent data
}

const (
	// aheadSize is how much is read at once from the system. The buffer is lent
	// when something has arrived, so that a connection that waits is smaller by
	// it.
	aheadSize = 4 << 10
	// ownSize is that where a Read has to have its buffer while it waits, and
	// the connection therefore keeps one. Whatever is read in one piece, such as
	// a control frame, is shorter; so are most messages.
	ownSize = 256
)

var aheads = sync.Pool{New: func() any { return new([aheadSize]byte) }}

// skip takes n bytes off the data.
func (a *ahead) skip(n int) {
	a.data = a.data[n:]
	if len(a.data) == 0 {
		a.data = nil
		if a.lent != nil {
			aheads.Put(a.lent)
			a.lent = nil
		}
	}
}

// more waits for more data, and returns how much has come. The data that there
// is stays in front of it, and must be less than ownSize.
func (a *ahead) more(c net.Conn) (int, error) {
	before := len(a.data)
	if a.err == nil {
		if err := a.wait(c); err != nil {
			return 0, err
		}
	}
	if n := len(a.data) - before; n > 0 {
		return n, nil
	}
	return 0, a.err
}

// now is more without waiting.
func (a *ahead) now() (int, error) {
	before := len(a.data)
	if a.err == nil {
		if a.raw == nil || a.empty && !a.ended {
			return 0, nil
		}
		if found, err := a.look(); !found {
			return 0, err
		}
	}
	if n := len(a.data) - before; n > 0 {
		return n, nil
	}
	return 0, a.err
}

// look reads what is there, and reports false where nothing is.
func (a *ahead) look() (found bool, err error) {
	g := glances.Get().(*glance)
	g.ahead = a
	err = a.raw.Control(g.function)
	found = g.found
	g.ahead, g.found = nil, false
	glances.Put(g)
	return found, err
}

// A glance is a call of look. It is kept because its function is, which would be
// allocated each time.
type glance struct {
	ahead    *ahead
	found    bool
	function func(fd uintptr)
}

var glances = sync.Pool{New: func() any {
	g := new(glance)
	g.function = func(fd uintptr) { g.found = g.ahead.readRaw(fd) }
	return g
}}

func (a *ahead) wait(c net.Conn) error {
	if a.raw != nil {
		if a.fill == nil {
			a.fill = a.readRaw
		}
		return a.raw.Read(a.fill)
	}
	if a.own == nil {
		a.own = new([ownSize]byte)
	}
	rest := copy(a.own[:], a.data)
	n, err := c.Read(a.own[rest:])
	if n > 0 {
		err = nil // it comes again
	}
	a.data = a.own[:rest+n]
	return err
}
