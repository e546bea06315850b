package star

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever is on an attachment is found by its number and its epoch, and nobody else, whatever has become of
// memberships since somebody has looked first: where a channel decides, and where records are applied to it.
func TestFind(t *testing.T) {
	found := 0
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			g := recordingGame(t, rand.New(rand.NewPCG(seed, 43)))
			for range 250 {
				what := g.step()
				g.applies()
				for _, c := range []*Channel{g.original.Channel, g.applied} {
					found += requireFound(t, c, what)
				}
			}
		})
	}
	require.Greater(t, found, 1000)
}

func requireFound(t *testing.T, c *Channel, what string) (found int) {
	there := map[uint64]*member{}
	if c.life == open {
		there[0] = c.master
	}
	for _, m := range c.slaves {
		there[m.number] = m
	}
	for number := range there {
		for epoch := range uint64(6) {
			expected := there[number].attachment
			if there[number].epoch != epoch {
				expected = nil
			} else if expected != nil {
				found++
			}
			require.Same(t, expected, c.Find(number, epoch), "%s: %d on %d", what, number, epoch)
		}
	}
	require.Nil(t, c.Find(c.joins+1, 1))
	if c.numbers != nil {
		require.Len(t, c.numbers, len(c.slaves), what)
	}
	return found
}

// Nobody pays for the index who does not ask.
func TestNoIndexWhereNobodyAsks(t *testing.T) {
	c, _, u := openTable(t, Limits{}, 2)
	c.did(c.leaves(u[1]), "-u1", "a < presence user_1 left (left)", "u1 < left ref=2", "u1 vacates")
	require.Nil(t, c.Channel.numbers)
	require.Same(t, u[2], c.Find(2, 1))
	c.Close("")
	require.Nil(t, c.Channel.numbers)
	require.Nil(t, c.Find(2, 1))
	require.Nil(t, c.Find(0, 1))
}
