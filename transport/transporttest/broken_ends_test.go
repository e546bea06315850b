package transporttest

import (
	"errors"
	"io"
	"net"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

var endFlaws = []flaw{
	{name: "reads what is left", found: "AfterClose", says: "Read fails after Close", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if b.n++; b.n == 1 && errors.Is(err, net.ErrClosed) {
				return []byte("unread"), nil
			}
			return message, err
		}
	}},
	{name: "writes into the void", found: "AfterClose", says: "Write returned no error after Close", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			_ = b.Conn.Write(messages...)
			return nil
		}
	}},
	{name: "panics at the thousandth Read", found: "ErrorsAreFinal", says: "panicked: repeated read", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if err != nil {
				if b.n++; b.n == 1000 {
					panic("repeated read")
				}
			}
			return message, err
		}
	}},
	{name: "goes on after an error", found: "ErrorsAreFinal", says: "the error of a Read is final", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if err != nil {
				if b.n++; b.n == 2 {
					return nil, nil
				}
			}
			return message, err
		}
	}},
	{name: "hangs after an error", found: "ErrorsAreFinal", says: "later calls of Read return an error again", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if err != nil {
				if b.n++; b.n > 1 {
					b.room.hang()
				}
			}
			return message, err
		}
	}},
	{name: "takes a loss for a close", found: "Loss", says: "nobody has closed it", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if err != nil && !errors.Is(err, net.ErrClosed) {
				err = &transport.CloseError{Reason: transport.Reason{Code: transport.Left}}
			}
			return message, err
		}
	}},
	{name: "takes a loss for its own Close", found: "Loss", says: "nobody has closed it", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if err != nil {
				err = net.ErrClosed
			}
			return message, err
		}
	}},
	{name: "never blocks", found: "LossUnblocks", says: "it has to block at some point", end: func(b *broken) {
		b.write = func(messages ...[]byte) error { return nil }
	}},
	{name: "remembers the loss only", found: "Loss", says: "has to match net.ErrClosed", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if err != nil {
				err = io.ErrUnexpectedEOF
			}
			return message, err
		}
	}},
	{name: "does not notice", found: "LossUnblocks", says: "Read fails when the connection is lost", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if err != nil {
				b.room.hang()
			}
			return message, err
		}
	}},
	{name: "leaves a Write hanging", found: "LossUnblocks", says: "Write fails when the connection is lost", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			err := b.Conn.Write(messages...)
			if err != nil {
				b.room.hang()
			}
			return err
		}
	}},
	{name: "writes on into the void", found: "LossUnblocks", says: "Write returned no error after the connection was lost", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			_ = b.Conn.Write(messages...)
			return nil
		}
	}},
	{name: "knows no limit", found: "TooLarge", says: "no error: " + refusal, change: func(o *memory.Options) { o.MaxFrameBytes = 1 << 30 }},
	{name: "is one byte late", found: "TooLarge", says: "no error: " + refusal, change: func(o *memory.Options) { o.MaxFrameBytes++ }},
	{name: "refuses without telling", found: "TooLarge", says: refusal, end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if closed := (*transport.CloseError)(nil); errors.As(err, &closed) && closed.Reason.Code == transport.TooLarge {
				b.room.hang()
			}
			return message, err
		}
	}},
	{name: "tells another code", found: "TooLarge", says: refusal, end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if closed := (*transport.CloseError)(nil); errors.As(err, &closed) {
				err = &transport.CloseError{Reason: transport.Reason{Code: transport.ProtocolError}}
			}
			return message, err
		}
	}},
	{name: "has another error", found: "TooLarge", says: refusal, end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if errors.Is(err, transport.ErrMessageTooLarge) {
				err = transport.ErrProtocol
			}
			return message, err
		}
	}},
	{name: "tells nobody who is writing", found: "FarTooLarge", says: "has not returned", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			b.writing <- struct{}{}
			defer func() { <-b.writing }()
			err := b.Conn.Write(messages...)
			if len(messages[0]) > 2*b.room.settings.MaxFrameBytes {
				b.room.hang() // a message of this size is still under way
			}
			return err
		}
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if closed := (*transport.CloseError)(nil); errors.As(err, &closed) {
				select {
				case b.writing <- struct{}{}:
				case <-b.room.released:
				}
			}
			return message, err
		}
	}},
	{name: "does not narrow its limit", found: "NarrowedLimit", says: "narrows the limit", end: func(b *broken) {
		b.setLimit = func(int) {}
	}},
	{name: "is one byte generous", found: "NarrowedLimit", says: "narrows the limit", end: func(b *broken) {
		b.setLimit = func(bytes int) { b.Conn.SetMaxFrameBytes(bytes + 1) }
	}},
	{name: "never widens its limit", found: "NarrowedLimit", says: "widens the limit again", end: func(b *broken) {
		b.n = b.room.settings.MaxFrameBytes
		b.setLimit = func(bytes int) {
			b.n = min(b.n, bytes)
			b.Conn.SetMaxFrameBytes(b.n)
		}
	}},
	{name: "takes zero for nothing", found: "NarrowedLimit", says: "zero is the limit", end: func(b *broken) {
		b.setLimit = func(bytes int) { b.Conn.SetMaxFrameBytes(max(bytes, narrow/2)) }
	}},
	{name: "takes a negative limit for the smallest", found: "NarrowedLimit", says: "a negative number", end: func(b *broken) {
		b.setLimit = func(bytes int) {
			if bytes < 0 {
				bytes = narrow / 2
			}
			b.Conn.SetMaxFrameBytes(bytes)
		}
	}},
	{name: "exceeds the limit that it was made with", found: "NarrowedLimit", says: "is never exceeded",
		change: func(o *memory.Options) { o.MaxFrameBytes = 1 << 30 },
		end: func(b *broken) {
			b.setLimit = func(bytes int) {
				if bytes <= 0 {
					bytes = b.room.settings.MaxFrameBytes
				}
				b.Conn.SetMaxFrameBytes(bytes)
			}
		}},
	{name: "narrows its limit one message late", found: "NarrowedLimitOfWhatHasArrived", says: "after the limit was widened: a message is held", end: func(b *broken) {
		b.setLimit = func(bytes int) { b.n = bytes }
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			b.Conn.SetMaxFrameBytes(b.n)
			return message, err
		}
	}},
	{name: "holds what has arrived against the limit of then", found: "NarrowedLimitOfWhatHasArrived", says: "after the limit was narrowed: a message is held", end: func(b *broken) {
		b.setLimit = func(bytes int) {
			if b.n++; b.n < 3 {
				b.Conn.SetMaxFrameBytes(bytes)
			}
		}
	}},
}
