package hub

import (
	"bytes"
	"context"
	"time"

	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what a session does in a channel of a cluster that another hub decides: instead of a
// transition it makes a call.

// decideOr has the channel decide by the transition, or where another hub decides it, has that do
// the call. secret is what the peer is told as its secret where the call makes it a member. An error is for what
// was not even asked for.
func (s *session) decideOr(held *seat, transition func(*star.Channel, time.Time), secret string, c func() *call) error {
	for {
		if held.Channel().Decide(transition) {
			return nil
		}
		made, err := s.call(held, secret, c())
		if made || err != nil {
			return err
		}
	}
}

// call has the hub that decides the seat's channel do the call. made is false where that is this hub by now. Before there is
// an error, what the peer has asked for earlier is answered, and it is told what has become of its seat.
func (s *session) call(held *seat, secret string, c *call) (made bool, err error) {
	ctx, done := s.waitContext()
	made, err = s.callWithin(ctx, held, secret, c)
	if done(); err != nil {
		_ = s.flush(held.Channel())
	}
	return made, err
}

// callWithin is call for who is not the reader.
func (s *session) callWithin(ctx context.Context, held *seat, secret string, c *call) (made bool, err error) {
	for {
		e := s.hub.clustered.edgeOf(ctx, held.Channel())
		switch {
		case e != nil:
		case ctx.Err() != nil:
			return false, errEnding
		case held.Channel().Elsewhere():
			if c.enters() {
				return false, errGone
			}
			return false, toldFirst(ctx, held, c) // the channel has ended, or cannot be followed
		default:
			return false, nil
		}
		switch err = e.call(held, c, secret); err {
		case errElsewhere:
		case error(errSeatGone):
			return false, toldFirst(ctx, held, c)
		default:
			return err == nil, err
		}
	}
}

// toldFirst is the refusal of a frame on a seat that is none any more, once its peer was told why. Where its connection is closed for
// that, the refusal, which would be for good, does not reach it: it comes back, and asks again. Who joins again is to try once more,
// and one who waits no more is looked at anew.
func toldFirst(ctx context.Context, held *seat, c *call) error {
	_ = held.Channel().Flush(ctx)
	switch c.op {
	case opRepeatJoin:
		return errEnds
	case opWaits:
		return errGone
	}
	return notAMember(held.Channel().Name())
}

// errGone: the channel that was found is followed no more. Whoever enters looks anew whether there is one.
var errGone = wire.ErrBusy.With("the channel is not there any more: try again")

// frameCall is the call of a member's frame. refusal is why what it asks for is refused, or nil.
func (s *session) frameCall(f *wire.Frame, refusal *wire.Cause) *call {
	frame := *f // it is used again
	frame.Payload.Data = bytes.Clone(f.Payload.Data)
	return &call{op: opFrame, frame: &frame, refusal: refusal, malformed: s.countedFrame()}
}

// entryCall is the call of a frame by which the peer enters.
func (s *session) entryCall(op op, f *wire.Frame, entry star.Entry) *call {
	frame := *f
	entry.Again = true // as far as who carries it out knows
	return &call{op: op, frame: &frame, entry: entry, malformed: s.countedFrame()}
}

// query asks the hub that decides the channel of the seat, and waits for the answer. asked is false where that is
// this hub by now.
func (s *session) query(held *seat, c *call) (q queried, asked bool, err error) {
	ctx, done := s.waitContext()
	q, asked, err = s.queryWithin(ctx, held, c)
	if done(); err != nil {
		_ = s.flush(held.Channel())
	}
	return q, asked, err
}

// queryWithin is query for who is not the reader.
func (s *session) queryWithin(ctx context.Context, held *seat, c *call) (q queried, asked bool, err error) {
	result := make(chan []byte, 1)
	if c.result = result; c.op != opCancel && c.op != opWaits {
		c.op = opQuery
	}
	if asked, err = s.callWithin(ctx, held, "", c); !asked || err != nil {
		return q, asked, err
	}
	select {
	case answer, ok := <-result:
		if !ok {
			return q, false, errElsewhere
		}
		q, err = unpackQueried(answer)
		return q, true, err
	case <-ctx.Done():
		return q, false, errEnding
	}
}

// Drained has the hub that decides the channel be told that nothing waits on the connection any more, and waits
// until what that has to say has been told.
func (s *session) Drained(drained *delivery.Seat) (called bool) {
	cl := s.hub.clustered
	for {
		held := s.held(drained)
		e := cl.edgeOf(cl.writing, drained.Channel())
		switch {
		case e == nil:
			return drained.Channel().Elsewhere()
		case held == nil:
			return true
		}
		switch err := e.call(held, &call{op: opDrained}, ""); err {
		case nil, error(errTooMuchWaits):
			if e.flush(cl.writing) != nil || err == nil {
				return true
			}
		case error(errElsewhere):
		default:
			return true
		}
	}
}

// flushAll waits until what the channel has decided was told, and where another hub decides it, what was asked of
// that was answered.
func (h *Hub) flushAll(ctx context.Context, c *delivery.Channel) error {
	if h.clustered != nil && c.Elsewhere() {
		if e := h.clustered.edgeOf(ctx, c); e != nil {
			return e.flush(ctx)
		}
	}
	return c.Flush(ctx)
}

// settledIn returns the seat that the connection has in a channel that another hub decides, when it is decided
// what becomes of it.
func (s *session) settledIn(held *seat) (*seat, error) {
	for {
		s.mu.Lock()
		now := s.seats.get(held.Channel().Name())
		entering := now != nil && now.entering != nil
		s.mu.Unlock()
		if !entering || !now.Channel().Elsewhere() {
			return now, nil
		}
		if err := s.flush(now.Channel()); err != nil {
			return nil, err
		}
		s.mu.Lock()
		still := s.seats.get(held.Channel().Name()) == now && now.entering != nil
		s.mu.Unlock()
		if still {
			return now, nil // it waits at the door
		}
	}
}

// find is Hub.find for what the peer asks for.
func (s *session) find(name string) (*delivery.Channel, error) {
	if c := s.hub.findChannel(name); c != nil || s.hub.clustered == nil {
		return c, nil
	}
	ctx, done := s.waitContext()
	defer done()
	return s.hub.find(ctx, name)
}

// findOrAddChannel returns the channel of that name, or where there is none, adds one.
func (s *session) findOrAddChannel(name string) (*delivery.Channel, error) {
	if s.hub.clustered == nil {
		return s.hub.findOrAddChannel(name)
	}
	c, err := s.find(name)
	if c != nil || err != nil {
		return c, err
	}
	ctx, done := s.waitContext()
	made, err := s.hub.newChannel(ctx, name)
	gone := ctx.Err()
	done()
	switch {
	case err == errThere && gone == nil:
		return s.findOrAddChannel(name) // another hub has created it just now
	case err == errThere:
		return nil, errNotFound
	case err != nil:
		return nil, err
	}
	c, added, err := s.hub.addChannel(name, made)
	if added {
		s.hub.clustered.register(c, nil)
	} else {
		made.Journal().(*journal).close()
	}
	return c, err
}

// createElsewhere is for a create of a channel that another hub decides: there is one. A create that is repeated, because
// the answer was not heard, and one by which the service gives the mastership to whoever asks, are the master's: this hub has to
// own the channel for that, and does what enter says in the same step. again: the channel is to be looked for anew.
func (s *session) createElsewhere(seat *seat, f *wire.Frame, grant star.Grant, enter func(*star.Channel, time.Time)) (again bool, err error) {
	ctx, done := s.waitContext()
	defer done()
	e := s.hub.clustered.edgeOf(ctx, seat.Channel())
	if e == nil {
		return ctx.Err() == nil, errNotFound
	}
	entered, entry := false, entryOf(f, seat.secret.fresh(s.hub.id, f), grant)
	_, err = s.hub.clustered.takeAnd(ctx, e, causeMaster, func(rules *star.Channel) error {
		if f.Username == rules.MasterName() && (grant.TakeOver || rules.MayRepeat(entry)) {
			return nil
		}
		return wire.ErrChannelExists
	}, func(_ *journal, rules *star.Channel, now time.Time) {
		entered = true
		enter(rules, now)
	})
	switch {
	case entered:
		return false, nil
	case err == error(wire.ErrChannelExists):
		return false, wire.ErrChannelExists
	case err == errHasEnded:
		return e.awaitOver(ctx), errNotFound
	}
	return e.isOver() && ctx.Err() == nil, errNotFound
}

// resumeElsewhere resumes in a channel that another hub decides. Where the secret is that of its master, this
// hub becomes the channel's owner by it: that is where its master is.
func (s *session) resumeElsewhere(seat *seat, f *wire.Frame, enter func(*star.Channel, time.Time)) (entered bool) {
	if s.hub.clustered == nil || !seat.Channel().Elsewhere() {
		return false
	}
	ctx, done := s.waitContext()
	defer done()
	e := s.hub.clustered.edgeOf(ctx, seat.Channel())
	if e == nil {
		return false
	}
	secret := star.HashOf(f.Secret)
	if is, err := s.hub.clustered.isMaster(ctx, e, secret); err != nil || !is {
		return false // whoever owns it knows
	}
	_, _ = s.hub.clustered.takeAnd(ctx, e, causeMaster, func(rules *star.Channel) error {
		if f.Username != rules.MasterName() || rules.MasterAhead(f.Last, f.Seq) {
			return errNotTaken
		}
		_, _, err := rules.Resumable(time.Now(), &seat.Attachment, entryOf(f, given(f.Secret), star.Grant{}), f.Username)
		return err // then whoever owns it says so
	}, func(_ *journal, rules *star.Channel, now time.Time) {
		entered = true
		enter(rules, now)
	})
	return entered
}

// isMaster reports whether the secret may be that of the channel's master, by the last group of its log.
func (cl *clustered) isMaster(ctx context.Context, e *edge, secret star.Hash) (bool, error) {
	_, h, err := inner.Find(ctx, cl.engine, e.key)
	return bytes.Equal(h.Master[:8], secret[:8]) || bytes.Equal(h.Master[8:], secret[:8]), err
}

// mayElsewhere asks the hub that decides the channel whether the peer may come back, as returning.may says it. asked is
// false where that is this hub by now.
func (s *session) mayElsewhere(seat *seat, f *wire.Frame, q query) (g star.Grant, fresh, asked bool, err error) {
	c := s.returnCall(seat, opQuery, f, star.Grant{})
	c.query = q
	may, asked, err := s.query(seat, c)
	if err == nil && may.err != nil {
		err = s.hub.notHere(may.err, f)
	}
	return may.grant, may.yes, asked, err
}
