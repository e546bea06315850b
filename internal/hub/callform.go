package hub

import (
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is how calls, and the answers to queries, go from hub to hub.

// pack writes the call down.
func (c *call) pack() []byte {
	p := &packing{}
	p.byte(byte(c.op))
	p.number(c.seat.id)
	p.number(c.seat.membership)
	p.number(c.seat.epoch)
	p.number(c.seat.connection)
	p.flags(c.refusal != nil, c.notHeld != nil, c.hasEntry())
	p.number(c.malformed)
	p.byte(byte(c.query))
	c.packFrame(p)
	if c.hasEntry() {
		packEntry(p, &c.entry)
	}
	if c.refusal != nil {
		packCause(p, c.refusal)
	}
	if c.notHeld != nil {
		packCause(p, c.notHeld)
	}
	return p.b
}

// packFrame writes down what the peer has sent. Of a frame by which somebody enters it is what the rules
// read.
func (c *call) packFrame(p *packing) {
	f := c.frame
	switch c.op {
	case opQuery:
		if c.query.isShort() {
			p.number(f.Ref)
			p.text(f.Username)
			break
		}
		if c.query.isOfHandOver() {
			p.number(f.Ref)
			p.text(f.Username)
			p.text(f.To)
			break
		}
		fallthrough
	case opFrame:
		sent := *f
		sent.Token, sent.Instance, sent.Secret = "", "", ""
		p.bytes(wire.Append(nil, wire.Binary, &sent))
	case opJoin, opResume, opRepeatJoin, opCancel, opWaits, opAgain, opRevoke:
		p.number(f.Ref)
		p.text(f.Username)
		p.text(f.Expect)
		p.number(f.Last)
		p.number(f.Seq)
	case opHandedOver, opRevokeStayed:
		p.number(f.Ref)
		p.text(f.Username)
		p.text(f.To)
		p.fixed(c.entry.Fresh.Hash[:])
	}
}

// unpackCall reads a call for the channel of that name. What it has is a part of b.
func unpackCall(b []byte, channel string) (*call, error) {
	u := &unpacking{rest: b}
	c := &call{op: op(u.byte())}
	c.seat = seatName{id: u.number(), membership: u.number(), epoch: u.number(), connection: u.number()}
	flags := u.byte()
	c.malformed = u.number()
	c.query = query(u.byte())
	if err := c.unpackFrame(u, channel); err != nil {
		return nil, err
	}
	if flags&4 != 0 {
		unpackEntry(u, &c.entry)
		c.entry.Ref = c.frame.Ref
	}
	if flags&1 != 0 {
		c.refusal = unpackCause(u)
	}
	if flags&2 != 0 {
		c.notHeld = unpackCause(u)
	}
	if c.op < opFrame || c.op > opRevokeStayed || c.hasEntry() != (flags&4 != 0) || flags > 7 {
		return nil, errPacked
	}
	return c, u.end()
}

func (c *call) unpackFrame(u *unpacking, channel string) error {
	c.frame = &wire.Frame{Channel: channel}
	switch c.op {
	case opQuery:
		if c.query.isShort() {
			c.frame.Type, c.frame.Ref, c.frame.Username = wire.Resume, u.number(), u.text()
			return nil
		}
		if c.query.isOfHandOver() {
			c.frame.Type, c.frame.Ref, c.frame.Username, c.frame.To = wire.HandOver, u.number(), u.text(), u.text()
			return nil
		}
		fallthrough
	case opFrame:
		sent := u.bytes()
		if u.bad || wire.DecodeFromClient(c.frame, sent) != nil || c.frame.Channel != channel {
			return errPacked
		}
		return nil
	case opJoin, opRepeatJoin, opWaits:
		c.frame.Type = wire.Join
	case opResume, opAgain, opRevoke:
		c.frame.Type = wire.Resume
	case opCancel:
		c.frame.Type = wire.Leave
	case opHandedOver, opRevokeStayed:
		c.frame.Type, c.frame.Ref, c.frame.Username, c.frame.To = wire.HandOver, u.number(), u.text(), u.text()
		u.fixed(c.entry.Fresh.Hash[:])
		return nil
	default:
		return nil
	}
	c.frame.Ref, c.frame.Username, c.frame.Expect, c.frame.Last, c.frame.Seq = u.number(), u.text(), u.text(), u.number(), u.number()
	return nil
}

func (c *call) hasEntry() bool {
	switch c.op {
	case opJoin, opResume, opRepeatJoin, opAgain, opRevoke, opQuery, opHandedOver, opRevokeStayed:
		return true
	case opFrame:
		return c.frame.Type == wire.Refresh
	}
	return false
}

func packEntry(p *packing, e *star.Entry) {
	p.number(e.Epoch)
	p.fixed(e.Secret.Hash[:])
	p.fixed(e.Instance[:])
	p.instant(e.Since)
	p.byte(byte(e.Roster))
	g := &e.Grant
	p.flags(g.Asked, g.TakeOver, g.Data != nil, e.Told != 0)
	if e.Told != 0 {
		p.byte(byte(e.Told))
		p.number(e.Knock)
	}
	p.instant(g.Expires)
	p.bytes(g.Data)
	packAttributes(p, g.Attributes)
	packAttributes(p, e.Attributes)
}

func unpackEntry(u *unpacking, e *star.Entry) {
	e.Epoch = u.number()
	u.fixed(e.Secret.Hash[:])
	u.fixed(e.Instance[:])
	e.Since = u.instant()
	e.Roster = min(wire.Roster(u.byte()), wire.RosterCount)
	g := &e.Grant
	flags := u.byte()
	g.Asked, g.TakeOver = flags&1 != 0, flags&2 != 0
	if flags&8 != 0 {
		e.Told, e.Knock = wire.State(u.byte()), u.number()
	}
	g.Expires = u.instant()
	if data := u.bytes(); flags&4 != 0 {
		g.Data = append([]byte{}, data...)
	}
	g.Attributes = unpackAttributes(u)
	e.Attributes = unpackAttributes(u)
}

func packAttributes(p *packing, attributes wire.Attributes) {
	p.number(uint64(len(attributes)))
	for _, x := range attributes {
		p.text(x.Key)
		p.byte(byte(x.Value.Kind))
		p.bytes(x.Value.Data)
	}
}

func unpackAttributes(u *unpacking) (attributes wire.Attributes) {
	for range u.number() {
		if u.bad {
			return nil
		}
		x := wire.KeyValue{Key: u.text(), Value: wire.Payload{Kind: wire.PayloadKind(u.byte())}}
		x.Value.Data = append([]byte(nil), u.bytes()...)
		attributes = append(attributes, x)
	}
	return attributes
}

func packCause(p *packing, why *wire.Cause) {
	p.text(string(why.Code))
	p.text(why.Text)
}

func unpackCause(u *unpacking) *wire.Cause {
	return &wire.Cause{Code: wire.Code(u.text()), Text: u.text()}
}

// queried is the answer to a query.
type queried struct {
	grant    star.Grant
	username string
	yes      bool
	err      error
}

func (q *queried) pack() []byte {
	p := &packing{}
	p.flags(q.yes, q.err != nil)
	p.text(q.username)
	packEntry(p, &star.Entry{Grant: q.grant})
	if q.err != nil {
		packCause(p, asRefusal(q.err, wire.ErrBadFrame))
	}
	return p.b
}

func unpackQueried(b []byte) (q queried, err error) {
	u := &unpacking{rest: b}
	flags := u.byte()
	q.yes, q.username = flags&1 != 0, u.text()
	var e star.Entry
	unpackEntry(u, &e)
	if q.grant = e.Grant; flags&2 != 0 {
		q.err = unpackCause(u)
	}
	return q, u.end()
}
