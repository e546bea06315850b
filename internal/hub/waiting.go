package hub

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is who waits to get in: for a channel that does not exist yet, and at the door of
// one. The session has no seat there before it is in.

// newWait is a wait for what the seat is being entered by, a join.
func (s *session) newWait(seat *seat, entry star.Entry) *wait {
	entry.Since = time.Now()
	return &wait{session: s, seat: seat, entering: seat.entering, entry: entry}
}

// knock has the wait stand at the door of the channel, whose lock is held.
func (s *session) knock(w *wait, c *delivery.Channel, rules *star.Channel, now time.Time) error {
	// The wait is there before the door is asked: whoever lets it in finds it.
	if err := s.beginWait(w, c, nil); err != nil {
		return err
	}
	if err := rules.Knock(now, &w.seat.Attachment, w.entry, w.username, w.expect); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hub.waits.take(s, &w.seat.Seat)
		s.seats.set(w.channel, w.seat) // it is reserved, and no more
		return err
	}
	return star.ErrWaits
}

// waitForChannel has the wait stand until its channel is created, and tells the peer so.
func (s *session) waitForChannel(w *wait) error {
	tell, told := s.tellWaiting(w, w.entry.Ref)
	defer told()
	return s.beginWait(w, nil, tell)
}

// beginWait notes that the session waits. Its seat is not reserved any more. tell is as for waits.add.
func (s *session) beginWait(w *wait, c *delivery.Channel, tell func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return errEnding
	}
	reserved := s.seats.get(w.channel) == w.seat
	extra := w.extra()
	if reserved {
		extra++
	}
	if !s.hasRoom(extra) {
		return s.hub.refusals.channelsOfConnection
	}
	if err := s.hub.waits.add(w, c, tell); err != nil {
		return err
	}
	if reserved {
		s.seats.remove(w.channel)
		s.settle(w.entering)
	}
	s.overdue = false
	s.hub.idlers.remove(s)
	return nil
}

// tellWaiting is how the peer is told that it waits for the channel, under that ref: tell queues the
// frame, under the lock of the waits, so that it comes before what comes of the wait. told is called
// at the end, without a lock.
func (s *session) tellWaiting(w *wait, ref uint64) (tell, told func()) {
	frame := &wire.Frame{Type: wire.Waiting, Ref: ref, Channel: w.asked}
	frame.NeedEntering().For = wire.ForMaster
	packet, full := wire.NewPacket(frame), false
	s.MakeRoom(packet)
	return func() { full = !s.PushNotice(packet) }, func() {
		if full {
			s.CloseSlow()
		}
		s.Out().Flush()
	}
}

// waitsAgain is for a join in a channel in which the session waits: it is told so again, under
// the ref of this one. It reports whether the session waits there still.
func (s *session) waitsAgain(w *wait, c *delivery.Channel, f *wire.Frame) (waits bool, err error) {
	if w.username != f.Username {
		return true, wire.ErrForbidden.With("this connection waits in " + wire.Quote(f.Channel) + " under another name: leave it first")
	}
	if c == nil {
		tell, told := s.tellWaiting(w, cmp.Or(f.Ref, w.entry.Ref))
		defer told()
		return s.hub.waits.setRef(w, nil, f.Ref, tell), nil
	}
	asked := false
	for !asked && !c.Decide(func(rules *star.Channel, now time.Time) {
		if waits = rules.WaitsAt(now, &w.seat.Attachment, f.Ref); waits {
			s.hub.waits.setRef(w, c, f.Ref, nil)
		}
	}) {
		var q queried
		if q, asked, err = s.query(w.seat, &call{op: opWaits, frame: f}); err != nil {
			now, _ := s.hub.waits.find(s, f.Channel)
			if err == error(errGone) && now != w {
				return false, nil // it was refused, which the former join was told
			}
			return true, err
		}
		waits = q.yes
	}
	if !waits {
		err = s.flush(c) // it is in, or refused, which the former join is told
	}
	return waits, err
}

// letWaitersIn brings those to the door of a new channel who have waited for it. The channel's
// lock is held, so that nobody is in before.
func (h *Hub) letWaitersIn(c *delivery.Channel, rules *star.Channel, now time.Time) {
	for _, w := range h.waits.arrived(c, now, nil) {
		w.seat.Init(&w.session.Line, c)
		rules.Arrive(now, &w.seat.Attachment, w.entry, w.username, w.expect)
	}
}

// waits reports whether the session waits somewhere. The lock is held.
func (s *session) waits() bool { return s.hub.waits.number(s) > 0 }

// becomeIdle notes that the session has one seat, or wait, less. The lock is held.
func (s *session) becomeIdle() {
	if s.seats.count() == 0 && !s.waits() && !s.hub.idlers.has(s) {
		s.hub.idlers.add(s)
	}
}

// takeWait takes a wait out, unless it was taken before: then it is nil.
func (s *session) takeWait(take func() *wait) *wait {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := take()
	if w != nil {
		s.becomeIdle()
	}
	return w
}

// endWaiting answers a join that has waited, and was taken out.
func (s *session) endWaiting(w *wait, why *wire.Cause) {
	use := wire.Lookup(why.Code)
	switch {
	case why.Code == wire.ErrLeft.Code:
		s.PushAndFlush(wire.NewPacket(&wire.Frame{Type: wire.Left, Ref: w.entry.Ref, Channel: w.asked}))
	case use.Is(wire.InClosed) && !use.Is(wire.Refuses):
		s.PushAndFlush(wire.NewPacket(&wire.Frame{
			Type: wire.Closed, Ref: w.entry.Ref, Channel: w.asked, Code: string(why.Code), Reason: why.Text,
		}))
	default:
		s.refuseEntering(w.entering, w.entry.Ref, why)
	}
}

// leaveWait ends what the session waits for in the channel, by a leave with that ref, and
// reports whether it has waited there.
func (s *session) leaveWait(channel string, ref uint64) (waited bool) {
	w, c := s.hub.waits.find(s, channel)
	if w == nil {
		return false
	}
	left := wire.NewPacket(&wire.Frame{Type: wire.Left, Ref: ref, Channel: channel})
	if c == nil {
		if !s.takeBack(w) {
			return s.leaveWait(channel, ref) // it is at the door by now
		}
		s.endWaiting(w, wire.ErrLeft)
	} else {
		asked := false
		for !asked && !c.Decide(func(rules *star.Channel, _ time.Time) {
			if waited = rules.CancelKnock(&w.seat.Attachment); waited {
				rules.Answer(&w.seat.Attachment, left, nil, 0)
			}
		}) {
			q, called, err := s.query(w.seat, &call{op: opCancel, frame: &wire.Frame{Type: wire.Leave, Channel: channel, Ref: ref}})
			if err != nil {
				break // its connection ends, or the channel has
			}
			asked, waited = called, q.yes
		}
		if !waited {
			_ = s.flush(c) // it is in, or refused
		}
		return waited
	}
	s.PushAndFlush(left)
	return true
}

// takeBack takes out a wait for a channel, and reports whether it was there.
func (s *session) takeBack(w *wait) bool {
	return s.takeWait(func() *wait {
		if s.hub.waits.takeBack(w) {
			return w
		}
		return nil
	}) != nil
}

// endWaits takes what the session waits for from the doors, after its connection has ended. They
// were taken out before. It returns the seats of those that were let in, which nobody knows.
func (s *session) endWaits(left []*wait, onPurpose bool) (in []*seat) {
	for _, w := range left {
		if w.c == nil {
			continue
		}
		if w.c.Elsewhere() {
			s.endWaitElsewhere(w, onPurpose)
			continue
		}
		w.c.Decide(func(rules *star.Channel, _ time.Time) {
			if a := &w.seat.Attachment; !rules.CancelKnock(a) && !rules.MembershipEnded(a) {
				in = append(in, w.seat)
			}
		})
	}
	return in
}

// endOverdueWaits refuses those who have waited too long for a channel.
func (h *Hub) endOverdueWaits() {
	defer h.goroutines.Done()
	for _, w := range h.waits.over() {
		w.refuse(wire.ErrTooLate.With(fmt.Sprintf("nobody has created the channel for %v", h.config.WaitTimeout)))
	}
}

// refuse answers a wait for a channel that was taken out.
func (w *wait) refuse(why *wire.Cause) {
	w.session.takeWait(func() *wait { return w })
	w.session.endWaiting(w, why)
}

// asksForStatus reports whether the service is asked before anybody is told whether a channel
// exists.
func (h *Hub) asksForStatus() bool {
	return h.config.Authorize != nil && slices.Contains(h.config.Reauthorize, OpStatus)
}
