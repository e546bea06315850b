package star

import (
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

var recordGames = flag.Int("recordgames", 200, "how many random games of records TestRecordsAreTheChannel and TestWhoTakesOverGoesOn play")

// recording is a game on a channel that records, and on one to which its records are applied.
type recording struct {
	*twin
	applied *Channel
	// group are the records that were not applied yet, and all those that ever were.
	group, all []Record
}

func recordingGame(t *testing.T, random *rand.Rand) *recording {
	g := &recording{twin: &twin{
		original: newTable(t, randomLimits(random)), random: random, attachments: map[string][2]*Attachment{},
		names: []string{"alice", "bob", "carol", "dave", "erin", "frank"}, hubs: []*Hub{nil, {1}, {2, 9}}, rosters: true,
	}}
	g.restored = g.original
	g.original.Record(true)
	g.copies()
	return g
}

// copies has the records be applied to a copy of the channel from now on.
func (g *recording) copies() {
	c := g.original
	var err error
	if c.life == open && g.random.IntN(2) == 0 {
		i := NewImport(c.limits, anyPayload, 0)
		i.Elsewhere()
		for _, part := range c.parts() {
			require.NoError(c.t, i.Add(part))
		}
		g.applied, err = i.Finish()
	} else {
		g.applied, err = Restore(c.Snapshot(), c.limits, c.now, nil)
	}
	require.NoError(c.t, err)
	require.Empty(g.original.t, g.applied.effects)
	g.holds("a copy")
}

// holds compares all of the two channels but times.
func (g *recording) holds(what string) {
	t := g.original.t
	if g.original.life == vacant { // it is to follow one that has ended
		require.False(t, g.applied.Exists(), what)
		return
	}
	expected, got := written(t, timeless(g.original.Snapshot())), written(t, timeless(g.applied.Snapshot()))
	if expected != got {
		at := 0
		for at < min(len(expected), len(got)) && expected[at] == got[at] {
			at++
		}
		at = max(at-300, 0)
		require.Failf(t, "they differ", "%s\n%s\n%s", what, expected[at:min(at+600, len(expected))], got[at:min(at+600, len(got))])
	}
}

// timeless is the snapshot without the times that are in no record: when the hub was stopped, until
// when it waits for who is away, and in which order, until when an entry can be repeated, and when bytes that were given
// twice are forgotten.
func timeless(s Snapshot) Snapshot {
	s.Stopped = time.Time{}
	s.Away = slices.Sorted(slices.Values(s.Away)) // they are in the order of their times
	members := []*MemberSnapshot{&s.Master}
	for i := range s.Slaves {
		members = append(members, &s.Slaves[i])
	}
	for _, m := range members {
		m.Deadline, m.Repaid, m.Repeatable = time.Time{}, 0, min(m.Repeatable, 1)
		if m.Handed != nil {
			m.Handed.Repeatable = min(m.Handed.Repeatable, 1)
		}
	}
	return s
}

// step has the original do something, and keeps its records.
func (g *recording) step() string {
	what := g.next()
	g.takes()
	return what
}

// next is step, but for its records.
func (g *recording) next() string {
	c := g.original
	if g.random.IntN(4) == 0 {
		c.now = c.now.Add(time.Duration(g.random.Int64N(int64(5 * time.Second))))
	}
	if c.Ended() && g.random.IntN(3) == 0 {
		c.Channel = New(c.name, c.limits)
		c.CountFrom(uint64(g.random.Uint32()))
		c.Record(true)
		g.tags, g.attachments = nil, map[string][2]*Attachment{}
	}
	what, transition := g.transition()
	switch g.random.IntN(120) {
	case 0:
		what, transition = g.manyRemovals()
	case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14:
		what, transition = g.atTheDoor()
	}
	c.Expire(c.now)
	_ = transition(c, 0)
	return what
}

func (g *recording) takes() {
	for _, e := range g.original.TakeEffects(nil) {
		if e.Kind != Keep {
			continue
		}
		for _, secret := range g.original.secrets {
			require.False(g.original.t, secret != "" && strings.Contains(e.Text, secret), "a secret is in a record")
		}
		g.group = append(g.group, e.Record())
	}
}

// applies applies what was not applied yet, as one group, as whoever writes it down may fold it.
func (g *recording) applies() {
	before := append([]Record(nil), g.group...)
	if g.random.IntN(2) == 0 {
		g.group = Fold(g.group)
	}
	g.all = append(g.all, g.group...)
	for _, r := range g.group {
		require.NoError(g.original.t, g.applied.Apply(r), "record %x of %x", string(r), before)
		require.Empty(g.original.t, g.applied.effects)
	}
	g.group = nil
}

// manyRemovals has a member set and remove more keys than are remembered as removed.
func (g *recording) manyRemovals() (what string, do func(c *table, which int) error) {
	return "many removals", func(c *table, _ int) error {
		for _, tag := range g.tags {
			at := g.attachments[tag][0]
			if !at.current() {
				continue
			}
			for i := range c.keys(at.member) + 2 {
				key := fmt.Sprint("short-lived ", i)
				_ = c.Set(at, AttributeChange{Key: key, Value: textMessage(0, "x").Payload})
				_ = c.Set(at, AttributeChange{Key: key})
			}
		}
		return nil
	}
}

// atTheDoor is a move at the door, where somebody may wait.
func (g *recording) atTheDoor() (what string, do func(c *table, which int) error) {
	c := g.original
	if c.life != open || c.master.attachment == nil {
		return "no door", func(*table, int) error { return nil }
	}
	name, number, by := g.pick(g.names), c.knocks(), c.master.attachment
	switch g.random.IntN(6) {
	case 0:
		mode := []wire.Door{wire.DoorOpen, wire.DoorKnock, wire.DoorLocked}[g.random.IntN(3)]
		return "door", func(c *table, _ int) error { return c.SetDoor(c.now, by, 0, mode) }
	case 1, 2:
		_, pair := g.connect()
		g.ref++
		secret := fmt.Sprint("knocks ", g.ref)
		e := Entry{Ref: g.ref, Secret: given(secret), Attributes: g.attributes(1)}
		return "knock", func(c *table, i int) error {
			c.secrets[name] = secret
			return c.Knock(c.now, pair[i], e, name, "")
		}
	case 3:
		return "deny", func(c *table, _ int) error { return c.Deny(by, 0, number, "") }
	}
	return "admit", func(c *table, _ int) error { return c.Admit(c.now, by, 0, number) }
}

// A channel that was restored from a snapshot is the channel as it is, after all records since then:
// at each step of a random game of all transitions, or where a group of records has several steps, at
// the end of it.
func TestRecordsAreTheChannel(t *testing.T) {
	for seed := range uint64(*recordGames) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 23))
			g := recordingGame(t, random)
			long := random.IntN(4) == 0
			for range 250 {
				what := g.step()
				if long && random.IntN(8) > 0 {
					continue
				}
				g.applies()
				g.holds(what)
				if random.IntN(40) == 0 {
					g.copies()
				}
			}
		})
	}
}

// Who takes a channel over to which records were applied decides, and records, what the other one
// would have, with everybody on the same connections, from the same times on.
func TestWhoTakesOverGoesOn(t *testing.T) {
	for seed := range uint64(*recordGames) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 29))
			g := recordingGame(t, random)
			g.rosters = false // who takes over begins lists and counts anew
			for range 6 {
				g.restored = g.original
				g.copies()
				for range random.IntN(40) {
					what := g.step()
					g.applies()
					g.holds(what)
				}
				g.takeOver()
				for step := range random.IntN(30) {
					what := g.move()
					require.Equal(t, g.original.written(), g.restored.written(), "after step %d, %s", step, what)
				}
			}
		})
	}
}

// takeOver makes the restored one of the channel to which records were applied.
func (g *recording) takeOver() {
	c := g.original
	if c.life == vacant {
		g.copies()
		g.applied.CountFrom(c.joins)
	}
	if c.door != nil { // who waits there is not taken over
		c.clearDoor(wire.ErrShuttingDown)
		c.door.stale, c.door.over = false, nil
		g.takes()
		g.applies()
	}
	g.restored = &table{Channel: g.applied, t: c.t, now: c.now, tags: map[*Attachment]string{}, secrets: c.secrets}
	current := map[string][2]*Attachment{}
	g.applied.TakeOver(c.now, func(_ wire.Role, username string, hub Hub) *Attachment {
		for tag, pair := range g.attachments {
			at := pair[0]
			if !at.current() || at.Username() != username {
				continue
			}
			twin := &Attachment{Line: at.Line, Hub: at.Hub}
			if at.Role() == wire.Master {
				twin.Line = &continued{line: at.Line.(*line), before: c.accepted, told: c.Channel.told}
			}
			if at.Hub == nil {
				require.Zero(c.t, hub)
			} else {
				require.Equal(c.t, *at.Hub, hub)
			}
			g.restored.tags[twin] = tag
			current[tag] = [2]*Attachment{at, twin}
			return twin
		}
		require.Fail(c.t, "nobody is on a connection of "+username)
		return nil
	})
	for _, e := range g.applied.TakeEffects(nil) {
		require.Contains(c.t, []EffectKind{Admit, AwaitDrain}, e.Kind)
	}
	g.attachments, g.tags = current, slices.Sorted(maps.Keys(current))
	g.holds("taken over")
	sameTimes(g.applied, c.Channel)
	g.applied.Record(true)
}

// sameTimes has the times of a channel be those of another one that has the same members.
func sameTimes(to, from *Channel) {
	to.stopped, to.inherited = from.stopped, from.inherited
	if from.life != open {
		return
	}
	same := func(to, from *member) {
		to.deadline, to.repeatable = from.deadline, from.repeatable
		if repaid := from.extra().repaid; repaid != 0 {
			to.needExtras().repaid = repaid
		}
		if h := from.extra().handed; h != nil && h.slave != nil {
			to.extras.handed.slave.repeatable = h.slave.repeatable
		}
	}
	same(to.master, from.master)
	for name, m := range from.slaves {
		same(to.slaves[name], m)
	}
}

// written down, records are each behind their length.
func writtenRecords(records []Record) (all []byte) {
	for _, r := range records {
		all = append(binary.AppendUvarint(all, uint64(len(r))), r...)
	}
	return all
}

func readRecords(all []byte) (records []Record) {
	d := &piecesIn{rest: all}
	for len(d.rest) > 0 {
		if r := d.text(); d.err == nil {
			records = append(records, Record(r))
		}
	}
	return records
}
