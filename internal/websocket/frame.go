package websocket

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync"
	"time"
	"unicode/utf8"
)

// Frames of messages are built here rather than in the framing library, which
// would write each one by itself, and would hold its lock while the peer does
// not read.

// The first byte of a frame: the last of its message, and of this type.
const (
	final       = 0x80
	textFrame   = 0x01
	binaryFrame = 0x02
	closeFrame  = 0x08
)

// maxHeader is the size in bytes of the longest frame header.
const maxHeader = 2 + 8 + 4

func isClose(frame []byte) bool { return frame[0]&0x0f == closeFrame }

// firstByte is that of the frame which carries the message. Of one that begins with its type,
// that is cut off.
func (c *Conn) firstByte(message *[]byte) byte {
	if c.typed {
		kind := (*message)[0]
		*message = (*message)[1:]
		return final | kind
	}
	return firstByte(*message)
}

// firstByte is that of a frame with a message of Lectern.
func firstByte(message []byte) byte {
	if len(message) > 0 && message[0] == '{' && utf8.Valid(message) {
		return final | textFrame
	}
	return final | binaryFrame
}

// Messages are collected in one of two sizes of buffer, and written when the
// next one does not fit. The large one has room for the largest payload that a
// hub takes by default, 64 KiB, and what is around it. The buffers are lent for
// the time of a Write.
const (
	smallBatch = 4 << 10
	largeBatch = 72 << 10
)

var (
	smallBatches = sync.Pool{New: func() any { return new([smallBatch]byte) }}
	largeBatches = sync.Pool{New: func() any { return new([largeBatch]byte) }}
)

// A batch turns messages into frames.
type batch struct {
	conn   *Conn
	buffer []byte
	begun  int // how many bytes of the first buffer were written before

	small *[smallBatch]byte // whichever was borrowed
	large *[largeBatch]byte
}

func (b *batch) add(message []byte) error {
	if len(b.buffer) > 0 && cap(b.buffer)-len(b.buffer) < maxHeader+len(message) {
		if err := b.flush(); err != nil {
			return err
		}
	}
	var key uint32
	b.buffer = append(b.buffer, b.conn.firstByte(&message))
	b.buffer = appendLength(b.buffer, len(message), b.conn.masked)
	if b.conn.masked {
		key = rand.Uint32()
		b.buffer = binary.LittleEndian.AppendUint32(b.buffer, key)
	}
	for {
		start := len(b.buffer)
		n := min(len(message), cap(b.buffer)-start)
		b.buffer = append(b.buffer, message[:n]...)
		if b.conn.masked {
			key = mask(b.buffer[start:], key)
		}
		message = message[n:]
		if len(message) == 0 {
			return nil
		}
		// Larger than the buffer, and no control frame may come between.
		err := b.conn.socket.put(b.buffer, time.Time{})
		b.buffer = b.buffer[:0]
		if err != nil {
			return err
		}
	}
}

// writeBatch writes the messages to the socket, whose writing is held
// meanwhile, but for the bytes that TryWrite has written already.
func (c *Conn) writeBatch(messages [][]byte, begun int) error {
	b := batch{conn: c, begun: begun}
	b.borrow(framesSize(messages))
	defer b.giveBack()
	for _, message := range messages {
		if err := b.add(message); err != nil {
			return err
		}
	}
	return b.flush()
}

// framesSize is how much room the messages take up at most.
func framesSize(messages [][]byte) int {
	size := 0
	for _, message := range messages {
		size += maxHeader + len(message)
	}
	return size
}

// borrow takes a buffer for so many bytes, or for as many as fit.
func (b *batch) borrow(size int) {
	if size <= smallBatch {
		b.small = smallBatches.Get().(*[smallBatch]byte)
		b.buffer = b.small[:0]
	} else {
		b.large = largeBatches.Get().(*[largeBatch]byte)
		b.buffer = b.large[:0]
	}
}

func (b *batch) giveBack() {
	if b.small != nil {
		smallBatches.Put(b.small)
	} else {
		largeBatches.Put(b.large)
	}
}

func (b *batch) flush() error {
	err := b.conn.socket.flush(b.buffer[b.begun:], time.Time{})
	b.buffer, b.begun = b.buffer[:0], 0
	return err
}

// appendLength appends the part of a frame's header that tells the length.
func appendLength(dst []byte, length int, masked bool) []byte {
	var bit byte
	if masked {
		bit = 0x80
	}
	switch {
	case length <= 125:
		return append(dst, bit|byte(length))
	case length <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, bit|126), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(dst, bit|127), uint64(length))
	}
}

// mask applies the key to b, and returns the key for the bytes that follow. The
// key's lowest byte is the one for the next byte.
func mask(b []byte, key uint32) uint32 {
	for wide := uint64(key)<<32 | uint64(key); len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
	}
	for i := range b {
		b[i] ^= byte(key)
		key = bits.RotateLeft32(key, -8)
	}
	return key
}
