package websocket_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport/websocket"
)

// Opcodes, and the bits of the first two bytes of a frame.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa

	fin        = 0x80
	rsv1       = 0x40
	rsv2       = 0x20
	rsv3       = 0x10
	maskBit    = 0x80
	sampleKey  = "dGhlIHNhbXBsZSBub25jZQ==" // from RFC 6455, with what it is answered by
	sampleDone = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

const handshake = "GET /ws HTTP/1.1\r\n" +
	"Host: lectern.test\r\n" +
	"Connection: Upgrade\r\n" +
	"Upgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: " + sampleKey + "\r\n"

// A rawClient speaks WebSocket byte by byte.
type rawClient struct {
	*memnet.Conn
	t      testing.TB
	reader *bufio.Reader
}

// dialRaw connects without a handshake.
func (s *site) dialRaw(t testing.TB) *rawClient {
	t.Helper()
	c, err := s.listener.Dial(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return &rawClient{Conn: c, t: t, reader: bufio.NewReader(c)}
}

// connectRaw makes a connection between a rawClient and the service.
func connectRaw(t testing.TB, options websocket.Options) (*rawClient, served) {
	t.Helper()
	s := newSite(t, options, nil)
	client := s.dialRaw(t)
	client.send([]byte(handshake + "\r\n"))
	require.Equal(t, http.StatusSwitchingProtocols, client.response().StatusCode)
	server := s.service.accept(t)
	t.Cleanup(func() {
		client.Close()
		server.Close(goodbye)
	})
	return client, server
}

func (c *rawClient) send(data ...[]byte) {
	c.t.Helper()
	for _, d := range data {
		_, err := c.Write(d)
		require.NoError(c.t, err)
	}
}

func (c *rawClient) response() *http.Response {
	c.t.Helper()
	response, err := http.ReadResponse(c.reader, nil)
	require.NoError(c.t, err)
	return response
}

// frame builds a masked frame, of any first byte.
func frame(first byte, payload string) []byte {
	return append(header(first, maskBit, len(payload)), masked(payload)...)
}

// header is that of a frame with payload of the given size, in the shortest form.
func header(first, mask byte, size int) []byte {
	h := []byte{first}
	switch {
	case size <= 125:
		h = append(h, mask|byte(size))
	case size <= 0xffff:
		h = binary.BigEndian.AppendUint16(append(h, mask|126), uint16(size))
	default:
		h = binary.BigEndian.AppendUint64(append(h, mask|127), uint64(size))
	}
	return h
}

// masked is the mask and the payload under it.
func masked(payload string) []byte {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	out := key[:]
	for i := range len(payload) {
		out = append(out, payload[i]^key[i%4])
	}
	return out
}

func closePayload(code int, text string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + text
}

// A received frame, which a server must not mask.
type received struct {
	first   byte
	payload string
}

func (c *rawClient) receive() (received, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.reader, head[:]); err != nil {
		return received{}, err
	}
	if head[1]&maskBit != 0 {
		return received{}, fmt.Errorf("the server masks its frames")
	}
	var wide [8]byte
	size := uint64(head[1])
	switch head[1] {
	case 126:
		if _, err := io.ReadFull(c.reader, wide[6:]); err != nil {
			return received{}, err
		}
		size = binary.BigEndian.Uint64(wide[:])
	case 127:
		if _, err := io.ReadFull(c.reader, wide[:]); err != nil {
			return received{}, err
		}
		size = binary.BigEndian.Uint64(wide[:])
	}
	payload := make([]byte, size)
	_, err := io.ReadFull(c.reader, payload)
	return received{head[0], string(payload)}, err
}

func (c *rawClient) expect(first byte, payload string) {
	c.t.Helper()
	got, err := c.receive()
	require.NoError(c.t, err)
	require.Equal(c.t, received{first, payload}, got)
}

// expectClose expects a close frame with the code, and any text.
func (c *rawClient) expectClose(code int) {
	c.t.Helper()
	got, err := c.receive()
	require.NoError(c.t, err)
	require.Equal(c.t, byte(fin|opClose), got.first)
	require.GreaterOrEqual(c.t, len(got.payload), 2)
	require.Equal(c.t, code, int(binary.BigEndian.Uint16([]byte(got.payload))), "with the text %q", got.payload[2:])
}

// expectEnd expects that the server sends nothing more, and no reset.
func (c *rawClient) expectEnd() {
	c.t.Helper()
	_, err := c.receive()
	require.Equal(c.t, io.EOF, err)
}

// request builds a handshake without one of its lines, and with others.
func request(without string, with ...string) string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSuffix(handshake, "\r\n"), "\r\n") {
		if without == "" || !strings.HasPrefix(line, without) {
			lines = append(lines, line)
		}
	}
	return strings.Join(append(lines, with...), "\r\n") + "\r\n\r\n"
}

// acceptKey is the answer to the request's key.
func acceptKey(r *http.Request) string {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
