package cluster_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
	. "github.com/lectern-go/lectern/internal/cluster"
)

var (
	self  = cluster.HubID{1}
	other = cluster.HubID{2}
	third = cluster.HubID{3}
	begun = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// after is a moment of a table.
func after(ms int) time.Time { return begun.Add(time.Duration(ms) * time.Millisecond) }

// A step of a table: a beat is heard, or time has passed.
type step struct {
	at      int // in ms
	heard   cluster.HubID
	leaving bool
	cut     bool // the engine is not connected
	changes []Change
}

// ownBeats are steps in which nothing but the own beat is heard.
func ownBeats(from, to int) (steps []step) {
	for at := from; at <= to; at += 500 {
		steps = append(steps, step{at: at, heard: self})
	}
	return steps
}

func steps(all ...[]step) (joined []step) {
	for _, some := range all {
		joined = append(joined, some...)
	}
	return joined
}

func play(t *testing.T, hubs *Hubs, steps []step) {
	for _, s := range steps {
		var changes []Change
		if s.heard != (cluster.HubID{}) {
			changes = hubs.Heard(after(s.at), s.heard, Beat{Leaving: s.leaving})
		} else {
			changes = hubs.Check(after(s.at), !s.cut)
		}
		require.Equal(t, s.changes, changes, "at %d", s.at)
		require.True(t, hubs.Next(after(s.at)).After(after(s.at)), "at %d", s.at)
	}
}

func TestHubsJudge(t *testing.T) {
	unheard, lost, back := []Change{{BecameUnheard, other}}, []Change{{BecameLost, other}}, []Change{{Back, other}}
	alone, notAlone := []Change{{BecameAlone, self}}, []Change{{NotAlone, self}}
	for name, s := range map[string][]step{
		"a hub is heard": steps(ownBeats(0, 0), []step{
			{at: 10, heard: other}, {at: 500, heard: self}, {at: 510, heard: other}, {at: 1000, heard: self}, {at: 1500, heard: self},
			{at: 2000, heard: self}, {at: 2009, heard: other}, {at: 2500, heard: self}, {at: 3000, heard: self}, {at: 3508},
		}),
		"it falls silent, and comes back": steps(ownBeats(0, 0), []step{{at: 10, heard: other}}, ownBeats(500, 1500), []step{
			{at: 1509}, {at: 1510, changes: unheard}, {at: 1511}, {at: 2000, heard: self}, {at: 2500, heard: self}, {at: 2509},
			{at: 2510, changes: lost}, {at: 2600}, {at: 2700, heard: other, changes: back}, {at: 2800, heard: other},
			{at: 3000, heard: self}, {at: 3500, heard: self}, {at: 4000, heard: self},
			{at: 4299}, {at: 4300, changes: unheard}, {at: 4301, heard: other, changes: back},
		}),
		"both are told where nobody looked": steps(ownBeats(0, 0), []step{{at: 10, heard: other}}, ownBeats(500, 1500), []step{
			{at: 2000, heard: self, changes: unheard}, {at: 2400, heard: self}, {at: 2550, heard: self, changes: lost},
		}),
		"it hears nothing at all": steps(ownBeats(0, 0), []step{
			{at: 499, heard: other}, {at: 500, heard: self}, {at: 1500}, {at: 1501, changes: alone}, {at: 2000}, {at: 5000}, {at: 60000}, {at: 70000},
			{at: 70001, heard: self, changes: notAlone},
		}),
		"a cut right behind the own beat": steps(ownBeats(0, 0), []step{
			{at: 499, heard: other}, {at: 500, heard: self}, {at: 998, heard: self}, {at: 1998}, {at: 1999, changes: alone}, {at: 1999},
		}),
		"it hears itself again, and gives a whole period": steps(ownBeats(0, 0), []step{
			{at: 10, heard: other}, {at: 500, heard: self}, {at: 1501, changes: alone}, {at: 9000, heard: self, changes: notAlone},
			{at: 9500, heard: self}, {at: 10000, heard: self}, {at: 10499}, {at: 10500, changes: unheard}, {at: 11000, heard: self},
			{at: 11499, heard: self}, {at: 11500, changes: lost},
		}),
		"the own beat is late, and nobody has looked meanwhile": steps(ownBeats(0, 0), []step{
			{at: 10, heard: other}, {at: 9000, heard: self}, {at: 9500, heard: self}, {at: 10000, heard: self}, {at: 10499}, {at: 10500, changes: unheard},
		}),
		"one own beat is missing: silence does not count meanwhile": steps(ownBeats(0, 0), []step{
			{at: 10, heard: other}, {at: 500, heard: self}, {at: 1499}, {at: 1500, heard: self},
			{at: 1510, changes: unheard},
		}),
		"nor where it would end meanwhile": steps(ownBeats(0, 0), []step{
			{at: 10, heard: other}, {at: 500, heard: self}, {at: 740, heard: self}, {at: 1510}, {at: 1700}, {at: 1740, heard: self, changes: unheard},
		}),
		"who is unheard stays so while this hub is alone": steps(ownBeats(0, 0), []step{{at: 10, heard: other}}, ownBeats(500, 1500), []step{
			{at: 1510, changes: unheard}, {at: 2501, changes: alone}, {at: 2600, heard: self, changes: notAlone}, {at: 3100, heard: self},
			{at: 3600, heard: self}, {at: 4100, heard: self}, {at: 4600, heard: self}, {at: 5099, heard: self}, {at: 5100, changes: lost},
		}),
		"others come back to who is alone": steps(ownBeats(0, 0), []step{{at: 10, heard: other}}, ownBeats(500, 1500), []step{
			{at: 1510, changes: unheard}, {at: 2501, changes: alone}, {at: 2550, heard: other, changes: back},
			{at: 2600, heard: self, changes: notAlone},
		}),
		"the engine is not connected": steps(ownBeats(0, 0), []step{
			{at: 10, heard: other}, {at: 100, cut: true, changes: alone}, {at: 200, cut: true}, {at: 300, heard: self, changes: notAlone}, {at: 400},
		}),
		"nobody is judged while it is not": steps(ownBeats(0, 0), []step{
			{at: 10, heard: other}, {at: 500, heard: self}, {at: 1000, heard: self}, {at: 1400, cut: true, changes: alone}, {at: 1510}, {at: 1600},
		}),
		"a hub leaves, once": steps(ownBeats(0, 0), []step{
			{at: 10, heard: other}, {at: 20, heard: other, leaving: true, changes: []Change{{BecameLeaving, other}}},
			{at: 30, heard: other, leaving: true}, {at: 40, heard: other}, {at: 50, heard: other, leaving: true},
		}),
		"who comes after this hub has listened was not there before": steps(ownBeats(0, 1000), []step{
			{at: 1499, heard: third}, {at: 1500, heard: self}, {at: 1501, heard: other, leaving: true, changes: []Change{{Back, other}, {BecameLeaving, other}}},
		}),
	} {
		t.Run(name, func(t *testing.T) { play(t, NewHubs(begun, self), s) })
	}
}

// Next is early enough for what is to be told, however nothing else happens.
func TestHubsNext(t *testing.T) {
	hubs := NewHubs(begun, self)
	require.Equal(t, after(1000).Add(1), hubs.Next(begun))
	for at := 0; at <= 1500; at += 500 {
		hubs.Heard(after(at), self, Beat{})
		if at == 0 {
			hubs.Heard(after(10), other, Beat{})
		}
	}
	require.Equal(t, after(1510), hubs.Next(after(1500)))
	require.Equal(t, []Change{{BecameUnheard, other}}, hubs.Check(after(1510), true))
	require.Equal(t, after(2500).Add(1), hubs.Next(after(1510)))
	hubs.Heard(after(1700), self, Beat{})
	require.Equal(t, after(2510), hubs.Next(after(1700)))
	require.Empty(t, hubs.Check(after(2510), true), "the own beat is late")
	require.Equal(t, after(2700).Add(1), hubs.Next(after(2510)))
	require.Equal(t, []Change{{BecameLost, other}}, hubs.Heard(after(2600), self, Beat{}))
	require.Equal(t, after(3600).Add(1), hubs.Next(after(2600)))
	require.Equal(t, []Change{{BecameAlone, self}}, hubs.Check(after(3601), true))
	require.Greater(t, hubs.Next(after(3601)).Sub(after(3601)), time.Second)
}

// Who was never heard is judged by how long this hub has listened: it may have died before.
func TestStandingOfAnUnknownHub(t *testing.T) {
	hubs := NewHubs(begun, self)
	for at := 0; at <= 3000; at += 500 {
		hubs.Heard(after(at), self, Beat{})
	}
	require.Equal(t, begun, hubs.Silent(after(9300), other))
	for at, standing := range map[int]Standing{1499: Heard, 1500: Unheard, 2499: Unheard, 2500: Lost} {
		require.Equal(t, standing, hubs.Standing(after(at), other), "at %d", at)
	}
	require.Equal(t, Heard, hubs.Standing(after(9000), self))
	hubs.Heard(after(9000), self, Beat{}) // late
	require.Equal(t, after(9000), hubs.Silent(after(9300), other))
	require.Equal(t, Heard, hubs.Standing(after(9100), other))
	hubs.Heard(after(9200), other, Beat{})
	require.Equal(t, after(9200), hubs.Silent(after(9300), other))
	hubs.Check(after(10_001), true)
	require.True(t, hubs.Alone())
	require.Equal(t, after(10_100), hubs.Silent(after(10_100), other), "nobody is silent for who is alone")
}

func TestHubsAreForgotten(t *testing.T) {
	hubs := NewHubs(begun, self)
	hubs.Heard(after(0), other, Beat{})
	for at := 0; at < 60_000; at += 500 {
		hubs.Heard(after(at), self, Beat{})
	}
	require.Len(t, hubs.List(after(59_999)), 2)
	hubs.Heard(after(60_000), self, Beat{})
	require.Len(t, hubs.List(after(60_000)), 1)
	require.Equal(t, Lost, hubs.Standing(after(60_000), other), "it is no better for that")
	require.Equal(t, []Change{{Back, other}}, hubs.Heard(after(60_001), other, Beat{}))
}

// Who listens again after long forgets nobody that it has not called lost.
func TestNobodyIsForgottenUntold(t *testing.T) {
	hubs := NewHubs(begun, self)
	hubs.Heard(after(0), other, Beat{})
	hubs.Heard(after(90_000), self, Beat{})
	var changes []Change
	for at := 90_500; at < 93_000; at += 500 {
		changes = append(changes, hubs.Heard(after(at), self, Beat{})...)
	}
	require.Equal(t, []Change{{BecameUnheard, other}, {BecameLost, other}}, changes)
}

func TestHubsAreBounded(t *testing.T) {
	hubs := NewHubs(begun, self)
	for n := range 2000 {
		id := cluster.HubID{0: 9}
		binary.BigEndian.PutUint16(id[2:], uint16(n))
		hubs.Heard(begun, id, Beat{Leaving: true})
	}
	require.Len(t, hubs.List(begun), 1024)
	require.Empty(t, hubs.Heard(begun, other, Beat{Leaving: true}))
	require.Len(t, hubs.List(begun), 1024)
	require.Empty(t, hubs.Heard(after(1), cluster.HubID{0: 9}, Beat{}), "who is known is heard")
	require.Equal(t, after(1), hubs.Silent(after(9), cluster.HubID{0: 9}))
}

func TestHubsListed(t *testing.T) {
	hubs := NewHubs(begun, self)
	hubs.Heard(after(0), self, Beat{Name: "one"})
	hubs.Heard(after(100), third, Beat{Leaving: true, Version: 2, Channels: 3, Connections: 4, Name: "three"})
	hubs.Heard(after(200), other, Beat{Name: "two"})
	for at := 500; at <= 1500; at += 500 {
		hubs.Heard(after(at), self, Beat{Name: "one"})
	}
	hubs.Check(after(1600), true)
	require.Equal(t, []HubInfo{
		{self, Beat{Name: "one"}, 100 * time.Millisecond, Heard},
		{other, Beat{Name: "two"}, 1400 * time.Millisecond, Heard},
		{third, Beat{Leaving: true, Version: 2, Channels: 3, Connections: 4, Name: "three"}, 1500 * time.Millisecond, Unheard},
	}, hubs.List(after(1600)))
}

// cluster of hubs that all hear each other.
func whole(n int) (all []*Hubs, ids []cluster.HubID) {
	for i := range n {
		ids = append(ids, cluster.HubID{0: byte(i + 1)})
	}
	for _, id := range ids {
		hubs := NewHubs(begun, id)
		for _, heard := range ids {
			hubs.Heard(begun, heard, Beat{})
		}
		all = append(all, hubs)
	}
	return all, ids
}

// The ranks of those that hear each other are 0, 1, 2, …, and 4 for the rest; each is the first as often as others.
func TestRank(t *testing.T) {
	const keys = 2000
	all, ids := whole(8)
	owner := ids[3]
	first := make(map[cluster.HubID]int)
	for n := range keys {
		key := cluster.KeyOf(string(rune(n)))
		ranks := make(map[int]int)
		for i, hubs := range all {
			if ids[i] == owner {
				continue
			}
			rank := hubs.Rank(key, owner)
			ranks[rank]++
			if rank == 0 {
				first[ids[i]]++
			}
		}
		require.Equal(t, map[int]int{0: 1, 1: 1, 2: 1, 3: 1, 4: 3}, ranks)
	}
	require.Len(t, first, 7)
	for _, n := range first {
		require.InDelta(t, keys/7, n, 60)
	}
}

// Who is leaving, unheard, or doubted itself is not waited for.
func TestRankPassesOverWhoMayNotGoFirst(t *testing.T) {
	key, doubted := cluster.KeyOf("a channel"), cluster.HubID{99}
	all, ids := whole(3)
	first := 0
	for all[first].Rank(key, doubted) != 0 {
		first++
	}
	second := 0
	for all[second].Rank(key, doubted) != 1 {
		second++
	}
	hubs := all[second]
	require.Zero(t, hubs.Rank(key, ids[first]), "it is the one")
	for at := 500; at <= 1500; at += 500 {
		hubs.Heard(after(at), ids[second], Beat{})
	}
	hubs.Check(after(1500), true)
	require.Zero(t, hubs.Rank(key, doubted), "it is unheard")
	hubs.Heard(after(1501), ids[first], Beat{})
	require.Equal(t, 1, hubs.Rank(key, doubted))
	hubs.Heard(after(1502), ids[first], Beat{Leaving: true})
	require.Zero(t, hubs.Rank(key, doubted))
}
