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

// closingPause is the longest pause of Shutdown between closing two connections. So a
// hub with few connections does not use all the time that it has.
const closingPause = 10 * time.Millisecond

// Shutdown ends the hub in order. From now on connections, creates, joins, resumes and
// messages are refused with wire.ErrShuttingDown. Every connection is told at once. Then
// it is closed with shutdown, after what was accepted for it has been sent. The closing
// is spread over three quarters of the time until ctx's deadline, with at most 10 ms for
// each connection, so that not all clients connect elsewhere in one instant. Without a
// deadline it is not spread. In a cluster clients have two thirds of that for their moving, and a second
// or a quarter of what is left behind it; who is left then is closed over the last third. Meanwhile no deadline of a member expires, not even a
// master's: all members end with shutdown. Shutdown returns when all of the hub's
// goroutines have ended.
//
// When ctx is done first, the connections are closed at once, what waits is dropped, and
// the error is the context's. Later calls wait as the first call does, and the end of
// their contexts has the same effect.
//
// Members in this process end with wire.ErrShutdown. Clients elsewhere cannot know
// whether another hub takes the place of this one. They wait for a random part of the
// time over which the closing is spread, and then connect once more, to move before this
// hub closes their connections. After that they try for as long as a master may be away.
func (h *Hub) Shutdown(ctx context.Context) error {
	sessions, first := h.stop(ctx)
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
		h.retire()
		return nil
	case <-ctx.Done():
		defer h.hurry()()
	}
	for _, s := range sessions {
		s.Out().Abort(shutdownReason)
	}
	<-gone
	h.retire()
	return ctx.Err()
}

// stop makes the hub refuse everything new. It returns the sessions that there are, and
// whether this was the first call.
func (h *Hub) stop(ctx context.Context) (sessions []*session, first bool) {
	h.mu.Lock()
	if first = !h.closing.Swap(true); first {
		h.stopped = time.Now()
	}
	channels := slices.Collect(maps.Values(h.channels))
	sessions = slices.Clone(h.sessions)
	h.mu.Unlock()
	if first && h.clustered != nil {
		h.clustered.begin(len(sessions))
	}
	h.idlers.stop()
	for _, w := range h.waits.stop() {
		w.refuse(wire.ErrShuttingDown)
	}
	for _, c := range channels {
		c.Stop()
	}
	if first {
		h.close()
		for _, s := range sessions {
			s.endWait()
		}
		// What was accepted before must be in the outboxes before those close.
		for _, c := range channels {
			_ = c.Flush(ctx) // where it ends first, what waits is dropped
		}
	}
	return sessions, first
}

// closeSpread tells every connection at once, and then closes one after the other, in
// any order.
func (h *Hub) closeSpread(ctx context.Context, sessions []*session) {
	var spread time.Duration
	if deadline, ok := ctx.Deadline(); ok {
		spread = min(time.Until(deadline)*3/4, closingPause*time.Duration(len(sessions)))
	}
	spread = max(spread, 0)
	moving := spread
	if h.clustered != nil {
		moving = spread * 2 / 3
	}
	notice := wire.NewPacket(&wire.Frame{Type: wire.Shutdown, Timeout: wire.Milliseconds(moving), HasTimeout: true})
	for _, s := range sessions {
		// The form is known from the first frame. A connection that has sent nothing
		// yet is only closed.
		if s.hasSeats() {
			s.PushAndFlush(notice)
		}
	}
	if h.clustered != nil {
		if sessions = h.letMove(ctx, moving); len(sessions) == 0 {
			return
		}
		spread -= moving
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
		s.CloseWhenDrained(shutdownReason)
	}
}

// movingGrace is how long a connection is kept, at most, for a client that is on its way to another hub.
const movingGrace = time.Second

// letMove keeps the connections while clients move to other hubs of the cluster, which they begin within so much time, and returns
// those that are left: a member whose connection is closed before it is elsewhere is away for others.
func (h *Hub) letMove(ctx context.Context, within time.Duration) []*session {
	grace := movingGrace
	if deadline, ok := ctx.Deadline(); ok {
		grace = min(grace, max(time.Until(deadline)-within, 0)/4)
	}
	timer := time.NewTimer(within + grace)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.clustered.emptied:
	case <-ctx.Done():
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.sessions)
}

// Close ends the hub at once. It is Shutdown without sending what waits. It returns when
// the hub's goroutines have ended.
func (h *Hub) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
