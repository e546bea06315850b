package star

import "github.com/lectern-go/lectern/internal/wire"

// These refuse what the master cannot be given at present. The service has no refs.
var (
	errAwayForService = wire.ErrBusy.With("the master is away and no more can be kept for it: send it again later")
	errSlowForService = wire.ErrBusy.With("the master does not keep up: send it again later")
)

// Speak is Send in the name of the service: to all slaves of the channel, to one of them, or to
// the master. The message has its number in the order of its direction, and is kept and replayed
// as those of members are. Its sender has no name, which no member can be without: so nobody takes
// it for another one's, and nobody can pass for the service (rules 5 and 6). It is no
// request and no answer.
//
// It returns the number, and how many slaves it was queued for.
func (c *Channel) Speak(msg Message) (seq uint64, slaves uint32, err error) {
	switch {
	case c.life != open:
		return 0, 0, wire.ErrNoSuchChannel
	case c.isStopped():
		return 0, 0, wire.ErrShuttingDown
	}
	msg.Asks, msg.ReplyTo = false, 0 // the service awaits no answers, and was asked nothing
	var given answer
	if size := len(msg.Payload.Data); msg.To == c.master.name {
		switch {
		case c.master.attachment == nil && c.keptFull(size):
			return 0, 0, errAwayForService
		case c.master.attachment != nil && c.masterFull(size):
			return 0, 0, errSlowForService
		}
		given.seq = c.giveUp("", 0, &msg)
		c.recordMessage(recordUp, nil, &msg, given, true)
	} else {
		var to *member
		if msg.HasTo {
			if to = c.slaves[msg.To]; to == nil {
				return 0, 0, wire.ErrNoSuchSlave
			}
		}
		given = c.giveDown("", &msg, to)
		c.recordMessage(recordDown, to, &msg, given, true)
	}
	c.count(MessagesReceived, LabelService, 1)
	c.count(BytesReceived, LabelService, int64(len(msg.Payload.Data)))
	c.countTopic(msg.Topic)
	return given.seq, given.slaves, nil
}
