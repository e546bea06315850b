package transport_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

func TestMessageTimer(t *testing.T) {
	const timeout = 10 * time.Second
	start := time.Now()
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	for _, c := range []struct {
		name   string
		pace   func(second int) int // bytes that come in that second
		within time.Duration        // it is late then; zero for not within an hour
	}{
		{"nothing", func(int) int { return 0 }, timeout},
		{"a byte a second", func(int) int { return 1 }, timeout},
		{"much at first", func(second int) int { return map[int]int{0: 49_999, 1: 999}[second] }, timeout + time.Second},
		{"much, and then nothing", func(second int) int { return map[int]int{5: 1 << 20}[second] }, timeout + 6*time.Second},
		{"half the pace", func(int) int { return 500 }, 19 * time.Second},
		{"the pace", func(int) int { return transport.MinBytesPerSecond }, 0},
		{"the pace on average", func(second int) int { return 9000 * (1 - min(1, second%9)) }, 0},
		{"faster", func(int) int { return 5000 }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var timer transport.MessageTimer
			for second := range 3600 {
				late := timer.Wait(at(float64(second)), timeout)
				if !late.After(at(float64(second))) {
					require.Equal(t, c.within, late.Sub(start))
					return
				}
				timer.Came(c.pace(second))
			}
			require.Zero(t, c.within, "it is never late")
		})
	}
}

func TestMessageTimerWithoutTimeout(t *testing.T) {
	var timer transport.MessageTimer
	require.Zero(t, timer.Wait(time.Now(), -1))
	timer.Came(5000)
	require.Zero(t, timer.Wait(time.Now(), 0))
}

// The last look is one, until the message has gone on.
func TestLastLookOfAMessageTimer(t *testing.T) {
	start := time.Now()
	var timer transport.MessageTimer
	require.Equal(t, start.Add(time.Second), timer.Wait(start, time.Second))
	late := start.Add(time.Minute)
	require.False(t, timer.Looked())
	require.True(t, timer.LastLook(late.Add(time.Second)))
	require.Equal(t, late.Add(time.Second), timer.Wait(late, time.Hour))
	require.True(t, timer.Looked())
	require.False(t, timer.LastLook(late.Add(time.Hour)))
	timer.Came(2000)
	require.Equal(t, late.Add(3*time.Second), timer.Wait(late, time.Hour))
	require.True(t, timer.LastLook(late))
}
