package star

import (
	"errors"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is how hubs that have members of a channel, and not its state, read the records that they
// have to carry out.

// SharedKind is what a shared record asks for.
type SharedKind uint8

const (
	// SharedNothing is a record that is for others alone.
	SharedNothing SharedKind = iota
	// SharedCreated: the channel is there, with the master of the Name, and waits MasterTimeout for it.
	// No seat of a channel that there was before it is a seat of this one.
	SharedCreated
	// SharedEnded: all memberships are over, for Why.
	SharedEnded
	// SharedDown: a message to the slave with the Number, or to all, where that is zero (DownPacket).
	SharedDown
	// SharedPresence: slaves are told the State of their master.
	SharedPresence
	// SharedOver: the seat of the membership with the Number and on the attachment with the Epoch is
	// over, for Why.
	SharedOver
	// SharedHanded: the slave with the Number, of that Name, is the master.
	SharedHanded
	// SharedMutedAll: all slaves are muted, or none is, and there are no exceptions. SharedException: the
	// slave of that Name is as the others are not, or as they are.
	SharedMutedAll
	SharedException
	// SharedAttribute: the master's attribute Key has the Value, or none where that has no kind.
	// SharedReset: all of them that are not told behind it are gone.
	SharedAttribute
	SharedReset
)

// sharedKinds are the kinds of the records.
var sharedKinds = map[byte]SharedKind{
	recordCreated: SharedCreated, recordEnded: SharedEnded, recordDown: SharedDown, recordPresence: SharedPresence,
	recordOver: SharedOver, recordHanded: SharedHanded, recordMutedAll: SharedMutedAll, recordException: SharedException,
	recordMasterAttribute: SharedAttribute, recordMasterReset: SharedReset,
}

// Shared is what a shared record says. Its fields are set for the kinds that name them, and zero for the
// others.
type Shared struct {
	Kind SharedKind
	// Number is that of a membership, and Epoch of its attachment. Number is zero for the master.
	Number, Epoch uint64
	// Seq is the number of a SharedDown, SharedAttribute or SharedReset.
	Seq           uint64
	Name          string
	MasterTimeout time.Duration
	State         wire.State
	Why           *wire.Cause
	// On is for SharedMutedAll and SharedException.
	On    bool
	Key   string
	Value wire.Payload
}

// ReadShared reads a record for whoever has members of the channel, and not its state. What it
// returns shares no memory with others. The error is an UnknownRecord where it is shared, is of
// a kind that is not known here, and cannot be passed over.
func ReadShared(r Record) (Shared, error) {
	kind := sharedKinds[r.kind()]
	if kind == SharedNothing {
		if r.kind()&(recordCritical|recordShared) == recordCritical|recordShared {
			return Shared{}, &UnknownRecord{Kind: r.kind()}
		}
		return Shared{}, nil
	}
	d := &piecesIn{rest: []byte(r[1:])}
	s := Shared{Kind: kind}
	switch kind {
	case SharedCreated:
		d.name()
		s.Name, s.MasterTimeout = d.name(), time.Duration(d.signed())
		d.anyTerms()
		d.bound()
		d.small()
	case SharedEnded:
		s.Why = d.cause()
	case SharedDown:
		m := d.recordedMessage()
		s.Seq, s.Number = m.seq, m.of
	case SharedPresence:
		s.State = wire.State(d.atMost(uint64(wire.StateAway)))
	case SharedOver:
		s.Number, s.Epoch, s.Why = d.small(), d.small(), d.cause()
	case SharedHanded:
		s.Number, s.Name = d.small(), d.name()
	case SharedMutedAll, SharedException:
		s.On, s.Name = d.byte() != 0, d.optionalName()
	case SharedAttribute, SharedReset:
		s.Number, s.Key, s.Seq = d.small(), d.text(), d.small()
		if kind == SharedAttribute {
			d.byte() // whether the service has said so
			s.Value = wire.Payload{Kind: wire.PayloadKind(d.byte()), Data: d.bytes()}
		}
	}
	if d.err == nil && len(d.rest) > 0 {
		d.fail(errLong)
	}
	if d.err != nil {
		return Shared{}, d.err
	}
	return s, nil
}

// IsForAll reports whether the record is of a message to all slaves.
func (r Record) IsForAll() bool {
	if r.kind() != recordDown {
		return false
	}
	s, err := ReadShared(r)
	return err == nil && s.Number == 0
}

var errNoDown = errors.New("star: a record is not of a message to slaves")

// DownPacket is the packet of the message to slaves that is in the record, as the hub has it that has
// accepted the message, and the number of the slave's membership that it is to, or zero: it is to all. master is the name
// of the master as of the records before. A message that expires does so when its time is over by the
// clock of the hub that has accepted it, and no later than as long after now: the clock here may be behind.
func DownPacket(channel, master string, r Record, now time.Time) (p *wire.Packet, to uint64, err error) {
	if r.kind() != recordDown {
		return nil, 0, errNoDown
	}
	d := &piecesIn{rest: []byte(r[1:])}
	m := d.recordedMessage()
	if d.err == nil && len(d.rest) > 0 {
		d.fail(errLong)
	}
	if d.err != nil {
		return nil, 0, d.err
	}
	from := master
	if m.service {
		from = ""
	}
	if end := now.Add(m.msg.Expires); m.msg.End.After(end) {
		m.msg.End = end
	}
	return downPacket(channel, from, m.seq, &m.msg, m.hasOf), m.of, nil
}

// downPacket is the packet of a message to slaves.
func downPacket(channel, from string, seq uint64, msg *Message, private bool) *wire.Packet {
	frame := messageFrame(channel, from, seq, msg)
	frame.Private = private
	return newPacket(&frame, msg.End)
}
