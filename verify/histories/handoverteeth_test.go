package histories

import (
	"testing"

	"github.com/lectern-go/lectern"
)

func handsOver(call, end int64, handle, member int, to string, stay bool) event {
	return did(call, end, input{op: handOver, handle: handle, member: member, to: to, stay: stay}, ok)
}

func appoints(call, end int64, to string) event {
	return did(call, end, input{op: setMaster, to: to}, ok)
}

// TestTeethOfHandOvers: there is one master at every moment, an old secret is worth nothing, and what was on
// its way is refused.
func TestTeethOfHandOvers(t *testing.T) {
	class := []event{did(1, 2, alice, ok), did(3, 4, bob, ok), did(5, 6, carol, ok)}
	heir, former := following(3), following(1)
	comesBack := func(call, end int64, member, from int, how outcome) event {
		return did(call, end, input{op: resume, handle: 9, member: member, from: from}, how)
	}
	expecting := input{op: join, handle: 7, user: "dave", expect: "alice", pairs: []pair{{"k0", "d7"}}}
	for _, c := range []toothed{
		{"bob is the master", true, []event{handsOver(7, 8, 1, 1, "bob", false), tells(9, 10, heir, 0, "m", "", 1, 1), saw(11, 12, "bob", false)}},
		{"and still a slave", false, []event{handsOver(7, 8, 1, 1, "bob", false), tells(9, 10, 3, 3, "m", "", 1, 0)}},
		{"and so is alice", false, []event{handsOver(7, 8, 1, 1, "bob", false), tells(9, 10, 1, 1, "m", "", 1, 1)}},
		{"both are while it goes over", true, []event{handsOver(7, 12, 1, 1, "bob", false), tells(8, 9, 1, 1, "m", "", 1, 2), tells(10, 11, heir, 0, "n", "", 2, 1)}},
		{"alice is again behind bob", false, []event{handsOver(7, 14, 1, 1, "bob", true), tells(8, 9, heir, 0, "m", "", 1, 1), tells(10, 11, 1, 1, "n", "", 2, 2)}},
		{"alice is seen as the master still", false, []event{handsOver(7, 8, 1, 1, "bob", true), saw(9, 10, "alice", false)}},
		{"alice has left", false, []event{handsOver(7, 8, 1, 1, "bob", false), tells(9, 10, former, 0, "m", "", 1, 0)}},
		{"alice stays", true, []event{handsOver(7, 8, 1, 1, "bob", true), tells(9, 10, former, 0, "m", "", 1, 0), tells(11, 12, heir, 0, "n", "", 1, 2)}},
		{"alice stays, and somebody joins as her", false, []event{handsOver(7, 8, 1, 1, "bob", true), did(9, 10, input{op: join, handle: 7, user: "alice"}, ok)}},
		{"alice has left, and joins again", true, []event{handsOver(7, 8, 1, 1, "bob", false), did(9, 10, input{op: join, handle: 7, user: "alice"}, ok)}},
		{"alice's secret", true, []event{handsOver(7, 8, 1, 1, "bob", true), comesBack(9, 10, 1, 1, "resume_failed")}},
		{"alice's secret works again", false, []event{handsOver(7, 8, 1, 1, "bob", true), comesBack(9, 10, 1, 1, ok)}},
		{"alice's secret works while it goes over", true, []event{handsOver(7, 10, 1, 1, "bob", true), comesBack(8, 9, 1, 1, "resume_failed")}},
		{"the secret that bob had as a slave", false, []event{handsOver(7, 8, 1, 1, "bob", true), comesBack(9, 10, 3, 3, ok)}},
		{"bob's new secret", true, []event{handsOver(7, 8, 1, 1, "bob", true), comesBack(9, 10, heir, heir, ok), saw(11, 12, "bob", false)}},
		{"bob's new secret is worth nothing", false, []event{handsOver(7, 8, 1, 1, "bob", true), comesBack(9, 10, heir, heir, "resume_failed")}},
		{"to one that is not there", false, []event{handsOver(7, 8, 1, 1, "dave", true)}},
		{"to one that is there, and it is refused", false, []event{refusedAs(handsOver(7, 8, 1, 1, "bob", true), "no_such_slave")}},
		{"to one that may be away, and it is refused", true, []event{
			did(7, forever, input{op: letGo, handle: 3, member: 3}, unknown), refusedAs(handsOver(8, 9, 1, 1, "bob", true), "no_such_slave")}},
		{"to the master itself", false, []event{handsOver(7, 8, 1, 1, "alice", true)}},
		{"by the service", true, []event{appoints(7, 8, "bob"), saw(9, 10, "bob", false), refusedAs(tells(11, 12, 1, 1, "m", "", 0, 0), ended)}},
		{"by the service, and alice stays", false, []event{appoints(7, 8, "bob"), tells(9, 10, former, 0, "m", "", 1, 0)}},
		{"by the service, while the master is away", true, []event{did(7, 8, aways, ok), appoints(9, 10, "bob"), saw(11, 12, "bob", false)}},
		{"a channel that is over", false, []event{did(7, 8, ends, ok), appoints(9, 10, "bob")}},
		{"one after the other", true, []event{appoints(7, 8, "bob"), appoints(9, 10, "carol"), saw(11, 12, "carol", false)}},
		{"two at once, and both stay", false, []event{handsOver(7, 10, 1, 1, "bob", true), handsOver(8, 9, 1, 1, "carol", true)}},
		{"what was on its way is refused", true, []event{handsOver(7, 10, 1, 1, "bob", true), refusedAs(tells(8, 9, 3, 3, "m", "", 0, 0), roleChanged)}},
		{"nothing was on its way", false, []event{refusedAs(tells(7, 8, 3, 3, "m", "", 0, 0), roleChanged)}},
		{"carol has no other role", false, []event{handsOver(7, 10, 1, 1, "bob", true), refusedAs(tells(8, 9, 4, 4, "m", "", 0, 0), roleChanged)}},
		{"what was on its way to the master is for all", false, []event{
			handsOver(7, 10, 1, 1, "bob", true), refusedAs(tells(8, 11, 3, 3, "m", "", 0, 0), roleChanged), gets(12, 4, "bob", "m", 1, nil)}},
		{"a slave's leave, at that moment", true, []event{appoints(7, 8, "bob"), did(9, 10, input{op: leave, handle: 3, member: 3}, roleChanged), saw(11, 12, "bob", false)}},
		{"a slave's leave, and it is told that it has left", false, []event{appoints(7, 8, "bob"), did(9, 10, input{op: leave, handle: 3, member: 3}, ok), saw(11, 12, "bob", false)}},
		{"a slave's leave ends the channel", false, []event{appoints(7, 8, "bob"), did(9, 10, input{op: leave, handle: 3, member: 3}, roleChanged), saw(11, 12, "", false)}},
		{"numbers go on", false, []event{tells(7, 8, 1, 1, "m", "", 1, 2), handsOver(9, 10, 1, 1, "bob", false), tells(11, 12, heir, 0, "n", "", 1, 1)}},
		{"who waits for alice does not wait for bob", false, []event{
			doorIs(7, 8, 1, 1, lectern.DoorKnock), waitsAs(9, 10, expecting, 1), did(9, 20, expecting, ok), handsOver(11, 12, 1, 1, "bob", false),
			did(13, 14, input{op: admit, handle: heir, member: heir, question: 1, text: "k0=d7"}, ok)}},
		{"and is told so", true, []event{
			doorIs(7, 8, 1, 1, lectern.DoorKnock), waitsAs(9, 10, expecting, 1), did(9, 20, expecting, "wrong_master"), handsOver(11, 12, 1, 1, "bob", false)}},
		{"the door stays", false, []event{doorIs(7, 8, 1, 1, lectern.DoorKnock), handsOver(9, 10, 1, 1, "bob", false), did(11, 12, dave7, ok)}},
		{"who was muted is the master", true, []event{
			mutes(7, 8, 1, 1, "bob", true), handsOver(9, 10, 1, 1, "bob", false), appoints(11, 12, "carol"), did(13, 14, bob2of(6), ok), tells(15, 16, 6, 6, "m", "", 1, 0)}},
		{"all are muted, alice too", false, []event{mutes(7, 8, 1, 1, "", true), handsOver(9, 10, 1, 1, "bob", true), tells(11, 12, former, 0, "m", "", 1, 0)}},

		{"the new master gets what is said behind that", true, []event{handsOver(7, 8, 1, 1, "bob", false), tells(9, 10, 4, 4, "m", "", 1, 0), gets(11, heir, "carol", "m", 1, nil)}},
		{"the old one does", false, []event{handsOver(7, 8, 1, 1, "bob", false), tells(9, 10, 4, 4, "m", "", 1, 0), gets(11, 1, "carol", "m", 1, nil)}},
		{"a message behind that is lost", false, []event{
			handsOver(7, 8, 1, 1, "bob", false), tells(9, 10, 4, 4, "m", "", 1, 0), tells(11, 12, 4, 4, "n", "", 2, 0), gets(13, heir, "carol", "n", 2, nil)}},
		{"what was said before, the new one gets or not", true, []event{
			tells(7, 8, 4, 4, "m", "", 1, 0), tells(9, 10, 4, 4, "n", "", 2, 0), handsOver(11, 12, 1, 1, "bob", false), gets(13, heir, "carol", "n", 2, nil)}},
		{"what it has said itself", false, []event{tells(7, 8, 3, 3, "m", "", 1, 0), handsOver(9, 10, 1, 1, "bob", false), gets(11, heir, "bob", "m", 1, nil)}},
		{"alice gets what bob says", true, []event{handsOver(7, 8, 1, 1, "bob", true), tells(9, 10, heir, 0, "m", "", 1, 2), gets(11, former, "bob", "m", 1, nil)}},
		{"alice gets what she has said", false, []event{tells(7, 8, 1, 1, "m", "", 1, 2), handsOver(9, 10, 1, 1, "bob", true), gets(11, former, "alice", "m", 1, nil)}},
		{"carol gets both", true, []event{
			tells(7, 8, 1, 1, "m", "", 1, 2), handsOver(9, 10, 1, 1, "bob", false), tells(11, 12, heir, 0, "n", "", 2, 1),
			gets(13, 4, "alice", "m", 1, nil), gets(14, 4, "bob", "n", 2, nil)}},
		{"the channel's page stays", true, []event{
			sets(7, 8, 1, 1, "k0", "p1"), sees(9, 4, "alice", "k0", "p1", 1), handsOver(10, 11, 1, 1, "bob", false), tells(12, 13, heir, 0, "m", "", 2, 1),
			gets(14, 4, "bob", "m", 2, map[string]string{"k0": "p1"})}},
		{"the channel's page is gone", false, []event{
			sets(7, 8, 1, 1, "k0", "p1"), sees(9, 4, "alice", "k0", "p1", 1), handsOver(10, 11, 1, 1, "bob", false), tells(12, 13, heir, 0, "m", "", 2, 1),
			gets(14, 4, "bob", "m", 2, nil)}},
		{"the page is told under the name of the new master", true, []event{
			sets(7, 8, 1, 1, "k0", "p1"), handsOver(9, 10, 1, 1, "bob", false), sees(11, 4, "bob", "k0", "p1", 1)}},
		{"and before it is", false, []event{sets(7, 8, 1, 1, "k0", "p1"), sees(9, 4, "bob", "k0", "p1", 1), handsOver(10, 11, 1, 1, "bob", false)}},
	} {
		for i := range c.list {
			if in := &c.list[i].input; in.member == 0 && in.handle >= 1<<20 {
				in.member = in.handle
				if in.op == report && in.handle == heir {
					in.op = broadcast
				}
			}
		}
		c.bites(t, class)
	}
}
