package star

import (
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what the master is told of its slaves. It is told each change, in the one
// order with the messages of its slaves. Where it does not read these fast enough, it is
// told no single changes any more. Once all that waited for it has been taken, it is told
// the list of its slaves as it is then, once.
//
// So the slaves' coming and going cannot fill the master's queue: in it are at most the
// changes up to the mark (Line.Behind), and one list.

// gatherFrom is how many notices must wait for the master before changes of its slaves are
// gathered. So many changes are a few kilobytes, less than the network holds for a peer
// that reads in time. In a channel with more slaves than that, as many notices must wait as
// there are slaves: then the list is about as long as what waits already. And joins alone,
// as at the beginning of a lesson, never come so far, since each adds a slave too.
const gatherFrom = 64

// tellMaster tells the master a change of one of its slaves, if the master has a
// connection. A master that comes back later gets the roster instead.
func (c *Channel) tellMaster(m *member, reason string) {
	master := c.master.attachment
	switch {
	case master == nil || c.isToBeListed(master, m):
		return
	case c.counted():
		c.recount(master, m)
		return
	}
	if master.catchingUp {
		c.rosterStale = true // it is told the list when it has caught up
		return
	}
	if c.masterBehind() {
		c.rosterStale = true
		c.emit(Effect{Kind: AwaitDrain, To: master})
		return
	}
	frame := c.slaveFrame(m, reason)
	m.told = m.state
	c.touch(m, false)
	c.tellNotice(master, frame)
}

// tellNotice tells the master what counts as a change of its slaves.
func (c *Channel) tellNotice(master *Attachment, frame *wire.Frame) {
	packet := wire.EncodedPacket(frame, master.Line.Form())
	c.told.Messages++
	c.told.Bytes += len(packet.Bytes(master.Line.Form()))
	c.emit(Effect{Kind: SendPresence, To: master, Packet: packet})
}

// masterBehind reports whether changes of slaves are gathered for the master, which must
// have an attachment.
func (c *Channel) masterBehind() bool {
	mark := max(gatherFrom, len(c.slaves))
	if c.master.roster == wire.RosterPages {
		mark = min(mark, max(gatherFrom, c.limits.page())) // as long as a page
	}
	return c.master.attachment.Line.Behind(mark, c.accepted, c.told)
}

// slaveFrame tells the master the state of one of its slaves.
func (c *Channel) slaveFrame(m *member, reason string) *wire.Frame {
	frame := &wire.Frame{
		Type: wire.Presence, Channel: c.name, Username: m.name, Role: wire.Slave, State: m.state, Reason: reason,
	}
	if m.told == 0 {
		frame.Number, frame.Joined = m.number, true // the slave is new
		if attributes := attributesOf(m); attributes != nil {
			frame.SetAttributes(attributes)
			frame.Seq = c.up.newest
		}
	}
	return frame
}

// drainedRoster is Drained for a master that is due to be told its list.
func (c *Channel) drainedRoster(a *Attachment) {
	if c.masterBehind() {
		c.emit(Effect{Kind: AwaitDrain, To: a}) // messages have come meanwhile
		return
	}
	c.listOn(a)
	if c.doorStale() && !c.rosterStale {
		c.drainedDoor(a)
	}
}

// Members answers the master with the list of its slaves. Where it is no more than
// a page, that is news to nobody: what the master has been told of its slaves is as before.
func (c *Channel) Members(a *Attachment, ref uint64, p Page) error {
	if err := c.mustBeMaster(a); err != nil {
		return err
	}
	if p == (Page{}) && !c.inPages() {
		return c.sendRoster(ref)
	}
	page, more := c.page(p.After, c.size(p), nil)
	frame := &wire.Frame{Type: wire.Members, Ref: ref, Channel: c.name}
	c.putPage(frame, page, p.After, more)
	c.countIn(frame)
	return c.sendList(a, frame)
}

// checkRoom refuses a list of so many entries for which there is no room, however short the
// names are, before anything is made of it.
func checkRoom(a *Attachment, entries int) error {
	return checkBytes(a, entries*listEntryOverhead)
}

func checkBytes(a *Attachment, bytes int) error {
	if a.Line.NoticeFull(bytes) {
		return errListFull
	}
	return nil
}

var errListFull = wire.ErrBusy.With("too much waits for you already: take it, and ask again later")

// checkRoster refuses to send the master, which must have an attachment, a list of its slaves with so many
// entries, where there is no room for it, and where one is due that has to wait for messages of slaves
// that are not in it any more.
func (c *Channel) checkRoster(entries int) error {
	if c.master.attachment.catchingUp && c.rosterStale {
		return errListFull
	}
	return checkRoom(c.master.attachment, entries)
}

// sendRoster sends the master, which must have an attachment, the list of its slaves. It
// refuses as checkRoster and sendList do.
func (c *Channel) sendRoster(ref uint64) error {
	if err := c.checkRoster(len(c.slaves)); err != nil {
		return err
	}
	if err := c.sendList(c.master.attachment, c.membersFrame(ref)); err != nil {
		return err
	}
	c.markTold()
	return nil
}

func (c *Channel) membersFrame(ref uint64) *wire.Frame {
	return &wire.Frame{Type: wire.Members, Ref: ref, Channel: c.name, Members: c.entries(nil), HasMembers: true}
}

// markTold notes that the master, which must have an attachment, is told the roster as it is now.
// Of slaves that it had not heard of before, it is told the attributes behind that.
func (c *Channel) markTold() {
	before := c.up.newest
	c.showHidden()
	c.rosterStale, c.listed = false, 0
	c.roomMade()
	stale := false
	for _, m := range c.slaves {
		stale = stale || m.told != m.state
		m.told = m.state
	}
	if stale {
		c.step(recordListed)
	}
	c.feedShown(before)
}

// feedShown tells the master the attributes that have numbers above before since it was told of their owners.
func (c *Channel) feedShown(before uint64) {
	if a := c.master.attachment; !a.catchingUp && c.up.newest > before {
		c.feedFrom(a, before, before, 0)
		c.touch(a.member, false) // it may be fed from now on
		c.replay(a)
	}
}

// roster lists the slaves for which wanted returns true, in the order of their names. A nil
// wanted means all slaves.
func (c *Channel) roster(wanted func(*member) bool) []wire.Member {
	members := c.entries(wanted)
	wire.SortMembers(members)
	return members
}

// entries is roster in no order: a packet puts its list into the order of names, when it is
// encoded, outside of the caller's lock.
func (c *Channel) entries(wanted func(*member) bool) []wire.Member {
	members := make([]wire.Member, 0, len(c.slaves))
	for name, m := range c.slaves {
		if wanted == nil || wanted(m) {
			members = append(members, wire.Member{Username: name, State: m.state, Number: m.number})
		}
	}
	return members
}

// sendList answers a member with a list of members. It refuses with busy when the
// list does not fit into the queue behind what the member has not read yet.
func (c *Channel) sendList(a *Attachment, frame *wire.Frame) error {
	if err := checkBytes(a, listSize(frame.Members)); err != nil {
		return err
	}
	// NewPacket encodes later: a long list is not encoded under the caller's lock.
	c.emit(Effect{Kind: SendOne, To: a, Packet: wire.NewPacket(frame)})
	return nil
}

// listSize is about the size of a list in bytes, and not less.
func listSize(members []wire.Member) (bytes int) {
	for _, m := range members {
		bytes += len(m.Username) + listEntryOverhead
	}
	return bytes
}

// listEntryOverhead is the size in bytes of one entry of a list beside its name, in
// the larger of the two forms.
const listEntryOverhead = 64
