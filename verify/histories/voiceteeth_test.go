package histories

import "testing"

func mutes(call, end int64, handle, member int, to string, on bool) event {
	return did(call, end, input{op: mute, handle: handle, member: member, to: to, on: on}, ok)
}

// TestTeethOfTheVoice: a send by who is muted is refused, unless it is let speak at some moment of the call.
func TestTeethOfTheVoice(t *testing.T) {
	class := []event{did(1, 2, alice, ok), did(3, 4, bob, ok), did(5, 6, carol, ok)}
	isMuted := func(call, end int64, handle, member int) event {
		return did(call, end, input{op: report, handle: handle, member: member, text: "m"}, "muted")
	}
	for _, c := range []toothed{
		{"a muted slave is refused", true, []event{mutes(7, 8, 1, 1, "bob", true), isMuted(9, 10, 3, 3)}},
		{"a muted slave is heard", false, []event{mutes(7, 8, 1, 1, "bob", true), tells(9, 10, 3, 3, "m", "", 1, 0)}},
		{"another one is heard", true, []event{mutes(7, 8, 1, 1, "bob", true), tells(9, 10, 4, 4, "m", "", 1, 0)}},
		{"another one is refused", false, []event{mutes(7, 8, 1, 1, "bob", true), isMuted(9, 10, 4, 4)}},
		{"it is muted while it sends, and heard", true, []event{mutes(8, 9, 1, 1, "bob", true), tells(7, 10, 3, 3, "m", "", 1, 0)}},
		{"it is let speak while it sends, and heard", true, []event{mutes(7, 8, 1, 1, "bob", true), mutes(10, 11, 1, 1, "bob", false), tells(9, 12, 3, 3, "m", "", 1, 0)}},
		{"it is let speak before it sends, and refused", false, []event{mutes(7, 8, 1, 1, "bob", true), mutes(9, 10, 1, 1, "bob", false), isMuted(11, 12, 3, 3)}},
		{"all are muted, and one is heard", false, []event{mutes(7, 8, 1, 1, "", true), tells(9, 10, 4, 4, "m", "", 1, 0)}},
		{"all are muted but one", true, []event{mutes(7, 8, 1, 1, "", true), mutes(9, 10, 1, 1, "bob", false), tells(11, 12, 3, 3, "m", "", 1, 0), isMuted(13, 14, 4, 4)}},
		{"all are let speak, and there are exceptions", false, []event{mutes(7, 8, 1, 1, "bob", true), mutes(9, 10, 1, 1, "", false), isMuted(11, 12, 3, 3)}},
		{"who leaves and joins again is heard", false, []event{
			mutes(7, 8, 1, 1, "bob", true), did(9, 10, kicks, ok), did(11, 12, bob2of(6), ok), tells(13, 14, 6, 6, "m", "", 1, 0)}},
		{"a muted slave changes an attribute", true, []event{mutes(7, 8, 1, 1, "bob", true), sets(9, 10, 3, 3, "k0", "h")}},
		{"a muted slave asks", false, []event{mutes(7, 8, 1, 1, "bob", true), asked(9, 10, "q", 1)}},
		{"one that is not there is muted", false, []event{mutes(7, 8, 1, 1, "dave", true)}},
		{"what is refused takes a number", false, []event{mutes(7, 8, 1, 1, "bob", true), isMuted(9, 10, 3, 3), tells(11, 12, 4, 4, "m", "", 2, 0)}},
	} {
		c.bites(t, class)
	}
}
