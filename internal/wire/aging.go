package wire

import (
	"sync"
	"time"
)

// aging is what a Packet of a message that expires has besides. The message says how much of
// its time is left, so it is encoded anew where it was not sent at once: for each form once in
// a millisecond, which is how exactly that is told, however many receivers there are. Unlike
// the Packet it is safe for concurrent use: each receiver's writer asks for it.
type aging struct {
	end time.Time

	mu sync.Mutex
	// newest is the message as it was encoded last, in each form, with what it says is left.
	newest [2]struct {
		left    uint64
		encoded []byte
	}
}

// End is from when on the message is worth nothing any more. It is the zero time where it
// does not expire.
func (p *Packet) End() time.Time {
	if p.aging == nil {
		return time.Time{}
	}
	return p.aging.end
}

// Expires reports whether the message expires.
func (p *Packet) Expires() bool { return p.aging != nil }

// At is the message, which expires, as it is to be written at that time, or nil where it has
// expired. What is left is rounded up to a millisecond. It may be called by several goroutines
// at once. The result is shared and must not be changed.
func (p *Packet) At(now time.Time, form Form) []byte {
	left := p.aging.end.Sub(now)
	if left <= 0 {
		return nil
	}
	p.aging.mu.Lock()
	defer p.aging.mu.Unlock()
	return p.aging.encode(p.frame, form, min(Milliseconds(left), MaxExpires))
}

// bytes is the message in that form, with as much left as was the last time.
func (a *aging) bytes(frame *Frame, form Form) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	if encoded := a.newest[form].encoded; encoded != nil {
		return encoded
	}
	return a.encode(frame, form, frame.Expires())
}

// encode is the message with so much left. The lock is held.
func (a *aging) encode(frame *Frame, form Form, left uint64) []byte {
	newest := &a.newest[form]
	if newest.encoded == nil || newest.left != left {
		with, aside := *frame, *frame.Aside
		aside.Expires = left
		with.Aside = &aside
		newest.left, newest.encoded = left, Append(nil, form, &with)
	}
	return newest.encoded
}
