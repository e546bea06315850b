package star

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// large is a message of which feedBytes has room for two, with what counts beside it.
var large = strings.Repeat("x", feedBytes/2-entryOverhead)

// takes the effects, and returns them as words: numbers of messages to the attachment, and
// the other effects as lines.
func (c *table) fed(a *Attachment) (got []string) {
	for _, e := range c.effects {
		switch {
		case e.Kind == Changed || e.Kind == Count:
		case e.Packet != nil && e.Packet.IsMessage() && e.To == a:
			got = append(got, fmt.Sprint(e.Packet.Frame().Seq))
		default:
			got = append(got, c.line(e))
		}
	}
	c.effects = nil
	return got
}

func (c *table) feeds(a *Attachment, want ...string) {
	c.t.Helper()
	c.Drained(a)
	require.Equal(c.t, want, c.fed(a))
}

// A slave is fed what it has missed as its queue drains, a part at a time. What is sent
// meanwhile comes behind that, whoever it is for, and then live messages.
func TestASlaveIsFedWhatItHasMissed(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.did0(c.lostBy(u[1]))
	for range 5 {
		c.did0(c.says(a, large))
	}
	r := c.on("r")
	c.did(func() error { return c.resume(c.now, r, 2, "user_1", c.secret("user_1"), 0) },
		"r < joined alice=online ref=2", "a < presence user_1 online", "r ...")
	c.feeds(r, "1", "2", "r ...")
	c.did(c.says(a, "to all"), "* < message seq=6 alice: to all") // in the audience is user_2 alone
	c.did(func() error { return c.Send(a, messageTo(9, "user_1", "to one")) }, "a < ack ref=9 seq=7 slaves=1")
	c.did(func() error { return c.Send(a, messageTo(10, "user_2", "to another")) },
		"u2 < message seq=8 alice: to another (private)", "a < ack ref=10 seq=8 slaves=1")
	c.feeds(r, "3", "4", "r ...")
	c.feeds(r, "5", "6", "7", "+r")
	c.did(c.says(a, "live"), "* < message seq=9 alice: live")
	c.feeds(r)
}

// A part has a bound in messages too, and one message may be larger than a part.
func TestPartsAreBounded(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	c.did0(c.lostBy(u[1]))
	for range feedMessages + 1 {
		c.did0(c.says(a, "x"))
	}
	c.did0(c.says(a, strings.Repeat(large, 3)))
	r := c.on("r")
	c.did0(func() error { return c.resume(c.now, r, 2, "user_1", c.secret("user_1"), 0) })
	c.Drained(r)
	require.Len(t, c.fed(r), feedMessages+1)
	c.feeds(r, fmt.Sprint(feedMessages+1), "r ...")
	c.feeds(r, fmt.Sprint(feedMessages+2), "+r")
}

// A slave that does not keep up while it is fed is told of a gap where something is no
// longer kept, each time.
func TestAGapWhileASlaveIsFed(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 3}}, 1)
	c.did0(c.lostBy(u[1]))
	for range 4 {
		c.did0(c.says(a, large))
	}
	r := c.on("r")
	c.did0(func() error { return c.resume(c.now, r, 2, "user_1", c.secret("user_1"), 0) })
	c.feeds(r, "r < gap seq=1 missed=1", "2", "3", "r ...")
	require.Nil(t, c.slaves["user_1"].extras, "a gap alone takes nothing beside the attachment")
	for range 3 {
		c.did0(c.says(a, "x"))
	}
	c.feeds(r, "r < gap seq=4 missed=1", "5", "6", "7", "+r")
}

// Who was told that messages are lost, and comes back before anything else was for it, is not
// told again: a gap has the number of the newest of them that was for the member.
func TestAGapIsToldOnce(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 2}}, 2)
	c.did0(c.lostBy(u[1]))
	c.did0(c.says(a, "to all"))
	for _, to := range []string{"user_1", "user_2", "user_2", "user_2"} {
		c.did0(func() error { return c.Send(a, messageTo(0, to, "x")) })
	}
	r := c.on("r")
	c.did(func() error { return c.resume(c.now, r, 2, "user_1", c.secret("user_1"), 0) },
		"+r", "r < joined alice=online ref=2", "a < presence user_1 online", "r < gap seq=2 missed=3")
	s := c.on("s")
	c.did(func() error { return c.resume(c.now, s, 3, "user_1", c.secret("user_1"), 2) },
		"-r", "r ! replaced: the membership was taken over by a newer connection", "+s", "s < joined alice=online ref=3")
}

// A slave that is fed and leaves, is kicked or lost is fed no more, and the number of what
// it was given is kept.
func TestTheEndOfFeeding(t *testing.T) {
	begin := func(t *testing.T) (*table, *Attachment, *Attachment) {
		c, a, u := openTable(t, Limits{}, 1)
		c.did0(c.lostBy(u[1]))
		for range 3 {
			c.did0(c.says(a, large))
		}
		r := c.on("r")
		c.did0(func() error { return c.resume(c.now, r, 2, "user_1", c.secret("user_1"), 0) })
		c.feeds(r, "1", "2", "r ...")
		return c, a, r
	}
	t.Run("left", func(t *testing.T) {
		c, _, r := begin(t)
		c.did(c.leaves(r), "a < presence user_1 left (left)", "r < left ref=2", "r vacates")
		c.feeds(r)
	})
	t.Run("kicked", func(t *testing.T) {
		c, a, r := begin(t)
		c.did(func() error { return c.Kick(a, 0, "user_1", false, "") }, "a < presence user_1 left (kicked)", "r ! kicked")
		c.feeds(r)
	})
	t.Run("lost", func(t *testing.T) {
		c, _, r := begin(t)
		c.did(c.lostBy(r), "a < presence user_1 away")
		c.feeds(r)
		require.Equal(t, uint64(2), c.slaves["user_1"].given)
	})
	t.Run("replaced", func(t *testing.T) {
		c, _, r := begin(t)
		s := c.on("s")
		c.did(func() error { return c.resume(c.now, s, 3, "user_1", c.secret("user_1"), 2) },
			"r ! replaced: the membership was taken over by a newer connection", "s < joined alice=online ref=3", "s ...")
		c.feeds(r)
		c.feeds(s, "3", "+s")
	})
	t.Run("the channel's end, with all that is left", func(t *testing.T) {
		c, _, r := begin(t)
		c.Close("over")
		require.Equal(t, []string{"* ! channel_closed: over", "3", "r ! channel_closed: over", "a ! channel_closed: over", "forget"}, c.fed(r))
		c.feeds(r)
	})
	t.Run("the channel's end, with what waits", func(t *testing.T) {
		c, _, r := begin(t)
		r.Line.(*line).waiting = 1
		c.Close("")
		require.Equal(t, []string{"* ! channel_closed", "r < gap seq=3 missed=1", "r ! channel_closed", "a ! channel_closed", "forget"}, c.fed(r))
	})
	t.Run("the channel's end, with more than a part", func(t *testing.T) {
		c, a, r := begin(t)
		for range 3 {
			c.did0(c.says(a, large))
		}
		c.Close("")
		require.Equal(t, []string{"* ! channel_closed", "3", "4", "r < gap seq=6 missed=2", "r ! channel_closed", "a ! channel_closed", "forget"}, c.fed(r))
	})
}

// A master is fed in the same way. What becomes of its slaves meanwhile it is told by a
// list, behind all that was missed; who is not in its list yet must wait.
func TestAMasterIsFedWhatItHasMissed(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.did0(c.lostBy(a))
	for range 3 {
		c.did0(c.says(u[1], large))
	}
	b, three := c.on("b"), c.on("u3")
	c.did(func() error { return c.resume(c.now, b, 2, "alice", c.secret("alice"), 0) },
		"b << created ref=2 epoch=2 seq=3 [user_1=online user_2=online]", "* < presence alice online", "b ...")
	c.feeds(b, "1", "2", "b ...")
	c.did(c.leaves(u[2]), "-u2", "u2 < left ref=2", "u2 vacates")
	c.did(c.enters(three, "user_3"), "+u3", "u3 < joined alice=online ref=1")
	c.refused(wire.ErrBusy, c.says(three, "too early"))
	c.did(c.says(u[1], "meanwhile"))
	c.feeds(b, "3", "4", "b ...")
	c.did(c.says(u[1], "live"), "b < message seq=5 user_1: live")
	c.feeds(b, "b << members [user_1=online user_3=online]")
	c.did(c.says(three, "now"), "b < message seq=6 user_3: now")
	require.Equal(t, Load{Messages: 6, Bytes: 3*len(large) + len("meanwhile") + len("live") + len("now")}, c.accepted)
}

// While a master is fed, what was fed and written counts as arrived.
func TestWhatIsFedAndWrittenCounts(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 3}}, 1)
	c.did0(c.lostBy(a))
	for range 3 {
		c.did0(c.says(u[1], large))
	}
	b := c.on("b")
	c.did0(func() error { return c.resume(c.now, b, 2, "alice", c.secret("alice"), 0) })
	c.refused(wire.ErrBusy, c.says(u[1], "x"))
	c.feeds(b, "1", "2", "b ...")
	b.Line.(*line).unwritten = 1
	c.did0(c.says(u[1], "x")) // in place of the first
	c.refused(wire.ErrBusy, c.says(u[1], "x"))
}

// The same messages are not sent to one member again and again. What it was not given
// before costs nothing.
func TestReplaysOfTheSameHaveARate(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	for range 32 {
		c.did0(c.says(a, large)) // in all Replay.Bytes
	}
	at := u[1]
	resume := func(last uint64) func() error {
		return func() error {
			at = c.on("r")
			return c.resume(c.now, at, 2, "user_1", c.secret("user_1"), last)
		}
	}
	again := func() {
		for range againBurst {
			c.did0(resume(0))
			for at.catchingUp {
				c.Drained(at)
			}
			c.effects = nil
		}
		c.refused(wire.ErrRateLimited, resume(0))
		c.refused(wire.ErrRateLimited, resume(32))
	}
	again()
	c.now = c.now.Add(time.Millisecond)
	c.did0(resume(0))
	c.refused(wire.ErrRateLimited, resume(0))
	c.now = c.now.Add(againTime - time.Millisecond)
	c.refused(wire.ErrRateLimited, resume(0))
	c.now = c.now.Add(time.Millisecond)
	c.did0(resume(32))
	c.did0(resume(32)) // nothing is sent, nothing is counted
	c.now = c.now.Add(againBurst * againTime)
	again()

	// Others are not concerned, and new messages are not.
	two := c.on("u2")
	c.did0(c.enters(two, "user_2"))
	for n := range uint64(30) {
		c.did0(c.lostBy(two))
		c.did0(c.says(a, large))
		two = c.on("u2'")
		c.did0(func() error { return c.resume(c.now, two, 2, "user_2", c.secret("user_2"), 32+n) })
		for two.catchingUp {
			c.Drained(two)
		}
	}
	require.Zero(t, c.slaves["user_2"].extra().repaid)
}

// A master's list counts too, as long as it may be.
func TestListsAtResumeHaveARate(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 1000)
	for i := range 3 {
		c.did0(func() error { return c.resume(c.now, c.on("b"), uint64(i+2), "alice", c.secret("alice"), 0) })
	}
	list := c.roster(nil)
	require.InDelta(t, 3*float64(listSize(list))/againLeast*float64(againTime.Milliseconds()), float64(c.master.extra().repaid-c.now.UnixMilli()), 3)
	c.master.needExtras().repaid = c.now.Add(againBurst * againTime).UnixMilli()
	c.refused(wire.ErrRateLimited, func() error { return c.resume(c.now, c.on("b"), 9, "alice", c.secret("alice"), 0) })
}

// However a slave is fed and whatever it is sent meanwhile, it gets what was for it once
// and in order, or a gap that covers it.
func TestFeedingRandomly(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 17))
		c, a, u := openTable(t, Limits{Replay: Bound{Messages: 1 + random.IntN(20), Bytes: 1 << (10 + random.IntN(10))}}, 2)
		at, last := u[1], uint64(0)
		var wanted, got []uint64
		missed := uint64(0)
		inAudience := true
		step := func(transition func() error) {
			require.NoError(t, c.do(transition))
			for _, e := range c.effects {
				switch {
				case e.Kind == Admit && e.To == at:
					require.False(t, inAudience)
					inAudience = true
				case e.Kind == Dismiss && e.To == at:
					require.True(t, inAudience)
					inAudience = false
				case e.Packet == nil:
				case e.Kind == SendAll && inAudience || e.To == at:
					switch frame := c.frame(e.Packet); frame.Type {
					case wire.Message:
						require.Greater(t, frame.Seq, last)
						got, last = append(got, frame.Seq), frame.Seq
					case wire.Gap:
						missed += frame.Missed
					}
				}
			}
			c.effects = nil
		}
		for range 200 {
			text := strings.Repeat("x", 1<<random.IntN(15))
			switch random.IntN(8) {
			case 0:
				step(c.lostBy(at))
			case 1:
				if at.current() {
					step(c.lostBy(at))
				}
				at = c.on("r")
				c.slaves["user_1"].needExtras().repaid = 0
				step(func() error { return c.resume(c.now, at, 0, "user_1", c.secret("user_1"), last) })
			case 2, 3:
				step(c.drains(at))
			case 4:
				step(func() error { return c.Send(a, messageTo(0, "user_2", text)) })
			case 5:
				step(func() error { return c.Send(a, messageTo(0, "user_1", text)) })
				wanted = append(wanted, c.down.newest)
			default:
				step(c.says(a, text))
				wanted = append(wanted, c.down.newest)
			}
		}
		if !at.current() {
			at = c.on("r")
			c.slaves["user_1"].needExtras().repaid = 0
			step(func() error { return c.resume(c.now, at, 0, "user_1", c.secret("user_1"), last) })
		}
		for at.catchingUp {
			step(c.drains(at))
		}
		require.True(t, inAudience, "seed %d", seed)
		require.GreaterOrEqual(t, missed, uint64(len(wanted)-len(got)), "seed %d", seed)
		for _, n := range got {
			require.True(t, slices.Contains(wanted, n), "seed %d", seed)
		}
		if missed == 0 {
			require.Equal(t, wanted, got, "seed %d", seed)
		}
	}
}

// While a master is fed, no list without a slave goes before the messages of that slave: not
// for a request either, which waits for the list, nor where the master asks for it.
func TestAListDoesNotOvertakeWhatIsFed(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.did0(c.lostBy(a))
	for range 3 {
		c.did0(c.says(u[2], large))
	}
	b := c.on("b")
	c.did0(func() error { return c.resume(c.now, b, 2, "alice", c.secret("alice"), 0) })
	c.did(func() error { return c.Members(b, 2, Page{}) }, "b < members ref=2 [user_1=online user_2=online]")
	c.did(func() error { return c.Send(b, asking(3, "user_1")) }, "u1 < message seq=1 alice: well? (private) request=1", "b < ack ref=3 seq=1 slaves=1")
	c.feeds(b, "1", "2", "b ...")
	c.did(c.leaves(u[2]), "-u2", "u2 < left ref=2", "u2 vacates")
	c.refused(wire.ErrBusy, func() error { return c.Members(b, 4, Page{}) })
	require.ErrorIs(t, c.Send(b, asking(5, "")), wire.ErrBusy)
	c.feeds(b, "3", "b ...")
	c.did0(func() error { return c.Members(b, 6, Page{}) })
	c.did0(func() error { return c.Send(b, asking(7, "")) })
}

// Who asks for the answers to its request that are still awaited, while it is fed, is told
// of those too that are in what it is still to get: nobody is taken for silent, or for gone,
// whose answer is on its way.
func TestAnswersThatAreStillToBeFedAreAwaited(t *testing.T) {
	awaited := func(c *table, a *Attachment, seq uint64, members ...wire.Member) {
		c.t.Helper()
		c.effects = nil
		require.NoError(c.t, c.Awaiting(a, 9, seq, Page{}))
		frame := c.frame(c.effects[len(c.effects)-1].Packet)
		require.ElementsMatch(c.t, members, frame.Members)
		for _, form := range []wire.Form{wire.Text, wire.Binary} {
			_, err := wire.Decode(c.effects[len(c.effects)-1].Packet.Bytes(form))
			require.NoError(c.t, err, "whom it is for cannot read it")
		}
		c.effects = nil
	}
	t.Run("a master's", func(t *testing.T) {
		c, a, u := newTable(t, Limits{}), (*Attachment)(nil), make([]*Attachment, 5)
		a = c.on("a")
		require.NoError(t, c.Create(c.now, a, c.shows("A", 1, 0, "s1"), "alice", 0))
		for i := 1; i <= 4; i++ {
			u[i] = c.on(fmt.Sprint("u", i))
			require.NoError(t, c.join(c.now, u[i], 1, fmt.Sprint("user_", i), ""))
		}
		require.NoError(t, c.Send(a, asking(2, "")))
		c.did0(c.lostBy(a))
		for _, slave := range u[1:4] {
			require.NoError(t, c.Send(slave, replying("", 1)))
			c.did0(c.says(slave, large))
			c.did0(c.says(slave, large))
		}
		require.NoError(t, c.Leave(c.now, u[2], 9))
		require.NoError(t, c.Leave(c.now, u[3], 9))
		require.NoError(t, c.join(c.now, c.on("u3'"), 1, "user_3", ""))
		b := c.on("b")
		c.effects = nil
		c.did0(func() error { return c.Resume(c.now, b, c.shows("A", 3, 1, "s1"), "alice", 0, 0) })
		one := wire.Member{Username: "user_1", State: wire.StateOnline, Number: 1}
		two := wire.Member{Username: "user_2", State: wire.StateAway}
		three := wire.Member{Username: "user_3", State: wire.StateAway} // of that name is another one
		four := wire.Member{Username: "user_4", State: wire.StateOnline, Number: 4}
		awaited(c, b, 1, one, two, three, four)
		c.feeds(b, "1", "2", "b ...")
		awaited(c, b, 1, two, three, four)
		c.feeds(b, "3", "4", "b ...")
		awaited(c, b, 1, three, four)
		require.NoError(t, c.Send(u[4], replying("", 1))) // the last one: the request is over
		awaited(c, b, 1, three, four)
		c.effects = nil
		for _, part := range [][]string{{"5", "6", "b ..."}, {"7", "8", "b ..."}, {"9", "10"}} {
			c.feeds(b, part...)
		}
		awaited(c, b, 1)
	})
	t.Run("a slave's", func(t *testing.T) {
		c, a, u := heldTable(t)
		bob := c.on("bob")
		require.NoError(t, c.join(c.now, bob, 1, "bob", ""))
		require.NoError(t, c.Send(u, asking(2, "")))
		require.NoError(t, c.Send(bob, asking(2, "")))
		c.did0(c.lostBy(u))
		for range 3 {
			c.did0(c.says(a, large))
		}
		require.NoError(t, c.Send(a, replying("bob", 2)))
		require.NoError(t, c.Send(a, replying("ada", 1)))
		r := c.on("r")
		c.did0(c.resumes(r, c.shows("A", 3, 1, "s1")))
		alice := wire.Member{Username: "alice", State: wire.StateOnline}
		awaited(c, r, 1, alice)
		awaited(c, r, 2)
		c.feeds(r, "1", "2", "r ...")
		awaited(c, r, 1, alice)
		c.feeds(r, "3", "5", "+r")
		awaited(c, r, 1)
	})
}
