package websocket

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/direct"
	"github.com/lectern-go/lectern/transport"
)

// fill writes to the peer, who does not read, until the system takes no more.
func fill(t *testing.T, c net.Conn) {
	t.Helper()
	raw := direct.Of(c)
	for size := 64 << 10; size > 0; {
		n, err := direct.Write(raw, make([]byte, size))
		require.NoError(t, err)
		if n == 0 {
			size /= 2
		}
	}
}

// A control frame that waits while a TryWrite is on its way is not written by
// TryWrite, nor by a ping of the poller's, where the peer does not take it.
func TestNoWaitForControlFrames(t *testing.T) {
	for name, try := range map[string]func(c *Conn){
		"TryWrite": func(c *Conn) { require.False(t, c.TryWrite([]byte("message"))) },
		"ping":     func(c *Conn) { c.ping(time.Now().Add(time.Hour)) },
	} {
		t.Run(name, func(t *testing.T) {
			near, far := socketPair(t)
			defer far.Close()
			c := NewConn(NewSocket(near), false, testOptions())
			fill(t, near)
			// A pong that its reader is about to write.
			require.NoError(t, c.socket.enqueue(c.controlFrame(pongFrame, []byte("!")), maxQueue))
			done := make(chan struct{})
			go func() {
				defer close(done)
				try(c)
			}()
			select {
			case <-done:
			case <-time.After(5 * time.Second):
				t.Error("it waits for a peer that does not read")
			}
			waste := make(chan []byte)
			go func() {
				all, _ := io.ReadAll(far)
				waste <- all
			}()
			require.NoError(t, c.Write([]byte("behind it")))
			go far.CloseWrite()
			require.NoError(t, c.Close(transport.Reason{Code: transport.Left}))
			<-done
			require.Contains(t, string(<-waste), "\x8a\x01!")
		})
	}
}

// A connection is not given up for its silence where something has come and
// whoever noticed the silence has not been told yet.
func TestNotSilent(t *testing.T) {
	near, far := socketPair(t)
	c := NewConn(NewSocket(near), false, testOptions())
	_, err := far.Write(fuzzFrame(final|textFrame, "{}"))
	require.NoError(t, err)
	c.giveUp()
	message, ok, err := c.readNow(untilNothing, true, false)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "{}", string(message))
	c.giveUp()
	_, _, err = c.readNow(untilNothing, true, false)
	require.ErrorIs(t, err, transport.ErrSilent)
	_ = far.Close()
	_ = c.Close(transport.Reason{Code: transport.Idle})
}
