//go:build unix

package websocket

import (
	"io"

	"github.com/lectern-go/lectern/internal/direct"
)

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
	n, arrived, err := direct.Receive(fd, lent[rest:])
	switch {
	case !arrived:
	case err != nil:
		a.err = err
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
