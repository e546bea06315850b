package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is a hand-over to a slave at another hub. Its hub asks the service about it, since it has the values of
// the connection. Then the owner decides nothing any more, and the other hub becomes the owner and hands over in
// one step, as its first one: at each moment the channel has one owner and one master, and the secret of the new
// master is nowhere else. Where that does not come about, the former owner goes on.

// What is asked for.
const (
	// inquirySetMaster is for the owner, for the service at another hub.
	inquirySetMaster = "set_master"
	// inquirySuccessor asks a hub whether a slave there may be the master, and inquirySucceed has it be that.
	inquirySuccessor = "successor"
	inquirySucceed   = "succeed"
)

// succeeding is what is asked of the hub of a successor.
type succeeding struct {
	// Membership and Epoch are the successor's.
	Membership, Epoch uint64
	// Grant is what the service has granted the slave, or in inquirySucceed, what it grants the master.
	Grant []byte `json:",omitempty"`
	// Asks: the master has asked for it, under Ref. It is the seat Master of the hub that asks, or nobody where that
	// is zero, and goes on as a slave in the seat Stays, unless that is zero, with the secret of that hash.
	Asks        bool      `json:",omitempty"`
	Ref         uint64    `json:",omitempty"`
	Master      uint64    `json:",omitempty"`
	Stays       uint64    `json:",omitempty"`
	StaysSecret star.Hash `json:",omitzero"`
	// Incarnation is the channel's, and Shared how far the hub that is asked has to be in its log.
	Incarnation cluster.Nonce
	Shared      cluster.Position
}

func packGrant(g star.Grant) []byte {
	p := &packing{}
	packEntry(p, &star.Entry{Grant: g})
	return p.b
}

func unpackGrant(b []byte) (star.Grant, error) {
	u := &unpacking{rest: b}
	var e star.Entry
	unpackEntry(u, &e)
	return e.Grant, u.end()
}

// errNoSuccession is told where it cannot be said what has become of a hand-over, or it has not come about.
var errNoSuccession = wire.ErrBusy.With("to: the hub where the slave is has not answered: try again")

// toAnother hands over to the slave at another hub. done is false where there is an error. The error is star.ErrMoved
// where the slave is not there any more.
func (n *succession) toAnother(ctx context.Context, heir *remoteSeat, change star.HandOver, before star.Grant) error {
	cl := n.hub.clustered
	j, _ := n.channel.Journal().(*journal)
	if j == nil {
		return star.ErrMoved
	}
	asked := succeeding{
		Membership: heir.Membership(), Epoch: heir.Epoch(), Grant: packGrant(before), Ref: n.ref, Asks: n.held != nil,
		Incarnation: j.owner.Incarnation, Shared: j.writer.Shared(),
	}
	q := inquiry{What: inquirySuccessor, Channel: n.channel.Name(), Username: change.To, Succeeding: &asked}
	o, err := cl.askFor(ctx, heir.name.hub, q)
	switch {
	case err != nil && ctx.Err() != nil:
		return errCannotSay
	case err != nil:
		return errNoSuccession
	case o.Elsewhere:
		return star.ErrMoved
	case o.Code != "":
		return o.err()
	}
	asked.Grant = o.Grant
	return n.resignFor(j, heir.name.hub, q)
}

// succeedTimeout is how long the hub of a successor has to become the owner.
const succeedTimeout = 3 * time.Second

// resignFor has the hub of the successor become the owner. Where it does not, this one is that again. The error is
// star.ErrMoved where it is all to be decided anew.
func (n *succession) resignFor(j *journal, hub cluster.HubID, q inquiry) error {
	cl := n.hub.clustered
	stays := (*seat)(nil)
	if n.stay && n.master != nil {
		stays = newSeat(n.master, n.channel)
		stays.Stand(n.held.Username())
	}
	// Somebody else may have become the master while the service was asked.
	if err := n.decide(func(rules *star.Channel, _ time.Time) error {
		_, _, err := rules.Successor(n.attachment(), q.Username)
		return err
	}); err != nil {
		return err
	}
	if !n.channel.Resign(j) {
		return star.ErrMoved
	}
	ctx, cancel := context.WithTimeout(cl.writing, succeedTimeout)
	defer cancel()
	e := cl.edgeOf(ctx, n.channel)
	if e == nil {
		return errNoSuccession
	}
	var o outcome
	err := error(star.ErrMoved)
	if n.isOf(e, q.Succeeding, stays) {
		q.What = inquirySucceed
		if o, err = cl.askFor(ctx, hub, q); err == nil && o.Position != 0 {
			_ = e.await(ctx, o.Position)
			return o.err()
		}
		if err == nil && o.Elsewhere {
			err = star.ErrMoved
		}
	}
	// Whoever owns it by now, or is about to, is found out by the log.
	again, cancel := context.WithTimeout(cl.writing, takeTimeout)
	defer cancel()
	switch taken := cl.take(again, e, causeUnowned, func(*star.Channel) error { return nil }); {
	case taken != nil && cl.isOver(n.channel):
		return wire.ErrNoSuchChannel
	case taken != nil:
		return errNoSuccession
	case err == nil && o.Code != "":
		return o.err()
	case err == error(star.ErrMoved):
		return star.ErrMoved
	}
	return errNoSuccession
}

// isOf notes the seats of the master at this hub, which does not own the channel any more, where that has asked for the
// hand-over. It reports whether that still is the master.
func (n *succession) isOf(e *edge, asked *succeeding, stays *seat) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n.held == nil {
		return true
	}
	master := e.of[&n.held.Seat]
	if master == nil || master.membership != 0 || master.member == (member{}) || master.gone {
		return false
	}
	asked.Master = master.id
	if stays != nil {
		text := stays.secret.freshFor(n.hub.id, n.byHand)
		added := e.add(stays, member{}, text.Text)
		added.succeeds = master
		asked.Stays, asked.StaysSecret = added.id, text.Hash
	}
	return true
}

// await waits until what is decided up to the position was carried out here, or the hub owns the channel.
func (e *edge) await(ctx context.Context, p cluster.Position) error {
	for {
		e.mu.Lock()
		if e.over || e.following == nil || e.merging.At() >= p {
			e.mu.Unlock()
			return e.channel.Flush(ctx)
		}
		if e.moved == nil {
			e.moved = make(chan struct{})
		}
		moved, following := e.moved, e.following
		e.mu.Unlock()
		following.Expect(p)
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// askFor asks a hub for what may take longer, once.
func (cl *clustered) askFor(ctx context.Context, hub cluster.HubID, q inquiry) (o outcome, err error) {
	request, err := json.Marshal(q)
	if err != nil {
		return o, err
	}
	for reply, err := range cl.engine.Ask(ctx, cl.id, hub, append([]byte{kindInquiry}, request...)) {
		if err == nil {
			err = json.Unmarshal(reply, &o)
		}
		return o, err
	}
	return o, ctx.Err()
}

// heirOf is the successor's seat at this hub, or nil. It waits until this one knows what the owner knows.
func (cl *clustered) heirOf(q inquiry) (*edge, *edgeSeat) {
	c := cl.hub.findChannel(q.Channel)
	if c == nil || q.Succeeding == nil {
		return nil, nil
	}
	cl.mu.Lock()
	e := cl.edges[c]
	cl.mu.Unlock()
	if e == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(cl.writing, succeedTimeout/2)
	defer cancel()
	if e.await(ctx, q.Succeeding.Shared) != nil {
		return nil, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.members[member{q.Succeeding.Membership, q.Succeeding.Epoch}]
	if e.over || s == nil || s.gone || e.owner.Incarnation != q.Succeeding.Incarnation {
		return nil, nil
	}
	return e, s
}

// successor asks the service whether the slave may be the master.
func (cl *clustered) successor(q inquiry) (o outcome) {
	e, s := cl.heirOf(q)
	if e == nil {
		return outcome{Elsewhere: true}
	}
	heir := delivery.OwnerOf(&s.seat.Seat).(*session)
	before, err := unpackGrant(q.Succeeding.Grant)
	if err != nil {
		return outcome{Elsewhere: true}
	}
	ctx, cancel := context.WithCancel(cl.writing)
	defer cancel()
	defer context.AfterFunc(cl.hub.open, cancel)()
	if limit := cl.hub.config.HandshakeTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	g, err := heir.authorizeMaster(ctx, q.Channel, q.Username, before)
	if err != nil {
		o.refuse(err)
		return o
	}
	o.Grant = packGrant(g)
	return o
}

// succeed makes this hub the owner, with the slave as the master.
func (cl *clustered) succeed(q inquiry) (o outcome) {
	e, s := cl.heirOf(q)
	if e == nil {
		return outcome{Elsewhere: true}
	}
	ctx, cancel := context.WithTimeout(cl.writing, succeedTimeout)
	defer cancel()
	heir, asked := delivery.OwnerOf(&s.seat.Seat).(*session), q.Succeeding
	grant, err := unpackGrant(asked.Grant)
	if err != nil {
		return outcome{Elsewhere: true}
	}
	var handedOver error
	shared, err := cl.takeAnd(ctx, e, causeSuccessor, func(rules *star.Channel) error {
		_, _, err := rules.Successor(nil, q.Username)
		if err == nil && heir.leaves(q.Channel, &s.seat.Attachment) {
			err = star.ErrSwitching
		}
		return err
	}, func(j *journal, rules *star.Channel, now time.Time) {
		handedOver = cl.handOver(j, rules, now, heir, s, grant, q)
	})
	if err != nil {
		o.refuse(err)
		return o
	}
	o.Position = shared
	if handedOver != nil && !asked.Asks {
		o.refuse(handedOver)
	}
	return o
}

// handOver is the first transition of a hub that owns the channel because the successor is there. What the
// master has asked for is answered by effects.
func (cl *clustered) handOver(j *journal, rules *star.Channel, now time.Time, heir *session, s *edgeSeat, grant star.Grant, q inquiry) error {
	asked := q.Succeeding
	change := star.HandOver{To: q.Username, From: &s.seat.Attachment, Grant: grant, Ref: asked.Ref}
	var at *star.Attachment
	for a, number := range rules.Attached {
		if remote, is := a.Line.(*remoteSeat); number == 0 && is && asked.Master != 0 {
			remote.name.id, at = asked.Master, a
			j.keepSeat(remote)
		}
		break
	}
	if at == nil && asked.Asks {
		return errNoSuccession // it is on its way to being away
	}
	master := newSeat(heir, j.channel)
	there, _, err := rules.Successor(nil, q.Username)
	if err == nil && there != change.From {
		err = star.ErrMoved
	}
	byHand := err == nil && there.ByHand()
	change.New, change.Secret = &master.Attachment, master.secret.freshFor(cl.hub.id, byHand)
	if asked.Asks && asked.Stays != 0 {
		stays := newRemoteSeat(remoteName{j.remoteOf(at), asked.Stays}, 0)
		stays.unknown = true
		j.keepSeat(stays)
		change.Stays, change.StaysSecret = &stays.Attachment, star.Secret{Hash: asked.StaysSecret}
	}
	if !asked.Asks {
		at = nil
	}
	if err == nil {
		err = rules.HandOver(now, at, change)
	}
	if err != nil {
		if at != nil {
			why := asRefusal(err, wire.ErrBusy).Explain(&wire.Frame{Type: wire.HandOver, Channel: q.Channel, To: q.Username, Username: q.Username})
			rules.Answer(at, refusalPacket(asked.Ref, q.Channel, why), why, 0)
		}
		return err
	}
	if !heir.succeedSeat(change.From, master) {
		rules.Lose(now, &master.Attachment)
	}
	return nil
}

// remoteOf is the hub of the attachment.
func (j *journal) remoteOf(a *star.Attachment) cluster.HubID { return a.Line.(*remoteSeat).name.hub }

// introduce tells the hub of a seat that it has not called for itself that the seat is a member now.
func (j *journal) introduce(ctx context.Context, to *remoteSeat) error {
	to.unknown = false
	o := output{kind: star.Enter}
	o.address(to)
	return j.add(ctx, inner.Effect, o.pack(), true)
}

// succeed puts a former master that goes on as a slave in the place of its former seat. The lock is held.
func (e *edge) succeed(s *edgeSeat) {
	former := s.succeeds
	s.succeeds = nil
	former.gone = true
	e.leaving = append(e.leaving, former)
	owner := delivery.OwnerOf(&s.seat.Seat).(*session)
	if owner.succeedSeat(&former.seat.Attachment, s.seat) {
		return
	}
	c := &call{op: opLose, local: s, seat: seatName{id: s.id, membership: s.membership, epoch: s.epoch, connection: s.seat.Connection()}}
	if s.gone = true; e.asking.Call(c.pack()) == nil {
		e.keep(c)
	}
}

// setMasterElsewhere is SetMaster in a channel that another hub decides. Where this hub does by now, it returns the
// channel as it has it.
func (c Channel) setMasterElsewhere(ctx context.Context, username string) (here *delivery.Channel, err error) {
	cl := c.hub.clustered
	q := inquiry{What: inquirySetMaster, Channel: c.Name(), Username: username}
	for ctx.Err() == nil {
		e := cl.edgeOf(ctx, c.c)
		if e == nil && !c.c.Elsewhere() {
			return c.c, nil
		}
		if e == nil {
			if c.c, err = cl.again(ctx, c.c); c.c == nil {
				return nil, cmp.Or(err, error(wire.ErrNoSuchChannel))
			}
			continue
		}
		o, err := cl.askFor(ctx, e.known().Hub, q)
		if err == nil && !o.Elsewhere {
			return nil, o.err()
		}
		if err != nil && err != error(cluster.ErrNobody) {
			break
		}
		cl.look(e)
		select {
		case <-time.After(inquiryAgain):
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return nil, errCannotSay
	}
	return nil, errNoSuccession
}

// release forgets a seat that was for a question alone.
func (cl *clustered) release(probe *seat) {
	cl.mu.Lock()
	e := cl.edges[probe.Channel()]
	cl.mu.Unlock()
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.of[&probe.Seat]; s != nil && !e.over {
		e.remove(s)
	}
}
