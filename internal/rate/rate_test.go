package rate_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/rate"
)

func TestBucket(t *testing.T) {
	const interval = 100 * time.Millisecond
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	var b rate.Bucket
	for _, step := range []struct {
		at   time.Duration // after noon
		want time.Duration // how long it takes to be full
	}{
		{0, interval}, // the zero bucket is full
		{0, 2 * interval},
		{interval / 2, 2*interval + interval/2},
		{3 * interval, interval},        // just full again
		{time.Hour, interval},           // no more than full
		{time.Hour - 1, 2*interval + 1}, // a clock that was set back gives nothing
		{time.Hour, 3 * interval},       // and takes nothing
		{time.Hour + interval/2, 350e6}, // parts of a token count
		{time.Hour + interval/2, 450e6}, // there is no end to what can be taken
		{2*time.Hour - interval/2, 100e6},
	} {
		require.Equal(t, step.want, b.Take(interval, noon.Add(step.at)), "at %v", step.at)
	}
}

// A copy that is not kept has taken nothing.
func TestBucketIsAValue(t *testing.T) {
	now := time.Now()
	var b rate.Bucket
	for range 3 {
		tried := b
		require.Equal(t, time.Second, tried.Take(time.Second, now))
	}
}

// Every connection has some.
func TestBucketIsSmall(t *testing.T) {
	require.EqualValues(t, 8, unsafe.Sizeof(rate.Bucket{}))
}

func TestInterval(t *testing.T) {
	for perSecond, want := range map[int]time.Duration{
		1: time.Second, 3: time.Second / 3, 10: 100 * time.Millisecond, int(time.Second): 1, math.MaxInt: 1,
	} {
		require.Equal(t, want, rate.Interval(perSecond), "%d a second", perSecond)
	}
}

// In a test's bubble the clock is another one than outside, and long before it.
func TestBucketInABubble(t *testing.T) {
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			var b rate.Bucket
			require.Equal(t, time.Second, b.Take(time.Second, time.Now()))
			require.Equal(t, 2*time.Second, b.Take(time.Second, time.Now()))
			time.Sleep(1500 * time.Millisecond)
			require.Equal(t, 1500*time.Millisecond, b.Take(time.Second, time.Now()))
			time.Sleep(time.Hour)
			require.Equal(t, time.Second, b.Take(time.Second, time.Now()))
		})
	}
}
