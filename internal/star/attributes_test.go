package star

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// sets is a change without a ref. An empty text removes.
func (c *table) sets(a *Attachment, key, text string) func() error {
	change := AttributeChange{Key: key}
	if text != "" {
		change.Value = textMessage(0, text).Payload
	}
	return func() error { return c.Set(a, change) }
}

func withAttributes(pairs ...string) (all wire.Attributes) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, wire.KeyValue{Key: pairs[i], Value: textMessage(0, pairs[i+1]).Payload})
	}
	return all
}

func (c *table) joinsWith(a *Attachment, name string, attributes wire.Attributes, g Grant) func() error {
	return func() error {
		e := Entry{Ref: 1, Secret: c.fresh(name), Attributes: attributes, Grant: g}
		c.secrets[name] = e.Secret.Text
		return c.Join(c.now, a, e, name, "")
	}
}

// A change has a number among the messages of its direction, and does not lie in the log. The
// master's are told to the audience, a slave's to the master alone.
func TestWhoSeesAttributes(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.did(c.sets(a, "slide", "1"), "* ~ attribute alice slide seq=1 = 1")
	c.did(c.says(a, "look"), "* < message seq=2 alice: look")
	c.did(c.sets(a, "slide", "2"), "* ~ attribute alice slide seq=3 = 2")
	c.did(c.sets(a, "slide", ""), "* ~ attribute alice slide seq=4")
	c.did(c.sets(a, "slide", ""))
	c.did(c.sets(u[1], "hand", "up"), "a ~ attribute user_1 hand seq=1 = up")
	c.did(c.says(u[1], "me"), "a < message seq=2 user_1: me")
	c.did(c.sets(u[2], "hand", "up"), "a ~ attribute user_2 hand seq=3 = up")
	require.Equal(t, 1, c.down.kept())
	require.Equal(t, 1, c.up.kept())
	r, _ := c.Report()
	require.EqualValues(t, 1, r.MasterMessages)
	require.EqualValues(t, 1, r.SlaveMessages)
	c.did(c.leaves(u[1]), "-u1", "a x user_1", "a < presence user_1 left (left)", "u1 < left ref=2", "u1 vacates")
	require.Equal(t, len("hand")+len("up"), c.slavesBytes)
}

// With a ref a change is answered, and once only.
func TestAChangeHasOneAnswer(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 1)
	set := func(ref uint64, key, text string) func() error {
		change := AttributeChange{Ref: ref, Key: key, Value: textMessage(0, text).Payload}
		return func() error { return c.Set(a, change) }
	}
	c.did(set(2, "slide", "1"), "* ~ attribute alice slide seq=1 = 1", "a < ack ref=2 seq=1")
	c.did(set(2, "slide", "1"), "a < ack ref=2 seq=1")
	c.refused(wire.ErrBadFrame, set(2, "slide", "2"))
	c.refused(wire.ErrBadFrame, set(2, "other", "1"))
	c.refused(wire.ErrBadFrame, func() error { return c.Send(a, textMessage(2, "1")) })
	c.refused(wire.ErrBadFrame, set(1, "slide", "2"))
	c.did(func() error { return c.Set(a, AttributeChange{Ref: 3, Key: "never"}) }, "a < ack ref=3")
	require.ErrorIs(t, c.Set(a, AttributeChange{Ref: 4, Key: "x", Refusal: wire.ErrTooLarge}), wire.ErrTooLarge)
	require.ErrorIs(t, c.Set(a, AttributeChange{Ref: 4, Key: "x"}), wire.ErrTooLarge, "the refusal is remembered")
	c.Stop(c.now)
	require.ErrorIs(t, set(5, "slide", "3")(), wire.ErrShuttingDown)
	require.ErrorIs(t, c.Set(a, AttributeChange{Ref: 5, Key: "x", Refusal: wire.ErrTooLarge}), wire.ErrTooLarge)
	require.NotEqual(t, uint64(5), c.master.answers.highest)
}

// Who joins gets the master's attributes behind the answer, also while the master is away, and
// before anything live.
func TestWhoJoinsGetsAttributes(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 0)
	c.did0(c.sets(a, "b", "1"))
	c.did0(c.says(a, "before"))
	c.did0(c.sets(a, "a", "1"))
	u := c.on("u")
	c.did(c.enters(u, "user_1"), "+u", "u < joined alice=online ref=1", "a < presence user_1 online",
		"u ~ attribute alice b seq=1 = 1", "u ~ attribute alice a seq=3 = 1")
	require.Nil(t, c.slaves["user_1"].extras, "nothing is kept of it")
	c.did0(c.lostBy(a))
	v := c.on("v")
	c.did(c.enters(v, "user_2"), "+v", "v < joined alice=away ref=1", "v < presence alice away left=30000ms",
		"v ~ attribute alice b seq=1 = 1", "v ~ attribute alice a seq=3 = 1")
}

// What a slave enters with goes along with its presence. A join without costs nothing.
func TestEnteringWithAttributes(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 0)
	u, v := c.on("u"), c.on("v")
	c.did(c.joinsWith(u, "user_1", withAttributes("hand", "up", "photo", "x"), Grant{}),
		"+u", "u < joined alice=online ref=1", "a < presence user_1 online seq=2 hand = up photo = x")
	c.did(c.joinsWith(v, "user_2", nil, Grant{}), "+v", "v < joined alice=online ref=1", "a < presence user_2 online")
	require.Nil(t, c.slaves["user_2"].extras)
	c.did(c.lostBy(v), "-v", "a < presence user_2 away")
	c.did(c.sets(u, "hand", ""), "a ~ attribute user_1 hand seq=3")

	w := newTable(t, Limits{})
	b := w.on("b")
	e := Entry{Ref: 1, Secret: w.fresh("bob"), Attributes: withAttributes("slide", "1")}
	w.did(func() error { return w.Create(w.now, b, e, "bob", 0) }, "b < created ref=1 epoch=1")
	s := w.on("s")
	w.did(w.enters(s, "user_1"), "+s", "s < joined bob=online ref=1", "b < presence user_1 online", "s ~ attribute bob slide seq=1 = 1")
}

// Of a slave that its master has not heard of, the attributes come behind the list that has
// it, with new numbers: the master knows higher ones than theirs already.
func TestAttributesBehindTheList(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	at := a.Line.(*line)
	at.mark = 0
	v := c.on("v")
	c.did(c.joinsWith(v, "user_2", withAttributes("hand", "up"), Grant{}), "+v", "v < joined alice=online ref=1", "a ...")
	c.did(c.sets(v, "photo", "x"))
	c.did(c.sets(u[1], "hand", "up"), "a ~ attribute user_1 hand seq=3 = up")
	at.mark = -1
	c.Drained(a)
	c.expect("a << members [user_1=online user_2=online]", "a ~ attribute user_2 hand seq=4 = up", "a ~ attribute user_2 photo seq=5 = x")
	c.did(c.sets(v, "photo", "y"), "a ~ attribute user_2 photo seq=6 = y")
}

// A master is told what has changed while it was away, and so is a slave; who does not say
// what it knows is told all.
func TestWhoComesBackIsToldWhatHasChanged(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	for _, key := range []string{"a", "b", "c"} {
		c.did0(c.sets(a, key, "1"))
	}
	c.did0(c.lostBy(u[1]))
	c.did0(c.sets(a, "b", "2"))
	c.did0(c.says(a, "meanwhile"))
	c.did0(c.sets(a, "a", ""))
	c.did0(c.sets(a, "b", "3"))
	resume := func(at *Attachment, last, known uint64) func() error {
		return func() error {
			return c.Resume(c.now, at, Entry{Ref: 2, Secret: given(c.secret("user_1"))}, "user_1", last, known)
		}
	}
	r := c.on("r")
	c.refused(wire.ErrResumeFailed, resume(r, 3, 8))
	c.did(resume(r, 3, 3), "+r", "r < joined alice=online ref=2", "a < presence user_1 online",
		"r << message seq=5 alice: meanwhile", "r ~ attribute alice a seq=6", "r ~ attribute alice b seq=7 = 3")
	c.did0(c.lostBy(r))
	s := c.on("s")
	c.did(resume(s, 6, 0), "+s", "s < joined alice=online ref=2", "s < reset", "a < presence user_1 online",
		"s ~ attribute alice c seq=3 = 1", "s ~ attribute alice a seq=6", "s ~ attribute alice b seq=7 = 3")
	c.did0(c.lostBy(s))
	q := c.on("q")
	c.did(resume(q, 7, 5), "+q", "q < joined alice=online ref=2", "a < presence user_1 online",
		"q ~ attribute alice a seq=6", "q ~ attribute alice b seq=7 = 3")
}

// With more removals than are kept, what there is is told anew.
func TestRemovalsAreBounded(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	c.did0(c.sets(u[1], "stays", "1"))
	for n := range slaveKeys {
		c.did0(c.sets(u[1], fmt.Sprint(n), "x"))
		c.did0(c.sets(u[1], fmt.Sprint(n), ""))
	}
	require.Len(t, c.slaves["user_1"].attributes(), 1+slaveKeys)
	c.did0(c.sets(u[1], "one more", "x"))
	c.did(c.sets(u[1], "one more", ""), "a ~ reset user_1  seq=19", "a ~ attribute user_1 stays seq=20 = 1")
	require.Len(t, c.slaves["user_1"].attributes(), 1)
	require.Equal(t, len("stays1"), c.slavesBytes)
	for n := range 10 * masterKeys {
		c.did0(c.sets(a, fmt.Sprint(n), "x"))
		c.did0(c.sets(a, fmt.Sprint(n), ""))
		require.LessOrEqual(t, len(c.master.attributes()), masterKeys+1)
	}
	c.did(c.leaves(u[1]), "-u1", "a x user_1", "a < presence user_1 left (left)", "u1 < left ref=2", "u1 vacates")
	require.Nil(t, c.up.changes.first, "nothing is left of them")
	require.Zero(t, c.slavesBytes)
}

// Keys, bytes, and those of all slaves together are bounded. What is there can be changed and
// removed all the same.
func TestAttributesAreBounded(t *testing.T) {
	c, a, u := openTable(t, Limits{MaxSlaves: 2000}, 1)
	for n := range masterKeys {
		c.did0(c.sets(a, fmt.Sprint(n), "x"))
	}
	c.refused(wire.ErrAttributesFull, c.sets(a, "one more", "x"))
	c.did0(c.sets(a, "1", "y"))
	c.did0(c.sets(a, "2", ""))
	c.did0(c.sets(a, "one more", "x"))
	c.refused(wire.ErrAttributesFull, c.sets(a, "1", strings.Repeat("x", masterBytes)))
	for n := range slaveKeys {
		c.did0(c.sets(u[1], fmt.Sprint(n), "x"))
	}
	c.refused(wire.ErrAttributesFull, c.sets(u[1], "one more", "x"))
	c.refused(wire.ErrAttributesFull, c.sets(u[1], "1", strings.Repeat("x", slaveBytes)))
	c.did0(c.sets(u[1], "1", strings.Repeat("x", slaveBytes-2*slaveKeys+1)))
	c.refused(wire.ErrAttributesFull, c.sets(u[1], "2", "xx"))

	c.refused(wire.ErrBadFrame, c.sets(a, "", "x"))
	c.refused(wire.ErrBadFrame, c.sets(a, strings.Repeat("x", 65), "x"))
	c.refused(wire.ErrBadFrame, c.sets(a, " x", ""))

	full := withAttributes("k", strings.Repeat("x", slaveBytes-1))
	c.refused(wire.ErrAttributesFull, c.joinsWith(c.on("v"), "large", withAttributes("k", strings.Repeat("x", slaveBytes)), Grant{}))
	c.refused(wire.ErrBadFrame, c.joinsWith(c.on("v"), "bad", withAttributes("", "x"), Grant{}))
	c.refused(wire.ErrForbidden, c.joinsWith(c.on("v"), "fixed", full, Grant{Asked: true, Attributes: full}))
	n := 1
	for ; c.slavesBytes+slaveBytes <= slavesBytes; n++ {
		c.did0(c.joinsWith(c.on("v"), fmt.Sprint("many ", n), full, Grant{}))
	}
	require.Equal(t, slavesBytes/slaveBytes, n)
	c.refused(wire.ErrAttributesFull, c.joinsWith(c.on("v"), "one more", full, Grant{}))
	c.did0(c.enters(c.on("v"), "one more"))
	c.refused(wire.ErrAttributesFull, func() error {
		return newTable(t, Limits{}).Create(noon, a, Entry{Attributes: withAttributes("k", strings.Repeat("x", entryBytes))}, "x", 0)
	})
}

// What the service says of a member is set as it enters, is not the member's to change, and
// changes where the service is asked again.
func TestWhatTheServiceSaysOfAMember(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 0)
	u := c.on("u")
	c.did(c.joinsWith(u, "user_1", withAttributes("hand", "up"), Grant{Asked: true, Attributes: withAttributes("photo", "x", "role", "guest")}),
		"+u", "u < joined alice=online ref=1", "a < presence user_1 online seq=3 hand = up photo = x role = guest")
	c.refused(wire.ErrForbidden, c.sets(u, "role", "admin"))
	c.refused(wire.ErrForbidden, c.sets(u, "role", ""))
	c.did(func() error {
		return c.Refresh(u, 2, Grant{Asked: true, Attributes: withAttributes("hand", "still", "role", "guest")})
	},
		"a ~ attribute user_1 photo seq=4", "a ~ attribute user_1 hand seq=5 = still", "u < ack ref=2")
	c.refused(wire.ErrForbidden, c.sets(u, "hand", "down"))
	c.did(c.sets(u, "photo", "mine"), "a ~ attribute user_1 photo seq=6 = mine")
	c.did(func() error { return c.Refresh(u, 3, Grant{}) }, "u < ack ref=3") // it was not asked
	c.refused(wire.ErrAttributesFull, func() error {
		return c.Refresh(u, 4, Grant{Asked: true, Attributes: withAttributes("k", strings.Repeat("x", slaveBytes))})
	})
	c.did0(c.lostBy(u))
	r := c.on("r")
	e := Entry{Ref: 5, Secret: given(c.secret("user_1")), Grant: Grant{Asked: true}}
	c.did(func() error { return c.Resume(c.now, r, e, "user_1", 0, 0) },
		"a ~ attribute user_1 hand seq=7", "a ~ attribute user_1 role seq=8", "+r", "r < joined alice=online ref=5", "a < presence user_1 online")
	require.Len(t, *attributesOf(c.slaves["user_1"]), 1)
}

// 300 changes evict no message, and cost no slave its place in front of the master.
func TestChangesEvictNoMessage(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 2}}, 1)
	c.did0(c.says(a, "one"))
	c.did0(c.says(u[1], "up"))
	c.did0(c.lostBy(a))
	for n := range 300 {
		c.did0(c.sets(u[1], "typing", fmt.Sprint(n)))
	}
	c.did0(c.says(u[1], "not busy"))
	c.did0(c.says(u[1], "nor this"))
	c.refused(wire.ErrBusy, c.says(u[1], "busy"))
	c.did(c.sets(u[1], "typing", "still")) // never
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 2, "alice", c.secret("alice"), 1) },
		"b << created ref=2 epoch=2 seq=304 [user_1=online]", "* < presence alice online",
		"b << message seq=302 user_1: not busy", "b << message seq=303 user_1: nor this", "b ~ attribute user_1 typing seq=304 = still")
	for n := range 300 {
		c.did0(c.sets(b, "tick", fmt.Sprint(n)))
	}
	require.Equal(t, []uint64{1}, c.down.numbers(0))
	require.Zero(t, c.down.lost)
}

// A master whose slaves have much is fed it in parts, and a slave gets it at once, however
// little of the messages is kept.
func TestManyAttributesAreFedToAMaster(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 0)
	full := withAttributes("k", strings.Repeat("x", slaveBytes-1))
	for n := range 32 {
		c.did0(c.joinsWith(c.on("v"), fmt.Sprintf("user_%02d", n), full, Grant{}))
	}
	c.did0(c.lostBy(a))
	b := c.on("b")
	c.did0(func() error { return c.resume(c.now, b, 2, "alice", c.secret("alice"), 0) })
	parts, got := 0, 0
	for ; b.catchingUp; parts++ {
		c.Drained(b)
		bytes := 0
		for _, e := range c.TakeEffects(nil) {
			if e.Kind == Tell {
				bytes += len(c.frame(e.Packet).Payload.Data)
				got++
			}
		}
		require.LessOrEqual(t, bytes, feedBytes)
	}
	require.Equal(t, 32, got)
	require.Equal(t, 3, parts)

	d, m, u := openTable(t, Limits{Replay: Bound{Messages: -1}}, 1)
	d.did0(d.sets(m, "slide", strings.Repeat("x", masterBytes-10)))
	d.did0(d.sets(u[1], "photo", strings.Repeat("x", slaveBytes-20)))
	d.did0(d.sets(u[1], "hand", "up"))
	v := d.on("v")
	d.did0(d.enters(v, "user_2"))
	require.False(t, v.catchingUp)
	d.did0(d.lostBy(m))
	n := d.on("n")
	d.did0(func() error { return d.resume(d.now, n, 2, "alice", d.secret("alice"), 0) })
	require.False(t, n.catchingUp, "where nothing is kept, what is sent meanwhile would be lost")
}

// A number that a change has is skipped in the log, over a snapshot and an export too, and a log
// from which something is missing is not taken.
func TestSparseLogs(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 2}}, 1)
	for n := range 3 {
		c.did0(c.sets(a, "tick", fmt.Sprint(n)))
		c.did0(c.says(a, "x"))
		c.did0(c.says(u[1], "x"))
	}
	c.did0(c.sets(a, "tick", "last"))
	require.Equal(t, []uint64{4, 6}, c.down.numbers(0))
	require.Equal(t, []uint64{6}, c.down.numbers(4))
	require.Equal(t, []uint64{6}, c.down.numbers(5))
	require.EqualValues(t, 2, c.down.lost)
	s := c.Snapshot()
	require.Equal(t, []uint64{7, 2, 1, 1, 1, 1}, []uint64{s.Down.Newest, s.Down.Lost, s.Down.Skipped, s.Down.Kept[0].Skipped, s.Down.Kept[1].Skipped, s.Down.SkippedAfter})
	restored, err := Restore(s, c.limits, c.now, func(wire.Role, string) *Attachment { return nil })
	require.NoError(t, err)
	require.Equal(t, s.Down, restored.Snapshot().Down)
	for _, broken := range []func(s *Snapshot){
		func(s *Snapshot) { s.Down.Kept[0].Skipped = 0 },
		func(s *Snapshot) { s.Down.SkippedAfter = 2 },
		func(s *Snapshot) { s.Master.Attributes[0].Seq = 8 },
		func(s *Snapshot) { s.Master.Attributes[0].Seq = 0 },
		func(s *Snapshot) {
			s.Master.Attributes = append(s.Master.Attributes, AttributeSnapshot{Key: "tick", Seq: 3})
		},
		func(s *Snapshot) { s.Master.Attributes[0].Key = "" },
	} {
		s := c.Snapshot()
		broken(&s)
		_, err := Restore(s, c.limits, c.now, func(wire.Role, string) *Attachment { return nil })
		require.Error(t, err)
	}
}

// The loss of a message is told where attributes are fed beside messages, and once.
func TestAGapBesideAttributes(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 2}}, 1)
	c.did0(c.lostBy(u[1]))
	c.did0(c.sets(a, "slide", "1"))
	for range 3 {
		c.did0(c.says(a, large))
	}
	r := c.on("r")
	c.did(func() error { return c.resume(c.now, r, 2, "user_1", c.secret("user_1"), 0) },
		"r < joined alice=online ref=2", "r < reset", "a < presence user_1 online", "r ...")
	c.feeds(r, "r < gap seq=2 missed=2", "r ~ attribute alice slide seq=1 = 1", "3", "4", "+r")
}
