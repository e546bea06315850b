package lectern

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// delivery carries out what a Channel decides. The lock makes decisions one at
// a time; their effects go through one queue, so that every member sees them in
// the order in which they were decided, and they are carried out after the lock
// is released: pushing to outboxes, letting go of connections and logging never
// happen under it.
//
// A goroutine delivers, which exists while there is something to deliver, so that
// whoever decides can go on with its connection; after a silence it is the reader that
// has ended it. Deciding and delivering share no other state: the audience is the
// delivery's own and follows the effects.
type delivery struct {
	hub *Hub

	mu      sync.Mutex
	effects []effect
	spare   []effect
	// delivering: some goroutine is carrying out effects.
	delivering bool
	// decidedAt is when something was decided last, and afterSilence whether what
	// waits has ended a silence.
	decidedAt    time.Time
	afterSilence bool
	// decided and carriedOut count effects.
	decided, carriedOut uint64
	// room is signalled when the effects have been taken over for delivery, and
	// when they have been carried out.
	room *sync.Cond
	// timer wakes the channel at alarm, when something is due.
	timer *time.Timer
	alarm time.Time

	// fanout belongs to whoever is delivering.
	fanout fanout
	// crowd are those whose outboxes are filling, for SlowHold.
	crowd crowd
}

// effect is one consequence of a decision.
type effect struct {
	kind   effectKind
	to     *attachment
	packet *packet
	end    *Error
	// text is a note's, or a tally's label; member is a note's.
	text   string
	member string
	// metric and delta are a tally's.
	metric Metric
	delta  int64
	// since is, with forget, when a master that is down had to be back.
	since time.Time
}

type effectKind uint8

const (
	// sendOne queues the packet to one member.
	sendOne effectKind = iota
	// sendReplay does so beyond the outbox's limits: a replay has its own.
	sendReplay
	// sendAll queues the packet to everyone in the audience.
	sendAll
	// admit puts an attachment into the audience, dismiss takes it out.
	admit
	dismiss
	// release tells one member that its membership has ended, and closes its
	// connection unless that holds another.
	release
	// releaseAll does so for the whole audience.
	releaseAll
	// forget takes the channel off the hub.
	forget
	// note tells the log of a change of a member.
	note
	// tally tells the Observer.
	tally
)

// changesAudience reports whether messages to all mean others after such an
// effect.
func (k effectKind) changesAudience() bool {
	return k == admit || k == dismiss || k == releaseAll
}

// maxUndelivered is how many effects may wait; who decides more waits until they
// are taken over.
const maxUndelivered = 1024

// maxPutOff is how many effects may wait because their connection has more to say.
const maxPutOff = 128

// emit appends to what is to be done. The lock is held.
func (d *delivery) emit(e effect) {
	d.effects = append(d.effects, e)
	d.decided++
}

// decide runs a transition under the lock, at a time that is read under it, and
// after what was due before. Then it sees to it that the effects are delivered.
func (c *Channel) decide(transition func(now time.Time)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run(transition)
	c.startDelivery()
}

// decideFirst is decide for who may be about to decide something more, which should
// be delivered along: it reports true where they have to call deliverPutOff in the
// end.
func (c *Channel) decideFirst(transition func(now time.Time)) (waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run(transition)
	if len(c.effects) >= maxPutOff {
		c.startDelivery()
	}
	return !c.delivering && len(c.effects) > 0
}

// run carries the transition out. The lock is held.
func (c *Channel) run(transition func(now time.Time)) {
	for c.delivering && len(c.effects) > maxUndelivered {
		c.room.Wait()
	}
	now := time.Now()
	if !c.delivering && len(c.effects) == 0 {
		c.afterSilence = now.Sub(c.decidedAt) >= silence
	}
	c.decidedAt = now
	c.expire(now)
	transition(now)
	c.setAlarm(now)
}

// silence is after how long without a decision a reader delivers by itself what it
// has decided: the messages of others, or its next ones, with which that could share
// its writes, are not to be expected. At ten messages a second a delivery has the
// slave a tenth sooner than by a goroutine that has to be started for it, on which
// the system may put another of its threads.
const silence = time.Millisecond

// maxByReader is how many slaves a reader delivers to. With more, what it saves is
// lost in the rest, and its connection would wait for long.
const maxByReader = 64

// deliverPutOff is called by a reader that has put something off; more: and that goes
// on to decide, or to wait.
func (c *Channel) deliverPutOff(more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if more || !c.afterSilence || c.delivering || len(c.effects) == 0 || len(c.fanout.audience) > maxByReader {
		c.startDelivery()
		return
	}
	c.delivering = true
	c.deliverBatch()
	// What others have decided meanwhile does not keep the reader from its
	// connection.
	c.delivering = false
	c.startDelivery()
}

func (c *Channel) startDelivery() {
	if !c.delivering && len(c.effects) > 0 {
		c.delivering = true
		c.hub.goroutines.Add(1)
		go c.deliver()
	}
}

// deliver carries out the effects until there are none. It lets those go first
// who are about to decide something: what they add goes into the same writes.
// That makes the messages of many slaves to their master a quarter cheaper, and
// those of a master to single slaves a tenth, than delivering by whoever decides.
func (c *Channel) deliver() {
	defer c.hub.goroutines.Done()
	runtime.Gosched()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deliverAll()
}

// deliverAll is for who delivers. The lock is held, but not while effects are being
// carried out.
func (c *Channel) deliverAll() {
	for len(c.effects) > 0 {
		c.deliverBatch()
	}
	c.delivering = false
}

// deliverBatch is deliverAll for the effects that there are.
func (c *Channel) deliverBatch() {
	batch := c.effects
	c.effects, c.spare = c.spare, nil
	c.room.Broadcast()
	c.mu.Unlock()
	for i := range batch {
		c.carryOut(&batch[i])
	}
	c.endRun()
	c.flushTouched()
	for i := range batch {
		if e := &batch[i]; e.kind == tally {
			c.policy.Observer.Add(e.metric, e.text, e.delta)
		}
	}
	clear(batch)
	c.mu.Lock()
	c.carriedOut += uint64(len(batch))
	c.room.Broadcast()
	if cap(batch) <= maxUndelivered {
		c.spare = batch[:0]
	}
}

// flush returns when everything that was decided before has been carried out.
func (c *Channel) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startDelivery()
	for until := c.decided; c.carriedOut < until; {
		c.room.Wait()
	}
}

// carryOut does what one effect says. The lock is not held. What is for the
// master does not wait for the messages to all that were decided before: no two
// members have an order between them.
func (c *Channel) carryOut(e *effect) {
	if e.kind.changesAudience() || e.to != nil && e.to.member.role == wire.Slave {
		c.endRun()
	}
	switch e.kind {
	case sendOne:
		c.pass(e.packet, e.to)
	case sendReplay:
		e.to.session.pushReplay(e.packet)
		c.touch(e.to.session)
	case sendAll:
		c.passAll(e.packet)
	case admit:
		c.fanout.admit(e.to)
	case dismiss:
		c.fanout.dismiss(e.to)
	case release:
		e.to.session.release(e.to, closedPacket(c.name, e.end), e.end)
		c.touch(e.to.session)
	case releaseAll:
		packet := closedPacket(c.name, e.end)
		var writers writers
		for _, r := range c.fanout.audience {
			r.session.release(r.attachment, packet, e.end)
			writers.count(r.out.Flush())
		}
		c.fanout.audience = nil
	case forget:
		c.hub.remove(c)
		if e.end.Code == ErrMasterDown.Code {
			c.policy.Observer.Observe(ClosingTime, time.Since(e.since).Seconds())
		}
		c.log("channel closed", "channel", c.name, "code", string(e.end.Code), "reason", e.end.Text)
	case note:
		c.log(e.text, "channel", c.name, "member", e.member)
	}
}

// log tells the log, for which nobody waits who was to be told before. Without a log
// what goes to one member goes into one write, as the joins of many to their
// master: that takes a tenth off a join.
func (c *Channel) log(text string, attributes ...any) {
	if !c.hub.policy.Logger.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	c.endRun()
	c.flushTouched()
	c.hub.policy.Logger.Info(text, attributes...)
}

// setAlarm sets the timer for what is due next. The lock is held. Each time that
// the timer is started counts as one of the hub's goroutines until it has been
// stopped or its goroutine has ended.
func (c *Channel) setAlarm(now time.Time) {
	due, ok := c.due()
	if !ok || c.hub.closing.Load() {
		if c.timer != nil && c.timer.Stop() {
			c.hub.goroutines.Done()
		}
		c.alarm = time.Time{}
		return
	}
	if c.alarm.Equal(due) {
		return
	}
	c.alarm = due
	c.hub.goroutines.Add(1)
	if c.timer == nil {
		c.timer = time.AfterFunc(due.Sub(now), c.ring)
	} else if c.timer.Reset(due.Sub(now)) {
		c.hub.goroutines.Done()
	}
}

// ring is the timer's goroutine.
func (c *Channel) ring() {
	defer c.hub.goroutines.Done()
	c.decide(func(time.Time) {})
}
