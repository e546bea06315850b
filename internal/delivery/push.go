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
		return len(data), s.pushToSlave(data, p)
	}
	err := s.channel.arrivals.pushMessage(s, data, p)
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
		s.channel.arrivals.pushReplay(s, p.Bytes(s.line.form), p)
		return
	}
	_ = s.push(outbox.Exempt, p.Bytes(s.line.form), p)
}

// discard drops what is queued for the seat: the frames of its channel. An answer without a
// channel stays, and so does an error, which says nothing of the channel.
func (s *Seat) discard() {
	s.line.out.Drop(func(frame []byte) (match, message bool) {
		decoded, err := wire.Decode(frame)
		return err == nil && decoded.Channel == s.channel.name && decoded.Type != wire.Error, decoded.Type == wire.Message
	})
}

// push queues the message of the packet, whose bytes are data, by the rule of the kind.
func (s *Seat) push(kind outbox.Kind, data []byte, p *wire.Packet) error {
	out := s.line.out
	if p.Expires() {
		return out.PushExpiring(kind, data, &expiring{s, p})
	}
	switch kind {
	case outbox.Streamed:
		return out.PushStream(data, s)
	case outbox.Accepted:
		return out.PushAccepted(data)
	case outbox.Exempt:
		return out.PushExempt(data)
	}
	return out.Push(data)
}

// pushToSlave queues the message of the packet, whose bytes are data, for a slave. Where the outbox is full it does what
// Config.Slow says. It returns false where the outbox refused the message.
func (s *Seat) pushToSlave(data []byte, p *wire.Packet) bool {
	l := s.line
	var err error
	if l.config.Outbox.Overflow == outbox.Refuse {
		if err = s.push(outbox.Limited, data, p); err == outbox.ErrFull {
			l.out.Flush() // as in MakeRoom
			err = s.push(outbox.Limited, data, p)
		}
	} else {
		if l.out.Full(len(data), 0, 0) {
			l.out.Flush()
		}
		err = s.push(outbox.Streamed, data, p)
		l.countDropped()
	}
	if err == outbox.ErrFull {
		l.CloseSlow()
	}
	return err == nil
}

// pushEach queues the messages of the batch, whose bytes are data, for a slave one after the
// other, and flushes them. It counts those that were queued, and returns the result of Flush.
func (s *Seat) pushEach(messages [][]byte, batch *batch) (sent sendStats, writing bool) {
	for i, data := range messages {
		if s.pushToSlave(data, batch.packets[i]) {
			sent.add(sendStats{messages: 1, bytes: len(data)})
		}
	}
	return sent, s.line.out.Flush()
}
