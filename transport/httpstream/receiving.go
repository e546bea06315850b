package httpstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/lectern-go/lectern/transport"
)

const (
	// firstEventWait is how long the first event of a stream may take. Where it takes longer,
	// something on the way holds streams back.
	firstEventWait = 2 * time.Second
	// brokenStreams is how many streams in a row may bring nothing, or end before their first
	// event, until messages are fetched by polls.
	brokenStreams = 2
	// lastingStream is after how many times as long as a stream may bring nothing it has been a
	// good one.
	lastingStream = 4

	shortestPause = 50 * time.Millisecond
	longestPause  = time.Second
)

var (
	errNoFirstEvent = errors.New("the stream brings no first event")
	errQuietStream  = errors.New("the stream brings nothing")
	errLastEvent    = errors.New("the last event has come")
)

// receive fetches what the server has, by one request after the other, until the connection ends.
func (c *dialled) receive() {
	polls, broken := c.polls, 0
	pause := shortestPause
	for c.goesOn() {
		var some bool
		var err error
		began := time.Now()
		if polls {
			some, err = c.fetch("poll", c.silentFor(), 0)
		} else {
			some, err = c.fetch("stream", c.silentFor(), firstEventWait)
		}
		var refused *RefusedError
		switch {
		case err == errLastEvent:
			return
		case errors.As(err, &refused) && !passes(refused.StatusCode):
			c.gone(lost(err))
			return
		case errors.Is(err, transport.ErrProtocol) || errors.Is(err, transport.ErrMessageTooLarge):
			c.mu.Lock()
			c.refuse(err)
			c.mu.Unlock()
			return
		}
		if some {
			pause = shortestPause
		}
		switch {
		case err == errQuietStream && time.Since(began) < lastingStream*c.silentFor(), !some:
			broken++
		case err == errQuietStream:
			broken = 1 // it is the first after one that was good
		default:
			broken = 0
		}
		if err == errNoFirstEvent || broken >= brokenStreams {
			polls = true
		}
		if err == nil && (polls || some) {
			continue
		}
		if !c.pause(pause) {
			return
		}
		pause = min(2*pause, longestPause)
	}
}

// passes reports whether the status is one that a request may get for a while, from something
// on the way that does not reach the server.
func passes(status int) bool { return status >= 500 || status == http.StatusTooManyRequests }

// goesOn reports whether anything is to be fetched any more.
func (c *dialled) goesOn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readErr == nil
}

// pause waits, for about so long, and reports whether requests are made any more.
func (c *dialled) pause(about time.Duration) bool {
	wait := time.NewTimer(about/2 + rand.N(about))
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-c.requests.Done():
		return false
	}
}

// silentFor is how long a stream, or the answer to a poll, may bring nothing; zero for ever.
func (c *dialled) silentFor() time.Duration {
	if c.opened.ProbeMS <= 0 {
		return 0
	}
	return time.Duration(c.opened.ProbeMS+c.opened.GiveUpMS) * time.Millisecond
}

// fetch makes a request for events, and takes them. some reports that there was an event of the
// server's. The error is nil where the answer has come to its end, and errLastEvent behind the last
// event there will be.
func (c *dialled) fetch(endpoint string, patience, first time.Duration) (some bool, err error) {
	ctx, cancel := context.WithCancelCause(c.requests)
	defer cancel(nil)
	request, err := c.request(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return false, err
	}
	request.Header.Set("Accept", eventStream)
	c.identify(request)
	if first > 0 {
		limit := time.AfterFunc(first, func() { cancel(errNoFirstEvent) })
		defer limit.Stop()
		some, err = c.read(request, patience, cancel, limit)
	} else {
		some, err = c.read(request, patience, cancel, nil)
	}
	if cause := context.Cause(ctx); err != nil && (cause == errNoFirstEvent || cause == errQuietStream) {
		return some, cause
	}
	return some, err
}

// identify says whose request it is, and what has arrived.
func (c *dialled) identify(r *http.Request) {
	c.mu.Lock()
	last := c.last
	c.asked, c.came = time.Now(), 0
	c.mu.Unlock()
	r.Header.Set(ConnectionHeader, c.secret)
	r.Header.Set(lastEventHeader, strconv.FormatUint(last, 10))
}

// read is fetch, where limit is stopped by the first event.
func (c *dialled) read(r *http.Request, patience time.Duration, cancel context.CancelCauseFunc, limit *time.Timer) (some bool, err error) {
	body := &heardBody{conn: c, patience: patience, cancel: cancel}
	body.wait()
	defer body.stop()
	response, err := c.client.Do(r)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return false, c.refused(response)
	}
	if kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); kind != eventStream {
		return false, fmt.Errorf("the answer is not %s", eventStream)
	}
	body.body = response.Body
	events := newEventReader(body, c.options.MaxFrameBytes)
	for {
		e, err := events.next()
		if err == io.EOF {
			return some, nil
		}
		if err != nil {
			return some, err
		}
		if limit != nil {
			limit.Stop()
		}
		some = true
		body.stop() // it is this side that takes its time now
		if err := c.take(e); err != nil {
			return some, err
		}
		body.wait()
	}
}

// refused is why a request was not answered as it should be. It is errLastEvent where the answer
// tells the reason for which the connection has ended.
func (c *dialled) refused(response *http.Response) error {
	answer, _ := io.ReadAll(io.LimitReader(response.Body, maxOpened))
	if f, ok := farewellIn(response, answer); ok {
		c.closedByServer(f)
		return errLastEvent
	}
	return refusal(response.StatusCode, answer)
}

// take does what the event says.
func (c *dialled) take(e received) error {
	switch e.kind {
	case kindProbe:
		c.mu.Lock()
		c.answer = true
		c.changed.Broadcast()
		c.mu.Unlock()
		return nil
	case kindClose:
		f, ok := parseFarewell(e.data)
		if !ok {
			return offence("the last event does not say why the connection is closed")
		}
		c.closedByServer(f)
		return errLastEvent
	}
	message, is, err := e.message()
	if !is || err != nil {
		return err
	}
	c.mu.Lock()
	next := c.last + 1
	c.mu.Unlock()
	switch {
	case e.id < next:
		return nil // it has come before
	case e.id > next:
		return offence(fmt.Sprintf("the event %d comes where %d should", e.id, next))
	case !c.put(e.id, message):
		return errLastEvent
	}
	return nil
}

// Where events come for long, or many of them, the server is told without being asked what has
// arrived: it then knows, also on a slow link, that they are taken.
const (
	tellAfter = 2 * time.Second
	tellBytes = 4 << 10
)

// cameIn is told that so many bytes of events have come.
func (c *dialled) cameIn(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hear()
	if c.came += n; c.came >= tellBytes && time.Since(c.asked) >= tellAfter && !c.posting {
		c.answer = true
		c.changed.Broadcast()
	}
}

// A heardBody is the body of an answer: each byte of it is a sign of life, and the request is
// cancelled where none comes for too long.
type heardBody struct {
	conn     *dialled
	body     io.Reader
	patience time.Duration // none where it is zero
	cancel   context.CancelCauseFunc
	timer    *time.Timer
}

func (b *heardBody) wait() {
	switch {
	case b.patience <= 0:
	case b.timer == nil:
		b.timer = time.AfterFunc(b.patience, func() { b.cancel(errQuietStream) })
	default:
		b.timer.Reset(b.patience)
	}
}

func (b *heardBody) stop() {
	if b.timer != nil {
		b.timer.Stop()
	}
}

func (b *heardBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if n > 0 {
		b.conn.cameIn(n)
		b.wait()
	}
	return n, err
}
