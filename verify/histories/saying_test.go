package histories

import (
	"context"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// This file is what members say and set, and how a connection is cut.

// pairs are attributes with which some enter.
func (a *actor) pairs() (pairs []pair) {
	for _, key := range keys {
		if a.rng.IntN(4) == 0 {
			pairs = append(pairs, pair{key, a.w.text()})
		}
	}
	return pairs
}

func payloads(pairs []pair) map[string]lectern.Payload {
	values := make(map[string]lectern.Payload)
	for _, p := range pairs {
		values[p.key] = lectern.Text(p.value)
	}
	return values
}

// set changes an attribute.
func (a *actor) set(channel string, h *held) {
	ctx, done := a.impatient()
	defer done()
	p := pair{key: keys[a.rng.IntN(len(keys))]}
	if a.rng.IntN(3) > 0 {
		p.value = a.w.text()
	}
	in := input{op: set, channel: channel, handle: h.handle, member: h.member, pairs: []pair{p}}
	a.operate(channel, in, func() (lectern.Receipt, error) { return lectern.Receipt{}, h.set(ctx, p) })
}

// compose gives a message a text, and makes some expire soon. They take a number as any other
// does; what could not be sent in time is refused, and takes none.
func (a *actor) compose(in *input) (options []lectern.SendOption) {
	in.text = a.w.text()
	if a.rng.IntN(3) == 0 {
		in.expires = true
		options = append(options, lectern.WithExpiry(time.Duration(1+a.rng.IntN(20))*time.Millisecond))
	}
	if a.rng.IntN(2) == 0 {
		in.topic = "topic of " + in.text
		options = append(options, lectern.WithTopic(in.topic))
	}
	return options
}

func (h *held) say(ctx context.Context, payload lectern.Payload, options ...lectern.SendOption) (lectern.Receipt, error) {
	if h.master != nil {
		return h.master.Broadcast(ctx, payload, options...)
	}
	return h.slave.Send(ctx, payload, options...)
}

func (h *held) set(ctx context.Context, p pair) error {
	switch {
	case h.master != nil && p.value == "":
		return h.master.DeleteAttribute(ctx, p.key)
	case h.master != nil:
		return h.master.SetAttribute(ctx, p.key, lectern.Text(p.value))
	case p.value == "":
		return h.slave.DeleteAttribute(ctx, p.key)
	}
	return h.slave.SetAttribute(ctx, p.key, lectern.Text(p.value))
}

func sentAs(receipt lectern.Receipt, err error) output {
	out := output{outcome: outcomeOf(err)}
	switch out.outcome {
	case outcome(lectern.ErrResumeFailed.Code):
		out.outcome = ended // what it has come back to is over
	case ok:
		out.seq, out.slaves = receipt.Seq, receipt.Slaves
	}
	return out
}

// plug is a dialer whose connection can be cut.
type plug struct {
	transport.Dialer
	mu     sync.Mutex
	latest transport.Conn
}

func (p *plug) Dial(ctx context.Context) (transport.Conn, error) {
	conn, err := p.Dialer.Dial(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest = conn
	return conn, err
}

func (p *plug) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.latest != nil {
		_ = p.latest.Close(transport.Reason{Code: transport.ProtocolError})
	}
}

// cut breaks the connection that the actor has in all quiet channels. It comes back by itself.
func (a *actor) cut(channel string) {
	c := a.clients[channel]
	for name, other := range a.clients {
		if other == c {
			a.settle(name, false)
		}
	}
	for name, h := range a.holds {
		if a.clients[name] != c || h.err() != nil {
			continue
		}
		h.cut = true
		a.lane.called = a.w.recorder.clock.Add(1)
		a.lane.follow(input{op: letGo, channel: name, handle: h.handle, member: h.member})
		a.lane.follow(input{op: comeBack, channel: name, handle: h.handle, member: h.member, slave: h.slave != nil})
	}
	a.w.mu.Lock()
	p := a.w.plugs[c]
	a.w.mu.Unlock()
	p.cut()
}
