package star

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// A slave that has missed just as much as is queued at once gets it at once, and one byte
// more is fed.
func TestHowMuchIsReplayedAtOnce(t *testing.T) {
	for more, effects := range [][]string{
		{"+r", "r < joined alice=online ref=2", "a < presence user_1 online", "r << message seq=1 alice: " + strings.Repeat("x", atOnce-entryOverhead)},
		{"r < joined alice=online ref=2", "a < presence user_1 online", "r ..."},
	} {
		c, a, u := openTable(t, Limits{}, 1)
		c.did0(c.lostBy(u[1]))
		c.did0(c.says(a, strings.Repeat("x", atOnce-entryOverhead+more)))
		r := c.on("r")
		c.did(func() error { return c.resume(c.now, r, 2, "user_1", c.secret("user_1"), 0) }, effects...)
	}
}

// Who takes a seat over gets the only secret of it: one that was given by a repeated join
// before is worth nothing, also when the client is heard.
func TestATakeOverEndsBothSecrets(t *testing.T) {
	c, _, _ := heldTable(t)
	c.did0(c.joinsAs(c.on("u'"), c.shows("A", 2, 0, "s2")))
	b := c.on("b")
	c.did0(c.joinsAs(b, c.granted("B", 1, 0, "s3", Grant{Asked: true, TakeOver: true})))
	c.refused(wire.ErrResumeFailed, c.resumes(c.on("x"), c.shows("B", 2, 3, "s1")))
	c.refused(wire.ErrResumeFailed, c.resumes(c.on("x"), c.shows("B", 2, 3, "s2")))
	c.did0(c.hears(b))
	c.did0(c.resumes(c.on("b'"), c.shows("B", 2, 3, "s3")))
}

// Whoever takes the master's seat over is answered as a master is that comes back.
func TestTheAnswerToATakeOverOfTheMastersSeat(t *testing.T) {
	over := Grant{Asked: true, TakeOver: true}
	c, a, u := heldTable(t)
	b := c.on("b")
	c.did(func() error { return c.Create(c.now, b, c.granted("B", 1, 0, "s2", over), "alice", 0) },
		"a ! replaced: the membership was taken over by a newer connection", "b << created ref=1 epoch=2 [ada=online]")
	c.did0(c.lostBy(b))
	c.did0(c.says(u, "early"))
	c.did(func() error { return c.Join(c.now, c.on("d"), c.granted("D", 1, 0, "s3", over), "alice", "") },
		"d << created ref=1 epoch=3 seq=1 [ada=online]", "* < presence alice online", "d << message seq=1 ada: early")
	c.refused(wire.ErrReplaced, c.hears(a))
}

// A resume with the first secret ends the one that a repeated join was given, also when the
// client is heard.
func TestAResumeEndsTheOtherSecret(t *testing.T) {
	c, _, _ := heldTable(t)
	c.did0(c.joinsAs(c.on("u'"), c.shows("A", 2, 0, "s2")))
	back := c.on("u''")
	c.did0(c.resumes(back, c.shows("A", 3, 1, "s1")))
	c.refused(wire.ErrResumeFailed, c.resumes(c.on("x"), c.shows("A", 4, 1, "s2")))
	c.did0(c.hears(back))
	c.refused(wire.ErrResumeFailed, c.resumes(c.on("x"), c.shows("A", 4, 1, "s2")))
	c.did0(c.resumes(c.on("y"), c.shows("A", 4, 1, "s1")))
}

// What few members need takes no memory any more once it is settled by a frame.
func TestAHeardMemberHasNoExtras(t *testing.T) {
	c, _, _ := heldTable(t)
	again := c.on("u'")
	c.did0(c.joinsAs(again, c.shows("A", 2, 0, "s2")))
	require.NotNil(t, c.slaves["ada"].extras)
	c.did0(c.hears(again))
	require.Nil(t, c.slaves["ada"].extras)
}

// What the master was granted expires once: it is not due again when a slave's expires
// after it, when the instants are put in order anew, or in a channel that is restored.
func TestAMasterExpiresOnce(t *testing.T) {
	c := newTable(t, Limits{})
	require.NoError(t, c.Create(c.now, c.on("a"), c.granted("M", 1, 0, "s1", until(10)), "alice", 0))
	u := c.on("u")
	c.did0(c.joinsAs(u, c.granted("A", 1, 0, "s2", until(60))))
	c.did0(func() error {
		return c.Join(c.now, c.on("v"), c.granted("B", 1, 0, "s3", until(20)), "bob", "")
	})
	for _, now := range []int{10, 20} { // and the master's time to come back ends at 40
		next := noon.Add(time.Duration(2*now) * time.Second)
		c.at(now)
		c.did0(func() error { return nil })
		require.True(t, c.Snapshot().MasterExpired)
		for i := range 40 {
			c.did0(func() error { return c.Refresh(u, 0, until(60+i%2)) })
			due, ok := c.Due()
			require.True(t, ok)
			require.Equal(t, next, due)
		}
		back, err := Restore(c.Snapshot(), c.limits, c.now, func(wire.Role, string) *Attachment { return c.on("restored") })
		require.NoError(t, err)
		due, ok := back.Due()
		require.True(t, ok)
		require.Equal(t, next, due)
	}
	require.NotContains(t, c.slaves, "bob")
}

// The earliest of all deadlines is due: the end of a grant or of a request, or of the time of
// somebody who is away.
func TestTheEarliestDeadlineIsDue(t *testing.T) {
	for _, test := range []struct{ expires, asked, want int }{
		{15, 90, 15}, {20, 90, 20}, {25, 90, 20}, {15, 10, 10}, {25, 10, 10}, {15, 17, 15}, {25, 20, 20}, {25, 22, 20},
	} {
		c, a, u := openTable(t, Limits{}, 1)
		c.did0(c.joinsAs(c.on("v"), c.granted("A", 1, 0, "s1", until(test.expires))))
		c.did0(c.sendsFor(a, asking(2, ""), time.Duration(test.asked)*time.Second))
		c.did0(c.lostBy(u[1])) // until 20 s
		due, ok := c.Due()
		require.True(t, ok)
		require.Equal(t, noon.Add(time.Duration(test.want)*time.Second), due)
	}
}

// A channel that has ended is kept for nobody: who creates it on is told no more than that it is
// there.
func TestAnEndedChannelIsKeptForNobody(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 0)
	c.did0(c.lostBy(a))
	require.ErrorContains(t, c.create(c.now, c.on("b"), 1, "alice", 0), "kept for its master")
	c.passes(30, "* ! master_down: the master was away for 30s", "forget")
	require.Same(t, wire.ErrChannelExists, c.create(c.now, c.on("b"), 1, "alice", 0))
}
