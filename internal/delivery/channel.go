package delivery

import (
	"runtime"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/star"
)

// Channel runs the transitions of one star and carries out what they decide. The
// lock makes decisions one at a time; their effects go through one queue, so that
// every member sees them in the order in which they were decided, and they are
// carried out after the lock is released: pushing to outboxes, letting go of
// connections and logging never happen under it.
//
// A goroutine delivers, which exists while there is something to deliver, so that
// whoever decides can go on with its connection; after a silence it is the reader that
// has ended it. Deciding and delivering share no other state: the audience is the
// delivery's own and follows the effects.
//
// All methods are safe for concurrent use.
type Channel struct {
	name   string
	config *Config

	mu    sync.Mutex
	rules *star.Channel
	spare []star.Effect
	// delivering: some goroutine is carrying out effects.
	delivering bool
	// decidedAt is when something was decided last, and afterSilence whether what
	// waits has ended a silence.
	decidedAt    time.Time
	afterSilence bool
	// taken and carriedOut count effects.
	taken, carriedOut uint64
	// room is signalled when the effects have been taken over for delivery, and
	// when they have been carried out.
	room sync.Cond
	// timer wakes the channel at alarm, when something is due.
	timer *time.Timer
	alarm time.Time

	// fanout belongs to whoever is delivering.
	fanout fanout
	// crowd are those whose outboxes are filling, for SlowHold.
	crowd crowd
	// arrivals are at the master.
	arrivals arrivals
}

// New is the place for a channel of that name: whether it may be created is the
// rules' to decide.
func New(name string, config *Config) *Channel {
	c := &Channel{name: name, config: config, rules: star.New(name, &config.Limits)}
	c.room.L = &c.mu
	return c
}

// Name is the channel's name.
func (c *Channel) Name() string { return c.name }

// maxUndelivered is how many effects may wait; who decides more waits until they
// are taken over.
const maxUndelivered = 1024

// maxPutOff is how many effects may wait because their connection has more to say.
const maxPutOff = 128

// Decide runs a transition under the lock, at a time that is read under it, and
// after what was due before. Then it sees to it that the effects are delivered.
func (c *Channel) Decide(transition func(rules *star.Channel, now time.Time)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run(transition)
	c.startDelivery()
}

// DecideFirst is Decide for who may be about to decide something more, which should
// be delivered along: it reports true where they have to call DeliverPutOff in the
// end.
func (c *Channel) DecideFirst(transition func(rules *star.Channel, now time.Time)) (waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run(transition)
	if c.rules.Pending() >= maxPutOff {
		c.startDelivery()
	}
	return !c.delivering && c.rules.Pending() > 0
}

// run carries the transition out. The lock is held.
func (c *Channel) run(transition func(rules *star.Channel, now time.Time)) {
	for c.delivering && c.rules.Pending() > maxUndelivered {
		c.room.Wait()
	}
	now := time.Now()
	if !c.delivering && c.rules.Pending() == 0 {
		c.afterSilence = now.Sub(c.decidedAt) >= silence
	}
	c.decidedAt = now
	c.rules.Expire(now)
	transition(c.rules, now)
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

// DeliverPutOff is called by a reader that has put something off; more: and that goes
// on to decide, or to wait.
func (c *Channel) DeliverPutOff(more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if more || !c.afterSilence || c.delivering || c.rules.Pending() == 0 || len(c.fanout.audience) > maxByReader {
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
	if !c.delivering && c.rules.Pending() > 0 {
		c.delivering = true
		c.config.Goroutines.Add(1)
		go c.deliver()
	}
}

// deliver carries out the effects until there are none. It lets those go first
// who are about to decide something: what they add goes into the same writes.
// That makes the messages of many slaves to their master a quarter cheaper, and
// those of a master to single slaves a tenth, than delivering by whoever decides.
func (c *Channel) deliver() {
	defer c.config.Goroutines.Done()
	runtime.Gosched()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deliverAll()
}

// deliverAll is for who delivers. The lock is held, but not while effects are being
// carried out.
func (c *Channel) deliverAll() {
	for c.rules.Pending() > 0 {
		c.deliverBatch()
	}
	c.delivering = false
}

// deliverBatch is deliverAll for the effects that there are.
func (c *Channel) deliverBatch() {
	batch := c.rules.TakeEffects(c.spare)
	c.spare = nil
	c.taken += uint64(len(batch))
	c.room.Broadcast()
	c.mu.Unlock()
	for i := range batch {
		c.carryOut(&batch[i])
	}
	c.endRun()
	c.flushTouched()
	for i := range batch {
		if e := &batch[i]; e.Kind == star.Count {
			c.config.Observer.Add(e.Metric, e.Text, e.Delta)
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

// Flush returns when everything that was decided before has been carried out.
func (c *Channel) Flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startDelivery()
	for until := c.taken + uint64(c.rules.Pending()); c.carriedOut < until; {
		c.room.Wait()
	}
}

// Exists reports whether the channel was created and has not ended.
func (c *Channel) Exists() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rules.Exists()
}

// Over reports whether the seat's membership has ended, and was not merely taken
// over by a newer one.
func (c *Channel) Over(seat *Seat) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rules.Over(&seat.Attachment)
}

// Report is what the channel shows of itself, and whether it exists.
func (c *Channel) Report() (star.Report, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rules.Report()
}

// Stop has nobody's time run out any more, see star.Channel.Stop. The timer is
// stopped; whoever held the lock before may have started it.
func (c *Channel) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules.Stop()
	c.setAlarm(time.Now())
}

// End ends a channel of which nobody is left who could be told anything, nor any
// goroutine that delivers. What remains is that the Observer counts right, since
// another hub may share it.
func (c *Channel) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules.End()
	c.delivering = true
	c.deliverAll()
}

// fullMaster is the seat of the channel's master, where a message with a payload of
// size bytes finds no room there at present; else nil.
func (c *Channel) fullMaster(size int) *Seat {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.rules.Master(); at != nil && c.rules.MasterFull(size) {
		return seatOf(at)
	}
	return nil
}
