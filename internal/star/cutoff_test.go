package star

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

var hubA, hubB = Hub{1}, Hub{2}

// at puts the attachments at the hub.
func at(hub *Hub, attachments ...*Attachment) {
	for _, a := range attachments {
		a.Hub = hub
	}
}

// returns brings back who has that number and epoch, on a new attachment.
func (c *table) returns(a *Attachment, number, epoch uint64) func() error {
	return func() error { return c.Return(c.now, a, number, epoch) }
}

func (c *table) loses(hub Hub) func() error {
	return func() error { c.HubLost(c.now, hub); return nil }
}

// Those at a hub that is lost are away: the master first, and the slaves as they have joined. Others stay.
func TestALostHub(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 4)
	at(&hubA, u[4], u[2])
	at(&hubB, a, u[3])
	c.did(c.loses(Hub{}))
	c.did(c.loses(Hub{9}))
	c.did(c.loses(hubA), "-u2", "a < presence user_2 away", "-u4", "a < presence user_4 away")
	c.did(c.loses(hubA))
	c.did(c.loses(hubB), "* < presence alice away left=30000ms", "-u3")
	require.True(t, u[1].current())

	// Where the loss of the master ends the channel, nobody else is lost.
	c, a, u = openTable(t, Limits{MasterTimeout: -1}, 1)
	at(&hubA, a, u[1])
	c.did(c.loses(hubA), "* ! master_down: the master was away for 0s", "forget")
	c.did(c.loses(hubA))
	// Nor does one come back whose place was lost at once.
	c, a, u = openTable(t, Limits{SlaveTimeout: -1}, 1)
	at(&hubA, u[1])
	c.did(c.loses(hubA), "-u1", "a < presence user_1 away", "a < presence user_1 left (timeout)")
	c.refused(wire.ErrNotAMember, c.returns(c.on("v1"), 1, 1))
	require.True(t, a.current())
}

// A slave that returns is given what it has missed, and told how its master and the voice are. It is not told
// that it has joined, and its epoch, secret and holder are those that it had.
func TestASlaveReturns(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	at(&hubA, u[1], u[2])
	require.NoError(t, c.do(c.says(a, "before")))
	c.effects = nil
	c.did(c.loses(hubA), "-u1", "a < presence user_1 away", "-u2", "a < presence user_2 away")
	c.did(c.says(a, "missed"), "* < message seq=2 alice: missed")
	require.NoError(t, c.do(func() error { return c.Send(a, messageTo(0, "user_2", "private")) }))
	require.NoError(t, c.do(c.sets(a, "k", "v")))
	require.NoError(t, c.do(c.mutesAll(a, true)))
	c.effects = nil
	before := *c.slaves["user_1"]
	v := c.on("v1")
	c.did(c.returns(v, 1, 1),
		"+v1", "v1 < presence alice online", "v1 < muted true", "a < presence user_1 online",
		"v1 << message seq=2 alice: missed", "v1 ~ attribute alice k seq=4 = v")
	m := c.slaves["user_1"]
	require.True(t, v.current())
	require.Equal(t, []any{before.epoch, before.hash, before.holder, before.since}, []any{m.epoch, m.hash, m.holder, m.since})
	require.ErrorIs(t, u[1].stale(), wire.ErrNotAMember)
	c.did(c.lostBy(u[1]))
	require.Same(t, v, c.Find(1, 1))
	c.did(c.says(a, "now"), "* < message seq=5 alice: now")
	c.did(c.returns(c.on("w1"), 1, 1)) // it is there
	require.Same(t, v, c.Find(1, 1))
	require.Nil(t, c.slaves["user_1"].extras, "nothing is left of it")
	c.after(xSlave)
	c.did(func() error { return nil }, "a < presence user_2 left (timeout)")
	require.True(t, v.current())
	c.refused(wire.ErrNotAMember, c.returns(c.on("x"), 2, 1))
	c.did(func() error { return c.resume(c.now, c.on("r1"), 2, "user_1", c.secret("user_1"), 5) },
		"-v1", "v1 ! replaced: the membership was taken over by a newer connection", "+r1", "r1 < joined alice=online ref=2 muted")
}

// A master that returns is given the list of its slaves, as it is now, and what they have sent since, also
// those of whom it has not heard. Its slaves are told that it is online.
func TestAMasterReturns(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	at(&hubA, a)
	require.NoError(t, c.do(c.says(u[1], "before")))
	c.effects = nil
	c.did(c.loses(hubA), "* < presence alice away left=30000ms")
	c.did(c.leaves(u[2]), "-u2", "u2 < left ref=2", "u2 vacates")
	e := Entry{Ref: 1, Secret: c.fresh("user_3"), Attributes: wire.Attributes{{Key: "k", Value: textMessage(0, "v").Payload}}}
	u3 := c.on("u3")
	require.NoError(t, c.do(func() error { return c.Join(c.now, u3, e, "user_3", "") }))
	require.NoError(t, c.do(c.says(u[1], "missed")))
	require.NoError(t, c.do(c.says(u3, "new")))
	c.effects = nil
	b := c.on("b")
	c.did(c.returns(b, 0, 1),
		"b << members [user_1=online user_3=online]", "* < presence alice online",
		"b << message seq=3 user_1: missed", "b << message seq=4 user_3: new", "b ~ attribute user_3 k seq=5 = v")
	require.EqualValues(t, 1, c.master.epoch)
	require.Zero(t, c.master.deadline)
	require.Nil(t, c.master.extras)
	c.did(c.says(u3, "now"), "b < message seq=6 user_3: now")
	c.after(xMaster)
	c.did(func() error { return nil })
}

// One that has said that it is away still is when it returns, for no longer than it would be.
func TestAMasterReturnsThatHasSaidThatItIsAway(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 1)
	at(&hubA, a)
	require.NoError(t, c.do(func() error { return c.Away(c.now, a, 0) }))
	c.effects = nil
	c.after(time.Second)
	c.did(c.loses(hubA))
	b := c.on("b")
	c.after(time.Second)
	c.did(c.returns(b, 0, 1), "b << members [user_1=online]")
	require.Equal(t, wire.StateAway, c.master.state)
	require.Equal(t, noon.Add(xMaster), c.master.deadline)
	c.did(func() error { return c.Back(c.now, b, 0) }, "* < presence alice online")
	at(&hubA, b)
	c.did(c.loses(hubA), "* < presence alice away left=30000ms")
	c.did(c.returns(c.on("c"), 0, 1), "c << members [user_1=online]", "* < presence alice online")
}

// Who does not come back, and why.
func TestWhoDoesNotReturn(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 5)
	at(&hubA, a, u[1], u[2], u[3], u[5])
	require.NoError(t, c.do(c.lostBy(u[4])))
	require.NoError(t, c.do(c.loses(hubA)))
	require.NoError(t, c.do(func() error { return c.resume(c.now, c.on("v1"), 2, "user_1", c.secret("user_1"), 0) }))
	require.NoError(t, c.do(func() error { return c.Remove("user_2", false, "") }))
	require.NoError(t, c.do(func() error { return c.resume(c.now, c.on("v3"), 2, "user_3", c.secret("user_3"), 0) }))
	require.NoError(t, c.do(c.lostBy(c.slaves["user_3"].attachment)))
	c.effects = nil
	b := c.on("b")
	c.refused(wire.ErrReplaced, c.returns(b, 1, 1))
	c.refused(wire.ErrNotAMember, c.returns(b, 2, 1))
	c.refused(wire.ErrReplaced, c.returns(b, 3, 1))
	c.refused(wire.ErrNotAMember, c.returns(b, 3, 2)) // it has lost the connection on which it was
	c.refused(wire.ErrNotAMember, c.returns(b, 4, 1))
	c.refused(wire.ErrNotAMember, c.returns(b, 5, 2))
	c.refused(wire.ErrNotAMember, c.returns(b, 5, 0+2))
	c.refused(wire.ErrReplaced, c.returns(b, 5, 0))
	c.refused(wire.ErrNotAMember, c.returns(b, 6, 1))
	require.False(t, b.Entered())
	require.NoError(t, c.do(c.returns(b, 5, 1)))

	// The master is another one.
	c, a, _ = openTable(t, Limits{}, 1)
	at(&hubA, a)
	require.NoError(t, c.do(c.loses(hubA)))
	require.NoError(t, c.do(c.handsOver(nil, c.handing("user_1", false, 0))))
	c.effects = nil
	c.refused(wire.ErrReplaced, c.returns(b, 0, 1))
	c.Close("")
	c.effects = nil
	require.ErrorIs(t, c.Return(c.now, b, 0, 1), wire.ErrNotAMember)

	// What the master was granted has expired: a fresh token lets it in.
	c, a, _ = openTable(t, Limits{MasterTimeout: time.Hour}, 0)
	at(&hubA, a)
	require.NoError(t, c.do(func() error {
		return c.Refresh(a, 0, Grant{Asked: true, Expires: c.now.Add(time.Minute)})
	}))
	require.NoError(t, c.do(c.loses(hubA)))
	c.after(time.Minute)
	c.refused(wire.ErrUnauthorized, c.returns(b, 0, 1))
}

// Who was being fed goes on with what it was not given yet, and gets nothing twice: messages, attributes from before
// them, and what it is asked again.
func TestWhoReturnsIsFedOn(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	for i := range 200 {
		require.NoError(t, c.do(c.sends(u[1], uint64(i+2), "0123456789")))
	}
	require.NoError(t, c.do(c.sets(u[1], "k", "v")))
	c.Lose(c.now, a)
	b := c.on("b")
	at(&hubA, b)
	require.NoError(t, c.do(func() error { return c.resume(c.now, b, 2, "alice", c.secret("alice"), 0) }))
	given := func() (seqs []uint64) {
		for _, e := range c.TakeEffects(nil) {
			if e.Kind == SendReplay && e.Packet.Frame() != nil && e.Packet.Frame().Type == wire.Message {
				seqs = append(seqs, e.Packet.Frame().Seq)
			}
		}
		return seqs
	}
	require.Empty(t, given())
	c.Drained(b)
	first := given()
	require.Len(t, first, feedMessages)
	require.NoError(t, c.do(c.loses(hubA)))
	require.NoError(t, c.do(c.sends(u[1], 900, "later")))
	d := c.on("d")
	require.NoError(t, c.do(c.returns(d, 0, 2)))
	require.True(t, d.catchingUp)
	all := append(first, given()...)
	for d.catchingUp {
		c.Drained(d)
		all = append(all, given()...)
	}
	require.Len(t, all, 201)
	for i, seq := range all[:200] {
		require.EqualValues(t, i+1, seq)
	}
}

// The client that was about to hold the membership still is, and who has confirmed is believed its confirmations
// alone.
func TestWhoReturnsIsTheSameClient(t *testing.T) {
	c, _, u := heldTable(t)
	require.NoError(t, c.do(c.hears(u)))
	require.NoError(t, c.do(c.sends(u, 5, "x")))
	s := c.on("s")
	require.NoError(t, c.do(c.resumes(s, c.shows("B", 1, 1, "s1"))))
	at(&hubA, s)
	c.HubLost(c.now, hubA)
	v := c.on("v")
	name, number := s.Username(), s.member.number
	require.NoError(t, c.do(c.returns(v, number, s.epoch)))
	require.True(t, v.newcomer)
	require.False(t, v.heard)
	c.effects = nil
	require.NoError(t, c.do(c.sends(v, 5, "of another client")))
	require.EqualValues(t, "of another client", c.up.entries[len(c.up.entries)-1].packet.Frame().Payload.Data, name)
	at(&hubA, v)
	c.HubLost(c.now, hubA)
	w := c.on("w")
	require.NoError(t, c.do(c.returns(w, number, s.epoch)))
	require.True(t, w.heard)
	kept := len(c.up.entries)
	require.NoError(t, c.do(c.sends(w, 5, "of another client")))
	require.Len(t, c.up.entries, kept, "it is sent again")

	m, a, one := openTable(t, Limits{}, 1)
	_, err := m.Confirm(a, 0)
	require.NoError(t, err)
	at(&hubA, a)
	m.HubLost(m.now, hubA)
	b := m.on("b")
	require.NoError(t, m.Return(m.now, b, 0, 1))
	require.NoError(t, m.do(m.says(one[1], "written, and lost in the network")))
	m.Lose(m.now, b)
	require.Zero(t, m.up.confirmed)
}

// Who has taken a channel over has a master come back whom it did not find on a connection. A slave resumes: what it was
// given when it last returned may be lost.
func TestReturnToWhoHasTakenOver(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	at(&hubA, a, u[1])
	at(&hubB, u[2])
	c.records()
	_, err := c.Confirm(a, 0)
	require.NoError(t, err)
	c.recordsOf(c.says(u[1], "x"))
	other := &table{Channel: c.copy, t: t, now: c.now, tags: c.tags, secrets: c.secrets}
	there := c.on("there")
	at(&hubB, there)
	other.TakeOver(c.now, func(_ wire.Role, _ string, hub Hub) *Attachment {
		if hub == hubA {
			return nil
		}
		return there
	})
	other.expect("+there", "* < presence alice away left=30000ms")
	third := other.copied()
	b := c.on("b")
	other.refused(wire.ErrNotAMember, other.returns(c.on("v"), 1, 1))
	other.did(other.returns(b, 0, 1), "b << members [user_1=away user_2=online]", "* < presence alice online")
	require.True(t, b.confirms)

	// So has another one that has taken it over from that one, of whom nobody has heard since.
	third.TakeOver(c.now, func(wire.Role, string, Hub) *Attachment { return nil })
	last := &table{Channel: third, t: t, now: c.now, tags: c.tags, secrets: c.secrets}
	last.effects = nil
	d := c.on("d")
	require.NoError(t, last.Return(last.now, d, 0, 1))
	require.True(t, d.confirms)
	require.ErrorIs(t, last.Return(last.now, c.on("f"), 2, 1), wire.ErrNotAMember)
}

// A leave that comes late, of a slave that was lost with its hub, ends the membership, also where it would not return any more.
func TestALeaveOfOneWhoWasCutOff(t *testing.T) {
	leaves := func(c *table, a *Attachment, epoch uint64) (left bool, err error) {
		c.did0(func() error { left, err = c.LeaveCutOff(a, 1, epoch); return nil })
		return left, err
	}
	for what, lose := range map[string]func(c *table, u *Attachment){
		"with its hub": func(c *table, _ *Attachment) { c.did0(c.loses(hubA)) },
		"by itself":    func(c *table, u *Attachment) { c.did0(c.lostBy(u)) },
	} {
		t.Run(what, func(t *testing.T) {
			c, _, u := openTable(t, Limits{}, 1)
			at(&hubA, u[1])
			left, err := leaves(c, c.on("v"), 1)
			require.False(t, left, "it is there, and leaves as ever")
			require.NoError(t, err)
			lose(c, u[1])
			_, err = leaves(c, c.on("v"), 2)
			require.ErrorIs(t, err, wire.ErrNotAMember, "a later epoch than there was")
			left, err = leaves(c, c.on("v"), 1)
			require.True(t, left)
			require.NoError(t, err)
			require.Empty(t, c.slaves)
			_, err = leaves(c, c.on("v"), 1)
			require.ErrorIs(t, err, wire.ErrNotAMember, "it has left")
		})
	}
	c, _, u := openTable(t, Limits{}, 1)
	at(&hubA, u[1])
	c.did0(c.loses(hubA))
	c.did0(func() error { return c.resume(c.now, c.on("r"), 2, "user_1", c.secret("user_1"), 0) })
	_, err := leaves(c, c.on("v"), 1)
	require.ErrorIs(t, err, wire.ErrReplaced)
	require.Len(t, c.slaves, 1)
}
