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
	// expires: there is a message in it that expires.
	expires bool
	// encoding guards the fields below: the workers of a fan-out run concurrently.
	encoding sync.Mutex
	// binary and text are the packets' bytes in each form. They are encoded when a
	// receiver first needs that form.
	binary, text [][]byte
}

// add appends a message.
func (b *batch) add(p *wire.Packet) {
	b.packets = append(b.packets, p)
	b.size += len(p.Frame().Payload.Data)
	b.expires = b.expires || p.Expires()
}

// in returns the bytes of the messages in one form. The slice and the messages are
// shared and must not be changed.
func (b *batch) in(form wire.Form) [][]byte {
	b.encoding.Lock()
	defer b.encoding.Unlock()
	encoded := &b.binary
	if form == wire.Text {
		encoded = &b.text
	}
	for _, p := range b.packets[len(*encoded):] {
		*encoded = append(*encoded, p.Bytes(form))
	}
	return *encoded
}

// clear removes the messages, but keeps the memory for the next ones.
func (b *batch) clear() {
	clear(b.packets)
	clear(b.binary)
	clear(b.text)
	b.packets, b.binary, b.text, b.size = b.packets[:0], b.binary[:0], b.text[:0], 0
	b.expires = false
}
