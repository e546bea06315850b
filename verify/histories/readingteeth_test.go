package histories

import (
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// What members set, say and read, in histories that are written down by hand. alice is the master,
// by the handles 1 and 5, and bob and carol are slaves, by 3 and 4.

var (
	carol = input{op: join, handle: 4, user: "carol"}
	back5 = input{op: resume, handle: 5, member: 1, from: 1}
)

// sets is that the handle has set an attribute, or removed it.
func sets(call, end int64, handle, member int, key, value string) event {
	return did(call, end, input{op: set, handle: handle, member: member, pairs: []pair{{key, value}}}, ok)
}

// tells is that alice, or a slave, has sent a message.
func tells(call, end int64, handle, member int, text, to string, seq uint64, slaves int) event {
	in := input{op: report, handle: handle, member: member, text: text, to: to}
	if member == 1 {
		in.op = broadcast
		if to != "" {
			in.op = tell
		}
	}
	e := numbered(did(call, end, in, ok), seq)
	e.output.slaves = slaves
	return e
}

// gets is that the handle has taken a message, and saw those attributes of its sender then.
func gets(call int64, handle int, from, text string, seq uint64, view map[string]string) event {
	return takes(call, handle, reading{what: said, from: from, text: text, seq: seq, view: view})
}

// sees is that the handle has taken a change of an attribute.
func sees(call int64, handle int, from, key, value string, seq uint64) event {
	return takes(call, handle, reading{what: hasSet, from: from, key: key, value: value, seq: seq})
}

func takes(call int64, handle int, got reading) event {
	e := did(call, call, input{op: take, handle: handle}, ok)
	e.output.got = got
	return e
}

func private(e event) event { return with(e, func(e *event) { e.output.got.private = true }) }

func with(e event, change func(*event)) event {
	change(&e)
	return e
}

// TestTeethOfReaders: what a reader gets that it cannot have got is found out.
func TestTeethOfReaders(t *testing.T) {
	class := []event{did(1, 2, alice, ok), did(3, 4, bob, ok), did(5, 6, carol, ok)}
	page := map[string]string{"k0": "p1"}
	expiring := func(e event) event { return with(e, func(e *event) { e.input.expires = true }) }
	cases := []struct {
		name  string
		legal bool
		list  []event
	}{
		{"a change and a message in order", true, []event{
			sets(7, 8, 1, 1, "k0", "p1"), tells(9, 10, 1, 1, "m", "", 2, 2), sees(11, 3, "alice", "k0", "p1", 1), gets(12, 3, "alice", "m", 2, page)}},
		{"a message in front of a change that has a lower number", false, []event{
			sets(7, 8, 1, 1, "k0", "p1"), tells(9, 10, 1, 1, "m", "", 2, 2), gets(11, 3, "alice", "m", 2, page), sees(12, 3, "alice", "k0", "p1", 1)}},
		{"a message without the change before it", false, []event{
			sets(7, 8, 1, 1, "k0", "p1"), tells(9, 10, 1, 1, "m", "", 2, 2), gets(11, 3, "alice", "m", 2, nil)}},
		{"a change that a newer one is about to follow", true, []event{
			sets(7, 8, 1, 1, "k0", "p1"), tells(9, 10, 1, 1, "m", "", 2, 2), sets(11, 12, 1, 1, "k0", "p2"), gets(13, 3, "alice", "m", 2, nil)}},
		{"a change that is gone already", true, []event{
			sets(7, 8, 1, 1, "k0", "p1"), tells(9, 10, 1, 1, "m", "", 2, 2), sets(11, 12, 1, 1, "k0", ""), gets(13, 3, "alice", "m", 2, page)}},
		{"a change that is seen, and not among the events", false, []event{
			sets(7, 8, 1, 1, "k0", "p1"), tells(9, 10, 1, 1, "m", "", 2, 2), gets(11, 3, "alice", "m", 2, page)}},
		{"a removal that is seen, and not among the events", false, []event{
			sets(7, 8, 1, 1, "k0", "p1"), sees(9, 3, "alice", "k0", "p1", 1), sets(10, 11, 1, 1, "k0", ""), tells(12, 13, 1, 1, "m", "", 3, 2), gets(14, 3, "alice", "m", 3, nil)}},
		{"the same, and it is among them", true, []event{
			sets(7, 8, 1, 1, "k0", "p1"), sees(9, 3, "alice", "k0", "p1", 1), sets(10, 11, 1, 1, "k0", ""), tells(12, 13, 1, 1, "m", "", 3, 2),
			sees(14, 3, "alice", "k0", "", 2), gets(15, 3, "alice", "m", 3, nil)}},
		{"a removal that is not seen", false, []event{
			sets(7, 8, 1, 1, "k0", "p1"), sets(9, 10, 1, 1, "k0", ""), tells(11, 12, 1, 1, "m", "", 3, 2), gets(13, 3, "alice", "m", 3, page)}},
		{"a removal of nothing takes no number", false, []event{
			sets(7, 8, 1, 1, "k0", ""), tells(9, 10, 1, 1, "m", "", 2, 2)}},
		{"a value that comes back", false, []event{
			sets(7, 8, 1, 1, "k0", "p1"), sets(9, 10, 1, 1, "k0", "p2"), sees(11, 3, "alice", "k0", "p2", 2), sees(12, 3, "alice", "k0", "p1", 1)}},
		{"a view that goes back", false, []event{
			sets(7, 8, 1, 1, "k0", "p1"), tells(9, 10, 1, 1, "m", "", 2, 2), sets(11, 12, 1, 1, "k0", "p2"), tells(13, 14, 1, 1, "n", "", 4, 2),
			sets(15, 16, 1, 1, "k0", "p3"),
			gets(17, 3, "alice", "m", 2, map[string]string{"k0": "p2"}), gets(18, 3, "alice", "n", 4, page)}},
		{"a value that is not told at once", true, []event{
			sets(7, 8, 1, 1, "k0", "p1"), sets(9, 10, 1, 1, "k0", "p2"), sees(11, 3, "alice", "k0", "p2", 2)}},
		{"a value with another number", false, []event{sets(7, 8, 1, 1, "k0", "p1"), sees(9, 3, "alice", "k0", "p1", 2)}},
		{"a value that nobody has set", false, []event{sets(7, 8, 1, 1, "k0", "p1"), sees(9, 3, "alice", "k0", "p2", 1)}},
		{"a value before it was set", false, []event{sees(7, 3, "alice", "k0", "p1", 1), sets(8, 9, 1, 1, "k0", "p1")}},
		{"a slave's value at its master", true, []event{sets(7, 8, 3, 3, "k0", "h"), sees(9, 1, "bob", "k0", "h", 1)}},
		{"a slave's value at another slave", false, []event{sets(7, 8, 3, 3, "k0", "h"), sees(9, 4, "bob", "k0", "h", 1)}},
		{"a slave's value as another's", false, []event{sets(7, 8, 3, 3, "k0", "h"), sees(9, 1, "carol", "k0", "h", 1)}},
		{"a slave's value after it has left", true, []event{
			sets(7, 8, 3, 3, "k0", "h"), did(9, 10, kicks, ok), did(11, 12, bob2of(6), ok), tells(13, 14, 6, 6, "m", "", 2, 0), gets(15, 1, "bob", "m", 2, nil)}},
		{"a slave's value that has outlived it", false, []event{
			sets(7, 8, 3, 3, "k0", "h"), did(9, 10, kicks, ok), did(11, 12, bob2of(6), ok), tells(13, 14, 6, 6, "m", "", 2, 0), gets(15, 1, "bob", "m", 2, map[string]string{"k0": "h"})}},
		{"attributes with which a slave has joined", true, []event{
			did(7, 8, dave("a", "b"), ok), sees(9, 1, "dave", "k0", "a", 2), sees(10, 1, "dave", "k1", "b", 2), tells(11, 12, 7, 7, "m", "", 3, 0),
			gets(13, 1, "dave", "m", 3, map[string]string{"k0": "a", "k1": "b"})}},
		{"attributes with which a slave has joined take numbers", false, []event{did(7, 8, dave("a", "b"), ok), tells(9, 10, 7, 7, "m", "", 2, 0)}},
		{"one of them is missing", false, []event{
			did(7, 8, dave("a", "b"), ok), tells(11, 12, 7, 7, "m", "", 3, 0), gets(13, 1, "dave", "m", 3, map[string]string{"k0": "a"})}},
		{"a slave's value that its master hears of later has another number", true, []event{
			did(7, forever, input{op: letGo, handle: 1, member: 1}, unknown), saw(8, 9, "alice", true), did(10, 11, dave("a", "b"), ok),
			did(12, 13, back5, ok), sees(14, 5, "dave", "k0", "a", 3), sees(15, 5, "dave", "k1", "b", 4), tells(16, 17, 7, 7, "m", "", 5, 0)}},
		{"the same, and it has its first number", false, []event{
			did(7, forever, input{op: letGo, handle: 1, member: 1}, unknown), saw(8, 9, "alice", true), did(10, 11, dave("a", "b"), ok),
			did(12, 13, back5, ok), sees(14, 5, "dave", "k0", "a", 1)}},
		{"who has taken over gets all", true, []event{
			tells(7, 8, 3, 3, "m", "", 1, 0), gets(9, 1, "bob", "m", 1, nil), did(10, 11, back5, ok), gets(12, 5, "bob", "m", 1, nil)}},
		{"who was replaced gets what is said then", false, []event{
			did(7, 8, back5, ok), tells(9, 10, 3, 3, "m", "", 1, 0), gets(11, 1, "bob", "m", 1, nil)}},
		{"who has left gets what is said then", false, []event{
			did(7, 8, kicks, ok), tells(9, 10, 1, 1, "m", "", 1, 1), gets(11, 3, "alice", "m", 1, nil)}},
		{"a message from before the join", false, []event{
			tells(7, 8, 1, 1, "m", "", 1, 2), did(9, 10, dave("a", "b"), ok), gets(11, 7, "alice", "m", 1, nil)}},

		{"a message twice", false, []event{tells(7, 8, 1, 1, "m", "", 1, 2), gets(9, 3, "alice", "m", 1, nil), gets(10, 3, "alice", "m", 1, nil)}},
		{"a message is lost", false, []event{tells(7, 8, 1, 1, "m", "", 1, 2), tells(9, 10, 1, 1, "n", "", 2, 2), gets(11, 3, "alice", "n", 2, nil)}},
		{"a message has expired", true, []event{
			expiring(tells(7, 8, 1, 1, "m", "", 1, 2)), tells(9, 10, 1, 1, "n", "", 2, 2), takes(11, 3, reading{missed: 1}), gets(12, 3, "alice", "n", 2, nil)}},
		{"a message has expired, and nobody is told", false, []event{
			expiring(tells(7, 8, 1, 1, "m", "", 1, 2)), tells(9, 10, 1, 1, "n", "", 2, 2), gets(12, 3, "alice", "n", 2, nil)}},
		{"one message has expired, and two are told", false, []event{
			expiring(tells(7, 8, 1, 1, "m", "", 1, 2)), tells(9, 10, 1, 1, "n", "", 2, 2), takes(11, 3, reading{missed: 2}), gets(12, 3, "alice", "n", 2, nil)}},
		{"a message that does not expire is told as missing", false, []event{
			tells(7, 8, 1, 1, "m", "", 1, 2), tells(9, 10, 1, 1, "n", "", 2, 2), takes(11, 3, reading{missed: 1}), gets(12, 3, "alice", "n", 2, nil)}},
		{"a message for one", true, []event{tells(7, 8, 1, 1, "m", "bob", 1, 1), private(gets(9, 3, "alice", "m", 1, nil))}},
		{"a message for one, that does not say so", false, []event{tells(7, 8, 1, 1, "m", "bob", 1, 1), gets(9, 3, "alice", "m", 1, nil)}},
		{"a message for another one", false, []event{tells(7, 8, 1, 1, "m", "bob", 1, 1), private(gets(9, 4, "alice", "m", 1, nil))}},
		{"a message of another slave at a slave", false, []event{tells(7, 8, 3, 3, "m", "", 1, 0), gets(9, 4, "bob", "m", 1, nil)}},
		{"another topic", false, []event{tells(7, 8, 1, 1, "m", "", 1, 2), with(gets(9, 3, "alice", "m", 1, nil), func(e *event) { e.output.got.topic = "slide" })}},

		{"to fewer than there are", false, []event{tells(7, 8, 1, 1, "m", "", 1, 1)}},
		{"to fewer than there are, of which one may be away", true, []event{
			did(7, forever, input{op: letGo, handle: 3, member: 3}, unknown), tells(8, 9, 1, 1, "m", "", 1, 1)}},
		{"to more than there are", false, []event{tells(7, 8, 1, 1, "m", "", 1, 3)}},
		{"to nobody", false, []event{tells(7, 8, 1, 1, "m", "bob", 1, 0)}},
		{"a number that somebody has seen", false, []event{
			numbered(did(7, forever, input{op: broadcast, handle: 1, member: 1, text: "m"}, unknown), 1), tells(8, 9, 1, 1, "n", "", 1, 2)}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.legal, porcupine.CheckOperations(model, historyOf(append(class[:len(class):len(class)], c.list...))))
		})
	}
}

// bob2of is bob's next join.
func bob2of(handle int) input { return input{op: join, handle: handle, user: "bob"} }

// dave joins with two attributes.
func dave(k0, k1 string) input {
	return input{op: join, handle: 7, user: "dave", pairs: []pair{{"k0", k0}, {"k1", k1}}}
}

// asked is that bob has asked something, replies that alice has answered it, and hears that the
// answer has come to the handle.
func asked(call, end int64, text string, seq uint64) event {
	return numbered(did(call, end, input{op: ask, handle: 3, member: 3, text: text}, ok), seq)
}

func replies(call, end int64, to string, question uint64, text string, seq uint64) event {
	return numbered(did(call, end, input{op: reply, handle: 1, member: 1, to: to, question: question, text: text}, ok), seq)
}

func hears(call int64, handle int, text string, seq uint64) event {
	e := did(call, call, input{op: hear, handle: handle}, ok)
	e.output.got = reading{what: replied, text: text, seq: seq}
	return e
}

// TestTeethOfAnswers: an answer that was not given, or not to whom it has come, is found out.
func TestTeethOfAnswers(t *testing.T) {
	class := []event{did(1, 2, alice, ok), did(3, 4, bob, ok), did(5, 6, carol, ok)}
	declined := func(e event) event {
		return with(e, func(e *event) { e.input.declined, e.output.got.declined = true, true })
	}
	gone := input{op: withdraw, handle: 3, member: 3, text: "q"}
	again := input{op: resume, handle: 8, member: 3, from: 3}
	cases := []struct {
		name  string
		legal bool
		list  []event
	}{
		{"an answer", true, []event{asked(7, 12, "q", 1), replies(8, 9, "bob", 1, "a", 1), hears(13, 3, "a", 1)}},
		{"a no", true, []event{asked(7, 12, "q", 1), declined(replies(8, 9, "bob", 1, "a", 1)), declined(hears(13, 3, "a", 0))}},
		{"a no that comes as a yes", false, []event{asked(7, 12, "q", 1), declined(replies(8, 9, "bob", 1, "a", 1)), hears(13, 3, "a", 1)}},
		{"an answer that was not given", false, []event{asked(7, 12, "q", 1), hears(13, 3, "a", 1)}},
		{"an answer before it was given", false, []event{asked(7, 8, "q", 1), hears(9, 3, "a", 1), replies(10, 11, "bob", 1, "a", 1)}},
		{"another answer", false, []event{asked(7, 12, "q", 1), replies(8, 9, "bob", 1, "a", 1), hears(13, 3, "b", 1)}},
		{"an answer with another number", false, []event{asked(7, 12, "q", 1), replies(8, 9, "bob", 1, "a", 1), hears(13, 3, "a", 2)}},
		{"an answer to another one", false, []event{asked(7, 12, "q", 1), replies(8, 9, "bob", 1, "a", 1), hears(13, 4, "a", 1)}},
		{"an answer for another one", false, []event{asked(7, 12, "q", 1), replies(8, 9, "carol", 1, "a", 1)}},
		{"an answer to no question", false, []event{tells(7, 8, 3, 3, "m", "", 1, 0), replies(9, 10, "bob", 1, "a", 1)}},
		{"an answer takes a number", true, []event{asked(7, 12, "q", 1), replies(8, 9, "bob", 1, "a", 1), tells(10, 11, 1, 1, "m", "", 2, 2)}},
		{"an answer takes no number", false, []event{asked(7, 12, "q", 1), replies(8, 9, "bob", 1, "a", 1), tells(10, 11, 1, 1, "m", "", 1, 2)}},
		{"an answer is no event", false, []event{asked(7, 12, "q", 1), replies(8, 9, "bob", 1, "a", 1), private(gets(10, 3, "alice", "a", 1, nil))}},
		{"a second answer", false, []event{asked(7, 12, "q", 1), replies(8, 9, "bob", 1, "a", 1), replies(10, 11, "bob", 1, "b", 2)}},
		{"a second answer that is refused", true, []event{
			asked(7, 12, "q", 1), replies(8, 9, "bob", 1, "a", 1), refusedAs(replies(10, 11, "bob", 1, "b", 0), "no_such_request")}},
		{"an answer that is awaited and refused", false, []event{asked(7, 8, "q", 1), refusedAs(replies(9, 10, "bob", 1, "a", 0), "no_such_request")}},
		{"an answer that is not awaited any more", true, []event{
			asked(7, forever, "q", 1), did(8, forever, gone, unknown), refusedAs(replies(9, 10, "bob", 1, "a", 0), "no_such_request")}},
		{"an answer to who has left", false, []event{asked(7, 14, "q", 1), did(8, 9, kicks, ok), replies(10, 11, "bob", 1, "a", 1)}},
		{"the same, and it is refused", true, []event{
			asked(7, 14, "q", 1), did(8, 9, kicks, ok), refusedAs(replies(10, 11, "bob", 1, "a", 0), "no_such_slave")}},
		{"an answer to who has joined since", false, []event{
			asked(7, 16, "q", 1), did(8, 9, kicks, ok), did(10, 11, bob2of(6), ok), replies(12, 13, "bob", 1, "a", 1)}},
		{"an answer to a client that another one has followed, which may have been heard", true, []event{
			asked(7, 16, "q", 1), did(8, 9, again, ok), refusedAs(replies(10, 11, "bob", 1, "a", 0), "no_such_request")}},
		{"an answer to a client that another one has followed, which was heard", false, []event{
			asked(7, 16, "q", 1), did(8, 9, again, ok), tells(10, 11, 8, 3, "m", "", 2, 0), replies(12, 13, "bob", 1, "a", 1)}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.legal, porcupine.CheckOperations(model, historyOf(append(class[:len(class):len(class)], c.list...))))
		})
	}
}
