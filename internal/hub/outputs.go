package hub

import (
	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is how effects go to another hub, which carries them out for the members that are there.

// receiver tells for which seats an effect is.
type receiver byte

// These numbers are told between hubs of different releases: they do not change.
const (
	// toAll is for all slaves, and toMembership for the attachment of a membership with an epoch.
	toAll receiver = iota
	toMembership
	// toSeat is for a seat that is none yet, by its number at its hub, and toCaller for the one that has
	// called, in a reply.
	toSeat
	toCaller
)

// outKinds are the effects that are sent, each with its number.
var outKinds = map[star.EffectKind]byte{
	star.SendOne: 1, star.SendReplay: 2, star.AwaitDrain: 3, star.SendAll: 4, star.Tell: 5, star.TellAll: 6, star.Untell: 7,
	star.Admit: 8, star.Dismiss: 9, star.Release: 10, star.Enter: 11, star.Refuse: 12, star.Answer: 13, star.Vacate: 14,
	star.Discard: 15, star.Eject: 16, star.ReleaseAll: 17,
}

// inKinds is the reverse.
var inKinds = func() map[byte]star.EffectKind {
	kinds := make(map[byte]star.EffectKind, len(outKinds))
	for kind, number := range outKinds {
		kinds[number] = kind
	}
	return kinds
}()

// output is an effect on its way between hubs.
type output struct {
	kind star.EffectKind
	to   receiver
	// hub and seat are for toSeat and, the latter, toCaller. membership and epoch are for
	// toMembership, and in an Enter those that the seat has from then on.
	hub               cluster.HubID
	seat              uint64
	membership, epoch uint64
	packet            *wire.Packet
	end               *wire.Cause
	// about and text are the member and the key of an attribute.
	about, text string
	number      uint64
}

// outputOf is the effect, for who it says, or false where it is none for other hubs.
func outputOf(e *star.Effect) (o output, ok bool) {
	kind := e.Kind
	if kind == star.SendPresence {
		kind = star.SendOne // for a master that is at another hub for a moment
	}
	if _, ok = outKinds[kind]; !ok {
		return o, false
	}
	o = output{kind: kind, packet: e.Packet, end: e.End, number: e.Number}
	switch e.Kind {
	case star.Tell, star.TellAll, star.Untell:
		o.about, o.text = e.Subject(), e.Text
	}
	return o, true
}

func (o *output) pack() []byte {
	p := &packing{}
	p.byte(outKinds[o.kind])
	p.byte(byte(o.to))
	switch o.to {
	case toSeat:
		p.fixed(o.hub[:])
		p.number(o.seat)
	case toCaller:
		p.number(o.seat)
	}
	if o.to == toMembership || o.kind == star.Enter {
		p.number(o.membership)
		p.number(o.epoch)
	}
	p.flags(o.packet != nil, o.end != nil)
	if o.packet != nil {
		p.bytes(o.packet.Bytes(wire.Binary))
		p.instant(o.packet.End())
	}
	if o.end != nil {
		packCause(p, o.end)
	}
	switch o.kind {
	case star.Tell, star.TellAll, star.Untell:
		p.text(o.about)
		p.text(o.text)
	}
	p.number(o.number)
	return p.b
}

// unpackOutput reads an output. What it has is a part of b.
func unpackOutput(b []byte) (o output, err error) {
	u := &unpacking{rest: b}
	kind, ok := inKinds[u.byte()]
	o.kind, o.to = kind, receiver(u.byte())
	switch o.to {
	case toSeat:
		u.fixed(o.hub[:])
		o.seat = u.number()
	case toCaller:
		o.seat = u.number()
	}
	if o.to == toMembership || o.kind == star.Enter {
		o.membership, o.epoch = u.number(), u.number()
	}
	flags := u.byte()
	if flags&1 != 0 {
		frame, err := wire.Decode(u.bytes())
		if err != nil {
			return o, errPacked
		}
		if end := u.instant(); end.IsZero() {
			o.packet = wire.NewPacket(&frame)
		} else {
			o.packet = wire.NewExpiringPacket(&frame, end)
		}
	}
	if flags&2 != 0 {
		o.end = unpackCause(u)
	}
	switch o.kind {
	case star.Tell, star.TellAll, star.Untell:
		o.about, o.text = u.text(), u.text()
	}
	o.number = u.number()
	if !ok || o.to > toCaller {
		return o, errPacked
	}
	return o, u.end()
}

// effect is the output for the attachment.
func (o *output) effect(to *star.Attachment) star.Effect {
	e := star.Effect{Kind: o.kind, To: to, Packet: o.packet, End: o.end, Text: o.text, Number: o.number}
	if o.about != "" {
		e.SetSubject(o.about)
	}
	return e
}

// isTold reports whether the member is told something, and stays what it is.
func (o *output) isTold() bool {
	switch o.kind {
	case star.SendOne, star.SendReplay, star.SendPresence, star.AwaitDrain, star.Tell, star.Untell, star.Answer:
		return true
	}
	return false
}
