package transport

import (
	"time"

	"github.com/lectern-go/lectern/internal/rate"
)

// DefaultControlFramesPerSecond is how many control frames a second an adapter takes
// from its peer where its options do not say otherwise. Up to twice as many may come
// at once. By the defaults, a peer sends one in ten seconds.
const DefaultControlFramesPerSecond = 10

// A TokenBucket bounds how often something may happen: so many times a second
// on average, and up to twice as many times at once. The adapters count with it
// what costs a peer next to nothing to send and is not a message, such as pings.
//
// It takes the time as an argument, and is not safe for concurrent use.
type TokenBucket struct {
	interval time.Duration // from one token to the next; zero where nothing is bounded
	bucket   rate.Bucket
}

// NewTokenBucket returns a full bucket. Where perSecond is not positive, nothing
// is bounded.
func NewTokenBucket(perSecond int) TokenBucket {
	if perSecond <= 0 {
		return TokenBucket{}
	}
	return TokenBucket{interval: rate.Interval(perSecond)}
}

// Take takes one token, and reports false where there is none: it has happened
// too often.
func (b *TokenBucket) Take(now time.Time) bool {
	if b.interval == 0 {
		return true
	}
	after := b.bucket // what is refused takes no token
	if after.Take(b.interval, now) > b.capacity() {
		return false
	}
	b.bucket = after
	return true
}

// capacity is how long an empty bucket takes to fill.
func (b *TokenBucket) capacity() time.Duration {
	burst := 2 * (time.Second / b.interval)
	return max(burst, 1) * b.interval
}

// ControlFramesPerSecond returns how many control frames a second an adapter takes
// from its peer: asked where it is not zero, else [DefaultControlFramesPerSecond], or
// twice as many as a peer sends that probes after silences of probeAfter, as this end
// does, where that is more. Negative means any number.
func ControlFramesPerSecond(asked int, probeAfter time.Duration) int {
	if asked != 0 {
		return asked
	}
	if probeAfter <= 0 {
		return DefaultControlFramesPerSecond
	}
	return max(DefaultControlFramesPerSecond, int(2*time.Second/probeAfter))
}
