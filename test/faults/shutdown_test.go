package faults

import (
	"errors"
	"fmt"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/faults"
	"github.com/lectern-go/lectern/transport"
)

// shutBy reports whether the hub was told to shut down, and not after that.
func (r *faultRound) shutBy(at time.Time) bool { return !r.shutAt.IsZero() && !at.Before(r.shutAt) }

// verifyRemovals: from one that was removed nothing is accepted afterwards, and
// one that is banned does not get in again.
func (l *life) verifyRemovals() error {
	for _, m := range l.removals {
		for _, s := range l.seats {
			if s.name != m.name {
				continue
			}
			if m.ban && s.former == nil && s.asked.After(m.done) {
				return fmt.Errorf("%s was banned at %v, and got in at %v", s.name, m.done, s.entered)
			}
			if !s.entered.Before(m.began) {
				continue // it came after a kick
			}
			for _, one := range s.sends {
				if one.began.After(m.done) && one.err == nil {
					return fmt.Errorf("%s was removed at %v, and %q was accepted", s.name, m.done, one.text)
				}
			}
		}
	}
	return nil
}

// verifyShutdown: nothing is accepted and nobody gets in after the shutdown has
// begun, and who is connected is told.
func (l *life) verifyShutdown() error {
	r := l.round
	if r.shutAt.IsZero() {
		return nil
	}
	for _, s := range l.seats {
		if s.asked.After(r.shutAt) && s.former == nil {
			return fmt.Errorf("%s got in at %v, the shutdown was at %v", s.name, s.entered, r.shutAt)
		}
		for _, one := range s.sends {
			if one.began.After(r.shutAt) && one.err == nil {
				return fmt.Errorf("%q was accepted at %v, the shutdown was at %v", one.text, one.began, r.shutAt)
			}
		}
		if s.conn == nil || r.shutdown == shutdownAmid {
			continue // nobody is told over a connection that a fault has broken
		}
		// Where the outboxes are small, somebody may have been too slow.
		if code, ok := s.conn.closed(); !ok || code != transport.Shutdown && !(r.small && code == transport.Slow) {
			return fmt.Errorf("the connection of %s has ended with %v at the shutdown", s.name, s.conn.err())
		}
	}
	w := l.witness.seat
	if r.shutBy(w.ended) && errors.Is(w.err, lectern.ErrLeft) {
		return errors.New("the witness was not told of the shutdown")
	}
	return nil
}

// staysToTheEnd reports whether everything that was accepted for the seat must
// have arrived: it was there at the end, and its connection, if the hub has shut
// down, ended with the word of it and nothing else.
func (s *faultSeat) staysToTheEnd() bool {
	if s.name == witnessName {
		return errors.Is(s.err, lectern.ErrShutdown) || errors.Is(s.err, lectern.ErrLeft) || s.gaveUp() && s.life.round.shutBy(s.ended)
	}
	if s.life.round.shutAt.IsZero() {
		return s.last != nil
	}
	if s.conn == nil || !errors.Is(s.err, lectern.ErrMasterDown) {
		return false // it had left, or nobody took what had come: it was being taken over
	}
	// Where the hub finds a connection lost that it is closing, it hurries. The
	// probes take one for lost that is slower than they are patient; over memory
	// there are none.
	r := s.life.round
	probed := faultNetworks[r.seed%uint64(len(faultNetworks))].name != "memory"
	for _, f := range s.conn.plan {
		harmless := f.Kind == faults.Cut || f.Kind == faults.Delay && !probed
		if r.shutdown == shutdownAmid && !harmless {
			return false
		}
	}
	code, ok := s.conn.closed()
	return ok && code == transport.Shutdown
}

// closed is the reason that the connection was closed with by the hub, if any.
func (c *heardConn) closed() (transport.CloseCode, bool) {
	var closed *transport.CloseError
	if errors.As(c.err(), &closed) {
		return closed.Reason.Code, true
	}
	return 0, false
}

func (c *heardConn) err() error {
	if err := c.end.Load(); err != nil {
		return *err
	}
	return nil
}

// verifyPace: no slave, however slow, holds up its master, but with SlowHold, and
// then for so long. Nothing happens to a steady master's connection, so whatever
// its sends wait for is the hub.
func (l *life) verifyPace() error {
	if !l.round.steady {
		return nil
	}
	most := time.Duration(0)
	if l.round.slow == lectern.SlowHold {
		most = 10 * faultHold // several sends can wait for each other
	}
	for _, s := range l.seats {
		for _, one := range s.sends {
			if s.isMaster() && one.err == nil && one.question == "" && s.asksNot(one) && one.done.Sub(one.began) > most && !l.round.overlaps(one.began, one.done) {
				return fmt.Errorf("%q took %v", one.text, one.done.Sub(one.began))
			}
		}
	}
	return nil
}

// asksNot reports whether a message is no question, for which its sender waits.
func (s *faultSeat) asksNot(one *sent) bool {
	for _, q := range s.asks {
		if q.question == one.text {
			return false
		}
	}
	return true
}
