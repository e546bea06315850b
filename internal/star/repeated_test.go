package star

import (
	"fmt"
	"testing"

	"github.com/lectern-go/lectern/internal/wire"
)

// createdAgain is a create on the attachment of one who is in the channel already.
func (c *table) createdAgain(a *Attachment, ref uint64) func() error {
	return func() error { return c.RepeatCreate(a, Entry{Ref: ref, Secret: given(c.secrets["alice"])}) }
}

func TestRule7CreateRepeated(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 0)
	c.did(c.createdAgain(a, 1), "a < created ref=1 epoch=1")
	c.refused(wire.ErrChannelExists, c.createdAgain(a, 2))

	// The list of slaves is in it, since nobody knows which of them the first answer's
	// reader has been told of.
	c, a, u := openTable(t, Limits{}, 2)
	c.did(c.lostBy(u[2]), "-u2", "a < presence user_2 away")
	c.did(c.createdAgain(a, 1), "a < created ref=1 epoch=1 [user_1=online user_2=away]")
	c.refused(wire.ErrChannelExists, c.createdAgain(u[1], 1))
	a.Line.(*line).notices = 0
	c.refused(wire.ErrBusy, c.createdAgain(a, 1))
	a.Line.(*line).notices = 2 * listEntryOverhead
	c.refused(wire.ErrBusy, c.createdAgain(a, 1)) // there is no room for the names
	a.Line.(*line).notices = -1

	// Another connection of the master's has its own refs, and has created nothing.
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 1, "alice", c.secret("alice"), 0) },
		"a ! replaced: the membership was taken over by a newer connection",
		"b << created ref=1 epoch=2 [user_1=online user_2=away]")
	c.refused(wire.ErrReplaced, c.createdAgain(a, 1))
	c.refused(wire.ErrChannelExists, c.createdAgain(b, 1))
}

// A create without a ref cannot be recognised.
func TestRule7CreateWithoutARef(t *testing.T) {
	c := newTable(t, Limits{})
	a := c.on("a")
	c.did(func() error { return c.create(c.now, a, 0, "alice", 0) }, "a < created epoch=1")
	c.refused(wire.ErrChannelExists, c.createdAgain(a, 0))
}

// What was gathered for a master is told by the repeated answer too.
func TestRule7CreateRepeatedTellsTheList(t *testing.T) {
	c, a, _ := slowTable(t, Limits{}, 1, 0)
	four := c.on("u4")
	c.did(c.enters(four, "user_4"), "+u4", "u4 < joined alice=online ref=1", "a ...")
	c.did(c.createdAgain(a, 1), "a < created ref=1 epoch=1 [user_1#1=online user_4#2=online]")
	c.did(c.says(four, "z"), "a < message seq=1 user_4: z")
	c.did(c.drains(a))
}

// Nor does the repeated answer's list go before the messages of a slave that is not in it any
// more, while the master is fed them.
func TestRule7CreateRepeatedWhileTheMasterIsFed(t *testing.T) {
	c := newTable(t, Limits{})
	create := func(at *Attachment, ref uint64) func() error {
		return func() error { return c.Create(c.now, at, c.shows("M", ref, 0, fmt.Sprint("s", ref)), "alice", 0) }
	}
	a, b, u := c.on("a"), c.on("b"), c.on("u")
	c.did0(create(a, 1))
	c.did0(c.enters(u, "user_1"))
	for range 3 {
		c.did0(c.says(u, large))
	}
	c.did0(create(b, 2))
	again := func() error { return c.RepeatCreate(b, c.shows("M", 2, 0, "s2")) }
	c.did(again, "b < created ref=2 epoch=2 [user_1=online]")
	c.feeds(b, "1", "2", "b ...")
	c.did(c.leaves(u), "-u", "u < left ref=2", "u vacates")
	c.refused(wire.ErrBusy, again)
	c.feeds(b, "3", "b ...")
	c.did(again, "b < created ref=2 epoch=2") // nobody is left
}
