package hotpath

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/netconn"
	"github.com/lectern-go/lectern/transport/websocket"
)

// Benchmarks of the hot paths, with everything on that is on by default but the
// bounds to the rate. The peers are in the same process and take part of the
// time; allocations are counted after the peers have been made to make none.
//
//	go test -run '^$' -bench . -count 6 ./test/hotpath | tee new.txt
//	go run golang.org/x/perf/cmd/benchstat@latest old.txt new.txt

// carriers are the transports by which a benchmark reaches a hub.
var carriers = []struct {
	name  string
	sizes []int // how many slaves there are
	serve func(b testing.TB, hub *lectern.Hub) transport.Dialer
}{
	{"memory", []int{1, 100, 1000, 10_000, 100_000}, func(_ testing.TB, hub *lectern.Hub) transport.Dialer { return hub }},
	{"netconn", []int{1, 100, 1000}, func(b testing.TB, hub *lectern.Hub) transport.Dialer {
		listener := listen(b)
		ctx, cancel := context.WithCancel(context.Background())
		var serving sync.WaitGroup
		serving.Go(func() { _ = netconn.Serve(ctx, listener, hub, netconn.Options{}) })
		b.Cleanup(func() {
			cancel()
			serving.Wait()
		})
		return netconn.Dialer{Address: listener.Addr().String()}
	}},
	{"websocket", []int{1, 100, 1000}, func(b testing.TB, hub *lectern.Hub) transport.Dialer {
		listener := listen(b)
		server := &http.Server{Handler: websocket.NewHandler(hub, websocket.Options{})}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(listener) })
		b.Cleanup(func() {
			_ = server.Close()
			serving.Wait()
		})
		return websocket.Dialer{URL: "ws://" + listener.Addr().String()}
	}},
}

func listen(b testing.TB) net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	return listener
}

// crowd is a channel whose members speak the wire themselves, by as little as
// will do.
type crowd struct {
	b      testing.TB
	dialer transport.Dialer
	master transport.Conn
	slaves []transport.Conn
	// got counts the messages that have reached somebody since it was Added to.
	got     sync.WaitGroup
	readers sync.WaitGroup
}

func newCrowd(b testing.TB, serve func(testing.TB, *lectern.Hub) transport.Dialer, size int) *crowd {
	unlimited := lectern.RateLimit{PerSecond: -1}
	hub, err := lectern.NewHub(lectern.Policy{FrameRate: unlimited, SlaveMessageRate: unlimited, MembershipRate: unlimited, MaxSlaves: 200_000, MaxConnections: 200_001})
	require.NoError(b, err)
	c := &crowd{b: b, dialer: serve(b, hub)}
	b.Cleanup(func() {
		require.NoError(b, hub.Close())
		c.readers.Wait()
	})
	c.master = c.enter(wire.Create, "alice")
	c.drain(c.master)
	for i := range size {
		slave := c.enter(wire.Join, fmt.Sprint("slave", i))
		c.slaves = append(c.slaves, slave)
		c.drain(slave)
	}
	return c
}

func (c *crowd) enter(kind wire.Type, username string) transport.Conn {
	conn, err := c.dialer.Dial(context.Background())
	require.NoError(c.b, err)
	require.NoError(c.b, conn.Write(wire.Append(nil, wire.Binary, &wire.Frame{Type: kind, Ref: 1, Channel: "c", Username: username})))
	answer, err := conn.Read()
	require.NoError(c.b, err)
	frame, err := wire.Decode(answer)
	require.NoError(c.b, err)
	require.NotEqual(c.b, wire.Error, frame.Type, "%s", frame.Reason)
	return conn
}

// payload is what the messages carry: 128 bytes that no other frame has.
var payload = bytes.Repeat([]byte("lectern!"), 16)

// drain counts the messages that reach the member.
func (c *crowd) drain(conn transport.Conn) {
	c.readers.Go(func() {
		defer conn.Close(transport.Reason{})
		for {
			data, err := conn.Read()
			if err != nil {
				return
			}
			if bytes.Contains(data, payload) {
				c.got.Done()
			}
		}
	})
}

// message is the frame of a send, of the master to one slave or to all, or of a
// slave.
func message(to string) []byte {
	return wire.Append(nil, wire.Binary, &wire.Frame{
		Type: wire.Send, Channel: "c", To: to, HasTo: to != "", Payload: wire.Payload{Kind: wire.BytesPayload, Data: payload},
	})
}

// pass writes the frames and waits until they have reached all they are for.
func (c *crowd) pass(from transport.Conn, receivers int, frames ...[]byte) {
	c.got.Add(receivers)
	if err := from.Write(frames...); err != nil {
		c.b.Fatal(err)
	}
	c.got.Wait()
}

func eachCarrier(b *testing.B, run func(b *testing.B, c *crowd)) {
	for _, carrier := range carriers {
		for _, size := range carrier.sizes {
			b.Run(fmt.Sprintf("%s/slaves=%d", carrier.name, size), func(b *testing.B) {
				c := newCrowd(b, carrier.serve, size)
				b.ReportAllocs()
				b.ResetTimer()
				run(b, c)
			})
		}
	}
}

// BenchmarkBroadcast is one message to all, and the next when all have it.
func BenchmarkBroadcast(b *testing.B) {
	frame := message("")
	eachCarrier(b, func(b *testing.B, c *crowd) {
		for b.Loop() {
			c.pass(c.master, len(c.slaves), frame)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(c.slaves)), "ns/delivery")
	})
}

// BenchmarkBroadcasts is 16 messages to all at once.
func BenchmarkBroadcasts(b *testing.B) {
	const flight = 16
	frames := make([][]byte, flight)
	for i := range frames {
		frames[i] = message("")
	}
	eachCarrier(b, func(b *testing.B, c *crowd) {
		for b.Loop() {
			c.pass(c.master, flight*len(c.slaves), frames...)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(flight*len(c.slaves)), "ns/delivery")
	})
}

// BenchmarkPrivate is one message to one slave.
func BenchmarkPrivate(b *testing.B) {
	frame := message("slave0")
	eachCarrier(b, func(b *testing.B, c *crowd) {
		for b.Loop() {
			c.pass(c.master, 1, frame)
		}
	})
}

// BenchmarkToMaster is one message of a slave.
func BenchmarkToMaster(b *testing.B) {
	frame := message("")
	eachCarrier(b, func(b *testing.B, c *crowd) {
		for i := 0; b.Loop(); i++ {
			c.pass(c.slaves[i%len(c.slaves)], 1, frame)
		}
	})
}

// BenchmarkJoin is a connection, a join, and its end, in a channel that has so
// many slaves already.
func BenchmarkJoin(b *testing.B) {
	eachCarrier(b, func(b *testing.B, c *crowd) {
		for i := 0; b.Loop(); i++ {
			conn := c.enter(wire.Join, fmt.Sprint("another", i))
			if err := conn.Close(transport.Reason{Code: transport.Left}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMember is what a slave that waits takes up, with both ends of its
// connection over memory: objects and stacks. Over real connections the other end
// is in the same process too, and bench measures what the hub's takes.
func BenchmarkMember(b *testing.B) {
	const slaves = 10_000
	taken := func() uint64 {
		runtime.GC()
		runtime.GC() // what is in a sync.Pool survives the first
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc + stats.StackInuse
	}
	for b.Loop() {
		c := newCrowd(b, carriers[0].serve, 0)
		before := taken()
		for i := range slaves {
			c.slaves = append(c.slaves, c.enter(wire.Join, fmt.Sprint("slave", i)))
		}
		b.ReportMetric(float64(taken()-before)/slaves, "B/member")
	}
}

// handled is a channel with a handle of a Client over memory, and the member on the
// other side, which speaks the wire itself and makes no allocations.
type handled struct {
	b    *testing.B
	hub  *lectern.Hub
	peer transport.Conn
}

func newHandled(b *testing.B) (h *handled, client *lectern.Client) {
	unlimited := lectern.RateLimit{PerSecond: -1}
	hub, err := lectern.NewHub(lectern.Policy{FrameRate: unlimited, SlaveMessageRate: unlimited})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, hub.Close()) })
	client = lectern.NewClient(hub, lectern.ClientOptions{})
	b.Cleanup(func() { require.NoError(b, client.Close()) })
	return &handled{b: b, hub: hub}, client
}

// enter has the peer create the channel or join it, and drops what it is told later.
func (h *handled) enter(kind wire.Type, username string) {
	c := &crowd{b: h.b, dialer: h.hub}
	h.peer = c.enter(kind, username)
	c.drain(h.peer)
	h.b.Cleanup(func() {
		require.NoError(h.b, h.peer.Close(transport.Reason{Code: transport.Left}))
		c.readers.Wait()
	})
}

// flights runs a benchmark with so many messages on their way at once. A figure is that
// of one message in each of them.
func flights(b *testing.B, run func(b *testing.B, flight int)) {
	for _, flight := range []int{1, 16} {
		b.Run(fmt.Sprint("flight=", flight), func(b *testing.B) {
			b.ReportAllocs()
			run(b, flight)
		})
	}
}

// write has the peer send the next flight, of so many as are left.
func (h *handled) write(frames [][]byte, left int) {
	if err := h.peer.Write(frames[:min(len(frames), left)]...); err != nil {
		h.b.Fatal(err)
	}
}

// BenchmarkSlaveReceive is a message to all that a slave takes with Receive.
func BenchmarkSlaveReceive(b *testing.B) {
	flights(b, func(b *testing.B, flight int) {
		h, client := newHandled(b)
		h.enter(wire.Create, "alice")
		slave, err := client.Join(context.Background(), "c", "slave")
		require.NoError(b, err)
		frames := slices.Repeat([][]byte{message("")}, flight)
		b.ResetTimer()
		for taken := 0; taken < b.N; taken++ {
			if taken%flight == 0 {
				h.write(frames, b.N-taken)
			}
			got, err := slave.Receive(context.Background())
			if err != nil || got.Len() != len(payload) {
				b.Fatal(got, err)
			}
		}
	})
}

// BenchmarkMasterEvents is a message of a slave that its master takes from Events.
func BenchmarkMasterEvents(b *testing.B) {
	flights(b, func(b *testing.B, flight int) {
		h, client := newHandled(b)
		master, err := client.Create(context.Background(), "c", "alice")
		require.NoError(b, err)
		h.enter(wire.Join, "slave")
		for event, err := range master.Events(context.Background()) {
			require.NoError(b, err)
			require.IsType(b, lectern.Presence{}, event) // the slave is there
			break
		}
		frames := slices.Repeat([][]byte{message("")}, flight)
		b.ResetTimer()
		h.write(frames, b.N)
		taken := 0
		for event, err := range master.Events(context.Background()) {
			if got, ok := event.(lectern.Message); !ok || got.Len() != len(payload) {
				b.Fatal(event, err)
			}
			if taken++; taken == b.N {
				break
			}
			if taken%flight == 0 {
				h.write(frames, b.N-taken)
			}
		}
	})
}
