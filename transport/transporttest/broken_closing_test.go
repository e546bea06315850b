package transporttest

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/lectern-go/lectern/transport"
)

var closeFlaws = []flaw{
	{name: "leaves a Read hanging", found: "CloseUnblocksRead", says: "Close unblocks a Read", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if errors.Is(err, net.ErrClosed) {
				b.room.hang()
			}
			return message, err
		}
	}},
	{name: "has an error of its own", found: "CloseUnblocksRead", says: "has to match net.ErrClosed", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if errors.Is(err, net.ErrClosed) {
				err = errors.New("going away")
			}
			return message, err
		}
	}},
	{name: "leaves a Write hanging", found: "CloseUnblocksWrite", says: "Close unblocks a Write", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			err := b.Conn.Write(messages...)
			if errors.Is(err, net.ErrClosed) {
				b.room.hang()
			}
			return err
		}
	}},
	{name: "waits for the Write without a bound", found: "CloseUnblocksWrite", says: "Close is bounded", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			b.writing <- struct{}{}
			defer func() { <-b.writing }()
			return b.Conn.Write(messages...)
		}
		b.close = func(reason transport.Reason) error {
			select {
			case b.writing <- struct{}{}:
				<-b.writing
			case <-b.room.released:
			}
			return b.Conn.Close(reason)
		}
	}},
	{name: "panics", found: "CloseTwice", says: "panicked: close of closed channel", end: func(b *broken) {
		b.close = func(reason transport.Reason) error {
			close(b.closed)
			return b.Conn.Close(reason)
		}
	}},
	{name: "fails the second time", found: "CloseTwice", says: "may be called any number of times", end: func(b *broken) {
		b.close = func(reason transport.Reason) error {
			b.room.Lock()
			defer b.room.Unlock()
			if b.n++; b.n > 1 {
				return net.ErrClosed
			}
			return b.Conn.Close(reason)
		}
	}},
	{name: "hangs the second time", found: "CloseTwice", says: "Close is bounded", end: func(b *broken) {
		b.close = func(reason transport.Reason) error {
			b.room.Lock()
			b.n++
			again := b.n > 1
			b.room.Unlock()
			if again {
				b.room.hang()
			}
			return b.Conn.Close(reason)
		}
	}},
	{name: "gives the last reason", found: "CloseTwice", says: "the reason reaches the peer", end: func(b *broken) {
		b.close = func(reason transport.Reason) error {
			b.room.Lock()
			b.n++
			again := b.n > 1
			b.room.Unlock()
			if !again {
				return nil
			}
			return b.Conn.Close(reason)
		}
	}},
	{name: "hangs when called at once", found: "CloseConcurrently", says: "each call of Close returns", end: func(b *broken) {
		b.close = func(reason transport.Reason) error {
			select {
			case b.writing <- struct{}{}:
				time.Sleep(time.Second)
				<-b.writing
			default:
				b.room.hang()
			}
			return b.Conn.Close(reason)
		}
	}},
	{name: "keeps the reason to itself", found: "CloseReason", says: "has to be a *transport.CloseError", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if closed := (*transport.CloseError)(nil); errors.As(err, &closed) {
				err = io.EOF
			}
			return message, err
		}
	}},
	{name: "loses the text", found: "CloseReason", says: "the reason reaches the peer", end: func(b *broken) {
		b.close = func(reason transport.Reason) error { return b.Conn.Close(transport.Reason{Code: reason.Code}) }
	}},
	{name: "has one code for all", found: "CloseReason", says: "the reason reaches the peer", end: func(b *broken) {
		b.close = func(reason transport.Reason) error {
			return b.Conn.Close(transport.Reason{Code: transport.MasterLeft, Text: reason.Text})
		}
	}},
	{name: "cuts a character in two", found: "CloseReason", says: `é\xc3"`, end: func(b *broken) { sendText(b, 123) }},
	{name: "sends a text of any length", found: "CloseReason", says: "the reason reaches the peer", end: func(b *broken) { sendText(b, 1<<20) }},
	{name: "sends the reason out of order", found: "DataBeforeCloseUnread", says: "failed on a healthy connection", end: func(b *broken) {
		b.close = func(reason transport.Reason) error {
			b.room.Lock()
			defer b.room.Unlock()
			b.reason = reason
			return b.Conn.Close(reason)
		}
		b.read = func() ([]byte, error) {
			b.room.Lock()
			reason := b.peer.reason
			b.room.Unlock()
			if reason.Code != 0 {
				return nil, &transport.CloseError{Reason: reason}
			}
			return b.Conn.Read()
		}
	}},
	{name: "throws away what it has buffered", found: "DataBeforeClose", says: "failed on a healthy connection", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			if b.n++; b.n == 60 {
				return nil
			}
			return b.Conn.Write(messages...)
		}
	}},
	{name: "answers data after its Close by a reset", found: "CloseUnderTraffic", says: "failed on a healthy connection", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			err := b.Conn.Write(messages...)
			if closed := (*transport.CloseError)(nil); errors.As(err, &closed) {
				b.Cut()
			}
			return err
		}
	}},
	{name: "waits until the peer has closed too", found: "CloseBounded", says: "Close is bounded", end: func(b *broken) {
		b.close = func(reason transport.Reason) error {
			err := b.Conn.Close(reason)
			b.room.Lock()
			if b.n++; b.n == 1 {
				close(b.closed)
			}
			b.room.Unlock()
			select {
			case <-b.peer.closed:
			case <-b.room.released:
			}
			return err
		}
	}},
	{name: "waits for an answer from a peer that closes", found: "CloseAtOnce", says: "both ends may close at once", end: func(b *broken) {
		b.close = func(reason transport.Reason) error {
			b.room.Lock()
			b.n++
			crossing := b.peer.n > 0
			b.room.Unlock()
			err := b.Conn.Close(reason)
			if crossing {
				b.room.hang()
			}
			return err
		}
	}},
	{name: "swallows the reason when both close", found: "CloseAtOnce", says: "has to be a *transport.CloseError", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if err != nil {
				err = io.EOF
			}
			return message, err
		}
	}},
	{name: "reads no reason before the Write is done", found: "PeerClosesOnStuckWrite", says: "also while its Write is stuck", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			b.writing <- struct{}{}
			defer func() { <-b.writing }()
			err := b.Conn.Write(messages...)
			if err != nil {
				b.room.hang()
			}
			return err
		}
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			if err != nil {
				select {
				case b.writing <- struct{}{}:
					<-b.writing
				case <-b.room.released:
				}
			}
			return message, err
		}
	}},
}

// sendText makes an end cut the text of its reason after limit bytes.
func sendText(b *broken, limit int) {
	b.close = func(reason transport.Reason) error {
		b.room.Lock()
		defer b.room.Unlock()
		if b.reason.Code == 0 {
			b.reason = reason
		}
		return b.Conn.Close(reason)
	}
	b.read = func() ([]byte, error) {
		message, err := b.Conn.Read()
		if closed := (*transport.CloseError)(nil); errors.As(err, &closed) {
			b.room.Lock()
			defer b.room.Unlock()
			reason := b.peer.reason
			reason.Text = reason.Text[:min(limit, len(reason.Text))]
			err = &transport.CloseError{Reason: reason}
		}
		return message, err
	}
}
