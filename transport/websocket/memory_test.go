package websocket_test

import (
	"bytes"
	"context"
	"io"
	"math"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// A connection that waits for a message does not keep the memory of a large one
// that it has had.
func TestIdleConnectionsAreSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count, size = 4, 512 << 10
		s := newSite(t, websocket.Options{Conn: transport.ConnOptions{MaxFrameBytes: math.MaxInt, ProbeAfter: -1}}, nil)
		message := bytes.Repeat([]byte("x"), size)
		heap := func() uint64 {
			runtime.GC()
			runtime.GC() // what is in a sync.Pool survives the first
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		for range count {
			client, server := s.connect(t, s.dialer())
			go client.Write(message)
			got, err := server.Read()
			require.NoError(t, err)
			require.True(t, bytes.Equal(message, got))
			done := make(chan struct{})
			go func() {
				defer close(done)
				server.Read()
			}()
			t.Cleanup(func() {
				closeBoth(t, client, server)
				<-done
			})
		}
		synctest.Wait()
		require.Less(t, int64(heap())-int64(before), int64(count*size/2))
	})
}

// A conn of which the last bytes come together with their end, as a net.Conn may
// have it.
type eager struct {
	net.Conn
	last atomic.Bool
}

func (e *eager) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	if err == nil && e.last.Load() {
		err = io.EOF
	}
	return n, err
}

func TestCloseFrameWithTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, websocket.Options{Conn: transport.ConnOptions{ProbeAfter: -1}}, nil)
		dialer := s.dialer()
		var beneath *eager
		dialer.NetDialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := s.listener.Dial(ctx)
			beneath = &eager{Conn: c}
			return beneath, err
		}
		client, server := s.connect(t, dialer)
		require.NoError(t, server.Write([]byte("last message")))
		closed := make(chan error)
		go func() { closed <- server.Close(goodbye) }()
		synctest.Wait()
		beneath.last.Store(true)
		got, err := client.Read()
		require.NoError(t, err)
		require.Equal(t, "last message", string(got))
		_, err = client.Read()
		requireClosed(t, err, goodbye.Code, goodbye.Text)
		require.NoError(t, client.Close(goodbye))
		require.NoError(t, <-closed)
	})
}
