package histories

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/lectern-go/lectern"
)

func (s star) String() string {
	if !s.exists {
		return "no channel"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s#%d by %d, current %s", s.master.name, s.master.member, s.master.holder, s.master.current)
	if s.away {
		b.WriteString(" away")
	}
	for _, x := range s.slaves {
		fmt.Fprintf(&b, ", %s#%d by %d, current %s", x.name, x.member, x.holder, x.current)
	}
	fmt.Fprintf(&b, "; banned %v; down %d, up %d", s.banned, s.down, s.up)
	if log := s.log(); log != nil {
		fmt.Fprintf(&b, "; %v", log)
	}
	return b.String()
}

func describe(in input, out output) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d: %s", in.handle, in.op)
	switch in.op {
	case create, join, seizeCreate, seizeJoin:
		fmt.Fprintf(&b, " as %s", in.user)
	case resume, leave, giveUp, letGo, refresh, expire:
		fmt.Fprintf(&b, " #%d", in.member)
	case kick, tell:
		fmt.Fprintf(&b, " %s", in.to)
	case reply:
		fmt.Fprintf(&b, " %s to %d", in.to, in.question)
	case take, hear:
		fmt.Fprintf(&b, " %v", out.got)
		return b.String()
	}
	if in.text != "" {
		fmt.Fprintf(&b, " %q", in.text)
	}
	if in.pairs != nil {
		fmt.Fprintf(&b, " with %v", in.pairs)
	}
	if in.expect != "" {
		fmt.Fprintf(&b, " of %s", in.expect)
	}
	if in.ban {
		b.WriteString(" for good")
	}
	if in.op == resume {
		fmt.Fprintf(&b, " by the ticket of %d", in.from)
	}
	if in.says != "" {
		fmt.Fprintf(&b, " (%s)", in.says)
	}
	fmt.Fprintf(&b, ": %s", out.outcome)
	switch {
	case out.seq > 0:
		fmt.Fprintf(&b, " %d", out.seq)
	case out.exists:
		fmt.Fprintf(&b, " %s away=%t", out.master, out.away)
	}
	return b.String()
}

// model is the seven rules, one channel at a time: a history is linearizable
// where the part of it on each channel is.
var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byChannel := make(map[string][]porcupine.Operation)
		for _, op := range history {
			channel := op.Input.(input).channel
			byChannel[channel] = append(byChannel[channel], op)
		}
		parts := make([][]porcupine.Operation, 0, len(byChannel))
		for _, channel := range slices.Sorted(maps.Keys(byChannel)) {
			parts = append(parts, byChannel[channel])
		}
		return parts
	},
	Init: func() any { return star{} },
	Step: func(state, in, out any) (bool, any) {
		return state.(star).step(in.(input), out.(output))
	},
	Equal:             func(a, b any) bool { return a.(star).equal(b.(star)) },
	Hash:              func(state any) uint64 { return state.(star).hash() },
	DescribeOperation: func(in, out any) string { return describe(in.(input), out.(output)) },
	DescribeState:     func(state any) string { return state.(star).String() },
}

// stateOf is what a status tells, as the model puts it.
func stateOf(s lectern.Status) output {
	return output{outcome: ok, exists: s.Exists, master: s.Master.Username, away: s.Exists && s.Master.State == lectern.StateAway}
}
