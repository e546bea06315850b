package client

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is the attributes of members, as the hub tells them: of its master for a slave,
// and of its slaves for a master. What is told has a number, as messages have, and comes in
// the order of the numbers, but for what a hub tells anew behind a reset.

// Attribute is a change of another member's attribute. Its value is a copy.
type Attribute struct {
	From, Key string
	// Value has no kind where Deleted.
	Value   wire.Payload
	Deleted bool
	Seq     uint64
}

// attribute is the value of an attribute, with the number of its change.
type attribute struct {
	value wire.Payload
	seq   uint64
}

// noted notes that what has the number has come, and everything before it.
func (m *Membership) noted(seq uint64) {
	m.last, m.known = max(m.last, seq), max(m.known, seq)
	if m.departed != nil && m.last >= m.replayEnd {
		m.tellDeparted()
	}
}

// onAttribute handles a change of an attribute. One that comes a second time is dropped. The
// lock is held.
func (m *Membership) onAttribute(frame *wire.Frame) {
	if slices.ContainsFunc(m.departed, func(p Presence) bool { return p.Username == frame.From }) {
		m.tellDeparted() // it is of the one who is there now
	}
	m.setAttribute(frame.From, frame.Code, frame.Payload, frame.Seq)
	m.noted(frame.Seq)
}

// setAttribute keeps the value of an attribute, and tells the user. The lock is held.
func (m *Membership) setAttribute(from, key string, value wire.Payload, seq uint64) {
	anew := m.isToldAnew(from, key)
	before, known := m.others[from][key]
	deleted := value.Kind == wire.NoPayload
	switch {
	case known && (seq < before.seq || seq == before.seq && !anew) || !known && deleted:
		return
	case anew && !deleted && value.Kind == before.value.Kind && bytes.Equal(value.Data, before.value.Data):
		m.others[from][key] = attribute{before.value, seq}
		return
	case deleted:
		delete(m.others[from], key)
	default:
		value.Data = bytes.Clone(value.Data) // it is in the connection's read buffer
		if m.others[from] == nil {
			if m.others == nil {
				m.others = make(map[string]map[string]attribute)
			}
			m.others[from] = make(map[string]attribute)
		}
		m.others[from][key] = attribute{value, seq}
	}
	m.inbox.attribute(Attribute{From: from, Key: key, Value: value, Deleted: deleted, Seq: seq})
}

// forgetAttributes forgets those of a slave whose membership is over. Its user is told of that
// alone: changes that wait are worth nothing any more. The lock is held.
func (m *Membership) forgetAttributes(username string) {
	delete(m.others, username)
	m.inbox.forget(username)
}

// onJoinedWith handles the attributes with which a slave has joined. The lock is held.
func (m *Membership) onJoinedWith(frame *wire.Frame) {
	if frame.Attributes() == nil {
		return
	}
	for _, attribute := range *frame.Attributes() {
		m.setAttribute(frame.Username, attribute.Key, attribute.Value, frame.Seq)
	}
	m.noted(frame.Seq)
}

// AttributesOf are the attributes of another member, as far as they are known: of the slave of
// that name, or of the slave's master.
func (m *Membership) AttributesOf(username string) map[string]wire.Payload {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	values := make(map[string]wire.Payload, len(m.others[username]))
	for key, attribute := range m.others[username] {
		values[key] = attribute.value
	}
	return values
}

// MasterAttributes are the attributes of the slave's master.
func (m *Membership) MasterAttributes() map[string]wire.Payload {
	return m.AttributesOf(m.Master().Username)
}

// Attributes are those that were set for this member, by this client or by another one before it,
// as far as the hub has accepted them.
func (m *Membership) Attributes() map[string]wire.Payload {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	return maps.Clone(m.own)
}

// ValuesOf are the attributes with other values, as convert makes them.
func ValuesOf[V any](attributes map[string]wire.Payload, convert func(wire.Payload) V) map[string]V {
	values := make(map[string]V, len(attributes))
	for key, value := range attributes {
		values[key] = convert(value)
	}
	return values
}

// Set sets an attribute, or removes it where the value has no kind. The value must not change
// any more. wrong is why it cannot be sent, or nil.
func (m *Membership) Set(ctx context.Context, key string, value wire.Payload, wrong error) error {
	if wrong != nil {
		return wrong
	}
	if problem := wire.ShortNameProblem(key); problem != "" {
		return m.client.public(wire.ErrBadFrame.With("key: " + problem))
	}
	_, err := m.do(ctx, &request{frame: wire.Frame{Type: wire.Set, Code: key, Payload: value}, settle: m.settleSet})
	return err
}

// settleSet keeps what the hub has accepted. The lock is held.
func (m *Membership) settleSet(r *request, answer wire.Frame) wire.Frame {
	switch {
	case answer.Type != wire.Ack:
	case r.frame.Payload.Kind == wire.NoPayload:
		delete(m.own, r.frame.Code)
	default:
		m.setOwn(r.frame.Code, r.frame.Payload)
	}
	return answer
}

func (m *Membership) setOwn(key string, value wire.Payload) {
	if m.own == nil {
		m.own = make(map[string]wire.Payload)
	}
	m.own[key] = value
}

// entersWith notes the member's own attributes, with which it is entered or that the hub tells.
func (m *Membership) entersWith(frame *wire.Frame) {
	if frame.Attributes() == nil {
		return
	}
	for _, attribute := range *frame.Attributes() {
		value := attribute.Value
		value.Data = bytes.Clone(value.Data) // it may be in the connection's read buffer
		m.setOwn(attribute.Key, value)
	}
}

// checkAttributes returns why the attributes of a create or a join are refused, or nil.
func checkAttributes(frame *wire.Frame) *wire.Cause {
	if frame.Attributes() != nil {
		for _, attribute := range *frame.Attributes() {
			if problem := wire.ShortNameProblem(attribute.Key); problem != "" {
				return wire.ErrBadFrame.With("attributes: a key: " + problem)
			}
		}
	}
	return nil
}
