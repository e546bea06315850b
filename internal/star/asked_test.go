package star

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// askedTable is a channel of alice, who has come as the instance M with the secret sm, and of ada
// and bob, who have as A and B with the secrets sa and sb, on a, u and w.
func askedTable(t *testing.T, limits Limits) (c *table, a, u, w *Attachment) {
	c = newTable(t, limits)
	a, u, w = c.on("a"), c.on("u"), c.on("w")
	require.NoError(t, c.Create(c.now, a, c.shows("M", 1, 0, "sm"), "alice", 0))
	require.NoError(t, c.Join(c.now, u, c.shows("A", 1, 0, "sa"), "ada", ""))
	require.NoError(t, c.Join(c.now, w, c.shows("B", 1, 0, "sb"), "bob", ""))
	c.effects = nil
	return c, a, u, w
}

// given are the numbers of the messages that the member is given on the attachment as it
// resumes by the entry, until it has all.
func (c *table) given(at *Attachment, name string, last uint64, e Entry) (numbers []uint64) {
	c.t.Helper()
	require.NoError(c.t, c.do(func() error { return c.Resume(c.now, at, e, name, last, last) }))
	for more := true; more; {
		more = false
		for _, effect := range c.effects {
			if effect.To == at && effect.Packet != nil && effect.Packet.IsMessage() {
				numbers = append(numbers, effect.Packet.Frame().Seq)
			}
			more = more || effect.Kind == AwaitDrain && effect.To == at
		}
		c.effects = nil
		c.Drained(at)
		more = more || len(c.effects) > 0
	}
	return numbers
}

func (c *table) asks(at *Attachment, to, text string) {
	c.t.Helper()
	c.did0(func() error {
		msg := textMessage(0, text)
		msg.Asks, msg.To, msg.HasTo = true, to, to != ""
		return c.Send(at, msg)
	})
}

func (c *table) answers(at *Attachment, to string, seq uint64) {
	c.t.Helper()
	c.did0(func() error {
		msg := textMessage(0, "yes")
		msg.ReplyTo, msg.To, msg.HasTo = seq, to, to != ""
		return c.Send(at, msg)
	})
}

// A client that goes on by the ticket of another one is given again what was asked of it that
// the other one has not answered, in front of what it has missed.
func TestWhoGoesOnByATicketIsAskedAgain(t *testing.T) {
	c, a, u, w := askedTable(t, Limits{})
	c.asks(a, "ada", "one")         // 1
	c.did0(c.says(a, "two"))        // 2
	c.asks(a, "bob", "of another")  // 3
	c.asks(a, "", "four")           // 4
	c.asks(a, "", "answered")       // 5
	c.asks(a, "", "withdrawn")      // 6
	c.asks(a, "", "seven, not had") // 7
	c.answers(u, "", 5)             // up 1
	c.did0(func() error { return c.Withdraw(a, 0, 6) })
	require.Equal(t, []uint64{7}, c.given(c.on("u'"), "ada", 6, c.shows("A", 2, 1, "sa")), "the same one has them")
	another := c.on("v")
	require.Equal(t, []uint64{1, 4, 7}, c.given(another, "ada", 6, c.shows("C", 1, 1, "sa")))
	require.Equal(t, []uint64{3, 4, 5, 7}, c.given(c.on("x"), "bob", 7, c.shows("D", 1, 1, "sb")), "whoever was asked for himself answers for himself")
	_ = w

	// Its connection may be lost before it has them.
	require.Equal(t, []uint64{1, 4, 7}, c.given(c.on("v'"), "ada", 6, c.shows("C", 2, 2, "sa")))
	last := c.on("v''")
	require.Equal(t, []uint64{1, 4, 7}, c.given(last, "ada", 6, c.shows("C", 3, 2, "sa")))
	c.did0(c.hears(last))
	require.Equal(t, []uint64{1, 4, 7}, c.given(c.on("v3"), "ada", 6, c.shows("C", 4, 5, "sa")))
	require.Empty(t, c.given(c.on("v4"), "ada", 7, c.shows("C", 5, 5, "sa")), "it has a later one, so it has them")
	require.Empty(t, c.given(c.on("v5"), "ada", 7, c.shows("C", 6, 5, "sa")))
	require.Nil(t, c.slaves["ada"].extra().asked, "nothing is left of it")
}

// So it is for a master, of what its slaves have asked.
func TestAMasterThatGoesOnByATicketIsAskedAgain(t *testing.T) {
	c, a, u, w := askedTable(t, Limits{})
	c.asks(u, "", "one")
	c.did0(c.says(w, "two"))
	c.asks(w, "", "three")
	c.asks(u, "", "answered")
	c.asks(w, "", "of who leaves")
	c.answers(a, "ada", 4)
	require.Empty(t, c.given(c.on("a'"), "alice", 5, c.shows("M", 2, 1, "sm")))
	require.Equal(t, []uint64{1, 3, 5}, c.given(c.on("b"), "alice", 5, c.shows("N", 1, 1, "sm")))
	c.did0(c.leaves(w))
	c.asks(u, "", "six")
	at := c.on("b'")
	require.Equal(t, []uint64{1, 6}, c.given(at, "alice", 5, c.shows("N", 2, 3, "sm")))
	c.did0(c.hears(at))
	require.Empty(t, c.given(c.on("b''"), "alice", 6, c.shows("N", 3, 4, "sm")))
	require.Nil(t, c.master.extra().asked)
}

// Nobody is asked again for whom there is nothing: a new member, one that shows no instance, and
// one whose questions are not kept.
func TestNobodyIsAskedAgainForNothing(t *testing.T) {
	c, a, _, _ := askedTable(t, Limits{Replay: Bound{Messages: 2, Bytes: 1 << 20}})
	c.asks(a, "", "one")
	c.did0(c.says(a, "two"))
	require.Equal(t, []uint64{1}, c.given(c.on("v"), "ada", 2, c.shows("C", 1, 1, "sa")))
	c.did0(c.says(a, "three"))
	require.Empty(t, c.given(c.on("v'"), "ada", 3, c.shows("D", 1, 1, "sa")), "it is not kept")
	require.Nil(t, c.slaves["ada"].extra().asked)
	none, m, _, _ := askedTable(t, Limits{Replay: Bound{Messages: -1}})
	none.asks(m, "", "one")
	require.Empty(t, none.given(none.on("v"), "ada", 1, none.shows("C", 1, 1, "sa")), "nothing is kept")
	c.did0(c.enters(c.on("e"), "eve"))
	require.Empty(t, c.given(c.on("e'"), "eve", 3, Entry{Ref: 9, Secret: given(c.secret("eve"))}))
}

// What is asked again is fed in parts, as what was missed is, and not what was answered or
// withdrawn meanwhile, or is not kept any more. Who has it in parts is given all of it again.
func TestWhatIsAskedAgainIsFedInParts(t *testing.T) {
	c, a, u, _ := askedTable(t, Limits{})
	for range 7 {
		c.asks(a, "", large)
	}
	v := c.on("v")
	enter := func(at *Attachment, ref, epoch uint64) func() error {
		return func() error { return c.Resume(c.now, at, c.shows("C", ref, epoch, "sa"), "ada", 7, 7) }
	}
	c.did(enter(v, 1, 1), "-u", "u ! replaced: the membership was taken over by a newer connection",
		"v < joined alice=online ref=1 asking", "v ...")
	c.feeds(v, "1", "2", "v ...")
	c.did(c.says(a, "live"), "* < message seq=8 alice: live") // it comes behind them
	c.answers(v, "", 3)
	c.did0(func() error { return c.Withdraw(a, 0, 4) })
	c.feeds(v, "5", "6", "v ...")
	x := c.on("x")
	c.did0(enter(x, 2, 2))
	c.feeds(x, "1", "2", "x ...")
	c.feeds(x, "5", "6", "x ...")
	c.feeds(x, "7", "x < asked", "8", "+x")
	require.Equal(t, uint64(7), c.slaves["ada"].extra().asked.last)
	require.Nil(t, c.slaves["ada"].extra().asked.left)
	_ = u

	// Nothing is left of it where the connection is lost meanwhile.
	y := c.on("y")
	c.did0(enter(y, 3, 2))
	c.feeds(y, "1", "2", "y ...")
	c.did0(c.lostBy(y))
	require.Nil(t, c.slaves["ada"].extra().asked.left)
}

// A master is not given again what who has left had asked, nor what was answered or withdrawn
// while it was given the rest.
func TestWhatAMasterIsAskedAgainIsFedInParts(t *testing.T) {
	c, _, u, w := askedTable(t, Limits{})
	for range 4 {
		c.asks(u, "", large)
	}
	c.asks(w, "", large)
	c.asks(u, "", large)
	b := c.on("b")
	c.did0(func() error { return c.Resume(c.now, b, c.shows("N", 1, 1, "sm"), "alice", 6, 6) })
	c.feeds(b, "1", "2", "b ...")
	c.did0(func() error { return c.Withdraw(u, 0, 3) })
	c.did0(c.leaves(w))
	c.answers(b, "ada", 4)
	c.feeds(b, "6", "b < asked", "b ...")
	require.Nil(t, c.master.extra().asked.left)
}

// A part of what is asked again is bounded as one of a replay is: in messages, and in bytes but
// for a single question that is larger.
func TestPartsOfWhatIsAskedAgainAreBounded(t *testing.T) {
	c, a, _, _ := askedTable(t, Limits{})
	c.asks(a, "", strings.Repeat(large, 3))
	for range feedMessages + 1 {
		c.asks(a, "", "x")
	}
	v := c.on("v")
	c.did0(func() error {
		return c.Resume(c.now, v, c.shows("C", 1, 1, "sa"), "ada", feedMessages+2, feedMessages+2)
	})
	c.feeds(v, "1", "v ...")
	c.Drained(v)
	got := c.fed(v)
	require.Len(t, got, feedMessages+1)
	require.Equal(t, []string{fmt.Sprint(feedMessages + 1), "v ..."}, got[feedMessages-1:])
	c.feeds(v, fmt.Sprint(feedMessages+2), "v < asked", "+v")
}

// Who is being given again what it was asked gets the rest of it after a restore.
func TestRestoredWhileAMemberIsAskedAgain(t *testing.T) {
	c, a, _, _ := askedTable(t, Limits{})
	for range 3 {
		c.asks(a, "", large)
	}
	v := c.on("v")
	c.did0(func() error { return c.Resume(c.now, v, c.shows("C", 1, 1, "sa"), "ada", 3, 3) })
	c.feeds(v, "1", "2", "v ...")
	r := c.on("r")
	restored := c.restoredOn(c.limits, map[string]*Attachment{"alice": c.on("a'"), "ada": r})
	restored.expect("r ...")
	restored.feeds(r, "3", "r < asked", "+r")
}

// Who is asked again is told so by the answer, and when it has all: also where nothing is left to be
// asked by then. Whoever has all, or is asked nothing, is not told.
func TestWhoIsAskedAgainIsToldWhenItHasAll(t *testing.T) {
	c, a, u, _ := askedTable(t, Limits{})
	c.asks(a, "ada", "one")
	c.asks(u, "", "up")
	resume := func(at *Attachment, name, instance, secret string, ref, epoch, last uint64) func() error {
		return func() error { return c.Resume(c.now, at, c.shows(instance, ref, epoch, secret), name, last, last) }
	}
	v := c.on("v")
	c.did(resume(v, "ada", "C", "sa", 1, 1, 1), "-u", "u ! replaced: the membership was taken over by a newer connection", "+v",
		"v < joined alice=online ref=1 asking", "v << message seq=1 alice: one (private) request=1", "v < asked")
	b := c.on("b")
	c.did(resume(b, "alice", "N", "sm", 1, 1, 1), "a ! replaced: the membership was taken over by a newer connection",
		"b << created ref=1 epoch=2 seq=1 asking [ada=online bob=online]", "b << message seq=1 ada: up request=1", "b < asked")
	c.did0(c.hears(v))
	c.did(resume(c.on("v'"), "ada", "C", "sa", 2, 2, 1), "-v", "v ! replaced: the membership was taken over by a newer connection", "+v'",
		"v' < joined alice=online ref=2 asking", "v' << message seq=1 alice: one (private) request=1", "v' < asked")
	b2 := c.on("b'")
	c.did(resume(b2, "alice", "M", "sm", 2, 2, 1), "b ! replaced: the membership was taken over by a newer connection",
		"b' << created ref=2 epoch=3 seq=1 [ada=online bob=online]")

	// The join of a connection that is still to be asked again is answered with that.
	for range 7 {
		c.asks(b2, "bob", large)
	}
	w := c.on("w'")
	c.did(resume(w, "bob", "D", "sb", 1, 1, 8), "-w", "w ! replaced: the membership was taken over by a newer connection",
		"w' < joined alice=online ref=1 asking", "w' ...")
	c.did(func() error { return c.RepeatJoin(c.now, w, Entry{Ref: 1, Secret: given("sb")}) }, "w' < joined alice=online ref=1 asking")
	c.feeds(w, "2", "3", "w' ...")
	c.answers(w, "", 4)
	for seq := range uint64(4) {
		c.did0(func() error { return c.Withdraw(b2, 0, 5+seq) })
	}
	c.feeds(w, "w' < asked", "+w'")
	c.did(func() error { return c.RepeatJoin(c.now, w, Entry{Ref: 1, Secret: given("sb")}) }, "w' < joined alice=online ref=1")
}

// What is asked again counts against the rate of what is sent again: nobody has it sent without
// end, by however many instances.
func TestToBeAskedAgainHasARate(t *testing.T) {
	c, a, _, _ := askedTable(t, Limits{Replay: Bound{Messages: 1000, Bytes: againLeast}})
	for range 30 {
		c.asks(a, "", large)
	}
	refused := 0
	for i := range uint64(40) {
		err := c.do(func() error {
			return c.Resume(c.now, c.on(fmt.Sprint("v", i)), c.shows(fmt.Sprint("C", i), 1, 1, "sa"), "ada", 30, 30)
		})
		if err != nil {
			require.ErrorIs(t, err, wire.ErrRateLimited)
			refused++
		}
		c.effects = nil
	}
	require.Greater(t, refused, 30)
}

// Up to where a client is asked again goes on over a stop; which member that is for has to be
// there, and to have been told so much.
func TestAskedAgainOverAStop(t *testing.T) {
	c, a, _, w := askedTable(t, Limits{})
	c.asks(a, "", "one")
	c.asks(w, "", "one")
	v, b := c.on("v"), c.on("b")
	require.Equal(t, []uint64{1}, c.given(v, "ada", 1, c.shows("C", 1, 1, "sa")))
	require.Equal(t, []uint64{1}, c.given(b, "alice", 1, c.shows("N", 1, 1, "sm")))
	c.did0(c.hears(v)) // it is no newcomer any more
	c.ends()
	restored, err := imported(c.limits, c.parts()...)
	require.NoError(t, err)
	again := &table{Channel: restored, t: t, tags: map[*Attachment]string{}, secrets: map[string]string{}, now: c.now}
	require.Equal(t, c.parts(), again.parts())
	require.Equal(t, []uint64{1}, again.given(again.on("v"), "ada", 1, c.shows("C", 2, 2, "sa")))
	require.Equal(t, []uint64{1}, again.given(again.on("b"), "alice", 1, c.shows("N", 2, 2, "sm")))

	for what, piece := range map[string]func(p *pieces){
		`"eve" is asked again up to message 1 of 1`: func(p *pieces) { p.text("eve"); p.number(1) },
		`"bob" is asked again up to message 2 of 1`: func(p *pieces) { p.text("bob"); p.number(2) },
		`"bob" is asked again up to message 0 of 1`: func(p *pieces) { p.text("bob"); p.number(0) },
		`"ada" is asked again up to message 1 of 1`: func(p *pieces) { p.text("ada"); p.number(1) },
		`"alice" is asked again up to message 1`:    func(p *pieces) { p.text("alice"); p.number(1) },
		`"" is no name`:                             func(p *pieces) { p.text(""); p.number(1) },
	} {
		p := pieces{}
		p.begin(pieceAsked)
		piece(&p)
		_, err := imported(c.limits, append(c.parts(), p.part)...)
		require.Error(t, err)
		require.True(t, strings.Contains(err.Error(), what), "%v", err)
	}
}
