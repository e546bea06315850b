package delivery

import (
	"sync"

	"github.com/lectern-go/lectern/internal/wire"
)

// batch is a number of messages that go to the same receivers, with the bytes of each
// message in both forms. Only the method in may be called by several goroutines at once.
type batch struct {
	packets []*wire.Packet
	size    int // of the payloads, in bytes
	// encoding guards the fields below: the workers of a fan-out run concurrently.
	encoding sync.Mutex
	// binary and text are the packets' bytes in each form. They are encoded when a
	// receiver first needs that form.
	binary, text [][]byte
}

// add appends a message.
func (r *batch) add(p *wire.Packet) {
	r.packets = append(r.packets, p)
	r.size += len(p.Frame().Payload.Data)
}

// in returns the bytes of the messages in one form. The slice and the messages are
// shared and must not be changed.
func (r *batch) in(form wire.Form) [][]byte {
	r.encoding.Lock()
	defer r.encoding.Unlock()
	encoded := &r.binary
	if form == wire.Text {
		encoded = &r.text
	}
	for _, p := range r.packets[len(*encoded):] {
		*encoded = append(*encoded, p.Bytes(form))
	}
	return *encoded
}

// clear removes the messages, but keeps the memory for the next ones.
func (r *batch) clear() {
	clear(r.packets)
	clear(r.binary)
	clear(r.text)
	r.packets, r.binary, r.text, r.size = r.packets[:0], r.binary[:0], r.text[:0], 0
}
