package hub

import (
	"cmp"
	"context"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// Channel is a channel for the service, which runs in the hub's process.
type Channel struct {
	hub *Hub
	c   *delivery.Channel
}

// acquire keeps Shutdown from returning while a caller from outside decides something.
// It returns false where the hub shuts down already. Otherwise the caller must call
// goroutines.Done.
func (h *Hub) acquire() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing.Load() {
		return false
	}
	h.goroutines.Add(1)
	return true
}

// Handle returns what the public package shows of the channel. The first caller's build
// makes it.
func (c Channel) Handle(build func() any) any { return c.c.Handle(build) }

// Name returns the channel's name.
func (c Channel) Name() string { return c.c.Name() }

// Close closes the channel in the name of the service. It does not wait until the
// members have been told. A channel that has ended stays as it is. The error is
// wire.ErrShuttingDown where the hub shuts down.
func (c Channel) Close(reason string) error {
	if !c.hub.acquire() {
		return shuttingDown
	}
	defer c.hub.goroutines.Done()
	_, err := c.decideOr(context.Background(), func(rules *star.Channel, _ time.Time) { rules.Close(reason) }, func() inquiry {
		return inquiry{What: inquiryClose, Reason: reason}
	})
	if err == error(wire.ErrNoSuchChannel) {
		return nil
	}
	return err
}

// decideOr has the channel decide by the transition, and waits until that is committed, or where another hub decides it,
// has that do the same.
func (c Channel) decideOr(ctx context.Context, transition func(*star.Channel, time.Time), q func() inquiry) (o outcome, err error) {
	for !c.c.Decide(transition) {
		o, here, err := c.hub.clustered.inquire(ctx, c.c, q())
		if err == nil {
			err = o.err()
		}
		if here == nil {
			return o, err
		}
		c.c = here
	}
	if c.hub.clustered != nil {
		err = c.c.Flush(ctx)
	}
	return o, err
}

// Kick removes a slave in the name of the service. With ban, nobody of that name can
// join this channel again.
func (c Channel) Kick(username, reason string, ban bool) (err error) {
	if !c.hub.acquire() {
		return shuttingDown
	}
	defer c.hub.goroutines.Done()
	other := c.hub.otherName(NameOfUser, username)
	_, called := c.decideOr(context.Background(), func(rules *star.Channel, _ time.Time) {
		if !rules.HasSlave(username) {
			username = other
		}
		err = rules.Remove(username, ban, reason)
	}, func() inquiry { return inquiry{What: inquiryKick, Username: username, Reason: reason, Ban: ban} })
	err = cmp.Or(err, called)
	if why, ok := err.(*wire.Cause); ok {
		return why.Explain(&wire.Frame{Type: wire.Kick, Channel: c.Name(), To: username})
	}
	return err
}

// Speak sends what the frame, a send, is for, in the name of the service. It returns the
// message's number, and for how many slaves it was queued. With SlowHold it waits for slow slaves,
// as their master would, until ctx ends.
func (c Channel) Speak(ctx context.Context, f *wire.Frame) (seq uint64, slaves int, err error) {
	msg, err := messageOf(f, time.Now())
	switch {
	case err != nil:
		return 0, 0, err
	case len(msg.Payload.Data) > c.hub.config.MaxMessageBytes:
		return 0, 0, c.hub.refusals.tooLarge
	}
	if full := c.hub.clustered.noRoom(c.Name()); full != nil {
		return 0, 0, full
	}
	if c.hub.config.Slow == delivery.SlowHold {
		c.c.HoldForSlaves(func() (context.Context, func()) { return ctx, func() {} })
	}
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	if !c.hub.acquire() {
		return 0, 0, shuttingDown
	}
	defer c.hub.goroutines.Done()
	var queued uint32
	o, called := c.decideOr(ctx, func(rules *star.Channel, now time.Time) {
		if err = wire.ErrTooLate; !msg.IsOver(now) {
			seq, queued, err = rules.Speak(msg)
		}
	}, func() inquiry {
		sent := *f
		sent.Type, sent.Channel = wire.Send, c.Name()
		return inquiry{What: inquirySpeak, Frame: wire.Append(nil, wire.Binary, &sent)}
	})
	if o.Seq != 0 {
		seq, queued = o.Seq, uint32(o.Slaves)
	}
	err = cmp.Or(err, called)
	if why, ok := err.(*wire.Cause); ok {
		err = why.Explain(&wire.Frame{Type: wire.Send, Channel: c.Name(), To: f.To})
	}
	return seq, int(queued), err
}

// Report describes the channel, and reports whether it exists.
func (c Channel) Report() (star.Report, bool) {
	for c.c.Elsewhere() {
		o, here, err := c.hub.clustered.inquire(context.Background(), c.c, inquiry{What: inquiryReport})
		switch {
		case o.Report != nil:
			return *o.Report, o.Exists
		case err != nil || here == nil:
			return star.Report{}, false
		}
		c.c = here
	}
	return c.c.Report()
}
