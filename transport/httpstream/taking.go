package httpstream

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lectern-go/lectern/transport"
)

// errBodyEnded is the error of a body that did not come to its end, for which the client is not
// to blame: it repeats the POST.
var errBodyEnded = errors.New("the body has not come to its end")

// errBodyTooLarge is that of a body that no messages fill.
var errBodyTooLarge = fmt.Errorf("%w: the body of a POST is larger than any messages are", transport.ErrMessageTooLarge)

// isFailure reports whether the error is what the client has done wrong, for which the connection
// ends.
func isFailure(err error) bool {
	return errors.Is(err, transport.ErrProtocol) || errors.Is(err, transport.ErrMessageTooLarge) ||
		errors.Is(err, transport.ErrSlow) || errors.Is(err, transport.ErrFlood)
}

// run takes the POST whose turn it is, and gives the turn back. news reports that it has brought
// something beside its lines. The error is nil where the client
// has done its part, whatever the server makes of it.
func (c *conn) run(p *post, news bool) (err error) {
	complete, left := false, false
	c.lend(p.ctx)
	defer func() {
		p.watch.done()
		p.ctx, p.body = nil, nil
		c.takeBack()
		if !left { // the server's code has panicked, or ended the goroutine
			c.tell(internalError)
			c.endReading(errPanicked)
		}
		c.finish(complete)
	}()
	c.mu.Lock()
	news = news || c.probed
	c.probed = false
	c.mu.Unlock()
	empty, err := c.deliver(p)
	left = true
	if err == nil && empty && !news && !c.mayDoNothing() {
		err = transport.ErrFlood
	}
	c.handler.heard(c)
	c.keepUp()
	var closed *transport.CloseError
	switch {
	case err == nil:
		complete = true
	case err == errBodyEnded:
	case isFailure(err):
		c.fail(err)
	case errors.As(err, &closed):
		c.mu.Lock()
		c.left = true
		c.mu.Unlock()
		c.endReading(err)
		return nil
	default:
		c.endReading(err)
	}
	return err
}

// keepUp sees to it that a stream on which nothing has been written for a while brings something, so
// that the client does not take it for broken: where it sends, it is not asked for a sign of life.
func (c *conn) keepUp() {
	o := &c.handler.options
	c.mu.Lock()
	if o.ProbeAfter > 0 && time.Since(c.wrote) >= min(o.ProbeAfter/4, o.GiveUp/2) {
		c.ask()
	}
	c.pump()
}

// mayDoNothing is asked for each POST that brings nothing, and reports false where there are too
// many of them.
func (c *conn) mayDoNothing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.controls.Take(time.Now())
}

// fetches is told from where on a GET asks for messages, and reports false where that brings nothing
// new too often.
func (c *conn) fetches(last uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	news := last > c.fetched
	c.fetched = max(last, c.fetched)
	return news || c.controls.Take(time.Now())
}

// deliver takes all lines of the POST whose turn it is. empty reports that there was none. Every
// error but errBodyEnded ends the connection.
func (c *conn) deliver(p *post) (empty bool, err error) {
	lines := newLineReader(p, maxBody(c.handler.options.MaxFrameBytes))
	defer lines.release()
	for count := 0; ; count++ {
		l, err := lines.next(c.lineLimit())
		p.watch.rest()
		switch {
		case err == io.EOF:
			c.pause()
			return count == 0, nil
		case isFailure(err):
			return false, err
		case err != nil:
			return false, errBodyEnded
		}
		c.mu.Lock()
		taken, err := count < c.lines, c.readErr
		c.mu.Unlock()
		switch {
		case err != nil:
			return false, err
		case taken: // by the same POST before
			continue
		case l.closing != nil:
			return false, closedBy(*l.closing, lines)
		}
		if err := c.receive(l.message); err != nil {
			return false, err
		}
		c.mu.Lock()
		c.lines = count + 1
		c.mu.Unlock()
	}
}

// closedBy is the error of a POST whose line closes the connection.
func closedBy(f farewell, lines *lineReader) error {
	switch _, err := lines.next(0); {
	case err == io.EOF:
		return &transport.CloseError{Reason: f.reason()}
	case err == nil || errors.Is(err, transport.ErrProtocol) || errors.Is(err, transport.ErrMessageTooLarge):
		return offence("a line follows the one that closes the connection")
	}
	return errBodyEnded
}

// receive gives a message to the server.
func (c *conn) receive(message []byte) error {
	if c.inbox != nil {
		return c.put(message)
	}
	return c.receiver.Receive(message)
}

// pause is called by a POST before it waits for its body, and at its end.
func (c *conn) pause() {
	if c.inbox == nil {
		c.receiver.Pause()
	}
}
