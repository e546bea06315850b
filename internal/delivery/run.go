package delivery

import (
	"sync"

	"github.com/lectern-go/lectern/internal/wire"
)

// run is a batch of messages that go to the same receivers, in the forms that
// these speak. Only in may be called by several goroutines at once.
type run struct {
	packets []*wire.Packet
	size    int // of their payloads, in bytes
	// encoding covers what follows, for those who share the receivers out.
	encoding sync.Mutex
	// binary and text are the packets' bytes, where somebody has asked for them.
	binary, text [][]byte
}

// add puts a message at the end.
func (r *run) add(p *wire.Packet) {
	r.packets = append(r.packets, p)
	r.size += len(p.Frame().Payload.Data)
}

// in returns the messages in one form. The slice and what it holds are
// shared and must not be changed.
func (r *run) in(form wire.Form) [][]byte {
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

// clear forgets the messages, but keeps the space for the next ones.
func (r *run) clear() {
	clear(r.packets)
	clear(r.binary)
	clear(r.text)
	r.packets, r.binary, r.text, r.size = r.packets[:0], r.binary[:0], r.text[:0], 0
}
