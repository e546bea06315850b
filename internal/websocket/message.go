package websocket

import "sync"

// A readBuffer holds the message that is arriving, or was read last. It has no
// memory while there is none: that of a small message would be 1 KB and more for
// each connection that waits.
type readBuffer struct {
	data  []byte
	small *[smallMessage]byte // lent by smallMessages
	large *[]byte             // lent by largeMessages
}

const smallMessage = 4 << 10

var (
	smallMessages = sync.Pool{New: func() any { return new([smallMessage]byte) }}
	largeMessages sync.Pool
)

func (b *readBuffer) reset() {
	b.data = nil
	if b.small != nil {
		smallMessages.Put(b.small)
		b.small = nil
	}
	if b.large != nil {
		largeMessages.Put(b.large)
		b.large = nil
	}
}

// add appends p, of at most aheadSize bytes, and returns where it is now. The
// whole is at most limit bytes.
func (b *readBuffer) add(p []byte, limit int) []byte {
	if len(p) > cap(b.data)-len(b.data) {
		b.grow(limit)
	}
	b.data = append(b.data, p...)
	return b.data[len(b.data)-len(p):]
}

// space is room for a part of the wanted bytes that are still to come, where more
// has come already than is small. extend is told how much of it was used, and
// returns that.
func (b *readBuffer) space(wanted uint64, limit int) []byte {
	if len(b.data) == cap(b.data) && wanted > 0 && b.data != nil {
		b.grow(limit)
	}
	room := b.data[len(b.data):cap(b.data)]
	return room[:min(uint64(len(room)), wanted)]
}

func (b *readBuffer) extend(n int) []byte {
	b.data = b.data[:len(b.data)+n]
	return b.data[len(b.data)-n:]
}

// grow makes room for what has come, never for what was announced.
func (b *readBuffer) grow(limit int) {
	if b.small == nil {
		b.small = smallMessages.Get().(*[smallMessage]byte)
		b.data = b.small[:0]
		return
	}
	if b.large == nil {
		if b.large, _ = largeMessages.Get().(*[]byte); b.large == nil {
			b.large = new([]byte)
		}
	}
	if size := cap(b.data); cap(*b.large) <= size {
		wanted := 2 * size
		if limit < wanted {
			wanted = max(limit, size) + 1
		}
		*b.large = make([]byte, 0, wanted)
	}
	b.data = append((*b.large)[:0], b.data...)
}
