package star

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

func TestAnswersRememberTheLatest(t *testing.T) {
	const limit = 4
	for _, added := range []uint64{0, 1, limit - 1, limit, limit + 1, 3*limit + 2} {
		a := answers{limit: limit}
		// Refs rise, but not one by one: the sender counts other frames too.
		for i := uint64(1); i <= added; i++ {
			a.add(answer{ref: 10 * i, seq: i})
		}
		require.Equal(t, 10*added, a.highest)
		require.LessOrEqual(t, len(a.kept), limit)
		for i := uint64(1); i <= added; i++ {
			known, ok := a.find(10 * i)
			require.Equal(t, i+limit > added, ok, "%d of %d", i, added)
			if ok {
				require.Equal(t, i, known.seq)
			}
			_, ok = a.find(10*i - 5)
			require.False(t, ok, "a ref that was never used")
		}
		_, ok := a.find(10*added + 10)
		require.False(t, ok, "a ref that is still to come")
	}
}

func TestAnswersRememberRefusals(t *testing.T) {
	a := answers{limit: 1}
	a.add(answer{ref: 3, refusal: wire.ErrBusy})
	known, ok := a.find(3)
	require.True(t, ok)
	require.Equal(t, wire.ErrBusy, known.refusal)
	a.add(answer{ref: 4, seq: 1})
	_, ok = a.find(3)
	require.False(t, ok)
}
