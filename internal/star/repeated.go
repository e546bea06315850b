package star

import "github.com/lectern-go/lectern/internal/wire"

// RepeatCreate answers a create that the connection which has created the channel sends
// again, with the same ref: with the same secret, the slaves as they are now, and without
// any other effect. Any other create is refused (rule 7).
func (c *Channel) RepeatCreate(a *Attachment, e Entry) error {
	if err := a.stale(); err != nil {
		return err
	}
	m := c.master
	created := a.epoch == createdEpoch || m.repeatable != 0
	if a.member != m || !created || e.Ref == 0 || e.Ref != m.holder.ref {
		return wire.ErrChannelExists
	}
	if err := c.checkRoster(c.listedAtOnce()); err != nil {
		return err
	}
	answer := c.createdFrame(e)
	if len(c.slaves) > 0 {
		c.listIn(&answer)
	}
	if err := checkBytes(a, listSize(answer.Members)+c.doorBytes()); err != nil {
		return err
	}
	c.listDoor(&answer)
	c.emit(Effect{Kind: SendOne, To: a, Packet: wire.NewPacket(&answer)})
	c.markListed(&answer)
	return nil
}

// createdEpoch is the epoch of the attachment that has created the channel.
const createdEpoch = 1
