package hub

import "time"

// pace is a bucket that holds a connection to a RateLimit. Each frame takes a token;
// they come back with time. A frame that finds none is refused and still counts:
// who goes on regardless, until a second burst is used up, is to be closed.
// Its RateLimit is not in it: a connection has two, and they are those of the policy.
type pace struct {
	full time.Time // when the bucket will have all its tokens again
}

type verdict uint8

const (
	inTime verdict = iota
	tooFast
	muchTooFast
)

// take counts one frame.
func (p *pace) take(rate RateLimit, now time.Time) verdict {
	if rate.PerSecond == 0 {
		return inTime
	}
	interval := max(time.Second/time.Duration(rate.PerSecond), 1)
	if p.full.Before(now) {
		p.full = now
	}
	p.full = p.full.Add(interval)
	missing, burst := p.full.Sub(now), interval*time.Duration(rate.Burst)
	switch {
	case missing <= burst:
		return inTime
	case missing <= 2*burst:
		return tooFast
	}
	return muchTooFast
}
