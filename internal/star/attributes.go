package star

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is the attributes of members: the last value by key. The master's are seen by all
// slaves, and a slave's by its master alone.
//
// A change takes a number in the one order of its direction, with the messages, but does not
// lie in the log: each attribute keeps its newest value and the number of its last change, a
// removal too. So who comes back is told what has changed after the last number that it
// knows, in the order of the numbers (catchup.go), and a key that changes often costs nobody
// a message. Of a member so many removals are kept as it may have keys. With one more, all
// of them are forgotten, and what the member has is told anew behind a reset, which is a
// change too.
//
// A slave's attributes end with its membership, of which its master is told: so a master is
// told no attributes of a slave that it has not heard of. When it is, they take new numbers.

// Bounds of what members have, keys and values together.
const (
	masterKeys  = 64
	masterBytes = 256 << 10
	slaveKeys   = 8
	slaveBytes  = 4 << 10
	// slavesBytes is for all slaves of a channel together, and entryBytes for what comes with
	// one create or join.
	slavesBytes = 4 << 20
	entryBytes  = 4 << 10
)

// attributes are those of one member.
type attributes struct {
	// all are its keys, those that were removed too.
	all []*attribute
	// reset is the last one, or nil.
	reset *attribute
}

// AttributeChange is a change of an attribute for which a member asks.
type AttributeChange struct {
	Ref uint64 // zero: no answer is wanted
	Key string
	// Value must not change any more. Without a kind: the attribute is removed.
	Value wire.Payload
	// Refusal is set where the caller refuses the change, as in Message.
	Refusal *wire.Cause
}

// Set changes an attribute of the member, and tells those who see it. A change that is
// sent again is answered as the first time, as in Send.
func (c *Channel) Set(a *Attachment, change AttributeChange) error {
	err := c.Hear(a)
	if !a.current() {
		return err
	}
	m := a.member
	given := answer{ref: change.Ref}
	if change.Ref != 0 {
		if m.holder.instance == (Hash{}) {
			given.content = contentOfChange(&change)
		}
		if err != nil {
			return c.recallUnheard(a, given, err)
		}
		if answered, err := c.recall(a, given); answered {
			return err
		}
	}
	switch {
	case err != nil:
		return err
	case c.isStopped():
		return stoppedBefore(change.Refusal)
	}
	if change.Refusal != nil {
		err = change.Refusal
	} else if err = c.checkChange(m, &change); err == nil && (change.Value.Kind != wire.NoPayload || m.has(change.Key)) {
		given.seq = c.changeAttribute(m, change.Key, change.Value, false)
	}
	c.recordAnswered(m, given, err)
	return c.remember(a, given, err)
}

// contentOfChange is contentOf for a change. A message has another sum, since the length of
// its address is no such number.
func contentOfChange(change *AttributeChange) uint32 {
	var head [9]byte
	binary.LittleEndian.PutUint64(head[:], ^uint64(len(change.Key)))
	head[8] = byte(change.Value.Kind)
	sum := crc32.Update(0, castagnoli, head[:])
	sum = crc32.Update(sum, castagnoli, []byte(change.Key))
	return crc32.Update(sum, castagnoli, change.Value.Data)
}

// checkChange returns why the member cannot change the attribute so, or nil.
func (c *Channel) checkChange(m *member, change *AttributeChange) error {
	if problem := wire.ShortNameProblem(change.Key); problem != "" {
		return wire.ErrBadFrame.With("key: " + problem)
	}
	if known := m.attribute(change.Key); known != nil && known.fixed {
		return wire.ErrForbidden.With("key: " + wire.Quote(change.Key) + " is what the service says of you, and you cannot change it")
	}
	if change.Value.Kind == wire.NoPayload {
		return nil
	}
	return c.checkAttributes(m, wire.Attributes{{Key: change.Key, Value: change.Value}}, nil)
}

// checkAttributes returns why the member cannot have these beside those that it has, or nil.
// Those of which dropped is true it will not have any more.
func (c *Channel) checkAttributes(m *member, added wire.Attributes, dropped func(*attribute) bool) error {
	keys, bytes, limit, limitBytes := 0, 0, slaveKeys, slaveBytes
	if m.role == wire.Master {
		limit, limitBytes = masterKeys, masterBytes
	}
	growth := 0
	for _, x := range m.attributes() {
		switch isAdded := slices.ContainsFunc(added, func(kv wire.KeyValue) bool { return kv.Key == x.key }); {
		case isAdded:
			growth -= x.size()
		case dropped != nil && dropped(x):
			growth -= len(x.value.Data) // that it was removed is kept, with its key
		case !x.removed():
			keys++
			bytes += x.size()
		}
	}
	for _, kv := range added {
		keys++
		bytes += len(kv.Key) + len(kv.Value.Data)
		growth += len(kv.Key) + len(kv.Value.Data)
	}
	switch {
	case keys > limit:
		return wire.ErrAttributesFull.With(fmt.Sprintf("a %s has at most %d attributes: remove one first", m.role, limit))
	case bytes > limitBytes:
		return wire.ErrAttributesFull.With(fmt.Sprintf("the attributes of a %s have at most %d bytes", m.role, limitBytes))
	case m.role == wire.Slave && c.slavesBytes+growth > slavesBytes:
		return wire.ErrAttributesFull.With(fmt.Sprintf("the attributes of all slaves have at most %d bytes together", slavesBytes))
	}
	return nil
}

// attributes are the member's, and those that it had.
func (m *member) attributes() []*attribute {
	if m.extras == nil || m.extras.attributes == nil {
		return nil
	}
	return m.extras.attributes.all
}

// ofChanges are the member's attributes, those that it had, and its reset, in the order of their numbers.
func (m *member) ofChanges() []*attribute {
	all := slices.Clone(m.attributes())
	if all != nil && m.extras.attributes.reset != nil {
		all = append(all, m.extras.attributes.reset)
	}
	slices.SortFunc(all, func(a, b *attribute) int { return cmp.Compare(a.seq, b.seq) })
	return all
}

// attribute is the one with the key, which may be removed, or nil.
func (m *member) attribute(key string) *attribute {
	for _, x := range m.attributes() {
		if x.key == key {
			return x
		}
	}
	return nil
}

func (m *member) has(key string) bool {
	x := m.attribute(key)
	return x != nil && !x.removed()
}

// sent is the log of what members of the role send.
func (c *Channel) sent(role wire.Role) *replayLog {
	if role == wire.Master {
		return &c.down
	}
	return &c.up
}

// changeAttribute gives an attribute a value, or removes it, and tells those who see it. It returns
// the number of the change.
func (c *Channel) changeAttribute(m *member, key string, value wire.Payload, fixed bool) uint64 {
	x := m.attribute(key)
	if value.Kind == wire.NoPayload && m.removals() == c.keys(m) {
		return c.reset(m, x)
	}
	x = c.put(m, key, value, fixed)
	c.tell(x)
	return x.seq
}

// keys is how many keys the member may have.
func (c *Channel) keys(m *member) int {
	if m.role == wire.Master {
		return masterKeys
	}
	return slaveKeys
}

// removals is how many removals of the member are kept.
func (m *member) removals() (n int) {
	for _, x := range m.attributes() {
		if x.removed() {
			n++
		}
	}
	return n
}

// put keeps the value, with the next number.
func (c *Channel) put(m *member, key string, value wire.Payload, fixed bool) *attribute {
	l, x := c.sent(m.role), m.attribute(key)
	if x == nil {
		extras := m.needExtras()
		if extras.attributes == nil {
			extras.attributes = new(attributes)
		}
		x = &attribute{owner: m, key: key}
		extras.attributes.all = append(extras.attributes.all, x)
	} else {
		l.changes.remove(x)
		c.countBytes(m, -x.size())
	}
	x.value, x.fixed = value, fixed
	c.countBytes(m, x.size())
	l.changes.add(x, l.skip())
	c.hidden = c.hidden || m.role == wire.Slave && m.told == 0
	c.recordChange(x, key)
	return x
}

// countBytes counts bytes of a slave's attributes.
func (c *Channel) countBytes(m *member, bytes int) {
	if m.role == wire.Slave {
		c.slavesBytes += bytes
	}
}

// reset forgets the attribute x and all removals of the member, and tells what the member has
// anew. It returns the number of the last of these changes.
func (c *Channel) reset(m *member, x *attribute) uint64 {
	l, of := c.sent(m.role), m.extras.attributes
	of.all = slices.DeleteFunc(of.all, func(other *attribute) bool {
		if gone := other == x || other.removed(); !gone {
			return false
		}
		l.changes.remove(other)
		c.countBytes(m, -other.size())
		return true
	})
	if of.reset == nil {
		of.reset = &attribute{owner: m}
	} else {
		l.changes.remove(of.reset)
	}
	l.changes.add(of.reset, l.skip())
	c.recordChange(of.reset, x.key)
	c.tell(of.reset)
	slices.SortFunc(of.all, func(a, b *attribute) int { return cmp.Compare(a.seq, b.seq) })
	for _, kept := range of.all {
		l.changes.remove(kept)
		l.changes.add(kept, l.skip())
		c.tell(kept)
	}
	return l.newest
}

// tell tells a change to those who see it and are told changes at present.
func (c *Channel) tell(x *attribute) {
	if x.owner.role == wire.Master {
		c.emit(Effect{Kind: TellAll, Packet: c.attributePacket(x, 0), Of: x.owner, Text: x.key})
		return
	}
	if master := c.master.attachment; master != nil && !master.catchingUp && x.owner.told != 0 {
		c.tellOne(master, x)
	}
}

// tellOne tells one member an attribute.
func (c *Channel) tellOne(a *Attachment, x *attribute) {
	c.emit(Effect{Kind: Tell, To: a, Packet: c.attributePacket(x, a.Line.Form()), Of: x.owner, Text: x.key})
}

// attributePacket is the packet that tells an attribute. The form is that of a master, to
// which a slave's is told.
func (c *Channel) attributePacket(x *attribute, form wire.Form) *wire.Packet {
	frame := &wire.Frame{Type: wire.Attribute, Channel: c.name, From: x.owner.name, Seq: x.seq, Code: x.key, Payload: x.value}
	if x.key == "" {
		frame.Type = wire.Reset
	}
	if x.owner.role == wire.Slave {
		return wire.EncodedPacket(frame, form)
	}
	if x.packet == nil {
		x.packet = wire.NewPacket(frame)
	}
	return x.packet
}

// enterWith gives a new member its attributes: what its client and the service say. What the
// service says counts.
func (c *Channel) enterWith(m *member, e Entry) {
	for _, kv := range e.Attributes {
		c.put(m, kv.Key, kv.Value, false)
	}
	for _, kv := range e.Grant.Attributes {
		c.put(m, kv.Key, kv.Value, true)
	}
}

// checkEntry returns why a member, new or taken over, cannot have the attributes with which it
// enters, or nil.
func (c *Channel) checkEntry(m *member, e Entry) error {
	bytes := 0
	for _, kv := range e.Attributes {
		if problem := wire.ShortNameProblem(kv.Key); problem != "" {
			return wire.ErrBadFrame.With("attributes: a key: " + problem)
		}
		if slices.ContainsFunc(e.Grant.Attributes, func(fixed wire.KeyValue) bool { return fixed.Key == kv.Key }) {
			return wire.ErrForbidden.With("attributes: " + wire.Quote(kv.Key) + " is what the service says of you, and you cannot change it")
		}
		bytes += len(kv.Key) + len(kv.Value.Data)
	}
	if bytes > entryBytes {
		return wire.ErrAttributesFull.With(fmt.Sprintf("attributes: one enters with at most %d bytes of them: set the others afterwards", entryBytes))
	}
	return c.checkAttributes(m, slices.Concat(e.Attributes, e.Grant.Attributes), func(x *attribute) bool { return x.fixed })
}

// checkGrant returns why the member cannot have what the service says of it now, or nil.
func (c *Channel) checkGrant(m *member, g Grant) error {
	return c.checkAttributes(m, g.Attributes, func(x *attribute) bool { return x.fixed })
}

// changeGrant has the member's attributes be what the service says of it now.
func (c *Channel) changeGrant(m *member, g Grant) {
	if !g.Asked {
		return
	}
	for _, x := range slices.Clone(m.attributes()) {
		still := slices.ContainsFunc(g.Attributes, func(kv wire.KeyValue) bool { return kv.Key == x.key })
		if x.fixed && !still {
			c.changeAttribute(m, x.key, wire.Payload{}, false)
		}
	}
	for _, kv := range g.Attributes {
		if x := m.attribute(kv.Key); x == nil || !x.fixed || !x.is(kv.Value) {
			c.changeAttribute(m, kv.Key, kv.Value, true)
		}
	}
}

// changeAttributes gives the member the attributes, but for those that it has so.
func (c *Channel) changeAttributes(m *member, given wire.Attributes) {
	for _, kv := range given {
		if x := m.attribute(kv.Key); x == nil || !x.is(kv.Value) {
			c.changeAttribute(m, kv.Key, kv.Value, false)
		}
	}
}

// dropAttributes is for a slave that leaves: its attributes are over.
func (c *Channel) dropAttributes(m *member) {
	if m.extra().attributes == nil {
		return
	}
	of := m.extras.attributes
	for _, x := range of.all {
		c.up.changes.remove(x)
		c.slavesBytes -= x.size()
	}
	if of.reset != nil {
		c.up.changes.remove(of.reset)
	}
	m.extras.attributes = nil
	if master := c.master.attachment; master != nil {
		c.emit(Effect{Kind: Untell, To: master, Of: m})
	}
}

// showHidden gives the attributes of slaves that the master has not heard of new numbers: it
// is told of these slaves now, and may know higher numbers already.
func (c *Channel) showHidden() {
	if !c.hidden {
		return
	}
	c.hidden = false
	var shown []*attribute
	for x := range c.up.changes.all() {
		if x.owner.told == 0 {
			shown = append(shown, x)
		}
	}
	if len(shown) > 0 {
		c.step(recordShown)
	}
	for _, x := range shown {
		c.up.changes.remove(x)
		c.up.changes.add(x, c.up.skip())
	}
}

// attributesOf are the attributes that the member has, in the order of their keys, or nil.
func attributesOf(m *member) *wire.Attributes { return m.listAttributes(true) }

// listAttributes is attributesOf, with those that the service has set, or without them.
func (m *member) listAttributes(fixed bool) *wire.Attributes {
	var all wire.Attributes
	for _, x := range m.attributes() {
		if !x.removed() && (fixed || !x.fixed) {
			all = append(all, wire.KeyValue{Key: x.key, Value: x.value})
		}
	}
	return all.Sorted()
}

// ownAttributes are the attributes of the member itself that its client may not know, since
// another one has set them: those of the service are not among them. The member has come back
// on the attachment. It is nil where there are none.
func ownAttributes(a *Attachment, how ChangeKind) *wire.Attributes {
	if !a.newcomer && how != TakenOver && !a.member.unshown() {
		return nil
	}
	return a.member.listAttributes(false)
}

// attributesSize is the size of attributes, of which there may be none, with what each has beside
// its key and value.
func attributesSize(all *wire.Attributes) (bytes int) {
	if all == nil {
		return 0
	}
	for _, kv := range *all {
		bytes += len(kv.Key) + len(kv.Value.Data) + entryOverhead
	}
	return bytes
}

// tellReset tells a member that has resumed, and does not say what it knows, that what
// follows is all there is.
func (c *Channel) tellReset(a *Attachment, known uint64) {
	if known == 0 && c.log(a.member.role).skipped > 0 {
		c.sendFrame(a, &wire.Frame{Type: wire.Reset, Channel: c.name})
	}
}
