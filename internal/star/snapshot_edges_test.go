package star

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// restoredOn is the channel restored from its snapshot, with the members of at on these
// attachments.
func (c *table) restoredOn(limits *Limits, at map[string]*Attachment) *table {
	c.t.Helper()
	restored, err := Restore(c.Snapshot(), limits, c.now, func(_ wire.Role, username string) *Attachment { return at[username] })
	require.NoError(c.t, err)
	return &table{Channel: restored, t: c.t, now: c.now, tags: c.tags, secrets: c.secrets}
}

// fedSlave is a channel whose slave user_1, on r, has been given two of three messages.
func fedSlave(t *testing.T) (c *table, a, r *Attachment) {
	c, a, u := openTable(t, Limits{}, 1)
	c.did0(c.lostBy(u[1]))
	for range 3 {
		c.did0(c.says(a, large))
	}
	r = c.on("r")
	c.did0(func() error { return c.resume(c.now, r, 2, "user_1", c.secret("user_1"), 0) })
	c.feeds(r, "1", "2", "r ...")
	return c, a, r
}

// fedMaster is a channel whose master, on b, is to be fed three messages of user_1.
func fedMaster(t *testing.T, slaves int) (c *table, b *Attachment, u []*Attachment) {
	c, a, u := openTable(t, Limits{}, slaves)
	c.did0(c.lostBy(a))
	for range 3 {
		c.did0(c.says(u[1], large))
	}
	b = c.on("b")
	c.did0(func() error { return c.resume(c.now, b, 2, "alice", c.secret("alice"), 0) })
	return c, b, u
}

// A slave that is being fed goes on where it was after a restore, and joins the audience
// when it has caught up.
func TestRestoredWhileASlaveIsFed(t *testing.T) {
	c, _, _ := fedSlave(t)
	s := c.Snapshot()
	require.True(t, s.Slaves[0].CatchingUp)
	require.Equal(t, uint64(2), s.Slaves[0].Fed)
	a, r := c.on("a'"), c.on("r'")
	restored := c.restoredOn(c.limits, map[string]*Attachment{"alice": a, "user_1": r})
	restored.expect("r' ...")
	require.Equal(t, s, restored.Snapshot())
	restored.did(restored.says(a, "meanwhile"), "* < message seq=4 alice: meanwhile") // in the audience is nobody
	restored.feeds(r, "3", "4", "+r'")
	restored.did(restored.says(a, "live"), "* < message seq=5 alice: live")
}

// A member that has caught up has no place in the log in its snapshot.
func TestSnapshotOfOneThatHasCaughtUp(t *testing.T) {
	c, _, r := fedSlave(t)
	c.feeds(r, "3", "+r")
	require.False(t, c.Snapshot().Slaves[0].CatchingUp)
	require.Zero(t, c.Snapshot().Slaves[0].Fed)
}

// A slave that was being fed and has lost its connection by a restore was given what it was
// fed, and one that had caught up was given everything.
func TestRestoredWithoutTheConnectionOfAFedSlave(t *testing.T) {
	c, _, r := fedSlave(t)
	at := map[string]*Attachment{"alice": c.on("a'")}
	require.Equal(t, uint64(2), c.restoredOn(c.limits, at).slaves["user_1"].given)
	c.feeds(r, "3", "+r")
	require.Equal(t, uint64(3), c.restoredOn(c.limits, at).slaves["user_1"].given)
}

// A master that is being fed is awaited once after a restore, and gets the list that is due
// behind all that it has missed.
func TestRestoredWhileAMasterIsFed(t *testing.T) {
	c, b, u := fedMaster(t, 2)
	c.feeds(b, "1", "2", "b ...")
	c.did0(c.leaves(u[2]))
	s := c.Snapshot()
	require.True(t, s.RosterStale)
	require.True(t, s.Master.CatchingUp)
	b, one := c.on("b'"), c.on("u1'")
	restored := c.restoredOn(c.limits, map[string]*Attachment{"alice": b, "user_1": one})
	restored.expect("b' ...", "+u1'")
	require.Equal(t, s, restored.Snapshot())
	restored.feeds(b, "3", "b' ...")
	restored.feeds(b, "b' << members [user_1=online]")
}

// A channel that has ended has ended, and one that was not created yet can be.
func TestRestoredWhereThereIsNoChannel(t *testing.T) {
	vacant := newTable(t, Limits{})
	require.NoError(t, vacant.restoredOn(vacant.limits, nil).create(vacant.now, vacant.on("a"), 1, "alice", 0))
	c, _, _ := openTable(t, Limits{}, 1)
	c.Close("over")
	restored := c.restoredOn(c.limits, nil)
	require.True(t, restored.Ended())
	require.False(t, restored.Exists())
	restored.refused(wire.ErrChannelExists, func() error { return restored.create(c.now, c.on("a'"), 1, "alice", 0) })
}

// Where nothing is kept, nothing is held for the master either.
func TestRestoredWhereNothingIsKept(t *testing.T) {
	c, _, _ := openTable(t, Limits{Replay: Bound{Messages: -1}}, 1)
	one := c.on("u1'")
	restored := c.restoredOn(c.limits, map[string]*Attachment{"alice": c.on("a'"), "user_1": one})
	for range 3 {
		restored.did0(restored.says(one, "x"))
	}
	require.Zero(t, restored.up.kept())
}

// A master cannot have confirmed a message that was never sent.
func TestSnapshotThatConfirmsTooMuch(t *testing.T) {
	c, _, u := openTable(t, Limits{}, 1)
	c.did0(c.says(u[1], "x"))
	s := c.Snapshot()
	none := func(wire.Role, string) *Attachment { return nil }
	s.Confirmed = 1
	_, err := Restore(s, c.limits, c.now, none)
	require.NoError(t, err)
	s.Confirmed = 2
	_, err = Restore(s, c.limits, c.now, none)
	require.EqualError(t, err, `star: snapshot of "abc123": the master has confirmed message 2 of 1`)
}

// What was not kept before a restore takes no room from what is kept after it.
func TestRestoredWhereMessagesAreKeptFromNowOn(t *testing.T) {
	c, _, u := openTable(t, Limits{Replay: Bound{Messages: -1}}, 1)
	for range 3 {
		c.did0(c.says(u[1], "x"))
	}
	limits := *c.limits
	limits.Replay.Messages = 1
	a, one := c.on("a'"), c.on("u1'")
	restored := c.restoredOn(&limits, map[string]*Attachment{"alice": a, "user_1": one})
	restored.expect("+u1'")
	restored.did(restored.confirms(a, 0))
	news, err := restored.Confirm(a, 2)
	require.NoError(t, err)
	require.False(t, news, "nobody waits for it")
	for seq := uint64(4); seq < 8; seq++ {
		restored.did0(restored.says(one, "y"))
		restored.refused(wire.ErrBusy, restored.says(one, "too much"))
		restored.did0(restored.confirms(a, seq))
	}
	require.Equal(t, 1, restored.up.kept())
}

// After a restore, a message for one slave is still for that slave alone, and one for a
// slave that has left is for nobody.
func TestRestoredMessagesForOneSlave(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 3)
	c.did0(c.lostBy(u[1]))
	c.did0(c.lostBy(u[2]))
	c.did0(func() error { return c.Send(a, messageTo(0, "user_1", "for one")) })
	c.did0(func() error { return c.Send(a, messageTo(0, "user_3", "for one who leaves")) })
	c.did0(c.leaves(u[3]))
	restored := c.restoredOn(c.limits, map[string]*Attachment{"alice": c.on("a'")})
	require.Equal(t, c.Snapshot(), restored.Snapshot())
	one, two := c.on("r1"), c.on("r2")
	restored.did(func() error { return restored.resume(c.now, one, 2, "user_1", c.secret("user_1"), 0) },
		"+r1", "r1 < joined alice=online ref=2", "a' < presence user_1 online", "r1 << message seq=1 alice: for one (private)")
	restored.did(func() error { return restored.resume(c.now, two, 2, "user_2", c.secret("user_2"), 0) },
		"+r2", "r2 < joined alice=online ref=2", "a' < presence user_2 online")
}

// While a master is fed, a full queue keeps no slave waiting: its message goes to the log.
func TestAFullQueueDoesNotCountWhileAMasterIsFed(t *testing.T) {
	c, b, u := fedMaster(t, 1)
	b.Line.(*line).room = 0
	require.False(t, c.MustWait(u[1], 1))
	c.did(c.says(u[1], "meanwhile"))
	c.feeds(b, "1", "2", "b ...")
	c.feeds(b, "3", "4")
	require.True(t, c.MustWait(u[1], 1))
	c.refused(wire.ErrBusy, c.says(u[1], "live"))
}

// A slave that is not in the master's list yet is woken when the list is told, also where
// another has asked meanwhile that is not to be woken.
func TestRoomIsToldToTheUnlisted(t *testing.T) {
	c, a, u := slowTable(t, Limits{}, 2, 1)
	three := c.on("u3")
	c.did0(c.lostBy(u[2])) // the master is behind from here
	c.did(c.enters(three, "user_3"), "+u3", "u3 < joined alice=online ref=1", "a ...")
	require.True(t, c.MustWait(three, 1))
	require.True(t, c.AwaitRoom(three, 1))
	require.False(t, c.AwaitRoom(u[1], 1))
	c.takes(a)
	c.did(c.drains(a), "a << members [user_1#1=online user_2#2=away user_3#3=online]", "room")
	require.False(t, c.MustWait(three, 1))
}
