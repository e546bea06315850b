package star

import "github.com/lectern-go/lectern/internal/wire"

// RepeatCreate answers a create that the connection which has created the channel sends
// again, with the same ref: with the same secret, the slaves as they are now, and without
// any other effect. Any other create is refused (rule 7).
func (c *Channel) RepeatCreate(a *Attachment, ref uint64, secret Secret) error {
	if err := a.stale(); err != nil {
		return err
	}
	if a.member != c.master || a.epoch != createdEpoch || ref == 0 || ref != c.createdBy {
		return wire.ErrChannelExists
	}
	answer := c.createdFrame(ref, secret)
	if len(c.slaves) > 0 {
		answer.Members, answer.HasMembers = c.roster(nil), true
	}
	if err := c.sendList(a, &answer); err != nil {
		return err
	}
	c.markTold()
	return nil
}

// createdEpoch is the epoch of the attachment that has created the channel.
const createdEpoch = 1
