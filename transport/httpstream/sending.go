package httpstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/lectern-go/lectern/transport"
)

// send makes one POST after the other, until the connection ends.
func (c *dialled) send() {
	for {
		body, number, ok := c.nextPost()
		if !ok {
			return
		}
		if !c.post(body, number) {
			return
		}
	}
}

// nextPost waits until there is something to send.
func (c *dialled) nextPost() (body []byte, number uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.lines) == 0 && !c.answer {
		if c.requests.Err() != nil || c.settled || c.ending != nil {
			return nil, 0, false
		}
		c.changed.Wait()
	}
	body = c.lines
	c.lines, c.answer = nil, false
	c.number++
	c.posting = true
	c.changed.Broadcast()
	return body, c.number, true
}

// posted is told that the server has taken what was posted.
func (c *dialled) posted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.posting = false
	c.hear()
	if c.goodbye && len(c.lines) == 0 {
		c.said, c.settled = true, true
	}
	c.changed.Broadcast()
}

// post makes one POST, and repeats it until it is answered. It reports false where no other one
// follows.
func (c *dialled) post(body []byte, number uint64) bool {
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		switch err := c.tryPost(body, number); {
		case err == nil:
			c.posted()
			return true
		case err == errLastEvent:
			return false
		case c.requests.Err() != nil:
			return false
		default:
			var refused *RefusedError
			if errors.As(err, &refused) && !passes(refused.StatusCode) {
				c.endsFor(lost(err))
				return false
			}
		}
		if !c.pause(pause) || c.hasFailed() {
			return false
		}
	}
}

// hasFailed reports whether the connection has ended so that nothing need be said any more.
func (c *dialled) hasFailed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settled
}

// tryPost makes a POST once. The error is nil where the server has taken it, now or before, and
// errLastEvent where it has told why the connection ends.
func (c *dialled) tryPost(body []byte, number uint64) error {
	ctx, cancel := c.requests, context.CancelFunc(func() {})
	if limit := c.silentFor(); limit > 0 {
		// An answer that is lost is not waited for; one that the server holds comes by the
		// repetition.
		ctx, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	r, err := c.request(ctx, http.MethodPost, "send", body)
	if err != nil {
		return err
	}
	c.identify(r)
	r.Header.Set(NumberHeader, strconv.FormatUint(number, 10))
	response, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	start, _ := io.ReadAll(io.LimitReader(response.Body, maxOpened))
	switch status := response.StatusCode; {
	case status == http.StatusNoContent || status == http.StatusOK:
		return nil
	case status == http.StatusConflict:
		return c.outOfOrder(start, number)
	default:
		if f, ok := farewellIn(response, start); ok {
			c.endsFor(&transport.CloseError{Reason: f.reason()})
			return errLastEvent
		}
		return refusal(status, start)
	}
}

// outOfOrder is what an answer with the number that the server expects means.
func (c *dialled) outOfOrder(answer []byte, number uint64) error {
	var expected struct {
		Expected uint64 `json:"expected"`
	}
	switch err := json.Unmarshal(answer, &expected); {
	case err == nil && expected.Expected == number+1:
		return nil // it was taken before
	case err == nil && expected.Expected == number:
		return errors.New("the server has given up reading the POST") // and reads its repetition
	}
	return &RefusedError{StatusCode: http.StatusConflict, Text: fmt.Sprintf("it does not expect the POST %d", number)}
}
