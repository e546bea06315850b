package hub

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPace(t *testing.T) {
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	var p, none pace
	take := func(after time.Duration) verdict { return p.take(RateLimit{PerSecond: 10, Burst: 3}, noon.Add(after)) }
	for _, step := range []struct {
		after time.Duration
		want  verdict
	}{
		{0, inTime}, {0, inTime}, {0, inTime}, {0, tooFast}, // a burst, and one more
		{100 * time.Millisecond, tooFast}, // the refused one counts
		{300 * time.Millisecond, inTime},
		{300 * time.Millisecond, tooFast}, {300 * time.Millisecond, tooFast}, {300 * time.Millisecond, tooFast},
		{300 * time.Millisecond, muchTooFast},
		{time.Hour, inTime}, {time.Hour, inTime}, {time.Hour, inTime}, {time.Hour, tooFast}, // no more than a burst is saved up
	} {
		require.Equal(t, step.want, take(step.after), "after %v", step.after)
	}
	for range 1000 {
		require.Equal(t, inTime, none.take(RateLimit{}, noon))
	}
}
