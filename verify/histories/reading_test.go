package histories

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
)

// This file is who reads: of each handle all events are taken, and recorded with what its user
// sees of the sender's attributes then.

func (h *held) events(ctx context.Context) iter.Seq2[lectern.Event, error] {
	if h.master != nil {
		return h.master.Events(ctx)
	}
	return h.slave.Events(ctx)
}

// view is what the handle sees of the attributes of who has sent a message.
func (h *held) view(of string) map[string]string {
	var values map[string]lectern.Payload
	if h.master != nil {
		values = h.master.AttributesOf(of)
	} else {
		values = h.slave.MasterAttributes()
	}
	view := make(map[string]string, len(values))
	for key, value := range values {
		view[key] = value.Text()
	}
	return view
}

// read takes the events of a handle until it has ended, or everybody goes. Where it is late, it begins
// when nobody does anything else any more, or when the handle has ended.
func (w *world) read(channel string, h *held, late bool) {
	h.texts = make(map[string]bool)
	lane := w.recorder.lane()
	w.reading.Go(func() {
		if late {
			select {
			case <-w.calm:
			case <-h.done():
			}
		}
		for event, err := range h.events(w.open) {
			if err != nil {
				return
			}
			lane.called = w.recorder.clock.Add(1)
			in := input{op: take, channel: channel, handle: h.handle, member: h.member}
			switch event := event.(type) {
			case lectern.Message:
				lane.add(in, output{outcome: ok, got: reading{
					what: said, from: event.From, ofMaster: h.slave != nil, seq: event.Seq, text: event.Text(), topic: event.Topic, private: event.Private,
					asks: event.RequestID != 0, view: h.view(event.From),
				}})
				w.mu.Lock()
				h.texts[event.Text()] = true
				w.news.Broadcast()
				w.mu.Unlock()
			case lectern.Attribute:
				lane.add(in, output{outcome: ok, got: reading{
					what: hasSet, from: event.From, ofMaster: h.slave != nil, seq: event.Seq, key: event.Key, value: event.Value.Text(),
				}})
			case lectern.Knock:
				lane.add(in, output{outcome: ok, got: reading{what: hasKnocked, from: event.Username, seq: event.Number, text: whoKnocks(event), over: event.Over}})
			case lectern.Gap:
				lane.add(in, output{outcome: ok, got: reading{missed: event.Missed}})
			}
		}
	})
}

// lastWords are said when nobody does anything else any more: by all masters, and by all slaves.
// Whoever is there gets them, and sees the attributes of their senders as they are.
func (w *world) lastWords(actors []*actor, channels []string) {
	close(w.calm)
	for _, channel := range channels {
		w.letAllSpeak(actors, channel)
		var holding []*held
		for _, a := range actors {
			h := a.holds[channel]
			if h == nil || h.err() != nil {
				continue
			}
			in := input{op: report, channel: channel, handle: h.handle, member: h.member, text: w.text()}
			if h.master != nil {
				in.op = broadcast
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			out := a.lane.run(in, func() output {
				receipt, err := h.say(ctx, lectern.Text(in.text))
				return sentAs(receipt, err)
			})
			cancel()
			if out.outcome == ok {
				h.last = in.text
				holding = append(holding, h)
			}
		}
		for _, h := range holding {
			for _, other := range holding {
				if (h.master == nil) != (other.master == nil) {
					w.await(h, other.last)
				}
			}
		}
	}
}

// letAllSpeak has masters end that anybody is muted.
func (w *world) letAllSpeak(actors []*actor, channel string) {
	for _, a := range actors {
		if h := a.holds[channel]; h != nil && h.master != nil && h.err() == nil {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			in := input{op: mute, channel: channel, handle: h.handle, member: h.member}
			a.lane.run(in, func() output { return sentAs(lectern.Receipt{}, h.master.UnmuteAll(ctx)) })
			cancel()
		}
	}
}

// await waits until the handle has taken the text, or has ended.
func (w *world) await(h *held, text string) {
	late := time.AfterFunc(patience, func() {
		w.t.Errorf("handle %d never gets %q", h.handle, text)
		w.end()
	})
	defer late.Stop()
	var watching sync.WaitGroup
	over := make(chan struct{})
	watching.Go(func() {
		select {
		case <-h.done():
		case <-w.open.Done():
		case <-over:
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.news.Broadcast()
	})
	w.mu.Lock()
	for !h.texts[text] && h.err() == nil && w.open.Err() == nil {
		w.news.Wait()
	}
	w.mu.Unlock()
	close(over)
	watching.Wait()
}
