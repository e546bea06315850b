package histories

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/lectern-go/lectern"
)

// This file is the door, and waiting for a channel: the model of it, and what masters do there.

// door is that of a channel.
type door struct {
	mode lectern.Door // empty: open
	// knocks is the highest number of a knock that was seen.
	knocks uint64
	// waiting are those at the door, and outside those who wait for the channel to be created, in
	// their order.
	waiting, outside []waiter
	// fates are how waiting has ended, by the handles of the joins.
	fates string
}

// waiter is a join that waits. number is that of its knock, or zero where nobody has seen it.
type waiter struct {
	in     input
	number uint64
}

func (x waiter) is(other waiter) bool {
	return x.in.handle == other.in.handle && x.number == other.number
}

func (d door) equal(o door) bool {
	return d.mode == o.mode && d.knocks == o.knocks && d.fates == o.fates &&
		slices.EqualFunc(d.waiting, o.waiting, waiter.is) && slices.EqualFunc(d.outside, o.outside, waiter.is)
}

// fate is how the join has waited, or nothing.
func (d door) fate(handle int) outcome {
	if d.fates == "" {
		return ""
	}
	_, rest, _ := strings.Cut(d.fates, fmt.Sprintf("(%d:", handle))
	word, _, _ := strings.Cut(rest, ")")
	return outcome(word)
}

// waits reports whether the join waits.
func (d door) waits(handle int) bool {
	is := func(x waiter) bool { return x.in.handle == handle }
	return slices.ContainsFunc(d.waiting, is) || slices.ContainsFunc(d.outside, is)
}

// decided is the channel after the wait of the join has ended so.
func (s star) decided(handle int, how outcome) star {
	is := func(x waiter) bool { return x.in.handle == handle }
	s.door.waiting = slices.DeleteFunc(slices.Clone(s.door.waiting), is)
	s.door.outside = slices.DeleteFunc(slices.Clone(s.door.outside), is)
	s.door.fates += fmt.Sprintf("(%d:%s)", handle, how)
	return s
}

// decideAll ends the waits at the door of those of whom that is said.
func (s star) decideAll(how outcome, of func(waiter) bool) star {
	for _, x := range s.door.waiting {
		if of(x) {
			s = s.decided(x.in.handle, how)
		}
	}
	return s
}

// barred is why nobody may come in, or knock, by that join. What comes first is looked at first.
func (s star) barred(in input) (no []outcome) {
	unless := func(holds bool, why outcome) {
		if !holds {
			no = append(no, why)
		}
	}
	knocks := slices.ContainsFunc(s.door.waiting, func(x waiter) bool { return x.in.user == in.user })
	unless(in.expect == "" || in.expect == s.master.name, "wrong_master")
	unless(!slices.Contains(s.banned, in.user), "banned")
	unless(s.slave(in.user) < 0 && in.user != s.master.name && (!knocks || in.says == seizes || in.op == seizeJoin), "name_taken")
	unless(s.door.mode != lectern.DoorLocked, "locked")
	return no
}

// joined is the channel with one slave more.
func (s star) joined(in input) (star, seat) {
	x := newSeat(in)
	x.untold, x.start = s.gone, s.log().length()
	s.slaves = append(slices.Clone(s.slaves), x)
	slices.SortFunc(s.slaves, func(a, b seat) int { return strings.Compare(a.name, b.name) })
	return s.entersWith(x, false, in.pairs), x
}

// letIn is the channel after one who has waited is in.
func (s star) letIn(w waiter) star {
	s, x := s.decided(w.in.handle, ok).joined(w.in)
	return s.reads(w.in.handle, x, false)
}

// knocked is the channel after a join has come to its door, if that can be. Numbers rise. One to
// which the service gives the name takes the place of the one that waits under it.
func (s star) knocked(w waiter) (bool, star) {
	if w.number != 0 {
		if w.number <= s.door.knocks {
			return false, s
		}
		s.door.knocks = w.number
	}
	s = s.decideAll(refused, func(x waiter) bool { return x.in.user == w.in.user })
	s.door.waiting = append(slices.Clip(s.door.waiting), w)
	return true, s.noted(entry{what: hasKnocked, seq: w.number, name: w.in.user, text: who(w.in.pairs)})
}

// waited is the channel after a join has come to where it waits. Where nobody has seen that it
// waits, it need not.
func (s star) waited(in input, out output) (bool, star) {
	seen := out.outcome == ok || out.seq != 0
	switch {
	case s.door.fate(in.handle) != "" || s.door.waits(in.handle):
	case !s.exists && in.wait:
		s.door.outside = append(slices.Clip(s.door.outside), waiter{in, out.seq})
		return true, s
	case s.exists && s.door.mode == lectern.DoorKnock && len(s.barred(in)) == 0:
		return s.knocked(waiter{in, out.seq})
	}
	return !seen, s
}

// arrived is the channel after those have come to it who have waited for it, if that can be.
func (s star) arrived(outside []waiter) (bool, star) {
	possible := true
	for _, x := range outside {
		no := s.barred(x.in)
		switch {
		case len(no) > 0:
			s = s.decided(x.in.handle, no[0])
		case s.door.mode != lectern.DoorKnock:
			s = s.letIn(x)
		default:
			if possible, s = s.knocked(x); !possible {
				return false, s
			}
		}
	}
	return true, s
}

// doorSet is the channel after its master has said what becomes of who joins.
func (s star) doorSet(mode lectern.Door) star {
	s.door.mode = mode
	switch mode {
	case lectern.DoorOpen:
		for _, x := range s.door.waiting {
			s = s.letIn(x)
		}
	case lectern.DoorLocked:
		s = s.decideAll("locked", func(waiter) bool { return true })
	}
	return s
}

// over is what is left of the channel after its end.
func (s star) over() star {
	s = s.decideAll(refused, func(waiter) bool { return true })
	return star{logs: s.logs, readers: s.readers, handed: s.handed, door: door{fates: s.door.fates}}
}

// tellsOf reports whether a master can have been told of that knock by now.
func (s star) tellsOf(r *reader, log *entry, got reading) bool {
	e := log.find(func(e *entry) bool {
		return e.what == hasKnocked && e.index <= r.until && e.name == got.from && e.text == got.text && (e.seq == got.seq || e.seq == 0)
	})
	key := fmt.Sprint(got.seq)
	told := r.mark("knock", "", key) > 0
	switch {
	case e == nil || !r.isMaster:
		return false
	case got.over:
		waits := slices.ContainsFunc(s.door.waiting, func(x waiter) bool { return x.number == got.seq })
		return told && (!waits || r.life != len(s.logs)-1)
	}
	r.setMark("knock", "", key, e.index)
	return !told
}

// who are the attributes by which one who knocks is known.
func who(pairs []pair) string {
	var words []string
	for _, p := range pairs {
		words = append(words, p.key+"="+p.value)
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func whoKnocks(k lectern.Knock) string {
	var pairs []pair
	for key, value := range k.Attributes {
		pairs = append(pairs, pair{key, value.Text()})
	}
	return who(pairs)
}

// learnKnocks notes the numbers under which masters have seen somebody knock.
func learnKnocks(history []porcupine.Operation) {
	numbers := make(map[string]uint64)
	for _, op := range history {
		switch in, got := op.Input.(input), op.Output.(output).got; {
		case got.what == hasKnocked:
			numbers[got.text] = got.seq
		case in.op == admit || in.op == deny:
			numbers[in.text] = in.question
		}
	}
	delete(numbers, "") // they cannot be told from each other
	for i, op := range history {
		if in, out := op.Input.(input), op.Output.(output); in.op == knock {
			out.seq = numbers[who(in.pairs)]
			history[i].Output = out
		}
	}
}

// noteWaits notes of which joins it was seen that they have waited at the door.
func noteWaits(history []porcupine.Operation) {
	seen := make(map[int]bool)
	for _, op := range history {
		if in, out := op.Input.(input), op.Output.(output); in.op == knock && (out.outcome == ok || out.seq != 0) {
			seen[in.handle] = true
		}
	}
	for i, op := range history {
		if in := op.Input.(input); (in.op == join || in.op == seizeJoin) && seen[in.handle] {
			in.waited = true
			history[i].Input = in
		}
	}
}

// judge decides of somebody at the door, and reports whether there is anybody.
func (a *actor) judge(channel string, h *held) bool {
	knocks := slices.DeleteFunc(h.master.Knocks(), func(k lectern.Knock) bool { return whoKnocks(k) == "" })
	if len(knocks) == 0 {
		return false
	}
	ctx, done := a.impatient()
	defer done()
	k := knocks[a.rng.IntN(len(knocks))]
	in := input{op: admit, channel: channel, handle: h.handle, member: h.member, question: k.Number, text: whoKnocks(k), again: h.cut}
	try := func(ctx context.Context) error { return h.master.Admit(ctx, k.Number) }
	if a.rng.IntN(3) == 0 {
		in.op = deny
		try = func(ctx context.Context) error { return h.master.Deny(ctx, k.Number, "") }
	}
	a.operate(channel, in, func() (lectern.Receipt, error) { return lectern.Receipt{}, try(ctx) })
	return true
}

// anyDoor is mostly open.
func (a *actor) anyDoor() lectern.Door {
	switch a.rng.IntN(8) {
	case 0, 1:
		return lectern.DoorKnock
	case 2:
		return lectern.DoorLocked
	}
	return lectern.DoorOpen
}
