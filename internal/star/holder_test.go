package star

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// The tests of this file are orders of events around a ticket that more than one client
// has, and around answers that are lost. Instances have capital letters as their ids.

// shows is the entry of an instance.
func (c *table) shows(instance string, ref, epoch uint64, secret string) Entry {
	e := Entry{Ref: ref, Epoch: epoch, Secret: given(secret)}
	if instance != "" {
		e.Instance = HashOf(instance)
	}
	return e
}

// heldTable is a channel of alice, by hand, and of ada, who has joined as the instance A
// with the ref 1 and the secret s1, on the attachment u.
func heldTable(t *testing.T) (c *table, a, u *Attachment) {
	c, a, _ = openTable(t, Limits{HandshakeTimeout: 10 * time.Second}, 0)
	u = c.on("u")
	require.NoError(t, c.Join(c.now, u, c.shows("A", 1, 0, "s1"), "ada", ""))
	c.effects = nil
	return c, a, u
}

// resumes is a resume of ada.
func (c *table) resumes(at *Attachment, e Entry) func() error {
	return func() error { return c.Resume(c.now, at, e, "ada", 0, 0) }
}

func (c *table) joinsAs(at *Attachment, e Entry) func() error {
	return func() error { return c.Join(c.now, at, e, "ada", "") }
}

func (c *table) hears(at *Attachment) func() error {
	return func() error { return c.Hear(at) }
}

func (c *table) sends(at *Attachment, ref uint64, text string) func() error {
	return func() error { return c.Send(at, textMessage(ref, text)) }
}

// A name or a channel that is kept for somebody who is away is refused in words that say so,
// and for how long: it may be the one who asks.
func TestWhatIsKeptForWhoIsAwayIsSaidToBe(t *testing.T) {
	c, a, u := heldTable(t)
	b := c.on("b")
	text := func(err error) string {
		var why *wire.Cause
		require.ErrorAs(t, err, &why)
		return why.Text
	}
	joins := func(name string) error { return c.Join(c.now, b, c.shows("B", 1, 0, "s2"), name, "") }
	creates := func() error { return c.Create(c.now, b, c.shows("B", 1, 0, "s2"), "bob", 0) }
	for _, err := range []error{joins("ada"), joins("alice"), creates()} {
		require.Empty(t, text(err), "the words of the code")
	}

	c.did0(c.lostBy(u))
	c.did0(c.lostBy(a))
	c.now = c.now.Add(1500 * time.Millisecond)
	require.ErrorIs(t, joins("ada"), wire.ErrNameTaken)
	require.Equal(t, `the name "ada" is kept for a member that is away, and free again in 19 s unless it comes back: choose another one, or resume if it is your own`, text(joins("ada")))
	require.ErrorIs(t, creates(), wire.ErrChannelExists)
	require.Equal(t, `the channel is kept for its master, who is away, and free again in 29 s unless they come back: choose another one, or resume if it is your own`, text(creates()))
	require.Empty(t, text(joins("alice")))
}

// A page is duplicated, and the older one was offline for a while: the duplicate has the
// membership, and the older one neither gets it back nor an ack for what it never sent.
func TestRule7AnOlderClientDoesNotReturn(t *testing.T) {
	c, _, u := heldTable(t)
	c.did0(c.hears(u))
	c.did0(c.lostBy(u))
	b := c.on("b")
	c.did0(c.resumes(b, c.shows("B", 1, 1, "s1")))
	c.did(c.sends(b, 2, "B1"), "a < message seq=1 ada: B1", "b < ack ref=2 seq=1")

	c.refused(wire.ErrReplaced, c.resumes(c.on("u'"), c.shows("A", 3, 1, "s1")))
	c.refused(wire.ErrReplaced, c.resumes(c.on("u'"), c.shows("C", 1, 1, "s1"))) // nor a third with the old ticket
	c.did(c.sends(b, 3, "B2"), "a < message seq=2 ada: B2", "b < ack ref=3 seq=2")
	c.did0(c.resumes(c.on("c"), c.shows("C", 1, 2, "s1"))) // but one with the new ticket
}

// The same by hand, without instances: what is another message under a known ref is told.
func TestAnotherMessageUnderAKnownRef(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 1)
	u, b, again := c.on("u"), c.on("b"), c.on("u'")
	c.did0(c.joinsAs(u, Entry{Ref: 1, Secret: given("s1")}))
	c.did0(c.lostBy(u))
	c.did0(c.resumes(b, Entry{Ref: 1, Secret: given("s1")}))
	c.did(c.sends(b, 2, "B1"), "a < message seq=1 ada: B1", "b < ack ref=2 seq=1")
	c.did0(c.resumes(again, Entry{Ref: 3, Secret: given("s1")}))
	c.refused(wire.ErrBadFrame, c.sends(again, 2, "A1"))
	c.did(c.sends(again, 2, "B1"), "u' < ack ref=2 seq=1") // which cannot be told apart

	// What else makes a message another one.
	base := messageTo(5, "ada", "x")
	require.ErrorIs(t, c.Send(a, messageTo(4, "eve", "x")), wire.ErrNoSuchSlave)
	require.NoError(t, c.Send(a, base))
	c.effects = nil
	for what, change := range map[string]func(*Message){
		"address":    func(m *Message) { m.To = "user_1" },
		"to all":     func(m *Message) { m.To, m.HasTo = "", false },
		"no address": func(m *Message) { m.To = "" },
		"request":    func(m *Message) { m.Asks = true },
		"reply":      func(m *Message) { m.ReplyTo = 1 },
		"kind":       func(m *Message) { m.Payload.Kind = wire.BytesPayload },
		"no":         func(m *Message) { m.Payload.Kind = wire.FailedPayload },
		"payload":    func(m *Message) { m.Payload.Data = []byte("y") },
		"shifted":    func(m *Message) { m.To, m.Payload.Data = "adax", nil },
	} {
		other := base
		change(&other)
		t.Run(what, func(t *testing.T) { c.refused(wire.ErrBadFrame, func() error { return c.Send(a, other) }) })
	}
	// A refusal is for its message, too.
	c.refused(wire.ErrNoSuchSlave, func() error { return c.Send(a, messageTo(4, "eve", "x")) })
	c.refused(wire.ErrBadFrame, func() error { return c.Send(a, messageTo(4, "eve", "y")) })
}

// A ticket that was written at the join still works after the same client has resumed.
func TestATicketWorksAfterBlips(t *testing.T) {
	c, _, u := heldTable(t)
	c.did0(c.hears(u))
	at := u
	for ref := uint64(2); ref < 5; ref++ {
		c.did0(c.lostBy(at))
		at = c.on("u'")
		c.did0(c.resumes(at, c.shows("A", ref, 1, "s1"))) // its own epoch is 1 still
		c.did0(c.hears(at))
	}
	require.Equal(t, uint64(4), at.Epoch())
	c.did0(c.resumes(c.on("b"), c.shows("B", 1, 1, "s1")))
}

// A page that is loaded again twice before it has stored its new ticket is not locked out.
func TestTwoQuickReloads(t *testing.T) {
	c, _, u := heldTable(t)
	c.did0(c.hears(u))
	b, third := c.on("b"), c.on("c")
	c.did0(c.lostBy(u))
	c.did0(c.resumes(b, c.shows("B", 1, 1, "s1"))) // its joined is never read
	c.did0(c.lostBy(b))
	c.did0(c.resumes(third, c.shows("C", 1, 1, "s1")))
	c.did0(c.hears(third))
	c.refused(wire.ErrReplaced, c.resumes(c.on("d"), c.shows("D", 1, 1, "s1")))
	c.refused(wire.ErrReplaced, c.resumes(c.on("d"), c.shows("D", 1, 2, "s1"))) // B's ticket, which has not held it
	c.did0(c.resumes(c.on("d"), c.shows("D", 1, 3, "s1")))
}

// Who has held the membership returns as long as its successor has sent nothing in it, and
// finds its answers and requests; then the successor can come again.
func TestTheHolderReturnsBeforeItsSuccessorIsHeard(t *testing.T) {
	c, _, u := heldTable(t)
	c.did0(func() error { return c.Send(u, asking(2, "")) })
	b, back := c.on("b"), c.on("u'")
	c.did0(c.resumes(b, c.shows("B", 1, 1, "s1")))
	require.Len(t, c.slaves["ada"].openRequests, 1)
	c.did0(c.resumes(back, c.shows("A", 3, 1, "s1")))
	c.did(func() error { return c.Send(back, asking(2, "")) }, "u' < ack ref=2 seq=1")
	require.Len(t, c.slaves["ada"].openRequests, 1)
	c.did0(c.resumes(c.on("b'"), c.shows("B", 2, 1, "s1")))
}

// By the successor's first frame, whatever it is, the former client's answers and open
// requests are forgotten, once.
func TestTheFirstFrameOfASuccessor(t *testing.T) {
	for what, first := range map[string]func(c *table, at *Attachment) error{
		"hear":     func(c *table, at *Attachment) error { return c.Hear(at) },
		"confirm":  func(c *table, at *Attachment) error { _, err := c.Confirm(at, 0); return err },
		"send":     func(c *table, at *Attachment) error { return c.Send(at, textMessage(2, "other")) },
		"withdraw": func(c *table, at *Attachment) error { _ = c.Withdraw(at, 2, 1); return nil },
		"awaiting": func(c *table, at *Attachment) error { return c.Awaiting(at, 2, 1, Page{}) },
		"members":  func(c *table, at *Attachment) error { _ = c.Members(at, 2, Page{}); return nil },
		"away":     func(c *table, at *Attachment) error { _ = c.Away(c.now, at, 2); return nil },
		"back":     func(c *table, at *Attachment) error { _ = c.Back(c.now, at, 2); return nil },
		"kick":     func(c *table, at *Attachment) error { _ = c.Kick(at, 2, "ada", false, ""); return nil },
	} {
		t.Run(what, func(t *testing.T) {
			c, _, u := heldTable(t)
			c.did0(func() error { return c.Send(u, asking(2, "")) })
			b := c.on("b")
			c.did0(c.resumes(b, c.shows("B", 1, 1, "s1")))
			require.NoError(t, first(c, b))
			m := c.slaves["ada"]
			require.Empty(t, m.openRequests)
			require.Equal(t, uint64(2), m.since)
			_, known := m.answers.find(2)
			require.Equal(t, what == "send", known)
			require.NoError(t, c.Send(b, asking(3, "")))
			require.NoError(t, c.Hear(b))
			require.Len(t, m.openRequests, 1)
			require.ErrorIs(t, c.Hear(u), wire.ErrReplaced)
		})
	}
}

// A connection that was given up can be read after the one that has followed it. What it
// has entered with then changes nothing.
func TestLateEntries(t *testing.T) {
	late := func(c *table, at string, ref uint64) func() error {
		return c.resumes(c.on(at), c.shows("A", ref, 1, "s1"))
	}
	c, _, u := heldTable(t)
	c.did0(c.hears(u))
	c.did0(late(c, "u'", 5))
	for ref := uint64(1); ref <= 5; ref++ {
		c.refused(wire.ErrReplaced, late(c, "late", ref))
		c.refused(wire.ErrNameTaken, c.joinsAs(c.on("late"), c.shows("A", ref, 0, "s2")))
	}
	c.did0(late(c, "u''", 6))

	// So it is with a successor that was not heard yet, also after the holder is back.
	c.did0(c.resumes(c.on("b"), c.shows("B", 3, 1, "s1")))
	c.refused(wire.ErrReplaced, c.resumes(c.on("late"), c.shows("B", 2, 1, "s1")))
	back := c.on("u'''")
	c.did0(c.resumes(back, c.shows("A", 7, 1, "s1")))
	c.did0(c.hears(back))
	c.refused(wire.ErrReplaced, c.resumes(c.on("late"), c.shows("B", 3, 1, "s1")))
	c.did0(c.resumes(c.on("b'"), c.shows("B", 4, 1, "s1")))
}

// On one connection the frames are in order, and a resume can be repeated.
func TestARepeatedResume(t *testing.T) {
	c, _, u := heldTable(t)
	c.did0(c.hears(u))
	at := c.on("u'")
	at.Line = u.Line
	c.did(c.resumes(at, c.shows("A", 1, 1, "s1")), "-u", "+u'", "u' < joined alice=online ref=1")
}

// An epoch that the hub has not come to, and a client without an instance where one holds
// the membership.
func TestEpochsAndInstancesAtAResume(t *testing.T) {
	c, _, u := heldTable(t)
	c.did0(c.hears(u))
	c.refused(wire.ErrResumeFailed, c.resumes(c.on("x"), c.shows("A", 9, 2, "s1")))
	c.refused(wire.ErrResumeFailed, c.resumes(c.on("x"), c.shows("B", 9, 2, "s1")))
	c.refused(wire.ErrResumeFailed, c.resumes(c.on("x"), c.shows("", 9, 0, "s1")))
	c.refused(wire.ErrResumeFailed, c.resumes(c.on("x"), c.shows("", 9, 1, "s1")))
	c.refused(wire.ErrResumeFailed, c.resumes(c.on("x"), c.shows("A", 9, 1, "s2")))
	c.refused(wire.ErrReplaced, c.resumes(c.on("x"), c.shows("B", 9, 0, "s1")))
	c.did0(c.resumes(c.on("x"), c.shows("A", 9, 0, "s1"))) // the holder needs none
}

// A membership that was entered by hand is resumed by hand, and becomes an instance's by
// the first resume that shows one.
func TestAMembershipByHandBecomesAnInstances(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 0)
	u, second, b := c.on("u"), c.on("u'"), c.on("b")
	c.did0(c.joinsAs(u, Entry{Ref: 1, Secret: given("s1")}))
	c.did0(c.resumes(second, c.shows("", 4, 0, "s1")))
	c.did0(c.sends(second, 5, "x"))
	c.did0(c.resumes(b, c.shows("B", 1, 0, "s1")))
	c.did0(c.hears(b))
	_, known := c.slaves["ada"].answers.find(5)
	require.False(t, known)
	c.refused(wire.ErrResumeFailed, c.resumes(c.on("x"), c.shows("", 9, 0, "s1")))
}

// A join whose answer was lost is repeated, with a higher ref, and gets the membership that
// the first one has made, and what was sent since.
func TestAJoinIsRepeated(t *testing.T) {
	c, a, u := heldTable(t)
	c.did0(c.says(a, "early"))
	c.did(c.lostBy(u), "-u", "a < presence ada away")
	second, third := c.on("u'"), c.on("u''")
	c.did(c.joinsAs(second, c.shows("A", 2, 0, "s2")),
		"+u'", "u' < joined alice=online ref=2", "a < presence ada online", "u' << message seq=1 alice: early")
	require.Len(t, c.slaves, 1)

	// Also before the hub knows that the connection is lost. The new secret and the one
	// before it are good until it is heard.
	c.did(c.joinsAs(third, c.shows("A", 3, 0, "s3")),
		"-u'", "u' ! replaced: the membership was taken over by a newer connection",
		"+u''", "u'' < joined alice=online ref=3", "u'' << message seq=1 alice: early")
	c.refused(wire.ErrResumeFailed, c.resumes(c.on("x"), c.shows("B", 1, 1, "s1")))
	m := c.slaves["ada"]
	require.True(t, m.matches(HashOf("s2")))
	require.True(t, m.matches(HashOf("s3")))
	c.did0(c.hears(third))
	require.False(t, m.matches(HashOf("s2")))
	require.True(t, m.matches(HashOf("s3")))
	require.False(t, m.matches(Hash{}))
	c.refused(wire.ErrNameTaken, c.joinsAs(c.on("x"), c.shows("A", 4, 0, "s4")))
}

// When a join is no repetition.
func TestAJoinIsNotRepeated(t *testing.T) {
	for what, test := range map[string]struct {
		before func(c *table, u *Attachment)
		entry  func(c *table) Entry
		works  bool
	}{
		"it is":                  {nil, func(c *table) Entry { return c.shows("A", 2, 0, "s2") }, true},
		"another instance":       {nil, func(c *table) Entry { return c.shows("B", 2, 0, "s2") }, false},
		"no instance":            {nil, func(c *table) Entry { return c.shows("", 2, 0, "s2") }, false},
		"the same ref":           {nil, func(c *table) Entry { return c.shows("A", 1, 0, "s2") }, false},
		"heard":                  {func(c *table, u *Attachment) { c.did0(c.hears(u)) }, func(c *table) Entry { return c.shows("A", 2, 0, "s2") }, false},
		"just in time":           {func(c *table, _ *Attachment) { c.now = c.now.Add(10*time.Second - 1) }, func(c *table) Entry { return c.shows("A", 2, 0, "s2") }, true},
		"too late":               {func(c *table, _ *Attachment) { c.now = c.now.Add(10 * time.Second) }, func(c *table) Entry { return c.shows("A", 2, 0, "s2") }, false},
		"resumed with a secret":  {func(c *table, _ *Attachment) { c.did0(c.resumes(c.on("r"), c.shows("A", 2, 1, "s1"))) }, func(c *table) Entry { return c.shows("A", 3, 0, "s2") }, false},
		"banned in the meantime": {func(c *table, _ *Attachment) { require.NoError(c.t, c.Remove("ada", true, "")); c.effects = nil }, func(c *table) Entry { return c.shows("A", 2, 0, "s2") }, false},
	} {
		t.Run(what, func(t *testing.T) {
			c, _, u := heldTable(t)
			c.limits.SlaveTimeout = time.Hour
			if test.before != nil {
				test.before(c, u)
			}
			at := c.on("x")
			require.Equal(t, test.works, c.Repeated(c.now, at, test.entry(c), "ada"))
			if test.works {
				c.did0(c.joinsAs(at, test.entry(c)))
			} else {
				c.effects = nil
				before := c.snapshot()
				require.Error(t, c.joinsAs(at, test.entry(c))())
				require.Equal(t, before, c.snapshot())
			}
		})
	}
	t.Run("without a limit", func(t *testing.T) {
		c, _, _ := heldTable(t)
		c.limits.HandshakeTimeout = 0
		c.now = c.now.Add(time.Hour)
		c.did0(c.joinsAs(c.on("x"), c.shows("A", 2, 0, "s2")))
	})
}

// Another hub asks once more for a join whose answer it has not got, and whose connection is gone: the client has repeated it since.
func TestALateRepetitionByAHub(t *testing.T) {
	c, _, u := heldTable(t)
	again := c.shows("A", 1, 0, "s1")
	again.Again = true
	second := c.on("u'")
	c.did0(c.joinsAs(second, c.shows("A", 2, 0, "s2")))
	require.False(t, u.current())
	c.refused(wire.ErrNameTaken, c.joinsAs(c.on("x"), again))
	require.True(t, second.current())
}

// An instance that joins anew under the name that it has, on no connection, has left, and that was not heard: where several hubs have
// the channel.
func TestWhoHasLeftUnheardJoinsAnew(t *testing.T) {
	heard := func(c *table, u *Attachment) { c.did0(c.hears(u)) }
	lost := func(c *table, u *Attachment) { heard(c, u); c.did(c.lostBy(u), "-u", "a < presence ada away") }
	for what, test := range map[string]struct {
		before func(c *table, u *Attachment)
		entry  func(c *table) Entry
		works  bool
	}{
		"it is lost":       {lost, func(c *table) Entry { return c.shows("A", 2, 0, "s2") }, true},
		"it is there":      {heard, func(c *table) Entry { return c.shows("A", 2, 0, "s2") }, false},
		"a late join":      {lost, func(c *table) Entry { return c.shows("A", 1, 0, "s2") }, false},
		"another instance": {lost, func(c *table) Entry { return c.shows("B", 2, 0, "s2") }, false},
		"no instance":      {lost, func(c *table) Entry { return c.shows("", 2, 0, "s2") }, false},
	} {
		t.Run(what, func(t *testing.T) {
			c, _, u := heldTable(t)
			c.limits.SlaveTimeout = time.Hour
			test.before(c, u)
			former := c.slaves["ada"].number
			c.refused(wire.ErrNameTaken, c.joinsAs(c.on("x"), test.entry(c)))
			c.Record(true)
			err := c.joinsAs(c.on("x"), test.entry(c))()
			if !test.works {
				require.ErrorIs(t, err, wire.ErrNameTaken)
				return
			}
			require.NoError(t, err)
			require.Greater(t, c.slaves["ada"].number, former)
		})
	}
}

// A create whose answer was lost is repeated in the same way. Slaves that have joined
// meanwhile, and their messages, are told.
func TestRule7ACreateIsRepeated(t *testing.T) {
	c := newTable(t, Limits{})
	creates := func(at *Attachment, e Entry, name string) func() error {
		return func() error { return c.Create(c.now, at, e, name, 0) }
	}
	a, again, u := c.on("a"), c.on("a'"), c.on("u")
	c.did0(creates(a, c.shows("A", 1, 0, "s1"), "alice"))
	c.did0(c.enters(u, "ada"))
	c.did0(c.says(u, "early"))
	c.did0(c.lostBy(a))
	c.refused(wire.ErrChannelExists, creates(c.on("x"), c.shows("B", 2, 0, "s2"), "alice"))
	c.refused(wire.ErrChannelExists, creates(c.on("x"), c.shows("A", 2, 0, "s2"), "eve"))
	c.refused(wire.ErrChannelExists, creates(c.on("x"), c.shows("A", 1, 0, "s2"), "alice"))
	c.did(creates(again, c.shows("A", 2, 0, "s2"), "alice"),
		"a' << created ref=2 epoch=2 seq=1 [ada=online]", "* < presence alice online", "a' << message seq=1 ada: early")
	c.did0(c.hears(again))
	c.refused(wire.ErrChannelExists, creates(c.on("x"), c.shows("A", 3, 0, "s3"), "alice"))
	require.True(t, c.master.matches(HashOf("s2")))
	require.False(t, c.master.matches(HashOf("s1")))
}

// The answers tell the epoch, which rises with every attachment.
func TestAnswersTellTheEpoch(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 0)
	c.did0(func() error { return nil })
	u, again := c.on("u"), c.on("u'")
	require.NoError(t, c.Join(c.now, u, c.shows("A", 1, 0, "s1"), "ada", ""))
	require.NoError(t, c.Resume(c.now, again, c.shows("A", 2, 1, "s1"), "ada", 0, 0))
	var epochs []uint64
	for _, e := range c.effects {
		if e.Packet != nil && c.frame(e.Packet).Type == wire.Joined {
			epochs = append(epochs, c.frame(e.Packet).Epoch)
		}
	}
	require.Equal(t, []uint64{1, 2}, epochs)
}

// The id of an instance is in no frame, effect or snapshot as it is.
func TestAnInstanceIsKeptAsAHash(t *testing.T) {
	c, _, _ := heldTable(t)
	require.Equal(t, HashOf("A"), c.Snapshot().Slaves[0].Holder.Instance)
}
