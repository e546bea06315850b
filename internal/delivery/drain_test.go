package delivery

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// gated is a connection that takes one write for each value in its gate.
type gated struct {
	recorder
	gate chan struct{}
}

func newGated() *gated { return &gated{gate: make(chan struct{})} }

func (g *gated) Write(messages ...[]byte) error {
	<-g.gate
	return g.recorder.Write(messages...)
}

func (g *gated) TryWrite(...[]byte) bool { return false }

// next lets one write pass, and returns when everything has come to rest.
func (g *gated) next() {
	g.gate <- struct{}{}
	synctest.Wait()
}

// comesAndGoes has a slave join and leave so often, all of it in one decision.
func (c *channel) comesAndGoes(times int) {
	seat := c.seat(takesAll{})
	c.Decide(func(rules *star.Channel, now time.Time) {
		for range times {
			again := new(Seat)
			again.Init(seat.line, c.Channel)
			require.NoError(c.t, rules.Join(now, &again.Attachment, star.Entry{Ref: 0}, "bob", ""))
			require.NoError(c.t, rules.Leave(now, &again.Attachment, 0))
		}
	})
	require.NoError(c.t, c.Flush(c.t.Context()))
}

// mark is after how many changes of slaves the rest is gathered, in a small channel.
const mark = 64

// However many slaves join and leave, no more waits for a master that does not read than
// changes up to the mark and one list. The list is as it is when the queue has drained.
func TestPresencesOfASlowMasterAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChannel(t, SlowDisconnect, false)
		conn := newGated()
		master := c.enter("alice", wire.Master, conn)
		synctest.Wait()
		waits := func() int {
			messages, _ := master.line.out.Waiting()
			return messages
		}
		require.Zero(t, waits(), "the first write is stuck, and nothing waits behind it")
		for range 50 {
			c.comesAndGoes(10)
			require.LessOrEqual(t, waits(), mark)
		}
		c.enter("eve", wire.Slave, takesAll{})
		require.Equal(t, mark, waits())
		require.Nil(t, conn.closed)

		conn.next()
		require.Equal(t, 1, waits(), "the list, as soon as the rest is being written")
		for range 50 {
			c.comesAndGoes(10)
			require.LessOrEqual(t, waits(), 1+mark)
		}
		conn.next()
		conn.next()
		conn.next()
		close(conn.gate)
		synctest.Wait()
		require.Zero(t, waits())
		c.enter("zoe", wire.Slave, takesAll{})
		synctest.Wait()

		pairs := strings.TrimSuffix(strings.Repeat("presence bob online, presence bob left, ", mark/2), ", ")
		require.Equal(t, []string{"created", pairs, "members, " + pairs, "members", "presence zoe online"}, conn.writes())
	})
}

// What was decided and is not in the queue yet counts towards the mark, by number and by
// bytes.
func TestMarkCountsWhatIsInFlight(t *testing.T) {
	size := func(state wire.State, reason string) int {
		frame := &wire.Frame{Type: wire.Presence, Channel: "abc123", Username: "bob", Role: wire.Slave, State: state, Reason: reason}
		if state == wire.StateOnline {
			frame.Number, frame.Joined = 1, true
		}
		return len(wire.Append(nil, wire.Binary, frame)) + outbox.NoticeOverhead
	}
	online, gone := size(wire.StateOnline, ""), size(wire.StateLeft, "left")
	tests := []struct {
		what    string
		bytes   int // of the outbox
		message int // the size of a message that comes before
		told    int
	}{
		{"the number", 1 << 20, 0, mark},
		{"the bytes, just not over half", 2 * (online + gone), 0, 3},
		{"the bytes, just over half", 2 * (online + gone - 1), 0, 2},
		{"the bytes with a message", 1000, 500 - online, 2},
		{"a message alone, just not over half", 1000, 500, 1},
		{"a message alone, just over half", 1000, 501, 0},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newChannel(t, SlowDisconnect, false)
				c.config.Outbox.Bytes = test.bytes
				conn := new(recorder)
				c.enter("alice", wire.Master, conn)
				carol := c.enter("carol", wire.Slave, takesAll{})
				seat := c.seat(takesAll{})
				before := len(conn.lines())
				c.Decide(func(rules *star.Channel, now time.Time) {
					if test.message > 0 {
						msg := star.Message{Payload: wire.Payload{Kind: wire.TextPayload, Data: make([]byte, test.message)}}
						require.NoError(t, rules.Send(&carol.Attachment, msg))
						before++
					}
					for range 50 {
						again := new(Seat)
						again.Init(seat.line, c.Channel)
						require.NoError(t, rules.Join(now, &again.Attachment, star.Entry{Ref: 0}, "bob", ""))
						require.NoError(t, rules.Leave(now, &again.Attachment, 0))
					}
				})
				synctest.Wait()
				lines := conn.lines()[before:]
				require.Len(t, lines, test.told+1)
				require.Equal(t, "members", lines[test.told])
			})
		})
	}
}

// A master that reads in time is told of each slave, however many come at once.
func TestManyJoinsAtOnceAreToldOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChannel(t, SlowDisconnect, false)
		conn := new(recorder)
		c.enter("alice", wire.Master, conn)
		c.Decide(func(rules *star.Channel, now time.Time) {
			for i := range 1000 {
				seat := c.seat(takesAll{})
				require.NoError(t, rules.Join(now, &seat.Attachment, star.Entry{Ref: 0}, fmt.Sprint("user_", i), ""))
			}
		})
		synctest.Wait()
		require.Len(t, conn.lines(), 1+1000)
	})
}

// With SlowHold, a slave that the master does not know yet is held back until the master
// is told the list, and is then not refused.
func TestHoldUntilTheListIsTold(t *testing.T) {
	hold := func(c *channel, seat *Seat) <-chan struct{} {
		held := make(chan struct{})
		go func() {
			defer close(held)
			seat.Hold(1, func() (context.Context, func()) { return context.Background(), func() {} })
		}()
		synctest.Wait()
		return held
	}
	t.Run("by the queue", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newChannel(t, SlowHold, false)
			c.config.HoldTimeout = time.Hour
			conn := newGated()
			c.enter("alice", wire.Master, conn)
			synctest.Wait()
			c.comesAndGoes(mark)
			eve := c.enter("eve", wire.Slave, takesAll{})
			held := hold(c, eve)
			select {
			case <-held:
				require.Fail(t, "not held")
			default:
			}
			conn.next()
			<-held
			c.send(eve, "here I am")
			close(conn.gate)
			synctest.Wait()
			lines := conn.lines()
			require.Equal(t, []string{"members", "message 1 here I am"}, lines[len(lines)-2:])
		})
	})
	// Nothing waits, and who is to tell the list has not had a turn yet.
	t.Run("by the slave", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newChannel(t, SlowHold, false)
			conn := new(recorder)
			master := c.enter("alice", wire.Master, conn)
			master.line.drains.Store(&drains{serving: true})
			c.comesAndGoes(mark)
			eve := c.enter("eve", wire.Slave, takesAll{})
			held := hold(c, eve)
			select {
			case <-held:
				require.Fail(t, "not held")
			default:
			}
			c.drained(master)
			<-held
			c.send(eve, "here I am")
			require.NoError(t, c.Flush(t.Context()))
			lines := conn.lines()
			require.Equal(t, []string{"members", "message 1 here I am"}, lines[len(lines)-2:])
		})
	})
	t.Run("not after the end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newChannel(t, SlowHold, false)
			c.enter("alice", wire.Master, newStuckConn())
			synctest.Wait()
			c.comesAndGoes(mark)
			eve := c.enter("eve", wire.Slave, takesAll{})
			c.Decide(func(rules *star.Channel, now time.Time) { require.NoError(t, rules.Leave(now, &eve.Attachment, 0)) })
			<-hold(c, eve)
		})
	})
}

// With SlowHold, a slave that has come back again and again while its master sent nothing is
// kept for its master no longer than it is fed, and nothing of its connections is.
func TestWhoHasBeenFedIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChannel(t, SlowHold, false)
		alice := c.enter("alice", wire.Master, takesAll{})
		entry := star.Entry{Secret: star.Secret{Text: "s", Hash: star.HashOf("s")}}
		bob := c.seat(takesAll{})
		c.Decide(func(rules *star.Channel, now time.Time) {
			require.NoError(t, rules.Join(now, &bob.Attachment, entry, "bob", ""))
		})
		c.send(alice, strings.Repeat("x", 5000))
		resume := func(seat *Seat) {
			c.Decide(func(rules *star.Channel, now time.Time) {
				require.NoError(t, rules.Resume(now, &seat.Attachment, entry, "bob", 0, 0))
			})
			synctest.Wait()
		}
		for range 50 {
			resume(c.seat(takesAll{}))
		}
		require.Empty(t, c.slow.take())
		c.send(alice, strings.Repeat("x", 40_000))
		c.send(alice, strings.Repeat("x", 40_000))
		require.NoError(t, c.Flush(t.Context()))
		conn := newGated()
		stuck := c.seat(conn)
		resume(stuck)
		require.Equal(t, []slowSeat{{stuck, true}}, c.slow.take(), "it is being fed")
		close(conn.gate)
		synctest.Wait()
	})
}

// With SlowHold, a master waits for a slave that is being fed until it is given the next part, and not only until it has taken
// the one before: what is sent in between could push out what is to be in it. It is not called slow for that.
func TestHeldUntilTheNextPartIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChannel(t, SlowHold, false)
		alice := c.enter("alice", wire.Master, takesAll{})
		bob := c.enter("bob", wire.Slave, takesAll{})
		synctest.Wait()
		// It has taken all, and whoever is to go on with it has not begun.
		d := &drains{serving: true}
		bob.line.drains.Store(d)
		bob.awaitDrain()
		hold := func() <-chan struct{} {
			held := make(chan struct{})
			go func() {
				defer close(held)
				alice.Hold(5, func() (context.Context, func()) { return t.Context(), func() {} })
			}()
			return held
		}
		for range 2 {
			began := time.Now()
			<-hold()
			require.Equal(t, bob.line.config.HoldTimeout, time.Since(began))
			require.NotNil(t, bob.nextTurn(), "it is waited for still")
		}
		held := hold()
		synctest.Wait()
		bob.line.config.Goroutines.Add(1)
		bob.line.serveDrains(d)
		<-held
		<-hold()
		require.Empty(t, c.slow.take())
		c.send(alice, "hello")
	})
}
