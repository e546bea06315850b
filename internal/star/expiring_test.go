package star

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// lasting is the message with so much time, from now on.
func lasting(c *table, msg Message, d time.Duration) Message {
	msg.Expires, msg.End = d, c.now.Add(d)
	return msg
}

// sendsFor sends a message that lasts so long, or for ever where that is zero.
func (c *table) sendsFor(a *Attachment, msg Message, d time.Duration) func() error {
	return func() error {
		if d > 0 {
			msg = lasting(c, msg, d)
		}
		return c.Send(a, msg)
	}
}

func (c *table) after(d time.Duration) { c.now = c.now.Add(d) }

// The message tells for how long it is worth something, and so does the packet.
func TestAMessageThatExpires(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	msg := textMessage(2, "go")
	msg.Topic = "drive"
	c.did(c.sendsFor(a, msg, 1500*time.Millisecond), "* < message seq=1 alice: go about drive for 1500ms", "a < ack ref=2 seq=1 slaves=1")
	require.Equal(t, c.now.Add(1500*time.Millisecond), c.down.entries[0].packet.End())
	c.did(c.sendsFor(u[1], textMessage(2, "gone"), time.Hour), "a < message seq=1 user_1: gone for 3600000ms", "u1 < ack ref=2 seq=1")
	_, due := c.Due()
	require.False(t, due, "messages that expire need no timer")

	// It is recognised with the time that it was sent with, whenever it comes again.
	c.after(time.Second)
	c.did(c.sendsFor(a, msg, 1500*time.Millisecond), "a < ack ref=2 seq=1 slaves=1")
	c.refused(wire.ErrBadFrame, c.sendsFor(a, msg, 1499*time.Millisecond))
	c.refused(wire.ErrBadFrame, c.sendsFor(a, msg, 0))
	msg.Topic = "stop"
	c.refused(wire.ErrBadFrame, c.sendsFor(a, msg, 1500*time.Millisecond))
}

// A message is over from its end on, and one without an end never.
func TestWhenAMessageIsOver(t *testing.T) {
	require.False(t, (&Message{}).IsOver(noon))
	for d, over := range map[time.Duration]bool{-1: false, 0: true, 1: true} {
		require.Equal(t, over, (&Message{End: noon}).IsOver(noon.Add(d)))
	}
}

// What has expired leaves the log at that very instant: its bytes are free, and it is told, in
// its place and exactly, to those whom it was for.
func TestExpiredInTheLog(t *testing.T) {
	for _, test := range []struct {
		after time.Duration
		told  []string
	}{
		{2*time.Second - 1, []string{"r << message seq=1 alice: 1 for 2000ms", "r << message seq=2 alice: 2", "r << message seq=4 alice: 4 (private) for 2000ms", "r << message seq=5 alice: 5 for 3000ms"}},
		{2 * time.Second, []string{"r << gap seq=1 missed=1", "r << message seq=2 alice: 2", "r << gap seq=4 missed=1", "r << message seq=5 alice: 5 for 3000ms"}},
		{3 * time.Second, []string{"r << gap seq=1 missed=1", "r << message seq=2 alice: 2", "r << gap seq=5 missed=2"}},
	} {
		t.Run(fmt.Sprint(test.after), func(t *testing.T) {
			c, a, u := openTable(t, Limits{}, 2)
			c.Lose(c.now, u[1])
			require.NoError(t, c.sendsFor(a, textMessage(0, "1"), 2*time.Second)())
			require.NoError(t, c.sendsFor(a, textMessage(0, "2"), 0)())
			require.NoError(t, c.sendsFor(a, messageTo(0, "user_2", "3"), 2*time.Second)()) // for another
			require.NoError(t, c.sendsFor(a, messageTo(0, "user_1", "4"), 2*time.Second)())
			require.NoError(t, c.sendsFor(a, textMessage(0, "5"), 3*time.Second)())
			c.effects = nil
			c.after(test.after)
			r := c.on("r")
			c.did(func() error { return c.resume(c.now, r, 2, "user_1", c.secret("user_1"), 0) },
				append([]string{"+r", "r < joined alice=online ref=2", "a < presence user_1 online"}, test.told...)...)
			// Who comes back once more has been told.
			again := c.on("again")
			c.did(func() error { return c.resume(c.now, again, 3, "user_1", c.secret("user_1"), 5) },
				"-r", "r ! replaced: the membership was taken over by a newer connection", "+again", "again < joined alice=online ref=3")
		})
	}
}

// Whichever comes first, the one with the earlier end is over first.
func TestExpiredInAnyOrder(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 0)
	for _, seconds := range []time.Duration{3, 1, 2, 0} {
		require.NoError(t, c.sendsFor(a, textMessage(0, "x"), seconds*time.Second)())
	}
	for _, kept := range [][]uint64{{1, 3, 4}, {1, 4}, {4}, {4}} {
		c.after(time.Second)
		c.Expire(c.now)
		require.Equal(t, kept, c.down.numbers(0))
	}
}

// A master is told in the same way.
func TestExpiredForAMaster(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	c.Lose(c.now, a)
	for _, d := range []time.Duration{time.Second, time.Second, 0, time.Second, 9 * time.Second, time.Second} {
		require.NoError(t, c.sendsFor(u[1], textMessage(0, "x"), d)())
	}
	c.effects = nil
	c.after(time.Second)
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 2, "alice", c.secret("alice"), 0) },
		"b << created ref=2 epoch=2 seq=6 [user_1=online]", "* < presence alice online", "b << gap seq=2 missed=2",
		"b << message seq=3 user_1: x", "b << gap seq=4 missed=1", "b << message seq=5 user_1: x for 9000ms", "b << gap seq=6 missed=1")
	require.Equal(t, Load{Messages: 2, Bytes: 2}, c.accepted, "what has expired was not accepted for it")
}

// While a member is fed, what expires meanwhile is told where it would have come.
func TestExpiredWhileItIsFed(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	c.Lose(c.now, u[1])
	for _, d := range []time.Duration{0, 0, time.Second, 9 * time.Second, time.Second} {
		require.NoError(t, c.sendsFor(a, textMessage(0, large), d)())
	}
	c.effects = nil
	r := c.on("r")
	c.did0(func() error { return c.resume(c.now, r, 2, "user_1", c.secret("user_1"), 0) })
	c.feeds(r, "1", "2", "r ...")
	c.after(time.Second)
	c.Expire(c.now)
	c.did(c.sendsFor(a, textMessage(0, "live"), time.Second), "* < message seq=6 alice: live for 1000ms") // in the audience is nobody
	c.feeds(r, "r << gap seq=3 missed=1", "4", "r << gap seq=5 missed=1", "6", "+r")

	// At the end of the channel it is among the rest that is missing.
	c, a, u = openTable(t, Limits{}, 1)
	c.Lose(c.now, u[1])
	for _, d := range []time.Duration{0, 0, time.Second, 0} {
		require.NoError(t, c.sendsFor(a, textMessage(0, large), d)())
	}
	c.effects = nil
	r = c.on("r")
	c.did0(func() error { return c.resume(c.now, r, 2, "user_1", c.secret("user_1"), 0) })
	r.Line.(*line).waiting = 1
	c.after(time.Second)
	c.Expire(c.now)
	c.Close("")
	c.expect("* ! channel_closed", "r < gap seq=4 missed=4", "r ! channel_closed", "a ! channel_closed", "forget")
}

// The bytes of what has expired are free, also of what the master is to get in any case; its
// place is not, so that there is a bound of what it is told.
func TestExpiredMakesRoomForBytes(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 4, Bytes: 1000}}, 1)
	c.Lose(c.now, a)
	long := string(make([]byte, 800))
	require.NoError(t, c.sendsFor(u[1], textMessage(0, long), time.Second)())
	c.effects = nil
	c.refused(wire.ErrBusy, c.sendsFor(u[1], textMessage(0, long), 0))
	c.after(time.Second)
	c.did(c.sendsFor(u[1], textMessage(0, long), time.Second))
	require.Equal(t, Load{Messages: 2, Bytes: 800 + 2*entryOverhead}, c.up.unconfirmed)
	c.after(time.Second)
	c.did(c.sendsFor(u[1], textMessage(0, "x"), time.Second))
	c.did(c.sendsFor(u[1], textMessage(0, "x"), time.Second))
	c.after(time.Second)
	c.Expire(c.now)
	require.Equal(t, Load{Messages: 4, Bytes: 4 * entryOverhead}, c.up.unconfirmed)
	require.Equal(t, 4*entryOverhead, c.up.bytes)
	c.refused(wire.ErrBusy, c.sendsFor(u[1], textMessage(0, "x"), 0))
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 2, "alice", c.secret("alice"), 0) },
		"b << created ref=2 epoch=2 seq=4 [user_1=online]", "* < presence alice online", "b << gap seq=4 missed=4")
	c.did(func() error { _, err := c.Confirm(b, 4); return err })
	require.Equal(t, Load{}, c.up.unconfirmed)

	// What was confirmed before it expires was free before.
	c, a, u = openTable(t, Limits{}, 1)
	for range 2 {
		require.NoError(t, c.sendsFor(u[1], textMessage(0, "12345"), time.Second)())
	}
	_, err := c.Confirm(a, 1)
	require.NoError(t, err)
	c.after(time.Second)
	c.Expire(c.now)
	require.Equal(t, Load{Messages: 1, Bytes: entryOverhead}, c.up.unconfirmed)

	// Who waits for room is woken by it.
	c, a, u = openTable(t, Limits{Replay: Bound{Messages: 4, Bytes: 1000}}, 1)
	a.Line.(*line).unwritten = 9
	require.NoError(t, c.sendsFor(u[1], textMessage(0, long), time.Second)())
	c.effects = nil
	require.True(t, c.AwaitRoom(u[1], 800))
	c.after(time.Second)
	c.did(func() error { return nil }, "room")
	c.after(time.Second)
	c.did(func() error { return nil })
}

// A request ends with its message: who asks is told so at that instant, and a later answer is
// refused.
func TestRequestsEndWithTheirMessages(t *testing.T) {
	const second = time.Second
	ask := func(ref uint64, to string) Message { return asking(ref, to) }
	t.Run("to all", func(t *testing.T) {
		c, a, u := openTable(t, Limits{}, 3)
		require.NoError(t, c.sendsFor(a, ask(2, ""), second)())
		due, ok := c.Due()
		require.True(t, ok)
		require.Equal(t, c.now.Add(second), due)
		require.NoError(t, c.Send(u[1], replying("", 1)))
		require.NoError(t, c.Leave(c.now, u[2], 0))
		c.effects = nil
		c.after(second - 1)
		c.did(func() error { return nil })
		c.after(1)
		c.did(func() error { return nil }, "a < awaiting [] request=1 too_late")
		c.refused(wire.ErrNoSuchRequest, func() error { return c.Send(u[3], replying("", 1)) })
		c.refused(wire.ErrNoSuchRequest, func() error { return c.Withdraw(a, 0, 1) })
		c.did(func() error { return c.Awaiting(a, 9, 1, Page{}) }, "a < awaiting ref=9 [] request=1")
		_, ok = c.Due()
		require.False(t, ok)
	})
	t.Run("an answer at that instant is too late", func(t *testing.T) {
		c, a, u := openTable(t, Limits{}, 1)
		require.NoError(t, c.sendsFor(a, ask(2, "user_1"), second)())
		c.effects = nil
		c.after(second)
		require.ErrorIs(t, c.do(func() error { return c.Send(u[1], replying("", 1)) }), wire.ErrNoSuchRequest)
		c.expect("a < awaiting [] request=1 too_late")
	})
	t.Run("answered, withdrawn, or of nobody", func(t *testing.T) {
		c, a, u := openTable(t, Limits{}, 1)
		require.NoError(t, c.sendsFor(a, ask(2, "user_1"), second)())
		require.NoError(t, c.Send(u[1], replying("", 1)))
		require.NoError(t, c.sendsFor(a, ask(3, "user_1"), second)())
		require.NoError(t, c.Withdraw(a, 0, 2))
		require.NoError(t, c.Leave(c.now, u[1], 0))
		require.NoError(t, c.sendsFor(a, ask(4, ""), second)())
		c.effects = nil
		_, due := c.Due()
		require.False(t, due)
		c.after(second)
		c.did(func() error { return nil })
	})
	t.Run("of a slave", func(t *testing.T) {
		c, a, u := openTable(t, Limits{}, 2)
		require.NoError(t, c.sendsFor(u[1], ask(2, ""), 2*second)())
		require.NoError(t, c.sendsFor(u[2], ask(2, ""), second)())
		require.NoError(t, c.sendsFor(u[1], ask(3, ""), second)())
		require.NoError(t, c.sendsFor(u[1], ask(4, ""), 0)())
		c.effects = nil
		c.after(second)
		c.did(func() error { return nil }, "u1 < awaiting [] request=3 too_late", "u2 < awaiting [] request=2 too_late")
		c.refused(wire.ErrNoSuchRequest, func() error { return c.Send(a, replying("user_1", 3)) })
		require.Equal(t, []uint64{1, 4}, c.slaves["user_1"].openRequests)
		c.Lose(c.now, u[1])
		c.effects = nil
		c.after(second)
		c.did(func() error { return nil })
		require.Equal(t, []uint64{4}, c.slaves["user_1"].openRequests, "who is away is told nothing")

		c, a, u = openTable(t, Limits{}, 2)
		for ref := range uint64(3) {
			require.NoError(t, c.sendsFor(u[1], ask(ref+2, ""), second)())
		}
		require.NoError(t, c.Send(a, replying("user_1", 1)))
		require.NoError(t, c.Withdraw(u[1], 0, 2))
		require.NoError(t, c.sendsFor(u[2], ask(2, ""), 2*second)())
		c.effects = nil
		c.after(second)
		c.did(func() error { return nil }, "u1 < awaiting [] request=3 too_late")
		require.NoError(t, c.Leave(c.now, u[2], 0))
		_, due := c.Due()
		require.False(t, due)
	})
	t.Run("an answer that is still to be fed was in time", func(t *testing.T) {
		c, a, u := openTable(t, Limits{}, 3)
		require.NoError(t, c.sendsFor(a, ask(2, ""), second)())
		c.Lose(c.now, a)
		for range 3 {
			require.NoError(t, c.Send(u[1], textMessage(0, large)))
		}
		require.NoError(t, c.Send(u[1], replying("", 1)))
		require.NoError(t, c.sendsFor(u[2], replying("", 1), second/2)()) // which expires itself
		b := c.on("b")
		require.NoError(t, c.resume(c.now, b, 9, "alice", c.secret("alice"), 0))
		require.NoError(t, c.sendsFor(b, ask(10, "user_2"), second)())
		c.effects = nil
		c.after(second)
		c.did(func() error { return nil }, "b < awaiting [user_1=online] request=1 too_late", "b < awaiting [] request=2 too_late")
		c.did(func() error { return c.Awaiting(b, 11, 1, Page{}) }, "b < awaiting ref=11 [user_1=online] request=1")
	})
	t.Run("at one instant with other ends", func(t *testing.T) {
		c, a, u := openTable(t, Limits{}, 2)
		c.did0(c.sendsFor(a, ask(2, ""), xSlave))
		c.Lose(c.now, u[1])
		c.setGrant(c.slaves["user_2"], Grant{Asked: true, Expires: c.now.Add(xSlave)})
		c.effects = nil
		c.after(xSlave)
		c.did(func() error { return nil }, "a < awaiting [] request=1 too_late", "-u2", "a < presence user_2 left (expired)", "u2 x",
			"u2 ! expired: what the service has granted has expired", "a < presence user_1 left (timeout)")
	})
	t.Run("behind other ends", func(t *testing.T) {
		c, a, u := openTable(t, Limits{}, 2)
		c.did0(c.sendsFor(a, ask(2, "user_1"), xSlave+1))
		c.did0(c.sendsFor(a, ask(3, "user_2"), xMaster+1))
		c.Lose(c.now, u[1])
		c.did0(func() error { return c.Away(c.now, a, 0) })
		c.after(xMaster + 5)
		c.did(func() error { return nil }, "a < presence user_1 left (timeout)",
			"* ! master_down: the master was away for 30s", "a ! master_down: the master was away for 30s", "forget")
	})
	t.Run("not after a stop", func(t *testing.T) {
		c, a, _ := openTable(t, Limits{}, 1)
		require.NoError(t, c.sendsFor(a, ask(2, ""), second)())
		c.effects = nil
		c.Stop(c.now)
		c.after(second)
		c.did(func() error { return nil })
		_, due := c.Due()
		require.False(t, due)
	})
}

// Nobody is asked again what is over, also where it is only while the rest is fed.
func TestNobodyIsAskedAgainWhatIsOver(t *testing.T) {
	c, a, _, _ := askedTable(t, Limits{})
	for _, d := range []time.Duration{time.Second, 0, 2 * time.Second, 0} {
		msg := asking(0, "ada")
		msg.Payload.Data = []byte(large)
		require.NoError(t, c.sendsFor(a, msg, d)())
	}
	c.effects = nil
	c.after(time.Second)
	v := c.on("v")
	c.did0(func() error { return c.Resume(c.now, v, c.shows("C", 1, 1, "sa"), "ada", 4, 4) })
	require.Equal(t, []uint64{2, 3, 4}, c.slaves["ada"].extra().asked.left)
	c.after(time.Second)
	c.Expire(c.now)
	c.effects = nil
	c.feeds(v, "2", "4", "v < asked", "+v")
}

// A client that is followed by another one does not hear of its requests any more.
func TestNobodyIsToldOfRequestsOfAnEarlierClient(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 1)
	require.NoError(t, c.sendsFor(a, asking(2, ""), time.Second)())
	b := c.on("b")
	c.did0(func() error { return c.Resume(c.now, b, c.shows("other", 9, 1, c.secret("alice")), "alice", 0, 0) })
	c.did0(func() error { return c.Hear(b) })
	c.after(time.Second)
	c.did(func() error { return nil })
}

// The list of what ends is bounded, however many requests were answered or withdrawn before
// their time.
func TestEndingsAreBounded(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.did0(c.sendsFor(u[2], asking(2, ""), time.Hour)) // this is first for as long as it is open
	most := 0
	for ref := range uint64(10_000) {
		c.did0(c.sendsFor(a, asking(2*ref+2, ""), 24*time.Hour))
		if ref%100 == 0 {
			c.did0(c.sendsFor(u[1], asking(ref+2, ""), 24*time.Hour))
		}
		c.did0(func() error { return c.Withdraw(a, 0, c.down.newest) })
		if ref%500 == 0 && ref > 0 {
			c.did0(func() error { return c.Send(a, replying("user_1", c.up.newest)) })
		}
		if n := len(c.slaves["user_1"].openRequests); n > 20 {
			c.did0(func() error { return c.Withdraw(u[1], 0, c.slaves["user_1"].openRequests[0]) })
		}
		most = max(most, len(c.endings.list))
	}
	require.LessOrEqual(t, most, 2*23+17)
	require.Greater(t, most, 16)
	c.after(24 * time.Hour)
	c.Expire(c.now)
	require.Empty(t, c.slaves["user_1"].openRequests)
	require.Empty(t, c.endings.list)
}

// The ends of requests that are open are in a snapshot, the earliest first, and no others.
func TestEndsInASnapshot(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	c.did0(c.sendsFor(a, asking(0, ""), time.Hour))
	c.did0(c.sendsFor(a, asking(0, ""), 2*time.Minute))
	c.did0(c.sendsFor(u[1], asking(0, ""), time.Minute))
	c.did0(func() error { return c.Withdraw(a, 0, 2) })
	want := []EndingSnapshot{{"user_1", 1, noon.Add(time.Minute)}, {"alice", 1, noon.Add(time.Hour)}}
	require.Equal(t, want, c.Snapshot().Endings)
	require.Equal(t, want, c.restoredOn(c.limits, nil).Snapshot().Endings)
}

// What expires goes on over a restart, by the clock: what has expired meanwhile is told.
func TestExpiringOverARestart(t *testing.T) {
	for _, behind := range []time.Duration{0, time.Minute} {
		c, a, u := openTable(t, Limits{}, 2)
		for _, d := range []time.Duration{time.Second, time.Hour, 0} {
			msg := textMessage(0, "x")
			msg.Topic = "slide"
			require.NoError(t, c.sendsFor(a, msg, d)())
			require.NoError(t, c.sendsFor(u[1], textMessage(0, "y"), d)())
		}
		require.NoError(t, c.sendsFor(a, messageTo(0, "user_1", "x"), time.Second)())
		require.NoError(t, c.sendsFor(a, asking(2, ""), time.Hour)())
		require.NoError(t, c.sendsFor(u[1], asking(2, ""), time.Hour)())
		require.NoError(t, c.sendsFor(u[2], asking(2, ""), time.Minute)())
		c.now = c.now.Add(time.Second)
		c.Expire(c.now)
		c.up.confirmed = 0 // the line of a test says that all was written
		c.ends()
		i := NewImport(c.limits, anyPayload, behind)
		for _, part := range c.parts() {
			require.NoError(t, i.Add(part))
		}
		restored, err := i.Finish()
		require.NoError(t, err)
		require.Equal(t, []uint64{2, 3, 5}, restored.down.numbers(0))
		require.Nil(t, restored.down.entries[3].packet)
		require.Equal(t, "user_1", restored.down.entries[3].to.name)
		require.WithinDuration(t, noon.Add(time.Hour-behind), restored.down.entries[1].packet.End(), 0)
		require.Equal(t, "slide", restored.down.entries[1].packet.Frame().Topic())
		require.EqualValues(t, time.Hour.Milliseconds(), restored.down.entries[1].packet.Frame().Expires())
		due, ok := (&Channel{limits: c.limits, life: open, master: restored.master, slaves: restored.slaves, endings: restored.endings}).Due()
		require.True(t, ok)
		require.WithinDuration(t, noon.Add(time.Minute-behind), due, xMaster)

		r := &table{Channel: restored, t: t, now: noon.Add(-behind).Add(10 * time.Second), tags: map[*Attachment]string{}, secrets: c.secrets}
		one := r.on("one")
		r.did(func() error { return r.resume(r.now, one, 5, "user_1", r.secret("user_1"), 0) }, "+one", "one < joined alice=away ref=5",
			fmt.Sprintf("one < presence alice away left=%dms", (noon.Add(time.Second+xMaster).Sub(noon.Add(10*time.Second))).Milliseconds()),
			"one << gap seq=1 missed=1", "one << message seq=2 alice: x about slide for 3600000ms", "one << message seq=3 alice: x about slide",
			"one << gap seq=4 missed=1", "one << message seq=5 alice: well? request=5 for 3600000ms")
	}
}

// The messages with a topic are counted by it, among those that are to be told apart.
func TestMessagesByTopic(t *testing.T) {
	c, a, u := openTable(t, Limits{Counted: true, Topics: map[string]bool{"slide": true}}, 1)
	about := func(topic string) func() error {
		msg := textMessage(0, "")
		msg.Topic = topic
		return func() error { return c.Send(a, msg) }
	}
	require.Equal(t, []string{"messages master +1", "topics slide +1"}, c.counted(about("slide")))
	require.Equal(t, []string{"messages master +1", "topics other +1"}, c.counted(about("Slide")))
	require.Equal(t, []string{"messages master +1"}, c.counted(about("")))
	c.Lose(c.now, u[1])
	require.NoError(t, c.sendsFor(a, textMessage(0, ""), time.Second)())
	c.effects = nil
	c.after(time.Second)
	require.Equal(t, []string{"resumes slave +1", "dropped expired +1"}, c.counted(func() error {
		return c.resume(c.now, c.on("r"), 2, "user_1", c.secret("user_1"), 3)
	}))
}
