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

// link is one connection of a client.
type link struct {
	conn transport.Conn
	out  *outbox.Queue
	// first is the call that was sent with the handshake, until it is answered, or nil. The
	// client's lock guards it.
	first *firstSent
}

// These bound what a client queues for writing. The windows of its memberships keep it far
// below that. The bounds are there so that there is nothing without a bound.
const (
	maxUnwrittenMessages = 1 << 16
	maxUnwrittenBytes    = 256 << 20
)

// maxSpread bounds the time that a hub may announce for the return of its clients.
const maxSpread = 10 * time.Minute

// stableAfter is how long a connection must have lasted so that the backoff begins anew
// after its loss.
const stableAfter = 10 * time.Second

// run keeps the client connected for as long as there are memberships or calls.
func (c *Client) run() {
	defer c.goroutines.Done()
	failures := 0
	// spread is the time over which a hub that shuts down closes its connections.
	var spread time.Duration
	for c.needed() {
		if failures > 0 && !c.hubIsOver() && !c.pause(failures, spread) {
			continue // the client was closed meanwhile
		}
		began := time.Now()
		err := c.connectAndServe()
		spread = c.takeAnnouncedSpread(err)
		if time.Since(began) >= stableAfter {
			failures = 0
		}
		failures++
		if c.ctx.Err() == nil { // else it is the user who has ended it
			c.options.Logger.Info("connection to the hub lost", "error", err)
		}
	}
}

// needed reports whether the client must be connected. If it returns false, run must end:
// running is false then.
func (c *Client) needed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = !c.closed && len(c.memberships)+len(c.calls) > 0
	return c.running
}

// hubIsOver reports whether it is known that the hub has shut down for good.
func (c *Client) hubIsOver() bool { return c.options.HubIsOver != nil && c.options.HubIsOver() }

// pause waits before the client dials again. The wait is a random part of a limit, so that
// not all clients of a hub come back in one instant. The limit doubles with each failure,
// between MinBackoff and MaxBackoff. After a shutdown the limit is at least the spread
// that the hub has announced. pause returns false where the client was closed.
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

// takeAnnouncedSpread returns the spread that the hub has announced, if the connection has
// ended because the hub shuts down. Otherwise it returns zero.
func (c *Client) takeAnnouncedSpread(err error) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	announced := c.announcedSpread
	c.announcedSpread = 0
	var closed *transport.CloseError
	if errors.As(err, &closed) && closed.Reason.Code == transport.Shutdown {
		return announced
	}
	return 0
}

// connectAndServe dials, resumes the memberships, and reads until the connection has
// ended.
func (c *Client) connectAndServe() error {
	if err := c.freshTokens(); err != nil {
		return err
	}
	conn, sent, err := c.dial()
	if err != nil {
		c.onDialFailed(err)
		return err
	}
	c.options.Logger.Debug("connected to the hub")
	l := &link{conn: conn, out: outbox.New(conn, &c.outboxLimits)}
	c.onConnected(l, sent)
	err = c.read(l)
	c.onDisconnected(err, l.out.TimedOut())
	// The connection may end because of a frame that could not be decoded. The
	// memberships must go on then, so the reason is never transport.Left.
	l.out.Abort(transport.Reason{Code: transport.ProtocolError, Text: "what came is not Lectern's protocol"})
	l.out.Wait()
	return err
}

// dial connects. Where the dialer can, it sends the first call with the handshake. It
// returns the call that was sent, or nil.
func (c *Client) dial() (conn transport.Conn, sent *call, err error) {
	dialer, able := c.dialer.(transport.FirstDialer)
	withToken, _ := c.dialer.(transport.FirstTokenDialer)
	var first *call
	if able {
		first = c.firstCall(withToken != nil && withToken.FirstMayHoldToken())
	}
	if first == nil {
		ctx, cancel := context.WithTimeout(c.ctx, c.options.DialTimeout)
		defer cancel()
		conn, err = c.dialer.Dial(ctx)
		return conn, nil, err
	}
	// The hub may have carried out the call before the handshake ends. So a client that is
	// closed meanwhile waits for the connection, and leaves on it.
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

// leaveWait is how long a client that is being closed waits for a connection on which it
// may have entered a channel already.
const leaveWait = time.Second

// onDialFailed ends all calls. Where the error is net.ErrClosed, the dialer can never
// connect again, and all memberships end.
func (c *Client) onDialFailed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.madeProgress()
	err = fmt.Errorf("dialling: %w", err)
	c.failCalls(err, true)
	c.failWaiting(err)
	if errors.Is(err, net.ErrClosed) {
		c.endAll(wire.ErrShutdown)
	}
}

// onConnected starts to use a new connection. It resumes every membership, and sends every
// call that waited for a connection. sent is the call that was sent with the handshake
// already, or nil.
func (c *Client) onConnected(l *link, sent *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		l.out.Close(transport.Reason{Code: transport.Left})
		return
	}
	c.link = l
	for _, m := range c.memberships {
		if !m.repeatSwitch() {
			m.resume()
		}
	}
	for _, k := range slices.Clone(c.calls) {
		k.along = false
		switch {
		case k == sent:
			c.wrote(k)
			c.awaitFirst(l, k)
		case k.behind != nil:
		case k.givenUp && k.writes == 0:
			// It did not go along, so there is nothing to undo.
			c.removeCall(k)
			k.release()
		default:
			c.writeCall(k)
		}
	}
}

// onDisconnected ends the calls that were on the connection, and tells the memberships
// that the connection is lost. err is why it has ended. tooSlow: this side has closed it,
// because the hub did not take what was written.
func (c *Client) onDisconnected(err error, tooSlow bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != nil {
		c.stopFirst(c.link)
	}
	defer c.madeProgress()
	c.link, c.unstored = nil, nil
	c.finishOnLink()
	if c.closed {
		return
	}
	var closed *transport.CloseError
	if errors.As(err, &closed) && closed.Reason.Code.Final() {
		c.endAll(&wire.Cause{Code: wire.Code(closed.Reason.Code.String()), Text: closed.Reason.Text})
		// A hub that closes a connection with such a reason has answered before
		// everything that it has carried out. So calls without an answer can be sent
		// again.
		for _, k := range c.calls {
			k.written = false
		}
	}
	// The hub closes with Unauthorized because of one membership. The calls are not about it.
	c.repeatCalls(closed == nil || closed.Reason.Code == transport.Unauthorized)
	c.failCalls(fmt.Errorf("connection lost: %w", err), false)
	if closed != nil && closed.Reason.Code == transport.TooLarge {
		c.failLargest()
	}
	if tooSlow || closed != nil && closed.Reason.Code == transport.Slow {
		c.blameSlow()
	}
	now := time.Now()
	for _, m := range c.memberships {
		m.onDisconnected(now)
	}
}
