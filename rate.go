package lectern

import "time"

// Rate bounds what comes in: PerSecond in the long run, and Burst at once. In
// each field zero means the default; a PerSecond that is given alone has a Burst
// of twice as much. A negative PerSecond means no bound.
type Rate struct {
	PerSecond int
	Burst     int
}

func (r Rate) orDefault(fallback Rate) Rate {
	if r.PerSecond < 0 {
		return Rate{}
	}
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
type pace struct {
	rate  Rate
	level float64
	at    time.Time
}

type verdict uint8

const (
	inTime verdict = iota
	tooFast
	muchTooFast
)

func newPace(rate Rate, now time.Time) pace {
	return pace{rate: rate, level: float64(rate.Burst), at: now}
}

// take counts one frame.
func (p *pace) take(now time.Time) verdict {
	if p.rate.PerSecond == 0 {
		return inTime
	}
	burst := float64(p.rate.Burst)
	p.level = min(burst, p.level+now.Sub(p.at).Seconds()*float64(p.rate.PerSecond)) - 1
	p.at = now
	switch {
	case p.level >= 0:
		return inTime
	case p.level >= -burst:
		return tooFast
	}
	return muchTooFast
}
