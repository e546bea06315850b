package linked_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/linked"
)

type conn struct {
	number int
	links  linked.Links[*conn]
}

func (c *conn) Links() *linked.Links[*conn] { return &c.links }

func conns(n int) []*conn {
	made := make([]*conn, n)
	for i := range made {
		made[i] = &conn{number: i}
	}
	return made
}

// emptied takes everything out from the front.
func emptied(l *linked.List[*conn]) []int {
	var order []int
	for c := l.First(); c != nil; c = l.First() {
		order = append(order, c.number)
		l.Remove(c)
	}
	return order
}

func TestList(t *testing.T) {
	for _, test := range []struct {
		what    string
		removed []int
		again   []int // are put in again afterwards
		want    []int
	}{
		{"all", nil, nil, []int{0, 1, 2, 3}},
		{"without the first", []int{0}, nil, []int{1, 2, 3}},
		{"without one in the middle", []int{2}, nil, []int{0, 1, 3}},
		{"without neighbours", []int{2, 1}, nil, []int{0, 3}},
		{"without the last", []int{3}, nil, []int{0, 1, 2}},
		{"none", []int{1, 0, 3, 2}, nil, nil},
		{"the first is the last now", []int{0}, []int{0}, []int{1, 2, 3, 0}},
		{"the last again", []int{3}, []int{3}, []int{0, 1, 2, 3}},
		{"others first", []int{0, 1, 2, 3}, []int{2, 0}, []int{2, 0}},
	} {
		t.Run(test.what, func(t *testing.T) {
			var l linked.List[*conn]
			all := conns(4)
			for _, c := range all {
				l.Append(c)
			}
			for _, i := range test.removed {
				l.Remove(all[i])
				require.False(t, l.Has(all[i]))
				require.Zero(t, all[i].links, "nothing is kept of its neighbours")
			}
			for _, i := range test.again {
				l.Append(all[i])
			}
			for i, c := range all {
				require.Equal(t, slices.Contains(test.want, i), l.Has(c), "%d", i)
			}
			require.Equal(t, test.want, emptied(&l))
		})
	}
}

// An element goes from one list into another, as often as it likes.
func TestListsOfTheSameElements(t *testing.T) {
	var one, other linked.List[*conn]
	all := conns(3)
	for _, c := range all {
		one.Append(c)
	}
	for range 2 {
		for _, c := range all {
			one.Remove(c)
			other.Append(c)
			require.True(t, other.Has(c))
		}
		require.Nil(t, one.First())
		one, other = other, one
	}
	require.Equal(t, []int{0, 1, 2}, emptied(&one))
}

// The list does what a slice does, whatever is put in and taken out.
func TestListIsLikeASlice(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	var l linked.List[*conn]
	var like []*conn
	all := conns(6)
	for range 5000 {
		c := all[random.IntN(len(all))]
		i := slices.Index(like, c)
		require.Equal(t, i >= 0, l.Has(c), "seed %d", seed)
		if i < 0 {
			l.Append(c)
			like = append(like, c)
		} else {
			l.Remove(c)
			like = slices.Delete(like, i, i+1)
		}
		if len(like) == 0 {
			require.Nil(t, l.First(), "seed %d", seed)
		} else {
			require.Same(t, like[0], l.First(), "seed %d", seed)
		}
	}
	var want []int
	for _, c := range like {
		want = append(want, c.number)
	}
	require.Equal(t, want, emptied(&l), "seed %d", seed)
}

// Two pointers for each connection, and nothing besides.
func TestListCostsTwoPointers(t *testing.T) {
	require.Equal(t, 2*unsafe.Sizeof(uintptr(0)), unsafe.Sizeof(linked.Links[*conn]{}))
	var l linked.List[*conn]
	all := conns(10)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for _, c := range all {
			l.Append(c)
		}
		for _, c := range all {
			l.Remove(c)
		}
	}))
}
