package netconn

import (
	"context"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
)

// clerk is a transport.Acceptor that writes down what it is told.
type clerk struct {
	mu      sync.Mutex
	log     []string
	ends    []error
	conn    transport.Conn
	receive func(message string) error // nil: takes everything
}

func (k *clerk) Serve(context.Context, transport.Conn) error { panic("it is an Acceptor") }

func (k *clerk) Accept(_ context.Context, conn transport.Conn) (transport.Receiver, error) {
	k.conn = conn
	return k, nil
}

func (k *clerk) note(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.log = append(k.log, what)
}

func (k *clerk) Receive(message []byte) error {
	k.note(string(message))
	if k.receive == nil {
		return nil
	}
	return k.receive(string(message))
}

func (k *clerk) Pause() { k.note("pause") }

func (k *clerk) End(err error) error {
	k.mu.Lock()
	k.ends = append(k.ends, err)
	k.mu.Unlock()
	return k.conn.Close(transport.Reason{Code: transport.Left})
}

// told returns the log since the last call, in which pauses that follow on each
// other are one.
func (k *clerk) told() []string {
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	log := slices.Compact(k.log)
	k.log = nil
	return log
}

// ended returns what End was told.
func (k *clerk) ended() []error {
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.ends)
}

// attended has the clerk serve one connection, of which peer is the other end.
func attended(t *testing.T, options transport.ConnOptions, k *clerk, test func(t *testing.T, peer *memnet.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		listener := memnet.Listen()
		end := serving(t, listener, k, Options{Conn: options})
		peer, err := listener.Dial(t.Context())
		require.NoError(t, err)
		test(t, peer)
		_ = peer.Close() // unless the test has
		require.NoError(t, end())
		require.Len(t, k.ends, 1)
	})
}

// Whatever waits, and however what comes is cut up, the server is told of a pause
// before each waiting and of no other.
func TestAttendedMessages(t *testing.T) {
	k := new(clerk)
	attended(t, transport.ConnOptions{}, k, func(t *testing.T, peer *memnet.Conn) {
		require.Equal(t, []string{"pause"}, k.told())
		for _, quiet := range []time.Duration{0, quietAfter / 2, quietAfter, 5 * time.Second} {
			time.Sleep(quiet)
			k.told()
			send(t, peer, append(unit(kindMessage, "a"), unit(kindMessage, "b")...))
			require.Equal(t, []string{"a", "b", "pause"}, k.told(), "after %v", quiet)
			message := unit(kindMessage, "in pieces")
			send(t, peer, message[:1])
			time.Sleep(quiet)
			send(t, peer, message[1:7])
			require.Equal(t, []string{"pause"}, k.told())
			send(t, peer, message[7:])
			require.Equal(t, []string{"in pieces", "pause"}, k.told())
		}
		large := unit(kindMessage, string(make([]byte, 3*bufferSize)))
		time.Sleep(time.Second)
		k.told()
		send(t, peer, large)
		require.Contains(t, k.told(), string(large[headerSize:]))
	})
	require.ErrorContains(t, k.ends[0], "connection was lost")
}

// A silence counts from its beginning, whoever waits meanwhile.
func TestAttendedSilence(t *testing.T) {
	k := new(clerk)
	attended(t, patient, k, func(t *testing.T, peer *memnet.Conn) {
		start := time.Now()
		for i := range 3 {
			require.Equal(t, probe, receive(t, peer, headerSize))
			require.Equal(t, time.Duration(i+1)*12*time.Second-2*time.Second, time.Since(start))
			time.Sleep(2 * time.Second)
			send(t, peer, unit(kindAnswer, ""))
		}
		time.Sleep(quietAfter)
		send(t, peer, unit(kindMessage, "still here"))
		require.Contains(t, k.told(), "still here")
		start = time.Now()
		require.Equal(t, probe, receive(t, peer, headerSize))
		require.Equal(t, patient.ProbeAfter, time.Since(start))
		time.Sleep(patient.GiveUp - time.Nanosecond)
		require.Empty(t, k.ended())
		time.Sleep(time.Nanosecond)
		require.Equal(t, []error{transport.ErrSilent}, k.ended())
	})
}

// Without probes nothing but the peer ends the waiting.
func TestAttendedWithoutProbes(t *testing.T) {
	k := new(clerk)
	attended(t, transport.ConnOptions{ProbeAfter: -1}, k, func(t *testing.T, peer *memnet.Conn) {
		time.Sleep(24 * time.Hour)
		send(t, peer, unit(kindMessage, "good morning"))
		require.Contains(t, k.told(), "good morning")
	})
}

// A connection that waits has no large buffer, whatever it has read, also where it
// probes nobody.
func TestAttendedKeepsNoLargeBuffer(t *testing.T) {
	k := new(clerk)
	attended(t, transport.ConnOptions{ProbeAfter: -1}, k, func(t *testing.T, peer *memnet.Conn) {
		for range 2 {
			message := string(make([]byte, 2*idleBufferSize))
			send(t, peer, unit(kindMessage, message))
			require.Contains(t, k.told(), message)
			time.Sleep(quietAfter)
			synctest.Wait()
			require.True(t, k.conn.(*conn).input.large == nil)
			send(t, peer, unit(kindMessage, "small"))
			require.Contains(t, k.told(), "small")
		}
	})
}

func TestAttendedClose(t *testing.T) {
	for name, quiet := range map[string]time.Duration{"while one goroutine waits": 0, "while the other one does": time.Second} {
		t.Run(name, func(t *testing.T) {
			k := new(clerk)
			attended(t, transport.ConnOptions{}, k, func(t *testing.T, peer *memnet.Conn) {
				time.Sleep(quiet)
				synctest.Wait()
				closed := closing(k.conn)
				requireTold(t, peer, goodbye.Code)
				require.NoError(t, peer.Close())
				require.NoError(t, (<-closed).err)
				require.Len(t, k.ended(), 1)
				require.ErrorIs(t, k.ended()[0], net.ErrClosed)
			})
		})
	}
}

// A server whose code ends the goroutine loses that connection alone.
func TestAttendedInterrupted(t *testing.T) {
	k := &clerk{receive: func(string) error {
		runtime.Goexit()
		return nil
	}}
	attended(t, transport.ConnOptions{}, k, func(t *testing.T, peer *memnet.Conn) {
		send(t, peer, unit(kindMessage, "a"))
		requireTold(t, peer, transport.Left)
		require.NoError(t, peer.Close())
		require.Equal(t, []error{errInterrupted}, k.ended())
	})
}

func TestAcceptorThatRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := memnet.Listen()
		end := serving(t, listener, refusing{}, Options{})
		peer, err := listener.Dial(t.Context())
		require.NoError(t, err)
		requireTold(t, peer, transport.Shutdown) // though the server should have closed it
		require.NoError(t, peer.Close())
		require.NoError(t, end())
	})
}

type refusing struct{ transport.Server }

func (refusing) Accept(context.Context, transport.Conn) (transport.Receiver, error) {
	return nil, context.Canceled
}
