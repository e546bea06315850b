package netconn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

const fuzzLimit = 20_000

// FuzzUnits lets a Conn read any bytes, in pieces of any size, and compares what
// comes of them with the simplest reading of the format.
func FuzzUnits(f *testing.F) {
	sent, _ := story()
	f.Add(sent, uint16(1))
	f.Add(sent, uint16(700))
	f.Add([]byte("\x00\xff\xff\xff\xff"), uint16(5))
	f.Add(bytes.Repeat(unit(kindProbe, ""), 100), uint16(7))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint16(100))
	f.Add(unit(kindMessage, string(make([]byte, fuzzLimit))), uint16(4096))
	f.Add(unit(kindMessage, string(make([]byte, bufferSize-headerSize))), uint16(idleBufferSize))
	f.Fuzz(func(t *testing.T, sent []byte, piece uint16) {
		if len(sent) > 1<<18 {
			return
		}
		want, wantEnd := simplestReading(sent)
		c := newConn(&canned{sent: sent, piece: max(int(piece), 1)}, transport.ConnOptions{MaxFrameBytes: fuzzLimit, ControlFramesPerSecond: -1}.WithDefaults(nil))
		for _, message := range want {
			got, err := c.Read()
			require.NoError(t, err)
			require.Equal(t, string(message), string(got))
			for i := range got {
				got[i] ^= 0xff // it is ours
			}
		}
		_, err := c.Read()
		var closed *transport.CloseError
		if errors.As(err, &closed) {
			require.Equal(t, wantEnd, closed.Reason)
		} else {
			require.ErrorIs(t, err, wantEnd.(error))
		}
		_, again := c.Read()
		require.Equal(t, err, again)
		_ = c.Close(transport.Reason{Code: transport.Left})
	})
}

// simplestReading returns the messages in b, and the error or the reason that
// follows them.
func simplestReading(b []byte) (messages [][]byte, end any) {
	for len(b) >= headerSize {
		kind, length := b[0], int64(binary.BigEndian.Uint32(b[1:]))
		b = b[headerSize:]
		switch {
		case kind == kindMessage && length > fuzzLimit:
			return messages, transport.ErrMessageTooLarge
		case kind > 3, kind > 0 && length > 125, kind == 3 && length < 2:
			return messages, transport.ErrProtocol
		case length > int64(len(b)):
			return messages, io.ErrUnexpectedEOF
		}
		content := b[:length]
		b = b[length:]
		switch {
		case kind == kindMessage:
			messages = append(messages, content)
		case kind == kindClose && !utf8.Valid(content[2:]):
			return messages, transport.ErrProtocol
		case kind == kindClose:
			return messages, transport.Reason{
				Code: transport.CloseCode(binary.BigEndian.Uint16(content)),
				Text: string(content[2:]),
			}
		}
	}
	return messages, io.ErrUnexpectedEOF
}

// canned is a net.Conn from which so much can be read, in pieces, and to which
// anything can be written. A deadline in the past ends reading, no other does
// anything.
type canned struct {
	net.Conn
	sent  []byte
	piece int
	over  bool
}

func (c *canned) Read(p []byte) (int, error) {
	if c.over {
		return 0, os.ErrDeadlineExceeded
	}
	if len(c.sent) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.sent[:min(c.piece, len(c.sent))])
	c.sent = c.sent[n:]
	return n, nil
}

func (c *canned) Write(p []byte) (int, error) { return len(p), nil }
func (c *canned) Close() error                { return nil }

func (c *canned) SetReadDeadline(t time.Time) error {
	c.over = t.Equal(past)
	return nil
}

func (c *canned) SetWriteDeadline(time.Time) error { return nil }
