package hub

import (
	"encoding/binary"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is the members at other hubs of a channel that this one owns: their seats, and what their
// hubs have the channel do for them.

// remoteName is how a hub calls one of its seats.
type remoteName struct {
	hub cluster.HubID
	id  uint64
}

// remoteSeat is a seat at another hub. It is the star.Line of its attachment: what a line has to say of
// a slave is asked of nobody.
type remoteSeat struct {
	star.Attachment
	// name has no id where the hub has not called since this hub owns the channel.
	name       remoteName
	connection uint64
	// unknown: its hub is told that it is a member before anything else. inherited: it is by the log that the member is
	// there, where another hub has owned the channel.
	unknown, inherited bool
}

func newRemoteSeat(name remoteName, connection uint64) *remoteSeat {
	r := &remoteSeat{name: name, connection: connection}
	at := star.Hub(name.hub)
	r.Attachment.Line, r.Attachment.Hub = r, &at
	return r
}

// Connection is a number that no other connection of the cluster has, but by a chance that does not matter: it tells
// whether two seats are of one connection. Those of a hub rise, and are above those of this one.
func (r *remoteSeat) Connection() uint64 {
	const bits = 40
	return 1<<63 | binary.LittleEndian.Uint64(r.name.hub[:])<<bits | r.connection&(1<<bits-1)
}

func (*remoteSeat) Form() wire.Form                       { return wire.Binary }
func (*remoteSeat) Full(int, star.Load) bool              { return false }
func (*remoteSeat) NoticeFull(int) bool                   { return false }
func (*remoteSeat) Behind(int, star.Load, star.Load) bool { return false }
func (*remoteSeat) Waiting() (messages, bytes int)        { return 0, 0 }
func (*remoteSeat) Unwritten(accepted star.Load) int      { return accepted.Messages }

// address says that the output is for the seat, which has not called for it.
func (o *output) address(to *remoteSeat) {
	isMember := to.Entered() && (to.Membership() != 0 || to.Role() == wire.Master) // else it waits at the door
	if o.kind == star.Enter || o.kind == star.Refuse || !isMember {
		o.to, o.hub, o.seat = toSeat, to.name.hub, to.name.id
	} else {
		o.to = toMembership
	}
	o.numbered(to)
}

func (o *output) numbered(to *remoteSeat) {
	if to.Entered() {
		o.membership, o.epoch = to.Membership(), to.Epoch()
	}
}

// request is what another hub has asked for.
type request struct {
	from cluster.HubID
	n    uint64
	// seats are those that call.
	seats map[*remoteSeat]struct{}
	// marked: the answer has more than answers to frames, and so a place in the order of the log.
	marked bool
	// effects are those for seats that call, behind the last one that all are told, and items what else is answered.
	effects []effectFor
	items   []inner.Item
	// master is the name of the channel's master then.
	master string
}

// effectFor is an effect for a seat that calls.
type effectFor struct {
	output
	seat *remoteSeat
}

func (r *request) calls(seat *remoteSeat) bool {
	_, calls := r.seats[seat]
	return calls
}

// reply adds an effect for a seat that has called.
func (r *request) reply(o *output, to *remoteSeat) {
	o.to, o.seat = toCaller, to.name.id
	o.numbered(to)
	r.marked = r.marked || o.kind != star.Answer
	r.effects = append(r.effects, effectFor{*o, to})
}

// result adds the answer to a query.
func (r *request) result(answer []byte) {
	r.items = append(r.items, inner.Item{Kind: inner.Record, Data: answer})
}

// refuse answers a call whose seat is none, in its place among the effects. One that does not know that yet loses
// its connection.
func (r *request) refuse(c *call, rules *star.Channel) {
	none := newRemoteSeat(remoteName{r.from, c.seat.id}, c.seat.connection)
	r.seats[none] = struct{}{}
	if lives := c.seat.epoch != 0 && rules.Has(c.seat.membership); !lives && c.op == opRepeatJoin {
		c.answer(rules, &none.Attachment, errEnds)
	} else if !lives && c.op == opFrame {
		c.answer(rules, &none.Attachment, notAMember(rules.Name())) // else its peer comes back, and asks again
	}
	rules.Eject(&none.Attachment, wire.ErrShutdown)
}

// takeItem says in an answer that the hub of the seat, which calls, has to become the owner, and then to do
// itself what was called for.
const takeItem inner.ItemKind = 0x80

// take says that the hub that calls has to become the owner for the call.
func (r *request) take(c *call) {
	r.items = append(r.items, inner.Item{Kind: takeItem, Data: binary.AppendUvarint(nil, c.seat.id)})
}

// body is the answer.
func (r *request) body() []byte {
	p := &packing{}
	p.flags(r.marked)
	p.text(r.master)
	for i := range r.effects {
		p.byte(byte(inner.Effect))
		p.bytes(r.effects[i].pack())
	}
	for _, item := range r.items {
		p.byte(byte(item.Kind))
		p.bytes(item.Data)
	}
	return p.b
}

// unpackReply is the reverse of body.
func unpackReply(b []byte) (marked bool, master string, items []inner.Item, err error) {
	u := &unpacking{rest: b}
	marked = u.byte()&1 != 0
	master = u.text()
	for len(u.rest) > 0 {
		items = append(items, inner.Item{Kind: inner.ItemKind(u.byte()), Data: u.bytes()})
	}
	return marked, master, items, u.end()
}

// take takes a request of another hub. It is called by the engine, and does not wait.
func (j *journal) take(from cluster.HubID, r inner.Request, reply func([]byte) error) {
	calls, fresh := j.answering.Request(from, r, reply)
	j.thanked(from)
	if !fresh {
		return
	}
	if !j.hub.acquire() {
		j.answering.Refuse(from, r.N)
		return
	}
	go func() {
		defer j.hub.goroutines.Done()
		j.carryOut(from, r.N, calls)
	}()
}

// carryOut has the rules do what is called for, in one step.
func (j *journal) carryOut(from cluster.HubID, n uint64, packed [][]byte) {
	calls := make([]*call, 0, len(packed))
	for _, b := range packed {
		if c, err := unpackCall(b, j.channel.Name()); err == nil {
			calls = append(calls, c)
		} else {
			j.hub.config.Logger.Error("call of another hub that cannot be read", "channel", j.channel.Name(), "hub", from.String())
		}
	}
	decided := j.channel.DecideFor(j, func(rules *star.Channel, now time.Time) {
		r := &request{from: from, n: n, seats: make(map[*remoteSeat]struct{})}
		rules.Mark(j.note(r))
		for _, c := range calls {
			j.call(r, c, rules, now)
		}
		r.master = rules.MasterName()
		rules.Mark(0)
	})
	if !decided {
		j.answering.Refuse(from, n)
	}
}

// note keeps the request under a mark.
func (j *journal) note(r *request) (mark uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.marks++
	j.requests[j.marks] = r
	return j.marks
}

// call has the rules do one call. The channel's lock is held.
func (j *journal) call(r *request, c *call, rules *star.Channel, now time.Time) {
	c.entry.Again = true
	seat := j.seatOf(remoteName{r.from, c.seat.id}, c, rules)
	if seat == nil {
		seat = j.backBy(remoteName{r.from, c.seat.id}, r.n, c, rules, now)
	}
	if seat == nil && j.takes(r, c, rules, now) {
		return
	}
	if seat == nil {
		if c.op == opCancel || c.op == opWaits {
			r.result((&queried{}).pack())
		}
		if c.op == opFrame || c.op == opRepeatJoin {
			r.refuse(c, rules)
		}
		return
	}
	r.seats[seat] = struct{}{}
	if j.leavesCutOff(r, c, seat, rules) {
		return
	}
	switch c.op {
	case opJoin, opResume, opHandedOver:
		if c.wantsMaster(rules, now, &seat.Attachment) {
			// The master's hub owns the channel.
			j.forget(seat)
			r.take(c)
			return
		}
	case opReturn:
		// A master comes back where its hub owns the channel, also where nobody takes it for lost.
		if at := rules.Find(c.seat.membership, c.seat.epoch); at != nil && c.seat.membership != 0 {
			switch known, remote := at.Line.(*remoteSeat); {
			case remote && (known.inherited || j.unthanked(known)):
				// It has returned, to who has owned the channel or here, and was given what it had missed: in an answer that
				// may be lost. So its peer comes back, and says what it has.
				rules.Lose(now, at)
				j.forget(seat)
				r.refuse(c, rules)
			case remote: // it was never lost, or is there again
				known.name = seat.name
				j.keepSeat(known)
			}
			return
		}
		if c.seat.membership == 0 && rules.Exists() {
			j.forget(seat)
			if _, epoch := rules.Membership(rules.MasterName()); epoch != c.seat.epoch {
				return // it was replaced, which it is told
			}
			if now.Before(j.expects) {
				return // whoever comes back here takes its place; if nobody does, it asks again
			}
			r.take(c)
			return
		}
		if rules.Return(now, &seat.Attachment, c.seat.membership, c.seat.epoch) != nil {
			j.forget(seat)
			r.refuse(c, rules)
			return
		}
		j.returned(seat, r.n)
		return
	case opAgain:
		next := newRemoteSeat(seat.name, seat.connection)
		r.seats[next] = struct{}{}
		if c.again(j.hub, rules, now, &seat.Attachment, &next.Attachment) == nil {
			j.keepSeat(next)
		}
		return
	case opLose, opLeave:
		defer j.forget(seat)
	}
	if answer := c.do(j.hub, rules, now, &seat.Attachment); answer != nil {
		r.result(answer)
	}
}

// takes has the hub of the master take the channel, for a call of its seat there: it has owned the channel before, and
// does not know, or not for long, that it does so no more. Where another one is about to be the master's, or is, it
// returns false. The channel's lock is held.
func (j *journal) takes(r *request, c *call, rules *star.Channel, now time.Time) bool {
	if c.seat.membership != 0 || c.seat.epoch == 0 || c.op == opLose || !rules.Exists() || now.Before(j.expects) {
		return false
	}
	if _, epoch := rules.Membership(rules.MasterName()); epoch != c.seat.epoch || rules.Master() != nil {
		return false
	}
	r.take(c)
	return true
}

// seatOf is the seat that calls, or nil where there is none. The channel's lock is held.
func (j *journal) seatOf(name remoteName, c *call, rules *star.Channel) *remoteSeat {
	j.mu.Lock()
	defer j.mu.Unlock()
	seat := j.remotes[name]
	if seat == nil && c.seat.epoch != 0 && c.op != opReturn {
		// It may have been in since before this hub has owned the channel.
		if a := rules.Find(c.seat.membership, c.seat.epoch); a != nil {
			if known, remote := a.Line.(*remoteSeat); remote && known.name.hub == name.hub {
				seat = known
				seat.name, seat.connection = name, c.seat.connection
				j.remotes[name] = seat
			}
		}
	}
	if seat != nil {
		return seat
	}
	switch c.op {
	case opJoin, opResume, opHandedOver, opReturn:
		seat = newRemoteSeat(name, c.seat.connection)
		j.remotes[name] = seat
	case opQuery, opRevoke, opRevokeStayed:
		seat = newRemoteSeat(name, c.seat.connection)
	}
	return seat
}

// leavesCutOff has a slave leave that was lost with its hub, though it goes on, for another channel: seat is none of its own. It
// reports whether it has, or cannot any more. The channel's lock is held.
func (j *journal) leavesCutOff(r *request, c *call, seat *remoteSeat, rules *star.Channel) bool {
	if c.op != opQuery || c.query != queryLeave || c.seat.epoch == 0 || seat.Entered() {
		return false
	}
	left, err := rules.LeaveCutOff(&seat.Attachment, c.seat.membership, c.seat.epoch)
	if left || err != nil {
		r.result((&queried{err: err}).pack())
	}
	return left || err != nil
}

// backBy brings a slave back that was lost with its hub, though it goes on and has not heard of that, by what it
// calls for in request n. It returns nil where the call is of no such one. The channel's lock is held.
func (j *journal) backBy(name remoteName, n uint64, c *call, rules *star.Channel, now time.Time) *remoteSeat {
	if c.op != opFrame && c.op != opAgain && c.op != opLeave || c.seat.membership == 0 {
		return nil // a master comes back where its hub owns the channel
	}
	seat := newRemoteSeat(name, c.seat.connection)
	if rules.Return(now, &seat.Attachment, c.seat.membership, c.seat.epoch) != nil ||
		rules.Find(c.seat.membership, c.seat.epoch) != &seat.Attachment {
		return nil
	}
	j.keepSeat(seat)
	j.returned(seat, n)
	return seat
}

// keepSeat keeps the next seat of a peer in the place of the one that it has had.
func (j *journal) keepSeat(next *remoteSeat) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.remotes[next.name] = next
}

// forget lets a seat go that is none any more.
func (j *journal) forget(seat *remoteSeat) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.remotes[seat.name] == seat {
		delete(j.remotes, seat.name)
	}
}
