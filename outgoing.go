package lectern

import (
	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// What a session queues for its peer, and how a membership of it ends.

// push queues a frame; whoever calls it sees to it that the outbox is flushed. A
// peer that does not take its frames in time loses the connection, not the others
// theirs; its memberships can be resumed.
func (s *session) push(p *packet) {
	data := p.bytes(s.form)
	s.makeRoomForNotice(len(data))
	if s.out.PushNotice(data) == outbox.ErrFull {
		s.tooSlow()
	}
	s.countDropped()
}

// makeRoomForNotice flushes a full outbox: what fills it may be from this same
// delivery, and was not given to the peer yet.
func (s *session) makeRoomForNotice(size int) {
	if s.out.NoticeFull(size) {
		s.out.Flush()
	}
}

// say pushes a frame and flushes it, for who is not delivering.
func (s *session) say(p *packet) {
	s.push(p)
	s.out.Flush()
}

// pushMessage queues a message for a member on this connection. It returns the
// size, and false where the message is not on its way.
func (s *session) pushMessage(a *attachment, p *packet) (int, bool) {
	data := p.bytes(s.form)
	if a.member.role == wire.Slave {
		return len(data), s.pushToSlave(a, data)
	}
	err := s.out.PushAccepted(data)
	a.arrived(len(p.frame.Payload.Data))
	return len(data), err == nil
}

// pushToSlave queues a message as the policy says for slow slaves, and returns
// false where it is not on its way.
func (s *session) pushToSlave(a *attachment, data []byte) bool {
	var err error
	if overflows[s.hub.policy.Slow] == outbox.Refuse {
		if err = s.out.Push(data); err == outbox.ErrFull {
			s.out.Flush() // as in makeRoomForNotice
			err = s.out.Push(data)
		}
	} else {
		if s.out.Full(len(data), 0, 0) {
			s.out.Flush()
		}
		err = s.out.PushStream(data, a)
		s.countDropped()
	}
	if err == outbox.ErrFull {
		s.tooSlow()
	}
	return err == nil
}

// pushEach queues messages for a slave, and flushes them. It returns those that
// are on their way, and what Flush does.
func (s *session) pushEach(a *attachment, messages [][]byte) (sent passed, left bool) {
	for _, data := range messages {
		if s.pushToSlave(a, data) {
			sent.add(passed{messages: 1, bytes: len(data)})
		}
	}
	return sent, s.out.Flush()
}

func (s *session) tooSlow() {
	s.hub.policy.Logger.Warn("connection too slow")
	s.out.Abort(transport.Reason{Code: transport.Slow, Text: "too much waits to be sent"})
}

// countDropped keeps account of what the outbox has dropped.
func (s *session) countDropped() {
	if overflows[s.hub.policy.Slow] == outbox.Refuse {
		return
	}
	if dropped := s.out.TakeDropped(); dropped > 0 {
		s.hub.policy.Observer.Add(Dropped, labelSlow, int64(dropped))
		s.hub.policy.Logger.Warn("messages dropped for a slow slave")
	}
}

func (s *session) pushReplay(p *packet) { _ = s.out.PushExempt(p.bytes(s.form)) }

// full reports whether a message of that size would be too much for a master's
// connection at present, with what has been accepted for it already.
func (a *attachment) full(size int) bool {
	return a.session.out.Full(size, int(a.upcoming.messages.Load()), int(a.upcoming.bytes.Load()))
}

// expect counts a message that has been accepted for a master; arrived is told
// that it has been queued.
func (a *attachment) expect(size int) {
	a.upcoming.messages.Add(1)
	a.upcoming.bytes.Add(int64(size))
}

func (a *attachment) arrived(size int) {
	a.upcoming.messages.Add(-1)
	a.upcoming.bytes.Add(-int64(size))
}

// release ends a membership of this connection: the peer is told, and where it
// holds no other one, the connection is closed after what was queued before.
func (s *session) release(a *attachment, closed *packet, why *Error) {
	data := closed.bytes(s.form)
	s.makeRoomForNotice(len(data))
	// All at once: a peer that has been told may want the seat again, and one
	// that has not been told yet must not hear that it is no member.
	s.mu.Lock()
	if s.seats.get(a.channel.name) == a {
		s.seats.remove(a.channel.name)
	}
	full := s.out.PushNotice(data) == outbox.ErrFull
	if s.seats.count() == 0 || why.Code == ErrReplaced.Code {
		s.ending = true
		s.out.Close(why.closeReason())
	}
	s.mu.Unlock()
	if full {
		s.tooSlow()
	}
}

// endReplaced ends the connection though the word that its membership was taken
// over is still on its way: a peer that is not told would come back and take its
// place again.
func (s *session) endReplaced(channel string) {
	why := ErrReplaced.with("a newer connection has the membership")
	s.mu.Lock()
	defer s.mu.Unlock()
	// At once, so that no answer to what the peer sends next comes between.
	s.seats.remove(channel)
	s.ending = true
	s.pushReplay(closedPacket(channel, why))
	s.out.Close(why.closeReason())
}
