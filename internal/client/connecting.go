package client

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

// hubIsOver reports whether the hub is known to shut down for good.
func (c *Client) hubIsOver() bool { return c.options.HubIsOver != nil && c.options.HubIsOver() }

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

// dialFailed tells those who wait for a connection. A dialer that says it leads
// nowhere any more ends everything.
func (c *Client) dialFailed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failCalls(fmt.Errorf("dialling: %w", err), true)
	if errors.Is(err, net.ErrClosed) {
		c.endAll(wire.ErrShutdown)
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
		c.endAll(&wire.Cause{Code: wire.Code(closed.Reason.Code.String()), Text: closed.Reason.Text})
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
