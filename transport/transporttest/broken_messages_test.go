package transporttest

import (
	"bytes"
	"slices"

	"github.com/lectern-go/lectern/transport/memory"
)

var messageFlaws = []flaw{
	{name: "sends every hundredth message twice", found: "Order", says: whole, end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			if b.n++; b.n%100 == 0 {
				messages = append(slices.Clone(messages), messages...)
			}
			return b.Conn.Write(messages...)
		}
	}},
	{name: "lets small messages overtake", found: "Order", says: whole, end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			if b.messages == nil && len(messages) == 1 && len(messages[0]) > 500 {
				b.messages = [][]byte{bytes.Clone(messages[0])}
				return nil
			}
			messages = append(slices.Clone(messages), b.messages...)
			b.messages = nil
			return b.Conn.Write(messages...)
		}
	}},
	{name: "reorders a batch", found: "Batch", says: "a message of its own, in order", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			messages = slices.Clone(messages)
			slices.Reverse(messages)
			return b.Conn.Write(messages...)
		}
	}},
	{name: "merges a batch", found: "Batch", says: "a message of its own, in order", change: func(o *memory.Options) { o.MaxFrameBytes = 1 << 30 }, end: func(b *broken) {
		b.write = func(messages ...[]byte) error { return b.Conn.Write(bytes.Join(messages, nil)) }
	}},
	{name: "sends an empty message for an empty batch", found: "Batch", says: "a Write of no messages sends none", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			if len(messages) == 0 {
				messages = [][]byte{nil}
			}
			return b.Conn.Write(messages...)
		}
	}},
	{name: "masks the messages in place", found: "Batch", says: "Write changed a slice", end: func(b *broken) {
		mask := func(message []byte) {
			for i := range message {
				message[i] ^= 0x55
			}
		}
		b.write = func(messages ...[]byte) error {
			for _, message := range messages {
				mask(message)
			}
			return b.Conn.Write(messages...)
		}
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			mask(message)
			return message, err
		}
	}},
	{name: "drops empty messages", found: "Empty", says: "a message may be empty", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			messages = slices.DeleteFunc(slices.Clone(messages), func(message []byte) bool { return len(message) == 0 })
			return b.Conn.Write(messages...)
		}
	}},
	{name: "takes an empty message for the end", found: "Empty", says: "failed on a healthy connection", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if err == nil && len(message) == 0 {
				b.Cut()
				return b.Conn.Read()
			}
			return message, err
		}
	}},
	{name: "splits large messages", found: "Large", says: "arrives whole", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			var pieces [][]byte
			for _, message := range messages {
				for len(message) > 64<<10 {
					pieces, message = append(pieces, message[:64<<10]), message[64<<10:]
				}
				pieces = append(pieces, message)
			}
			return b.Conn.Write(pieces...)
		}
	}},
	{name: "refuses exactly the limit", found: "Large", says: "failed on a healthy connection", change: func(o *memory.Options) { o.MaxFrameBytes-- }},
	{name: "loses the last byte of a buffer", found: "Large", says: "arrives whole", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			return message[:min(len(message), 65535)], err
		}
	}},
	{name: "keeps the writer's slices", found: "WriterOwnsItsSlices", says: "Write does not keep the slices", end: func(b *broken) {
		// They are sent when the peer comes to read them.
		b.write = func(messages ...[]byte) error {
			b.room.Lock()
			defer b.room.Unlock()
			b.messages = append(b.messages, messages...)
			return nil
		}
		b.read = func() ([]byte, error) {
			b.room.Lock()
			kept := b.peer.messages
			b.peer.messages = nil
			b.room.Unlock()
			if err := b.peer.Conn.Write(kept...); err != nil {
				return nil, err
			}
			return b.Conn.Read()
		}
	}},
	{name: "passes the writer's slices to the reader", found: "WriterOwnsItsSlices", says: "until the next Read it is the reader's", end: func(b *broken) {
		var passed [][]byte
		b.write = func(messages ...[]byte) error {
			b.room.Lock()
			defer b.room.Unlock()
			if len(messages) == 3 {
				b.messages = slices.Clone(messages)
			}
			return b.Conn.Write(messages...)
		}
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			b.room.Lock()
			defer b.room.Unlock()
			if passed == nil {
				passed = b.peer.messages
			}
			if len(passed) > 0 {
				message, passed = passed[0], passed[1:]
			}
			return message, err
		}
	}},
	{name: "lets what arrives overwrite what was read", found: "ReaderOwnsItsSlice", says: "changed before the next Read", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			b.room.Lock()
			defer b.room.Unlock()
			b.messages = [][]byte{message}
			return message, err
		}
		b.write = func(messages ...[]byte) error {
			b.room.Lock()
			if len(b.peer.messages) > 0 {
				copy(b.peer.messages[0], messages[0])
			}
			b.room.Unlock()
			return b.Conn.Write(messages...)
		}
	}},
	{name: "reads what the reader wrote", found: "ReaderOwnsItsSlice", says: "the reader may change the bytes", end: func(b *broken) {
		// One slice serves the last two messages.
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if b.n++; b.n < 21 {
				b.messages = [][]byte{message}
				return message, err
			}
			return b.messages[0], err
		}
	}},
	{name: "lets a Read keep a Write from going on", found: "FullDuplex", says: "has not returned", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			b.writing <- struct{}{}
			defer func() { <-b.writing }()
			return b.Conn.Read()
		}
		b.write = func(messages ...[]byte) error {
			select {
			case b.writing <- struct{}{}:
			case <-b.room.released:
				return nil
			}
			defer func() { <-b.writing }()
			return b.Conn.Write(messages...)
		}
	}},
	{name: "lets a Write keep a Read from going on", found: "FullDuplex", says: "has not returned", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			b.writing <- struct{}{}
			defer func() { <-b.writing }()
			return b.Conn.Write(messages...)
		}
		b.read = func() ([]byte, error) {
			select {
			case b.writing <- struct{}{}:
				<-b.writing
			case <-b.room.released:
			}
			return b.Conn.Read()
		}
	}},
	{name: "drops one message in two thousand", found: "Load", says: "message 2000 is", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			if b.n++; b.n == 2001 {
				if _, err := b.Conn.Read(); err != nil {
					return nil, err
				}
			}
			return b.Conn.Read()
		}
	}},
	{name: "mixes a stray message in", found: "Load", says: whole, end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			if b.n++; b.n == 50 {
				messages = append(slices.Clone(messages), []byte("stray"))
			}
			return b.Conn.Write(messages...)
		}
	}},
}
