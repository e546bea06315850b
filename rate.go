package lectern

import "time"

// Rate bounds what comes in: PerSecond in the long run, and Burst at once. In
// each field zero means the default; a PerSecond that is given alone has a Burst
// of twice as much. A negative PerSecond means no bound.
type Rate struct {
	PerSecond int
	Burst     int
}

// maxRate is more than any connection brings about, and leaves room to calculate:
// a burst of twice as many, at one a second, is 34 years.
const maxRate = 1 << 29

func (r Rate) orDefault(fallback Rate) Rate {
	if r.PerSecond < 0 {
		return Rate{}
	}
	r.PerSecond, r.Burst = min(r.PerSecond, maxRate), min(r.Burst, maxRate)
	if r.Burst <= 0 {
		r.Burst = 2 * r.PerSecond
	}
	if r.PerSecond == 0 {
		r.PerSecond = fallback.PerSecond
	}
	if r.Burst == 0 {
		r.Burst = fallback.Burst
	}
	return r
}

// pace is a bucket that holds a connection to a Rate. Each frame takes a token;
// they come back with time. A frame that finds none is refused and still counts:
// who goes on regardless, until a second burst is used up, is to be closed.
// Its Rate is not in it: a connection has two, and they are those of the policy.
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
func (p *pace) take(rate Rate, now time.Time) verdict {
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
