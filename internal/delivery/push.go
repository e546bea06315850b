package delivery

import (
	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file queues messages on the outbox of a seat, under the limits of the member's
// role.

// pushMessage queues a message for the member. It returns the size of the frame, and
// whether the message was queued.
func (s *Seat) pushMessage(p *wire.Packet) (int, bool) {
	data := p.Bytes(s.line.form)
	if s.Role() == wire.Slave {
		return len(data), s.pushToSlave(data)
	}
	err := s.channel.arrivals.pushMessage(s, data, len(p.Frame().Payload.Data))
	return len(data), err == nil
}

// pushPresence queues a presence of a slave for the master. The rules have found room for
// it (Behind), so it never closes the connection.
func (s *Seat) pushPresence(p *wire.Packet) {
	s.channel.arrivals.pushPresence(s, p.Bytes(s.line.form))
}

// pushReplay queues a message of a replay, or a list, for the member.
func (s *Seat) pushReplay(p *wire.Packet) {
	if s.Role() == wire.Master && p.IsMessage() {
		s.channel.arrivals.pushReplay(s, p.Bytes(s.line.form), len(p.Frame().Payload.Data))
		return
	}
	s.line.PushReplay(p)
}

// discard drops what is queued for the seat: the frames of its channel. An answer without a
// channel stays.
func (s *Seat) discard() {
	s.line.out.Drop(func(frame []byte) (match, message bool) {
		decoded, err := wire.Decode(frame)
		return err == nil && decoded.Channel == s.channel.name, decoded.Type == wire.Message
	})
}

// pushToSlave queues a message for a slave. Where the outbox is full it does what
// Config.Slow says. It returns false where the outbox refused the message.
func (s *Seat) pushToSlave(data []byte) bool {
	l := s.line
	var err error
	if l.config.Outbox.Overflow == outbox.Refuse {
		if err = l.out.Push(data); err == outbox.ErrFull {
			l.out.Flush() // as in MakeRoom
			err = l.out.Push(data)
		}
	} else {
		if l.out.Full(len(data), 0, 0) {
			l.out.Flush()
		}
		err = l.out.PushStream(data, s)
		l.countDropped()
	}
	if err == outbox.ErrFull {
		l.CloseSlow()
	}
	return err == nil
}

// pushEach queues messages for a slave one after the other, and flushes them. It counts
// those that were queued, and returns the result of Flush.
func (s *Seat) pushEach(messages [][]byte) (sent sendStats, writing bool) {
	for _, data := range messages {
		if s.pushToSlave(data) {
			sent.add(sendStats{messages: 1, bytes: len(data)})
		}
	}
	return sent, s.line.out.Flush()
}
