package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lectern-go/lectern"
)

// heldUp is how long two connections can hold up what goes over them: that of the sender, and
// that of the receiver.
const heldUp = 2*faultStall + faultProbe + faultGiveUp + 3*time.Second

// lasts is how long the next message is worth something, or zero where it does not expire.
func (r *faultRound) lasts(random *rand.Rand) time.Duration {
	if !r.expires || random.IntN(3) > 0 {
		return 0
	}
	return time.Millisecond + time.Duration(random.Int64N(int64([]time.Duration{20 * time.Millisecond, time.Second, 4 * time.Second}[random.IntN(3)])))
}

func (one *sent) options() []lectern.SendOption {
	if one.lasts == 0 {
		return nil
	}
	return []lectern.SendOption{lectern.WithExpiry(one.lasts), lectern.WithTopic("soon over")}
}

// isOver reports whether the message may have expired by then.
func (one *sent) isOver(by time.Time) bool {
	return one.lasts > 0 && !by.Before(one.began.Add(one.lasts))
}

// verifyEnd: nobody is handed a message after its end, which is not put off but by the time that
// it is on its way.
func (one *sent) verifyEnd(m lectern.Message, at time.Time) error {
	switch {
	case m.Expires.IsZero() != (one.lasts == 0):
		return fmt.Errorf("%q expires at %v, and was to last for %v", one.text, m.Expires, one.lasts)
	case one.lasts == 0:
		return nil
	case m.Topic != "soon over":
		return fmt.Errorf("%q is about %q", one.text, m.Topic)
	case !at.Before(m.Expires):
		return fmt.Errorf("%q was handed over at %v, and has expired at %v", one.text, at, m.Expires)
	case m.Expires.After(one.began.Add(one.lasts + heldUp)):
		return fmt.Errorf("%q, begun at %v, was to last for %v, and is told to expire at %v", one.text, one.began, one.lasts, m.Expires)
	}
	return nil
}

// mayHaveExpired is how many messages for the seat may have expired by then and have not come.
func (s *faultSeat) mayHaveExpired(all map[string]*sent, seen map[string]bool, by time.Time) (messages uint64) {
	for _, one := range all {
		accepted := one.err == nil || one.unknown()
		if accepted && one.question == "" && !seen[one.text] && one.isOver(by) && (s.isMaster() || one.to == toEverybody || one.to == s.name) {
			messages++
		}
	}
	return messages
}

// verifyTime: a question whose time is over ends then, no sooner, and no answer is accepted
// afterwards.
func (q *asked) verifyTime(given []*sent) error {
	late := false
	for _, a := range q.answers {
		late = late || errors.Is(a.Err, lectern.ErrTooLate)
	}
	end := q.began.Add(q.lasts)
	if late && (q.lasts == 0 || q.done.Before(end)) {
		return fmt.Errorf("begun at %v, it was too late at %v, and was to last for %v", q.began, q.done, q.lasts)
	}
	for _, one := range given {
		if q.lasts > 0 && one.err == nil && one.began.After(end.Add(heldUp)) {
			return fmt.Errorf("%q was accepted, begun at %v, though its time was over at %v", one.text, one.began, end)
		}
	}
	return nil
}
