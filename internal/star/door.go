package star

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is the door: what becomes of who joins, and who waits there. It is asked at joins
// alone. Who is in comes back, repeats its join, or takes its seat over, however the door is.
//
// Who waits is no member. It is sent nothing but waiting, the presence of the master, and its
// own answer. The master lets in or refuses by the number of a knock, and never by a name: the
// one who is let in is the one who has knocked, though the name may have been left and taken
// again meanwhile.

// ErrKnock is the error of a Join that has changed nothing, because the user has to Knock.
var ErrKnock = errors.New("star: the door is to be knocked at")

// door is that of a channel, which has none where it was always open.
type door struct {
	mode wire.Door
	// knocks counts those that there have ever been. The newest has this number.
	knocks uint64
	// waiting are those at the door, in the order of their numbers.
	waiting []*knock
	// due is when the first of them has waited for too long, or the zero time.
	due time.Time
	// stale: the master is told no single knocks at present, but once all that waited for it
	// has been taken, what has changed since. over are those that it was told and that are over.
	stale bool
	over  []*knock
}

// knock is one who waits at the door.
type knock struct {
	number uint64
	// m becomes a slave of the channel where it is let in. It does not change before.
	m *member
	// a is where it waits, and e what it has shown there, but for since when it waits. Unlike that of a member, its secret is
	// kept as it is: nobody was given it yet, and it goes into the answer.
	a *Attachment
	e Entry
	// expect is the name of the master that it expects, or empty.
	expect string
	// ends is when it has waited for too long, or what the service has granted expires. The
	// zero time: never.
	ends time.Time
	// told: the master was told on its present attachment.
	told bool
}

// SetDoor says what becomes of who joins from now on. Who waits is refused where nobody is let
// in any more. Where everybody is, those who wait come in, in their order, as far as there is
// room.
func (c *Channel) SetDoor(now time.Time, a *Attachment, ref uint64, mode wire.Door) error {
	if err := c.mustBeMaster(a); err != nil {
		return err
	}
	c.acknowledge(a, ref)
	c.needDoor().mode = mode
	switch mode {
	case wire.DoorOpen:
		for _, k := range c.atDoor() {
			if err := c.checkSlave(k.m, k.e); err != nil {
				c.endKnock(k, refusal(err))
			} else {
				c.letIn(now, k)
			}
		}
	case wire.DoorLocked:
		c.clearDoor(wire.ErrLocked)
	}
	return nil
}

// Knock is Join for one that waits where the door says so. Where the same client waits there
// already, under a connection that it has given up, it keeps its place and its number.
func (c *Channel) Knock(now time.Time, a *Attachment, e Entry, username, expect string) error {
	if err := c.Join(now, a, e, username, expect); err != ErrKnock {
		return err
	}
	if c.isStopped() {
		return wire.ErrShuttingDown
	}
	k := c.knockOf(username)
	if k == nil && len(c.atDoor()) >= wire.MaxKnocks {
		return wire.ErrBusy.With("as many wait at the door as may: try again later")
	}
	if !e.Attributes.FitKnock() || !e.Grant.Attributes.FitKnock() {
		return wire.ErrBadFrame.With("attributes: a value has too many arrays and objects inside of each other to be shown at a door")
	}
	if e.Since.IsZero() {
		e.Since = now
	}
	if k != nil {
		if k.e.sameAttributes(e) {
			old := k.a
			e.Since = k.e.Since
			k.a, k.e, k.expect, k.ends = a, e, expect, c.waitEnds(e)
			a.become(k.m)
			c.needDoor().findDue()
			c.emit(Effect{Kind: Refuse, To: old, End: errMoved})
			c.tellWaiting(now, k)
			return nil
		}
		c.endKnock(k, errMoved) // it is not who the master was told of
	}
	d := c.needDoor()
	k = &knock{number: d.next(e.Knock), m: &member{name: username, role: wire.Slave}, a: a, e: e, expect: expect, ends: c.waitEnds(e)}
	a.become(k.m)
	d.add(k)
	switch e.Told {
	case c.master.state: // it knows
	case 0:
		c.tellWaiting(now, k)
	default:
		c.sendFrame(a, c.masterFrame(now))
	}
	c.tellKnock(k, true)
	grant := (*Grant)(nil)
	if e.Grant.Asked {
		grant = &k.e.Grant
	}
	c.emit(Effect{Kind: Changed, What: Knocked, Of: k.m, Grant: grant, To: a, Number: c.nextChange(), Delta: int64(k.number)})
	return nil
}

// next is the number of one who waits from now on. One that has waited before, as another hub has decided the channel,
// has the number known, and keeps it.
func (d *door) next(known uint64) uint64 {
	if known != 0 && !slices.ContainsFunc(d.waiting, func(k *knock) bool { return k.number == known }) {
		d.knocks = max(d.knocks, known)
		return known
	}
	d.knocks++
	return d.knocks
}

// add adds one who waits.
func (d *door) add(k *knock) {
	i := len(d.waiting)
	for i > 0 && d.waiting[i-1].number > k.number {
		i--
	}
	d.waiting = slices.Insert(d.waiting, i, k)
	d.findDue()
}

// errMoved is told on the connection that one who waits has given up.
var errMoved = wire.ErrReplaced.With("you wait on another connection")

// Arrive is Knock for one that has waited for the channel to be created, for as long as its grant
// lets it. What becomes of it is told as of one who has waited at the door.
func (c *Channel) Arrive(now time.Time, a *Attachment, e Entry, username, expect string) {
	_ = c.Enter(a, func() error {
		if e.Grant.expired(now) {
			return errGrantExpired
		}
		err := c.Join(now, a, e, username, expect)
		if err == ErrKnock {
			if err = c.Knock(now, a, e, username, expect); err == nil {
				err = ErrWaits
			}
		}
		return err
	})
}

// WaitsAt reports whether the attachment waits at the door, and tells it so again, under
// another ref: it has sent its join again.
func (c *Channel) WaitsAt(now time.Time, a *Attachment, ref uint64) bool {
	k := c.knockOn(a)
	if k == nil {
		return false
	}
	if ref != 0 {
		k.e.Ref = ref
	}
	c.tellWaiting(now, k)
	return true
}

// CancelKnock takes the attachment from the door, and reports whether it has waited there.
func (c *Channel) CancelKnock(a *Attachment) bool {
	k := c.knockOn(a)
	if k != nil {
		c.endKnock(k, wire.ErrLeft)
	}
	return k != nil
}

// Admit lets the one in who has knocked under the number. Where there is no room, it goes on
// waiting.
func (c *Channel) Admit(now time.Time, a *Attachment, ref, number uint64) error {
	k, err := c.judged(a, number)
	if err != nil {
		return err
	}
	if err := c.checkSlave(k.m, k.e); err != nil {
		return err
	}
	c.acknowledge(a, ref)
	c.letIn(now, k)
	return nil
}

// Deny refuses the one who has knocked under the number. It may knock again.
func (c *Channel) Deny(a *Attachment, ref, number uint64, reason string) error {
	k, err := c.judged(a, number)
	if err != nil {
		return err
	}
	c.acknowledge(a, ref)
	c.endKnock(k, wire.ErrDenied.With(reason))
	return nil
}

// judged is who has knocked under the number, of which the master decides.
func (c *Channel) judged(a *Attachment, number uint64) (*knock, error) {
	if err := c.mustBeMaster(a); err != nil {
		return nil, err
	}
	for _, k := range c.atDoor() {
		if k.number == number {
			return k, nil
		}
	}
	return nil, wire.ErrNoSuchSlave.With(fmt.Sprintf("knock: nobody waits any more under the number %d", number))
}

// letIn makes one who waits a slave, which checkSlave.
func (c *Channel) letIn(now time.Time, k *knock) {
	c.removeKnock(k)
	c.emit(Effect{Kind: Enter, To: k.a})
	c.tellKnock(k, false)
	c.comeIn(now, k.a, k.m, k.e)
}

// endKnock refuses one who waits.
func (c *Channel) endKnock(k *knock, why *wire.Cause) {
	c.removeKnock(k)
	c.emit(Effect{Kind: Refuse, To: k.a, End: why})
	c.tellKnock(k, false)
}

func (c *Channel) removeKnock(k *knock) {
	c.door.waiting = slices.DeleteFunc(c.door.waiting, func(other *knock) bool { return other == k })
	c.door.findDue()
}

// clearDoor refuses all who wait.
func (c *Channel) clearDoor(why *wire.Cause) {
	for _, k := range c.atDoor() {
		c.endKnock(k, why)
	}
}

// refuseExpecting refuses those who wait for a master that they have named, when it is another one.
func (c *Channel) refuseExpecting() {
	for _, k := range c.atDoor() {
		if k.expect != "" {
			c.endKnock(k, wire.ErrWrongMaster)
		}
	}
}

// expireDoor refuses those whose time is over.
func (c *Channel) expireDoor(now time.Time) {
	for c.door != nil && !c.door.due.IsZero() && !now.Before(c.door.due) {
		i := slices.IndexFunc(c.door.waiting, func(k *knock) bool { return k.ends.Equal(c.door.due) })
		k := c.door.waiting[i]
		why := wire.ErrTooLate.With(fmt.Sprintf("nobody has let you in for %v", c.limits.WaitTimeout))
		if k.e.Grant.Expires.Equal(k.ends) {
			why = errGrantExpired
		}
		c.endKnock(k, why)
	}
}

// waitEnds is when one who knocks has waited for too long.
func (c *Channel) waitEnds(e Entry) (ends time.Time) {
	if c.limits.WaitTimeout > 0 {
		ends = e.Since.Add(c.limits.WaitTimeout)
	}
	if expires := e.Grant.Expires; !expires.IsZero() && (ends.IsZero() || !expires.After(ends)) {
		return expires
	}
	return ends
}

// findDue finds when the next one has waited for too long.
func (d *door) findDue() {
	d.due = time.Time{}
	for _, k := range d.waiting {
		if !k.ends.IsZero() && (d.due.IsZero() || k.ends.Before(d.due)) {
			d.due = k.ends
		}
	}
}

// doorMode is what becomes of who joins.
func (c *Channel) doorMode() wire.Door {
	if c.door == nil {
		return wire.DoorOpen
	}
	return c.door.mode
}

func (c *Channel) needDoor() *door {
	if c.door == nil {
		c.door = &door{mode: wire.DoorOpen}
	}
	return c.door
}

// atDoor are those who wait, in their order. It is a copy: they may go.
func (c *Channel) atDoor() []*knock {
	if c.door == nil {
		return nil
	}
	return slices.Clone(c.door.waiting)
}

// knockOf is the one of that name who waits, or nil.
func (c *Channel) knockOf(username string) *knock {
	return c.findKnock(func(k *knock) bool { return k.m.name == username })
}

// knockOn is the one who waits on the attachment, or nil.
func (c *Channel) knockOn(a *Attachment) *knock {
	return c.findKnock(func(k *knock) bool { return k.a == a })
}

func (c *Channel) findKnock(is func(*knock) bool) *knock {
	if c.door == nil {
		return nil
	}
	if i := slices.IndexFunc(c.door.waiting, is); i >= 0 {
		return c.door.waiting[i]
	}
	return nil
}

// isFollowedBy reports whether the entry is of the client that waits, and later, or the service
// says that the name is its own.
func (k *knock) isFollowedBy(e Entry) bool {
	return e.Grant.TakeOver || e.Instance != Hash{} && e.Instance == k.e.Instance && e.Ref > k.e.Ref
}

// sameAttributes reports whether the user of the one entry has the attributes of the other.
func (e *Entry) sameAttributes(other Entry) bool {
	same := func(a, b wire.KeyValue) bool {
		return a.Key == b.Key && a.Value.Kind == b.Value.Kind && string(a.Value.Data) == string(b.Value.Data)
	}
	return slices.EqualFunc(e.Attributes, other.Attributes, same) && slices.EqualFunc(e.Grant.Attributes, other.Grant.Attributes, same)
}
