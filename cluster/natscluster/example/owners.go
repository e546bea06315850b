package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
)

// owners holds the logs of channels against the promise that each has one owner at each position: what it has not
// written itself is a claim or a doubt. What is in a log is the business of hubs alone, so this is no example for a service.
type owners struct {
	engine cluster.Engine
	logs   map[string]*ownedLog
	// changes is how often somebody else has become the owner.
	changes int
}

// ownedLog is how far the log of a channel was looked at, and who owned it there.
type ownedLog struct {
	at    cluster.Position
	hub   cluster.HubID
	epoch uint64
}

// Look reads what is new in the log of the channel, and tells what must not be.
func (o *owners) Look(ctx context.Context, channel string) (wrong []string, err error) {
	key, l := cluster.KeyOf(channel), o.logs[channel]
	if l == nil {
		l = &ownedLog{}
		o.logs[channel] = l
	}
	for ctx.Err() == nil {
		var last cluster.Group
		if last, err = o.engine.LastLinearizable(ctx, key); err == nil {
			for g, failure := range o.engine.Read(ctx, key, cluster.Every, l.at, last.Position) {
				if err = failure; err != nil {
					break // what was read is read
				}
				if what := l.next(o, g); what != "" {
					wrong = append(wrong, fmt.Sprintf("%s at %d: %s", channel, g.Position, what))
				}
			}
		}
		if err == nil {
			return wrong, nil
		}
		sleep(ctx, 200*time.Millisecond)
	}
	return wrong, err
}

// next takes one more group, and tells what is wrong with it.
func (l *ownedLog) next(o *owners, g cluster.Group) (wrong string) {
	h, err := inner.ParseHeader(g.Body)
	switch {
	case err != nil:
		return err.Error()
	case g.After != l.at:
		wrong = fmt.Sprintf("it follows %d, and %d is before it", g.After, l.at)
	case h.Claim == inner.Doubt:
	case h.Claim == inner.Owned && h.Epoch <= l.epoch:
		wrong = fmt.Sprintf("%v claims it in epoch %d, behind epoch %d", h.Hub, h.Epoch, l.epoch)
	case h.Claim == inner.Owned:
		if l.at > 0 && h.Hub != l.hub {
			o.changes++
		}
		l.hub, l.epoch = h.Hub, h.Epoch
	case h.Hub != l.hub || h.Epoch != l.epoch:
		wrong = fmt.Sprintf("%v writes in epoch %d, and %v owns it in epoch %d", h.Hub, h.Epoch, l.hub, l.epoch)
	}
	l.at = g.Position
	return wrong
}
