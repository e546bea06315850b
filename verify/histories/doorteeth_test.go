package histories

import (
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// The door, and waiting for a channel, in histories that are written down by hand. alice is the master by
// the handle 1, bob is a slave by 3, and dave knocks, by the handles 7 and 8.

// dave7 and dave8 are joins of dave, of which the masters are told by what they show.
var (
	dave7 = input{op: join, handle: 7, user: "dave", pairs: []pair{{"k0", "d7"}}}
	dave8 = input{op: join, handle: 8, user: "dave", pairs: []pair{{"k0", "d8"}}}
)

// waitsAs is that the join has come to the door, or to where it waits for the channel. number is that of its knock.
func waitsAs(call, end int64, in input, number uint64) event {
	in.op = knock
	in.member = in.handle
	return numbered(did(call, end, in, ok), number)
}

func waitsFor(in input) input {
	in.wait = true
	return in
}

func doorIs(call, end int64, handle, member int, mode lectern.Door) event {
	return did(call, end, input{op: setDoor, handle: handle, member: member, door: mode}, ok)
}

// judges is that alice lets in, or refuses, who has shown that under the number.
func judges(call, end int64, op operation, number uint64, text string) event {
	return did(call, end, input{op: op, handle: 1, member: 1, question: number, text: text}, ok)
}

// seesKnock is that a master is told that somebody knocks, or does not any more.
func seesKnock(call int64, handle int, from string, number uint64, text string, over bool) event {
	return takes(call, handle, reading{what: hasKnocked, from: from, seq: number, text: text, over: over})
}

func refusedAs(e event, why outcome) event {
	return with(e, func(e *event) { e.output = output{outcome: why} })
}

type toothed struct {
	name  string
	legal bool
	list  []event
}

func (c toothed) bites(t *testing.T, before []event) {
	t.Run(c.name, func(t *testing.T) {
		require.Equal(t, c.legal, porcupine.CheckOperations(model, historyOf(append(before[:len(before):len(before)], c.list...))))
	})
}

// TestTeethOfTheDoor: who comes in that was not let in, and who is let in that has not knocked, is found out.
func TestTeethOfTheDoor(t *testing.T) {
	shut := []event{did(1, 2, alice, ok), doorIs(3, 4, 1, 1, lectern.DoorKnock)}
	knocks := func(list ...event) []event {
		return append([]event{waitsAs(5, 6, dave7, 1)}, list...)
	}
	for _, c := range []toothed{
		{"one is let in", true, knocks(did(5, 9, dave7, ok), judges(7, 8, admit, 1, "k0=d7"), tells(10, 11, 7, 7, "m", "", 2, 0))},
		{"one is in that nobody has let in", false, knocks(did(5, 9, dave7, ok))},
		{"one is in before it is let in", false, knocks(did(5, 7, dave7, ok), judges(8, 9, admit, 1, "k0=d7"))},
		{"one is in that has not waited", false, []event{did(5, 9, dave7, ok)}},
		{"one that waits is a member", false, knocks(did(5, 12, dave7, ok), did(7, 8, input{op: kick, handle: 1, member: 1, to: "dave"}, ok), judges(9, 10, admit, 1, "k0=d7"))},
		{"one that waits is counted", false, knocks(did(5, 12, dave7, ok), tells(7, 8, 1, 1, "m", "", 1, 1), judges(9, 10, admit, 1, "k0=d7"))},
		{"one that waits can be written to", false, knocks(did(5, 12, dave7, ok), tells(7, 8, 1, 1, "m", "dave", 1, 0), judges(9, 10, admit, 1, "k0=d7"))},
		{"what was said while it waited comes to it", false, knocks(
			did(5, 12, dave7, ok), tells(7, 8, 1, 1, "m", "", 1, 0), judges(9, 10, admit, 1, "k0=d7"), gets(13, 7, "alice", "m", 1, nil))},
		{"another one is let in", false, knocks(
			did(7, 12, input{op: join, handle: 9, user: "erin", pairs: []pair{{"k0", "e"}}}, ok), waitsAs(7, 8, input{op: join, handle: 9, user: "erin", pairs: []pair{{"k0", "e"}}}, 2),
			judges(9, 10, admit, 1, "k0=d7"))},
		{"who has knocked later under the name is let in", false, knocks(
			did(5, 20, dave7, unknown), did(7, 20, input{op: giveUp, handle: 7, member: 7}, unknown), waitsAs(8, 9, dave8, 2), did(8, 13, dave8, ok), judges(10, 11, admit, 1, "k0=d8"))},
		{"the same, under its own number", true, knocks(
			did(5, 20, dave7, unknown), did(7, 20, input{op: giveUp, handle: 7, member: 7}, unknown), waitsAs(8, 9, dave8, 2), did(8, 13, dave8, ok), judges(10, 11, admit, 2, "k0=d8"))},
		{"one that has gone is let in", false, knocks(
			did(5, 20, dave7, unknown), did(7, 20, input{op: giveUp, handle: 7, member: 7}, unknown), did(8, 9, dave8, "name_taken"), waitsAs(10, 11, dave8, 2),
			judges(12, 13, admit, 1, "k0=d7"))},
		{"two that wait under one name", false, knocks(did(5, 20, dave7, unknown), waitsAs(7, 8, dave8, 2), did(7, 20, dave8, unknown), judges(9, 10, admit, 1, "k0=d7"))},
		{"numbers of knocks that fall", false, []event{
			waitsAs(5, 6, dave7, 2), waitsAs(7, 8, input{op: join, handle: 9, user: "erin", pairs: []pair{{"k0", "e"}}}, 1)}},
		{"one is denied", true, knocks(did(5, 9, dave7, "denied"), judges(7, 8, deny, 1, "k0=d7"))},
		{"one is denied, and is in", false, knocks(did(5, 9, dave7, ok), judges(7, 8, deny, 1, "k0=d7"))},
		{"one is let in, and refused", false, knocks(did(5, 9, dave7, "denied"), judges(7, 8, admit, 1, "k0=d7"))},
		{"one waits, and is refused without a word", false, knocks(did(5, 9, dave7, refused))},
		{"the channel ends while one waits", true, knocks(did(5, 9, dave7, refused), did(7, 8, ends, ok))},
		{"one waits on after the end", false, knocks(did(5, 12, dave7, ok), did(7, 8, ends, ok), did(9, 10, mallet, ok))},
		{"one that waits is banned", true, knocks(did(5, 9, dave7, "banned"), did(7, 8, input{op: kick, handle: 1, member: 1, to: "dave", ban: true}, ok))},
		{"one that is there is not found", false, knocks(did(5, 20, dave7, unknown), refusedAs(judges(7, 8, admit, 1, "k0=d7"), "no_such_slave"))},
		{"the door is locked", true, []event{doorIs(5, 6, 1, 1, lectern.DoorLocked), did(7, 8, dave7, "locked")}},
		{"the door is locked, and one comes in", false, []event{doorIs(5, 6, 1, 1, lectern.DoorLocked), did(7, 8, dave7, ok)}},
		{"the door is locked while one waits", true, knocks(did(5, 9, dave7, "locked"), doorIs(7, 8, 1, 1, lectern.DoorLocked))},
		{"the door is open, and one is told that it is locked", false, []event{doorIs(5, 6, 1, 1, lectern.DoorOpen), did(7, 8, dave7, "locked")}},
		{"the door is opened, and who waits is in", true, knocks(did(5, 9, dave7, ok), doorIs(7, 8, 1, 1, lectern.DoorOpen), tells(10, 11, 1, 1, "m", "", 1, 1))},
		{"the door is opened, and who waits is not in", false, knocks(did(5, 20, dave7, unknown), doorIs(7, 8, 1, 1, lectern.DoorOpen), tells(10, 11, 1, 1, "m", "", 1, 0))},
		{"who is in comes back, whatever the door is", true, []event{
			doorIs(5, 6, 1, 1, lectern.DoorOpen), did(7, 8, bob, ok), doorIs(9, 10, 1, 1, lectern.DoorLocked), did(11, 12, input{op: resume, handle: 9, member: 3, from: 3}, ok)}},
		{"a master is told who knocks", true, knocks(did(5, 20, dave7, unknown), seesKnock(8, 1, "dave", 1, "k0=d7", false))},
		{"under another number", false, knocks(did(5, 20, dave7, unknown), seesKnock(8, 1, "dave", 2, "k0=d7", false))},
		{"under another name", false, knocks(did(5, 20, dave7, unknown), seesKnock(8, 1, "erin", 1, "k0=d7", false))},
		{"twice", false, knocks(did(5, 20, dave7, unknown), seesKnock(8, 1, "dave", 1, "k0=d7", false), seesKnock(9, 1, "dave", 1, "k0=d7", false))},
		{"that it is over, before it is", false, knocks(
			did(5, 20, dave7, unknown), seesKnock(8, 1, "dave", 1, "k0=d7", false), seesKnock(9, 1, "dave", 1, "k0=d7", true), judges(10, 11, admit, 1, "k0=d7"))},
		{"that it is over", true, knocks(
			did(5, 20, dave7, unknown), seesKnock(8, 1, "dave", 1, "k0=d7", false), judges(9, 10, admit, 1, "k0=d7"), seesKnock(11, 1, "dave", 1, "k0=d7", true))},
	} {
		c.bites(t, shut)
	}
}

// TestTeethOfWaiting: nobody who has waited for the channel is in before its door is asked.
func TestTeethOfWaiting(t *testing.T) {
	waits := []event{waitsAs(1, 2, waitsFor(dave7), 0)}
	knocked := []event{waitsAs(1, 2, waitsFor(dave7), 1)}
	asked := input{op: create, handle: 1, user: "alice", door: lectern.DoorKnock}
	locked := input{op: create, handle: 1, user: "alice", door: lectern.DoorLocked}
	for _, c := range []toothed{
		{"the channel comes, and its door is open", true, append(waits, did(1, 9, waitsFor(dave7), ok), did(3, 4, alice, ok), tells(5, 6, 1, 1, "m", "", 1, 1))},
		{"the channel comes, and who has waited is not in", false, append(waits, did(1, 20, waitsFor(dave7), unknown), did(3, 4, alice, ok), tells(5, 6, 1, 1, "m", "", 1, 0))},
		{"one is in before there is a channel", false, append(waits, did(1, 3, waitsFor(dave7), ok), did(4, 5, alice, ok))},
		{"one that waits is told that there is none", false, append(waits, did(1, 3, waitsFor(dave7), "no_such_channel"))},
		{"one is in, and the door was not asked", false, append(knocked, did(1, 9, waitsFor(dave7), ok), did(3, 4, asked, ok))},
		{"the same, and it was", true, append(knocked, did(1, 9, waitsFor(dave7), ok), did(3, 4, asked, ok), judges(5, 6, admit, 1, "k0=d7"))},
		{"one is in, and the door is locked", false, append(waits, did(1, 9, waitsFor(dave7), ok), did(3, 4, locked, ok))},
		{"the same, and it is told", true, append(waits, did(1, 9, waitsFor(dave7), "locked"), did(3, 4, locked, ok))},
		{"another one creates it than is expected", true, append(
			[]event{waitsAs(1, 2, input{op: join, handle: 7, user: "dave", wait: true, expect: "mallet"}, 0)},
			did(1, 9, input{op: join, handle: 7, user: "dave", wait: true, expect: "mallet"}, "wrong_master"), did(3, 4, alice, ok))},
		{"the same, and one is in", false, append(
			[]event{waitsAs(1, 2, input{op: join, handle: 7, user: "dave", wait: true, expect: "mallet"}, 0)},
			did(1, 9, input{op: join, handle: 7, user: "dave", wait: true, expect: "mallet"}, ok), did(3, 4, alice, ok))},
	} {
		c.bites(t, nil)
	}
}
