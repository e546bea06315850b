package star

import (
	"fmt"
	"math"

	"github.com/lectern-go/lectern/internal/wire"
)

// HandedSnapshot is what a member has of a hand-over until it has shown that it knows of it. It
// is zero for a former master that has stayed.
type HandedSnapshot struct {
	// By is the name of the former master, and Until the number of its last message.
	By    string
	Until uint64
	// Hash to Repeatable are of the membership that the new master had as a slave, see
	// MemberSnapshot.
	Hash, Pending                     Hash
	Epoch, Start, LostPrivate, Number uint64
	Repeatable                        int64
}

// GivenOverSnapshot is a hand-over that its master By can repeat: the slave To, the hash of the
// secret that it had, its instance and the frame's ref. Membership is the number of that which it
// has as a slave since then, or zero where it has left.
type GivenOverSnapshot struct {
	By, To          string
	Hash, Instance  Hash
	Ref, Membership uint64
}

func (h *handed) snapshot() *HandedSnapshot {
	switch {
	case h == nil:
		return nil
	case h.slave == nil:
		return new(HandedSnapshot)
	}
	return &HandedSnapshot{
		By: h.by, Until: h.until, Hash: h.slave.hash, Pending: h.slave.extra().secret,
		Epoch: h.slave.epoch, Start: h.slave.start, LostPrivate: h.slave.lostPrivate, Number: h.slave.number, Repeatable: h.slave.repeatable,
	}
}

// handed is the reverse of snapshot, for the member of that name.
func (s *HandedSnapshot) handed(name string) *handed {
	if *s == (HandedSnapshot{}) {
		return new(handed)
	}
	slave := &member{
		name: name, role: wire.Slave, hash: s.Hash, epoch: s.Epoch, start: s.Start, lostPrivate: s.LostPrivate, number: s.Number, repeatable: s.Repeatable,
	}
	slave.extras = &extras{secret: s.Pending, parted: true}
	return &handed{slave: slave, until: s.Until, by: s.By}
}

func (c *Channel) givenOverSnapshots() (all []GivenOverSnapshot) {
	for _, g := range c.givenOver {
		all = append(all, GivenOverSnapshot{By: g.by, To: g.to, Hash: g.hash, Instance: g.instance, Ref: g.ref, Membership: g.membership})
	}
	return all
}

// givenOver adds a hand-over behind those that were added before.
func (r *restoration) givenOver(s *GivenOverSnapshot) {
	if len(r.c.givenOver) == maxGivenOver || s.Ref == 0 {
		r.fail("there are more hand-overs than can be repeated, or one that cannot")
		return
	}
	r.c.givenOver = append(r.c.givenOver, givenOver{by: s.By, to: s.To, hash: s.Hash, instance: s.Instance, ref: s.Ref, membership: s.Membership})
}

// checkHanded finds what cannot be of hand-overs.
func (r *restoration) checkHanded() {
	check := func(m *member) {
		if h := m.extra().handed; h != nil && ((h.slave != nil) != (m.role == wire.Master) || h.until > r.down || h.slave != nil && max(h.slave.start, h.slave.lostPrivate) > r.down) {
			r.fail("%q has of a hand-over what cannot be", m.name)
		}
	}
	check(r.c.master)
	for _, m := range r.c.slaves {
		check(m)
	}
}

// receiver is the membership of a message to the slave of that name, or nil.
func (r *restoration) receiver(name string) *member {
	if h := r.c.master.extra().handed; h != nil && h.slave != nil && h.slave.name == name {
		return h.slave
	}
	return r.c.slaves[name]
}

// formerMembership stands for the number of a membership that has ended.
const formerMembership = math.MaxUint64

// membership is the number of that of a slave's message.
func (r *restoration) membership(kept *MessageSnapshot) uint64 {
	if kept.Former {
		return formerMembership
	}
	if m := r.c.slaves[kept.From]; m != nil {
		return m.number
	}
	return 0
}

// isFormer reports whether a message of slaves is from one that is one no more.
func (c *Channel) isFormer(frame *wire.Frame) bool {
	m := c.slaves[frame.From]
	return frame.Number != 0 && (m == nil || m.number != frame.Number)
}

// markFormer marks those of the kept messages of slaves.
func (c *Channel) markFormer(s *ReplaySnapshot) {
	i := 0
	for e := range c.up.after(c.up.lost) {
		s.Kept[i].Former = e.packet != nil && c.isFormer(e.packet.Frame())
		i++
	}
}

func (p *pieces) handOvers(c *Channel, slaves []*member) {
	one := func(m *member) {
		s := m.extra().handed.snapshot()
		if s == nil {
			return
		}
		p.begin(pieceHanded)
		p.flags(m.role == wire.Master)
		p.text(m.name)
		if m.role == wire.Slave {
			return
		}
		p.text(s.By)
		p.hash(s.Hash)
		p.hash(s.Pending)
		for _, n := range []uint64{s.Until, s.Epoch, s.Start, s.LostPrivate, s.Number} {
			p.number(n)
		}
		p.signed(s.Repeatable)
	}
	one(c.master)
	for _, m := range slaves {
		one(m)
	}
	for _, g := range c.givenOver {
		p.begin(pieceGivenOver)
		p.givenOver(g)
	}
}

func (p *pieces) givenOver(g givenOver) {
	p.text(g.by)
	p.text(g.to)
	p.hash(g.hash)
	p.hash(g.instance)
	p.number(g.ref)
	p.number(g.membership)
}

// handed reads what a member has of a hand-over.
func (i *Import) handed(d *piecesIn) error {
	c := i.r.c
	isMaster, name := d.byte()&1 != 0, d.name()
	m, s := c.slaves[name], HandedSnapshot{}
	if isMaster {
		m = c.master
		s.By = d.name()
		s.Hash, s.Pending = d.hash(), d.hash()
		for _, n := range []*uint64{&s.Until, &s.Epoch, &s.Start, &s.LostPrivate, &s.Number} {
			*n = d.number()
		}
		if s.Repeatable = d.signed(); s.Repeatable != 0 {
			s.Repeatable -= int64(i.behind)
		}
	}
	if d.err != nil {
		return nil
	}
	if m == nil || m.name != name || m.unshown() {
		return fmt.Errorf("%s has something of a hand-over in channel %s, and is not there, or twice", wire.Quote(name), wire.Quote(c.name))
	}
	m.needExtras().handed = s.handed(name)
	return nil
}

// givenOver reads a hand-over that can be repeated.
func (i *Import) givenOver(d *piecesIn) error {
	s := GivenOverSnapshot{By: d.name(), To: d.name(), Hash: d.hash(), Instance: d.hash(), Ref: d.number(), Membership: d.number()}
	if d.err == nil {
		i.r.givenOver(&s)
	}
	return nil
}
