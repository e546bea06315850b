package star

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

func TestRule1OnlyCreateMakesAChannel(t *testing.T) {
	c := newTable(t, Limits{})
	u := c.on("u")
	c.refused(wire.ErrNoSuchChannel, func() error { return c.join(c.now, u, 1, "user_1", "") })
	c.refused(wire.ErrResumeFailed, func() error { return c.resume(c.now, u, 1, "alice", "", 0) })
	for what, transition := range c.everyMemberTransition(u) {
		t.Run(what, func(t *testing.T) { c.refused(wire.ErrNotAMember, transition) })
	}
	c.did(c.lostBy(u))
	require.Equal(t, "status exists=false ref=3", frameLine(c.Status(c.now, 3)))

	a := c.on("a")
	c.did(func() error { return c.create(c.now, a, 1, "alice", 0) }, "a < created ref=1 epoch=1")
	require.Equal(t, "alice", c.master.name)
	require.Equal(t, wire.Master, c.master.role)
	require.True(t, a.current())
	require.Equal(t, "status exists=true alice=online ref=3", frameLine(c.Status(c.now, 3)))
}

func TestRule1TheTimeoutAskedFor(t *testing.T) {
	tests := []struct {
		what                  string
		policy, asked, result time.Duration
	}{
		{"none", xMaster, 0, xMaster},
		{"less", xMaster, time.Second, time.Second},
		{"as much", xMaster, xMaster, xMaster},
		{"more", xMaster, xMaster + 1, xMaster},
		{"negative", xMaster, -1, xMaster},
		{"where the policy has none", -1, time.Second, 0},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			c := newTable(t, Limits{MasterTimeout: test.policy})
			require.NoError(t, c.create(c.now, c.on("a"), 1, "alice", test.asked))
			require.Equal(t, test.result, c.timeout)
			frame := c.frame(c.effects[0].Packet)
			require.Equal(t, uint64(test.result.Milliseconds()), frame.MasterTimeout)
			require.True(t, frame.HasMasterTimeout)
		})
	}
}

func TestRule2JoinWhatAMasterCreated(t *testing.T) {
	c, a, u := openTable(t, Limits{MaxSlaves: 2}, 1)
	n := c.on("n")
	join := func(username, expect string) func() error {
		return func() error { return c.join(c.now, n, 5, username, expect) }
	}
	c.refused(wire.ErrWrongMaster, join("user_2", "bob"))
	c.refused(wire.ErrNameTaken, join("user_1", ""))
	c.refused(wire.ErrNameTaken, join("alice", "alice"))
	c.did(c.lostBy(u[1]), "-u1", "a < presence user_1 away")
	c.refused(wire.ErrNameTaken, join("user_1", "")) // its name stays its own
	c.did(join("user_2", "alice"), "+n", "n < joined alice=online ref=5", "a < presence user_2 online")
	n = c.on("n2")
	c.refused(wire.ErrChannelFull, join("user_3", "")) // one who is away has a place
	c.did(func() error { return c.Kick(a, 0, "user_1", true, "") }, "a < presence user_1 left (kicked)")
	c.refused(wire.ErrBanned, join("user_1", ""))
	c.did(join("user_3", ""), "+n2", "n2 < joined alice=online ref=5", "a < presence user_3 online")
	n = c.on("n3")
	c.did(func() error { return c.Leave(c.now, a, 7) }, "* ! master_left", "forget", "a < left ref=7", "a vacates")
	c.refused(wire.ErrNoSuchChannel, join("user_4", ""))
}

func TestRule2JoinRepeated(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	again := func() error { return c.again(c.now, u[1], 8) }
	c.did(again, "u1 < joined alice=online ref=8")
	c.did(c.lostBy(a), "* < presence alice away left=30000ms")
	c.now = c.now.Add(time.Second)
	c.did(again, "u1 < joined alice=away ref=8", "u1 < presence alice away left=29000ms")
	require.Len(t, c.slaves, 1)
	require.Equal(t, 1, c.connected)
}

func TestRule2EveryMembershipHasItsSecret(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 2)
	secrets := map[Hash]bool{c.master.hash: true, c.slaves["user_1"].hash: true, c.slaves["user_2"].hash: true, {}: true}
	require.Len(t, secrets, 4)
}

func TestRule4StatusAndPresence(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.did(c.lostBy(a), "* < presence alice away left=30000ms")
	c.now = c.now.Add(1500 * time.Microsecond)
	// Rounded up: nobody is told of an end that comes later than said.
	require.Equal(t, "status exists=true alice=away ref=1 left=29999ms", frameLine(c.Status(c.now, 1)))
	c.did(func() error { return c.join(c.now, c.on("n"), 1, "user_3", "") },
		"+n", "n < joined alice=away ref=1", "n < presence alice away left=29999ms")
	c.did(c.lostBy(u[1]), "-u1")
	c.did(func() error { return c.resume(c.now, c.on("r1"), 2, "user_1", c.secret("user_1"), 0) },
		"+r1", "r1 < joined alice=away ref=2", "r1 < presence alice away left=29999ms")
	c.did(c.lostBy(u[2]), "-u2")
	c.did(func() error { return c.resume(c.now, c.on("b"), 2, "alice", c.secret("alice"), 0) },
		"b << created ref=2 epoch=2 [user_1=online user_2=away user_3=online]", "* < presence alice online")
	require.Equal(t, "status exists=true alice=online ref=1", frameLine(c.Status(c.now, 1)))
}

func TestRule5ASlaveSendsToItsMasterOnly(t *testing.T) {
	c, _, u := openTable(t, Limits{}, 2)
	for _, to := range []string{"user_2", "user_1", "alice", "nobody", ""} {
		c.refused(wire.ErrForbidden, func() error { return c.Send(u[1], messageTo(0, to, "psst")) })
	}
	c.did(func() error { return c.Send(u[1], textMessage(2, "here")) }, "a < message seq=1 user_1: here", "u1 < ack ref=2 seq=1")
	c.did(func() error { return c.Send(u[2], textMessage(0, "me too")) }, "a < message seq=2 user_2: me too")
	asking := textMessage(3, "may I?")
	asking.Asks = true
	c.did(func() error { return c.Send(u[1], asking) }, "a < message seq=3 user_1: may I? request=3", "u1 < ack ref=3 seq=3")
	replying := textMessage(0, "yes")
	replying.ReplyTo = 7
	c.refused(wire.ErrNoSuchRequest, func() error { return c.Send(u[1], replying) })

	for what, transition := range c.everyMemberTransition(u[1]) {
		switch what {
		case "away", "back", "kick", "ban", "mute", "mute all", "members":
			t.Run(what, func(t *testing.T) { c.refused(wire.ErrForbidden, transition) })
		}
	}
}

func TestRule6AMasterSendsToOneOrAll(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.did(c.lostBy(u[2]), "-u2", "a < presence user_2 away")
	tests := []struct {
		what    string
		message Message
		effects []string
	}{
		{"to all", textMessage(2, "x"), []string{"* < message seq=1 alice: x", "a < ack ref=2 seq=1 slaves=1"}},
		{"to one", messageTo(3, "user_1", "y"), []string{"u1 < message seq=2 alice: y (private)", "a < ack ref=3 seq=2 slaves=1"}},
		{"to one who is away", messageTo(4, "user_2", "z"), []string{"a < ack ref=4 seq=3"}},
		{"without a ref", textMessage(0, "w"), []string{"* < message seq=4 alice: w"}},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			c.did(func() error { return c.Send(a, test.message) }, test.effects...)
		})
	}
	for _, to := range []string{"user_3", "alice", ""} {
		c.refused(wire.ErrNoSuchSlave, func() error { return c.Send(a, messageTo(0, to, "x")) })
	}
	// Who comes back gets what was for it, and who joins nothing of before.
	c.did(func() error { return c.resume(c.now, c.on("r"), 6, "user_2", c.secret("user_2"), 0) },
		"+r", "r < joined alice=online ref=6", "a < presence user_2 online",
		"r << message seq=1 alice: x", "r << message seq=3 alice: z (private)", "r << message seq=4 alice: w")
	c.did(func() error { return c.join(c.now, c.on("n"), 1, "user_3", "") },
		"+n", "n < joined alice=online ref=1", "a < presence user_3 online")
	c.did(func() error { return c.resume(c.now, c.on("n2"), 6, "user_3", c.secret("user_3"), 0) },
		"-n", "n ! replaced: the membership was taken over by a newer connection",
		"+n2", "n2 < joined alice=online ref=6")
}

func TestRule7OneMaster(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 1)
	create := func() error { return c.create(c.now, c.on("b"), 1, "bob", 0) }
	c.refused(wire.ErrChannelExists, create)
	c.refused(wire.ErrChannelExists, func() error { return c.create(c.now, c.on("b"), 1, "alice", 0) })
	c.did(c.lostBy(a), "* < presence alice away left=30000ms")
	c.refused(wire.ErrChannelExists, create)
	c.now = c.now.Add(xMaster - 1)
	c.refused(wire.ErrChannelExists, create)
}

func TestRule7OnlyTheSecretReturns(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	right := c.secret("alice")
	tests := []struct {
		what, username, secret string
		last                   uint64
	}{
		{"no secret", "alice", "", 0},
		{"another secret", "alice", "another secret", 0},
		{"a slave's secret", "alice", c.secret("user_1"), 0},
		{"the master's for a slave", "user_1", right, 0},
		{"another slave's", "user_1", c.secret("user_2"), 0},
		{"nobody of that name", "bob", right, 0},
		{"more than the secret", "alice", right + "A", 0},
		{"less than the secret", "alice", right[:len(right)-1], 0},
		{"a number from the future", "alice", right, 1},
		{"a slave's number from the future", "user_1", c.secret("user_1"), 1},
	}
	states := map[string]func(){
		"while connected": func() {},
		"while away":      func() { c.Lose(c.now, a); c.Lose(c.now, u[1]) },
	}
	for _, state := range []string{"while connected", "while away"} {
		states[state]()
		for _, test := range tests {
			t.Run(test.what+" "+state, func(t *testing.T) {
				c.refused(wire.ErrResumeFailed, func() error {
					return c.resume(c.now, c.on("n"), 1, test.username, test.secret, test.last)
				})
			})
		}
	}
}

func TestRule7ATakeoverMakesTheOldStale(t *testing.T) {
	const takenOver = "replaced: the membership was taken over by a newer connection"
	c, a, u := openTable(t, Limits{}, 1)
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 1, "alice", c.secret("alice"), 0) },
		"a ! "+takenOver, "b << created ref=1 epoch=2 [user_1=online]")
	r := c.on("r")
	c.did(func() error { return c.resume(c.now, r, 1, "user_1", c.secret("user_1"), 0) },
		"-u1", "u1 ! "+takenOver, "+r", "r < joined alice=online ref=1")
	old := []*Attachment{a, u[1]}
	for _, at := range old {
		for what, transition := range c.everyMemberTransition(at) {
			t.Run(c.tags[at]+" "+what, func(t *testing.T) { c.refused(wire.ErrReplaced, transition) })
		}
		before := c.snapshot()
		c.did(c.lostBy(at)) // a late loss is nobody's
		require.Equal(t, before, c.snapshot())
	}

	// On the same connection, nobody is told: it has the membership already.
	same := c.on("same")
	same.Line = b.Line
	c.did(func() error { return c.resume(c.now, same, 2, "alice", c.secret("alice"), 0) },
		"same << created ref=2 epoch=3 [user_1=online]")
	c.refused(wire.ErrReplaced, func() error { return c.Send(b, textMessage(0, "x")) })

	// Stale stays stale after the end; what was current is no member's any more.
	c.did(func() error { return c.Leave(c.now, same, 0) }, "* ! master_left", "forget", "same < left", "same vacates")
	for _, at := range append(old, b) {
		for _, transition := range c.everyMemberTransition(at) {
			c.refused(wire.ErrReplaced, transition)
		}
	}
	for _, at := range []*Attachment{same, r} {
		for _, transition := range c.everyMemberTransition(at) {
			c.refused(wire.ErrNotAMember, transition)
		}
	}
}

func TestRule7AnAwayMasterTakenOverIsBack(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 1)
	c.did(func() error { return c.Away(c.now, a, 0) }, "* < presence alice away left=30000ms")
	c.did(func() error { return c.resume(c.now, c.on("b"), 1, "alice", c.secret("alice"), 0) },
		"a ! replaced: the membership was taken over by a newer connection",
		"b << created ref=1 epoch=2 [user_1=online]", "* < presence alice online")
	c.now = c.now.Add(2 * xMaster)
	c.did(c.lostBy(a)) // and the ghost's end changes nothing
	require.Equal(t, wire.StateOnline, c.master.state)
}

func TestMembersAreByTheirNames(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 3)
	c.did(c.lostBy(u[2]), "-u2", "a < presence user_2 away")
	c.did(func() error { return c.Members(a, 2, Page{}) }, "a < members ref=2 [user_1=online user_2=away user_3=online]")
	require.Equal(t, 2, c.connected)
}
