package star

import (
	"cmp"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is how the master of a large channel is told of its slaves, where its client has asked for that.
//
// In pages, a list is told a page at a time, in the order in which the slaves have joined, each when nothing
// waits for the master any more. A page says who is there with a number behind the page before, and nobody else is. Meanwhile
// the master is told the changes of those who were in a page already; the others come in theirs. A list that
// gets behind again begins anew.
//
// As counts, it is told how many there are in either state, and no slave by name but one that has left and was to answer it.

// countPause is the least time between two counts.
const countPause = 250 * time.Millisecond

// joinOrder has the slaves in the order of their numbers, with some who have left. It is made when
// somebody wants a page, and kept from then on.
type joinOrder struct {
	members []*member
	// gone is how many of them have left.
	gone int
}

// remove notes that one has left. isIn tells who has not.
func (o *joinOrder) remove(isIn func(*member) bool) {
	if o.gone++; 2*o.gone > len(o.members) {
		o.members = slices.DeleteFunc(o.members, func(m *member) bool { return !isIn(m) })
		o.gone = 0
	}
}

// isSlave reports whether the member is a slave of the channel still.
func (c *Channel) isSlave(m *member) bool { return c.slaves[m.name] == m }

// joinedAfter are the slaves whose numbers are above number, and some who have left.
func (c *Channel) joinedAfter(number uint64) []*member {
	if c.order == nil {
		c.order = &joinOrder{members: make([]*member, 0, len(c.slaves))}
		for _, m := range c.slaves {
			c.order.members = append(c.order.members, m)
		}
		slices.SortFunc(c.order.members, func(a, b *member) int { return cmp.Compare(a.number, b.number) })
	}
	all := c.order.members
	i, found := slices.BinarySearchFunc(all, number, func(m *member, n uint64) int { return cmp.Compare(m.number, n) })
	if found {
		i++
	}
	return all[i:]
}

// page are at most limit of the slaves for which wanted returns true and whose numbers are above after, and
// whether there are more. A nil wanted means all.
func (c *Channel) page(after uint64, limit int, wanted func(*member) bool) (page []*member, more bool) {
	for _, m := range c.joinedAfter(after) {
		if !c.isSlave(m) || wanted != nil && !wanted(m) {
			continue
		}
		if len(page) == limit {
			return page, true
		}
		page = append(page, m)
	}
	return page, false
}

// Page is which part of a list somebody wants: at most Limit of those whose numbers are above After. The zero
// Page is the whole list.
type Page struct{ After, Limit uint64 }

// page is how many entries a page of a list has at most.
func (l *Limits) page() int { return cmp.Or(l.Page, wire.MaxPage) }

// size is how many entries the page has at most that somebody wants.
func (c *Channel) size(p Page) int {
	if p.Limit == 0 {
		return c.limits.page()
	}
	return int(min(p.Limit, uint64(c.limits.page())))
}

// inPages reports whether the list of the master's slaves is told in pages.
func (c *Channel) inPages() bool {
	return c.master.roster == wire.RosterPages && len(c.slaves) > c.limits.page()
}

// counted reports whether the master is told how many slaves there are, and no more.
func (c *Channel) counted() bool { return c.master.roster == wire.RosterCount }

// countIn tells in the frame how many slaves there are.
func (c *Channel) countIn(frame *wire.Frame) {
	l := frame.NeedListing()
	l.Online, l.Away = uint64(c.connected), uint64(len(c.slaves)-c.connected)
}

// listIn tells the master, which must have an attachment, its slaves in the frame: all of them, the first page,
// or how many they are. What comes behind it is the rest's business (markListed).
func (c *Channel) listIn(frame *wire.Frame) {
	switch {
	case c.counted():
		c.countIn(frame)
		c.countStale = false
	case c.inPages():
		c.pageIn(frame, 0)
	default:
		frame.Members, frame.HasMembers = c.entries(nil), true
	}
}

// listedAtOnce is how many entries listIn makes.
func (c *Channel) listedAtOnce() int {
	switch {
	case c.counted():
		return 0
	case c.inPages():
		return c.limits.page()
	}
	return len(c.slaves)
}

// pageIn puts the page of the slaves that have joined after a number into the frame.
func (c *Channel) pageIn(frame *wire.Frame, after uint64) {
	page, more := c.page(after, c.limits.page(), nil)
	c.putPage(frame, page, after, more)
	c.countIn(frame)
}

// putPage puts the members into the frame as the page behind number after.
func (c *Channel) putPage(frame *wire.Frame, page []*member, after uint64, more bool) {
	frame.Members, frame.HasMembers = make([]wire.Member, len(page)), true
	for i, m := range page {
		frame.Members[i] = wire.Member{Username: m.name, State: m.state, Number: m.number}
	}
	l := frame.NeedListing()
	l.After, l.More = after, more
}

// markListed notes that the master, which must have an attachment, was told what listIn or pageIn has put into the
// frame. Where that is a page behind which there are more, they are due.
func (c *Channel) markListed(frame *wire.Frame) {
	l := frame.Listing()
	if !l.More && l.After == 0 {
		c.markTold()
		return
	}
	last := l.After
	for _, m := range frame.Members {
		last = max(last, m.Number)
	}
	before := c.up.newest
	c.showPage(l.After, last)
	c.rosterStale, c.listed = l.More, 0
	if l.More {
		c.listed = last
	}
	if a := c.master.attachment; l.More && !a.catchingUp {
		c.emit(Effect{Kind: AwaitDrain, To: a})
	}
	c.roomMade()
	c.step(recordPage, l.After, last)
	c.feedShown(before)
}

// showPage notes that the master is told of the slaves whose numbers are above after, up to last. The attributes
// of those of whom it has not heard get new numbers, as in showHidden.
func (c *Channel) showPage(after, last uint64) {
	for _, m := range c.joinedAfter(after) {
		if m.number > last {
			return
		}
		if m.told == 0 {
			for _, x := range m.ofChanges() {
				c.up.changes.remove(x)
				c.up.changes.add(x, c.up.skip())
			}
		}
		m.told = m.state
	}
}

// listOn tells the master the next page of the list that has begun, or its first.
func (c *Channel) listOn(a *Attachment) {
	frame := c.membersFrame(0)
	if c.inPages() {
		c.pageIn(frame, c.listed)
	} else {
		c.listIn(frame)
	}
	// The list may be longer than the queue's limits, and must be delivered in any
	// case. There is one, or one page of one, at most in the queue, since the queue was empty.
	c.emit(Effect{Kind: SendReplay, To: a, Packet: wire.NewPacket(frame)})
	c.markListed(frame)
}

// isToBeListed reports whether a change of the slave need not be told, since the list that is due tells how it
// is by then. A list that has come past it begins anew where the change cannot be told.
func (c *Channel) isToBeListed(a *Attachment, m *member) bool {
	switch {
	case !c.rosterStale:
		return false
	case m.number > c.listed:
		return true
	case a.catchingUp || c.masterBehind():
		c.listed = 0
		return true
	}
	return false
}

// recount notes that the count has changed of a master that is told no more. Of the slave it hears nothing but
// what that says and sets: what a new one has set already is told now.
func (c *Channel) recount(a *Attachment, m *member) {
	c.countStale = true
	first := m.told == 0
	m.told = m.state
	c.touch(m, false)
	if first && !a.catchingUp {
		for _, x := range m.ofChanges() {
			c.tellOne(a, x)
		}
	}
}

// countDue is when the master is to be told how many slaves there are, and whether it is.
func (c *Channel) countDue() (time.Time, bool) {
	a, at := c.master.attachment, c.countAt
	if at.IsZero() {
		at = longAgo // the zero time is none
	}
	return at, c.countStale && a != nil && !a.catchingUp
}

var longAgo = time.Unix(0, 0)

// tellCount tells the master how many slaves there are, where that is due.
func (c *Channel) tellCount(now time.Time) {
	if at, due := c.countDue(); !due || now.Before(at) {
		return
	}
	c.countAt = now.Add(countPause)
	a := c.master.attachment
	if a.Line.Behind(gatherFrom, c.accepted, c.told) {
		return
	}
	c.countStale = false
	frame := &wire.Frame{Type: wire.Members, Channel: c.name}
	c.countIn(frame)
	c.tellNotice(a, frame)
}

var errListed = wire.ErrBusy.With("the list of your slaves is on its way to you in pages: ask when you have it")
