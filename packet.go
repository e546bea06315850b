package lectern

import (
	"sync"

	"github.com/lectern-go/lectern/internal/wire"
)

// packet is one frame on its way to any number of receivers, encoded once for
// each form that one of them speaks. It is encoded by whoever delivers: those who
// share out a run have it from that.
type packet struct {
	frame  *wire.Frame // nil where it was encoded at once
	binary []byte
	text   []byte
}

func newPacket(frame *wire.Frame) *packet {
	p := &struct {
		packet
		frame wire.Frame
	}{frame: *frame}
	p.packet.frame = &p.frame
	return &p.packet
}

// encodedPacket is for a frame that is no message and goes to one receiver, whose
// form it is encoded in: it takes a seventh of the memory.
func encodedPacket(frame *wire.Frame, form wire.Form) *packet {
	p := new(packet)
	*p.in(form) = wire.Append(nil, form, frame)
	return p
}

func closedPacket(channel string, end *Error) *packet {
	return newPacket(&wire.Frame{Type: wire.Closed, Channel: channel, Code: string(end.Code), Reason: end.Text})
}

func (p *packet) in(form wire.Form) *[]byte {
	if form == wire.Text {
		return &p.text
	}
	return &p.binary
}

// bytes is the frame in one form. The result is shared and must not be changed.
func (p *packet) bytes(form wire.Form) []byte {
	encoded := p.in(form)
	if *encoded == nil {
		*encoded = wire.Append(nil, form, p.frame)
	}
	return *encoded
}

// isMessage reports whether it is one of a member.
func (p *packet) isMessage() bool { return p.frame != nil && p.frame.Type == wire.Message }

// encodedRun are packets that go to the same receivers, in the forms that these
// speak.
type encodedRun struct {
	packets []*packet
	size    int // of their payloads, in bytes
	// encoding covers what follows, for those who share the receivers out.
	encoding sync.Mutex
	// binary and text are the packets' bytes, where somebody has asked for them.
	binary, text [][]byte
}

func (r *encodedRun) add(p *packet) {
	r.packets = append(r.packets, p)
	r.size += len(p.frame.Payload.Data)
}

// in returns the packets in one form. The slice and what it holds are shared.
func (r *encodedRun) in(form wire.Form) [][]byte {
	r.encoding.Lock()
	defer r.encoding.Unlock()
	encoded := &r.binary
	if form == wire.Text {
		encoded = &r.text
	}
	for _, p := range r.packets[len(*encoded):] {
		*encoded = append(*encoded, p.bytes(form))
	}
	return *encoded
}

// clear forgets the packets, but for their space.
func (r *encodedRun) clear() {
	clear(r.packets)
	clear(r.binary)
	clear(r.text)
	r.packets, r.binary, r.text, r.size = r.packets[:0], r.binary[:0], r.text[:0], 0
}
