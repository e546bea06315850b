package star

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A mark stands behind all that was decided before it, with the records of that.
func TestMarks(t *testing.T) {
	c, a, u := recordedTable(t, Limits{}, 1)
	c.Mark(1)
	require.NoError(t, c.Hear(a)) // a record, which is written when the transition is over, and no effect
	c.Mark(2)
	require.NoError(t, c.Send(u[1], textMessage(2, "x")))
	c.Mark(3)
	var got []string
	for _, e := range c.TakeEffects(nil) {
		switch e.Kind {
		case Mark:
			got = append(got, "mark "+string(rune('0'+e.Number)))
		case Keep:
			got = append(got, recordLine(e.Record()))
		default:
			got = append(got, c.line(e))
		}
	}
	require.Equal(t, []string{
		"mark 1", "seat 0", "mark 2", "a < message seq=1 user_1: x", "seat 1", "up 1", "u1 < ack ref=2 seq=1", "mark 3",
	}, got)
	require.Zero(t, c.Pending())
}
