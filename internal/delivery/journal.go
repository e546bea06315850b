package delivery

import (
	"time"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// This file is a channel of a cluster: one that this hub decides, and writes down what it has
// decided before anybody is told, or one that another hub decides, whose effects this hub carries
// out for the members that are here.

// Journal is where what a channel of a cluster decides is written down. The deliverer calls its
// methods, one at a time.
type Journal interface {
	// Look is called under the channel's lock, when effects were taken that Commit gets next: what
	// there is to know of the state behind them can be read from the rules.
	Look(rules *star.Channel)
	// Commit writes down what the effects keep, and returns when that cannot be lost any more.
	// It returns false where it cannot be written down, because another hub decides the channel
	// by now, or the hub ends: then nothing of these effects may be carried out, nor of later
	// ones. The effects must not be kept. It is called without a lock.
	Commit(effects []star.Effect) bool
	// Rest is called without a lock when what Commit has written down was carried out. It may write something for
	// which nobody waits, and returns true where it is to be called again, behind a Commit of what was decided meanwhile.
	Rest() (more bool)
	// Remote carries an effect out that is for a member at another hub, in its place among the others.
	// It returns false where it is for nobody elsewhere.
	Remote(e *star.Effect) bool
	// Leaving is called under the channel's lock in the moment before this is its journal no more. Commit is not called again.
	Leaving()
	// Deposed is called without a lock after Commit has returned false. The seats are those that are
	// left, of memberships that are on connections of this hub.
	Deposed(c *Channel, seats []Left)
}

// Left is a seat of a channel that this hub does not decide any more. Admitted: it is in the audience. Where Knock
// is not zero, it is no member's, but waits at the door under that number, and knows that State of the master.
// Unanswered: it is the master's, and something that is for it was not committed: whoever decides the channel now may
// have replaced it, and otherwise its connection is to be closed, so that its peer asks again. Departed: it is a slave's that has
// left, or whose connection is lost, which was not committed: whoever decides the channel now has to be told.
type Left struct {
	*Seat
	Admitted   bool
	Unanswered bool
	Departed   bool
	Knock      uint64
	State      wire.State
}

// NewElsewhere is a channel of that name that another hub decides, or nobody yet (Own).
func NewElsewhere(name string, config *Config) *Channel {
	c := New(name, config)
	c.elsewhere = true
	return c
}

// Journaled is a channel that nobody has created yet, with rules that record.
func Journaled(rules *star.Channel, config *Config) *Channel {
	c := New(rules.Name(), config)
	c.rules = rules
	return c
}

// Keep gives a channel its journal, before anybody knows it.
func (c *Channel) Keep(journal Journal) { c.journal = journal }

// Own has this hub decide the channel from now on, by rules that record. What was carried out for another
// hub's decisions comes before. take is the first transition.
func (c *Channel) Own(rules *star.Channel, journal Journal, take func(rules *star.Channel, now time.Time)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules, c.journal, c.elsewhere, c.justTaken = rules, journal, false, true
	c.arrivals.restart()
	rules.Announce()
	now := time.Now()
	take(rules, now) // the times of the rules begin with it
	rules.Expire(now)
	c.setTimer(now)
	c.journalAsked = true // it is to be known whose the channel is, also where nothing follows from that
	c.startDelivery()
}

// DecideFor is Decide for who acts for the journal: it does nothing either where that is not the channel's
// any more.
func (c *Channel) DecideFor(journal Journal, transition func(rules *star.Channel, now time.Time)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.awaitRoom(); c.elsewhere || c.journal != journal {
		return false
	}
	c.runTransition(transition)
	c.startDelivery()
	return true
}

// Elsewhere reports whether another hub decides the channel, or nobody: Decide does nothing then.
func (c *Channel) Elsewhere() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elsewhere
}

// Journal is that of the channel, or nil where another hub decides it.
func (c *Channel) Journal() Journal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.journal
}

// LetGo notes that this hub does not follow the channel any more, though it may go on, and what it takes to tell it from
// others of its name then.
func (c *Channel) LetGo(former any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.former = former
}

// Former is what LetGo has noted, or nil.
func (c *Channel) Former() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.former
}

// Emit has effects carried out that another hub has decided, behind those that were emitted before.
func (c *Channel) Emit(effects []star.Effect) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.emitted = append(c.emitted, effects...)
	c.startDelivery()
}

// AwaitEmitted waits while too many effects that were emitted wait to be taken.
func (c *Channel) AwaitEmitted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.delivering && len(c.emitted) > maxPendingEffects {
		c.progress.Wait()
	}
}

// CallJournal has the journal be called though nothing may have been decided.
func (c *Channel) CallJournal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.journalAsked = c.journal != nil
	c.startDelivery()
}

// pending is how many effects wait to be executed. The lock is held.
func (c *Channel) pending() int { return c.rules.Pending() + len(c.emitted) }

// isDue reports whether there is something for the deliverer. The lock is held.
func (c *Channel) isDue() bool { return c.pending() > 0 || c.journalAsked }

// takeEffects takes the effects that there are: first those of another hub's decisions. Where they are of this
// hub's, journal is what they are committed to, or nil. The lock is held.
func (c *Channel) takeEffects() (effects []star.Effect, journal Journal) {
	if len(c.emitted) > 0 {
		effects, c.emitted = c.emitted, nil
		return effects, nil
	}
	effects = c.rules.TakeEffects(c.spare)
	c.spare = nil
	if c.journalAsked = false; c.journal != nil {
		c.journal.Look(c.rules)
	}
	return effects, c.journal
}

// depose ends that this hub decides the channel. What was not committed is not carried out: the peers that
// it is for lose their connections, and come back, to ask again what was not answered.
func (c *Channel) depose(effects []star.Effect) {
	c.mu.Lock()
	journal := c.journal
	uncommitted := make(map[*Line]struct{})
	departed := make(map[*Seat]bool) // false: its membership, or this attachment of it, was not committed
	note := func(effects []star.Effect) {
		for i := range effects {
			to := effects[i].To
			if to == nil {
				continue
			}
			if seat, here := to.Line.(*Seat); here {
				uncommitted[seat.line] = struct{}{}
				if is, known := departed[seat]; effects[i].Kind == star.Enter {
					departed[seat] = false
				} else if isSlave(to) {
					departed[seat] = is || !known
				}
			}
		}
	}
	note(effects)
	later := c.rules.TakeEffects(nil)
	note(later)
	c.taken += uint64(len(later)) // who waits for them in Flush waits no more
	c.executed += uint64(len(later))
	seats, told := c.leave(uncommitted, departed)
	c.mu.Unlock()
	c.tellMoved(told)
	for line := range uncommitted {
		line.out.Abort(movedReason)
	}
	journal.Deposed(c, seats)
}

// Resign ends that this hub decides the channel by the journal, when all that it has decided was committed and
// told. It returns false where it was not this hub any more. It must not be called by the deliverer.
func (c *Channel) Resign(journal Journal) bool {
	c.mu.Lock()
	for c.resigning {
		c.progress.Wait()
	}
	c.resigning = true
	for c.delivering || c.isDue() {
		c.startDelivery()
		c.progress.Wait()
	}
	c.resigning = false
	c.progress.Broadcast()
	if c.elsewhere || c.journal != journal {
		c.mu.Unlock()
		return false
	}
	seats, told := c.leave(nil, nil)
	c.mu.Unlock()
	c.tellMoved(told)
	journal.Deposed(c, seats)
	return true
}

// isSlave reports whether the attachment is a slave's, and not of one who waits at the door.
func isSlave(a *star.Attachment) bool {
	return a.Entered() && a.Role() == wire.Slave && a.Membership() != 0
}

// leave has this hub not decide the channel any more. It returns the seats that are left, and what the gauges have of the
// channel. Of the seats on the lines that are lost, slaves have departed, but for those of whom departed says that they have
// not. The line of the master is taken out of the lost ones. The lock is held, and nothing is being delivered by anybody else.
func (c *Channel) leave(lost map[*Line]struct{}, departed map[*Seat]bool) (seats []Left, told gauges) {
	for a := range c.rules.Attached {
		if seat, here := a.Line.(*Seat); here {
			_, unanswered := lost[seat.line]
			if unanswered && a != c.rules.Master() {
				if _, known := departed[seat]; !known {
					departed[seat] = true
				}
				continue
			}
			delete(departed, seat)
			delete(lost, seat.line)
			i := int(seat.Index)
			admitted := i < len(c.fanout.audience) && c.fanout.audience[i].Seat == seat
			seats = append(seats, Left{Seat: seat, Admitted: admitted, Unanswered: unanswered})
		}
	}
	listed := make(map[*Seat]struct{}, len(seats))
	for i := range seats {
		listed[seats[i].Seat] = struct{}{}
	}
	for _, r := range c.fanout.audience {
		_, known := departed[r.Seat]
		if _, is := listed[r.Seat]; !is && !known { // the end of the channel was not committed
			seats = append(seats, Left{Seat: r.Seat, Admitted: true})
		}
	}
	for a, number := range c.rules.AtDoor {
		if seat, here := a.Line.(*Seat); here {
			if _, gone := lost[seat.line]; !gone {
				seats = append(seats, Left{Seat: seat, Knock: number, State: c.rules.MasterState()})
			}
		}
	}
	for seat, is := range departed {
		if is {
			seats = append(seats, Left{Seat: seat, Departed: true})
		}
	}
	now := time.Now()
	c.rules.Depose(now)
	c.setTimer(now)
	c.journal.Leaving()
	c.rules, c.journal, c.elsewhere = star.New(c.name, &c.config.Limits), nil, true
	told, c.counted = c.counted, gauges{}
	return seats, told
}

var movedReason = transport.Reason{Code: transport.Shutdown, Text: "the channel has moved to another hub: connect again"}
