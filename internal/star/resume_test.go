package star

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// A replay is beyond what may wait for a connection, so there is one at a time.
func TestResumeOnTheSameConnection(t *testing.T) {
	c, _, u := openTable(t, Limits{}, 2)
	resume := func(at *Attachment) func() error {
		return func() error { return c.resume(c.now, at, 5, "user_1", c.secret("user_1"), 0) }
	}
	out := u[1].Line.(*line)
	again := c.on("again")
	again.Line = out
	out.waiting = 1
	c.refused(wire.ErrBusy, resume(again))
	out.waiting = 0
	c.did(resume(again), "-u1", "+again", "again < joined alice=online ref=5")
	out.waiting = 1 // which is the old connection's trouble alone
	c.did(resume(c.on("r")), "-again", "again ! replaced: the membership was taken over by a newer connection",
		"+r", "r < joined alice=online ref=5")
}

// A client whose refs do not go on is another one: the former's answers and open
// requests are not its own.
func TestResumeByAnotherClient(t *testing.T) {
	tests := []struct {
		what string
		ref  uint64
		kept bool
	}{
		{"refs that go on", 9, true},
		{"no ref", 0, true},
		{"refs that begin anew", 1, false},
		{"the same ref", 8, false},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			c, a, u := openTable(t, Limits{}, 2)
			require.NoError(t, c.Send(a, asking(8, "")))
			require.NoError(t, c.Send(u[1], asking(8, "")))
			require.NoError(t, c.Send(u[2], asking(8, "")))

			require.NoError(t, c.resume(c.now, c.on("r"), test.ref, "user_1", c.secret("user_1"), 1))
			require.Len(t, c.requests, 1, "the master's requests are not the slave's")
			require.Equal(t, test.kept, len(c.slaves["user_1"].openRequests) == 1)
			require.Len(t, c.slaves["user_2"].openRequests, 1)
			_, known := c.slaves["user_1"].answers.find(8)
			require.Equal(t, test.kept, known)

			require.NoError(t, c.resume(c.now, c.on("b"), test.ref, "alice", c.secret("alice"), 2))
			require.Equal(t, test.kept, len(c.requests) == 1)
			require.Len(t, c.slaves["user_2"].openRequests, 1)
			_, known = c.master.answers.find(8)
			require.Equal(t, test.kept, known)
		})
	}
}

// Who takes over its own membership was not away, and nobody else's time is lost by
// it (rule 3).
func TestResumeLeavesTheOthersAway(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 3)
	for _, at := range u[1:3] {
		c.Lose(c.now, at)
	}
	require.NoError(t, c.resume(c.now, c.on("r"), 5, "user_3", c.secret("user_3"), 0))
	c.Lose(c.now, a)
	require.NoError(t, c.resume(c.now, c.on("b"), 5, "alice", c.secret("alice"), 0))
	c.effects = nil
	c.now = c.now.Add(xSlave)
	c.did(func() error { return nil }, "b < presence user_1 left (timeout)", "b < presence user_2 left (timeout)")
}

// Where nothing is kept, a master that comes back is told of no number up to which
// its replay goes.
func TestResumeWithoutAReplay(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: -1}}, 1)
	require.NoError(t, c.Send(u[1], textMessage(0, "x")))
	c.Lose(c.now, a)
	c.effects = nil
	c.did(func() error { return c.resume(c.now, c.on("b"), 2, "alice", c.secret("alice"), 1) },
		"b << created ref=2 epoch=2 [user_1=online]", "* < presence alice online")
}

// A list that finds no room is refused, and one that does is given whole.
func TestListsFindRoomOrAreRefused(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 2)
	require.NoError(t, c.Send(a, asking(0, "")))
	c.effects = nil
	out := a.Line.(*line)
	room := 2 * (len("user_1") + listEntryOverhead)
	out.notices = room - 1
	c.refused(wire.ErrBusy, func() error { return c.Members(a, 2, Page{}) })
	c.refused(wire.ErrBusy, func() error { return c.Awaiting(a, 3, 1, Page{}) })
	out.notices = room
	c.did(func() error { return c.Members(a, 2, Page{}) }, "a < members ref=2 [user_1=online user_2=online]")
	c.did(func() error { return c.Awaiting(a, 3, 1, Page{}) }, "a < awaiting ref=3 [user_1=online user_2=online] request=1")
}
