package natscluster

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Leaders move one by one until no server leads two more than another that could.
func TestUnbalanced(t *testing.T) {
	all := []string{"a", "b", "c"}
	others := func(leader string) (replicas []string) {
		for _, name := range all {
			if name != leader {
				replicas = append(replicas, name)
			}
		}
		return replicas
	}
	var places []place
	for range 16 {
		places = append(places, place{leader: "a", replicas: others("a")})
	}
	moves := 0
	for {
		move, to := unbalanced(places)
		if move == nil {
			break
		}
		move.leader, move.replicas = to, others(to)
		moves++
		require.Less(t, moves, 20)
	}
	leads := map[string]int{}
	for _, p := range places {
		leads[p.leader]++
	}
	require.Equal(t, 10, moves)
	require.Equal(t, 16, leads["a"]+leads["b"]+leads["c"])
	for _, name := range all {
		require.Contains(t, []int{5, 6}, leads[name])
	}

	// A server that is behind is given nothing.
	move, _ := unbalanced([]place{{leader: "a"}, {leader: "a"}, {leader: "a"}})
	require.Nil(t, move)
	move, _ = unbalanced(nil)
	require.Nil(t, move)
}
