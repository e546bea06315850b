package star

import (
	"bytes"
	"fmt"

	"github.com/lectern-go/lectern/internal/wire"
)

// attribute reads an attribute of a member that has come before.
func (i *Import) attribute(d *piecesIn) error {
	c := i.r.c
	flags := d.byte()
	owner, key := d.name(), d.text()
	s := ownedAttribute{AttributeSnapshot: AttributeSnapshot{Key: key, Seq: d.number(), Fixed: flags&1 != 0}}
	s.Value.Kind = wire.PayloadKind(d.byte())
	if data := d.bytes(); s.Value.Kind != wire.NoPayload || len(data) > 0 {
		s.Value.Data = bytes.Clone(data)
	}
	if d.err != nil {
		return nil
	}
	if s.owner = c.master; flags&2 == 0 {
		s.owner = c.slaves[owner]
	}
	cannot := func(what string) error {
		return fmt.Errorf("the attribute %s of %s in channel %s %s, which cannot be", wire.Quote(key), wire.Quote(owner), wire.Quote(c.name), what)
	}
	switch {
	case s.owner == nil || s.owner.name != owner:
		return cannot("is nobody's")
	case s.Value.Kind > wire.BytesPayload || s.Value.Kind == wire.NoPayload && len(s.Value.Data) > 0:
		return cannot("has no kind")
	case key != "" && (!wire.Sendable(key) || len(key) > wire.MaxShortName):
		return cannot("has no key")
	case s.Value.Kind == wire.NoPayload && s.owner.removals() >= c.keys(s.owner): // or a reset, which is in front of them
		return cannot("is one more that was removed than is kept")
	}
	if s.Value.Kind != wire.NoPayload {
		if err := c.checkAttributes(s.owner, wire.Attributes{{Key: key, Value: s.Value}}, nil); err != nil {
			return fmt.Errorf("channel %s: %s: %w", wire.Quote(c.name), wire.Quote(owner), err)
		}
	}
	i.r.attribute(&s)
	return i.r.err
}
