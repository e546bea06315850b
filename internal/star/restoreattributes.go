package star

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// ownedAttribute is an attribute of a snapshot with its member.
type ownedAttribute struct {
	owner *member
	AttributeSnapshot
}

// allAttributes adds the attributes of all members of the snapshot.
func (r *restoration) allAttributes(s *Snapshot) {
	var all []ownedAttribute
	add := func(m *member, attributes []AttributeSnapshot) {
		for _, x := range attributes {
			x.Value.Data = bytes.Clone(x.Value.Data)
			all = append(all, ownedAttribute{m, x})
		}
	}
	add(r.c.master, s.Master.Attributes)
	for i := range s.Slaves {
		if m := r.c.slaves[s.Slaves[i].Name]; m != nil {
			add(m, s.Slaves[i].Attributes)
		}
	}
	slices.SortStableFunc(all, func(a, b ownedAttribute) int { return cmp.Compare(a.Seq, b.Seq) })
	for i := range all {
		r.attribute(&all[i])
	}
}

// attribute adds an attribute behind those that were added before. It keeps the value.
func (r *restoration) attribute(s *ownedAttribute) {
	c, m := r.c, s.owner
	l, newest := c.sent(m.role), r.up
	if m.role == wire.Master {
		newest = r.down
	}
	last := uint64(0)
	if l.changes.last != nil {
		last = l.changes.last.seq
	}
	if s.Seq <= last || s.Seq > newest {
		r.fail("the attribute %q of %q has the number %d behind %d, of %d", s.Key, m.name, s.Seq, last, newest)
		return
	}
	extras := m.needExtras()
	if extras.attributes == nil {
		extras.attributes = new(attributes)
	}
	of := extras.attributes
	x := &attribute{owner: m, key: s.Key, value: s.Value, fixed: s.Fixed}
	switch {
	case s.Key == "" && (of.reset != nil || !x.removed()) || m.attribute(s.Key) != nil:
		r.fail("%q has the attribute %q twice", m.name, s.Key)
		return
	case s.Key == "":
		of.reset = x
	default:
		of.all = append(of.all, x)
		c.countBytes(m, x.size())
	}
	l.changes.add(x, s.Seq)
	c.hidden = c.hidden || m.role == wire.Slave && m.told == 0
}
