package star

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// awayTransition makes a master away in each of the two ways.
var awayTransition = map[string]func(c *table, a *Attachment) error{
	"its connection is lost": func(c *table, a *Attachment) error { c.Lose(c.now, a); return nil },
	"it says so":             func(c *table, a *Attachment) error { return c.Away(c.now, a, 0) },
}

func TestRule3TheChannelEndsAtX(t *testing.T) {
	for what, becomesAway := range awayTransition {
		t.Run(what, func(t *testing.T) {
			connected := what == "it says so"
			c, a, u := openTable(t, Limits{SlaveTimeout: 2 * xMaster}, 2)
			c.did(c.lostBy(u[2]), "-u2", "a < presence user_2 away")
			c.did(func() error { return becomesAway(c, a) }, "* < presence alice away left=30000ms")
			due, ok := c.Due()
			require.True(t, ok)
			require.Equal(t, noon.Add(xMaster), due)

			c.now = noon.Add(xMaster - 1)
			c.did(func() error { return nil })
			require.Equal(t, open, c.life)
			require.Equal(t, "status exists=true alice=away ref=1 left=1ms", frameLine(c.Status(c.now, 1)))

			c.now = noon.Add(xMaster)
			effects := []string{"* ! master_down: the master was away for 30s", "forget"}
			if connected {
				effects = slices.Insert(effects, 1, "a ! master_down: the master was away for 30s")
			}
			c.did(func() error { return nil }, effects...)
			require.Equal(t, ended, c.life)
			require.Equal(t, "status exists=false ref=1", frameLine(c.Status(c.now, 1)))
			_, ok = c.Due()
			require.False(t, ok)

			// Whatever comes later finds nothing.
			for _, at := range []*Attachment{a, u[1], u[2]} {
				for _, transition := range c.everyMemberTransition(at) {
					c.refused(wire.ErrNotAMember, transition)
				}
				c.did(c.lostBy(at))
			}
			c.refused(wire.ErrNoSuchChannel, func() error { return c.join(c.now, c.on("n"), 1, "user_3", "") })
			c.refused(wire.ErrChannelExists, func() error { return c.create(c.now, c.on("n"), 1, "alice", 0) })
			c.refused(wire.ErrResumeFailed, func() error {
				return c.resume(c.now, c.on("n"), 1, "alice", c.secret("alice"), 0)
			})
			c.end(wire.ErrChannelClosed)
			c.expect()
		})
	}
}

func TestRule3TheMasterReturnsInTime(t *testing.T) {
	tests := []struct {
		what  string
		after time.Duration
		err   error
	}{
		{"at once", 0, nil},
		{"in the last instant", xMaster - 1, nil},
		{"at X", xMaster, wire.ErrResumeFailed},
		{"after X", xMaster + 1, wire.ErrResumeFailed},
	}
	for _, test := range tests {
		t.Run("resume "+test.what, func(t *testing.T) {
			c, a, _ := openTable(t, Limits{}, 1)
			c.did(c.lostBy(a), "* < presence alice away left=30000ms")
			c.now = noon.Add(test.after)
			b := c.on("b")
			resume := func() error { return c.resume(c.now, b, 4, "alice", c.secret("alice"), 0) }
			if test.err != nil {
				c.refused(test.err, resume)
				return
			}
			c.did(resume, "b << created ref=4 epoch=2 [user_1=online]", "* < presence alice online")
			_, ok := c.Due()
			require.False(t, ok)
			// Its time starts anew with the next loss.
			c.did(c.lostBy(b), "* < presence alice away left=30000ms")
			due, _ := c.Due()
			require.Equal(t, c.now.Add(xMaster), due)
		})
		t.Run("back "+test.what, func(t *testing.T) {
			c, a, _ := openTable(t, Limits{}, 1)
			c.did(func() error { return c.Away(c.now, a, 2) }, "a < ack ref=2", "* < presence alice away left=30000ms")
			c.now = noon.Add(test.after)
			back := func() error { return c.Back(c.now, a, 3) }
			if test.err != nil {
				c.refused(wire.ErrNotAMember, back)
				return
			}
			c.did(back, "a < ack ref=3", "* < presence alice online")
			_, ok := c.Due()
			require.False(t, ok)
		})
	}
}

func TestRule3XRunsFromBecomingAway(t *testing.T) {
	away := func(c *table, a *Attachment) func() error {
		return func() error { return c.Away(c.now, a, 2) }
	}
	t.Run("saying it twice", func(t *testing.T) {
		c, a, _ := openTable(t, Limits{}, 1)
		c.did(away(c, a), "a < ack ref=2", "* < presence alice away left=30000ms")
		c.now = c.now.Add(time.Second)
		c.did(away(c, a), "a < ack ref=2")
		due, _ := c.Due()
		require.Equal(t, noon.Add(xMaster), due)
	})
	t.Run("losing the connection while away", func(t *testing.T) {
		c, a, _ := openTable(t, Limits{}, 1)
		c.did(away(c, a), "a < ack ref=2", "* < presence alice away left=30000ms")
		c.now = c.now.Add(time.Second)
		c.did(c.lostBy(a))
		due, _ := c.Due()
		require.Equal(t, noon.Add(xMaster), due)
		// A resume counts as being back.
		c.did(func() error { return c.resume(c.now, c.on("b"), 1, "alice", c.secret("alice"), 0) },
			"b << created ref=1 epoch=2 [user_1=online]", "* < presence alice online")
	})
	t.Run("being back without having been away", func(t *testing.T) {
		c, a, _ := openTable(t, Limits{}, 1)
		before := c.snapshot()
		c.did(func() error { return c.Back(c.now, a, 2) }, "a < ack ref=2")
		require.Equal(t, before, c.snapshot())
	})
}

func TestRule3WithoutATimeoutAtOnce(t *testing.T) {
	for what, becomesAway := range awayTransition {
		t.Run(what, func(t *testing.T) {
			c, a, _ := openTable(t, Limits{MasterTimeout: -1}, 1)
			require.NoError(t, becomesAway(c, a))
			effects := []string{"* ! master_down: the master was away for 0s", "forget"}
			if what == "it says so" {
				effects = slices.Insert(effects, 1, "a ! master_down: the master was away for 0s")
			}
			c.expect(effects...)
			require.Equal(t, ended, c.life)
		})
	}
	t.Run("a slave", func(t *testing.T) {
		c, _, u := openTable(t, Limits{SlaveTimeout: -1}, 1)
		c.did(c.lostBy(u[1]), "-u1", "a < presence user_1 away", "a < presence user_1 left (timeout)")
		require.Empty(t, c.slaves)
		require.Nil(t, c.away.first)
	})
}

func TestRule3TheMasterCloses(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.did(c.lostBy(u[2]), "-u2", "a < presence user_2 away")
	c.did(func() error { return c.Leave(c.now, a, 3) }, "* ! master_left", "forget", "a < left ref=3", "a vacates")
	c.refused(wire.ErrNotAMember, func() error { return c.Leave(c.now, a, 4) })
	c.did(c.lostBy(a))
}

func TestRule3TheServiceCloses(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 1)
	c.end(wire.ErrChannelClosed.With("lesson over"))
	c.expect("* ! channel_closed: lesson over", "a ! channel_closed: lesson over", "forget")
	c.end(wire.ErrChannelClosed)
	c.expect()
	c.did(c.lostBy(a))

	vacant := newTable(t, Limits{})
	vacant.end(wire.ErrChannelClosed)
	vacant.expect()
}

func TestSlaveReturnsInTime(t *testing.T) {
	tests := []struct {
		what  string
		after time.Duration
		err   error
	}{
		{"in the last instant", xSlave - 1, nil},
		{"at its time", xSlave, wire.ErrResumeFailed},
		{"after it", xSlave + 1, wire.ErrResumeFailed},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			c, _, u := openTable(t, Limits{}, 1)
			own := c.secret("user_1")
			c.did(c.lostBy(u[1]), "-u1", "a < presence user_1 away")
			due, _ := c.Due()
			require.Equal(t, noon.Add(xSlave), due)
			c.now = noon.Add(test.after)
			r := c.on("r")
			resume := func() error { return c.resume(c.now, r, 2, "user_1", own, 0) }
			if test.err == nil {
				c.did(resume, "+r", "r < joined alice=online ref=2", "a < presence user_1 online")
				_, ok := c.Due()
				require.False(t, ok)
				return
			}
			c.Expire(c.now)
			c.expect("a < presence user_1 left (timeout)")
			c.refused(test.err, resume)
			// The name is free again, and the new one has nothing of the old.
			c.did(func() error { return c.join(c.now, r, 1, "user_1", "") },
				"+r", "r < joined alice=online ref=1", "a < presence user_1 online")
			c.refused(wire.ErrResumeFailed, func() error { return c.resume(c.now, c.on("s"), 2, "user_1", own, 0) })
			c.refused(wire.ErrNotAMember, func() error { return c.Send(u[1], textMessage(0, "x")) })
		})
	}
}

func TestSlavesExpireInOrder(t *testing.T) {
	c, a, u := openTable(t, Limits{MasterTimeout: xSlave}, 5)
	lose := func(i int, after time.Duration) {
		c.now = noon.Add(after)
		c.did(c.lostBy(u[i]), "-"+c.tags[u[i]], fmt.Sprintf("a < presence user_%d away", i))
	}
	lose(3, 0)
	lose(1, 1)
	lose(5, 1)
	lose(2, 2)
	// One from the middle comes back, and is lost again: now it is the last.
	c.did(func() error { return c.resume(c.now, u[1], 2, "user_1", c.secret("user_1"), 0) },
		"+u1", "u1 < joined alice=online ref=2", "a < presence user_1 online")
	lose(1, 3)
	c.did(func() error { return c.Away(c.now, a, 0) }, "* < presence alice away left=20000ms")

	c.now = noon.Add(xSlave)
	c.did(func() error { return nil }, "a < presence user_3 left (timeout)")
	due, _ := c.Due()
	require.Equal(t, noon.Add(xSlave+1), due)
	c.now = noon.Add(xSlave + 2)
	c.did(func() error { return nil }, "a < presence user_5 left (timeout)", "a < presence user_2 left (timeout)")
	// The rest is due in one instant: the slave is first.
	c.now = noon.Add(xSlave + 3)
	c.did(func() error { return nil }, "a < presence user_1 left (timeout)",
		"* ! master_down: the master was away for 20s", "a ! master_down: the master was away for 20s", "forget")
}

func TestLeave(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	own := c.secret("user_1")
	c.did(func() error { return c.Leave(c.now, u[1], 4) }, "-u1", "a < presence user_1 left (left)", "u1 < left ref=4", "u1 vacates")
	c.refused(wire.ErrNotAMember, func() error { return c.Leave(c.now, u[1], 5) })
	c.refused(wire.ErrNotAMember, func() error { return c.Send(u[1], textMessage(0, "x")) })
	c.refused(wire.ErrResumeFailed, func() error { return c.resume(c.now, c.on("r"), 1, "user_1", own, 0) })
	c.refused(wire.ErrNoSuchSlave, func() error { return c.Send(a, messageTo(0, "user_1", "x")) })
	c.did(func() error { return c.Members(a, 5, Page{}) }, "a < members ref=5 [user_2=online]")
}

func TestKickAndBanTransitions(t *testing.T) {
	kick := func(c *table, a *Attachment, to string, ban bool, reason string) func() error {
		return func() error { return c.Kick(a, 3, to, ban, reason) }
	}
	t.Run("connected", func(t *testing.T) {
		c, a, u := openTable(t, Limits{}, 2)
		c.did(kick(c, a, "user_1", false, "too loud"),
			"a < ack ref=3", "-u1", "a < presence user_1 left (too loud)", "u1 ! kicked: too loud")
		c.refused(wire.ErrNotAMember, func() error { return c.Send(u[1], textMessage(0, "x")) })
		c.did(c.lostBy(u[1]))
		c.did(kick(c, a, "user_2", false, ""), "a < ack ref=3", "-u2", "a < presence user_2 left (kicked)", "u2 ! kicked")
		c.did(func() error { return c.join(c.now, c.on("n"), 1, "user_1", "") },
			"+n", "n < joined alice=online ref=1", "a < presence user_1 online")
	})
	t.Run("while away", func(t *testing.T) {
		c, a, u := openTable(t, Limits{}, 3)
		for i := 1; i <= 3; i++ {
			c.Lose(c.now, u[i])
		}
		c.effects = nil
		own := c.secret("user_2")
		c.did(kick(c, a, "user_2", false, ""), "a < ack ref=3", "a < presence user_2 left (kicked)")
		c.refused(wire.ErrResumeFailed, func() error { return c.resume(c.now, c.on("r"), 1, "user_2", own, 0) })
		c.now = noon.Add(xSlave)
		c.did(func() error { return nil }, "a < presence user_1 left (timeout)", "a < presence user_3 left (timeout)")
	})
	t.Run("nobody", func(t *testing.T) {
		c, a, _ := openTable(t, Limits{}, 1)
		c.refused(wire.ErrNoSuchSlave, kick(c, a, "user_2", false, ""))
		c.refused(wire.ErrNoSuchSlave, kick(c, a, "alice", false, ""))
		c.refused(wire.ErrNoSuchSlave, kick(c, a, "alice", true, ""))
		c.refused(wire.ErrNoSuchSlave, kick(c, a, "", false, ""))
	})
	t.Run("the bound of bans", func(t *testing.T) {
		c, a, _ := openTable(t, Limits{MaxSlaves: 2}, 1)
		c.did(kick(c, a, "user_8", true, ""), "a < ack ref=3") // one who is not there
		c.did(kick(c, a, "user_9", true, ""), "a < ack ref=3")
		c.refused(wire.ErrChannelFull, kick(c, a, "user_1", true, "")) // and it stays in
		c.did(kick(c, a, "user_9", true, ""), "a < ack ref=3")
		c.did(kick(c, a, "user_1", false, ""), "a < ack ref=3", "-u1", "a < presence user_1 left (kicked)", "u1 ! kicked")
		c.refused(wire.ErrBanned, func() error { return c.join(c.now, c.on("n"), 1, "user_9", "") })
	})
	t.Run("by an away master", func(t *testing.T) {
		c, a, _ := openTable(t, Limits{}, 1)
		c.did(func() error { return c.Away(c.now, a, 0) }, "* < presence alice away left=30000ms")
		c.did(kick(c, a, "user_1", false, ""), "a < ack ref=3", "-u1", "a < presence user_1 left (kicked)", "u1 ! kicked")
	})
}

// A name that is none any more, by rules that are newer than the membership, is that of a
// member like any other; but nobody can be banned who could never join.
func TestAMemberWhoseNameIsNoneAnyMore(t *testing.T) {
	const old = "one\u3164"
	c, a, _ := openTable(t, Limits{}, 0)
	u := c.on("u1")
	require.NoError(t, c.join(c.now, u, 1, old, ""))
	c.Lose(c.now, u)
	again := c.on("u2")
	require.NoError(t, c.resume(c.now, again, 1, old, c.secrets[old], 0))
	require.NoError(t, c.Send(a, Message{To: old, HasTo: true}))
	require.NoError(t, c.Kick(a, 2, old, true, ""))
	require.ErrorIs(t, c.Kick(a, 3, old, true, ""), wire.ErrBadName)
	require.ErrorIs(t, c.Kick(a, 4, "two\u3164", false, ""), wire.ErrNoSuchSlave)
}

// Who has left has done so for a reason, which is in the log; the metric has the same one, but
// that who was banned was kicked.
func TestALeaveHasItsReason(t *testing.T) {
	for _, test := range []struct {
		reason, label string
		leave         func(c *table, a, u *Attachment)
	}{
		{"left", "left", func(c *table, _, u *Attachment) { require.NoError(t, c.Leave(c.now, u, 0)) }},
		{"kicked", "kicked", func(c *table, a, _ *Attachment) { require.NoError(t, c.Kick(a, 0, "user_1", false, "a word")) }},
		{"banned", "kicked", func(c *table, a, _ *Attachment) { require.NoError(t, c.Kick(a, 0, "user_1", true, "a word")) }},
		{"kicked", "kicked", func(c *table, _, _ *Attachment) { require.NoError(t, c.Remove("user_1", false, "")) }},
		{"banned", "kicked", func(c *table, _, _ *Attachment) { require.NoError(t, c.Remove("user_1", true, "")) }},
		{"timeout", "timeout", func(c *table, _, u *Attachment) {
			c.Lose(c.now, u)
			c.Expire(c.now.Add(xSlave))
		}},
	} {
		c, a, u := openTable(t, Limits{Counted: true}, 1)
		require.True(t, c.HasSlave("user_1"))
		test.leave(c, a, u[1])
		require.False(t, c.HasSlave("user_1"))
		var reasons, labels []string
		for _, e := range c.effects {
			switch {
			case e.Kind == Changed && e.What == SlaveLeft:
				reasons = append(reasons, e.Subject()+" "+string(e.End.Code))
			case e.Kind == Count && e.Metric == Leaves:
				labels = append(labels, e.Text)
			}
		}
		require.Equal(t, []string{"user_1 " + test.reason}, reasons)
		require.Equal(t, []string{test.label}, labels)
	}
}

// Who loses its connection after Stop is away since the first one, however often it is called.
func TestAChannelStopsOnce(t *testing.T) {
	c, _, u := openTable(t, Limits{}, 1)
	c.Stop(noon)
	c.Stop(noon.Add(time.Second))
	c.Lose(noon.Add(2*time.Second), u[1])
	require.Equal(t, noon.Add(xSlave), c.slaves["user_1"].deadline)
	require.Equal(t, noon, c.Snapshot().Stopped)
}
