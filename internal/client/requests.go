package client

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// request is an operation of a member that awaits the hub's answer. It survives the
// connection: after a resume it is retransmitted under the same ref. The hub remembers its
// answers to sends, so a retransmitted send is idempotent.
type request struct {
	frame wire.Frame
	// written: it was written on a connection.
	written bool
	// retransmitted: it was written on more than one connection.
	retransmitted bool
	// abandoned: its caller has given up. It keeps its place in the window until it is
	// answered or the connection is lost.
	abandoned bool
	// again: it was repeated behind a resume that was refused (repeatSwitchAgain).
	again bool
	// slow is how many connections were closed as too slow while it was under way.
	slow int
	// failed is why it was given up without an answer, or nil.
	failed error
	// end is when the message expires that it is, or zero.
	end time.Time
	// outsideWindow: it has no place in the window, because the hub remembers no answer
	// to it. That is so for withdrawals. There are no more of them than open inquiries.
	outsideWindow bool
	// asks is the inquiry that a message opens, or nil.
	asks *inquiry
	// enters is the entry of the channel that a switch leads to, or nil. It is finished with
	// a switch that its caller has given up.
	enters *entry
	// settle does what the answer brings about, and returns what the caller gets. It is
	// called with the lock held, and may be nil. It takes the frame by value: by a
	// pointer, every frame that arrives would be allocated.
	settle func(r *request, answer wire.Frame) wire.Frame
	// answered gets the answer. It has room for it.
	answered chan wire.Frame
}

// do sends a request and waits for its answer, over as many connections as necessary.
func (m *Membership) do(ctx context.Context, r *request) (wire.Frame, error) {
	late, stop := r.startTime()
	defer stop()
	select {
	case m.window <- struct{}{}:
	case <-late:
		return wire.Frame{}, m.client.tooLate(r)
	case <-ctx.Done():
		return wire.Frame{}, ctx.Err()
	case <-m.done:
		return wire.Frame{}, m.err
	}
	c := m.client
	r.answered = make(chan wire.Frame, 1)
	c.mu.Lock()
	err := m.err
	if err == nil && r.frame.Type != wire.Leave {
		err = c.over() // it may be about to be detached
	}
	if err != nil {
		c.mu.Unlock()
		<-m.window
		return wire.Frame{}, err
	}
	m.enqueue(r)
	c.mu.Unlock()

	var cause error
	var news <-chan Waiting
	if r.enters != nil {
		news = r.enters.waiting.news
	}
	for cause == nil {
		select {
		case answer := <-r.answered:
			return answer, m.refusal(r, &answer)
		case now := <-news:
			r.enters.waiting.caller(now)
		case <-late:
			m.onLate(r)
			late = nil
		case <-ctx.Done():
			cause = ctx.Err()
		case <-m.done:
			cause = m.err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case answer := <-r.answered:
		return answer, m.refusal(r, &answer)
	default:
	}
	r.abandoned = true
	if r.enters != nil {
		c.takeBack(&r.enters.waiting)
	}
	if !r.written {
		m.remove(r)
		c.madeProgress()
		return wire.Frame{}, cause
	}
	return wire.Frame{}, fmt.Errorf("%w: %w", m.client.options.ErrSendUnknown, cause)
}

// refusal is the error of an answer to the request that is a refusal, else nil.
func (m *Membership) refusal(r *request, answer *wire.Frame) error {
	if r.failed != nil {
		return r.failed
	}
	why := refusalIn(answer)
	if why == nil {
		return nil
	}
	err := m.client.public(why)
	if r.retransmitted && why.Code == wire.ErrNotAMember.Code {
		// A switch was retransmitted before this request, and has succeeded only then. So
		// the hub may have carried the request out the first time.
		return fmt.Errorf("%w: %w", m.client.options.ErrSendUnknown, err)
	}
	return err
}

// enqueue gives the request the next ref, and sends it, or lets it wait for a connection.
// The request must have a place in the window or be outside of it. The lock is held.
func (m *Membership) enqueue(r *request) {
	if r.frame.Channel == "" {
		r.frame.Channel = m.channel
	}
	r.frame.Ref = m.client.nextRef()
	m.pending = append(m.pending, r)
	if m.attached && !m.held {
		m.write(r, m.link)
	}
}

// write sends the request on the connection. The lock is held.
func (m *Membership) write(r *request, l *link) {
	if r.enters != nil {
		r.enters.waiting.on = nil
	}
	switch {
	case !r.repeatsFirst():
	case r.frame.Type == wire.Join:
		r.frame.Ref = m.client.nextRef() // by which it is later than the one before
	default:
		m.showMaster(r)
	}
	r.retransmitted = r.retransmitted || r.written
	r.written = true
	r.tellLeft()
	if r.frame.Epoch = 0; m.shows && r.frame.Channel == m.channel {
		r.frame.Epoch = m.epoch
	}
	if m.confirmsBy(&r.frame) {
		r.frame.Seen, r.frame.HasSeen = m.last, true
	}
	l.push(&r.frame)
}

// putBack lets a request that was refused because the hub shuts down wait for the next
// connection. Nothing has happened, so it is as if it had not been written on this one. Nor
// is anything behind it written here, so that the order stays; but for a token, which the
// service may have refused. The lock is held.
func (m *Membership) putBack(r *request) {
	r.written = r.retransmitted
	m.held = m.held || r.frame.Type != wire.Refresh
	switch {
	case r.written:
	case r.abandoned:
		m.remove(r)
		r.enters.finish()
	case r.isLate():
		m.fail(r, m.client.tooLate(r))
	}
}

// remove removes a request from those without an answer, and frees its place in the
// window. The lock is held.
func (m *Membership) remove(r *request) {
	if i := slices.Index(m.pending, r); i >= 0 {
		m.pending = slices.Delete(m.pending, i, i+1)
		if !r.outsideWindow {
			<-m.window
		}
	}
}

// onAnswer gives a frame of the connection to the request or the inquiry that it answers, and
// reports whether there is one. What was written on another connection since is answered
// there. The lock is held.
func (m *Membership) onAnswer(l *link, frame *wire.Frame) bool {
	if !m.talksOn(l) {
		return false
	}
	if m.onVerified(frame) {
		return true
	}
	for _, r := range m.pending {
		if r.frame.Ref != frame.Ref {
			continue
		}
		if isOfShutdown(frame) && !m.client.hubIsOver() {
			m.putBack(r)
			return true
		}
		m.remove(r)
		m.shows = m.shows && frame.Type == wire.Error
		m.onAnsweredQuestion(&r.frame, frame)
		answer := *frame
		if r.enters != nil {
			answer = asRefusal(frame)
		}
		if r.settle != nil {
			answer = r.settle(r, answer)
		}
		r.answered <- answer
		return true
	}
	return false
}

// Receipt is what the hub has made of a message that it has accepted: its number, and to how
// many slaves it was queued.
type Receipt struct {
	Seq    uint64
	Slaves int
}

// Send sends the frame as a message, and returns after the hub has accepted it. The payload
// must not change any more.
func (m *Membership) Send(ctx context.Context, frame wire.Frame) (Receipt, error) {
	return m.sendAs(ctx, &request{frame: frame})
}

// sendAs is Send for a prepared request.
func (m *Membership) sendAs(ctx context.Context, r *request) (Receipt, error) {
	r.frame.Type = wire.Send
	answer, err := m.do(ctx, r)
	return Receipt{Seq: answer.Seq, Slaves: int(min(answer.Slaves, math.MaxInt32))}, err
}

// Do sends the frame of an operation whose only answer is an ack.
func (m *Membership) Do(ctx context.Context, frame wire.Frame) error {
	_, err := m.do(ctx, &request{frame: frame})
	return err
}

// Kick sends the frame of a kick.
func (m *Membership) Kick(ctx context.Context, frame wire.Frame) error {
	frame.Type = wire.Kick
	_, err := m.do(ctx, &request{frame: frame, settle: settleKick})
	return err
}

// settleKick makes a success of the refusal to a retransmitted kick that there is no such
// slave: the kick succeeded when it was sent first, before the connection was lost.
func settleKick(r *request, answer wire.Frame) wire.Frame {
	if r.retransmitted && answer.Code == string(wire.ErrNoSuchSlave.Code) {
		return wire.Frame{Type: wire.Ack, Ref: answer.Ref, Channel: r.frame.Channel}
	}
	return answer
}

// failLargest fails the largest message without an answer. It is called when the hub has
// closed that connection because a frame was too large. If a message was the reason, it was
// this one, and it must not be retransmitted. The lock is held.
func (c *Client) failLargest(l *link) {
	var owner *Membership
	var largest *request
	for _, m := range c.memberships {
		if !m.talksOn(l) {
			continue
		}
		for _, r := range m.pending {
			if r.written && (largest == nil || len(r.frame.Payload.Data) > len(largest.frame.Payload.Data)) {
				owner, largest = m, r
			}
		}
	}
	if largest != nil {
		owner.remove(largest)
		largest.enters.finishIf(largest.abandoned)
		why := wire.ErrTooLarge.With(fmt.Sprintf(
			"the hub has closed the connection for its %d bytes of payload: send less at a time", len(largest.frame.Payload.Data)))
		owner.failNewcomer(largest, c.public(why))
		largest.answered <- wire.Frame{Type: wire.Error, Code: string(why.Code), Reason: why.Text}
	}
}

// maxSlow is how many connections may be closed as too slow while a request is under way,
// before it is given up. Otherwise a message that the link is too slow for would be begun
// anew on each connection, and nothing behind it would ever arrive.
const maxSlow = 3

// blameSlow is called when the connection was closed because something took too long to
// cross it. It counts that against the request that was under way: the first of those on
// the connection that have no answer. The lock is held.
func (c *Client) blameSlow(l *link) {
	var owner *Membership
	var first *request
	for _, m := range c.memberships {
		if m.link != l || !m.attached {
			continue // its requests were not written on this connection
		}
		for _, r := range m.pending {
			if !r.outsideWindow && (r.enters == nil || r.enters.waiting.on == nil) && (first == nil || r.frame.Ref < first.frame.Ref) {
				owner, first = m, r
			}
		}
	}
	if first == nil {
		return
	}
	if first.slow++; first.slow == maxSlow {
		owner.remove(first)
		first.enters.finishIf(first.abandoned)
		first.failed = fmt.Errorf("%w: the connection was closed as too slow %d times while this was sent, with a payload of %d bytes",
			c.options.ErrSendUnknown, maxSlow, len(first.frame.Payload.Data))
		owner.failNewcomer(first, first.failed)
		first.answered <- wire.Frame{}
	}
}
