package cluster

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

// A group of a former owner is no reason to give up, which it has written at a position that the log has given again: it counts for
// nobody. For who is about to become the owner it does.
func TestARemnantOfAFormerOwner(t *testing.T) {
	for _, claim := range []Claim{None, Free, Owned} {
		t.Run(claim.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
				s.other(None, cluster.Shared) // of epoch 7
				body := AppendGroup(nil, Header{Claim: claim, Epoch: 8, Hub: cluster.HubID{1}}, nil)
				p, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, body)
				if claim == Owned {
					var deposed *Deposed
					require.ErrorAs(t, err, &deposed)
					return
				}
				require.NoError(t, err)
				require.Equal(t, cluster.Position(3), p)
				require.Equal(t, cluster.Position(2), w.Shared())
			})
		})
	}
}

// What a former owner has written behind the next one's is not read: the log has lost its end, and given its positions again.
func TestRemnantsAreInNoState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		header := Header{Epoch: 8, Hub: cluster.HubID{1}}
		s, last := written(t, header)
		header.Incarnation, header.Epoch = cluster.Nonce{5}, 7
		s.put(AppendGroup(nil, header, nil), last, cluster.Shared)
		last, err := s.Local.Last(t.Context(), logKey)
		require.NoError(t, err)
		header.Epoch = 8
		s.put(AppendGroup(nil, header, nil), last, cluster.Own)
		last, err = s.Local.Last(t.Context(), logKey)
		require.NoError(t, err)
		var read []cluster.Position
		for g, err := range State(t.Context(), s, logKey, last) {
			require.NoError(t, err)
			read = append(read, g.Position)
		}
		require.Equal(t, []cluster.Position{1, 2, 3, 4, 5, 7}, read)
	})
}
