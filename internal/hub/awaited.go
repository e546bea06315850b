package hub

import (
	"context"
	"time"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is how who waits for a channel hears of it where it is created at another hub. As long as somebody waits,
// the hub hears what is written to the channel's log, and looks from time to time, since that may be missed.

// lookAgainAfter is the pause between such looks.
const lookAgainAfter = 3 * time.Second

// await has the hub hear of the channel, which somebody waits for.
func (cl *clustered) await(name string) {
	cl.mu.Lock()
	if _, known := cl.awaited[name]; known || cl.left {
		cl.mu.Unlock()
		return
	}
	if cl.awaited == nil {
		cl.awaited = make(map[string]func())
	}
	cl.awaited[name] = func() {} // until it is heard of
	cl.mu.Unlock()
	stop, err := cl.engine.Tail(cluster.KeyOf(name), func(cluster.Group) { cl.appeared(name) })
	if err != nil {
		cl.hub.config.Logger.Warn("channel that is waited for cannot be heard of", "channel", name, "error", err)
		return
	}
	cl.mu.Lock()
	_, still := cl.awaited[name]
	if still {
		cl.awaited[name] = stop
	}
	cl.mu.Unlock()
	if !still {
		stop()
	}
}

// appeared looks for a channel that is waited for, and has those who wait enter it. It does not wait.
func (cl *clustered) appeared(name string) {
	if !cl.hub.acquire() {
		return
	}
	go func() {
		defer cl.hub.goroutines.Done()
		ctx, cancel := context.WithTimeout(cl.writing, findTimeout)
		defer cancel()
		for {
			c, err := cl.hub.find(ctx, name)
			if err != nil || c == nil {
				return
			}
			if e := cl.edgeOf(ctx, c); e != nil {
				e.letWaitersIn(time.Now())
				return
			}
			// This hub's own lets them in when it is created, but not where it has become that since.
			if ctx.Err() != nil || c.Decide(func(rules *star.Channel, now time.Time) {
				if rules.Exists() {
					cl.hub.letWaitersIn(c, rules, now)
				}
			}) {
				return
			}
			if cl.isOver(c) {
				return // there may be another one soon, which is looked for then
			}
		}
	}()
}

// letWaitersIn has those who have waited for the channel join it, in their order.
func (e *edge) letWaitersIn(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return
	}
	arrived := e.hub.waits.arrived(e.channel, now, func(w *wait) {
		w.seat.Init(&w.session.Line, e.channel)
		w.seat.Stand(w.username)
	})
	for _, w := range arrived {
		frame := &wire.Frame{Type: wire.Join, Channel: w.channel, Ref: w.entry.Ref, Username: w.username, Expect: w.expect}
		if err := e.callFor(w.seat, &call{op: opJoin, frame: frame, entry: w.entry}, w.entry.Secret.Text); err != nil {
			e.channel.Emit([]star.Effect{{Kind: star.Refuse, To: &w.seat.Attachment, End: asRefusal(err, wire.ErrBusy)}})
		}
	}
}

// endAwaiting forgets what nobody waits for any more, or everything, and where it is time, looks for the others.
func (cl *clustered) endAwaiting(all, look bool) {
	var stops []func()
	cl.mu.Lock()
	for name, stop := range cl.awaited {
		switch {
		case all || !cl.hub.waits.any(name):
			delete(cl.awaited, name)
			stops = append(stops, stop)
		case look:
			defer cl.appeared(name)
		}
	}
	cl.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
}
