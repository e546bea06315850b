package websocket

import (
	"errors"
	"os"
	"time"

	"github.com/lectern-go/lectern/internal/direct"
	"github.com/lectern-go/lectern/transport"
)

// receive waits for bytes, in p where that is not nil and behind what there is in
// the ahead otherwise. It probes the peer when it is silent, and fails where a
// message that has begun is not complete in time. Once Close has begun it goes
// on, with the deadline of Close.
func (s *Socket) receive(p []byte) (int, error) {
	return s.receiveBy(p, time.Now().Add(s.options.ProbeAfter))
}

// receiveBy is receive, for a peer that is silent if nothing has come by then.
//
// Before the peer is judged by what has not come, it looks once at what lies there:
// this side may be the late one, because its process or machine has stood still.
func (s *Socket) receiveBy(p []byte, silent time.Time) (int, error) {
	probed := false
	now := time.Now()
	late := s.arrival.deadline(now)
	looking := s.lookingTime()
	looked := false // the last look at a silent peer has begun, and ends at silent
	for {
		silentDue, lateDue := silent, late
		if !looked {
			silentDue = silent.Add(-looking)
		}
		if !late.IsZero() && !s.arrival.timer.Looked() {
			lateDue = late.Add(-looking)
		}
		if !s.setReadDeadline(silentDue, lateDue) {
			return s.drain(p)
		}
		if s.arrival.excessive() {
			return 0, transport.ErrSlow
		}
		n, err := s.read(p)
		dueSilent, dueLate := false, false
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && !s.isClosing() {
			// The deadline may be one from before, which was left to pass because
			// moving it costs more than looking at the time.
			s.stale = true
			now = time.Now()
			dueLate = !late.IsZero() && !now.Before(lateDue)
			dueSilent = s.options.ProbeAfter > 0 && !now.Before(silentDue)
			if (dueLate || dueSilent) && s.ahead.raw != nil {
				n, err = s.look(p)
			}
		}
		s.arrival.size += n
		switch {
		case n > 0 && dueLate && !s.arrival.timer.LastLook(now.Add(lastLook)):
			return 0, transport.ErrSlow
		case n > 0:
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				s.readErr = err
				return n, err
			}
			return n, nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			s.readErr = err
			return n, err
		case dueLate:
			if s.ahead.raw != nil || !s.arrival.timer.LastLook(now.Add(looking)) {
				return 0, transport.ErrSlow // and the peer is there to be told
			}
			late = s.arrival.deadline(now)
		case !dueSilent:
			// The deadline was another, or the one for closing.
		case s.ahead.raw == nil && !looked:
			if looked = true; silent.Before(now.Add(looking)) {
				silent = now.Add(looking)
			}
		case probed && s.probe.moves():
			probed, looked = false, false
			silent = now.Add(s.options.ProbeAfter)
		case probed:
			s.readErr = transport.ErrSilent
			return 0, s.readErr
		default:
			probed, looked = true, false
			silent = now.Add(s.options.GiveUp)
			// Whatever the writing does, there must be time left to read in.
			s.probe.probe(now.Add(s.options.GiveUp / 2))
		}
	}
}

// A last look takes what lies there without waiting. Of a net.Conn that cannot be asked
// for that it is a Read of its own, which begins a little before the end and lasts at
// least as long.
const (
	// lastLook is how long the rest of a late message may take to be read where
	// something of it lies there.
	lastLook = time.Second
	// longestLooking is how long such a Read lasts at most.
	longestLooking = 250 * time.Millisecond
)

// lookingTime is how long such a Read lasts: a small part of what is waited for, and zero
// where none is needed.
func (s *Socket) lookingTime() time.Duration {
	if s.ahead.raw != nil {
		return 0
	}
	looking := min(longestLooking, s.options.GiveUp/8)
	for _, d := range []time.Duration{s.options.ProbeAfter, s.options.MessageTimeout} {
		if d > 0 {
			looking = min(looking, d/8)
		}
	}
	return looking
}

// look reads what lies in a socket of the system, and fails with
// os.ErrDeadlineExceeded where nothing does.
func (s *Socket) look(p []byte) (n int, err error) {
	if p == nil {
		s.ahead.empty = false
		n, err = s.ahead.now()
	} else {
		n, err = direct.Look(s.ahead.raw, p)
	}
	if n == 0 && err == nil {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}
