package socketio

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// A fakeHub keeps what it is given, in the text form, and writes what a test has it write. It
// answers pings without a channel, as a hub does.
type fakeHub struct {
	conns chan *fakeConn
	open  sync.WaitGroup
}

func newFakeHub() *fakeHub { return &fakeHub{conns: make(chan *fakeConn, 100)} }

func (h *fakeHub) Serve(context.Context, transport.Conn) error { return errors.ErrUnsupported }

func (h *fakeHub) SharesMessages() bool { return true }

func (h *fakeHub) Accept(_ context.Context, conn transport.Conn) (transport.Receiver, error) {
	c := &fakeConn{conn: conn, frames: make(chan string, 100_000), ended: make(chan error, 1)}
	h.open.Add(1)
	c.hub = h
	h.conns <- c
	return c, nil
}

type fakeConn struct {
	hub    *fakeHub
	conn   transport.Conn
	frames chan string
	ended  chan error

	mu sync.Mutex // of who writes
}

func (c *fakeConn) Receive(message []byte) error {
	frame, err := wire.Decode(message)
	if err != nil {
		return err
	}
	if frame.Type == wire.Ping && frame.Channel == "" {
		c.write(wire.Append(nil, wire.Binary, &wire.Frame{Type: wire.Pong, Ref: frame.Ref}))
		return nil
	}
	c.frames <- string(wire.Append(nil, wire.Text, &frame))
	return nil
}

func (c *fakeConn) Pause() {}

func (c *fakeConn) End(err error) error {
	defer c.hub.open.Done()
	c.ended <- err
	var reason transport.Reason
	switch {
	case errors.Is(err, transport.ErrProtocol):
		reason = transport.Reason{Code: transport.ProtocolError, Text: "not the protocol"}
	case errors.Is(err, transport.ErrMessageTooLarge):
		reason = transport.Reason{Code: transport.TooLarge}
	default:
		reason = transport.Reason{Code: transport.Idle}
	}
	return c.conn.Close(reason)
}

// write writes messages as a hub does: without waiting where that is possible.
func (c *fakeConn) write(messages ...[]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.conn.(transport.TryWriter).TryWrite(messages...) {
		_ = c.conn.Write(messages...)
	}
}

// say writes frames, which are given in the text form.
func (c *fakeConn) say(t *testing.T, frames ...string) {
	t.Helper()
	for _, text := range frames {
		frame, err := wire.Decode([]byte(text))
		require.NoError(t, err, text)
		c.write(wire.Append(nil, wire.Binary, &frame))
	}
}
