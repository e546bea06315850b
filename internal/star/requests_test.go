package star

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

func asking(ref uint64, to string) Message {
	msg := textMessage(ref, "well?")
	msg.To, msg.HasTo = to, to != ""
	msg.Asks = true
	return msg
}

func replying(to string, request uint64) Message {
	msg := textMessage(0, "yes")
	msg.To, msg.HasTo = to, to != ""
	msg.ReplyTo = request
	return msg
}

func TestMastersQuestionToAll(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 3)
	c.did(c.lostBy(u[3]), "-u3", "a < presence user_3 away")
	c.did(func() error { return c.Send(a, asking(2, "")) }, "* < message seq=1 alice: well? request=1", "a < ack ref=2 seq=1 slaves=2")
	c.did(func() error { return c.Awaiting(a, 3, 1, Page{}) }, "a < awaiting ref=3 [user_1=online user_2=online user_3=away] request=1")

	late := c.on("u4")
	c.did(func() error { return c.join(c.now, late, 1, "user_4", "") },
		"+u4", "u4 < joined alice=online ref=1", "a < presence user_4 online")
	c.refused(wire.ErrNoSuchRequest, func() error { return c.Send(late, replying("", 1)) }) // was not asked

	c.did(func() error { return c.Send(u[1], replying("", 1)) }, "a < message seq=1 user_1: yes reply=1")
	c.refused(wire.ErrNoSuchRequest, func() error { return c.Send(u[1], replying("", 1)) }) // twice
	c.did(func() error { return c.Awaiting(a, 4, 1, Page{}) }, "a < awaiting ref=4 [user_2=online user_3=away] request=1")

	// One who leaves ends its part; one of the same name was not asked.
	c.did(func() error { return c.Leave(c.now, u[2], 9) }, "-u2", "a < presence user_2 left (left)", "u2 < left ref=9", "u2 vacates")
	again := c.on("u2'")
	c.did(func() error { return c.join(c.now, again, 1, "user_2", "") },
		"+u2'", "u2' < joined alice=online ref=1", "a < presence user_2 online")
	c.refused(wire.ErrNoSuchRequest, func() error { return c.Send(again, replying("", 1)) })
	c.did(func() error { return c.Awaiting(a, 5, 1, Page{}) }, "a < awaiting ref=5 [user_3=away] request=1")

	// With the last part the question is over.
	c.now = c.now.Add(xSlave)
	c.did(func() error { return c.Awaiting(a, 6, 1, Page{}) }, "a < presence user_3 left (timeout)", "a < awaiting ref=6 [] request=1")
	require.Empty(t, c.requests)
}

// Who has no open request any more has no list of them either.
func TestNothingIsLeftOfRequests(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	for range 2 {
		c.did0(func() error { return c.Send(u[1], asking(0, "")) })
	}
	c.did0(func() error { return c.Send(a, replying("user_1", 1)) })
	require.Equal(t, []uint64{2}, u[1].member.openRequests)
	c.did0(func() error { return c.Withdraw(u[1], 0, 2) })
	require.Nil(t, u[1].member.openRequests)
}

func TestQuestionsThatAreOver(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.did(func() error { return c.Send(a, asking(0, "")) }, "* < message seq=1 alice: well? request=1")
	c.did(func() error { return c.Send(a, asking(0, "user_1")) }, "u1 < message seq=2 alice: well? (private) request=2")
	c.did(func() error { return c.Send(u[1], asking(0, "")) }, "a < message seq=1 user_1: well? request=1")

	c.refused(wire.ErrNoSuchRequest, func() error { return c.Send(u[2], replying("", 2)) }) // another one was asked
	c.refused(wire.ErrNoSuchRequest, func() error { return c.Withdraw(u[2], 2, 1) })        // another one has asked
	c.refused(wire.ErrNoSuchRequest, func() error { return c.Send(a, replying("user_2", 1)) })
	c.refused(wire.ErrNoSuchRequest, func() error { return c.Send(a, replying("", 1)) })
	c.refused(wire.ErrNoSuchSlave, func() error { return c.Send(a, replying("nobody", 1)) })

	c.did(func() error { return c.Awaiting(u[1], 3, 1, Page{}) }, "u1 < awaiting ref=3 [alice=online] request=1")
	c.did(func() error { return c.Send(a, replying("user_1", 1)) }, "u1 < message seq=3 alice: yes (private) reply=1")
	c.refused(wire.ErrNoSuchRequest, func() error { return c.Send(a, replying("user_1", 1)) })
	c.did(func() error { return c.Awaiting(u[1], 4, 1, Page{}) }, "u1 < awaiting ref=4 [] request=1")

	c.did(func() error { return c.Withdraw(a, 5, 2) }, "a < ack ref=5")
	c.refused(wire.ErrNoSuchRequest, func() error { return c.Send(u[1], replying("", 2)) })
	c.did(func() error { return c.Send(u[1], replying("", 1)) }, "a < message seq=2 user_1: yes reply=1")
	c.did(func() error { return c.Send(u[2], replying("", 1)) }, "a < message seq=3 user_2: yes reply=1")
	require.Empty(t, c.requests)

	// With nobody there, nothing is awaited.
	c, a, _ = openTable(t, Limits{}, 0)
	c.did(func() error { return c.Send(a, asking(0, "")) }, "* < message seq=1 alice: well? request=1")
	require.Empty(t, c.requests)
	c.did(func() error { return c.Awaiting(a, 6, 1, Page{}) }, "a < awaiting ref=6 [] request=1")
	c.refused(wire.ErrNoSuchRequest, func() error { return c.Withdraw(a, 7, 1) })
}

func TestOpenRequestsAreBounded(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	for range wire.SlaveAnswers {
		require.NoError(t, c.Send(u[1], asking(0, "")))
	}
	c.refused(wire.ErrBusy, func() error { return c.Send(u[1], asking(0, "")) })
	require.NoError(t, c.Withdraw(u[1], 0, 1))
	require.NoError(t, c.Send(u[1], asking(0, "")))
	for range wire.MasterAnswers {
		require.NoError(t, c.Send(a, asking(0, "")))
	}
	c.refused(wire.ErrBusy, func() error { return c.Send(a, asking(0, "")) })
	require.NoError(t, c.Send(u[1], replying("", 1)))
	require.NoError(t, c.Send(a, asking(0, "")))
}
