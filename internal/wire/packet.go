package wire

import (
	"slices"
	"strings"
	"time"
)

// Packet is one frame on its way to any number of receivers. It is encoded once
// for each form, when somebody first asks for that form.
//
// A Packet is not safe for concurrent use: it belongs to whoever delivers it.
type Packet struct {
	frame  *Frame // nil where it was encoded at once
	binary []byte
	text   []byte
	// aging is of a message that expires, and nil of any other.
	aging *aging
}

// NewPacket is a packet of a copy of the frame, which is encoded later. The
// frame's payload and lists are shared and must not change any more. A list of members is
// put into the order of names then: whoever makes the packet may hold a lock, under which
// that would take too long.
func NewPacket(frame *Frame) *Packet {
	p := &struct {
		Packet
		frame Frame
	}{frame: *frame}
	p.Packet.frame = &p.frame
	return &p.Packet
}

// NewExpiringPacket is NewPacket for a message that is worth nothing any more from the instant
// on. What is left is in the frame as it is when the packet is made.
func NewExpiringPacket(frame *Frame, end time.Time) *Packet {
	p := NewPacket(frame)
	p.aging = &aging{end: end}
	return p
}

// EncodedPacket is a packet of a frame that goes to one receiver and is no
// message. It is encoded now, in the receiver's form, and takes a seventh of the
// memory. Frame returns nil for it.
func EncodedPacket(frame *Frame, form Form) *Packet {
	p := new(Packet)
	*p.in(form) = Append(nil, form, frame)
	return p
}

// Frame is the packet's frame, or nil where it was encoded at once. It must not
// be changed.
func (p *Packet) Frame() *Frame {
	if p.frame != nil && len(p.frame.Members) > 1 {
		SortMembers(p.frame.Members)
	}
	return p.frame
}

// IsMessage reports whether the frame is a message of a member.
func (p *Packet) IsMessage() bool { return p.frame != nil && p.frame.Type == Message }

// Bytes is the frame in one form. The result is shared and must not be changed.
func (p *Packet) Bytes(form Form) []byte {
	if p.aging != nil {
		return p.aging.bytes(p.frame, form)
	}
	encoded := p.in(form)
	if *encoded == nil {
		SortMembers(p.frame.Members)
		*encoded = Append(nil, form, p.frame)
	}
	return *encoded
}

// SortMembers puts a list into the order of names.
func SortMembers(members []Member) {
	byName := func(a, b Member) int { return strings.Compare(a.Username, b.Username) }
	if !slices.IsSortedFunc(members, byName) {
		slices.SortFunc(members, byName)
	}
}

func (p *Packet) in(form Form) *[]byte {
	if form == Text {
		return &p.text
	}
	return &p.binary
}
