package wire

import (
	"math"
	"time"
)

// Milliseconds is a time as frames carry it. It rounds up, so that nobody is told
// that a time ends before it does.
func Milliseconds(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64((d-1)/time.Millisecond) + 1 // which does not overflow
}

// FromMilliseconds is the time that a peer tells, which may be any number.
func FromMilliseconds(ms uint64) time.Duration {
	return time.Duration(min(ms, math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond
}
