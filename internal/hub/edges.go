package hub

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// edge is what this hub has for a channel of a cluster that another hub owns, or nobody at present: it carries out
// what is decided for the members that are here, and asks the owner for what they want.
type edge struct {
	hub       *Hub
	channel   *delivery.Channel
	key       cluster.Key
	asking    *inner.Asking
	following *inner.Follower
	began     time.Time

	// mu guards the following. What is emitted to the channel is emitted under it, so in order.
	mu      sync.Mutex
	merging *inner.Merging
	// seats are those that are in the channel, or want to be, by their numbers, members those that are
	// in by their memberships, and of all by the delivery's seats.
	seats   map[uint64]*edgeSeat
	members map[member]*edgeSeat
	of      map[*delivery.Seat]*edgeSeat
	// calls are those that are not answered, in order, and replied those that were answered by a reply that has
	// not had its place yet, by the number of its request.
	calls   []*call
	replied map[uint64][]*call
	// master is the name of the channel's master, or empty where it is not known yet, and newest the number of the newest message to slaves
	// that is known here.
	master string
	newest uint64
	// incarnation and epoch are those of the owner that is known.
	owner inner.Owner
	// unknown is since when the owner says that it does not have the channel, or zero.
	unknown time.Time
	// called counts the calls that were made. settled is closed when one was answered, and nil where nobody waits
	// for that.
	called  uint64
	settled chan struct{}
	// knocks: another hub has become the owner, where those who wait are to knock.
	knocks bool
	// leaving are seats that are none any more when what is being carried out is.
	leaving []*edgeSeat
	// over: this hub owns the channel, or there is no such channel any more.
	over bool
	// taking is there while this hub tries to become the owner, and closed at the end. parked are calls that it does itself then, before the
	// others.
	taking chan struct{}
	parked []*call
	// claimed is this hub as the owner that it is about to be, by a group that is being written, or zero.
	claimed inner.Owner
	// doubted is the owner that is doubted, or zero, and undoubt ends that.
	doubted cluster.HubID
	undoubt func()
	// moved is closed when something was carried out, and nil where nobody waits for that.
	moved chan struct{}
	// resting is since when nobody is here, or zero.
	resting time.Time
	// counted: it is one of those that the Observer is told of.
	counted bool
}

// member tells one attachment of a membership from all others.
type member struct{ membership, epoch uint64 }

// edgeSeat is a seat of this hub in a channel that another one decides.
type edgeSeat struct {
	seat *seat
	member
	id uint64
	// secret is what the peer is told as its secret.
	secret string
	// admitted: it is in the audience. lost: the owner takes the connection for lost, and returning: it is told
	// that it is not. gone: it is.
	admitted, lost, returning, gone bool
	// unanswered is when this hub has lost the channel, and something that is for the seat was not committed, or zero.
	unanswered time.Time
	// missed: as the channel becomes this hub's, the log says that the seat was told what it may not have been.
	missed bool
	// succeeds is the seat of the master that it goes on from as a slave, once it is in, or nil.
	succeeds *edgeSeat
	// join is by what it wants to be in, until it is, where that may have to wait. waits: it waits at the door.
	join  *call
	waits bool
	// refused is why it may not wait.
	refused *wire.Cause
}

// newEdge makes the edge of a channel that is followed from the shared group at the position at on.
func (h *Hub) newEdge(c *delivery.Channel, key cluster.Key, owner inner.Owner, at cluster.Position) *edge {
	e := &edge{
		hub: h, channel: c, key: key, owner: owner, began: time.Now(),
		seats: make(map[uint64]*edgeSeat), members: make(map[member]*edgeSeat), of: make(map[*delivery.Seat]*edgeSeat),
		replied: make(map[uint64][]*call),
		merging: inner.NewMerging(h.clustered.id, at, owner.Hub, owner.Epoch, owner.Incarnation),
	}
	e.merging.Before(inner.Requested())
	e.asking = inner.NewAsking(h.clustered.engine, h.clustered.id, key, e.answered)
	return e
}

// follow begins to follow the channel. It fails where the hub leaves: whoever ends the edges then may have passed by
// before there was anything to end.
func (e *edge) follow(at cluster.Position) error {
	cl := e.hub.clustered
	following, err := inner.Follow(cl.tails, e.key, at, e.take, e.lose)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.following, e.counted = following, true
	owner := e.owner
	if !e.over && cl.hasLeft() {
		e.finish()
	}
	over := e.over
	e.mu.Unlock()
	e.hub.config.Observer.Add(star.Edges, "", 1)
	if over {
		cl.forget(e.channel)
		cl.hub.removeChannel(e.channel)
		e.close()
		return shuttingDown
	}
	e.ask(owner)
	return nil
}

// add makes the seat one of the edge. member is zero where it wants to be in.
func (e *edge) add(s *seat, m member, secret string) *edgeSeat {
	added := &edgeSeat{seat: s, member: m, id: e.hub.clustered.seats.Add(1), secret: secret}
	e.seats[added.id], e.of[&s.Seat] = added, added
	if m != (member{}) {
		e.members[m] = added
	}
	return added
}

// isIn reports whether the owner has answered that the seat is a member's.
func (e *edge) isIn(s *delivery.Seat) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.of[s]
	return known != nil && known.member != (member{})
}

// remove takes a seat out. The lock is held.
func (e *edge) remove(s *edgeSeat) {
	delete(e.seats, s.id)
	delete(e.of, &s.seat.Seat)
	if e.members[s.member] == s {
		delete(e.members, s.member)
	}
}

// call has the owner do something for the seat, which the edge gets to know where it wants to be in. The
// error is busy where too much waits.
func (e *edge) call(s *seat, c *call, secret string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.callFor(s, c, secret)
}

// callFor is call, with the lock held.
func (e *edge) callFor(s *seat, c *call, secret string) error {
	if e.over {
		return errElsewhere
	}
	known := e.of[&s.Seat]
	if known != nil && known.secret == "" {
		known.secret = secret // it has only asked something so far, or is from when this hub has decided the channel
	}
	if known == nil {
		switch c.op {
		case opJoin, opResume, opHandedOver, opRevoke, opRevokeStayed, opQuery:
			known = e.add(s, member{}, secret)
		case opRepeatJoin:
			return errEnds
		default:
			return errSeatGone
		}
	}
	if c.local = known; c.op == opJoin {
		known.join = c
	}
	c.seat = seatName{id: known.id, membership: known.membership, epoch: known.epoch, connection: s.Connection()}
	if c.query == queryLeave && known.member == (member{}) && s.Entered() {
		c.seat.membership = s.Membership() // it is over here, which may have become another connection's
	}
	if c.late != (member{}) {
		c.seat.membership, c.seat.epoch = c.late.membership, c.late.epoch
	}
	if err := e.asking.Call(c.pack()); err != nil {
		return errTooMuchWaits
	}
	e.keep(c)
	if c.op == opLose || c.op == opLeave {
		known.gone = true
	}
	return nil
}

var (
	// errElsewhere: the edge is one no more. The caller looks anew whose the channel is.
	errElsewhere = wire.ErrBusy.With("the channel is moving to another hub: try again")
	errEnds      = wire.ErrBusy.With("the membership that the connection has had is about to end: try again")
	// errSeatGone: the seat is none any more, which its peer is about to be told, or its connection is about to be closed for it.
	errSeatGone     = notAMember("")
	errTooMuchWaits = wire.ErrBusy.With("too much waits for the hub that has the channel: try again later")
)

// keep notes a call that is made for the first time. The lock is held.
func (e *edge) keep(c *call) {
	e.called++
	c.number = e.called
	e.calls = append(e.calls, c)
}

// flush waits until all that was called for until now is answered, and the answers are on their way.
func (e *edge) flush(ctx context.Context) error {
	e.mu.Lock()
	until := e.called
	e.mu.Unlock()
	for {
		e.mu.Lock()
		if e.over || e.answeredUpTo(until) {
			e.mu.Unlock()
			return e.channel.Flush(ctx)
		}
		if e.settled == nil {
			e.settled = make(chan struct{})
		}
		settled := e.settled
		e.mu.Unlock()
		select {
		case <-settled:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// answeredUpTo reports whether all calls are answered up to the one with that number. The lock is held.
func (e *edge) answeredUpTo(number uint64) bool {
	later := func(calls []*call) bool {
		return !slices.ContainsFunc(calls, func(c *call) bool { return c.number <= number })
	}
	for _, calls := range e.replied {
		if !later(calls) {
			return false
		}
	}
	return later(e.calls) && later(e.parked)
}

// settle wakes those who wait in flush, to look again. The lock is held.
func (e *edge) settle() {
	if e.settled != nil {
		close(e.settled)
		e.settled = nil
	}
}

// take takes the next group of the tail.
func (e *edge) take(g cluster.Group) {
	e.channel.AwaitEmitted()
	header, items, err := inner.ParseGroup(g.Body)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return
	}
	if err != nil {
		e.fail(err)
		return
	}
	if e.claimed != (inner.Owner{}) && header.Claim == inner.Owned && header.Hub == e.claimed.Hub && header.Epoch == e.claimed.Epoch {
		return // what comes behind it is for the owner's journal
	}
	before := e.owner
	steps, err := e.merging.Group(g, header, items)
	e.carryOut(steps)
	if err != nil {
		e.fail(err)
	}
	if header.Claim == inner.Owned && !e.over {
		e.owner = inner.Owner{Hub: header.Hub, Epoch: header.Epoch, Incarnation: header.Incarnation}
		if e.owner != before {
			e.ask(e.owner)
		}
	}
}

// answered takes what the owner, or somebody in its place, has answered.
func (e *edge) answered(a inner.Answer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return
	}
	if a.Outcome != inner.Unknown {
		e.unknown = time.Time{}
	} else if e.unknown.IsZero() {
		e.unknown = time.Now()
	}
	switch a.Outcome {
	case inner.Done:
		e.replies(a)
	case inner.Moved:
		if a.Next.Incarnation != e.owner.Incarnation {
			e.hub.clustered.look(e) // another channel has the name by now
		} else if a.Next.Epoch > e.owner.Epoch || e.owner.Hub == (cluster.HubID{}) {
			e.owner = a.Next
			e.ask(a.Next)
		}
	case inner.Unknown, inner.Nobody:
		e.hub.clustered.look(e)
	}
	e.settle()
}

// ask has the owner be asked from now on, unless that is this hub: it is about to do itself what is called for.
func (e *edge) ask(owner inner.Owner) {
	if owner.Hub != e.hub.clustered.id {
		e.asking.To(owner)
	}
}

// replies takes an answer to calls. The lock is held.
func (e *edge) replies(a inner.Answer) {
	calls := e.calls[:len(a.Calls):len(a.Calls)]
	e.calls = e.calls[len(a.Calls):]
	marked, master, items, err := unpackReply(a.Body)
	if err != nil {
		e.fail(err)
		return
	}
	if e.master == "" {
		e.master = master
	}
	for _, item := range items {
		if item.Kind != inner.Record {
			continue
		}
		if i := slices.IndexFunc(calls, func(c *call) bool { return c.result != nil }); i >= 0 {
			calls[i].result <- item.Data
			calls[i].result = nil
		}
	}
	e.replied[a.N] = calls
	steps, err := e.merging.Reply(inner.ReplyAt{Epoch: a.Owner.Epoch, N: a.N, Position: a.Position, Shared: a.Shared, Marked: marked, Items: items})
	e.carryOut(steps)
	if err != nil {
		e.fail(err)
		return
	}
	if a.Shared > e.merging.At() {
		e.following.Expect(a.Shared)
	}
}

// carryOut emits what the steps say. The lock is held.
func (e *edge) carryOut(steps []inner.Step) {
	var effects []star.Effect
	for i := range steps {
		step := &steps[i]
		switch step.Kind {
		case inner.StepItem:
			effects = e.item(effects, step.Item, nil)
		case inner.StepReply:
			effects = e.reply(effects, step.Reply)
		case inner.StepDropped:
			e.again(step.Reply.N)
		case inner.StepClaim:
			effects = e.claim(effects, step.Header)
		case inner.StepRecreated:
			effects = e.end(effects, errRecreated)
		}
	}
	if len(effects) > 0 {
		e.channel.Emit(effects)
	}
	if e.over {
		return
	}
	for _, s := range e.leaving {
		e.remove(s)
	}
	e.leaving = e.leaving[:0]
	if e.knocks {
		e.knocks = false
		e.knockAnew()
	}
	e.comeBack()
	e.rest()
	if e.moved != nil {
		close(e.moved)
		e.moved = nil
	}
	e.settle()
}

// finish ends that this is the edge. The lock is held.
func (e *edge) finish() {
	e.over = true
	e.seats, e.members, e.of = nil, nil, nil
	e.asking.Take()
	for _, c := range append(e.parked, e.calls...) {
		c.giveUp()
	}
	e.calls, e.replied, e.parked = nil, nil, nil
	e.wake()
}

// nextMove is closed when something more was carried out, or the edge is over. The lock is held.
func (e *edge) nextMove() <-chan struct{} {
	if e.moved == nil {
		e.moved = make(chan struct{})
	}
	return e.moved
}

// wake wakes all who wait for something of an edge that is over. The lock is held.
func (e *edge) wake() {
	e.settle()
	if e.moved != nil {
		close(e.moved)
		e.moved = nil
	}
	if e.undoubt != nil {
		e.undoubt()
		e.undoubt = nil
	}
}

// restAfter is how long an edge is kept of which nobody is here any more.
const restAfter = 5 * time.Second

// rest notes since when nobody is here. The lock is held.
func (e *edge) rest() {
	switch {
	case len(e.seats) > 0:
		e.resting = time.Time{}
	case e.resting.IsZero():
		e.resting = time.Now()
	}
}

// endRest ends the edge where nobody was here for a while.
func (e *edge) endRest(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.owner.Hub == e.hub.clustered.id {
		return // as long as the log says that, nobody else takes the channel
	}
	if e.rest(); e.over || e.resting.IsZero() || now.Sub(e.resting) < restAfter || len(e.calls) > 0 || e.taking != nil || e.doubted != (cluster.HubID{}) {
		return
	}
	e.finish()
	e.hub.clustered.letGo(e)
}

// lose is told that the channel cannot be followed any more: what is missing is gone.
func (e *edge) lose(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fail(err)
}

// fail lets all seats go: their peers come back, and get what they have missed. The lock is held.
func (e *edge) fail(err error) {
	if e.over {
		return
	}
	e.hub.config.Logger.Warn("channel of another hub cannot be followed", "channel", e.channel.Name(), "error", err)
	if isLoss(err) {
		e.hub.clustered.keepGiven(e.key, e.owner.Incarnation, numbers{down: e.newest})
		e.hub.clustered.keepLoss(e.key)
	}
	var effects []star.Effect
	for _, s := range e.seats {
		effects = append(effects, star.Effect{Kind: star.Eject, To: &s.seat.Attachment, End: wire.ErrShutdown})
	}
	e.channel.Emit(effects)
	e.finish()
	e.hub.clustered.letGo(e)
	if e.owner.Hub == e.hub.clustered.id || isLoss(err) { // or that has become this hub's, by what the log has lost
		e.hub.clustered.findAgain(e.channel.Name())
	}
}
