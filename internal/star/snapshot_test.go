package star

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// Restored from its snapshot at any point, a channel goes on exactly as the
// original: what one decides, the other decides.
func TestSnapshotGoesOn(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			playTwice(t, rand.New(rand.NewPCG(seed, 11)))
		})
	}
}

// twin is a channel and the one that was restored from its snapshot, with the
// attachments that both have.
type twin struct {
	original, restored *table
	random             *rand.Rand
	// attachments are by their tags, which are the same in both.
	tags        []string
	attachments map[string][2]*Attachment
	names       []string
	ref         uint64
	// hubs are those at which connections are, where that matters.
	hubs []*Hub
	// rosters: some want lists in pages, or counts.
	rosters bool
}

func playTwice(t *testing.T, random *rand.Rand) {
	g := &twin{
		original: newTable(t, randomLimits(random)), random: random, attachments: map[string][2]*Attachment{},
		names: []string{"alice", "bob", "carol", "dave", "erin", "frank"}, hubs: []*Hub{nil, {1}, {2, 9}},
	}
	g.restore()
	for step := range 250 {
		if random.IntN(12) == 0 {
			g.restore()
		}
		what := g.move()
		require.Equal(t, g.original.written(), g.restored.written(), "after step %d, %s", step, what)
	}
}

func randomLimits(random *rand.Rand) Limits {
	return Limits{
		MasterTimeout: []time.Duration{xMaster, 3 * time.Second, -1}[random.IntN(3)],
		SlaveTimeout:  []time.Duration{xSlave, time.Second, -1}[random.IntN(3)],
		MaxSlaves:     3 + random.IntN(3), Counted: true, Page: random.IntN(3),
		Replay: Bound{Messages: []int{-1, 1, 3, 100}[random.IntN(4)], Bytes: []int{1, 300, 1 << 20}[random.IntN(3)]},
	}
}

// written is the channel's snapshot, written down.
func (c *table) written() string { return written(c.t, c.Snapshot()) }

func written(t testing.TB, s Snapshot) string {
	written, err := json.Marshal(s)
	require.NoError(t, err)
	return string(written)
}

// restore makes the restored one anew, by way of what is written down.
func (g *twin) restore() {
	t := g.original.t
	before := g.original.snapshot()
	written := g.original.written()
	require.Equal(t, before, g.original.snapshot(), "to look changes nothing")
	var s Snapshot
	require.NoError(t, json.Unmarshal([]byte(written), &s))
	var err error
	g.restored = &table{t: t, now: g.original.now, tags: map[*Attachment]string{}, secrets: g.original.secrets}
	current := map[string][2]*Attachment{}
	g.restored.Channel, err = Restore(s, g.original.limits, g.original.now, func(_ wire.Role, username string) *Attachment {
		for tag, pair := range g.attachments {
			if at := pair[0]; at.current() && at.Username() == username {
				twin := &Attachment{Line: at.Line, Hub: at.Hub}
				if at.Role() == wire.Master {
					twin.Line = &continued{line: at.Line.(*line), before: g.original.accepted, told: g.original.told}
				}
				g.restored.tags[twin] = tag
				current[tag] = [2]*Attachment{at, twin}
				return twin
			}
		}
		return nil
	})
	require.NoError(t, err)
	g.restored.inherited = g.original.inherited
	for _, e := range g.restored.TakeEffects(nil) {
		require.Contains(t, []EffectKind{Admit, AwaitDrain}, e.Kind)
	}
	require.Equal(t, written, g.restored.written())
	// Connections without a membership do not outlive a channel's process.
	g.attachments = current
	g.tags = slices.Sorted(maps.Keys(current))
}

// continued is a line on which messages were accepted before the attachment that has it
// now: a restored channel counts from zero.
type continued struct {
	*line
	before, told Load
}

func (l *continued) Behind(notices int, accepted, told Load) bool {
	return l.line.Behind(notices, accepted, Load{Messages: l.told.Messages + told.Messages, Bytes: l.told.Bytes + told.Bytes})
}

func (l *continued) Full(size int, accepted Load) bool {
	return l.line.Full(size, Load{Messages: l.before.Messages + accepted.Messages, Bytes: l.before.Bytes + accepted.Bytes})
}

func (g *twin) pick(from []string) string { return from[g.random.IntN(len(from))] }

// move has both do the same, at the same time, and compares what comes of it.
func (g *twin) move() string {
	if g.random.IntN(4) == 0 {
		g.original.now = g.original.now.Add(time.Duration(g.random.Int64N(int64(5 * time.Second))))
		g.restored.now = g.original.now
	}
	what, transition := g.transition()
	var errs [2]error
	var lines [2][]string
	for i, c := range []*table{g.original, g.restored} {
		c.Expire(c.now)
		errs[i] = transition(c, i)
		for _, e := range c.TakeEffects(nil) {
			switch e.Kind {
			case Changed:
				change := e.Change()
				change.Number = 0 // each counts its own
				lines[i] = append(lines[i], fmt.Sprintf("change %+v", change))
			case Count:
				lines[i] = append(lines[i], fmt.Sprint("count ", e.Metric, " ", e.Text, " ", e.Delta))
			default:
				lines[i] = append(lines[i], c.line(e))
			}
		}
		due, ok := c.Due()
		lines[i] = append(lines[i], fmt.Sprint("due ", due.UnixNano(), ok))
	}
	require.Equal(g.original.t, errs[0], errs[1], what)
	require.Equal(g.original.t, lines[0], lines[1], what)
	return what
}

// transition is what is done next: to the original, which has the attachments of
// number 0, and to the restored one.
func (g *twin) transition() (what string, do func(c *table, which int) error) {
	name := g.pick(g.names)
	if g.random.IntN(3) > 0 {
		g.ref++
	}
	ref := g.ref
	number := uint64(g.random.IntN(12))
	if newest := max(g.original.down.newest, g.original.up.newest); newest > 12 && g.random.IntN(2) == 0 {
		number += newest - 10 // numbers may have been passed over
	}
	secret := given(g.original.secrets[name])
	entry := Entry{Ref: ref, Secret: secret, Epoch: uint64(g.random.IntN(4))}
	if g.rosters { // how far a list has come is in no snapshot: who goes on from one begins it anew
		entry.Roster = wire.Roster(g.random.IntN(3))
	}
	if one := g.random.IntN(4); one > 0 {
		entry.Instance = HashOf(fmt.Sprint("instance ", one))
	}
	if g.random.IntN(3) == 0 {
		entry.Grant = Grant{Asked: true, TakeOver: g.random.IntN(4) == 0, Data: []byte("the service's")}
		if g.random.IntN(3) == 0 {
			entry.Grant.Attributes = g.attributes(2)
		}
		if g.random.IntN(2) == 0 {
			entry.Grant.Expires = g.original.now.Add(time.Duration(g.random.IntN(20)) * time.Second)
		}
	}
	if g.random.IntN(4) == 0 {
		entry.Attributes = g.attributes(3)
	}
	if g.random.IntN(4) == 0 || len(g.tags) == 0 {
		_, pair := g.connect()
		switch g.random.IntN(5) {
		case 0:
			g.original.secrets[name] = fmt.Sprint("secret ", ref, name)
			entry.Secret = given(g.original.secrets[name])
			if g.random.IntN(2) == 0 {
				entry.Terms = &Terms{MaxSlaves: g.random.IntN(4), MasterTimeout: time.Second, HasMasterTimeout: true}
			}
			return "create", func(c *table, i int) error {
				return c.Create(c.now, pair[i], entry, name, 2*time.Second)
			}
		case 1, 2:
			entry.Secret = given(fmt.Sprint("secret ", ref, name))
			return "join", func(c *table, i int) error {
				err := c.Join(c.now, pair[i], entry, name, "")
				if err == nil {
					c.secrets[name] = entry.Secret.Text
				}
				return err
			}
		}
		if m := g.original.master; g.original.life == open && m.unshown() && g.random.IntN(2) == 0 {
			return g.resumeFormer(pair, m, ref, number, entry)
		}
		return "resume", func(c *table, i int) error { return c.Resume(c.now, pair[i], entry, name, number, number) }
	}
	if g.random.IntN(20) == 0 || len(g.original.requests) > 0 && g.random.IntN(6) == 0 {
		return g.ahead(entry, name)
	}
	pair := g.attachments[g.pick(g.tags)]
	msg := textMessage(ref, "x")
	msg.Payload.Data = make([]byte, g.random.IntN(100))
	switch g.random.IntN(4) {
	case 0:
		msg.To, msg.HasTo = name, true
	case 1:
		msg.Ref = 0
	}
	if g.random.IntN(3) == 0 {
		msg.Topic = g.pick([]string{"slide", "hand"})
	}
	if g.random.IntN(3) == 0 {
		msg = lasting(g.original, msg, time.Duration(1+g.random.IntN(15))*time.Second)
	}
	switch g.random.IntN(5) {
	case 0:
		msg.Asks = true
	case 1:
		msg.ReplyTo = number
	case 2:
		if open := g.original.requests; len(open) > 0 {
			msg.ReplyTo = open[g.random.IntN(len(open))].seq
		}
	}
	if len(g.hubs) > 0 && g.random.IntN(12) == 0 {
		return g.aroundHubs()
	}
	if g.random.IntN(5) == 0 {
		return g.aroundHandOvers(pair, name, ref, number, entry)
	}
	switch g.random.IntN(44) {
	case 41, 42:
		on := number%3 > 0
		return "mute", func(c *table, i int) error { return c.Mute(pair[i], ref, name, true, on) }
	case 43:
		return "mute all", func(c *table, i int) error { return c.Mute(pair[i], ref, "", false, number%2 == 0) }
	case 33, 34, 35, 36, 37, 38, 39:
		change := AttributeChange{Ref: msg.Ref, Key: fmt.Sprint("key ", g.random.IntN(20)), Value: msg.Payload}
		if g.random.IntN(2) == 0 {
			change.Value = wire.Payload{}
		}
		return "set", func(c *table, i int) error { return c.Set(pair[i], change) }
	case 40:
		return "speak", func(c *table, _ int) error {
			_, _, err := c.Speak(msg)
			return err
		}
	case 31:
		return "refresh", func(c *table, i int) error { return c.Refresh(pair[i], ref, entry.Grant) }
	case 32:
		return "revoke", func(c *table, i int) error { c.Revoke(pair[i], entry, name, "why"); return nil }
	case 28, 29, 30:
		return "confirm", func(c *table, i int) error {
			_, err := c.Confirm(pair[i], number)
			return err
		}
	case 14, 15:
		if out, ok := pair[0].Line.(*line); ok { // both have the line
			out.taken += g.random.IntN(3)
		}
		return "drained", func(c *table, i int) error { c.Drained(pair[i]); return nil }
	case 0:
		return "leave", func(c *table, i int) error { return c.Leave(c.now, pair[i], ref) }
	case 1, 2, 3:
		return "lose", func(c *table, i int) error { c.Lose(c.now, pair[i]); return nil }
	case 4:
		return "away", func(c *table, i int) error { return c.Away(c.now, pair[i], ref) }
	case 5:
		return "back", func(c *table, i int) error { return c.Back(c.now, pair[i], ref) }
	case 6:
		return "kick", func(c *table, i int) error { return c.Kick(pair[i], ref, name, number == 0, "why") }
	case 7:
		return "members", func(c *table, i int) error { return c.Members(pair[i], ref, Page{}) }
	case 8:
		return "withdraw", func(c *table, i int) error { return c.Withdraw(pair[i], ref, number) }
	case 9:
		return "awaiting", func(c *table, i int) error { return c.Awaiting(pair[i], ref, number, Page{}) }
	case 10:
		return "again", func(c *table, i int) error { return c.RepeatJoin(c.now, pair[i], entry) }
	case 11:
		return "remove", func(c *table, _ int) error { return c.Remove(name, number == 0, "service") }
	case 12:
		if number == 0 {
			return "stop", func(c *table, _ int) error { c.Stop(c.now); return nil }
		}
	case 13:
		if number == 0 {
			return "close", func(c *table, _ int) error { c.Close("service"); return nil }
		}
	}
	return "send", func(c *table, i int) error { return c.Send(pair[i], msg) }
}

// A snapshot shares nothing with the channel that it is of.
func TestSnapshotIsDeep(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	data := []byte("x")
	msg := asking(2, "")
	msg.Payload.Data = data
	require.NoError(t, c.Send(a, msg))
	require.NoError(t, c.Send(u[1], asking(2, "")))
	require.ErrorIs(t, c.Send(u[1], messageTo(3, "user_2", "psst")), wire.ErrForbidden)
	c.Lose(c.now, u[2])
	require.NoError(t, c.Kick(a, 9, "nobody", true, ""))
	s := c.Snapshot()
	written, err := json.Marshal(s)
	require.NoError(t, err)

	data[0] = 'y'
	require.NoError(t, c.Send(u[1], replying("", 1)))
	require.NoError(t, c.Leave(c.now, u[1], 0))
	require.NoError(t, c.Leave(c.now, a, 0))
	after, err := json.Marshal(s)
	require.NoError(t, err)
	require.Equal(t, string(written), string(after))
}

// Who was on a connection that is not there any more is away from then on, for as
// long as after any loss (rule 3).
func TestRestoredWithoutConnections(t *testing.T) {
	c, _, u := openTable(t, Limits{}, 2)
	c.Lose(c.now, u[2])
	later := c.now.Add(7 * time.Second)
	restored, err := Restore(c.Snapshot(), c.limits, later, func(wire.Role, string) *Attachment { return nil })
	require.NoError(t, err)
	r := &table{Channel: restored, t: t, now: later, tags: map[*Attachment]string{}, secrets: c.secrets}
	require.Empty(t, r.effects, "nobody is attached")
	require.Equal(t, "status exists=true alice=away ref=1 left=30000ms", frameLine(r.Status(r.now, 1)))
	due, ok := r.Due()
	require.True(t, ok)
	require.Equal(t, noon.Add(xSlave), due, "who was away before is due when it was")
	r.now = due
	r.did(func() error { return nil })
	r.now = later.Add(xSlave - 1)
	b := r.on("b")
	r.did(func() error { return r.resume(r.now, b, 2, "user_1", r.secret("user_1"), 0) },
		"+b", "b < joined alice=away ref=2", "b < presence alice away left=10001ms")
	r.now = later.Add(xMaster)
	r.did(func() error { return nil }, "* ! master_down: the master was away for 30s", "forget")
}

func TestSnapshotThatDoesNotFit(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	require.NoError(t, c.Send(a, asking(2, "user_1")))
	c.Lose(c.now, u[2])
	tests := []struct {
		what   string
		change func(s *Snapshot)
		says   string
	}{
		{"a name twice", func(s *Snapshot) { s.Slaves = append(s.Slaves, s.Slaves[0]) }, `two members are named "user_1"`},
		{"a slave with its master's name", func(s *Snapshot) { s.Slaves[0].Name = "alice" }, `two members are named "alice"`},
		{"a request to nobody", func(s *Snapshot) { s.Requests[0].To = "user_3" }, `request 1 is to "user_3", who is no slave`},
		{"an answer to a request to one", func(s *Snapshot) { s.Requests[0].Answered = []string{"user_1"} }, `request 1 is to "user_1", who is no slave or has answered`},
		{"an answer of nobody", func(s *Snapshot) { s.Requests[0].To, s.Requests[0].Answered = "", []string{"alice"} }, `request 1 is answered by "alice", who is no slave`},
		{"one away who is not there", func(s *Snapshot) { s.Away = []string{"user_3"} }, `"user_3" is away`},
		{"one away twice", func(s *Snapshot) { s.Away = []string{"user_2", "user_2"} }, `"user_2" is away`},
		{"one away twice, behind another", func(s *Snapshot) { s.Away = []string{"user_1", "user_2", "user_2"} }, `"user_2" is away`},
		{"one away and on a connection", func(s *Snapshot) { s.Slaves[1].Attached = true }, `"user_2" is both on a connection and away, or neither`},
		{"one neither away nor on a connection", func(s *Snapshot) { s.Away = nil }, `"user_2" is both on a connection and away, or neither`},
		{"a master who is nowhere", func(s *Snapshot) { s.Master.Attached = false }, `its master is neither on a connection nor away`},
		{"a request that awaits nobody", func(s *Snapshot) { s.Requests[0].Awaited = 0 }, `request 1 awaits 0 answers, but 1 can come`},
		{"a request to all that awaits more than there are", func(s *Snapshot) { s.Requests[0].To, s.Requests[0].Awaited = "", 3 }, `request 1 awaits 3 answers, but 2 can come`},
		{"a request that all have answered", func(s *Snapshot) {
			s.Requests[0] = RequestSnapshot{Seq: 1, Answered: []string{"user_1", "user_2"}}
		}, `request 1 awaits 0 answers, but 0 can come`},
		{"a request twice", func(s *Snapshot) { s.Requests = append(s.Requests, s.Requests[0]) }, `request 1 is listed twice`},
		{"a request that was never sent", func(s *Snapshot) { s.Requests[0].Seq = 2 }, `request 2 is listed twice, out of order, or was never sent`},
		{"a number that was not given", func(s *Snapshot) { s.Slaves[1].Number = 3 }, `"user_2" has the number 3 of 2`},
		{"a number that is none", func(s *Snapshot) { s.Slaves[1].Number = 0 }, `"user_2" has the number 0 of 2`},
		{"an exception twice", func(s *Snapshot) { s.Exceptions = []string{"user_2", "eve", "user_2"} }, `"user_2" is muted, or not, as an exception twice`},
		{"a number twice", func(s *Snapshot) { s.Slaves[1].Number = 1 }, `two slaves have one number`},
		{"a message that is missing", func(s *Snapshot) { s.Down.Kept = nil }, `messages 1 to 1 are kept, but there are 0`},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			s := c.Snapshot()
			test.change(&s)
			_, err := Restore(s, c.limits, c.now, func(wire.Role, string) *Attachment { return nil })
			require.ErrorContains(t, err, `star: snapshot of "abc123": `)
			require.ErrorContains(t, err, test.says)
		})
	}
}

// A request to one slave is not one to all, and who has answered does not answer
// again.
func TestRestoredRequests(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 3)
	require.NoError(t, c.Send(a, asking(0, "user_1")))
	require.NoError(t, c.Send(a, asking(0, "")))
	require.NoError(t, c.Send(u[2], replying("", 2)))
	at := map[string]*Attachment{"alice": c.on("a'"), "user_1": c.on("u1'"), "user_2": c.on("u2'"), "user_3": c.on("u3'")}
	restored, err := Restore(c.Snapshot(), c.limits, c.now, func(_ wire.Role, username string) *Attachment { return at[username] })
	require.NoError(t, err)
	r := &table{Channel: restored, t: t, now: c.now, tags: c.tags, secrets: c.secrets}
	r.expect("+u1'", "+u2'", "+u3'")
	r.refused(wire.ErrNoSuchRequest, func() error { return r.Send(at["user_2"], replying("", 1)) })
	r.refused(wire.ErrNoSuchRequest, func() error { return r.Send(at["user_2"], replying("", 2)) })
	r.did(func() error { return r.Awaiting(at["alice"], 5, 1, Page{}) }, "a' < awaiting ref=5 [user_1=online] request=1")
	r.did(func() error { return r.Awaiting(at["alice"], 6, 2, Page{}) }, "a' < awaiting ref=6 [user_1=online user_3=online] request=2")
}

// A master that had declared itself away has no more time because its process
// ended, and only who was on a connection is asked for one.
func TestRestoredMasterThatWasAway(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	require.NoError(t, c.Away(c.now, a, 0))
	c.Lose(c.now, u[1])
	s := c.Snapshot()
	asked := []string{}
	restored, err := Restore(s, c.limits, c.now.Add(5*time.Second), func(_ wire.Role, username string) *Attachment {
		asked = append(asked, username)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"alice", "user_2"}, asked)
	require.Equal(t, noon.Add(xMaster), restored.master.deadline)

	c.Lose(c.now, a)
	asked = nil
	_, err = Restore(c.Snapshot(), c.limits, c.now, func(_ wire.Role, username string) *Attachment {
		asked = append(asked, username)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"user_2"}, asked)
}

// What one who has left was sent is not for who has its name now.
func TestRestoredMessagesOfOneWhoHasLeft(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 1}}, 1)
	require.NoError(t, c.Send(a, messageTo(0, "user_1", "x")))
	require.NoError(t, c.Leave(c.now, u[1], 0))
	again := c.on("u1'")
	require.NoError(t, c.join(c.now, again, 1, "user_1", ""))
	at := map[string]*Attachment{"alice": c.on("a'"), "user_1": c.on("u1''")}
	restored, err := Restore(c.Snapshot(), c.limits, c.now, func(_ wire.Role, username string) *Attachment { return at[username] })
	require.NoError(t, err)
	require.NoError(t, c.Send(a, textMessage(0, "y")))
	require.NoError(t, restored.Send(at["alice"], textMessage(0, "y")))
	require.Equal(t, c.Snapshot(), restored.Snapshot())
	require.Zero(t, restored.slaves["user_1"].lostPrivate)
}

// Under a shorter SlaveTimeout, who is away from now on may be due before who was away
// already.
func TestRestoredUnderAnotherSlaveTimeout(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 3)
	c.Lose(c.now, u[2])
	limits := *c.limits
	limits.SlaveTimeout = time.Second
	at := c.on("a'")
	restored, err := Restore(c.Snapshot(), &limits, c.now, func(role wire.Role, _ string) *Attachment {
		if role == wire.Master {
			return at
		}
		return nil
	})
	require.NoError(t, err)
	require.NotSame(t, a, at)
	r := &table{Channel: restored, t: t, now: c.now, tags: c.tags, secrets: c.secrets}
	due, ok := r.Due()
	require.True(t, ok)
	require.Equal(t, noon.Add(time.Second), due)
	r.now = due
	r.did(func() error { return nil }, "a' < presence user_1 left (timeout)", "a' < presence user_3 left (timeout)")
	due, ok = r.Due()
	require.True(t, ok)
	require.Equal(t, noon.Add(xSlave), due)
}

// What was accepted for the master's connection before is not on its way to the next
// one, and nothing is shared with the snapshot.
func TestRestoredWithNothingOnItsWay(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	a.Line.(*line).room = 5
	for range 5 {
		require.NoError(t, c.Send(u[1], textMessage(0, "x")))
	}
	require.ErrorIs(t, c.Send(u[1], textMessage(2, "x")), wire.ErrBusy)
	s := c.Snapshot()
	at := map[string]*Attachment{"alice": c.on("a'"), "user_1": c.on("u1'")}
	at["alice"].Line.(*line).room = 1
	restored, err := Restore(s, c.limits, c.now, func(_ wire.Role, username string) *Attachment { return at[username] })
	require.NoError(t, err)
	require.NoError(t, restored.Send(at["user_1"], textMessage(0, "x")))
	require.ErrorIs(t, restored.Send(at["user_1"], textMessage(0, "x")), wire.ErrBusy)
	s.Slaves[0].Answers[0].Refusal.Text = "changed"
	require.ErrorContains(t, restored.Send(at["user_1"], textMessage(2, "x")), "the master does not keep up")
}
