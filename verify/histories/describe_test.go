package histories

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/lectern-go/lectern"
)

func (s star) String() string {
	var b strings.Builder
	if !s.exists {
		b.WriteString("no channel")
		for _, x := range s.door.outside {
			fmt.Fprintf(&b, ", %d waits as %s", x.in.handle, x.in.user)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "%s#%d by %d, current %s", s.master.name, s.master.member, s.master.holder, s.master.current)
	if s.away {
		b.WriteString(" away")
	}
	for _, x := range s.slaves {
		fmt.Fprintf(&b, ", %s#%d by %d, current %s", x.name, x.member, x.holder, x.current)
	}
	fmt.Fprintf(&b, "; banned %v; down %d, up %d", s.banned, s.down, s.up)
	if s.door.mode != "" {
		fmt.Fprintf(&b, "; door %s", s.door.mode)
	}
	for _, x := range s.door.waiting {
		fmt.Fprintf(&b, ", %d waits as %s (%d)", x.in.handle, x.in.user, x.number)
	}
	if s.voice != (voice{}) {
		fmt.Fprintf(&b, "; all muted=%t but %q", s.voice.all, s.voice.exceptions)
	}
	if log := s.log(); log != nil {
		fmt.Fprintf(&b, "; %v", log)
	}
	return b.String()
}

func (s star) equal(o star) bool {
	return s.exists == o.exists && s.master == o.master && s.away == o.away && s.down == o.down && s.up == o.up &&
		s.gone == o.gone && s.answered == o.answered && s.voice == o.voice && s.handed == o.handed && s.door.equal(o.door) &&
		slices.Equal(s.slaves, o.slaves) && slices.Equal(s.banned, o.banned) && slices.Equal(s.readers, o.readers) &&
		slices.EqualFunc(s.logs, o.logs, func(a, b *entry) bool { return a.sum() == b.sum() })
}

func (s star) hash() uint64 {
	h := uint64(14695981039346656037)
	add := func(n int) { h = (h ^ uint64(n)) * 1099511628211 }
	add(s.master.member)
	add(s.master.holder)
	add(int(s.down))
	add(int(s.up))
	for _, x := range s.slaves {
		add(x.member)
		add(x.holder)
	}
	add(len(s.banned))
	for _, x := range s.door.waiting {
		add(x.in.handle)
	}
	add(len(s.door.mode) + len(s.door.fates) + len(s.voice.exceptions))
	for _, log := range s.logs {
		add(int(log.sum()))
	}
	for _, r := range s.readers {
		add(int(r.last))
		add(r.until)
	}
	return h
}

func describe(in input, out output) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d: %s", in.handle, in.op)
	switch in.op {
	case create, join, seizeCreate, seizeJoin, knock:
		fmt.Fprintf(&b, " as %s", in.user)
		if in.wait {
			b.WriteString(", or to wait")
		}
	case resume, leave, giveUp, letGo, comeBack, refresh, expire:
		fmt.Fprintf(&b, " #%d", in.member)
	case kick, tell, setMaster:
		fmt.Fprintf(&b, " %s", in.to)
	case mute:
		fmt.Fprintf(&b, " %s: %t", cmp.Or(in.to, "all"), in.on)
	case handOver:
		fmt.Fprintf(&b, " to %s, stay=%t", in.to, in.stay)
	case admit, deny:
		fmt.Fprintf(&b, " %d", in.question)
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
	if in.door != "" {
		fmt.Fprintf(&b, " (the door: %s)", in.door)
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
