package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSequence(t *testing.T) {
	for _, c := range []struct {
		numbers []uint64
		says    []heard
		missing uint64 // of the first five
	}{
		{nil, nil, 5},
		{[]uint64{1, 2, 3, 4, 5}, []heard{inOrder, inOrder, inOrder, inOrder, inOrder}, 0},
		{[]uint64{1, 2, 5}, []heard{inOrder, inOrder, inOrder}, 2},
		{[]uint64{1, 1, 3, 3}, []heard{inOrder, doubled, inOrder, doubled}, 3},
		{[]uint64{2, 1, 4, 3, 5, 2}, []heard{inOrder, outOfOrder, inOrder, outOfOrder, inOrder, doubled}, 0},
	} {
		var s sequence
		for i, n := range c.numbers {
			require.Equal(t, c.says[i], s.Hear(n), "%v: %d", c.numbers, n)
		}
		require.Equal(t, c.missing, s.Missing(5), "%v", c.numbers)
	}
}
