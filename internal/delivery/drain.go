package delivery

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// drains are the seats of a line that wait until all that is in the outbox has been taken
// to be written. A goroutine serves them one after the other, and exists only while there
// are any. The outbox wakes it. mu guards the other fields.
//
// So of a connection with many memberships, one at a time is fed what it has missed, and
// the outbox holds one part of one replay.
type drains struct {
	mu      sync.Mutex
	seats   []*Seat
	serving bool
	// served is the seat whose turn it is, or nil. turn is closed at the end of that, and nil where nobody waits for it.
	served *Seat
	turn   chan struct{}
	// closing is why the connection is closed when no seat waits any more, or nil.
	closing *transport.Reason
}

// awaitDrain tells the rules once all that waits on the seat's connection now has been
// taken to be written, or the connection has ended.
func (s *Seat) awaitDrain() {
	if s.line.drains.Load() == nil {
		s.line.drains.CompareAndSwap(nil, new(drains))
	}
	d := s.line.drains.Load()
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.line.config.Slow == SlowHold && s.Role() == wire.Slave {
		// The slave is catching up. Its master is held back for it, or could leave it
		// behind for ever.
		s.channel.slow.add(slowSeat{Seat: s, catchingUp: true})
	}
	if !slices.Contains(d.seats, s) {
		d.seats = append(d.seats, s)
	}
	if !d.serving {
		d.serving = true
		s.line.config.Goroutines.Add(1)
		go s.line.serveDrains(d)
	}
}

// serveDrains serves the seats in their order until none is left.
func (l *Line) serveDrains(d *drains) {
	defer l.config.Goroutines.Done()
	defer l.closeDrained(d)
	for s := d.next(); s != nil; s = d.next() {
		if room := l.out.Room(); room != nil {
			<-room
		}
		s.channel.drained(s)
		// What is queued for this seat now is in the outbox before the next one's turn.
		_ = s.channel.Flush(context.Background()) // the hub waits for this goroutine
		d.endTurn(s)
	}
}

// endTurn wakes who waits for the end of the seat's turn. Its master is not held back for it any more, unless it waits again.
func (d *drains) endTurn(s *Seat) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.served = nil; !slices.Contains(d.seats, s) {
		s.channel.slow.remove(slowSeat{Seat: s, catchingUp: true})
	}
	if d.turn != nil {
		close(d.turn)
		d.turn = nil
	}
}

// nextTurn is closed at the end of the next turn on the seat's line, also where that is of another seat, or nil where this one
// does not wait for any.
func (s *Seat) nextTurn() <-chan struct{} {
	d := s.line.drains.Load()
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.served != s && !slices.Contains(d.seats, s) {
		return nil
	}
	if d.turn == nil {
		d.turn = make(chan struct{})
	}
	return d.turn
}

// CloseWhenDrained closes the connection after everything that was accepted for its
// memberships has been sent, and not only what is queued already: a member that has resumed
// may still be getting what it has missed. No membership may be entered on the line any more.
func (l *Line) CloseWhenDrained(reason transport.Reason) {
	d := l.drains.Load()
	if d == nil {
		l.out.Close(reason)
		return
	}
	d.mu.Lock()
	d.closing = &reason
	serving := d.serving
	d.mu.Unlock()
	if !serving {
		l.out.Close(reason)
	}
}

// closeDrained closes the connection where it is to be closed now that no seat waits.
func (l *Line) closeDrained(d *drains) {
	d.mu.Lock()
	closing := d.closing
	d.mu.Unlock()
	if closing != nil {
		l.out.Close(*closing)
	}
}

// next takes the seat whose turn it is, or returns nil: then the goroutine must end.
func (d *drains) next() *Seat {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.serving = len(d.seats) > 0; !d.serving {
		d.seats = nil
		return nil
	}
	d.served = d.seats[0]
	d.seats = slices.Delete(d.seats, 0, 1)
	return d.served
}

// drained tells the rules, which may be those of another hub, that nothing of what waited on the seat's
// connection waits any more.
func (c *Channel) drained(s *Seat) {
	for !c.Decide(func(rules *star.Channel, _ time.Time) { rules.Drained(&s.Attachment) }) {
		if s.line.owner.Drained(s) {
			return
		}
	}
}
