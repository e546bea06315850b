package histories

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// TestTeethOnRealHistories turns over one thing at a time of what was recorded. Some of what can
// be turned over may have been so; but of each kind much is noticed.
func TestTeethOnRealHistories(t *testing.T) {
	kinds := turns()
	missing := func() (names []string) {
		for _, kind := range kinds {
			if kind.noticed == 0 {
				names = append(names, kind.name)
			}
		}
		return names
	}
	// Not every history has all of it.
	for seed := uint64(1); seed <= 50 && (seed == 1 || len(missing()) > 0); seed++ {
		hub := newHubs(t)
		dialer, disconnect := overMemory(t, hub)
		w := newWorld(t, hub, dialer)
		w.play(seed, 6, 25)
		history := w.recorder.finish()
		w.close()
		disconnect()
		require.NoError(t, hub.Close())
		judge(t, seed, history)
		for _, kind := range kinds {
			kind.turnAll(history)
		}
	}
	for _, kind := range kinds {
		t.Logf("%s: %d of %d were noticed", kind.name, kind.noticed, kind.turned)
		if kind.always {
			require.Equal(t, kind.turned, kind.noticed, kind.name)
		}
	}
	require.Empty(t, missing(), "of these nothing was noticed")
}

// turning is something that is turned over.
type turning struct {
	name string
	of   func(input, output) bool
	turn func(*output)
	// into is what it is turned into, where that is another reading of the same history: by the handle
	// and key, what was taken before it.
	into func(out *output, before reading)
	// always: each one is noticed.
	always          bool
	turned, noticed int
}

func turns() []*turning {
	sent := func(in input, out output) bool {
		return (in.op == broadcast || in.op == tell || in.op == report) && out.outcome == ok
	}
	message := func(in input, out output) bool { return in.op == take && out.got.what == said }
	change := func(in input, out output) bool { return in.op == take && out.got.what == hasSet }
	heard := func(in input, out output) bool { return in.op == hear }
	sees := func(in input, out output) bool { return message(in, out) && len(out.got.view) > 0 }
	knocks := func(in input, out output) bool {
		return in.op == take && out.got.what == hasKnocked && out.got.text != ""
	}
	did := func(op operation, how outcome) func(input, output) bool {
		return func(in input, out output) bool { return in.op == op && out.outcome == how }
	}
	becomes := func(how outcome) func(*output) { return func(out *output) { *out = output{outcome: how} } }
	return []*turning{
		{name: "another number", of: sent, turn: func(out *output) { out.seq++ }},
		{name: "one receiver more", of: sent, turn: func(out *output) { out.slaves++ }},
		{name: "one receiver less", of: func(in input, out output) bool { return sent(in, out) && out.slaves > 0 }, turn: func(out *output) { out.slaves-- }},
		{name: "another text", of: message, turn: func(out *output) { out.got.text += "?" }, always: true},
		{name: "another number of a message", of: message, turn: func(out *output) { out.got.seq++ }, always: true},
		{name: "another topic", of: message, turn: func(out *output) { out.got.topic += "?" }, always: true},
		{name: "another sender", of: message, turn: func(out *output) { out.got.from += "?" }, always: true},
		{name: "to others too, or not", of: func(in input, out output) bool { return message(in, out) && out.got.ofMaster },
			turn: func(out *output) { out.got.private = !out.got.private }, always: true},
		{name: "a message that never came", of: message, turn: func(out *output) { out.got = reading{} }},
		{name: "another value", of: change, turn: func(out *output) { out.got.value += "?" }, always: true},
		{name: "another number of a change", of: change, turn: func(out *output) { out.got.seq++ }},
		{name: "another member's value", of: change, turn: func(out *output) { out.got.from += "?" }, always: true},
		{name: "a change that never came", of: change, turn: func(out *output) { out.got = reading{} }},
		{name: "a value that comes back", of: change, into: func(out *output, before reading) { out.got = before }, always: true},
		{name: "another answer", of: heard, turn: func(out *output) { out.got.text += "?" }, always: true},
		{name: "a no for a yes, or the other way", of: heard, turn: func(out *output) { out.got.declined = !out.got.declined }, always: true},
		{name: "an answer that was refused", of: func(in input, out output) bool { return in.op == reply && out.outcome == ok },
			turn: func(out *output) { *out = output{outcome: "no_such_request"} }},
		{name: "nothing is seen", of: sees, turn: func(out *output) { out.got.view = nil }},
		{name: "something else is seen", of: sees, turn: func(out *output) {
			out.got.view = maps.Clone(out.got.view)
			for key := range out.got.view {
				out.got.view[key] += "?"
			}
		}, always: true},
		{name: "another number of a knock", of: knocks, turn: func(out *output) { out.got.seq++ }, always: true},
		{name: "another one who knocks", of: knocks, turn: func(out *output) { out.got.text += "?" }, always: true},
		{name: "one that is let in, and was not", of: did(admit, ok), turn: becomes("no_such_slave")},
		{name: "one that is denied, and was let in", of: did(join, "denied"), turn: becomes(ok)},
		{name: "one that is let in, and was told that the door is locked", of: did(join, ok), turn: becomes("locked")},
		{name: "one that was heard, and is muted", of: did(report, ok), turn: becomes("muted")},
		{name: "one that is muted, and was heard", of: did(report, "muted"), turn: becomes(ok)},
		{name: "a hand-over that was refused", of: did(handOver, ok), turn: becomes("no_such_slave")},
		{name: "the service's hand-over that was refused", of: did(setMaster, ok), turn: becomes("no_such_slave")},
		{name: "a hand-over to nobody", of: did(setMaster, "no_such_slave"), turn: becomes(ok)},
		{name: "an old secret that works", of: did(resume, "resume_failed"), turn: becomes(ok)},
	}
}

// turnAll turns over what there is of it in the history, one at a time.
func (kind *turning) turnAll(history []porcupine.Operation) {
	const enough = 10
	former := make(map[string]reading)
	for i, op := range history {
		in, out := op.Input.(input), op.Output.(output)
		if !kind.of(in, out) || kind.noticed >= enough {
			continue
		}
		if kind.into != nil {
			key := fmt.Sprint(in.channel, " ", in.handle, " ", out.got.from, " ", out.got.key)
			before, known := former[key]
			former[key] = out.got
			if !known {
				continue
			}
			kind.into(&out, before)
		} else {
			kind.turn(&out)
		}
		history[i].Output = out
		// One that takes long to judge says nothing.
		switch porcupine.CheckOperationsTimeout(model, history, 200*time.Millisecond) {
		case porcupine.Illegal:
			kind.turned, kind.noticed = kind.turned+1, kind.noticed+1
		case porcupine.Ok:
			kind.turned++
		}
		history[i].Output = op.Output
	}
}
