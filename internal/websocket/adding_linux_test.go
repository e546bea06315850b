package websocket

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/poll"
	"github.com/lectern-go/lectern/transport"
)

// heldConn holds its first Write until the raw's Control is called, which waits for
// the end of the conn.
type heldConn struct {
	*net.UnixConn
	writing chan struct{} // somebody wants to write
	polled  chan struct{} // the system is about to be told
}

func (c *heldConn) Write(p []byte) (int, error) {
	close(c.writing)
	<-c.polled
	return c.UnixConn.Write(p)
}

type heldRaw struct {
	syscall.RawConn
	polled chan struct{}
	closed chan struct{}
}

func (r *heldRaw) Control(f func(fd uintptr)) error {
	close(r.polled)
	<-r.closed
	return r.RawConn.Control(f)
}

type endOnly struct{ ended chan error }

func (endOnly) Receive([]byte) error { return nil }
func (endOnly) Pause()               {}
func (r endOnly) End(err error) error {
	r.ended <- err
	return err
}

// A connection that begins to close before the poller has it, and is closed before
// the system has been told of it, ends as any other.
func TestClosedWhileItIsAdded(t *testing.T) {
	p := poll.New[*serving](-1, 0)
	serve := func(c *Conn) *serving {
		s := &serving{conn: c, receiver: endOnly{make(chan error, 1)}, poller: p}
		c.watch = s
		return s
	}
	lasting, end := socketPair(t)
	other := serve(NewConn(NewSocket(lasting), false, testOptions()))
	otherEnded := other.receiver.(endOnly).ended
	require.True(t, p.Add(&other.polled, other, false)) // so that the epoll stays
	defer func() {
		end.Close()
		<-otherEnded
		other.conn.Close(transport.Reason{Code: transport.Left})
	}()

	near, far := socketPair(t)
	far.Close()
	raw, err := near.SyscallConn()
	require.NoError(t, err)
	held := &heldConn{near, make(chan struct{}), make(chan struct{})}
	c := NewConn(NewSocket(held), false, testOptions())
	closed := make(chan struct{})
	c.socket.ahead.raw = &heldRaw{raw, held.polled, closed}
	s := serve(c)
	ended := s.receiver.(endOnly).ended
	go func() {
		defer close(closed)
		c.Close(transport.Reason{Code: transport.Left})
	}()
	<-held.writing
	require.True(t, p.Add(&s.polled, s, false))
	select {
	case err := <-ended:
		require.ErrorIs(t, err, net.ErrClosed)
	case <-time.After(5 * time.Second):
		t.Error("nobody has found that it is closed")
	}
}
