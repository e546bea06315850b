package transport_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// taken is how many tokens can be taken at once.
func taken(b *transport.TokenBucket, now time.Time) int {
	for n := 0; ; n++ {
		if n == 10_000 || !b.Take(now) {
			return n
		}
	}
}

func TestTokenBucket(t *testing.T) {
	b := transport.NewTokenBucket(10)
	now := start
	for _, c := range []struct {
		after time.Duration
		want  int
	}{
		{0, 20},
		{0, 0},
		{100*time.Millisecond - 1, 0},
		{1, 1},
		{time.Second, 10},
		{250 * time.Millisecond, 2},
		{50 * time.Millisecond, 1}, // with the half that was left
		{2 * time.Second, 20},
		{time.Hour, 20},
		{-time.Minute, 0}, // a clock that was set back gives nothing
	} {
		now = now.Add(c.after)
		require.Equal(t, c.want, taken(&b, now), "at %v", now.Sub(start))
	}
}

// At the rate itself it goes on for ever; slightly above, it does not.
func TestTokenBucketAtItsRate(t *testing.T) {
	steady, hasty := transport.NewTokenBucket(10), transport.NewTokenBucket(10)
	refused := 0
	for i := range 10_000 {
		require.True(t, steady.Take(start.Add(time.Duration(i)*100*time.Millisecond)))
		if refused == 0 && !hasty.Take(start.Add(time.Duration(i)*90*time.Millisecond)) {
			refused = i
		}
	}
	require.Equal(t, 191, refused, "ten takes use up one of the burst")
}

func TestTokenBucketOfAnyRate(t *testing.T) {
	for rate, want := range map[int]int{-1: 10_000, 0: 10_000, 1: 2, 3: 6, 1000: 2000, math.MaxInt: 10_000} {
		b := transport.NewTokenBucket(rate)
		require.Equal(t, want, taken(&b, start), "%d a second", rate)
	}
}

func TestControlRate(t *testing.T) {
	for _, c := range []struct {
		asked      int
		probeAfter time.Duration
		want       int
	}{
		{0, transport.DefaultProbeAfter, transport.DefaultControlFramesPerSecond},
		{0, -1, transport.DefaultControlFramesPerSecond},
		{0, 500 * time.Millisecond, transport.DefaultControlFramesPerSecond},
		{0, 20 * time.Millisecond, 100},
		{3, 20 * time.Millisecond, 3},
		{-1, time.Millisecond, -1},
	} {
		require.Equal(t, c.want, transport.ControlFramesPerSecond(c.asked, c.probeAfter), "%v", c)
	}
}
