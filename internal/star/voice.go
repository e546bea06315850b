package star

import (
	"cmp"
	"maps"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is the voice: which slaves may send of their own accord. Their master says so of
// all, and of some by name, who are exceptions then. It is the channel's and goes by the name:
// who leaves and joins again is as before.
//
// As many exceptions are kept as there may be slaves. With one more, the oldest is forgotten
// of a name that no slave has. So the master can always say it of a slave that is there,
// however many others have come and gone.

// voice is who is muted.
type voice struct {
	// all: slaves are muted that are no exceptions.
	all bool
	// exceptions are the names of which all is not true, with their order, in which the
	// newest one has the number set.
	exceptions map[string]uint64
	set        uint64
}

// muted reports whether a slave of that name is muted.
func (v *voice) muted(name string) bool {
	_, excepted := v.exceptions[name]
	return v.all != excepted
}

// inOrder are the exceptions, the oldest first.
func (v *voice) inOrder() []string {
	return slices.SortedFunc(maps.Keys(v.exceptions), func(a, b string) int {
		return cmp.Compare(v.exceptions[a], v.exceptions[b])
	})
}

// except makes an exception of the name.
func (v *voice) except(name string) {
	if v.exceptions == nil {
		v.exceptions = make(map[string]uint64)
	}
	v.set++
	v.exceptions[name] = v.set
}

// Mute sets, in the name of the master, whether the slave of that name is muted, or without a
// name all of them, after which there are no exceptions. What a muted slave sends of its own
// accord is refused from then on, whatever it knew when it sent it. Those for whom something
// changes are told.
func (c *Channel) Mute(a *Attachment, ref uint64, to string, hasTo, on bool) error {
	if err := c.mustBeMaster(a); err != nil {
		return err
	}
	if !hasTo {
		c.acknowledge(a, ref)
		c.muteAll(on)
		return nil
	}
	m := c.slaves[to]
	if m == nil {
		return wire.ErrNoSuchSlave
	}
	c.acknowledge(a, ref)
	if c.voice.muted(to) == on {
		return nil
	}
	if on == c.voice.all {
		delete(c.voice.exceptions, to)
	} else {
		c.forgetException()
		c.voice.except(to)
	}
	c.recordName(recordException, to, on != c.voice.all)
	if m.attachment != nil {
		c.sendFrame(m.attachment, c.mutedFrame(on))
	}
	return nil
}

// muteAll sets whether all slaves are muted. All are told, by one packet, those too for whom
// nothing changes.
func (c *Channel) muteAll(on bool) {
	if c.voice.all == on && len(c.voice.exceptions) == 0 {
		return
	}
	c.voice = voice{all: on}
	c.recordName(recordMutedAll, "", on)
	c.sendFrameToSlaves(c.mutedFrame(on))
}

// forgetException makes room for an exception more, of a slave that is there.
func (c *Channel) forgetException() {
	if len(c.voice.exceptions) < c.terms.maxSlaves(c.limits) {
		return
	}
	for _, name := range c.voice.inOrder() {
		if c.slaves[name] == nil {
			delete(c.voice.exceptions, name)
			c.recordName(recordException, name, false)
			return
		}
	}
}

func (c *Channel) mutedFrame(on bool) *wire.Frame {
	return &wire.Frame{Type: wire.Muted, Channel: c.name, Muted: on}
}

// checkVoice returns why the member may not send the message of its own accord, or nil. An
// answer it may send, whatever it asks by it.
func (c *Channel) checkVoice(m *member, msg *Message) error {
	if m.role == wire.Slave && msg.ReplyTo == 0 && c.voice.muted(m.name) {
		return wire.ErrMuted
	}
	return nil
}
