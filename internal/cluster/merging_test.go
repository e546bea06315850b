package cluster

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

// In these tests hub E merges, and A and B are owners.
var (
	hubE, hubF  = cluster.HubID{0xe}, cluster.HubID{0xf}
	hubA, hubB  = cluster.HubID{0xa}, cluster.HubID{0xb}
	first, next = cluster.Nonce{1}, cluster.Nonce{2}
)

// feed gives one thing to a Merging.
type feed func(m *Merging) ([]Step, error)

// items are written as letters, "3" for the marker of E's request 3, and "f3" for one of F's; both of the epoch.
func itemsOf(epoch uint64, words string) (items []Item) {
	for word := range strings.FieldsSeq(words) {
		var n uint64
		m := Marker{Hub: hubE, Epoch: epoch}
		if _, err := fmt.Sscanf(word, "f%d", &n); err == nil {
			m.Hub = hubF
		} else if _, err := fmt.Sscanf(word, "%d", &n); err != nil {
			items = append(items, Item{Effect, []byte(word)})
			continue
		}
		m.N = n
		items = append(items, Item{Reply, AppendMarker(nil, m)})
	}
	return items
}

func groupOf(position cluster.Position, h Header, words string) feed {
	if h.Incarnation == (cluster.Nonce{}) {
		h.Incarnation = first
	}
	return func(m *Merging) ([]Step, error) {
		return m.Group(cluster.Group{Position: position, Before: m.seen, Body: []byte(words)}, h, itemsOf(h.Epoch, words))
	}
}

// by is a group that A, the owner of epoch 1, has written; by2 one of B in epoch 2.
func by(position cluster.Position, words string) feed {
	return groupOf(position, Header{Hub: hubA, Epoch: 1}, words)
}

func by2(position cluster.Position, words string) feed {
	return groupOf(position, Header{Hub: hubB, Epoch: 2}, words)
}

func says(position cluster.Position, claim Claim, hub cluster.HubID, epoch uint64, words string) feed {
	return groupOf(position, Header{Claim: claim, Hub: hub, Epoch: epoch}, words)
}

// marked is a reply that has its marker in the group at the position.
func marked(epoch, n uint64, position cluster.Position) feed {
	return func(m *Merging) ([]Step, error) {
		return m.Reply(ReplyAt{Epoch: epoch, N: n, Position: position, Shared: 1, Marked: true})
	}
}

// plain is one without marker, and one position behind the last shared group.
func plain(epoch, n uint64, shared cluster.Position) feed {
	return func(m *Merging) ([]Step, error) {
		return m.Reply(ReplyAt{Epoch: epoch, N: n, Position: shared + 1, Shared: shared})
	}
}

func abandon(m *Merging) ([]Step, error) { return m.Abandon() }

// stepsWritten writes the steps as the table has them.
func stepsWritten(steps []Step) string {
	var words []string
	for _, s := range steps {
		switch s.Kind {
		case StepItem:
			words = append(words, fmt.Sprintf("%s@%d", s.Item.Data, s.Position))
		case StepReply:
			words = append(words, fmt.Sprintf("%d/%d@%d", s.Reply.Epoch, s.Reply.N, s.Position))
		case StepDropped:
			words = append(words, fmt.Sprintf("dropped:%d/%d", s.Reply.Epoch, s.Reply.N))
		case StepClaim:
			words = append(words, fmt.Sprintf("%v@%d", s.Header.Claim, s.Position))
		case StepRecreated:
			words = append(words, fmt.Sprintf("recreated@%d", s.Position))
		}
	}
	return strings.Join(words, " ")
}

// move is what is given, and the steps that come of it.
type move struct {
	give feed
	want string
}

func TestMerging(t *testing.T) {
	for name, test := range map[string]struct {
		moves []move
		at    cluster.Position
		waits string // as a marker's epoch/n, or ""
	}{
		"groups alone": {at: 5, moves: []move{
			{by(3, "a b"), "a@3 b@3"},
			{by(4, ""), ""},
			{by(5, "c"), "c@5"},
		}},
		"the reply comes first": {at: 3, moves: []move{
			{marked(1, 7, 3), ""},
			{by(2, "a"), "a@2"},
			{by(3, "b 7 c"), "b@3 1/7@3 c@3"},
		}},
		"the group comes first": {at: 4, moves: []move{
			{by(3, "b 7 c"), "b@3"},
			{by(4, "d"), ""},
			{marked(1, 7, 3), "1/7@3 c@3 d@4"},
		}},
		"a marker first and last in its group": {at: 4, moves: []move{
			{by(3, "7 a"), ""},
			{marked(1, 7, 3), "1/7@3 a@3"},
			{by(4, "b 8"), "b@4"},
			{marked(1, 8, 4), "1/8@4"},
		}},
		"a stopped group is not carried out": {at: 2, waits: "1/7", moves: []move{
			{by(2, "a"), "a@2"},
			{by(3, "b 7 c"), "b@3"},
			{by(4, "d"), ""},
		}},
		"markers of others": {at: 3, moves: []move{
			{by(3, "a f7 b"), "a@3 b@3"},
		}},
		"a plain reply whose groups have come": {at: 3, moves: []move{
			{by(3, "a"), "a@3"},
			{plain(1, 7, 3), "1/7@3"},
		}},
		"a plain reply whose groups have not come": {at: 4, moves: []move{
			{by(2, "a"), "a@2"},
			{plain(1, 7, 4), ""},
			{by(3, "b"), "b@3"},
			{by(4, "c d"), "c@4 d@4 1/7@4"},
		}},
		"a plain reply behind a marked one": {at: 4, moves: []move{
			{marked(1, 7, 3), ""},
			{plain(1, 8, 2), ""},
			{by(2, "a"), "a@2"},
			{by(3, "7 b"), "1/7@3 b@3 1/8@3"},
			{by(4, "c"), "c@4"},
		}},
		"plain replies before a marked one": {at: 4, moves: []move{
			{plain(1, 6, 2), ""},
			{plain(1, 7, 3), ""},
			{marked(1, 8, 4), ""},
			{by(2, "a"), "a@2 1/6@2"},
			{by(3, "b"), "b@3 1/7@3"},
			{by(4, "8 c"), "1/8@4 c@4"},
		}},
		"two markers in a group": {at: 3, moves: []move{
			{marked(1, 7, 3), ""},
			{by(3, "7 a 9 b"), "1/7@3 a@3"},
			{marked(1, 9, 3), "1/9@3 b@3"},
		}},
		"a request that gets no reply": {at: 5, moves: []move{
			{by(3, "a 7 b"), "a@3"},
			{by(4, "c"), ""},
			{marked(1, 8, 5), "b@3 c@4"},
			{by(5, "d 8 e"), "d@5 1/8@5 e@5"},
		}},
		"another hub claims": {at: 5, moves: []move{
			{by(3, "a 7 b"), "a@3"},
			{by(4, "c"), ""},
			{says(5, Owned, hubB, 2, "d"), "b@3 c@4 owned@5 d@5"},
		}},
		"the same hub claims anew": {at: 4, moves: []move{
			{by(3, "a 7 b"), "a@3"},
			{says(4, Owned, hubA, 2, "d"), "b@3 owned@4 d@4"},
		}},
		"the claim that was known already": {at: 4, waits: "1/7", moves: []move{
			{says(4, Owned, hubA, 1, "a"), "owned@4 a@4"},
			{by(5, "7"), ""},
		}},
		"a doubt, and the end, are no claim": {at: 2, waits: "1/7", moves: []move{
			{by(2, ""), ""},
			{by(3, "a 7 b"), "a@3"},
			{says(4, Doubt, hubB, 1, ""), ""},
			{says(5, Ended, hubA, 1, ""), ""},
		}},
		"who gives the channel up is still waited for": {at: 4, moves: []move{
			{by(3, "a 7 b"), "a@3"},
			{says(4, Free, hubA, 1, "c"), ""},
			{marked(1, 7, 3), "1/7@3 b@3 c@4 free@4"},
		}},
		"a reply that is there when another claims": {at: 4, moves: []move{
			{marked(1, 7, 3), ""},
			{by(2, "a"), "a@2"},
			{by(3, "b 7 c"), "b@3 1/7@3 c@3"},
			{says(4, Owned, hubB, 2, ""), "owned@4"},
		}},
		"a reply of a former owner": {at: 4, moves: []move{
			{by(3, "a 7 b"), "a@3"},
			{says(4, Owned, hubB, 2, ""), "b@3 owned@4"},
			{marked(1, 7, 3), "dropped:1/7"},
			{plain(1, 8, 3), "1/8@4"},
			{plain(1, 9, 4), "1/9@4"},
			{plain(1, 10, 5), "dropped:1/10"},
			{marked(1, 11, 6), "dropped:1/11"},
		}},
		"a plain reply of a former owner of what it does not know": {at: 4, moves: []move{
			{plain(1, 7, 4), ""},
			{marked(1, 8, 5), ""},
			{says(4, Owned, hubB, 2, "a"), "dropped:1/7 dropped:1/8 owned@4 a@4"},
		}},
		"a marker of a former owner whose reply was dropped": {at: 6, moves: []move{
			{says(4, Owned, hubB, 2, "a"), "owned@4 a@4"},
			{marked(1, 7, 3), "dropped:1/7"},
			{by2(5, "b 8 c"), "b@5"},
			{marked(2, 8, 5), "2/8@5 c@5"},
			{by2(6, "d"), "d@6"},
		}},
		"the next owner replies before its claim comes": {at: 5, moves: []move{
			{by(3, "a 7 b"), "a@3"},
			{marked(2, 8, 5), "b@3"},
			{says(4, Owned, hubB, 2, "c"), "owned@4 c@4"},
			{by2(5, "d 8"), "d@5 2/8@5"},
		}},
		"a marker of the next owner in the claim itself": {at: 4, moves: []move{
			{by(3, "a"), "a@3"},
			{says(4, Owned, hubB, 2, "b 8 c"), "owned@4 b@4"},
			{marked(2, 8, 4), "2/8@4 c@4"},
		}},
		"a reply whose marker is before the beginning": {at: 3, moves: []move{
			{by(3, "a"), "a@3"},
			{marked(1, 7, 3), "dropped:1/7"},
			{marked(1, 7, 2), "dropped:1/7"},
		}},
		"a reply again": {at: 3, moves: []move{
			{by(3, "a"), "a@3"},
			{plain(1, 7, 3), "1/7@3"},
			{plain(1, 7, 3), "dropped:1/7"},
			{plain(1, 6, 3), "dropped:1/6"},
		}},
		"free and doubt in their order": {at: 5, moves: []move{
			{says(3, Free, hubA, 1, "a"), "a@3 free@3"},
			{says(4, Doubt, hubB, 1, ""), "doubt@4"},
			{says(5, Owned, hubB, 2, "b"), "owned@5 b@5"},
		}},
		"the end": {at: 3, moves: []move{
			{plain(1, 7, 3), ""},
			{plain(1, 8, 4), ""},
			{says(3, Ended, hubA, 1, "a b"), "a@3 b@3 1/7@3 ended@3"},
			{by(4, "c"), ""},
			{plain(1, 9, 3), ""},
			{says(5, Owned, hubB, 2, ""), ""},
		}},
		"the end behind a marker": {at: 4, moves: []move{
			{by(3, "a 7 b"), "a@3"},
			{says(4, Ended, hubA, 1, "c"), ""},
			{by(5, "d"), ""},
			{marked(1, 7, 3), "1/7@3 b@3 c@4 ended@4"},
		}},
		"the end behind a marker that is given up": {at: 4, moves: []move{
			{by(3, "a 7 b"), "a@3"},
			{says(4, Ended, hubA, 1, "c"), ""},
			{abandon, "b@3 c@4 ended@4"},
		}},
		"giving up": {at: 5, moves: []move{
			{abandon, ""},
			{by(3, "a 7 b"), "a@3"},
			{abandon, "b@3"},
			{marked(1, 7, 3), "dropped:1/7"},
			{by(5, "8"), ""},
			{marked(1, 8, 5), "1/8@5"},
		}},
		"giving up in the middle of a group": {at: 3, moves: []move{
			{by(3, "a 7 b 8"), "a@3"},
			{abandon, "b@3"},
			{marked(1, 7, 3), "dropped:1/7"},
			{marked(1, 8, 3), "1/8@3"},
		}},
		"another channel": {at: 3, moves: []move{
			{by(3, "a"), "a@3"},
			{groupOf(2, Header{Claim: Owned, Hub: hubB, Epoch: 1, Incarnation: next}, "x"), "recreated@2"},
			{by(4, "b"), ""},
			{groupOf(5, Header{Hub: hubB, Epoch: 1, Incarnation: next}, "x"), ""},
			{plain(1, 7, 3), ""},
		}},
		"another channel behind a marker": {at: 4, moves: []move{
			{by(3, "a 7 b"), "a@3"},
			{by(4, "c"), ""},
			{groupOf(5, Header{Claim: Owned, Hub: hubA, Epoch: 1, Incarnation: next}, "x"), "b@3 c@4 recreated@5"},
		}},
		"another channel behind the end": {at: 3, moves: []move{
			{says(3, Ended, hubA, 1, ""), "ended@3"},
			{groupOf(4, Header{Claim: Owned, Hub: hubB, Epoch: 2, Incarnation: next}, "x"), "recreated@4"},
			{groupOf(5, Header{Claim: Owned, Hub: hubB, Epoch: 3, Incarnation: first}, "x"), ""},
		}},
		"another channel behind the end behind a marker": {at: 4, moves: []move{
			{by(3, "a 7 b"), "a@3"},
			{says(4, Ended, hubA, 1, "c"), ""},
			{groupOf(5, Header{Claim: Owned, Hub: hubB, Epoch: 2, Incarnation: next}, "x"), "b@3 c@4 ended@4 recreated@5"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMerging(hubE, 1, hubA, 1, first)
			for i, move := range test.moves {
				steps, err := move.give(m)
				require.NoError(t, err, "move %d", i)
				require.Equal(t, move.want, stepsWritten(steps), "move %d", i)
			}
			require.Equal(t, test.at, m.At())
			waits := ""
			if marker, ok := m.Waits(); ok {
				require.Equal(t, hubE, marker.Hub)
				waits = fmt.Sprintf("%d/%d", marker.Epoch, marker.N)
			}
			require.Equal(t, test.waits, waits)
		})
	}
}

func TestMergingDisorder(t *testing.T) {
	behind := func(before cluster.Position, position cluster.Position) feed {
		return func(m *Merging) ([]Step, error) {
			h := Header{Hub: hubA, Epoch: 1, Incarnation: first}
			return m.Group(cluster.Group{Before: before, Position: position}, h, nil)
		}
	}
	for name, test := range map[string]struct {
		moves []feed
		want  string // steps of the last move
		err   error
	}{
		"a hole":                          {[]feed{behind(2, 3)}, "", ErrDisorder},
		"a group again":                   {[]feed{by(3, "a"), by(3, "a")}, "", ErrDisorder},
		"another hub without a claim":     {[]feed{groupOf(3, Header{Hub: hubB, Epoch: 1}, "a")}, "", ErrDisorder},
		"a later epoch without a claim":   {[]feed{by(3, "a"), groupOf(4, Header{Hub: hubA, Epoch: 2}, "")}, "", ErrDisorder},
		"a former owner":                  {[]feed{says(3, Owned, hubB, 2, ""), by(4, "a")}, "", ErrDisorder},
		"a former owner claims":           {[]feed{says(3, Owned, hubB, 2, ""), says(4, Owned, hubA, 1, "a")}, "", ErrDisorder},
		"the same epoch twice":            {[]feed{says(3, Owned, hubB, 1, "")}, "", ErrDisorder},
		"a former owner ends it":          {[]feed{says(3, Owned, hubB, 2, ""), says(4, Ended, hubA, 1, "a")}, "", ErrDisorder},
		"the marker is not there":         {[]feed{marked(1, 7, 3), by(3, "a")}, "a@3", ErrDisorder},
		"markers not in order":            {[]feed{marked(1, 7, 3), marked(1, 8, 3), by(3, "a 8 7")}, "a@3", ErrDisorder},
		"a plain reply that has a marker": {[]feed{plain(1, 7, 3), by(3, "a 7")}, "a@3", ErrDisorder},
		"a plain reply that knows of what comes behind a later marker": {
			[]feed{plain(1, 7, 3), marked(1, 8, 3), by(3, "a 8")}, "a@3", ErrDisorder},
		"what is no marker": {[]feed{func(m *Merging) ([]Step, error) {
			items := []Item{{Effect, []byte("a")}, {Reply, []byte("x")}}
			return m.Group(cluster.Group{Before: 1, Position: 2}, Header{Hub: hubA, Epoch: 1, Incarnation: first}, items)
		}}, "a@2", ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMerging(hubE, 1, hubA, 1, first)
			for _, give := range test.moves[:len(test.moves)-1] {
				_, err := give(m)
				require.NoError(t, err)
			}
			steps, err := test.moves[len(test.moves)-1](m)
			require.ErrorIs(t, err, test.err)
			require.Equal(t, test.want, stepsWritten(steps))
			for _, give := range []feed{by(9, "a"), plain(1, 9, 1), abandon} {
				steps, again := give(m)
				require.Equal(t, err, again, "it stays so")
				require.Empty(t, steps)
			}
		})
	}
}

func TestMergingOwner(t *testing.T) {
	m := NewMerging(hubE, 1, cluster.HubID{}, 1, first)
	is := func(hub cluster.HubID, epoch uint64) {
		t.Helper()
		require.Equal(t, hub, m.Owner())
		require.Equal(t, epoch, m.Epoch())
	}
	give := func(f feed) {
		t.Helper()
		_, err := f(m)
		require.NoError(t, err)
	}
	is(cluster.HubID{}, 1)
	give(by(2, "7")) // stops
	is(hubA, 1)
	give(says(3, Doubt, hubB, 1, ""))
	is(hubA, 1)
	give(says(4, Free, hubA, 1, ""))
	require.Equal(t, cluster.Position(1), m.At(), "held")
	is(cluster.HubID{}, 1)
	give(says(5, Owned, hubB, 2, "8"))
	is(hubB, 2)
	require.False(t, m.Ending())
	give(says(6, Ended, hubB, 2, ""))
	is(hubB, 2)
	require.True(t, m.Ending())
	require.Equal(t, cluster.Position(4), m.At())
}

func TestMergingBounds(t *testing.T) {
	group := func(m *Merging, size int) error {
		g := cluster.Group{Position: m.seen + 1, Before: m.seen, Body: make([]byte, size)}
		_, err := m.Group(g, Header{Hub: hubA, Epoch: 1, Incarnation: first}, nil)
		return err
	}
	stopped := func() *Merging {
		m := NewMerging(hubE, 1, hubA, 1, first)
		_, err := by(2, "7")(m)
		require.NoError(t, err)
		return m
	}
	t.Run("groups", func(t *testing.T) {
		m := stopped()
		for range heldGroups - 1 {
			require.NoError(t, group(m, 0))
		}
		require.ErrorIs(t, group(m, 0), ErrBacklog)
		steps, err := m.Reply(ReplyAt{Epoch: 1, N: 7, Position: 2, Marked: true})
		require.ErrorIs(t, err, ErrBacklog)
		require.Empty(t, steps)
	})
	t.Run("bytes", func(t *testing.T) {
		m := stopped()
		size := len("7") // the stopped group is held too
		for ; size+cluster.MaxGroup <= heldBytes; size += cluster.MaxGroup {
			require.NoError(t, group(m, cluster.MaxGroup))
		}
		require.NoError(t, group(m, heldBytes-size))
		require.ErrorIs(t, group(m, 1), ErrBacklog)
	})
	t.Run("what ends the waiting is not held", func(t *testing.T) {
		m := stopped()
		for range heldGroups - 1 {
			require.NoError(t, group(m, 0))
		}
		steps, err := says(m.seen+1, Owned, hubB, 2, "a")(m)
		require.NoError(t, err)
		require.Equal(t, "owned@1026 a@1026", stepsWritten(steps))
	})
	t.Run("nothing is counted that was let go", func(t *testing.T) {
		m := NewMerging(hubE, 1, hubA, 1, first)
		for n := range uint64(3) {
			_, err := by(m.seen+1, fmt.Sprint(n+1))(m)
			require.NoError(t, err)
			for range 10 {
				require.NoError(t, group(m, cluster.MaxGroup))
			}
			_, err = marked(1, n+1, m.At()+1)(m)
			require.NoError(t, err)
			require.Equal(t, m.seen, m.At())
		}
		for range 2 * heldGroups {
			require.NoError(t, group(m, cluster.MaxGroup))
		}
	})
	t.Run("replies", func(t *testing.T) {
		m := NewMerging(hubE, 1, hubA, 1, first)
		for n := range uint64(waitingReplies) {
			_, err := plain(1, n+1, 2)(m)
			require.NoError(t, err)
		}
		_, err := plain(1, waitingReplies+1, 2)(m)
		require.ErrorIs(t, err, ErrBacklog)
	})
	t.Run("bytes of replies", func(t *testing.T) {
		m := NewMerging(hubE, 1, hubA, 1, first)
		reply := func(n uint64, size int) error {
			_, err := m.Reply(ReplyAt{Epoch: 1, N: n, Position: m.seen + 2, Shared: m.seen + 1, Items: []Item{{Effect, make([]byte, size)}}})
			return err
		}
		for n := range uint64(3) {
			require.NoError(t, reply(2*n+1, heldBytes))
			require.NoError(t, reply(2*n+2, 8*heldBytes), "the largest is taken")
			require.NoError(t, group(m, 0))
		}
		require.NoError(t, reply(7, heldBytes))
		require.NoError(t, reply(8, 1))
		require.ErrorIs(t, reply(9, 0), ErrBacklog)
	})
}

func TestMarker(t *testing.T) {
	m := Marker{Hub: hubE, Epoch: 1 << 40, N: 300}
	b := AppendMarker([]byte("x"), m)[1:]
	got, err := ParseMarker(b)
	require.NoError(t, err)
	require.Equal(t, m, got)
	for i := range b {
		_, err := ParseMarker(b[:i])
		require.ErrorIs(t, err, ErrMalformed)
	}
	_, err = ParseMarker(append(b, 0))
	require.ErrorIs(t, err, ErrMalformed)
	long := append(AppendMarker(nil, Marker{})[:16], 0x80, 0, 0)
	_, err = ParseMarker(long)
	require.ErrorIs(t, err, ErrMalformed, "there is one form of it")
}
