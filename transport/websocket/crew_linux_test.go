package websocket

import (
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// A crew is not settled before those that have been started have begun, also where
// another one has to be woken so that it ends.
func TestStopWaitsForEachOfTheCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		polling := make(chan struct{})
		c := newCrew(func() ([]*serving, error) {
			<-polling
			return nil, net.ErrClosed
		})
		near, far := net.Pipe()
		far.Close()
		conn := newConn(newSocket(near), false, testOptions())
		conn.Close(transport.Reason{Code: transport.Left})
		c.add(&serving{conn: conn, receiver: endOnly{make(chan error, 1)}})
		synctest.Wait()
		require.NotNil(t, c.spare)

		c.mu.Lock()
		c.starting++ // for an add at which nobody stayed yet
		c.mu.Unlock()
		stopped := make(chan error)
		go func() {
			c.stop()
			stopped <- io.EOF
		}()
		close(polling)
		synctest.Wait()
		select {
		case <-stopped:
			t.Error("one has not begun")
		default:
		}
		c.mu.Lock()
		c.begun()
		c.mu.Unlock()
		<-stopped
	})
}
