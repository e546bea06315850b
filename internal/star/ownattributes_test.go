package star

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// A client that goes on by the ticket of another one is told the attributes that this one has set,
// and not those of the service; the client that has set them is not told.
func TestWhoGoesOnByATicketIsToldItsOwnAttributes(t *testing.T) {
	c := newTable(t, Limits{})
	a, u := c.on("a"), c.on("u")
	by := Grant{Asked: true, Attributes: withAttributes("site", "north")}
	require.NoError(t, c.Create(c.now, a, c.granted("M", 1, 0, "sm", by), "alice", 0))
	require.NoError(t, c.Join(c.now, u, c.granted("A", 1, 0, "sa", by), "ada", ""))
	c.did0(c.sets(a, "slide", "2"))
	c.did0(c.sets(a, "gone", "x"))
	c.did0(c.sets(a, "gone", ""))
	c.did0(c.sets(u, "hand", "up"))
	c.did0(c.sets(u, "at", "3"))
	own := func(at *Attachment, name, instance, secret string, ref, epoch, last uint64) string {
		t.Helper()
		require.NoError(t, c.do(func() error { return c.Resume(c.now, at, c.shows(instance, ref, epoch, secret), name, last, last) }))
		defer func() { c.effects = nil }()
		for _, e := range c.effects {
			if line := c.line(e); e.To == at && (strings.Contains(line, " joined ") || strings.Contains(line, " created ")) {
				return line
			}
		}
		return ""
	}
	require.Equal(t, "u' < joined alice=online ref=2", own(c.on("u'"), "ada", "A", "sa", 2, 1, 2))
	require.Equal(t, "v < joined alice=online ref=1 at = 3 hand = up", own(c.on("v"), "ada", "C", "sa", 1, 1, 2))
	v := c.on("v'")
	require.Equal(t, "v' < joined alice=online ref=2 at = 3 hand = up", own(v, "ada", "C", "sa", 2, 2, 2), "nobody knows whether it has the first")
	c.did0(c.sets(v, "at", "4"))
	require.Equal(t, "v'' < joined alice=online ref=3", own(c.on("v''"), "ada", "C", "sa", 3, 3, 2), "it holds the membership")
	require.Equal(t, "a' << created ref=2 epoch=2 seq=4 [ada=online]", own(c.on("a'"), "alice", "M", "sm", 2, 1, 4))
	require.Equal(t, "b << created ref=1 epoch=3 seq=4 [ada=online] slide = 2", own(c.on("b"), "alice", "N", "sm", 1, 1, 4))
}

// The attributes with which a client takes a seat over are the member's, beside those that it had: it is
// told all of them, and who sees them is told what has changed.
func TestWhoTakesASeatOverHasTheAttributesWithWhichItEnters(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 0)
	over := func(ref uint64, fixed, given wire.Attributes) Entry {
		e := c.granted("B", ref, 0, fmt.Sprint("s", ref), Grant{Asked: true, TakeOver: true, Attributes: fixed})
		e.Attributes = given
		return e
	}
	by := Grant{Asked: true, Attributes: withAttributes("site", "north", "grade", "5")}
	u = append(u, c.on("u"))
	require.NoError(t, c.do(c.joinsWith(u[1], "ada", withAttributes("hand", "up", "at", "3"), by)))
	c.effects = nil

	c.refused(wire.ErrForbidden, c.joinsAs(c.on("x"), over(1, by.Attributes, withAttributes("grade", "6"))))
	c.refused(wire.ErrBadFrame, c.joinsAs(c.on("x"), over(1, nil, withAttributes("\n", "6"))))
	many := wire.Attributes{}
	for i := range slaveKeys - 1 {
		many = append(many, withAttributes(fmt.Sprint("k", i), "x")...)
	}
	c.refused(wire.ErrAttributesFull, c.joinsAs(c.on("x"), over(1, nil, many)))
	c.refused(wire.ErrAttributesFull, c.joinsAs(c.on("x"), over(1, nil, withAttributes("note", strings.Repeat("x", entryBytes)))))
	c.refused(wire.ErrAttributesFull, c.joinsAs(c.on("x"), over(1, withAttributes("site", strings.Repeat("x", slaveBytes)), nil)))

	b := c.on("b")
	c.did(c.joinsAs(b, over(1, withAttributes("site", "south"), withAttributes("hand", "up", "at", "4", "grade", "A"))),
		"a ~ attribute ada grade seq=5", "a ~ attribute ada site seq=6 = south",
		"a ~ attribute ada at seq=7 = 4", "a ~ attribute ada grade seq=8 = A",
		"-u", "u ! replaced: the membership was taken over by a newer connection", "+b",
		"b < joined alice=online ref=1 at = 4 grade = A hand = up")
	c.did0(c.sets(b, "grade", "B"))
	c.did(c.joinsAs(c.on("b'"), over(2, nil, nil)), "a ~ attribute ada site seq=10",
		"-b", "b ! replaced: the membership was taken over by a newer connection", "+b'",
		"b' < joined alice=online ref=2 at = 4 grade = B hand = up")

	// So it is with the master's seat.
	m := c.on("m")
	c.did(func() error { return c.Create(c.now, m, over(3, nil, withAttributes("slide", "1")), "alice", 0) },
		"* ~ attribute alice slide seq=1 = 1", "a ! replaced: the membership was taken over by a newer connection",
		"m << created ref=3 epoch=2 seq=10 [ada=online] slide = 1", "m < reset",
		"m ~ attribute ada hand seq=1 = up", "m ~ attribute ada at seq=7 = 4", "m ~ attribute ada grade seq=9 = B", "m ~ attribute ada site seq=10")
	require.NotNil(t, a)
}

// What a client is told of its own counts against the rate of what is sent again.
func TestToBeToldOnesOwnAttributesHasARate(t *testing.T) {
	c := newTable(t, Limits{Replay: Bound{Messages: 1, Bytes: againLeast}})
	a := c.on("a")
	require.NoError(t, c.Create(c.now, a, c.shows("M", 1, 0, "sm"), "alice", 0))
	require.NoError(t, c.join(c.now, c.on("u"), 1, "ada", ""))
	for i := range 3 {
		c.did0(c.sets(a, fmt.Sprint("k", i), strings.Repeat("x", 64<<10)))
	}
	refused := 0
	for i := range uint64(60) {
		err := c.do(func() error {
			return c.Resume(c.now, c.on(fmt.Sprint("b", i)), c.shows(fmt.Sprint("N", i), 1, 1, "sm"), "alice", 0, 0)
		})
		if err != nil {
			require.ErrorIs(t, err, wire.ErrRateLimited)
			refused++
		}
		c.effects = nil
	}
	require.Greater(t, refused, 30)
}
