package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// channel is a Channel and the lines to its members, without a hub.
type channel struct {
	*Channel
	t     testing.TB
	lines []*Line
}

func newChannel(t testing.TB, slow Slow, observed bool) *channel {
	goroutines := new(sync.WaitGroup)
	config := &Config{
		Limits: star.Limits{
			MasterTimeout: time.Minute, MaxSlaves: 1 << 20, Replay: star.Bound{Messages: 256, Bytes: 1 << 20}, Counted: observed,
		},
		Outbox: outbox.Limits{Messages: 256, Bytes: 1 << 20, Overflow: slow.Overflow()},
		Slow:   slow, HoldTimeout: time.Second, Started: time.Now(),
		Observer: nobody{}, Observed: observed, Logger: slog.New(slog.DiscardHandler),
		Goroutines: goroutines, Forget: func(*Channel) {},
	}
	c := &channel{Channel: New("abc123", config), t: t}
	t.Cleanup(func() {
		c.Stop()
		require.NoError(t, c.Flush(context.Background()))
		for _, l := range c.lines {
			l.out.Abort(transport.Reason{Code: transport.Shutdown})
			l.out.Wait()
		}
		goroutines.Wait() // as a hub does: nobody delivers any more
		c.Retire()
	})
	return c
}

// enter makes a member on a line to the connection.
func (c *channel) enter(name string, role wire.Role, conn transport.Conn) *Seat {
	seat := c.seat(conn)
	c.Decide(func(rules *star.Channel, now time.Time) {
		var err error
		if role == wire.Master {
			err = rules.Create(now, &seat.Attachment, star.Entry{Ref: 1}, name, 0)
		} else {
			err = rules.Join(now, &seat.Attachment, star.Entry{Ref: 1}, name, "")
		}
		require.NoError(c.t, err)
	})
	require.NoError(c.t, c.Flush(c.t.Context()))
	return seat
}

// seat is a place on a line to the connection.
func (c *channel) seat(conn transport.Conn) *Seat {
	l := new(Line)
	l.Init(c.config, conn, tells{}, uint64(len(c.lines)+1))
	c.lines = append(c.lines, l)
	seat := new(Seat)
	seat.Init(l, c.Channel)
	return seat
}

func (c *channel) send(from *Seat, text string) {
	msg := star.Message{Payload: wire.Payload{Kind: wire.TextPayload, Data: []byte(text)}}
	c.Decide(func(rules *star.Channel, _ time.Time) { require.NoError(c.t, rules.Send(&from.Attachment, msg)) })
}

// nobody observes.
type nobody struct{}

func (nobody) Add(star.Metric, string, int64) {}
func (nobody) Observe(star.Metric, float64)   {}

// tells owns lines of whose memberships the peers are told as a session would, but
// no connection is closed.
type tells struct{}

func (tells) Release(seat *Seat, closed *wire.Packet, _ *wire.Cause) { seat.line.Push(closed) }
func (tells) Enter(*Seat)                                            {}
func (tells) Refuse(*Seat, *wire.Cause)                              {}
func (tells) Answer(*Seat, *wire.Packet, *wire.Cause, uint64)        {}
func (tells) Vacate(*Seat)                                           {}
func (tells) Eject(*Seat, *wire.Cause)                               {}
func (tells) Drained(*Seat) bool                                     { return true }

// takesAll is a connection that takes everything.
type takesAll struct{ transport.Conn }

func (takesAll) Write(...[]byte) error        { return nil }
func (takesAll) TryWrite(...[]byte) bool      { return true }
func (takesAll) Close(transport.Reason) error { return nil }

// recorder is a connection that keeps what it takes, batch by batch.
type recorder struct {
	transport.Conn
	mu      sync.Mutex
	batches [][]string
	closed  *transport.Reason
}

func (r *recorder) Write(messages ...[]byte) error {
	r.TryWrite(messages...)
	return nil
}

func (r *recorder) TryWrite(messages ...[]byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var batch []string
	for _, message := range messages {
		batch = append(batch, string(message))
	}
	r.batches = append(r.batches, batch)
	return true
}

func (r *recorder) Close(reason transport.Reason) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed == nil {
		r.closed = &reason
	}
	return nil
}

// writes are what was taken at a time: frames as words, separated by commas.
func (r *recorder) writes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	writes := []string{}
	for _, batch := range r.batches {
		var frames []string
		for _, message := range batch {
			frames = append(frames, words(message))
		}
		writes = append(writes, strings.Join(frames, ", "))
	}
	return writes
}

// lines are all frames that were taken.
func (r *recorder) lines() []string { return strings.Split(strings.Join(r.writes(), ", "), ", ") }

// words is a frame in the binary form, in words.
func words(message string) string {
	frame, err := wire.Decode([]byte(message))
	if err != nil {
		return err.Error()
	}
	switch frame.Type {
	case wire.Message:
		return fmt.Sprintf("message %d %s", frame.Seq, frame.Payload.Data)
	case wire.Presence:
		return fmt.Sprintf("presence %s %s", frame.Username, frame.State)
	case wire.Closed:
		return "closed " + frame.Code
	}
	return frame.Type.String()
}

// stuckConn takes nothing until it is closed.
type stuckConn struct {
	transport.Conn
	end     chan struct{}
	release func()
}

func newStuckConn() *stuckConn {
	c := &stuckConn{end: make(chan struct{})}
	c.release = sync.OnceFunc(func() { close(c.end) })
	return c
}

func (c *stuckConn) Write(...[]byte) error {
	<-c.end
	return transport.ErrSlow
}

func (c *stuckConn) Close(transport.Reason) error {
	c.release()
	return nil
}

// Each member sees what was decided in the order in which it was decided, and what
// follows on each other goes into one write.
func TestEffectsInTheirOrder(t *testing.T) {
	c := newChannel(t, SlowDisconnect, true)
	alice, bob, carol := new(recorder), new(recorder), new(recorder)
	master := c.enter("alice", wire.Master, alice)
	one := c.enter("bob", wire.Slave, bob)
	c.enter("carol", wire.Slave, carol)
	// All of it is decided before any of it is carried out.
	decide := func(transitions ...func(rules *star.Channel) error) {
		c.Decide(func(rules *star.Channel, _ time.Time) {
			for _, transition := range transitions {
				require.NoError(t, transition(rules))
			}
		})
		require.NoError(t, c.Flush(t.Context()))
	}
	send := func(from *Seat, to, text string) func(rules *star.Channel) error {
		return func(rules *star.Channel) error {
			return rules.Send(&from.Attachment, star.Message{
				To: to, HasTo: to != "", Payload: wire.Payload{Kind: wire.TextPayload, Data: []byte(text)},
			})
		}
	}
	decide(
		send(master, "", "all"),
		send(master, "bob", "one"),
		send(one, "", "up"),
		send(master, "", "all again"),
		func(rules *star.Channel) error { return rules.Away(time.Now(), &master.Attachment, 0) },
		send(master, "", "last"),
		send(master, "", "but one"),
		func(rules *star.Channel) error { return rules.Remove("bob", false, "") },
		send(master, "", "for carol"),
	)
	require.Equal(t, []string{
		"joined", "message 1 all", "message 2 one", "message 3 all again", "presence alice away", "message 4 last", "message 5 but one",
		"closed kicked",
	}, bob.lines())
	require.Equal(t, []string{
		"joined", "message 1 all", "message 3 all again", "presence alice away", "message 4 last", "message 5 but one",
		"message 6 for carol",
	}, carol.lines())
	require.Equal(t, []string{
		"created", "presence bob online", "presence carol online", "message 1 up", "presence bob left",
	}, alice.lines())
	require.Contains(t, carol.writes(), "message 4 last, message 5 but one", "what follows on each other is one write")

	decide(func(rules *star.Channel) error { rules.Close(""); return nil })
	require.Equal(t, "closed channel_closed", carol.lines()[7])
	require.Equal(t, "closed channel_closed", alice.lines()[5])
	require.Len(t, bob.lines(), 8, "who has left is told nothing more")
}

// What was accepted for the master counts against its room until it is queued, and
// what was accepted for an older connection of it does not.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChannel(t, SlowDisconnect, false)
		c.config.Outbox.Messages = 2
		stuck := newStuckConn()
		master := c.enter("alice", wire.Master, stuck)
		slave := c.enter("bob", wire.Slave, takesAll{})
		synctest.Wait() // the first write is stuck, and nothing waits behind it
		c.Decide(func(rules *star.Channel, _ time.Time) {
			msg := star.Message{Payload: wire.Payload{Kind: wire.TextPayload, Data: []byte("x")}}
			require.NoError(t, rules.Send(&slave.Attachment, msg))
			require.NoError(t, rules.Send(&slave.Attachment, msg))
			require.ErrorIs(t, rules.Send(&slave.Attachment, msg), wire.ErrBusy, "two are on their way, and none is queued")
		})
		require.NoError(t, c.Flush(t.Context()))
		require.NotNil(t, c.heldUp(slave, 1))
		stuck.release()
		synctest.Wait()
		require.Nil(t, c.heldUp(slave, 1))

		next := c.take("alice", new(recorder)) // and has the two replayed
		c.send(slave, "x")
		require.NoError(t, c.Flush(t.Context()))
		require.Equal(t, star.Load{Messages: 3, Bytes: 3}, c.arrived(next))
		require.Zero(t, c.arrived(master))
	})
}

// arrived is what was pushed to the outbox of the master's seat.
func (c *channel) arrived(master *Seat) star.Load {
	c.arrivals.mu.Lock()
	defer c.arrivals.mu.Unlock()
	if c.arrivals.epoch != master.Epoch() {
		return star.Load{}
	}
	return c.arrivals.messages
}

// take brings the member back on a line to another connection.
func (c *channel) take(name string, conn transport.Conn) *Seat {
	seat := c.seat(conn)
	c.Decide(func(rules *star.Channel, now time.Time) {
		require.NoError(c.t, rules.Resume(now, &seat.Attachment, star.Entry{Ref: 1}, name, 0, 0))
	})
	require.NoError(c.t, c.Flush(c.t.Context()))
	return seat
}

// BenchmarkToAll is what a broadcast takes with connections that cost nothing:
// deciding, encoding once, queueing for each slave, and writing.
func BenchmarkToAll(b *testing.B) {
	for _, slaves := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint("slaves=", slaves), func(b *testing.B) {
			c := newChannel(b, SlowDisconnect, false)
			master := c.enter("alice", wire.Master, takesAll{})
			for i := range slaves {
				c.enter(fmt.Sprint("user_", i), wire.Slave, takesAll{})
			}
			text, ctx := strings.Repeat("x", 128), context.Background()
			b.ReportAllocs()
			for b.Loop() {
				c.send(master, text)
				_ = c.Flush(ctx)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(slaves), "ns/delivery")
		})
	}
}

// A message that is on its way to the master is counted once: as in flight or as in its
// outbox, also while it goes from the one to the other.
func TestFullCountsAMessageOnce(t *testing.T) {
	for range 300 {
		c := newChannel(t, SlowDisconnect, false)
		stuck := newStuckConn()
		master := c.enter("alice", wire.Master, stuck)
		slave := c.enter("bob", wire.Slave, takesAll{})
		const sent = 200 // of the 256 that may wait
		c.Decide(func(rules *star.Channel, _ time.Time) {
			for range sent {
				require.NoError(t, rules.Send(&slave.Attachment, star.Message{Payload: wire.Payload{Kind: wire.TextPayload}}))
			}
		})
		for {
			require.Nil(t, c.heldUp(slave, 0))
			if c.arrived(master).Messages == sent {
				break
			}
		}
		stuck.release()
	}
}

// A deadline that is no reading of this process's own clock, as that of a restored channel or
// of a grant, comes later where the clock is put back, and is not forgotten then.
func TestATimerThatFiresEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChannel(t, SlowDisconnect, false)
		seat := c.enter("alice", wire.Master, takesAll{})
		c.Decide(func(rules *star.Channel, now time.Time) { rules.Lose(now, &seat.Attachment) })
		require.True(t, c.timer.Reset(time.Second), "as after the clock was put back")
		time.Sleep(time.Minute - time.Nanosecond)
		require.True(t, c.Exists())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.False(t, c.Exists())
	})
}
