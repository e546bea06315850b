//go:build unix

package websocket

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

const fuzzLimit = 20_000

// FuzzReading has a Conn read any bytes, in pieces of any size, and expects what
// the framing library makes of them: the same messages, and the same kind of end.
// Odd ways are those of a client; every second pair of ways goes over a socket of
// the system.
func FuzzReading(f *testing.F) {
	text := fuzzFrame(final|textFrame, "{}")
	for way := range uint8(4) {
		client := way&1 != 0
		add := func(piece uint16, frames ...[]byte) {
			sent := bytes.Clone(bytes.Join(frames, nil))
			if client {
				sent = unmasked(sent)
			}
			f.Add(sent, piece, way)
		}
		add(1, text, fuzzFrame(textFrame, "h\xc3"), fuzzFrame(final|pingFrame, "between"), fuzzFrame(continuation, "\xa9"),
			fuzzFrame(final, "!"), fuzzFrame(final|binaryFrame, ""), fuzzFrame(final|closeFrame, "\x03\xe8bye"))
		add(700, fuzzFrame(final|binaryFrame, strings.Repeat("large", 3000)), text, text[:3])
		add(4096, fuzzFrame(binaryFrame, strings.Repeat("x", 9000)), fuzzFrame(final, strings.Repeat("y", 11_000)), text)
		add(4095, fuzzFrame(final|binaryFrame, strings.Repeat("x", 4090)), fuzzFrame(final|pongFrame, ""), text)
		add(9, fuzzFrame(binaryFrame, strings.Repeat("x", fuzzLimit)), fuzzFrame(final, "y"))
		add(3, text, fuzzFrame(final|textFrame, "\xff"))
		add(2, fuzzFrame(final|closeFrame, "\x03\xed"))
		add(5, fuzzFrame(final|closeFrame, "\x03"))
		add(6, fuzzFrame(final, "of nothing"))
		add(8, fuzzFrame(textFrame, ""), text)
		add(20, []byte{final | binaryFrame, maskedBit | 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
		add(20, []byte{final | binaryFrame, maskedBit | 127, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 'a'}, text)
	}
	f.Fuzz(func(t *testing.T, sent []byte, piece uint16, way uint8) {
		if len(sent) > 1<<17 {
			return
		}
		client, system := way&1 != 0, way&2 != 0
		want, wantEnd := libraryReading(t, sent, client)
		var beneath net.Conn = &canned{rest: sent, piece: max(int(piece), 1)}
		if system {
			if len(sent)/max(int(piece), 1) > 2000 {
				return
			}
			beneath = trickling(t, sent, max(int(piece), 1))
		}
		c := NewConn(NewSocket(beneath), client, &transport.ConnOptions{
			MaxFrameBytes: fuzzLimit, ProbeAfter: -1, MessageTimeout: -1, ControlFramesPerSecond: -1,
		})
		for _, message := range want {
			got, err := c.Read()
			require.NoError(t, err)
			require.Equal(t, message, string(got))
			for i := range got {
				got[i] ^= 0xff // it is ours
			}
		}
		_, err := c.Read()
		end := kindOfEnd(err)
		if head := c.socket.ahead.data; end == "lost" && len(head) >= 10 && head[1]&0x7f == 127 && head[2]&0x80 != 0 {
			end = "too large" // for which the library does not wait for the rest of the header
		}
		require.Equal(t, wantEnd, end)
		_, again := c.Read()
		require.Equal(t, err, again)
		_ = c.Close(transport.Reason{Code: transport.Left})
	})
}

// kindOfEnd tells what reading has ended with.
func kindOfEnd(err error) string {
	var closed *transport.CloseError
	switch {
	case errors.As(err, &closed):
		return fmt.Sprint("closed ", closed.Reason.Code, closed.Reason.Text)
	case errors.Is(err, transport.ErrMessageTooLarge):
		return "too large"
	case errors.Is(err, transport.ErrProtocol):
		return "protocol"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "lost"
	}
	return fmt.Sprint("unknown: ", err)
}

// libraryReading is what the framing library reads.
func libraryReading(t *testing.T, sent []byte, client bool) (messages []string, end string) {
	c := libraryConn(t, &canned{rest: sent, piece: len(sent) + 1}, client)
	c.SetReadLimit(fuzzLimit)
	for {
		kind, message, err := c.ReadMessage()
		var closed *gorilla.CloseError
		switch {
		case err == nil:
			if kind == gorilla.TextMessage && !utf8.Valid(message) {
				return messages, "protocol" // it leaves that to its caller
			}
			messages = append(messages, string(message))
			continue
		case errors.As(err, &closed) && closed.Code != gorilla.CloseAbnormalClosure:
			return messages, fmt.Sprint("closed ", transport.CloseCode(closed.Code), closed.Text)
		case closed != nil, errors.Is(err, io.ErrUnexpectedEOF):
			return messages, "lost"
		case errors.Is(err, gorilla.ErrReadLimit):
			return messages, "too large"
		}
		return messages, "protocol"
	}
}

// libraryConn is a connection of the library after its handshake.
func libraryConn(t *testing.T, c *canned, client bool) *gorilla.Conn {
	request, err := http.NewRequest(http.MethodGet, "http://lectern.test/", nil)
	require.NoError(t, err)
	request.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	if !client {
		server, err := new(gorilla.Upgrader).Upgrade(hijackable{conn: c}, request, nil)
		require.NoError(t, err)
		return server
	}
	dialer := gorilla.Dialer{NetDial: func(string, string) (net.Conn, error) { return &answering{canned: c}, nil }}
	conn, _, err := dialer.Dial("ws://lectern.test/", nil)
	require.NoError(t, err)
	return conn
}

// hijackable is an http.ResponseWriter that is there to be hijacked.
type hijackable struct {
	http.ResponseWriter
	conn net.Conn
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

// answering answers the first that is written to it as a handshake.
type answering struct {
	*canned
	answered bool
}

func (a *answering) Write(p []byte) (int, error) {
	if !a.answered {
		a.answered = true
		r := textproto.NewReader(bufio.NewReader(bytes.NewReader(p)))
		if _, err := r.ReadLine(); err != nil {
			return 0, err
		}
		header, err := r.ReadMIMEHeader()
		if err != nil {
			return 0, err
		}
		answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Accept: " + acceptFor(header.Get("Sec-Websocket-Key")) + "\r\n\r\n"
		a.rest = append([]byte(answer), a.rest...)
	}
	return len(p), nil
}

// canned is a net.Conn on which something comes, in pieces, and then the end.
type canned struct {
	net.Conn
	rest  []byte
	piece int
}

func (c *canned) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.piece)], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *canned) Write(p []byte) (int, error)      { return len(p), nil }
func (c *canned) Close() error                     { return nil }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

// trickling is a socket of the system on which something comes, in pieces, and
// then the end.
func trickling(t *testing.T, sent []byte, piece int) net.Conn {
	near, far := socketPair(t)
	written := make(chan struct{})
	t.Cleanup(func() {
		_ = far.Close()
		<-written
	})
	go func() {
		defer close(written)
		for len(sent) > 0 {
			n, err := far.Write(sent[:min(piece, len(sent))])
			if err != nil {
				return
			}
			sent = sent[n:]
		}
		_ = far.CloseWrite()
	}()
	return near
}

// socketPair is a connection of the Unix domain.
func socketPair(t *testing.T) (near, far *net.UnixConn) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "")
		c, err := net.FileConn(file)
		require.NoError(t, err)
		_ = file.Close()
		ends[i] = c.(*net.UnixConn)
	}
	return ends[0], ends[1]
}

// fuzzFrame is a masked frame.
func fuzzFrame(first byte, payload string) []byte {
	frame := appendLength([]byte{first}, len(payload), true)
	frame = append(frame, 1, 2, 3, 4)
	start := len(frame)
	frame = append(frame, payload...)
	mask(frame[start:], 0x04030201)
	return frame
}

// unmasked takes the masks off whole frames.
func unmasked(frames []byte) (out []byte) {
	for len(frames) >= 6 {
		size, header := int(frames[1]&^maskedBit), 2
		switch size {
		case 126:
			size, header = int(binary.BigEndian.Uint16(frames[2:])), 4
		case 127:
			size, header = int(min(binary.BigEndian.Uint64(frames[2:]), 1<<30)), 10
		}
		key := binary.LittleEndian.Uint32(frames[header:])
		payload := frames[header+4:]
		payload = payload[:min(size, len(payload))]
		mask(payload, key)
		out = append(append(out, frames[0], frames[1]&^maskedBit), frames[2:header]...)
		out = append(out, payload...)
		frames = frames[header+4+len(payload):]
	}
	return out
}

// acceptFor is the answer to a handshake's key.
func acceptFor(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
