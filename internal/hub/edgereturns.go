package hub

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is how an edge asks again: for seats that the owner takes for lost, for calls whose answer has no place any
// more, and for what this hub has to become the owner for.

// takeFor has the hub become the owner, because the seat, one here, is the master's, or is by one of the calls. It does
// itself then what the seat has called for. The lock is held.
func (e *edge) takeFor(calls []*call, seat []byte) {
	id, _ := binary.Uvarint(seat)
	parked := 0
	for _, c := range calls {
		if c.local.id == id && !slices.Contains(e.parked, c) {
			e.parked = append(e.parked, c)
			parked++
		}
	}
	if parked == 0 || !e.hub.acquire() {
		return
	}
	go func() {
		defer e.hub.goroutines.Done()
		cl := e.hub.clustered
		ctx, cancel := context.WithTimeout(cl.writing, takeTimeout)
		defer cancel()
		if cl.take(ctx, e, causeMaster, e.mayTake) != nil {
			select { // whoever owns the channel says the same again at once
			case <-time.After(takeAgain):
			case <-ctx.Done():
			}
			e.askParked()
		}
	}()
}

// takeAgain is the pause before the owner is asked again what this hub has not become the owner for.
const takeAgain = 100 * time.Millisecond

// mayTake says whether there still is one whose call makes it the master.
func (e *edge) mayTake(rules *star.Channel) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	_, epoch := rules.Membership(rules.MasterName())
	for _, c := range e.parked {
		is := c.seat.membership == 0 && c.seat.epoch == epoch
		if c.enters() {
			is = c.wantsMaster(rules, now, &c.local.seat.Attachment)
		}
		if is {
			return nil
		}
	}
	return errNotTaken
}

// askParked asks for what was parked after all.
func (e *edge) askParked() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.over {
		e.askAnew(e.parked)
		e.parked = nil
	}
}

// comeBack has seats come back whose connections the owner takes for lost. The lock is held.
func (e *edge) comeBack() {
	for _, s := range e.members {
		if s.lost && !s.returning {
			c := &call{op: opReturn, local: s, seat: seatName{id: s.id, membership: s.membership, epoch: s.epoch, connection: s.seat.Connection()}}
			if e.asking.Call(c.pack()) == nil {
				s.returning = true
				e.keep(c)
			}
		}
	}
}

// unansweredFor is how long a seat is kept that was not answered, for what the next owner has to say of it.
const unansweredFor = 2 * time.Second

// endUnanswered closes the connections of those who were not answered, and are members still, so that they come back and
// ask again. The lock is held.
func (e *edge) endUnanswered() {
	for _, s := range e.seats {
		if !s.unanswered.IsZero() && !s.gone && time.Since(s.unanswered) >= unansweredFor {
			e.channel.Emit([]star.Effect{{Kind: star.Eject, To: &s.seat.Attachment, End: wire.ErrShutdown}})
			s.unanswered = time.Time{}
			e.loseSeat(s)
		}
	}
}

// remind has the owner be asked again to let the channel go to this hub where that has the master.
func (e *edge) remind() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return
	}
	e.endUnanswered()
	for _, s := range e.members {
		if s.membership == 0 && !s.gone {
			s.lost = true
		}
	}
	e.comeBack()
}

// again asks once more for calls whose answer has no place any more. What a slave was given by which it is back was in that: its peer
// comes back, and says what it has. The lock is held.
func (e *edge) again(n uint64) {
	calls := e.replied[n]
	delete(e.replied, n)
	isReturn := func(c *call) bool { return (c.op == opReturn || c.local.lost) && c.local.membership != 0 }
	for _, c := range calls {
		if isReturn(c) && !c.local.gone {
			e.channel.Emit([]star.Effect{{Kind: star.Eject, To: &c.local.seat.Attachment, End: wire.ErrShutdown}})
			e.loseSeat(c.local)
		}
	}
	e.askAnew(slices.DeleteFunc(calls, isReturn))
}

// askAnew asks for the calls before all others. The lock is held.
func (e *edge) askAnew(calls []*call) {
	all := slices.Concat(calls, e.calls)
	e.asking.Take()
	e.calls = nil
	for _, c := range all {
		if e.asking.Call(c.pack()) == nil {
			e.calls = append(e.calls, c)
		}
	}
}
