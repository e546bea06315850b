package memory_test

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// A taker is a receiver that tells what it is given.
type taker struct {
	conn  *memory.Conn
	taken chan string
	ended chan error

	received int
	pauses   []int
}

func attend(conn *memory.Conn) *taker {
	r := &taker{conn: conn, taken: make(chan string), ended: make(chan error)}
	conn.Attend(r)
	return r
}

var errEnough = errors.New("enough")

func (r *taker) Receive(message []byte) error {
	r.received++
	r.taken <- string(message)
	if string(message) == "last" {
		return errEnough
	}
	return nil
}

// Pause tells after how many messages it was called.
func (r *taker) Pause() { r.pauses = append(r.pauses, r.received) }

func (r *taker) End(err error) error {
	r.conn.Close(transport.Reason{Code: transport.Left})
	r.ended <- err
	return nil
}

func TestAttend(t *testing.T) {
	options := memory.Options{MaxFrameBytes: 100, ProbeAfter: time.Second, GiveUp: time.Second, QueueMessages: 2}
	for name, test := range map[string]struct {
		end  func(near, far *memory.Conn)
		want func(t *testing.T, err error)
	}{
		"closed by the peer": {func(near, _ *memory.Conn) { near.Close(transport.Reason{Code: transport.Kicked}) }, func(t *testing.T, err error) {
			var closed *transport.CloseError
			require.ErrorAs(t, err, &closed)
			require.Equal(t, transport.Kicked, closed.Reason.Code)
		}},
		"closed here": {func(_, far *memory.Conn) { far.Close(transport.Reason{}) }, func(t *testing.T, err error) {
			require.ErrorIs(t, err, net.ErrClosed)
		}},
		"cut": {func(near, _ *memory.Conn) { near.Cut() }, func(t *testing.T, err error) {
			require.NotErrorIs(t, err, net.ErrClosed)
		}},
		"silent": {func(near, _ *memory.Conn) { near.Silence() }, func(t *testing.T, err error) {
			require.ErrorIs(t, err, transport.ErrSilent)
		}},
		"too large": {func(near, _ *memory.Conn) { near.Write(make([]byte, 101)) }, func(t *testing.T, err error) {
			require.ErrorIs(t, err, transport.ErrMessageTooLarge)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memory.Pipe(options)
				require.NoError(t, near.Write([]byte("before")))
				r := attend(far)
				require.Equal(t, "before", <-r.taken)
				go func() {
					for i := range 100 {
						near.Write(fmt.Append(nil, i))
					}
				}()
				for i := range 100 {
					require.Equal(t, fmt.Sprint(i), <-r.taken)
				}
				synctest.Wait()
				go test.end(near, far)
				test.want(t, <-r.ended)
				near.Close(transport.Reason{})
			})
		})
	}
}

// The receiver ends the reading as well, and is given nothing any more.
func TestAttendUntilTheReceiverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memory.Pipe(memory.Options{})
		r := attend(far)
		require.NoError(t, near.Write([]byte("last"), []byte("more")))
		require.Equal(t, "last", <-r.taken)
		require.Equal(t, errEnough, <-r.ended)
		require.Error(t, near.Write([]byte("more")))
		synctest.Wait()
	})
}

// There is a pause when nothing more is there, and none between messages.
func TestAttendPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memory.Pipe(memory.Options{})
		require.NoError(t, near.Write([]byte("a"), []byte("b"), []byte("c")))
		r := attend(far)
		for range 3 {
			<-r.taken
		}
		synctest.Wait()
		require.NoError(t, near.Write([]byte("d"), []byte("last")))
		for range 2 {
			<-r.taken
		}
		<-r.ended
		require.Equal(t, []int{3, 5}, r.pauses)
	})
}

// A connection that waits has no goroutine.
func TestAttendedConnectionsHaveNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := runtime.NumGoroutine()
		var ends []*memory.Conn
		var takers []*taker
		for range 1000 {
			near, far := memory.Pipe(memory.Options{})
			ends, takers = append(ends, near), append(takers, attend(far))
			require.NoError(t, near.Write([]byte("hello")))
			<-takers[len(takers)-1].taken
		}
		synctest.Wait()
		require.Less(t, runtime.NumGoroutine(), before+100)
		for i, near := range ends {
			near.Close(transport.Reason{})
			<-takers[i].ended
		}
	})
}
