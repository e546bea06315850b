package star

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// connect is a new connection, or a second attachment on one that there is.
func (g *twin) connect() (tag string, pair [2]*Attachment) {
	tag = fmt.Sprint("at", len(g.original.tags))
	a := g.original.on(tag)
	out := a.Line.(*line)
	if len(g.tags) > 0 && g.random.IntN(6) == 0 {
		a.Line = g.attachments[g.pick(g.tags)][0].Line
	} else if g.random.IntN(3) == 0 {
		out.room, out.notices, out.waiting = g.random.IntN(4), g.random.IntN(200), g.random.IntN(2)
		out.mark = g.random.IntN(4)
	}
	if len(g.hubs) > 0 {
		a.Hub = g.hubs[g.random.IntN(len(g.hubs))]
	}
	twin := &Attachment{Line: a.Line, Hub: a.Hub}
	g.restored.tags[twin] = tag
	pair = [2]*Attachment{a, twin}
	g.tags = append(g.tags, tag)
	g.attachments[tag] = pair
	return tag, pair
}

// aroundHubs is a transition about hubs and connections that are not heard: one is lost, a member that was
// there returns, or one is about to leave.
func (g *twin) aroundHubs() (what string, do func(c *table, which int) error) {
	c := g.original
	if g.random.IntN(4) == 0 && len(g.tags) > 0 {
		pair, on := g.attachments[g.pick(g.tags)], g.random.IntN(3) > 0
		return "switching", func(c *table, i int) error { return c.Switching(pair[i], on) }
	}
	var away []*member
	if c.life == open {
		for _, m := range append(c.inOrder(), c.master) {
			if m.extra().cutOff != nil {
				away = append(away, m)
			}
		}
		slices.SortFunc(away, func(a, b *member) int { return cmp.Compare(a.number, b.number) })
	}
	if len(away) == 0 || g.random.IntN(3) == 0 {
		hub := g.hubs[1+g.random.IntN(len(g.hubs)-1)]
		return "hub lost", func(c *table, _ int) error { c.HubLost(c.now, *hub); return nil }
	}
	m := away[g.random.IntN(len(away))]
	number, epoch := m.number, m.epoch
	if g.random.IntN(8) == 0 {
		epoch--
	}
	_, pair := g.connect()
	return "return", func(c *table, i int) error { return c.Return(c.now, pair[i], number, epoch) }
}

// aroundHandOvers is a transition about hand-overs: one, what shows the epoch, or one that is repeated.
func (g *twin) aroundHandOvers(pair [2]*Attachment, name string, ref, number uint64, entry Entry) (what string, do func(c *table, which int) error) {
	switch g.random.IntN(11) {
	case 0, 1, 2:
		return g.handOver(pair, name, ref, entry.Grant)
	case 3:
		_, pair := g.connect()
		entry.Fresh = given(fmt.Sprint("secret ", ref, name))
		return "repeat a hand-over", func(c *table, i int) error {
			entry := entry
			if n := len(c.givenOver); n > 0 && number > 3 {
				last := c.givenOver[n-1]
				entry.Ref, entry.Instance, entry.Secret.Hash = last.ref, last.instance, last.hash
				return c.RepeatHandOver(c.now, pair[i], entry, given("next"), last.by, last.to, last.membership != 0)
			}
			return c.RepeatHandOver(c.now, pair[i], entry, given("next"), name, g.names[0], true)
		}
	}
	epoch := uint64(g.random.IntN(3))
	return "show", func(c *table, i int) error { return c.Show(pair[i], max(pair[i].epoch, 1)+1-epoch) }
}

// ahead is a resume of a slave that may be ahead, rather one that is asked.
func (g *twin) ahead(entry Entry, name string) (what string, do func(c *table, which int) error) {
	for _, other := range g.names {
		m := g.original.slaves[other]
		if m != nil && slices.ContainsFunc(g.original.requests, func(q *request) bool { return q.awaits(m) }) {
			name = other
		}
	}
	if m := g.original.slaves[name]; g.original.life == open && m != nil {
		entry.Instance, entry.Epoch = m.holder.instance, m.epoch+uint64(g.random.IntN(2))
	}
	entry.Secret = given(g.original.secrets[name])
	number := g.original.down.newest + uint64(g.random.IntN(3))
	_, pair := g.connect()
	return "resume of one ahead", func(c *table, i int) error {
		return c.Resume(c.now, pair[i], entry, name, number, number)
	}
}

// resumeFormer is a resume of the master by the secret that it has had as a slave.
func (g *twin) resumeFormer(pair [2]*Attachment, m *member, ref, number uint64, entry Entry) (what string, do func(c *table, which int) error) {
	entry.Fresh = given(fmt.Sprint("fresh ", ref, m.name))
	entry.Instance, entry.Secret.Hash, entry.Epoch = m.holder.instance, m.extras.handed.slave.hash, 0
	return "resume what was handed over", func(c *table, i int) error {
		err := c.Resume(c.now, pair[i], entry, m.name, number, number)
		if err == nil {
			c.secrets[m.name] = entry.Fresh.Text
		}
		return err
	}
}

// handOver hands the mastership to the slave of that name, by who is on the pair of attachments,
// or by the service.
func (g *twin) handOver(pair [2]*Attachment, name string, ref uint64, grant Grant) (what string, do func(c *table, which int) error) {
	stay, service := g.random.IntN(2) == 0, g.random.IntN(4) == 0
	if g.random.IntN(4) > 0 && g.original.life == open { // one who can, to one who can
		for _, tag := range g.tags {
			at := g.attachments[tag]
			switch {
			case !at[0].current():
			case at[0].Role() == wire.Master:
				pair = at
			default:
				name = at[0].Username()
			}
		}
	}
	tags := [2]string{fmt.Sprint("new", len(g.original.tags)), fmt.Sprint("old", len(g.original.tags))}
	var made [2][2]*Attachment // of each tag
	for i, c := range []*table{g.original, g.restored} {
		m := g.original.slaves[name]
		if c.life != open || m == nil || m.attachment == nil || g.original.master.attachment == nil {
			return "hand over to nobody", func(c *table, i int) error {
				return c.HandOver(c.now, pair[i], HandOver{To: name, From: pair[i], New: new(Attachment), Secret: given("none")})
			}
		}
		for k, at := range []*Attachment{m.attachment, g.original.master.attachment} {
			made[k][i] = &Attachment{Line: at.Line, Hub: at.Hub}
			c.tags[made[k][i]] = tags[k]
		}
	}
	for k, tag := range tags {
		g.tags = append(g.tags, tag)
		g.attachments[tag] = made[k]
	}
	return "hand over", func(c *table, i int) error {
		h := HandOver{To: name, Grant: grant, New: made[0][i], Secret: given(fmt.Sprint("master ", ref, name)), Ref: ref}
		h.Grant.TakeOver = false
		if m := c.slaves[name]; m != nil {
			h.From = m.attachment
		}
		if stay {
			h.Stays, h.StaysSecret = made[1][i], given(fmt.Sprint("slave ", ref))
		}
		by := pair[i]
		if service {
			by = nil
		}
		before := c.master
		err := c.HandOver(c.now, by, h)
		if err == nil {
			c.secrets[name], c.secrets[before.name] = h.Secret.Text, h.StaysSecret.Text
		}
		return err
	}
}

// attributes are up to n attributes.
func (g *twin) attributes(n int) (some wire.Attributes) {
	for i := range g.random.IntN(n + 1) {
		data := make([]byte, g.random.IntN(2000))
		some = append(some, wire.KeyValue{Key: fmt.Sprint("key ", i), Value: wire.Payload{Kind: wire.BytesPayload, Data: data}})
	}
	return some
}
