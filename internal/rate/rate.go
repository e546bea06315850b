// Package rate has the token bucket by which the number of a peer's frames is
// bounded. What happens to those that are too many is decided by who counts.
package rate

import "time"

// Interval is the time after which a token comes back, where there are so many a
// second. perSecond is positive.
func Interval(perSecond int) time.Duration {
	return max(time.Second/time.Duration(perSecond), 1)
}

// A Bucket of tokens that come back with time. The zero Bucket has all of them.
//
// It holds one instant and nothing else, because every connection has some: its
// rate and its size are the caller's, and the same in every call. It is not safe
// for concurrent use.
type Bucket struct {
	// full is when the bucket will have all its tokens again, counted from origin;
	// zero before the first one is taken. A time.Time would take 24 bytes.
	full time.Duration
}

// origin is what instants are counted from. It is no bubble's of a test, but only the
// difference of two instants of one clock is ever used.
var origin = time.Now()

// Take takes one token, which comes back after interval. It returns how long the
// bucket will need from now until it has all its tokens again: more than its size
// times interval, where there was none left. It is taken all the same then, and
// has to come back too.
func (b *Bucket) Take(interval time.Duration, now time.Time) time.Duration {
	at := now.Sub(origin)
	if b.full == 0 || b.full < at {
		b.full = at
	}
	b.full += interval
	return b.full - at
}

// GiveBack returns a token that was taken at the same time.
func (b *Bucket) GiveBack(interval time.Duration, now time.Time) {
	b.full = max(b.full-interval, now.Sub(origin))
}
