package delivery

import (
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// Line is the sending side of one connection: its outbox, and the form in which its
// peer speaks. It must not be copied.
type Line struct {
	config *Config
	out    *outbox.Queue
	conn   transport.Conn
	owner  Owner
	number uint64
	// form is set before the connection holds a membership.
	form wire.Form
	// drains is nil before the first need.
	drains atomic.Pointer[drains]
	// noHoldUntil is the end of a time in which no send of this connection is held
	// back, as a duration since Config.Started. Only the connection's reader uses it.
	noHoldUntil time.Duration
}

// Owner owns a Line, and is told when a membership on it has ended.
type Owner interface {
	// Release frees the seat and sends the packet to the peer. The connection is then
	// closed, after what was queued before, if it holds no other membership or if why
	// is that it was replaced.
	Release(seat *Seat, closed *wire.Packet, why *wire.Cause)
	// Enter makes the seat, which was entering, a membership of the connection.
	Enter(seat *Seat)
	// Refuse tells the peer that the seat, which was entering, is none, and why.
	Refuse(seat *Seat, why *wire.Cause)
	// Answer queues the packet, which answers a frame. why is why the frame is refused, or nil, and
	// number the frame's among those of the connection.
	Answer(seat *Seat, packet *wire.Packet, why *wire.Cause, number uint64)
	// Vacate frees the seat of a membership that the peer has ended. The connection stays.
	Vacate(seat *Seat)
	// Eject frees the seat and closes the connection because of why, whatever else it
	// holds, after what was queued before.
	Eject(seat *Seat, why *wire.Cause)
	// Drained has the hub that decides the channel of the seat be told that nothing waits on the line any more,
	// and waits until what follows from that was told. It returns false where that is this hub by now.
	Drained(seat *Seat) bool
}

// Init sets the line up. It is called once. Nobody else may write to the connection
// from then on. Each line has another number.
func (l *Line) Init(config *Config, conn transport.Conn, owner Owner, number uint64) {
	l.config, l.conn, l.owner, l.number = config, conn, owner, number
	l.out = outbox.New(conn, &config.Outbox)
}

// PeerAddress is the address of the connection's peer, or empty where it is not known.
func (l *Line) PeerAddress() string {
	if conn, ok := l.conn.(transport.Addressed); ok {
		return conn.PeerAddress()
	}
	return ""
}

// LogAttributes are what every line of the log about the connection has: its number, which
// no other connection of the hub has, and the address of its peer where that is known.
func (l *Line) LogAttributes() []any {
	if conn, ok := l.conn.(transport.Addressed); ok {
		return []any{"connection", l.number, "address", conn.PeerAddress()}
	}
	return []any{"connection", l.number}
}

// Conn is the connection. Only its outbox writes to it.
func (l *Line) Conn() transport.Conn { return l.conn }

// Out is the connection's outbox.
func (l *Line) Out() *outbox.Queue { return l.out }

// SetForm sets the form in which the peer speaks. Only the connection's reader may
// call it, before the connection holds a membership.
func (l *Line) SetForm(form wire.Form) { l.form = form }

// Push queues a frame that is no message. The caller must flush the outbox afterwards.
// Where the outbox has no room, because the peer does not read in time, Push closes the
// connection. The peer can resume its memberships, and the other members are not
// affected.
func (l *Line) Push(p *wire.Packet) {
	l.MakeRoom(p)
	if !l.PushNotice(p) {
		l.CloseSlow()
	}
	l.countDropped()
}

// MakeRoom flushes the outbox if it has no room for the frame. What fills it may be
// from the same delivery: then nobody has tried to write it yet.
func (l *Line) MakeRoom(p *wire.Packet) {
	if l.out.NoticeFull(len(p.Bytes(l.form))) {
		l.out.Flush()
	}
}

// PushNotice queues a frame that is no message. It returns false where the outbox has
// no room for it.
func (l *Line) PushNotice(p *wire.Packet) bool {
	return l.out.PushNotice(p.Bytes(l.form)) != outbox.ErrFull
}

// PushAndFlush pushes a frame and flushes the outbox. It is for callers outside of a
// delivery.
func (l *Line) PushAndFlush(p *wire.Packet) {
	l.Push(p)
	l.out.Flush()
}

// CloseSlow closes the connection at once, because its peer does not read what waits
// for it.
func (l *Line) CloseSlow() {
	l.config.Logger.Warn("connection too slow", l.LogAttributes()...)
	l.out.Abort(transport.Reason{Code: transport.Slow, Text: "too much waits to be sent"})
}

// countDropped counts and logs the messages that the outbox has dropped.
func (l *Line) countDropped() {
	if l.config.Outbox.Overflow == outbox.Refuse {
		return
	}
	if dropped := l.out.TakeDropped(); dropped > 0 {
		l.config.Observer.Add(star.MessagesDropped, star.LabelSlow, int64(dropped))
		l.config.Logger.Warn("messages dropped for a slow slave", append(l.LogAttributes(), "messages", dropped)...)
	}
}

// PushReplay queues a frame that does not count in the outbox's limits.
func (l *Line) PushReplay(p *wire.Packet) { _ = l.out.PushExempt(p.Bytes(l.form)) }
