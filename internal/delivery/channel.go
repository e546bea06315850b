package delivery

import (
	"runtime"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/star"
)

// Channel runs the transitions of one star and executes their effects. Under the lock
// there is one transition at a time. The effects go through one queue, so every member
// sees them in the order in which they were decided. They are executed after the lock
// is released: pushing to outboxes, releasing memberships and logging never happen
// under the lock.
//
// To execute effects is called delivering. There is at most one deliverer at a time.
// Normally it is a goroutine that exists only while there are effects, so that the
// caller of Decide can go on with its connection. After an idle period it can be the
// reader of the connection itself (DeliverDeferred). Deciding and delivering share no
// state beside the queue of effects: the deliverer has its own list of the audience,
// which it changes as the effects say.
//
// All methods are safe for concurrent use.
type Channel struct {
	name   string
	config *Config

	mu    sync.Mutex
	rules *star.Channel
	// spare is memory for the next effects, or nil.
	spare []star.Effect
	// delivering: there is a deliverer, or its goroutine is about to start.
	delivering bool
	// decidedAt is the time of the latest decision. afterIdle: the effects that wait
	// began with a decision after an idle period.
	decidedAt time.Time
	afterIdle bool
	// taken counts the effects that the deliverer has taken, executed those that it has
	// executed.
	taken, executed uint64
	// progress is signalled when taken or executed has changed.
	progress sync.Cond
	// timer fires at timerDue, the channel's next deadline. A timerDue of zero: there
	// is no deadline.
	timer    *time.Timer
	timerDue time.Time

	// handle is what Handle returns; mu guards it.
	handle any

	// journal is where what is decided here is written down, or nil. journalAsked: it is to be called
	// though nothing may have been decided. elsewhere: another hub decides, or nobody yet, and the
	// rules are those of a channel that there is not. justTaken: this hub decides since Own, of which nothing
	// was committed yet. resigning: it is about to decide no more, and nothing is decided until then. emitted are effects of another hub's decisions.
	// mu guards them.
	journal      Journal
	journalAsked bool
	elsewhere    bool
	justTaken    bool
	resigning    bool
	emitted      []star.Effect

	// counted is what the gauges have of the channel, where it has a journal. It belongs to the deliverer.
	counted gauges

	// former is what it takes to find the channel again, which this hub has let go, or nil; mu guards it.
	former any

	// fanout belongs to the deliverer.
	fanout fanout
	// slow has the slaves whose outboxes are above the high-water mark, for SlowHold.
	slow slowSet
	// arrivals counts what was queued for the master.
	arrivals arrivals
	// room is closed when the log has room again for messages to the master, and is nil
	// where nobody waits for that. mu guards it.
	room chan struct{}
}

// New is a vacant channel of that name. The rules decide whether it may be created.
func New(name string, config *Config) *Channel {
	c := &Channel{name: name, config: config, rules: star.New(name, &config.Limits)}
	c.progress.L = &c.mu
	return c
}

// Name is the channel's name.
func (c *Channel) Name() string { return c.name }

// maxPendingEffects is how many effects may wait while somebody delivers. With more, a
// caller of Decide waits until the deliverer has taken them: backpressure.
const maxPendingEffects = 1024

// maxDeferredEffects is how many effects may wait because a reader has deferred their
// delivery.
const maxDeferredEffects = 128

// Decide runs a transition under the lock. The time is read under the lock, and what
// is due at that time expires first. Then Decide starts the delivery of the effects. It
// returns false, and does nothing, where it is not this hub that decides the channel (Elsewhere).
func (c *Channel) Decide(transition func(rules *star.Channel, now time.Time)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.awaitRoom(); c.elsewhere {
		return false
	}
	c.runTransition(transition)
	c.startDelivery()
	return true
}

// DecideDeferred is Decide for a caller that may decide more at once, so that the
// effects can be delivered together. Where it returns true, the delivery was not
// started: the caller must call DeliverDeferred later. decided is as for Decide.
func (c *Channel) DecideDeferred(transition func(rules *star.Channel, now time.Time)) (deferred, decided bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.awaitRoom(); c.elsewhere {
		return false, false
	}
	c.runTransition(transition)
	if c.rules.Pending() >= maxDeferredEffects {
		c.startDelivery()
	}
	return !c.delivering && c.rules.Pending() > 0, true
}

// awaitRoom waits while too many effects wait to be taken. The lock is held, but released meanwhile.
func (c *Channel) awaitRoom() {
	for c.resigning || c.delivering && c.rules.Pending() > maxPendingEffects {
		c.progress.Wait()
	}
}

// runTransition runs the transition. The lock is held.
func (c *Channel) runTransition(transition func(rules *star.Channel, now time.Time)) {
	now := time.Now()
	if !c.delivering && c.rules.Pending() == 0 {
		c.afterIdle = now.Sub(c.decidedAt) >= idlePeriod
	}
	c.decidedAt = now
	c.rules.Expire(now)
	transition(c.rules, now)
	c.setTimer(now)
}

// idlePeriod is how long there must have been no decision before a reader delivers
// inline what it has decided, without a goroutine. Then no other messages are expected
// that could share the writes, neither of other connections nor of its own. At ten
// messages a second, a message reaches a slave a tenth sooner than with a goroutine: a
// goroutine must be started, and the system may run it on another of its threads.
const idlePeriod = time.Millisecond

// maxInlineReceivers is the largest audience to which a reader delivers inline. With a
// larger one, the saving is small beside the rest of the work, and the reader's
// connection would wait for long.
const maxInlineReceivers = 64

// DeliverDeferred starts the delivery that DecideDeferred has deferred. The connection's
// reader calls it. more: the reader goes on to decide something or to wait, so it does
// not deliver inline.
func (c *Channel) DeliverDeferred(more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if more || !c.afterIdle || c.delivering || c.pending() == 0 || len(c.fanout.audience) > maxInlineReceivers || c.journal != nil {
		c.startDelivery()
		return
	}
	c.delivering = true
	c.deliverPending()
	// A goroutine delivers what others have decided meanwhile, so that the reader can
	// go on with its connection.
	if c.delivering = false; c.resigning {
		c.progress.Broadcast()
	}
	c.startDelivery()
}

// startDelivery starts a goroutine that delivers, if there are effects and nobody
// delivers. The lock is held.
func (c *Channel) startDelivery() {
	if !c.delivering && c.isDue() {
		c.delivering = true
		c.config.Goroutines.Add(1)
		go c.deliver()
	}
}

// deliver executes the effects until there are none. It first yields the processor to
// goroutines that are about to decide something, so that their effects go into the same
// writes. Compared with delivering inline, the messages of many slaves to their master
// are a quarter cheaper, and those of a master to single slaves a tenth.
func (c *Channel) deliver() {
	defer c.config.Goroutines.Done()
	runtime.Gosched()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deliverAll()
}

// deliverAll is called by the deliverer, which it ends. The lock is held, but released
// while effects are executed.
func (c *Channel) deliverAll() {
	for c.isDue() {
		c.deliverPending()
	}
	if c.delivering = false; c.resigning {
		c.progress.Broadcast()
	}
}

// deliverPending takes the effects that there are at present, and executes them. The
// lock is held, but released while effects are executed.
func (c *Channel) deliverPending() {
	effects, journal := c.takeEffects()
	taken := journal != nil && c.justTaken
	c.justTaken = c.justTaken && !taken
	c.taken += uint64(len(effects))
	c.progress.Broadcast()
	c.mu.Unlock()
	committed := journal == nil || journal.Commit(effects)
	if committed {
		if taken {
			c.fanout.audience = nil // the rules admit those who are here anew
			c.config.Watch.appeared(c, effects)
		}
		c.executeAll(effects, journal)
	} else {
		c.depose(effects)
	}
	clear(effects)
	c.mu.Lock()
	c.executed += uint64(len(effects))
	c.progress.Broadcast()
	if cap(effects) <= maxPendingEffects {
		c.spare = effects[:0]
	}
	if journal != nil && committed && !c.resigning {
		c.mu.Unlock()
		more := journal.Rest()
		c.mu.Lock()
		c.journalAsked = c.journalAsked || more && !c.resigning
	}
}

// executeAll executes the effects, which the journal, if there is one, has committed. The lock is not
// held.
func (c *Channel) executeAll(effects []star.Effect, journal Journal) {
	for i := range effects {
		if journal == nil || !journal.Remote(&effects[i]) {
			c.execute(&effects[i])
		}
	}
	c.fanOutBatch()
	c.flushLines()
	for i := range effects {
		if e := &effects[i]; e.Kind == star.Count {
			c.config.Observer.Add(e.Metric, e.Text, e.Delta)
			if journal != nil {
				c.counted.add(e)
			}
		}
	}
}

// Exists reports whether the channel was created and has not ended.
func (c *Channel) Exists() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rules.Exists()
}

// MembershipEnded reports whether the membership of the seat has ended. It is false
// where a newer seat has taken the membership over, and where that is not known because another hub decides
// the channel.
func (c *Channel) MembershipEnded(seat *Seat) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.elsewhere && c.rules.MembershipEnded(&seat.Attachment)
}

// Report describes the channel, and reports whether it exists.
func (c *Channel) Report() (star.Report, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rules.Report()
}

// Stop tells the rules that the hub shuts down, see star.Channel.Stop: no deadline
// expires any more. It also stops the timer, which an earlier holder of the lock may
// have started.
func (c *Channel) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.rules.Stop(now)
	c.setTimer(now)
}

// Retire is for the end of the hub's shutdown, see star.Channel.Retire. By then no
// connection is left that could be told anything, and no goroutine that delivers.
func (c *Channel) Retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules.Retire()
	c.delivering = true
	c.deliverAll()
}

// Parts yields what there is to export of a channel that was retired, see
// star.Channel.Parts. No lock is held meanwhile: nothing changes such a channel any more.
func (c *Channel) Parts(buffer []byte, yield func(part []byte) bool) {
	c.mu.Lock()
	rules := c.rules
	c.mu.Unlock()
	rules.Parts(buffer, yield)
}

// Restored is a channel with rules that were restored. Its members are counted before
// anything else is decided. Its deadlines run from Start on.
func Restored(rules *star.Channel, config *Config) *Channel {
	c := New(rules.Name(), config)
	c.rules = rules
	rules.Announce()
	return c
}

// Start tells those that listen already of a restored channel, and does what is due in it.
func (c *Channel) Start() {
	c.config.Watch.appeared(c, nil)
	c.Decide(func(*star.Channel, time.Time) {})
}

// Handle returns what a layer above keeps with the channel, so that it shows the same to
// everybody. The first caller's build makes it. build must not call the channel.
func (c *Channel) Handle(build func() any) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handle == nil {
		c.handle = build()
	}
	return c.handle
}
