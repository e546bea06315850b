package hub

import (
	"encoding/binary"
	"errors"
	"time"
)

// packing writes fields down one after the other: numbers as varints, and texts with their
// lengths.
type packing struct{ b []byte }

func (p *packing) byte(b byte)     { p.b = append(p.b, b) }
func (p *packing) number(n uint64) { p.b = binary.AppendUvarint(p.b, n) }
func (p *packing) fixed(b []byte)  { p.b = append(p.b, b...) }
func (p *packing) text(s string) {
	p.number(uint64(len(s)))
	p.b = append(p.b, s...)
}

func (p *packing) bytes(b []byte) {
	p.number(uint64(len(b)))
	p.b = append(p.b, b...)
}

func (p *packing) flags(flags ...bool) {
	var b byte
	for i, flag := range flags {
		if flag {
			b |= 1 << i
		}
	}
	p.byte(b)
}

// instant writes an instant, or none.
func (p *packing) instant(t time.Time) {
	if t.IsZero() {
		p.number(0)
		return
	}
	p.number(uint64(t.UnixNano()))
}

// unpacking is the reverse of packing. What is cut off is empty, and bad is set.
type unpacking struct {
	rest []byte
	bad  bool
}

var errPacked = errors.New("hub: what another hub has sent cannot be read")

// end is nil where all was there, and nothing is left.
func (u *unpacking) end() error {
	if u.bad || len(u.rest) > 0 {
		return errPacked
	}
	return nil
}

func (u *unpacking) cut(n uint64) []byte {
	if u.bad || n > uint64(len(u.rest)) {
		u.bad, u.rest = true, nil
		return nil
	}
	b := u.rest[:n:n]
	u.rest = u.rest[n:]
	return b
}

func (u *unpacking) byte() byte {
	if b := u.cut(1); b != nil {
		return b[0]
	}
	return 0
}

func (u *unpacking) number() uint64 {
	n, size := binary.Uvarint(u.rest)
	if size <= 0 {
		u.bad, u.rest = true, nil
		return 0
	}
	u.rest = u.rest[size:]
	return n
}

// bytes are a part of what is read.
func (u *unpacking) bytes() []byte { return u.cut(u.number()) }
func (u *unpacking) text() string  { return string(u.bytes()) }

// fixed fills b.
func (u *unpacking) fixed(b []byte) { copy(b, u.cut(uint64(len(b)))) }

func (u *unpacking) instant() time.Time {
	n := u.number()
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(n))
}
