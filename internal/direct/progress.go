package direct

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A teller is a net.Conn that knows how much of what was written to it has been taken at
// the other end, and how much is on its way.
type teller interface {
	Acked() (acked uint64, waiting int)
}

// Acked returns how many bytes of what was written to c, or to what is beneath it, the
// peer's system has acknowledged in all, and how many it has not. It reports false where
// nobody tells: it is Linux that does, of TCP, and whoever has a method Acked.
//
// It makes system calls, and is for writes that take long.
func Acked(c net.Conn) (acked uint64, waiting int, ok bool) {
	switch c := beneath(c).(type) {
	case teller:
		acked, waiting = c.Acked()
		return acked, waiting, true
	case syscall.Conn:
		raw, err := c.SyscallConn()
		if err != nil {
			return 0, 0, false
		}
		err = raw.Control(func(fd uintptr) { acked, waiting, ok = ackedOf(fd) })
		return acked, waiting, ok && err == nil
	}
	return 0, 0, false
}

// TellsAcked reports whether Acked is to be expected to tell.
func TellsAcked(c net.Conn) bool {
	switch beneath(c).(type) {
	case teller:
		return true
	case *net.UnixConn:
		return false
	case syscall.Conn:
		return ackedSupported
	}
	return false
}

// beneath is the connection that c is, or that is beneath it and shown by a method
// NetConn.
func beneath(c net.Conn) net.Conn {
	for {
		above, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = above.NetConn()
	}
}

// A Pace is that of the writes to a net.Conn that cannot be asked how far one is. Its
// zero value is that of one that has not been slow. It belongs to who writes.
type Pace struct{ piece int32 } // how many bytes are written at once; zero for all

const (
	// slowWrite is how long a write takes that has had to wait for the peer, be it
	// small.
	slowWrite = 5 * time.Millisecond
	// pieceTime is how long a piece takes, of what is written to a slow peer.
	pieceTime = 250 * time.Millisecond
	// smallestPiece is that of a peer at the slowest pace there may be, or where it is
	// this side that is slow, and wholeFrom from which size on nothing is cut any more.
	smallestPiece = 1000
	wholeFrom     = 64 << 10
)

// Write is c.Write, in pieces where the connection is slow, each of which is added to
// taken as soon as it is written.
func (p *Pace) Write(c net.Conn, data []byte, taken *atomic.Uint64) error {
	for len(data) > 0 {
		piece := data
		if p.piece > 0 && len(data) > int(p.piece) {
			piece = data[:p.piece]
		}
		start := time.Now()
		n, err := c.Write(piece)
		taken.Add(uint64(n))
		if err != nil {
			return err
		}
		p.took(n, time.Since(start))
		data = data[len(piece):]
	}
	return nil
}

// took is told how long a write has taken.
func (p *Pace) took(bytes int, d time.Duration) {
	piece := int64(p.piece)
	if d < slowWrite {
		piece *= 2
	} else {
		piece = max(int64(float64(bytes)*float64(pieceTime)/float64(d)), smallestPiece)
	}
	if piece >= wholeFrom {
		piece = 0
	}
	p.piece = int32(piece)
}

// WriteAll is a Write of the net.Conn, with its deadline, that adds to taken what the
// system takes, as soon as it has.
func WriteAll(raw syscall.RawConn, data []byte, taken *atomic.Uint64) error {
	w := writings.Get().(*writing)
	w.data, w.taken = data, taken
	err := raw.Write(w.step)
	if err == nil {
		err = w.err
	}
	w.data, w.taken, w.err = nil, nil, nil
	writings.Put(w)
	return err
}

// writing is a call of WriteAll. It is kept because its function is, which would be
// allocated each time.
type writing struct {
	data  []byte
	taken *atomic.Uint64
	err   error
	step  func(fd uintptr) (done bool)
}

var writings = sync.Pool{New: func() any {
	w := new(writing)
	w.step = w.once
	return w
}}

// once writes what the system takes at once, and reports false where it has to be waited
// for to take more.
func (w *writing) once(fd uintptr) (done bool) {
	for len(w.data) > 0 {
		n, err := writeOnce(fd, w.data, false)
		if err != nil {
			w.err = err
			return true
		}
		if n == 0 {
			return false
		}
		w.data = w.data[n:]
		w.taken.Add(uint64(n))
	}
	return true
}
