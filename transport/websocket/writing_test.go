package websocket_test

import (
	"bytes"
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// A countingConn counts its writes, and how often its read deadline is set. Once
// it is deaf, it discards what is written.
type countingConn struct {
	net.Conn
	writes, deadlines atomic.Int64
	deaf              atomic.Bool
}

func (c *countingConn) SetReadDeadline(t time.Time) error {
	c.deadlines.Add(1)
	return c.Conn.SetReadDeadline(t)
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	if c.deaf.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// A countingListener makes its connections countingConns.
type countingListener struct {
	net.Listener
	accepted chan *countingConn
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	counting := &countingConn{Conn: c}
	l.accepted <- counting
	return counting, nil
}

// end is one end of a connection, and what is beneath it.
type end struct {
	transport.Conn
	beneath *countingConn
}

// countedPair connects a client and a server on a network in memory.
func countedPair(t testing.TB) (client, server end) {
	t.Helper()
	accepted := make(chan *countingConn, 1)
	count := func(l net.Listener) net.Listener { return countingListener{l, accepted} }
	s := newSiteBehind(t, count, websocket.Options{Conn: transport.ConnOptions{ProbeAfter: -1}}, nil)
	dialer := s.dialer()
	dialer.NetDialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := s.listener.Dial(ctx)
		client.beneath = &countingConn{Conn: c}
		return client.beneath, err
	}
	conn, served := s.connect(t, dialer)
	client.Conn = conn
	return client, end{served.Conn, <-accepted}
}

// A batch of messages is one write of the connection beneath, or one for every
// 72 KiB.
func TestWritesPerBatch(t *testing.T) {
	for _, c := range []struct {
		name        string
		count, size int
		writes      int64
	}{
		{"one", 1, 100, 1},
		{"an empty one", 1, 0, 1},
		{"many small ones", 256, 100, 1},
		{"one that fills a small batch", 1, 4090, 1},
		{"a large one", 1, 64<<10 + 500, 1},
		{"several large ones", 10, 64 << 10, 10},
		{"a mebibyte", 1024, 1024, 15},
		{"a mebibyte at once", 1, 1 << 20, 15},
		{"none", 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := countedPair(t)
				batch := make([][]byte, c.count)
				for i := range batch {
					batch[i] = bytes.Repeat([]byte{byte(i)}, c.size)
				}
				for _, e := range []end{client, server} {
					e.beneath.deaf.Store(true)
					before := e.beneath.writes.Load()
					require.NoError(t, e.Write(batch...))
					require.Equal(t, c.writes, e.beneath.writes.Load()-before)
				}
				client.beneath.Close()
				server.Close(goodbye)
				client.Close(goodbye)
			})
		})
	}
}

// The watch over silence and over slow messages sets no deadline for a message,
// whether it comes whole or in pieces.
func TestDeadlinesPerMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := countedPair(t)
		before := [2]int64{client.beneath.deadlines.Load(), server.beneath.deadlines.Load()}
		for i := range 60 {
			message := make([]byte, i*500)
			for _, way := range [][2]end{{client, server}, {server, client}} {
				written := make(chan error, 1)
				go func() { written <- way[0].Write(message) }()
				got, err := way[1].Read()
				require.NoError(t, err)
				require.Len(t, got, len(message))
				require.NoError(t, <-written)
			}
		}
		for i, e := range []end{client, server} {
			require.LessOrEqual(t, e.beneath.deadlines.Load()-before[i], int64(3))
		}
		closeBoth(t, client, server)
	})
}
