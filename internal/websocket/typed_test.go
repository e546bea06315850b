package websocket

import (
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

func testOptions() *transport.ConnOptions {
	o := transport.ConnOptions{ProbeAfter: -1, MessageTimeout: -1, ControlFramesPerSecond: -1}.WithDefaults(nil)
	return &o
}

// Messages that begin with their type are sent as that, and small ones between them, in the order
// in which they were given, also where the connection is no socket of the system.
func TestTypedMessages(t *testing.T) {
	near, far := net.Pipe()
	c := NewConn(NewSocket(near), false, testOptions())
	c.typed = true
	all := make(chan []byte)
	go func() {
		got, _ := io.ReadAll(far)
		all <- got
	}()
	require.NoError(t, c.Write([]byte("\x01text"), []byte("\x02{}"), []byte("\x01")))
	for i := range 10 {
		c.Interject([]byte{TextMessage, '0' + byte(i)})
	}
	require.NoError(t, c.Write([]byte("\x01end")))
	go far.Close()
	_ = c.Close(transport.Reason{Code: transport.Left})
	got := string(<-all)
	require.Contains(t, got, "\x81\x04text\x82\x02{}\x81\x00\x81\x010\x81\x011\x81\x012\x81\x013\x81\x014\x81\x015\x81\x016\x81\x017\x81\x018\x81\x019\x81\x03end")
}

// Small messages to a peer that takes nothing are bounded, and do not push out pongs.
func TestInterjectedMessagesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := NewConn(NewSocket(near), false, testOptions())
		c.typed = true
		written := make(chan error)
		go func() { written <- c.Write([]byte("\x01stuck")) }()
		synctest.Wait()
		for range 10_000 {
			c.Interject([]byte("\x012"))
		}
		require.LessOrEqual(t, len(c.socket.queue), maxInterjected)
		require.Greater(t, len(c.socket.queue), maxInterjected-10)
		_ = far.Close()
		require.Error(t, <-written)
		_ = c.Close(transport.Reason{Code: transport.Slow})
	})
}
