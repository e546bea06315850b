package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

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

// run keeps the client connected for as long as there are memberships or calls. failures is how
// many connections in a row have failed before, and limit bounds the pause before the first one.
func (c *Client) run(failures int, limit time.Duration) {
	defer c.goroutines.Done()
	for c.needed() {
		if limit > 0 && !c.hubIsOver() && !c.pause(limit) {
			continue // the client was closed meanwhile
		}
		began := time.Now()
		l, err := c.connect(began, failures)
		if err == nil {
			err = c.serve(l)
			if c.isHandedOn(l) {
				c.options.Logger.Debug("connection to a hub that shuts down ended", "error", err)
				return
			}
		}
		if time.Since(began) >= stableAfter || c.wasStopped(l) {
			failures = 0
		}
		failures++
		limit = c.backoff(failures, c.announcedSpread(l, err))
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

// backoff bounds the pause before the client dials again. It doubles with each failure, between
// MinBackoff and MaxBackoff. Where a hub shuts down it is at least the spread that the hub has
// announced.
func (c *Client) backoff(failures int, spread time.Duration) time.Duration {
	limit := c.options.MaxBackoff
	if shift := failures - 1; shift < 16 {
		limit = min(limit, c.options.MinBackoff<<shift)
	}
	return max(limit, spread)
}

// pause waits for a random part of the limit, so that not all clients of a hub come back in one
// instant. It returns false where the client was closed.
func (c *Client) pause(limit time.Duration) bool {
	timer := time.NewTimer(rand.N(limit))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// connect dials, and asks on the new connection for the memberships.
func (c *Client) connect(began time.Time, failures int) (*link, error) {
	if err := c.freshTokens(); err != nil {
		return nil, err
	}
	place := -1
	conn, sent, err := c.dial(&place)
	if err != nil {
		c.onDialFailed(err)
		return nil, err
	}
	c.options.Logger.Debug("connected to the hub")
	l := &link{conn: conn, out: outbox.New(conn, &c.outboxLimits), began: began, failures: failures, place: place}
	c.onConnected(l, sent)
	return l, nil
}

// serve reads from the connection until it has ended.
func (c *Client) serve(l *link) error {
	err := c.read(l)
	c.onDisconnected(l, err, l.out.TimedOut())
	// The connection may end because of a frame that could not be decoded. The
	// memberships must go on then, so the reason is never transport.Left.
	l.out.Abort(transport.Reason{Code: transport.ProtocolError, Text: "what came is not Lectern's protocol"})
	l.out.Wait()
	return err
}

// dial connects. Where the dialer can, it sends the first call with the handshake. It
// returns the call that was sent, or nil. place is as in transport.WithPlace.
func (c *Client) dial(place *int) (conn transport.Conn, sent *call, err error) {
	dialer, able := c.dialer.(transport.FirstDialer)
	withToken, _ := c.dialer.(transport.FirstTokenDialer)
	var first *call
	if able {
		first = c.firstCall(withToken != nil && withToken.FirstMayHoldToken())
	}
	if first == nil {
		ctx, cancel := context.WithTimeout(c.ctx, c.options.DialTimeout)
		defer cancel()
		conn, err = c.dialer.Dial(transport.WithPlace(ctx, place))
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
	conn, along, err := dialer.DialFirst(transport.WithPlace(ctx, place), wire.Append(nil, wire.Binary, &first.frame))
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

// onDialFailed ends the calls that wait for a connection, unless another hub may take the place
// of one that shuts down, or they are patient. Where the error is net.ErrClosed, the dialer can never
// connect again, and all memberships end that have no connection.
func (c *Client) onDialFailed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.madeProgress()
	over := errors.Is(err, net.ErrClosed)
	if !over && len(c.links) > 0 {
		return
	}
	another := !over && !c.hubIsOver() // may come
	stopped := another && c.isOfShutdown(err)
	err = fmt.Errorf("dialling: %w", err)
	for _, k := range c.calls {
		k.renewed = k.renewed && !k.along // a hub may have read it all the same, so the next one is later
	}
	c.failCalls(err, func(k *call) bool {
		return k.link == nil && !(stopped && k.awaitsHub()) && !(another && k.isPatient())
	})
	if stopped || len(c.links) > 0 {
		return
	}
	c.failWaiting(err)
	if over {
		c.endAll(wire.ErrShutdown)
	}
}

// onConnected starts to use a new connection. It resumes every membership there, and sends every
// call that waited for a connection. sent is the call that was sent with the handshake
// already, or nil.
func (c *Client) onConnected(l *link, sent *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		l.out.Close(transport.Reason{Code: transport.Left})
		return
	}
	c.link, c.links = l, append(c.links, l)
	c.bringAll()
	c.writeCalls(sent)
}

// onDisconnected ends the calls that were on the connection, and tells its memberships that it
// is lost, unless there is a newer one, on which they are resumed. err is why it has ended.
// tooSlow: this side has closed it, because the hub did not take what was written.
func (c *Client) onDisconnected(l *link, err error, tooSlow bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.madeProgress()
	c.stopFirst(l)
	c.forget(l)
	l.finishEntries()
	if c.closed {
		return
	}
	var closed *transport.CloseError
	if errors.As(err, &closed) && closed.Reason.Code.Final() {
		c.endOn(l, &wire.Cause{Code: wire.Code(closed.Reason.Code.String()), Text: closed.Reason.Text})
		// A hub that closes a connection with such a reason has answered before
		// everything that it has carried out. So calls without an answer can be sent
		// again.
		for _, k := range c.calls {
			if k.link == l {
				k.link = nil
			}
		}
	}
	// The hub closes with Unauthorized because of one membership. The calls are not about it.
	// After Shutdown there may be another hub.
	shutdown := closed != nil && closed.Reason.Code == transport.Shutdown && !c.hubIsOver()
	c.repeatCalls(l, closed == nil || shutdown || closed.Reason.Code == transport.Unauthorized, shutdown)
	c.failCalls(fmt.Errorf("connection lost: %w", err), func(k *call) bool { return k.link == l })
	if closed != nil && closed.Reason.Code == transport.TooLarge {
		c.failLargest(l)
	}
	if tooSlow || closed != nil && closed.Reason.Code == transport.Slow {
		c.blameSlow(l)
	}
	now := time.Now()
	for _, m := range c.memberships {
		m.onLinkEnded(l, now)
	}
	c.bringAll()
	c.writeCalls(nil)
	c.startMoving()
}
