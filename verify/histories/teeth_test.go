package histories

import (
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// event is one operation of a history that is written down by hand.
type event struct {
	call, end int64
	input     input
	output    output
}

func did(call, end int64, in input, outcome outcome) event {
	in.channel = "c0"
	if in.op == create || in.op == join {
		in.member = in.handle
	}
	return event{call, end, in, output{outcome: outcome}}
}

func numbered(e event, seq uint64) event {
	e.output.seq = seq
	return e
}

func saw(call, end int64, master string, isAway bool) event {
	return event{call, end, input{op: status, channel: "c0"}, output{outcome: ok, exists: master != "", master: master, away: isAway}}
}

// forever is the end of an operation without an outcome.
const forever = 1000

var (
	alice  = input{op: create, handle: 1, user: "alice"}
	mallet = input{op: create, handle: 2, user: "mallet"}
	bob    = input{op: join, handle: 3, user: "bob"}
	bob2   = input{op: join, handle: 4, user: "bob"}
	again  = input{op: resume, handle: 5, member: 1, from: 1}
	again2 = input{op: resume, handle: 6, member: 1, from: 1}
	later  = input{op: resume, handle: 6, member: 1, from: 5}
	denied = input{op: resume, handle: 5, member: 1, from: 1, says: refuses}
	seized = input{op: seizeCreate, handle: 7, member: 7, user: "alice"}
	taken  = input{op: seizeJoin, handle: 8, member: 8, user: "bob"}
	asks8  = input{op: report, handle: 8, member: 8}
	renews = input{op: refresh, handle: 3, member: 3, says: shortly}
	runs   = input{op: expire, handle: 3, member: 3}
	ends   = input{op: leave, handle: 1, member: 1}
	says   = input{op: broadcast, handle: 1, member: 1}
	says5  = input{op: broadcast, handle: 5, member: 1}
	says6  = input{op: broadcast, handle: 6, member: 1}
	kicks  = input{op: kick, handle: 1, member: 1, to: "bob"}
	bans   = input{op: kick, handle: 1, member: 1, to: "bob", ban: true}
	asks   = input{op: report, handle: 3, member: 3}
	aways  = input{op: away, handle: 1, member: 1}
	late   = input{op: giveUp, handle: 1, member: 1}
)

// TestTeeth: a history that breaks a rule is found out, and the nearest one that
// does not is let pass.
func TestTeeth(t *testing.T) {
	cases := []struct {
		name  string
		legal bool
		list  []event
	}{
		{"one create wins", true, []event{did(1, 4, alice, ok), did(2, 3, mallet, "channel_exists")}},
		{"two creates at once that both win", false, []event{did(1, 4, alice, ok), did(2, 3, mallet, ok)}},
		{"two creates at once that both lose", false, []event{did(1, 4, alice, "channel_exists"), did(2, 3, mallet, "channel_exists")}},
		{"a create while the channel may be over", true, []event{did(1, 2, alice, ok), did(3, 6, ends, ok), did(4, 5, mallet, ok)}},
		{"a create before the channel is over", false, []event{did(1, 2, alice, ok), did(3, 4, mallet, ok), did(5, 6, ends, ok)}},
		{"a create while the master is away", false, []event{did(1, 2, alice, ok), did(3, 4, aways, ok), did(5, 6, mallet, ok)}},
		{"a create that may have happened", true, []event{did(1, forever, alice, unknown), did(3, 4, mallet, "channel_exists")}},
		{"a create that may not have happened", true, []event{did(1, forever, alice, unknown), did(3, 4, mallet, ok)}},
		{"a create that was given up and taken back", true, []event{
			did(1, forever, alice, unknown), saw(2, 3, "alice", false), did(4, forever, late, unknown), did(5, 6, mallet, ok)}},
		{"a create that was given up and not taken back", false, []event{
			did(1, forever, alice, unknown), saw(2, 3, "alice", false), did(5, 6, mallet, ok)}},
		{"a create that happened before it was asked for", false, []event{did(1, 2, mallet, "channel_exists"), did(3, forever, alice, unknown)}},

		{"a join while the channel comes", true, []event{did(1, 4, alice, ok), did(2, 3, bob, ok)}},
		{"a join before the channel", false, []event{did(1, 2, bob, ok), did(3, 4, alice, ok)}},
		{"a join behind the channel's end", false, []event{did(1, 2, alice, ok), did(3, 4, ends, ok), did(5, 6, bob, ok)}},
		{"a join that does not see the channel", false, []event{did(1, 2, alice, ok), did(3, 4, bob, "no_such_channel")}},
		{"a join of another master", false, []event{did(1, 2, alice, ok), did(3, 4, input{op: join, handle: 3, user: "bob", expect: "mallet"}, ok)}},
		{"a join of the right master that is refused", false, []event{did(1, 2, alice, ok), did(3, 4, input{op: join, handle: 3, user: "bob", expect: "alice"}, "wrong_master")}},
		{"two joins under one name", false, []event{did(1, 2, alice, ok), did(3, 6, bob, ok), did(4, 5, bob2, ok)}},
		{"a join under the master's name", false, []event{did(1, 2, alice, ok), did(3, 4, input{op: join, handle: 3, user: "alice"}, ok)}},
		{"a join under a free name that is refused", false, []event{did(1, 2, alice, ok), did(3, 4, bob, "name_taken")}},
		{"a join behind a kick", true, []event{did(1, 2, alice, ok), did(3, 4, bob, ok), did(5, 6, kicks, ok), did(7, 8, bob2, ok)}},
		{"a join behind a ban", false, []event{did(1, 2, alice, ok), did(3, 4, bob, ok), did(5, 6, bans, ok), did(7, 8, bob2, ok)}},

		{"two takeovers, the later one has it", true, []event{
			did(1, 2, alice, ok), did(3, 6, again, ok), did(4, 5, again2, ok), numbered(did(7, 8, says6, ok), 1), did(9, 10, says5, ended)}},
		{"two takeovers that both have it", false, []event{
			did(1, 2, alice, ok), did(3, 6, again, ok), did(4, 5, again2, ok), numbered(did(7, 8, says6, ok), 1), numbered(did(9, 10, says5, ok), 2)}},
		{"two takeovers that neither has", false, []event{
			did(1, 2, alice, ok), did(3, 6, again, ok), did(4, 5, again2, ok), did(7, 8, says6, ended), did(9, 10, says5, ended)}},
		{"the one who was replaced still speaks", false, []event{did(1, 2, alice, ok), did(3, 4, again, ok), numbered(did(5, 6, says, ok), 1)}},
		{"the one who was replaced closes the channel", false, []event{
			did(1, 2, alice, ok), did(3, 4, again, ok), did(5, 6, ends, ok), saw(7, 8, "", false)}},
		{"a takeover of what is over", false, []event{did(1, 2, alice, ok), did(3, 4, ends, ok), did(5, 6, again, ok)}},
		{"a takeover that is refused", false, []event{did(1, 2, alice, ok), did(3, 4, again, "resume_failed")}},
		{"a takeover of a channel's next life", false, []event{
			did(1, 2, alice, ok), did(3, 4, ends, ok), did(5, 6, mallet, ok), did(7, 8, again, ok)}},

		{"a ticket that a client has followed which was heard", false, []event{
			did(1, 2, alice, ok), did(3, 4, again, ok), numbered(did(5, 6, says5, ok), 1), did(7, 8, again2, ok)}},
		{"the same, and it is refused", true, []event{
			did(1, 2, alice, ok), did(3, 4, again, ok), numbered(did(5, 6, says5, ok), 1), did(7, 8, again2, ended)}},
		{"the same, and nobody was heard", true, []event{did(1, 2, alice, ok), did(3, 4, again, ok), did(7, 8, again2, ok)}},
		{"one was refused because the other was heard", false, []event{
			did(1, 2, alice, ok), did(3, 4, again, ok), did(5, 6, again2, ended), did(7, 8, again2, ok)}},
		{"of two that have followed one may have been heard", true, []event{
			did(1, 2, alice, ok), did(3, 4, again, ok), did(5, 6, later, ok),
			did(7, 8, input{op: resume, handle: 9, member: 1, from: 1}, ended), did(9, 10, input{op: resume, handle: 10, member: 1, from: 5}, ok)}},
		{"the ticket of the one that was heard", true, []event{
			did(1, 2, alice, ok), did(3, 4, again, ok), numbered(did(5, 6, says5, ok), 1), did(7, 8, later, ok)}},
		{"a ticket that nobody has followed is said to be", false, []event{did(1, 2, alice, ok), did(3, 4, again, ended)}},
		{"the service does not let back, and the hub does", false, []event{did(1, 2, alice, ok), did(3, 4, denied, ok)}},
		{"the service does not let another client back", true, []event{
			did(1, 2, alice, ok), did(3, 4, denied, "unauthorized"), numbered(did(5, 6, says, ok), 1)}},
		{"the service lets back, and the hub does not", false, []event{did(1, 2, alice, ok), did(3, 4, again, "unauthorized")}},
		{"a seat that the service gives", true, []event{did(1, 2, alice, ok), did(3, 4, seized, ok), did(5, 6, says, ended)}},
		{"a seat that the service gives, and that stays", false, []event{did(1, 2, alice, ok), did(3, 4, seized, ok), numbered(did(5, 6, says, ok), 1)}},
		{"the old ticket of a seat that the service has given", false, []event{did(1, 2, alice, ok), did(3, 4, seized, ok), did(5, 6, again, ok)}},
		{"the same, and it is refused", true, []event{did(1, 2, alice, ok), did(3, 4, seized, ok), did(5, 6, again, "resume_failed")}},
		{"a slave's seat that the service gives", true, []event{
			did(1, 2, alice, ok), did(3, 4, bob, ok), did(5, 6, taken, ok), numbered(did(7, 8, asks8, ok), 1), did(9, 10, asks, ended)}},
		{"what is granted ends", true, []event{
			did(1, 2, alice, ok), did(3, 4, bob, ok), did(5, 6, renews, ok), did(5, forever, runs, unknown), did(7, 8, asks, ended), did(9, 10, bob2, ok)}},
		{"what is granted is over before it is taken", true, []event{
			did(1, 2, alice, ok), did(3, 4, bob, ok), did(5, 6, renews, "unauthorized"), numbered(did(7, 8, asks, ok), 1)}},
		{"what is granted for good is not taken", false, []event{
			did(1, 2, alice, ok), did(3, 4, bob, ok), did(5, 6, input{op: refresh, handle: 3, member: 3}, "unauthorized")}},
		{"what is not granted for a while ends", false, []event{did(1, 2, alice, ok), did(3, 4, bob, ok), did(5, 6, asks, ended)}},

		{"numbers in order", true, []event{did(1, 2, alice, ok), numbered(did(3, 6, says, ok), 2), numbered(did(4, 5, says, ok), 1)}},
		{"a number twice", false, []event{did(1, 2, alice, ok), numbered(did(3, 6, says, ok), 1), numbered(did(4, 5, says, ok), 1)}},
		{"numbers out of order", false, []event{did(1, 2, alice, ok), numbered(did(3, 4, says, ok), 2), numbered(did(5, 6, says, ok), 1)}},
		{"a number that is left out", false, []event{did(1, 2, alice, ok), numbered(did(3, 4, says, ok), 2)}},
		{"a number that may be of a message that was given up", true, []event{did(1, 2, alice, ok), did(3, forever, says, unknown), numbered(did(5, 6, says, ok), 2)}},
		{"a slave that was kicked still speaks", false, []event{
			did(1, 2, alice, ok), did(3, 4, bob, ok), did(5, 6, kicks, ok), numbered(did(7, 8, asks, ok), 1)}},
		{"a slave whose master has left still speaks", false, []event{
			did(1, 2, alice, ok), did(3, 4, bob, ok), did(5, 6, ends, ok), numbered(did(7, 8, asks, ok), 1)}},
		{"a slave that is there is not found", false, []event{did(1, 2, alice, ok), did(3, 4, bob, ok), did(5, 6, kicks, "no_such_slave")}},
		{"a slave that is not there is kicked", false, []event{did(1, 2, alice, ok), did(5, 6, kicks, ok)}},
		{"a slave that is there is told that it is not", false, []event{did(1, 2, alice, ok), did(3, 4, bob, ok), did(5, 6, asks, ended)}},

		{"the state changes once", true, []event{did(1, 2, alice, ok), did(3, 8, aways, ok), saw(4, 5, "alice", false), saw(6, 7, "alice", true)}},
		{"the state changes back by itself", false, []event{did(1, 2, alice, ok), did(3, 8, aways, ok), saw(4, 5, "alice", true), saw(6, 7, "alice", false)}},
		{"the state of a channel that is over", false, []event{did(1, 2, alice, ok), did(3, 4, ends, ok), saw(5, 6, "alice", false)}},
		{"a channel that is not seen", false, []event{did(1, 2, alice, ok), saw(3, 4, "", false)}},
		{"another's channel is seen", false, []event{did(1, 2, alice, ok), saw(3, 4, "mallet", false)}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.legal, porcupine.CheckOperations(model, historyOf(c.list)))
		})
	}
}

func historyOf(list []event) (history []porcupine.Operation) {
	for i, e := range list {
		history = append(history, porcupine.Operation{ClientId: i, Input: e.input, Output: e.output, Call: e.call, Return: e.end})
	}
	noteWaits(history)
	return history
}
