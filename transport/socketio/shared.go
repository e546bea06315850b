package socketio

import (
	"sync/atomic"
	"unsafe"
)

// recent has the translations of messages that were written lately, so that a message to many
// sockets is translated once. A message is known by the address of its bytes: it holds on to
// these, so that nothing else can come to lie there.
//
// It keeps at most 240 messages of up to 4 KiB, and 16 larger ones.
type recent struct {
	slots [256]atomic.Pointer[translation]
}

const (
	smallSlots   = 240
	smallMessage = 4 << 10
)

func (r *recent) slot(message []byte) *atomic.Pointer[translation] {
	address := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(message))))
	mixed := (address >> 4 * 0x9e3779b97f4a7c15) >> 32
	if len(message) <= smallMessage {
		return &r.slots[mixed%smallSlots]
	}
	return &r.slots[smallSlots+mixed%(uint64(len(r.slots))-smallSlots)]
}

// find returns the translation of the message, nil where it is not kept.
func (r *recent) find(message []byte) *translation {
	t := r.slot(message).Load()
	if t == nil || len(t.source) != len(message) || unsafe.SliceData(t.source) != unsafe.SliceData(message) {
		return nil
	}
	return t
}

func (r *recent) keep(t *translation) { r.slot(t.source).Store(t) }
