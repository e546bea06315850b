package star

import (
	"cmp"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what the service has granted a member, until when, and what becomes of the
// member then.

// Grant is what the service has said of a client that enters. The zero Grant: it was not
// asked.
type Grant struct {
	// Asked: the service was asked, and lets the client in.
	Asked bool
	// Expires is until when it may be in. The zero time: for as long as it likes.
	Expires time.Time
	// TakeOver: the client gets the membership of that name from whoever has it.
	TakeOver bool
	// Data is the service's own, kept with the membership. It is shared and must not change.
	Data []byte
	// Attributes are those that the service says the member has. They are shared, and must
	// not change.
	Attributes wire.Attributes
}

// errGrantExpired refuses who comes too late with what it was granted.
var errGrantExpired = wire.ErrUnauthorized.With("what the service has granted has expired: show a fresh token")

func (g *Grant) expired(now time.Time) bool { return !g.Expires.IsZero() && !now.Before(g.Expires) }

// setGrant keeps what the service has granted.
func (c *Channel) setGrant(m *member, g Grant) {
	if !g.Asked {
		return
	}
	c.touch(m, true)
	if g.Expires.IsZero() && g.Data == nil {
		if m.extras != nil {
			m.extras.grant = nil
		}
		return
	}
	g.Attributes = nil // the member has them
	m.needExtras().grant = &g
	if !g.Expires.IsZero() {
		c.expiries.add(c, expiry{g.Expires, m})
	}
}

// expired reports whether what the member was granted has expired. That is so of a master
// only, which is away then: a slave's membership ends.
func (m *member) expired(now time.Time) bool {
	g := m.extra().grant
	return g != nil && g.expired(now)
}

// Refresh keeps a new grant of the member.
func (c *Channel) Refresh(a *Attachment, ref uint64, g Grant) error {
	if err := c.Hear(a); err != nil {
		return err
	}
	if err := c.checkGrant(a.member, g); err != nil {
		return err
	}
	c.setGrant(a.member, g)
	c.changeGrant(a.member, g)
	if g.Asked {
		c.change(Granted, a.member, a, nil, "")
	}
	c.acknowledge(a, ref)
	return nil
}

// Granted is what the service has granted the member of the attachment, and its name.
func (c *Channel) Granted(a *Attachment) (username string, g Grant, err error) {
	if err := a.stale(); err != nil {
		return "", Grant{}, err
	}
	return a.member.name, a.member.granted(), nil
}

func (m *member) granted() Grant {
	if g := m.extra().grant; g != nil {
		return *g
	}
	return Grant{}
}

// Resumable returns why Resume would refuse the entry of its own, or nil, and what the
// service has granted the member before. fresh: Resume needs a new grant.
func (c *Channel) Resumable(now time.Time, a *Attachment, e Entry, username string) (g Grant, fresh bool, err error) {
	m, err := c.findHeld(username, e)
	if err != nil {
		return Grant{}, false, err
	}
	if err := c.mayResume(m, a, e); err != nil {
		return Grant{}, false, err
	}
	return m.granted(), m.expired(now), nil
}

// Revoke ends the membership that the entry would resume, if it is that of the client which
// holds it: the service does not let it back. It reports whether it has ended. Where the
// master's ends, the channel does. An entry that was overtaken while the service was asked
// ends nothing: the service has judged the later one by itself.
func (c *Channel) Revoke(a *Attachment, e Entry, username, reason string) bool {
	m, err := c.findHeld(username, e)
	if err != nil || (e.Instance == Hash{}) || e.Instance != m.holder.instance || c.mayResume(m, a, e) != nil {
		return false
	}
	c.revoke(m, reason)
	return true
}

// revoke ends the membership, since the service does not let the member back.
func (c *Channel) revoke(m *member, reason string) {
	why := wire.ErrRevoked.With(reason)
	if m.role == wire.Slave {
		c.expel(m, why)
		return
	}
	if at := c.detach(m); at != nil {
		c.putOut(at, why)
	}
	c.end(wire.ErrMasterDown.With("the service does not let the master back"))
}

// expel ends the membership of a slave, which is told why and nothing else that waits for
// it in the channel.
func (c *Channel) expel(m *member, why *wire.Cause) {
	at := m.attachment
	c.removeSlave(m, string(why.Code), why)
	if at != nil {
		c.emit(Effect{Kind: Discard, To: at})
		c.putOut(at, why)
	}
}

// expire ends what has expired: the membership of a slave, or the connection of a master,
// which can come back with a fresh grant until its timeout is over.
func (c *Channel) expire(now time.Time, m *member) {
	if m.role == wire.Slave {
		c.expel(m, wire.ErrExpired.With("what the service has granted has expired"))
		return
	}
	at := c.detach(m)
	if at != nil {
		c.emit(Effect{Kind: Discard, To: at})
		c.emit(Effect{Kind: Eject, To: at, End: wire.ErrUnauthorized.With("what the service has granted has expired: come back with a fresh token")})
		c.markAway(now, GrantExpired, at)
	}
}

// expiries are the instants at which grants of members expire, the earliest first.
// Entries of members that have left, or have another grant by now, stay in it until they
// are first, or are too many. So do those that a member has twice, because it was granted
// the same instant again.
type expiries deadlines[expiry]

func (l *expiries) list() *deadlines[expiry] { return (*deadlines[expiry])(l) }

type expiry struct {
	at time.Time
	m  *member
}

// compare orders instants, and at the same one the members as they have come, so that a
// restored channel ends them in the order of the original.
func (e expiry) compare(other expiry) int {
	return cmp.Or(e.at.Compare(other.at), cmp.Compare(e.m.number, other.m.number))
}

// valid reports whether the member's grant expires then, and has not yet.
func (e *expiry) valid(c *Channel) bool {
	g := e.m.extra().grant
	return g != nil && g.Expires.Equal(e.at) && (e.m == c.master && !c.masterExpired || c.slaves[e.m.name] == e.m)
}

// add adds the instant of a member's present grant. It makes the list anew where most of it
// is not needed.
func (l *expiries) add(c *Channel, e expiry) {
	if e.m == c.master {
		c.masterExpired = false
	}
	if len(*l) > 2*len(c.slaves)+16 {
		l.rebuild(c)
		return
	}
	l.list().push(e)
}

// rebuild makes the list anew, with one entry for each member whose grant expires.
func (l *expiries) rebuild(c *Channel) {
	clear(*l)
	*l = (*l)[:0]
	keep := func(m *member) {
		if e := (expiry{m.granted().Expires, m}); !e.at.IsZero() && e.valid(c) {
			*l = append(*l, e)
		}
	}
	keep(c.master)
	for _, m := range c.slaves {
		keep(m)
	}
	slices.SortFunc(*l, expiry.compare)
}

// first returns the earliest valid instant, and whether there is one.
func (l *expiries) first(c *Channel) (expiry, bool) {
	for len(*l) > 0 {
		if e := (*l)[0]; e.valid(c) {
			return e, true
		}
		l.list().pop()
	}
	return expiry{}, false
}
