package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is wrong with what somebody got is noticed, and nothing else is.
func TestTeeth(t *testing.T) {
	s := new(stream)
	for n, target := range []int{toAll, 1, 2, toAll, toAll, toAll, toAll} {
		require.Equal(t, n, s.add(target))
		s.ends(n, accepted)
	}
	s.ends(4, unknown)
	s.ends(5, refused)
	for _, test := range []struct {
		why  string
		got  []uint32
		want judgement
	}{
		{"as it was sent", []uint32{0, 1, 3, 4, 6}, judgement{expected: 4}},
		{"what is unknown may not have been sent", []uint32{0, 1, 3, 6}, judgement{expected: 4}},
		{"one is missing, though later ones are there", []uint32{0, 3, 6}, judgement{expected: 4, lost: 1}},
		{"the last is missing", []uint32{0, 1, 3}, judgement{expected: 4, lost: 1}},
		{"nothing has come", nil, judgement{expected: 4, lost: 4}},
		{"twice in a row", []uint32{0, 1, 1, 3, 6}, judgement{expected: 4, twice: 1}},
		{"again later", []uint32{0, 1, 3, 0, 6}, judgement{expected: 4, twice: 1}},
		{"two in the wrong order", []uint32{0, 3, 1, 6}, judgement{expected: 4, disordered: 1}},
		{"another one's", []uint32{0, 1, 2, 3, 6}, judgement{expected: 4, foreign: 1}},
		{"refused, and there", []uint32{0, 1, 3, 5, 6}, judgement{expected: 4, foreign: 1}},
		{"never sent", []uint32{0, 1, 3, 6, 7}, judgement{expected: 4, foreign: 1}},
	} {
		require.Equal(t, test.want, s.judge(1, test.got), test.why)
	}
	var elsewhere stream
	elsewhere.acceptedTo(2)
	elsewhere.acceptedTo(2)
	require.Equal(t, judgement{expected: 2, lost: 1}, elsewhere.judge(0, []uint32{1}))
}

// A pause counts for the lap in which it ends, and from its beginning.
func TestLaps(t *testing.T) {
	var i inbox
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	require.Zero(t, i.lap(at(5)))
	for _, seconds := range []int{10, 11, 15, 16} {
		i.arrives(at(seconds))
	}
	require.Equal(t, 4*time.Second, i.lap(at(18)))
	require.Equal(t, 3*time.Second, i.lap(at(19)), "nothing has come since")
	i.take(7, at(21))
	require.Equal(t, 5*time.Second, i.lap(at(22)))
	require.Equal(t, []uint32{7}, i.got)
}
