package httpstream

import (
	"net/http"
	"strconv"
	"time"
)

// poll is GET poll: an answer with all that waits, or with nothing after a while.
func (h *handler) poll(w http.ResponseWriter, r *http.Request) {
	c, last := h.findForEvents(w, r)
	if c == nil {
		return
	}
	s := newHeldStream(c, http.NewResponseController(w))
	s.poll = true
	if c.attach(s, last) != nil {
		c.answerOver(w, r)
		return
	}
	defer c.detach(s)
	defer s.release(time.Time{})
	_ = s.write.SetWriteDeadline(time.Time{})
	patience := h.options.ProbeAfter
	if patience <= 0 {
		patience = longestPoll
	}
	patient := time.NewTimer(patience)
	defer patient.Stop()
	answer, over := c.takeAnswer(&s.carriage)
	for waits := true; len(answer) == 0 && !over && waits; {
		select {
		case <-s.wakes:
			answer, over = c.takeAnswer(&s.carriage)
		case <-patient.C:
			waits = false
		case <-r.Context().Done():
			return
		}
	}
	if len(answer) == 0 {
		answer, over = []byte(nothingYet), false
	}
	header := w.Header()
	header.Set("Content-Type", eventStream)
	header.Set("Content-Length", strconv.Itoa(len(answer)))
	if s.writeOut(w, answer) != nil {
		return
	}
	c.written(&s.carriage, over, false)
}

// longestPoll is how long a poll waits where no client is probed.
const longestPoll = 10 * time.Second

// takeAnswer takes all that waits, up to a bound, and a message at least: whole events.
func (c *conn) takeAnswer(of *carriage) (answer []byte, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if of.finished {
		return nil, true
	}
	size, id := 0, of.id+1
	for ; id <= c.window.last(); id++ {
		next := eventSize(id, c.window.message(id))
		if size > 0 && size+next > mostAtOnce {
			break
		}
		size += next
	}
	if c.farewell != nil && id > c.window.last() {
		size += len(closeEvent(*c.farewell))
	}
	if size == 0 {
		return nil, false
	}
	return c.fill(of, make([]byte, 0, size))
}
