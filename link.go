package lectern

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// link is a client's connection while it lasts.
type link struct {
	conn transport.Conn
	out  *outbox.Queue
}

// maxUnwritten bounds what a client queues for writing. The windows of its
// memberships keep it far below; it is there so that nothing is without bound.
const (
	maxUnwrittenMessages = 1 << 16
	maxUnwrittenBytes    = 256 << 20
)

// maxSpread bounds the time that a hub may announce for its clients' return.
const maxSpread = 10 * time.Minute

// steadyAfter is how long a connection must have lasted for the next loss to
// count as the first one again.
const steadyAfter = 10 * time.Second

// run keeps the client connected for as long as there is something to be
// connected for.
func (c *Client) run() {
	defer c.goroutines.Done()
	failures := 0
	// spread is the time over which a hub that shuts down lets its clients go.
	var spread time.Duration
	for c.needed() {
		if failures > 0 && !c.hubIsOver() && !c.pause(failures, spread) {
			continue // closed meanwhile
		}
		began := time.Now()
		err := c.connectAndServe()
		spread = c.takeAnnounced(err)
		if time.Since(began) >= steadyAfter {
			failures = 0
		}
		failures++
		c.options.Logger.Info("connection to the hub lost", "error", err)
	}
}

// needed reports whether the client must be connected, and ends run where not.
func (c *Client) needed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = !c.closed && len(c.memberships)+len(c.calls) > 0
	return c.running
}

// hubIsOver reports whether the hub is one in this process that shuts down: there
// is nothing to wait for, and the dialer says so.
func (c *Client) hubIsOver() bool {
	switch dialer := c.dialer.(type) {
	case *Hub:
		return dialer.closing.Load()
	case localDialer:
		return dialer.hub.closing.Load()
	}
	return false
}

// pause waits before dialling again: a random part of a time that grows, so that
// not all clients of a hub come back in one instant. After a shutdown it is no
// shorter than the hub has announced.
func (c *Client) pause(failures int, spread time.Duration) bool {
	limit := c.options.MaxBackoff
	if shift := failures - 1; shift < 16 {
		limit = min(limit, c.options.MinBackoff<<shift)
	}
	limit = max(limit, spread)
	if limit <= 0 {
		return c.ctx.Err() == nil
	}
	timer := time.NewTimer(rand.N(limit))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// takeAnnounced is what the hub has announced of its shutdown, where that is how
// the connection has ended.
func (c *Client) takeAnnounced(err error) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	announced := c.announced
	c.announced = 0
	var closed *transport.CloseError
	if errors.As(err, &closed) && closed.Reason.Code == transport.Shutdown {
		return announced
	}
	return 0
}

// connectAndServe dials, resumes what there is, and reads until the connection
// has ended.
func (c *Client) connectAndServe() error {
	conn, sent, err := c.dial()
	if err != nil {
		c.dialFailed(err)
		return err
	}
	l := &link{conn: conn, out: outbox.New(conn, &c.unwritten)}
	c.connected(l, sent)
	err = c.read(l)
	c.disconnected(err)
	// Where this side ends it, the memberships shall live on: never left.
	l.out.Abort(transport.Reason{Code: transport.ProtocolError, Text: "what came is not Lectern's protocol"})
	l.out.Wait()
	return err
}

// dial connects, and sends the first call along where the dialer can. It returns the
// call that was sent, or nil.
func (c *Client) dial() (conn transport.Conn, sent *call, err error) {
	dialer, able := c.dialer.(transport.FirstDialer)
	first := c.firstCall()
	if !able || first == nil {
		ctx, cancel := context.WithTimeout(c.ctx, c.options.DialTimeout)
		defer cancel()
		conn, err = c.dialer.Dial(ctx)
		return conn, nil, err
	}
	// The hub may have let the client in before it answers. So a client that is closed
	// meanwhile waits for the connection, to leave on it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), c.options.DialTimeout)
	defer cancel()
	var closing sync.WaitGroup
	dialled := make(chan struct{})
	closing.Go(func() {
		select {
		case <-c.ctx.Done():
		case <-dialled:
			return
		}
		timer := time.NewTimer(leaveWait)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-dialled:
		}
	})
	conn, along, err := dialer.DialFirst(ctx, wire.Append(nil, wire.Binary, &first.frame))
	close(dialled)
	closing.Wait()
	if !along {
		first = nil
	}
	return conn, first, err
}

// leaveWait is how long a client that is closed waits for a connection on which it
// may have entered a channel already.
const leaveWait = time.Second

// firstCall is the call that a new connection begins with, or nil. Memberships come
// first, and a secret does not belong into a handshake, which others may write to a
// log.
func (c *Client) firstCall() *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.memberships) > 0 || len(c.calls) == 0 || c.calls[0].frame.Type == wire.Resume {
		return nil
	}
	return c.calls[0]
}

// dialFailed tells those who wait for a connection. A dialer that says it leads
// nowhere any more ends everything.
func (c *Client) dialFailed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failCalls(fmt.Errorf("dialling: %w", err), true)
	if errors.Is(err, net.ErrClosed) {
		c.endAll(ErrShutdown)
	}
}

func (c *Client) endAll(why *Error) {
	for _, m := range c.memberships {
		m.end(why)
	}
}

// connected starts on a new connection: every membership is resumed, and what
// waited for a connection is sent, but for what was sent along with its making.
func (c *Client) connected(l *link, sent *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		l.out.Close(transport.Reason{Code: transport.Left})
		return
	}
	c.link = l
	if sent != nil && sent.enters != nil && !slices.Contains(c.calls, sent) {
		// It was given up meanwhile, and must not be in the way of the others.
		c.left = sent.frame.Ref
		c.push(&wire.Frame{Type: wire.Leave, Channel: sent.frame.Channel})
	}
	for _, m := range c.memberships {
		c.lastRef++
		m.resuming = c.lastRef
		c.push(&wire.Frame{
			Type: wire.Resume, Ref: m.resuming, Channel: m.channel, Username: m.username, Secret: m.secret, Last: m.last,
		})
	}
	for _, k := range c.calls {
		if k == sent {
			k.written = true
		} else {
			c.writeCall(k)
		}
	}
}

// read handles frames until the connection ends.
func (c *Client) read(l *link) error {
	for {
		data, err := l.conn.Read()
		if err != nil {
			return err
		}
		frame, err := wire.Decode(data)
		if err != nil {
			var bad *wire.DecodeError
			if errors.As(err, &bad) && bad.Code == string(ErrUnsupported.Code) {
				continue // a newer hub's, and not for us
			}
			return err
		}
		c.mu.Lock()
		c.handle(&frame)
		c.mu.Unlock()
	}
}

// disconnected takes the connection away from everything that was on it.
func (c *Client) disconnected(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link, c.forsaken, c.left = nil, nil, 0
	if c.closed {
		return
	}
	var closed *transport.CloseError
	if errors.As(err, &closed) && closed.Reason.Code.Final() {
		c.endAll(&Error{Code: Code(closed.Reason.Code.String()), Text: closed.Reason.Text})
		// The hub has answered all that it has carried out before it closed the
		// connection so: what has no answer can be asked again.
		for _, k := range c.calls {
			k.written = false
		}
	}
	c.failCalls(fmt.Errorf("connection lost: %w", err), false)
	if closed != nil && closed.Reason.Code == transport.TooLarge {
		c.failLargest()
	}
	now := time.Now()
	for _, m := range c.memberships {
		m.lose(now)
	}
}

// failLargest gives up the largest message that was not answered: the hub has
// closed the connection because of one that was too large, so if any is, it is
// this one, and it must not be sent again.
func (c *Client) failLargest() {
	var owner *membership
	var largest *request
	for _, m := range c.memberships {
		for _, r := range m.pending {
			if r.written && (largest == nil || len(r.frame.Payload.Data) > len(largest.frame.Payload.Data)) {
				owner, largest = m, r
			}
		}
	}
	if largest != nil {
		owner.remove(largest)
		largest.answered <- wire.Frame{Type: wire.Error, Code: string(ErrTooLarge.Code)}
	}
}

// handle takes one frame of the hub to where it belongs. The lock is held.
func (c *Client) handle(frame *wire.Frame) {
	m := c.memberships[frame.Channel]
	switch frame.Type {
	case wire.Message:
		if m != nil {
			m.message(frame)
		}
	case wire.Presence:
		if m != nil {
			m.presence(frame, time.Now())
		}
	case wire.Gap:
		if m != nil {
			m.gap(Gap{Missed: frame.Missed})
		}
	case wire.Shutdown:
		c.announced = min(fromMilliseconds(frame.Timeout), maxSpread)
	case wire.Closed:
		if m != nil {
			m.end(&Error{Code: Code(frame.Code), Text: frame.Reason})
		}
	default:
		if frame.Ref != 0 {
			c.answer(frame)
		}
	}
}

// answer takes an answer to what it answers.
func (c *Client) answer(frame *wire.Frame) {
	for _, k := range c.calls {
		if k.answeredBy(frame) {
			c.removeCall(k)
			err := refusalIn(frame)
			if err == nil && k.enters != nil {
				err = c.enterAs(k.enters, frame)
			}
			k.result <- callResult{answer: *frame, err: err}
			return
		}
	}
	for _, m := range c.memberships {
		if m.resuming == frame.Ref {
			c.resumed(m, frame)
			return
		}
	}
	if m := c.memberships[frame.Channel]; m != nil && m.answer(frame) {
		return
	}
	// An ack names no channel, and the answer to a switch the one it leads to.
	for _, m := range c.memberships {
		if m.answer(frame) {
			return
		}
	}
	if _, ok := c.forsaken[frame.Ref]; ok {
		delete(c.forsaken, frame.Ref)
		c.letGo()
		return
	}
	if (frame.Type == wire.Created || frame.Type == wire.Joined) && frame.Ref != c.left && !c.awaited(frame) {
		// The call that asked for it has been given up.
		c.push(&wire.Frame{Type: wire.Leave, Channel: frame.Channel})
	}
}

func (k *call) answeredBy(frame *wire.Frame) bool {
	return k.frame.Ref == frame.Ref && (frame.Ref != takeoverRef || k.frame.Channel == frame.Channel)
}

// letGo gives up the connection, so that a membership on it that nobody here
// wants is away, and can be resumed elsewhere. The others come back.
func (c *Client) letGo() {
	if c.link != nil {
		c.link.out.Close(transport.Reason{Code: transport.Idle, Text: "a resume was given up"})
	}
}

// errOtherRole is the error of a resume by a ticket for the other role.
var errOtherRole = ErrForbidden.with("the ticket is for the other role")

// awaited reports whether another call is on its way into the same membership:
// the hub takes a join that its connection repeats for the same one.
func (c *Client) awaited(frame *wire.Frame) bool {
	return slices.ContainsFunc(c.calls, func(k *call) bool {
		return k.written && k.frame.Type == wire.Join && frame.Type == wire.Joined &&
			k.frame.Channel == frame.Channel && k.frame.Username == frame.Username
	})
}

// enterAs checks that an answer makes a member of the role that was asked for: a
// resume may turn out to be of the other one.
func (c *Client) enterAs(m *membership, frame *wire.Frame) error {
	expected := wire.Joined
	if m.role == wire.Master {
		expected = wire.Created
	}
	if frame.Type != expected {
		c.letGo()
		return errOtherRole
	}
	c.enter(m, frame)
	return nil
}

// resumed is the hub's answer to a membership's resume.
func (c *Client) resumed(m *membership, frame *wire.Frame) {
	switch err := refusalIn(frame); {
	case err == nil:
		m.entered(frame, time.Now())
		m.attach()
	case passes(err):
		c.link.out.Close(transport.Reason{Code: transport.Idle, Text: "trying again later"})
	default:
		m.end(asRefusal(err, ErrResumeFailed))
	}
}

// passing are refusals that say nothing about the membership or its requests.
var passing = []error{ErrBusy, ErrShuttingDown, ErrRateLimited}

func passes(err error) bool {
	return slices.ContainsFunc(passing, func(e error) bool { return errors.Is(err, e) })
}
