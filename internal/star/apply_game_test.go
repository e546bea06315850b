package star

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// gameRecords are all records of a random game, from the create on.
func gameRecords(t *testing.T, seed uint64, limits Limits, steps int) (g *recording) {
	g = &recording{twin: &twin{
		original: newTable(t, limits), random: rand.New(rand.NewPCG(seed, 31)), attachments: map[string][2]*Attachment{},
		names: []string{"alice", "bob", "carol", "dave"}, hubs: []*Hub{nil, {1}}, rosters: true,
	}}
	g.restored = g.original
	g.original.Record(true)
	for range steps {
		g.step()
	}
	g.all = g.group
	return g
}

// A hub under other limits takes what the owner has decided under its own, and has the channel that the
// owner has: from its create on, and from a snapshot on.
func TestRecordsUnderOtherLimits(t *testing.T) {
	kinds := map[byte]int{}
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			g := gameRecords(t, seed, randomLimits(rand.New(rand.NewPCG(seed, 37))), 250)
			limits := randomLimits(rand.New(rand.NewPCG(seed, 41)))
			limits.MaxSlaves = 1
			other := New("abc123", newTable(t, limits).limits)
			for _, r := range g.all {
				kinds[r.kind()]++
				require.NoError(t, other.Apply(r))
			}
			g.applied = other
			g.holds("from its create on")
			if g.original.life == open {
				fromParts := NewImport(other.limits, 1, 0)
				fromParts.Elsewhere()
				for _, part := range g.original.parts() {
					require.NoError(t, fromParts.Add(part))
				}
				same, err := fromParts.Finish()
				require.NoError(t, err)
				g.applied = same
				g.holds("from a snapshot on")
				for range 50 {
					g.step()
				}
				for _, r := range g.group[len(g.all):] {
					require.NoError(t, same.Apply(r))
				}
				g.holds("on from a snapshot")
				again := NewImport(g.original.limits, 1, 0) // from who has applied it, back where it was
				again.Elsewhere()
				for _, part := range (&table{Channel: same, t: t}).parts() {
					require.NoError(t, again.Add(part))
				}
				if same.life == open {
					g.applied, err = again.Finish()
					require.NoError(t, err)
					g.holds("from a snapshot of a copy")
				}
				playOn(same)
			}
			_, err := Restore(other.Snapshot(), other.limits, noon, nil)
			require.NoError(t, err)
			playOn(other)
		})
	}
	for kind, word := range recordWords {
		require.Positive(t, kinds[kind], "the games have no record %q", word)
	}
}

// Cut off anywhere, left out or with a byte that is another one, a record is an error or something else,
// and never a panic.
func TestDamagedRecords(t *testing.T) {
	g := gameRecords(t, 3, Limits{MaxSlaves: 5}, 120)
	for i, r := range g.all {
		before := New("abc123", g.original.limits)
		for _, earlier := range g.all[:i] {
			require.NoError(t, before.Apply(earlier))
		}
		s := before.Snapshot()
		damaged := func(r Record) {
			// In the middle of a transition somebody may be nowhere, which no snapshot is of.
			if c, err := Restore(s, before.limits, noon, nil); err == nil && c.Apply(r) == nil {
				playOn(c)
			}
		}
		if len(r) > 200 {
			continue // a long payload is one as a short one
		}
		for n := range len(r) {
			damaged(r[:n])
			for _, b := range []byte{r[n] ^ 1, 0xff} {
				other := []byte(r)
				other[n] = b
				damaged(Record(other))
			}
		}
		if i+1 < len(g.all) {
			damaged(g.all[i+1])
		}
	}
}

// shortRecords are those without long attributes, in whose place a number is left out.
func shortRecords(all []Record) []Record {
	return slices.DeleteFunc(slices.Clone(all), func(r Record) bool {
		return len(r) > 150 && (r.kind() == recordAttribute || r.kind() == recordMasterAttribute)
	})
}

func FuzzApply(f *testing.F) {
	limits := newTable(new(testing.T), Limits{MaxSlaves: 5, Replay: Bound{Messages: 5, Bytes: 1 << 10}, Outbox: Bound{Messages: 5, Bytes: 1 << 10}}).limits
	for seed := range uint64(4) {
		f.Add(writtenRecords(shortRecords(gameRecords(new(testing.T), seed, *limits, 60).all)))
	}
	f.Fuzz(func(_ *testing.T, records []byte) {
		c := New("abc123", limits)
		for _, r := range readRecords(records) {
			if c.Apply(r) != nil {
				break
			}
		}
		playOn(c)
	})
}
