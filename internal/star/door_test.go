package star

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

const xWait = 10 * time.Minute

// doorTable is a channel of alice with a door, and slaves that were there before.
func doorTable(t *testing.T, mode wire.Door, limits Limits, slaves int) (c *table, a *Attachment, u []*Attachment) {
	limits.WaitTimeout = xWait
	c, a, u = openTable(t, limits, slaves)
	require.NoError(t, c.SetDoor(c.now, a, 0, mode))
	c.effects = nil
	return c, a, u
}

// entry is that of an instance, or of somebody who types where that is empty.
func (c *table) entry(ref uint64, name, instance string) Entry {
	e := Entry{Ref: ref, Secret: c.fresh(name)}
	if instance != "" {
		e.Instance = HashOf(instance)
	}
	return e
}

func (c *table) knock(a *Attachment, e Entry, name string) func() error {
	return func() error { return c.Knock(c.now, a, e, name, "") }
}

func values(pairs ...string) (all wire.Attributes) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, wire.KeyValue{Key: pairs[i], Value: wire.Payload{Kind: wire.TextPayload, Data: []byte(pairs[i+1])}})
	}
	return all
}

// The door is asked at a join: of who knocks, the master decides.
func TestDoorKnock(t *testing.T) {
	c, a, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
	u := c.on("u")
	c.refused(ErrKnock, func() error { return c.Join(c.now, u, c.entry(5, "bob", "i"), "bob", "") })
	e := c.entry(5, "bob", "i")
	e.Attributes = values("hand", "up")
	c.did(c.knock(u, e, "bob"), "u < waiting alice=online ref=5", "a < knock 1 bob on=true hand = up")
	r, _ := c.Report()
	require.Equal(t, wire.DoorKnock, r.Door)
	require.Equal(t, 1, r.Waiting)
	require.Empty(t, r.Slaves, "who waits is no member")
	require.True(t, c.MembershipEnded(u))
	require.ErrorIs(t, c.Send(u, textMessage(1, "x")), wire.ErrNotAMember)

	c.refused(wire.ErrNoSuchSlave, func() error { return c.Admit(c.now, a, 2, 7) })
	c.did(func() error { return c.Admit(c.now, a, 2, 1) },
		"a < ack ref=2", "u in", "a < knock 1 bob on=false", "+u", "u < joined alice=online ref=5", "a < presence bob online seq=1 hand = up")
	c.refused(wire.ErrNoSuchSlave, func() error { return c.Admit(c.now, a, 3, 1) })
	c.refused(wire.ErrNoSuchSlave, func() error { return c.Deny(a, 3, 1, "") })
	require.NoError(t, c.Send(u, textMessage(6, "hello")))
	require.False(t, c.MembershipEnded(u))
}

func TestDoorDeny(t *testing.T) {
	c, a, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
	u, v := c.on("u"), c.on("v")
	c.did(c.knock(u, c.entry(5, "bob", "i"), "bob"), "u < waiting alice=online ref=5", "a < knock 1 bob on=true")
	c.did(func() error { return c.Deny(a, 0, 1, "who are you?") }, "u out: denied: who are you?", "a < knock 1 bob on=false")
	c.did(c.knock(v, c.entry(6, "bob", "i"), "bob"), "v < waiting alice=online ref=6", "a < knock 2 bob on=true")
	c.did(func() error { return c.Deny(a, 4, 2, "") }, "a < ack ref=4", "v out: denied", "a < knock 2 bob on=false")
}

// Who is let in is who has knocked: a number is of one knock alone.
func TestDoorNumbersTellWhoHasKnocked(t *testing.T) {
	c, a, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
	u, v := c.on("u"), c.on("v")
	c.did(c.knock(u, c.entry(5, "bob", "i"), "bob"), "u < waiting alice=online ref=5", "a < knock 1 bob on=true")
	c.refused(wire.ErrNameTaken, c.knock(v, c.entry(9, "bob", "other"), "bob"))
	require.True(t, c.CancelKnock(u))
	require.False(t, c.CancelKnock(u))
	c.expect("u out: left", "a < knock 1 bob on=false")
	c.did(c.knock(v, c.entry(9, "bob", "other"), "bob"), "v < waiting alice=online ref=9", "a < knock 2 bob on=true")
	c.refused(wire.ErrNoSuchSlave, func() error { return c.Admit(c.now, a, 2, 1) })
	require.Empty(t, c.slaves, "the click was for somebody else")
}

func TestDoorIsTheMasters(t *testing.T) {
	c, a, u := doorTable(t, wire.DoorKnock, Limits{}, 1)
	v := c.on("v")
	require.NoError(t, c.knock(v, c.entry(5, "bob", "i"), "bob")())
	for _, by := range []*Attachment{u[1], v} {
		for name, transition := range map[string]func() error{
			"door":  func() error { return c.SetDoor(c.now, by, 9, wire.DoorOpen) },
			"admit": func() error { return c.Admit(c.now, by, 9, 1) },
			"deny":  func() error { return c.Deny(by, 9, 1, "") },
		} {
			want := wire.ErrForbidden
			if by == v {
				want = wire.ErrNotAMember
			}
			t.Run(name, func(*testing.T) { c.refused(want, transition) })
		}
	}
	require.NoError(t, c.Admit(c.now, a, 9, 1))
}

func TestDoorLocked(t *testing.T) {
	c, a, u := doorTable(t, wire.DoorKnock, Limits{HandshakeTimeout: time.Minute}, 1)
	v, w := c.on("v"), c.on("w")
	c.did(c.knock(v, c.entry(5, "bob", "i"), "bob"), "v < waiting alice=online ref=5", "a < knock 1 bob on=true")
	c.did(func() error { return c.SetDoor(c.now, a, 3, wire.DoorLocked) }, "a < ack ref=3", "v out: locked", "a < knock 1 bob on=false")
	c.refused(wire.ErrLocked, c.knock(v, c.entry(5, "bob", "i"), "bob"))
	c.refused(wire.ErrLocked, func() error { return c.Join(c.now, w, c.entry(1, "eve", ""), "eve", "") })
	c.refused(wire.ErrNameTaken, func() error { return c.Join(c.now, w, c.entry(1, "user_1", ""), "user_1", "") })
	// Who is in is not asked.
	c.did(c.lostBy(u[1]), "-u1", "a < presence user_1 away")
	back := c.on("back")
	c.did(func() error { return c.resume(c.now, back, 9, "user_1", c.secret("user_1"), 0) },
		"+back", "back < joined alice=online ref=9", "a < presence user_1 online")
	c.did(func() error { return c.SetDoor(c.now, a, 4, wire.DoorOpen) }, "a < ack ref=4")
	c.did(func() error { return c.Join(c.now, w, c.entry(1, "eve", ""), "eve", "") }, "+w", "w < joined alice=online ref=1", "a < presence eve online")
}

// Resumes, repeats of the same instance, and who takes a standing seat over pass the door.
func TestDoorIsAskedAtJoinsAlone(t *testing.T) {
	for _, mode := range []wire.Door{wire.DoorKnock, wire.DoorLocked} {
		c, a, _ := doorTable(t, wire.DoorOpen, Limits{HandshakeTimeout: time.Minute}, 0)
		u := c.on("u")
		require.NoError(t, c.Join(c.now, u, c.entry(1, "bob", "i"), "bob", ""))
		require.NoError(t, c.SetDoor(c.now, a, 0, mode))
		c.effects = nil
		again := c.on("again")
		c.did(func() error { return c.Join(c.now, again, c.entry(2, "bob", "i"), "bob", "") },
			"-u", "u ! replaced: the membership was taken over by a newer connection", "+again", "again < joined alice=online ref=2")
		over := c.on("over")
		e := c.entry(1, "bob", "j")
		e.Grant = Grant{Asked: true, TakeOver: true}
		c.did(func() error { return c.Join(c.now, over, e, "bob", "") },
			"-again", "again ! replaced: the membership was taken over by a newer connection", "+over", "over < joined alice=online ref=1")
		fresh := c.on("fresh")
		e.Grant.TakeOver = true
		want := error(ErrKnock)
		if mode == wire.DoorLocked {
			want = wire.ErrLocked
		}
		c.refused(want, func() error { return c.Join(c.now, fresh, e, "eve", "") })
	}
}

// Open again: those at the door come in, in their order, as far as there is room.
func TestDoorOpens(t *testing.T) {
	c, a, _ := doorTable(t, wire.DoorKnock, Limits{MaxSlaves: 2}, 0)
	at := map[string]*Attachment{}
	for i, name := range []string{"bob", "eve", "kim"} {
		at[name] = c.on(name)
		require.NoError(t, c.knock(at[name], c.entry(uint64(i+1), name, name), name)())
	}
	c.effects = nil
	c.did(func() error { return c.SetDoor(c.now, a, 2, wire.DoorOpen) },
		"a < ack ref=2",
		"bob in", "a < knock 1 bob on=false", "+bob", "bob < joined alice=online ref=1", "a < presence bob online",
		"eve in", "a < knock 2 eve on=false", "+eve", "eve < joined alice=online ref=2", "a < presence eve online",
		"kim out: channel_full", "a < knock 3 kim on=false")
	require.Zero(t, c.door.due)
}

// What is decided at the click is decided again: there may be no room any more, and then the
// one goes on waiting.
func TestDoorAdmitDecidesAgain(t *testing.T) {
	c, a, _ := doorTable(t, wire.DoorKnock, Limits{MaxSlaves: 1}, 0)
	u, v := c.on("u"), c.on("v")
	require.NoError(t, c.knock(u, c.entry(5, "bob", "i"), "bob")())
	require.NoError(t, c.knock(v, c.entry(6, "eve", "j"), "eve")())
	require.NoError(t, c.Admit(c.now, a, 0, 1))
	c.refused(wire.ErrChannelFull, func() error { return c.Admit(c.now, a, 3, 2) })
	c.refused(wire.ErrChannelFull, c.knock(c.on("w"), c.entry(7, "kim", "k"), "kim"))
	require.NoError(t, c.Leave(c.now, u, 0))
	require.NoError(t, c.Admit(c.now, a, 3, 2))
}

func TestDoorRefusesAtOnce(t *testing.T) {
	c, a, _ := doorTable(t, wire.DoorKnock, Limits{}, 1)
	require.NoError(t, c.Kick(a, 0, "bob", true, ""))
	c.refused(wire.ErrBanned, c.knock(c.on("u"), c.entry(1, "bob", ""), "bob"))
	c.refused(wire.ErrNameTaken, c.knock(c.on("u"), c.entry(1, "alice", ""), "alice"))
	c.refused(wire.ErrNameTaken, c.knock(c.on("u"), c.entry(1, "user_1", ""), "user_1"))
	c.refused(wire.ErrWrongMaster, func() error { return c.Knock(c.now, c.on("u"), c.entry(1, "eve", ""), "eve", "mallory") })
	e := c.entry(1, "eve", "")
	e.Attributes = values("big", strings.Repeat("x", entryBytes))
	c.refused(wire.ErrAttributesFull, c.knock(c.on("u"), e, "eve"))
	deep := func(depth int) wire.Attributes {
		return wire.Attributes{{Key: "k", Value: wire.Payload{Kind: wire.DataPayload, Data: []byte(strings.Repeat("[", depth) + strings.Repeat("]", depth))}}}
	}
	e.Attributes = deep(wire.MaxDepth - 3)
	c.refused(wire.ErrBadFrame, c.knock(c.on("u"), e, "eve"))
	e.Attributes, e.Grant = nil, Grant{Asked: true, Attributes: deep(wire.MaxDepth - 3)}
	c.refused(wire.ErrBadFrame, c.knock(c.on("u"), e, "eve"))
	e.Attributes, e.Grant = deep(wire.MaxDepth-4), Grant{}
	require.NoError(t, c.knock(c.on("u"), e, "eve")())
	vacant := newTable(t, Limits{})
	vacant.refused(wire.ErrNoSuchChannel, vacant.knock(vacant.on("u"), vacant.entry(1, "eve", ""), "eve"))
}

// A ban is of who waits, too; a kick without one is of slaves.
func TestDoorBan(t *testing.T) {
	c, a, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
	require.NoError(t, c.knock(c.on("u"), c.entry(5, "bob", "i"), "bob")())
	require.NoError(t, c.knock(c.on("v"), c.entry(5, "eve", "j"), "eve")())
	c.effects = nil
	c.refused(wire.ErrNoSuchSlave, func() error { return c.Kick(a, 2, "bob", false, "") })
	c.did(func() error { return c.Kick(a, 2, "bob", true, "") }, "a < ack ref=2", "u out: banned", "a < knock 1 bob on=false")
	c.did(func() error { return c.Remove("eve", true, "") }, "v out: banned", "a < knock 2 eve on=false")
}

// The client that waits and has given its connection up keeps its place, and its master is not
// told. Another client does not get it, nor an older frame of the same one.
func TestDoorRepeated(t *testing.T) {
	c, a, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
	u, v, w := c.on("u"), c.on("v"), c.on("w")
	require.NoError(t, c.knock(u, c.entry(5, "bob", "i"), "bob")())
	require.NoError(t, c.knock(w, c.entry(5, "eve", "j"), "eve")())
	c.effects = nil
	for _, other := range []Entry{c.entry(9, "bob", "other"), c.entry(9, "bob", ""), c.entry(5, "bob", "i"), c.entry(4, "bob", "i")} {
		c.refused(wire.ErrNameTaken, c.knock(v, other, "bob"))
	}
	ends := c.door.waiting[0].ends
	c.now = c.now.Add(time.Minute)
	c.did(c.knock(v, c.entry(6, "bob", "i"), "bob"), "u out: replaced: you wait on another connection", "v < waiting alice=online ref=6")
	require.Equal(t, ends, c.door.waiting[0].ends, "it has waited since it has knocked")
	require.False(t, c.CancelKnock(u), "the late end of the other connection")
	c.did(func() error { return c.Admit(c.now, a, 0, 1) },
		"v in", "a < knock 1 bob on=false", "+v", "v < joined alice=online ref=6", "a < presence bob online")
	// Who has shown no instance is told from nobody who has not either.
	require.NoError(t, c.knock(u, c.entry(1, "typed", ""), "typed")())
	c.effects = nil
	c.refused(wire.ErrNameTaken, c.knock(v, c.entry(9, "typed", ""), "typed"))
	require.NoError(t, c.CancelKnockOf("typed"))
	// Whoever the service gives the name has it.
	e := c.entry(1, "eve", "k")
	e.Grant = Grant{Asked: true, TakeOver: true}
	x := c.on("x")
	c.did(c.knock(x, e, "eve"), "w out: replaced: you wait on another connection", "x < waiting alice=online ref=1")
	// With other attributes it is not who the master was told of.
	e = c.entry(2, "eve", "k")
	e.Attributes = values("hand", "up")
	y := c.on("y")
	c.did(c.knock(y, e, "eve"), "x out: replaced: you wait on another connection", "a < knock 2 eve on=false",
		"y < waiting alice=online ref=2", "a < knock 4 eve on=true hand = up")
	e.Ref, e.Grant.Attributes = 3, values("role", "guest")
	z := c.on("z")
	c.did(c.knock(z, e, "eve"), "y out: replaced: you wait on another connection", "a < knock 4 eve on=false",
		"z < waiting alice=online ref=3", "a < knock 5 eve on=true hand = up role = guest")
	// On one connection it is told again.
	require.False(t, c.WaitsAt(c.now, y, 8))
	require.True(t, c.WaitsAt(c.now, z, 8))
	c.expect("z < waiting alice=online ref=8")
	require.True(t, c.WaitsAt(c.now, z, 0))
	c.expect("z < waiting alice=online ref=8")
	require.False(t, newTable(t, Limits{}).WaitsAt(c.now, z, 8))
}

// The same attributes are those of which key, kind and value are the same.
func TestDoorRepeatedWithAttributes(t *testing.T) {
	c, _, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
	ref := uint64(0)
	number := func(attributes wire.Attributes) uint64 {
		ref++
		e := c.entry(ref, "bob", "i")
		e.Attributes = attributes
		require.NoError(t, c.knock(c.on(fmt.Sprint("u", ref)), e, "bob")())
		require.Len(t, c.door.waiting, 1)
		return c.door.waiting[0].number
	}
	bytes := values("hand", "up")
	bytes[0].Value.Kind = wire.BytesPayload
	require.Equal(t, uint64(1), number(values("hand", "up")))
	require.Equal(t, uint64(1), number(values("hand", "up")))
	require.Equal(t, uint64(2), number(values("foot", "up")))
	require.Equal(t, uint64(3), number(values("hand", "up")))
	require.Equal(t, uint64(4), number(values("hand", "down")))
	require.Equal(t, uint64(5), number(values("hand", "up")))
	require.Equal(t, uint64(6), number(bytes))
}

// What the service grants for longer than one may wait is no end.
func TestDoorGrantThatOutlivesTheWait(t *testing.T) {
	c, _, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
	e := c.entry(1, "bob", "i")
	e.Grant = Grant{Asked: true, Expires: c.now.Add(2 * xWait)}
	require.NoError(t, c.knock(c.on("u"), e, "bob")())
	due, _ := c.Due()
	require.Equal(t, c.now.Add(xWait), due)
	c.effects, c.now = nil, due
	c.did(func() error { return nil }, "u out: too_late: nobody has let you in for 10m0s", "a < knock 1 bob on=false")
}

// A name that waits has got no frame but waiting, its master's presence and its own answer.
func TestDoorWhatOneWhoWaitsGets(t *testing.T) {
	c, a, u := doorTable(t, wire.DoorKnock, Limits{}, 1)
	v := c.on("v")
	c.did(c.knock(v, c.entry(5, "bob", "i"), "bob"), "v < waiting alice=online ref=5", "a < knock 1 bob on=true")
	c.did(func() error { return c.Send(a, textMessage(2, "to all")) }, "* < message seq=1 alice: to all", "a < ack ref=2 seq=1 slaves=1")
	c.refused(wire.ErrNoSuchSlave, func() error { return c.Send(a, messageTo(0, "bob", "to one")) })
	c.effects = nil
	require.NoError(t, c.Set(a, AttributeChange{Ref: 4, Key: "slide", Value: textMessage(0, "1").Payload}))
	require.NoError(t, c.Send(u[1], textMessage(2, "from one")))
	_, _, err := c.Speak(textMessage(0, "the service"))
	require.NoError(t, err)
	for _, e := range c.effects {
		require.NotEqual(t, v, e.To)
	}
	c.effects = nil
	c.did(func() error { return c.Away(c.now, a, 0) }, "* < presence alice away left=30000ms", "v < presence alice away left=30000ms")
	c.did(c.knock(c.on("w"), c.entry(5, "eve", "j"), "eve"), "w < waiting alice=away ref=5 left=30000ms", "a < knock 2 eve on=true")
	require.NoError(t, c.CancelKnockOf("eve"))
	c.did(func() error { return c.Back(c.now, a, 0) }, "* < presence alice online", "v < presence alice online")
	c.did(c.lostBy(a), "* < presence alice away left=30000ms", "v < presence alice away left=30000ms")
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 9, "alice", c.secret("alice"), 1) },
		"b << created ref=9 epoch=2 seq=1 [user_1=online] door=knock 1=bob", "* < presence alice online", "v < presence alice online")
	require.NoError(t, c.Admit(c.now, b, 0, 1))
	require.Equal(t, uint64(3), c.slaves["bob"].start, "what was sent before it was in is not for it")
}

// CancelKnockOf takes the one of that name from the door, and forgets the effects.
func (c *table) CancelKnockOf(name string) error {
	k := c.knockOf(name)
	if k == nil || !c.CancelKnock(k.a) {
		return fmt.Errorf("%s does not wait", name)
	}
	c.effects = nil
	return nil
}

func TestDoorEndsWithTheChannel(t *testing.T) {
	ends := map[string]func(c *table, a *Attachment) func() error{
		"master_left": func(c *table, a *Attachment) func() error {
			return func() error { return c.Leave(c.now, a, 0) }
		},
		"channel_closed: over": func(c *table, a *Attachment) func() error {
			return func() error { c.Close("over"); return nil }
		},
		"master_down: the master was away for 30s": func(c *table, a *Attachment) func() error {
			c.Lose(c.now, a)
			c.effects = nil
			c.now = c.now.Add(xMaster)
			return func() error { return nil }
		},
	}
	for why, end := range ends {
		c, a, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
		v := c.on("v")
		require.NoError(t, c.knock(v, c.entry(5, "bob", "i"), "bob")())
		transition := end(c, a)
		c.effects = nil
		require.NoError(t, c.do(transition))
		var got []string
		for _, e := range c.effects {
			if e.To == v {
				got = append(got, c.line(e))
			}
		}
		require.Equal(t, []string{"v out: " + why}, got)
		require.Nil(t, c.door)
		require.False(t, c.CancelKnock(v))
	}
}

// Who waits is refused where the hub stops, and knocks at the next one.
func TestDoorStops(t *testing.T) {
	c, _, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
	v := c.on("v")
	require.NoError(t, c.knock(v, c.entry(5, "bob", "i"), "bob")())
	c.effects = nil
	c.Stop(c.now)
	c.expect("v out: shutting_down", "a < knock 1 bob on=false")
	c.refused(wire.ErrShuttingDown, c.knock(v, c.entry(6, "bob", "i"), "bob"))
	New("vacant", c.limits).Stop(c.now)
}

// Waiting has an end, at which who waits is refused, also where the click comes in that instant.
func TestDoorWaitTimeout(t *testing.T) {
	c, a, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
	u, v, w := c.on("u"), c.on("v"), c.on("w")
	require.NoError(t, c.knock(u, c.entry(5, "bob", "i"), "bob")())
	c.now = c.now.Add(time.Minute)
	e := c.entry(5, "eve", "j")
	e.Since = noon.Add(-time.Minute) // it has waited for the channel before
	require.NoError(t, c.knock(v, e, "eve")())
	e = c.entry(5, "kim", "k")
	e.Grant = Grant{Asked: true, Expires: noon.Add(xWait)}
	require.NoError(t, c.knock(w, e, "kim")())
	c.effects = nil
	due, ok := c.Due()
	require.True(t, ok)
	require.Equal(t, noon.Add(xWait-time.Minute), due)
	c.now = due.Add(-1)
	c.did(func() error { return nil })
	c.now = due
	c.did(func() error { return nil }, "v out: too_late: nobody has let you in for 10m0s", "a < knock 2 eve on=false")
	due, _ = c.Due()
	require.Equal(t, noon.Add(xWait), due)
	c.now = due
	c.did(func() error { require.ErrorIs(t, c.Admit(c.now, a, 0, 1), wire.ErrNoSuchSlave); return nil },
		"u out: too_late: nobody has let you in for 10m0s", "a < knock 1 bob on=false",
		"w out: unauthorized: what the service has granted has expired: show a fresh token", "a < knock 3 kim on=false")
	_, ok = c.Due()
	require.False(t, ok)

	// What the service has granted counts where it ends in the same instant, and a limit is none
	// where there is none.
	e = c.entry(6, "kim", "k")
	e.Grant = Grant{Asked: true, Expires: c.now.Add(xWait)}
	require.NoError(t, c.knock(w, e, "kim")())
	c.effects, c.now = nil, c.now.Add(xWait)
	c.did(func() error { return nil }, "w out: unauthorized: what the service has granted has expired: show a fresh token", "a < knock 4 kim on=false")
	c.limits.WaitTimeout = 0
	require.NoError(t, c.knock(u, c.entry(7, "bob", "i"), "bob")())
	_, ok = c.Due()
	require.False(t, ok)
	e.Ref, e.Grant.Expires = 7, c.now.Add(time.Second)
	require.NoError(t, c.knock(w, e, "kim")())
	due, _ = c.Due()
	require.Equal(t, c.now.Add(time.Second), due)
	require.True(t, c.CancelKnock(u))
	require.NoError(t, c.knock(u, c.entry(8, "bob", "i"), "bob")())
	again, _ := c.Due()
	require.Equal(t, due, again, "one that waits without an end has none")
	c.now = due
	c.effects = nil
	c.did(func() error { return nil }, "w out: unauthorized: what the service has granted has expired: show a fresh token", "a < knock 6 kim on=false")
}

// The door is one of the deadlines, and the earliest comes first.
func TestDoorAmongTheDeadlines(t *testing.T) {
	c, _, u := doorTable(t, wire.DoorKnock, Limits{}, 2)
	due := func() time.Time {
		due, ok := c.Due()
		require.True(t, ok)
		return due
	}
	c.Lose(c.now, u[1])
	require.Equal(t, c.now.Add(xSlave), due(), "nobody waits")
	require.NoError(t, c.knock(c.on("v"), c.entry(1, "bob", "i"), "bob")())
	require.Equal(t, noon.Add(xSlave), due(), "it is before the end of the wait")
	c.now = noon.Add(xWait - time.Second)
	c.Expire(c.now)
	require.Equal(t, noon.Add(xWait), due())
	c.Lose(c.now, u[2])
	require.Equal(t, noon.Add(xWait), due(), "it is before that of the slave")
}

// As many can wait at a door as there may be, and no more.
func TestDoorBound(t *testing.T) {
	c, a, _ := doorTable(t, wire.DoorKnock, Limits{MaxSlaves: 1000}, 0)
	for i := range wire.MaxKnocks {
		name := fmt.Sprint("n", i)
		require.NoError(t, c.knock(c.on(name), c.entry(1, name, name), name)())
	}
	c.refused(wire.ErrBusy, c.knock(c.on("one more"), c.entry(1, "one more", ""), "one more"))
	require.NoError(t, c.knock(c.on("again"), c.entry(2, "n0", "n0"), "n0")(), "who waits already waits for nobody more")
	require.NoError(t, c.Deny(a, 0, 7, ""))
	require.NoError(t, c.knock(c.on("one more"), c.entry(1, "one more", ""), "one more")())
	require.NoError(t, c.SetDoor(c.now, a, 0, wire.DoorOpen))
	require.Len(t, c.slaves, wire.MaxKnocks)
}

// With WithDoor nobody is in before the door is asked, nor is who has waited for the channel.
func TestDoorAtCreate(t *testing.T) {
	c := newTable(t, Limits{})
	a, u, v, w := c.on("a"), c.on("u"), c.on("v"), c.on("w")
	e := c.entry(1, "alice", "i")
	e.Door = wire.DoorKnock
	c.did(func() error { return c.Create(c.now, a, e, "alice", 0) }, "a < created ref=1 epoch=1 door=knock")
	c.did(func() error { c.Arrive(c.now, u, c.entry(1, "bob", "j"), "bob", ""); return nil },
		"u < waiting alice=online ref=1", "a < knock 1 bob on=true")
	c.did(func() error { c.Arrive(c.now, v, c.entry(1, "bob", "k"), "bob", ""); return nil }, "v out: name_taken")
	require.ErrorIs(t, c.Send(v, textMessage(1, "x")), wire.ErrNotAMember)
	c.did(func() error { return c.SetDoor(c.now, a, 0, wire.DoorLocked) }, "u out: locked", "a < knock 1 bob on=false")
	c.did(func() error { c.Arrive(c.now, v, c.entry(1, "bob", "k"), "bob", ""); return nil }, "v out: locked")
	c.did(func() error { return c.SetDoor(c.now, a, 0, wire.DoorOpen) })
	c.did(func() error { c.Arrive(c.now, w, c.entry(1, "eve", "l"), "eve", ""); return nil },
		"w in", "+w", "w < joined alice=online ref=1", "a < presence eve online")
	// The create that is sent again is told who waits.
	require.NoError(t, c.SetDoor(c.now, a, 0, wire.DoorKnock))
	require.NoError(t, c.knock(u, c.entry(2, "bob", "j"), "bob")())
	c.effects = nil
	c.did(func() error { return c.RepeatCreate(a, Entry{Ref: 1, Secret: e.Secret}) }, "a < created ref=1 epoch=1 [eve=online] door=knock 2=bob")
	a.Line.(*line).notices = listSize(c.entries(nil)) + c.doorBytes() - 1
	c.refused(wire.ErrBusy, func() error { return c.RepeatCreate(a, Entry{Ref: 1, Secret: e.Secret}) })
}
