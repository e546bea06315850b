package hub

import (
	"time"

	"github.com/lectern-go/lectern/internal/rate"
)

// pace holds a connection to a RateLimit. Each frame takes a token. A frame that finds
// none is refused and still counts: who goes on regardless, until a second burst
// is used up, is to be closed. Its RateLimit is not in it: a connection has three,
// and they are those of the policy.
type pace struct{ bucket rate.Bucket }

type verdict uint8

const (
	inTime verdict = iota
	tooFast
	muchTooFast
)

// giveBack takes back what take has counted for one frame, at the same time.
func (p *pace) giveBack(limit RateLimit, now time.Time) {
	if limit.PerSecond != 0 {
		p.bucket.GiveBack(rate.Interval(limit.PerSecond), now)
	}
}

// take counts one frame.
func (p *pace) take(limit RateLimit, now time.Time) verdict {
	if limit.PerSecond == 0 {
		return inTime
	}
	interval := rate.Interval(limit.PerSecond)
	missing, burst := p.bucket.Take(interval, now), interval*time.Duration(limit.Burst)
	switch {
	case missing <= burst:
		return inTime
	case missing <= 2*burst:
		return tooFast
	}
	return muchTooFast
}
