package hub

import (
	"bytes"
	"cmp"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what a hub has a channel do that another hub decides: what the frames of its members ask for,
// and what becomes of their connections. A call is made and carried out as data, so that it can go from hub
// to hub. The service was asked before, where the connection is, and no secret and no token goes with
// it: only hashes.

// op is what a call is.
type op uint8

// These numbers are told between hubs of different releases: they do not change.
const (
	// opFrame is a frame of a member.
	opFrame op = iota + 1
	// opJoin and opResume make the seat a membership, and opRepeatJoin answers a join again.
	opJoin
	opResume
	opRepeatJoin
	// opLose: the connection of the seat has ended. opReturn: it was taken for lost, and lives.
	opLose
	opReturn
	// opDrained: what waited for the seat has been taken to be written.
	opDrained
	// opCancel takes the seat from the door, for a leave with the frame's ref. opWaits has it be told again
	// that it waits there.
	opCancel
	opWaits
	// opAgain is a resume on the connection that has the membership, by its seat, and opRevoke ends the membership of
	// who comes back, for the call's refusal.
	opAgain
	opRevoke
	// opLeave is for a connection that has ended on purpose: the membership ends, and there is nobody to answer.
	opLeave
	// opQuery asks for something that the hub has to know before it calls again.
	opQuery
	// opStays: the member is not about to leave for another channel any more.
	opStays
	// opHandedOver is a hand-over by which a former master that stays comes back, as by a resume, and opRevokeStayed is
	// opRevoke for that.
	opHandedOver
	opRevokeStayed
)

// call is one thing that a channel is to do.
type call struct {
	op   op
	seat seatName
	// frame is the peer's, without what only its own hub may know.
	frame *wire.Frame
	// entry is what the peer shows, for a join and a resume. Of its secrets there are the hashes. next is one more that
	// opHandedOver needs where that makes the seat the master's, at its own hub.
	entry star.Entry
	next  secret
	// refusal is why the hub refuses what the frame asks for, so that the refusal is remembered, or nil.
	refusal *wire.Cause
	// malformed is the number of the frame among those of the connection, or zero (session.countedFrame).
	malformed uint64
	// notHeld is why there is nothing to switch from, or nil.
	notHeld *wire.Cause
	// query is what is asked. late is the member that leaves by it, whose connection is gone, or zero.
	query query
	late  member

	// number counts the calls that the edge has made, and local is the seat here, of a call that was made here. result is where the
	// answer to a query goes, once, or nil.
	number uint64
	local  *edgeSeat
	result chan<- []byte
}

// giveUp tells who waits for the answer to a query that there will be none.
func (c *call) giveUp() {
	if c.result != nil {
		close(c.result)
		c.result = nil
	}
}

// seatName is how a hub calls a seat of its own towards the owner of the channel.
type seatName struct {
	// id is the hub's, and membership and epoch are those of one that is in.
	id, membership, epoch uint64
	// connection is the number of the connection.
	connection uint64
}

// query is a question to the rules.
type query uint8

const (
	// queryResumable asks whether somebody may come back, queryGranted what the service has granted the
	// member, and queryUnjudged whether the service is to be asked about a message or a change.
	queryResumable query = iota + 1
	queryGranted
	queryUnjudged
	// querySwitches notes that the member is about to leave for another channel, and queryLeave ends the
	// membership then. The answer is why not.
	querySwitches
	queryLeave
	// queryHandedOver asks whether a former master that has not stayed has handed over, and queryStayed is
	// queryResumable for one that has.
	queryHandedOver
	queryStayed
)

// isShort reports whether of the frame there is no more than a ref and a name.
func (q query) isShort() bool { return q == queryResumable || q == querySwitches || q == queryLeave }

// isOfHandOver reports whether it is about a hand-over that is repeated.
func (q query) isOfHandOver() bool { return q == queryHandedOver || q == queryStayed }

// enters reports whether the call is of somebody who is not in the channel yet.
func (c *call) enters() bool {
	switch c.op {
	case opJoin, opResume, opHandedOver:
		return true
	case opQuery:
		return c.query == queryResumable || c.query == queryStayed
	}
	return false
}

// do has the rules carry the call out, for the attachment of its seat. The channel's lock is held. What is
// told of it is effects, but for a query, which is answered. hub is the one that decides.
func (c *call) do(h *Hub, rules *star.Channel, now time.Time, a *star.Attachment) (answer []byte) {
	switch c.op {
	case opFrame:
		if err := c.doFrame(h, rules, now, a); err != nil {
			c.answer(rules, a, err)
		}
	case opJoin:
		if c.entry.Told != 0 && rules.Knows(a) {
			break
		}
		if !c.entry.Since.IsZero() { // it has waited before
			rules.Arrive(now, a, c.entry, c.frame.Username, c.frame.Expect)
			break
		}
		_ = rules.Enter(a, func() error { return c.join(h, rules, now, a) })
	case opResume:
		_ = rules.Enter(a, func() error {
			entry := c.entry
			if c.local != nil && rules.Promoted(entry, c.frame.Username) {
				c.local.seat.secret = addFresh(&entry, h.id, c.frame)
			}
			err := rules.Resume(now, a, entry, c.frame.Username, c.frame.Last, c.frame.Seq)
			return h.notHere(err, c.frame)
		})
	case opAgain:
		c.againHere(h, rules, now)
	case opHandedOver:
		_ = rules.Enter(a, func() error {
			next := c.next.fresh(h.id, c.frame)
			err := rules.RepeatHandOver(now, a, c.entry, next, c.frame.Username, c.frame.To, true)
			if err == nil && c.local != nil && a.Role() == wire.Master {
				c.local.seat.secret = c.next // it has become that again
			}
			return notThere(err, c.frame)
		})
	case opRevoke, opRevokeStayed:
		revoked := false
		if c.op == opRevoke {
			revoked = rules.Revoke(a, c.entry, c.frame.Username, c.refusal.Text)
		} else {
			revoked = rules.RevokeStayed(a, c.entry, c.frame.Username, c.frame.To, c.refusal.Text)
		}
		if a.Entered() { // its connection has the membership, which tells it
			c.answer(rules, a, c.refusal)
			break
		}
		if revoked {
			rules.Answer(a, delivery.ClosedPacket(c.frame.Channel, wire.ErrRevoked.With(c.refusal.Text)), nil, 0)
		}
		rules.Refuse(a, c.refusal)
	case opRepeatJoin:
		if err := h.repeatsJoin(rules, now, a, c.entry); err != nil {
			c.answer(rules, a, err)
		}
	case opLose:
		if !rules.CancelKnock(a) {
			rules.Lose(now, a)
		}
	case opLeave:
		if !rules.CancelKnock(a) && rules.Leave(now, a, 0) != nil {
			rules.Lose(now, a)
		}
	case opDrained:
		rules.Drained(a)
	case opCancel:
		waited := rules.CancelKnock(a)
		if waited {
			left := &wire.Frame{Type: wire.Left, Ref: c.frame.Ref, Channel: c.frame.Channel}
			rules.Answer(a, wire.NewPacket(left), nil, 0)
		}
		return (&queried{yes: waited}).pack()
	case opWaits:
		return (&queried{yes: rules.WaitsAt(now, a, c.frame.Ref)}).pack()
	case opStays:
		_ = rules.Switching(a, false)
	case opQuery:
		return c.ask(rules, now, a)
	}
	return nil
}

// revoked is what a seat is told that is not in the channel, and whose membership ends by the call.
func (c *call) revoked(a *star.Attachment) []star.Effect {
	return []star.Effect{
		{Kind: star.Answer, To: a, Packet: delivery.ClosedPacket(c.frame.Channel, wire.ErrRevoked.With(c.refusal.Text))},
		{Kind: star.Refuse, To: a, End: c.refusal},
	}
}

// answer refuses the frame, as session.answer does.
func (c *call) answer(rules *star.Channel, a *star.Attachment, err error) {
	if err == wire.ErrReplaced {
		rules.Answer(a, nil, wire.ErrReplaced, 0)
		return
	}
	why := asRefusal(err, wire.ErrBadFrame).Explain(c.frame)
	number := c.malformed
	if _, again := err.(star.Again); again {
		number = 0
	}
	rules.Answer(a, refusalPacket(c.frame.Ref, c.frame.Channel, why), why, number)
}

func (c *call) join(h *Hub, rules *star.Channel, now time.Time, a *star.Attachment) error {
	if c.notHeld != nil && !rules.Repeated(now, a, c.entry, c.frame.Username) {
		return c.notHeld
	}
	entry := c.entry
	if c.local != nil && rules.JoinsAsMaster(now, a, entry, c.frame.Username) {
		c.local.seat.secret = addFresh(&entry, h.id, c.frame)
	}
	err := rules.Join(now, a, entry, c.frame.Username, c.frame.Expect)
	if err != star.ErrKnock {
		return err
	}
	if err = rules.Knock(now, a, c.entry, c.frame.Username, c.frame.Expect); err == nil {
		err = star.ErrWaits
	}
	return err
}

// again is a resume of a membership on the connection that has it, by the next attachment of that.
func (c *call) again(h *Hub, rules *star.Channel, now time.Time, a, next *star.Attachment) (err error) {
	_ = rules.Enter(next, func() error {
		if err = rules.Resume(now, next, c.entry, c.frame.Username, c.frame.Last, c.frame.Seq); err != nil {
			return star.ErrWaits // it is not the seat that is refused
		}
		return nil
	})
	if err != nil {
		c.answer(rules, a, h.notHere(err, c.frame))
	}
	return err
}

// wantsMaster reports whether the call would make its seat the master's.
func (c *call) wantsMaster(rules *star.Channel, now time.Time, a *star.Attachment) bool {
	switch c.op {
	case opHandedOver:
		return rules.StayedAsMaster(a, c.entry, c.frame.Username, c.frame.To)
	case opResume:
		hash, pending := rules.MasterSecrets()
		promoted := rules.Promoted(c.entry, c.frame.Username)
		if c.frame.Username != rules.MasterName() || !promoted && c.entry.Secret.Hash != hash && (pending == star.Hash{} || c.entry.Secret.Hash != pending) {
			return false
		}
		// Who is refused must not have the channel move.
		_, _, err := rules.Resumable(now, a, c.entry, c.frame.Username)
		return err == nil && (promoted || !rules.MasterAhead(c.frame.Last, c.frame.Seq))
	}
	return rules.JoinsAsMaster(now, a, c.entry, c.frame.Username) || c.entry.Grant.TakeOver && c.frame.Username == rules.MasterName()
}

// doFrame carries a frame of a member out.
func (c *call) doFrame(h *Hub, rules *star.Channel, now time.Time, a *star.Attachment) error {
	f := c.frame
	if f.Epoch != 0 {
		if err := rules.Show(a, f.Epoch); err != nil {
			return err
		}
	}
	if f.HasSeen {
		if _, err := rules.Confirm(a, f.Seen); err != nil {
			return err
		}
	}
	switch f.Type {
	case wire.Send:
		msg, err := messageOf(f, now)
		if err != nil {
			return err
		}
		msg.Refusal = cmp.Or(c.refusal, h.clustered.noRoom(rules.Name()))
		msg.Payload.Data = bytes.Clone(msg.Payload.Data) // it came with others, and is kept longer
		return rules.Send(a, msg)
	case wire.Set:
		value := wire.Payload{Kind: f.Payload.Kind, Data: bytes.Clone(f.Payload.Data)}
		return rules.Set(a, star.AttributeChange{Ref: f.Ref, Key: f.Code, Value: value, Refusal: cmp.Or(c.refusal, h.clustered.noRoom(rules.Name()))})
	case wire.Ping:
		if err := rules.Hear(a); err != nil || f.Ref == 0 {
			return err
		}
		rules.Answer(a, wire.NewPacket(&wire.Frame{Type: wire.Pong, Ref: f.Ref}), nil, 0)
		return nil
	case wire.HandOver:
		return notHandedOver(rules, a, f)
	case wire.Create:
		return rules.RepeatCreate(a, c.entry)
	case wire.Refresh:
		return rules.Refresh(a, f.Ref, c.entry.Grant)
	}
	if transition := h.transitionOf(f); transition != nil {
		return transition(rules, now, a)
	}
	return wire.ErrBadFrame
}

// ask answers a query.
func (c *call) ask(rules *star.Channel, now time.Time, a *star.Attachment) []byte {
	var g star.Grant
	var username string
	var yes bool
	var err error
	switch f := c.frame; c.query {
	case queryResumable:
		g, yes, err = rules.Resumable(now, a, c.entry, f.Username)
	case queryStayed:
		g, yes, err = rules.StayedOn(now, a, c.entry, f.Username, f.To)
		err = notThere(err, f)
	case queryGranted:
		username, g, err = rules.Granted(a)
	case querySwitches:
		err = switches(rules, a)
	case queryLeave:
		err = rules.Leave(now, a, 0)
		if number, _ := rules.Membership(f.Username); err == wire.ErrNotAMember && number == c.seat.membership && number != 0 {
			err = wire.ErrReplaced // the seat is known no more
		}
	case queryHandedOver:
		err = rules.RepeatHandOver(now, a, c.entry, star.Secret{}, f.Username, f.To, false)
	case queryUnjudged:
		if f.Type == wire.Send {
			var msg star.Message
			if msg, err = messageOf(f, now); err == nil {
				g.Data, yes = rules.Unjudged(a, &msg)
			}
			break
		}
		g.Data, yes = rules.UnjudgedChange(a, &star.AttributeChange{Ref: f.Ref, Key: f.Code, Value: f.Payload})
	}
	return (&queried{grant: g, username: username, yes: yes, err: err}).pack()
}
