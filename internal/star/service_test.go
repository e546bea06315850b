package star

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// What the service does to a channel, and what it is shown of it.

func TestServiceRemoves(t *testing.T) {
	c, a, u := openTable(t, Limits{MaxSlaves: 2}, 2)
	c.refused(wire.ErrNoSuchSlave, func() error { return c.Remove("user_3", false, "") })
	c.refused(wire.ErrNoSuchSlave, func() error { return c.Remove("alice", true, "") })
	c.did(func() error { return c.Remove("user_1", false, "revoked") },
		"-u1", "a < presence user_1 left (revoked)", "u1 ! kicked: revoked")
	c.did(func() error { return c.join(c.now, c.on("n"), 1, "user_1", "") },
		"+n", "n < joined alice=online ref=1", "a < presence user_1 online")
	c.did(c.lostBy(u[2]), "-u2", "a < presence user_2 away")
	c.did(func() error { return c.Remove("user_2", true, "") }, "a < presence user_2 left (kicked)")
	c.refused(wire.ErrBanned, func() error { return c.join(c.now, c.on("m"), 1, "user_2", "") })
	c.did(func() error { return c.Remove("user_9", true, "") }) // a name that nobody has yet
	c.refused(wire.ErrChannelFull, func() error { return c.Remove("user_8", true, "") })
	c.did(func() error { return c.Remove("user_9", true, "") }) // one that is banned already
	c.did(func() error { return c.Leave(c.now, a, 0) }, "* ! master_left", "forget", "a < left", "a vacates")
	c.refused(wire.ErrNoSuchChannel, func() error { return c.Remove("user_1", false, "") })
	c.refused(wire.ErrNoSuchChannel, func() error { return newTable(t, Limits{}).Remove("user_1", false, "") })
}

func TestServiceCloses(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 1)
	c.did(func() error { c.Close("maintenance"); return nil },
		"* ! channel_closed: maintenance", "a ! channel_closed: maintenance", "forget")
	c.did(func() error { c.Close("again"); return nil })
	c.did(func() error { c.Retire(); return nil })
}

func TestWhereAChannelStands(t *testing.T) {
	c := newTable(t, Limits{})
	require.False(t, c.Exists())
	require.False(t, c.Ended())
	require.Nil(t, c.Master())
	a, u := c.on("a"), c.on("u")
	require.True(t, c.MembershipEnded(a), "it has not entered")
	require.NoError(t, c.create(c.now, a, 1, "alice", 0))
	require.NoError(t, c.join(c.now, u, 1, "user_1", ""))
	require.True(t, c.Exists())
	require.False(t, c.Ended())
	require.Same(t, a, c.Master())
	require.False(t, c.MembershipEnded(u))
	require.Equal(t, "user_1", u.Username())
	require.Equal(t, wire.Slave, u.Role())

	c.Lose(c.now, a)
	require.Nil(t, c.Master())
	require.True(t, c.MembershipEnded(a), "it may be resumed, but not by this attachment")
	b := c.on("b")
	require.NoError(t, c.resume(c.now, b, 1, "alice", c.secret("alice"), 0))
	require.Same(t, b, c.Master())
	require.False(t, c.MembershipEnded(a), "it was taken over")
	require.NoError(t, c.Leave(c.now, b, 0))
	require.False(t, c.Exists())
	require.True(t, c.Ended())
	require.Nil(t, c.Master())
	require.True(t, c.MembershipEnded(u))
}

// While the hub shuts down, nobody's time runs out, and nothing is accepted that
// could not be delivered any more.
func TestStopped(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.Lose(c.now, u[2])
	c.Lose(c.now, a)
	c.effects = nil
	_, ok := c.Due()
	require.True(t, ok)
	c.Stop(c.now)
	_, ok = c.Due()
	require.False(t, ok)
	c.now = c.now.Add(time.Hour)
	c.did(func() error { return nil })
	require.True(t, c.Exists())
	c.refused(wire.ErrShuttingDown, func() error { return c.Send(u[1], textMessage(0, "x")) })
	require.ErrorIs(t, c.Send(u[1], textMessage(2, "x")), wire.ErrShuttingDown)
	require.ErrorIs(t, c.Send(u[1], textMessage(2, "x")), wire.ErrShuttingDown, "as the first time")
	given := textMessage(3, "x")
	given.Refusal = wire.ErrRateLimited
	require.ErrorIs(t, c.Send(u[1], given), wire.ErrRateLimited, "what was refused before is refused for that")
}

// A message that is refused for a reason that is not the channel's is remembered
// like one that the channel refuses.
func TestRefusedBefore(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	for _, at := range []*Attachment{a, u[1]} {
		given := textMessage(2, "x")
		given.Refusal = wire.ErrTooLarge
		require.ErrorIs(t, c.Send(at, given), wire.ErrTooLarge)
		c.refused(wire.ErrTooLarge, func() error { return c.Send(at, textMessage(2, "x")) })
	}
	require.Zero(t, c.down.newest)
	require.Zero(t, c.up.newest)
}

func TestReport(t *testing.T) {
	c := newTable(t, Limits{})
	_, exists := c.Report()
	require.False(t, exists)
	c, a, u := openTable(t, Limits{}, 2)
	require.NoError(t, c.Send(a, asking(2, "")))
	require.NoError(t, c.Send(a, messageTo(3, "user_1", "four")))
	require.NoError(t, c.Send(u[1], asking(2, "")))
	require.NoError(t, c.Kick(a, 4, "nobody", true, ""))
	c.Lose(c.now, u[2])
	require.NoError(t, c.Away(c.now, a, 5))
	r, exists := c.Report()
	require.True(t, exists)
	require.Equal(t, Report{
		Name: "abc123", MasterTimeout: xMaster, MaxSlaves: 1000, MasterMessages: 2, SlaveMessages: 1, Banned: 1, Door: wire.DoorOpen, OpenRequests: 1, Changes: 5,
		Kept:   Load{Messages: 3, Bytes: 3*entryOverhead + 2*len("well?") + len("four")},
		Master: MemberReport{Username: "alice", State: wire.StateAway, Deadline: noon.Add(xMaster), Epoch: 1, Line: a.Line},
		Slaves: []MemberReport{
			{Username: "user_1", State: wire.StateOnline, Epoch: 1, Number: 1, OpenRequests: 1, Line: u[1].Line},
			{Username: "user_2", State: wire.StateAway, Deadline: noon.Add(xSlave), Epoch: 1, Number: 2},
		},
	}, r)
	require.NoError(t, c.Back(c.now, a, 6))
	r, _ = c.Report()
	require.Equal(t, MemberReport{Username: "alice", State: wire.StateOnline, Epoch: 1, Line: a.Line}, r.Master)
	require.NoError(t, c.Leave(c.now, a, 0))
	_, exists = c.Report()
	require.False(t, exists)
}

func TestWhatChangesTheAudience(t *testing.T) {
	changes := map[EffectKind]bool{
		SendOne: false, SendReplay: false, SendPresence: false, AwaitDrain: false, RoomMade: false, Discard: false, Eject: false, Enter: false, Refuse: false, Answer: false, Vacate: false, SendAll: false, Tell: false, TellAll: false, Untell: false, Admit: true, Dismiss: true, Release: false, ReleaseAll: true,
		Forget: false, Changed: false, Count: false, Keep: false,
	}
	require.Len(t, changes, int(Keep)+1)
	for kind, want := range changes {
		require.Equal(t, want, kind.ChangesAudience(), "kind %d", kind)
	}
}
