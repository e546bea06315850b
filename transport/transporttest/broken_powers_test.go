package transporttest

import (
	"errors"
	"net"

	"github.com/lectern-go/lectern/transport"
)

var powerFlaws = []flaw{
	{name: "closes without the last messages", found: "WriteLast", says: "failed on a healthy connection", end: func(b *broken) {
		b.last = func(reason transport.Reason, _ ...[]byte) error { return b.Close(reason) }
	}},
	{name: "leaves the last messages hanging", found: "WriteLastStuck", says: "Close unblocks what is being written", end: func(b *broken) {
		b.last = func(_ transport.Reason, messages ...[]byte) error {
			err := b.Conn.Write(messages...)
			if errors.Is(err, net.ErrClosed) {
				b.room.hang()
			}
			return err
		}
	}},
	{name: "begins anew after what was tried", found: "BatchByTryWrite", says: "a message of its own, in order", end: func(b *broken) {
		b.try = func(messages ...[]byte) bool {
			_ = b.Conn.Write(messages[:len(messages)/2]...)
			return false
		}
	}},
	{name: "forgets what could not be written at once", found: "LoadByTryWrite", says: whole, end: func(b *broken) {
		b.try = func(messages ...[]byte) bool {
			if b.n++; b.n%100 == 0 {
				return true
			}
			return false
		}
	}},
}
