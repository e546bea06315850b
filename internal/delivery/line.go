package delivery

import (
	"time"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// Line is the way out to one connection: its outbox, and the form in which its
// peer speaks. It must not be copied.
type Line struct {
	config *Config
	out    *outbox.Queue
	owner  Owner
	number uint64
	// form is set before the connection holds a membership.
	form wire.Form
	// unheld is until when no send of this connection is held back, counted from
	// Config.Started; its reader's.
	unheld time.Duration
}

// Owner is told that a membership on a Line has ended.
type Owner interface {
	// Release frees the seat and tells the peer, by the packet. Where the
	// connection holds nothing else, or was replaced, it is to be closed behind
	// what was queued before.
	Release(seat *Seat, closed *wire.Packet, why *wire.Cause)
}

// Init sets the line up, once, for a connection that is to be written to by
// nobody else. number must not be that of another line.
func (l *Line) Init(config *Config, conn transport.Conn, owner Owner, number uint64) {
	l.config, l.owner, l.number = config, owner, number
	l.out = outbox.New(conn, &config.Outbox)
}

// Out is the connection's outbox.
func (l *Line) Out() *outbox.Queue { return l.out }

// SetForm sets the form in which the peer speaks. It is for the connection's
// reader, before the connection holds a membership.
func (l *Line) SetForm(form wire.Form) { l.form = form }

// Push queues a frame; whoever calls it sees to it that the outbox is flushed. A
// peer that does not take its frames in time loses the connection, not the others
// theirs; its memberships can be resumed.
func (l *Line) Push(p *wire.Packet) {
	l.MakeRoom(p)
	if !l.Notice(p) {
		l.TooSlow()
	}
	l.countDropped()
}

// MakeRoom flushes an outbox that is too full for the frame: what fills it may be
// from this same delivery, and was not given to the peer yet.
func (l *Line) MakeRoom(p *wire.Packet) {
	if l.out.NoticeFull(len(p.Bytes(l.form))) {
		l.out.Flush()
	}
}

// Notice queues a frame that is no message, and reports false where there is no room
// for it.
func (l *Line) Notice(p *wire.Packet) bool {
	return l.out.PushNotice(p.Bytes(l.form)) != outbox.ErrFull
}

// Say pushes a frame and flushes it, for who is not delivering.
func (l *Line) Say(p *wire.Packet) {
	l.Push(p)
	l.out.Flush()
}

// pushMessage queues a message for the member. It returns the size, and false
// where the message is not on its way.
func (s *Seat) pushMessage(p *wire.Packet) (int, bool) {
	data := p.Bytes(s.line.form)
	if s.Role() == wire.Slave {
		return len(data), s.pushToSlave(data)
	}
	err := s.line.out.PushAccepted(data)
	s.channel.arrivals.add(s, len(p.Frame().Payload.Data))
	return len(data), err == nil
}

// pushToSlave queues a message as the policy says for slow slaves, and returns
// false where it is not on its way.
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
		l.TooSlow()
	}
	return err == nil
}

// pushEach queues messages for a slave, and flushes them. It returns those that
// are on their way, and what Flush does.
func (s *Seat) pushEach(messages [][]byte) (sent passed, left bool) {
	for _, data := range messages {
		if s.pushToSlave(data) {
			sent.add(passed{messages: 1, bytes: len(data)})
		}
	}
	return sent, s.line.out.Flush()
}

// TooSlow closes the connection: its peer does not take what waits for it.
func (l *Line) TooSlow() {
	l.config.Logger.Warn("connection too slow")
	l.out.Abort(transport.Reason{Code: transport.Slow, Text: "too much waits to be sent"})
}

// countDropped keeps account of what the outbox has dropped.
func (l *Line) countDropped() {
	if l.config.Outbox.Overflow == outbox.Refuse {
		return
	}
	if dropped := l.out.TakeDropped(); dropped > 0 {
		l.config.Observer.Add(star.Dropped, star.LabelSlow, int64(dropped))
		l.config.Logger.Warn("messages dropped for a slow slave")
	}
}

// PushReplay queues a frame that the limits do not count.
func (l *Line) PushReplay(p *wire.Packet) { _ = l.out.PushExempt(p.Bytes(l.form)) }
