package hub

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

var shutdownReason = transport.Reason{Code: transport.Shutdown, Text: "the hub shuts down"}

// closingPause is the most that Shutdown lets pass between two connections: a
// hub with few of them does not take all the time that it is given.
const closingPause = 10 * time.Millisecond

// Shutdown ends the hub in order. It takes on nothing new: connections, creates,
// joins, resumes and messages are refused with wire.ErrShuttingDown. Every connection
// is told at once, and closed with shutdown once what was accepted for it has
// been sent. The closing is spread over three quarters of the time until ctx's
// deadline, at most 10 ms for each connection, so that not everybody comes back
// elsewhere in one instant; without a deadline it is not spread. Nobody's time
// runs out meanwhile, not that of masters either: the end is shutdown for all.
// Shutdown returns when all of the hub's goroutines are gone.
//
// When ctx is done first, the connections are closed without regard to what
// waits, and the error is the context's. Later calls wait as the first does, and
// their contexts hurry it on in the same way.
//
// Members in this process end with wire.ErrShutdown. Clients elsewhere cannot know
// whether another hub takes the place of this one: after a random part of the
// time over which the closing is spread they go on trying, for as long as a
// master may be away.
func (h *Hub) Shutdown(ctx context.Context) error {
	sessions, first := h.stop()
	gone := make(chan struct{})
	go func() {
		h.goroutines.Wait()
		close(gone)
	}()
	if first {
		h.closeSpread(ctx, sessions)
	}
	select {
	case <-gone:
		h.endChannels()
		return nil
	case <-ctx.Done():
	}
	for _, s := range sessions {
		s.Out().Abort(shutdownReason)
	}
	<-gone
	h.endChannels()
	return ctx.Err()
}

// endChannels is called when nobody is left who could be told anything, and no
// goroutine that delivers: what remains is that the Observer counts right, since
// another hub may share it.
func (h *Hub) endChannels() {
	h.mu.Lock()
	channels := slices.Collect(maps.Values(h.channels))
	clear(h.channels)
	h.mu.Unlock()
	for _, c := range channels {
		c.End()
	}
}

// stop takes on nothing new from now on, and returns the connections there are,
// and whether it is the first to do so.
func (h *Hub) stop() (sessions []*session, first bool) {
	h.mu.Lock()
	first = !h.closing.Swap(true)
	channels := slices.Collect(maps.Values(h.channels))
	sessions = slices.Clone(h.sessions)
	h.mu.Unlock()
	h.idlers.stop()
	for _, c := range channels {
		c.Stop()
	}
	if first {
		for _, s := range sessions {
			s.endWaiting()
		}
		// What was accepted before must be in the outboxes before they close.
		for _, c := range channels {
			c.Flush()
		}
	}
	return sessions, first
}

// closeSpread tells every connection and closes one after the other, in any
// order.
func (h *Hub) closeSpread(ctx context.Context, sessions []*session) {
	var spread time.Duration
	if deadline, ok := ctx.Deadline(); ok {
		spread = min(time.Until(deadline)*3/4, closingPause*time.Duration(len(sessions)))
	}
	spread = max(spread, 0)
	notice := wire.NewPacket(&wire.Frame{Type: wire.Shutdown, Timeout: wire.Milliseconds(spread), HasTimeout: true})
	for _, s := range sessions {
		// The reader settles the form by the first frame; one that has sent
		// nothing yet is only closed.
		if s.hasSeats() {
			s.Say(notice)
		}
	}
	began := time.Now()
	var timer *time.Timer
	for i, s := range sessions {
		if pause := time.Until(began.Add(spread * time.Duration(i) / time.Duration(len(sessions)))); pause > 0 {
			if timer == nil {
				timer = time.NewTimer(pause)
				defer timer.Stop()
			} else {
				timer.Reset(pause)
			}
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		}
		s.Out().Close(shutdownReason)
	}
}

// Close ends the hub at once: like Shutdown, without waiting for what is still
// to be sent. It returns when the hub's goroutines are gone.
func (h *Hub) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
