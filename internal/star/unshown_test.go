package star

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

func TestRules5And6WhatWasOnItsWay(t *testing.T) {
	for _, who := range []string{"n", "o", "u1", "a"} {
		t.Run(who, func(t *testing.T) {
			c, a, u := openTable(t, Limits{}, 2)
			h := c.handing("user_1", true, 7)
			require.NoError(t, c.do(c.handsOver(a, h)))
			c.effects = nil
			c.secrets["user_1"], c.secrets["alice"] = h.Secret.Text, h.StaysSecret.Text
			at := map[string]*Attachment{"n": h.New, "o": h.Stays, "u1": u[1], "a": a}[who]
			for what, transition := range c.everyMemberTransition(at) {
				if what != "again" {
					c.refused(wire.ErrRoleChanged, transition)
				}
			}
			c.refused(wire.ErrRoleChanged, c.handsOver(at, c.handing("user_2", true, 9)))
			c.refused(wire.ErrRoleChanged, func() error { _, err := c.Confirm(at, 0); return err })
			c.refused(wire.ErrRoleChanged, func() error { return c.Refresh(at, 9, Grant{}) })
			if who == "u1" || who == "a" { // they are over
				require.True(t, c.MembershipEnded(at))
				c.refused(wire.ErrRoleChanged, func() error { return c.Show(at, 2) })
				c.did(c.lostBy(at))
				return
			}
			require.False(t, c.MembershipEnded(at))
			c.refused(errEpochTooHigh, func() error { return c.Show(at, 3) })
			c.did(func() error { return c.Show(at, 1) })
			c.refused(wire.ErrRoleChanged, c.hears(at))
			c.did(func() error { return c.Show(at, 2) })
			c.did(c.hears(at))
			c.did(func() error { return c.Show(at, 2) })
			require.Equal(t, who == "o", len(c.givenOver) == 0, "the other one has not shown it")
		})
	}
}

func TestWhatWasSentBeforeAHandOverIsKnown(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.did(c.sends(u[1], 5, "for alice"), "a < message seq=1 user_1: for alice", "u1 < ack ref=5 seq=1")
	c.did(c.sends(a, 6, "for all"), "* < message seq=1 alice: for all", "a < ack ref=6 seq=1 slaves=2")
	c.did(func() error { return c.Set(a, AttributeChange{Ref: 7, Key: "k", Value: textMessage(0, "v").Payload}) },
		"* ~ attribute alice k seq=2 = v", "a < ack ref=7 seq=2")
	h := c.handing("user_1", true, 8)
	require.NoError(t, c.do(c.handsOver(a, h)))
	c.effects = nil
	c.did(c.sends(h.New, 5, "for alice"), "n < ack ref=5 seq=1")
	c.refused(wire.ErrRoleChanged, c.sends(h.New, 5, "another one"))
	c.did(c.sends(h.Stays, 6, "for all"), "o < ack ref=6 seq=1 slaves=2")
	c.did(func() error {
		return c.Set(h.Stays, AttributeChange{Ref: 7, Key: "k", Value: textMessage(0, "v").Payload})
	}, "o < ack ref=7 seq=2")
	c.refused(wire.ErrRoleChanged, func() error { return c.Set(h.Stays, AttributeChange{Ref: 9, Key: "k"}) })
	c.did(func() error { return c.Show(h.New, 2) })
	c.did(c.sends(h.New, 5, "for alice"), "n < ack ref=5 seq=1")
	c.did(c.sends(h.New, 6, "for all"), "* < message seq=3 user_1: for all", "n < ack ref=6 seq=3 slaves=2")
}

func TestTheLatestAnswersGoOn(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 1)
	for ref := range uint64(wire.SlaveAnswers + 5) {
		require.NoError(t, c.Send(a, textMessage(ref+1, "x")))
	}
	h := c.handing("user_1", true, 100)
	require.NoError(t, c.do(c.handsOver(a, h)))
	require.NoError(t, c.Show(h.Stays, 2))
	c.effects = nil
	c.refused(wire.ErrBadFrame, c.sends(h.Stays, 5, "x"))
	c.did(c.sends(h.Stays, 6, "x"), "o < ack ref=6 seq=6 slaves=1")
	require.Len(t, c.slaves["alice"].answers.kept, wire.SlaveAnswers)
}

func TestRule7ASuccessorComesBackByItsFormerSecret(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 1)
	u := c.on("u")
	require.NoError(t, c.Join(c.now, u, c.shows("A", 1, 0, "s1"), "ada", ""))
	require.NoError(t, c.Send(a, textMessage(0, "for all")))
	require.NoError(t, c.Send(a, messageTo(0, "user_1", "not hers")))
	require.NoError(t, c.Send(a, messageTo(0, "ada", "for her")))
	h := c.handing("ada", false, 7)
	require.NoError(t, c.do(c.handsOver(a, h)))
	c.effects = nil
	c.did(c.lostBy(h.New), "* < presence ada away left=30000ms")
	b := c.on("b")
	back := c.shows("A", 2, 1, "s1")
	back.Fresh = given("m2")
	require.True(t, c.Promoted(back, "ada"))
	require.False(t, c.Promoted(back, "user_1"))
	c.refused(wire.ErrResumeFailed, c.resumes(b, c.shows("B", 1, 1, "s1"))) // another client, with the same ticket
	c.refused(wire.ErrResumeFailed, c.resumes(b, c.shows("A", 2, 1, "s2")))
	c.refused(wire.ErrReplaced, c.resumes(b, c.shows("A", 1, 1, "s1")))
	c.did(func() error { return c.Resume(c.now, b, back, "ada", 1, 0) },
		"b < joined alice=online ref=2", "b << message seq=3 alice: for her (private)",
		"b << created epoch=3 [user_1=online]", "* < presence ada online")
	require.Equal(t, Load{1, len("for her")}, c.accepted)
	c.refused(wire.ErrRoleChanged, c.sends(b, 9, "x"))

	// Once more, with nothing missed, while it is on that connection; and not when it knows.
	d := c.on("d")
	again := c.shows("A", 3, 2, "s1")
	again.Fresh = given("m3")
	c.did(func() error { return c.Resume(c.now, d, again, "ada", 3, 0) },
		"d < joined alice=online ref=3", `b ! replaced: the membership was taken over by a newer connection`, "d << created epoch=4 [user_1=online]")
	c.refused(wire.ErrResumeFailed, c.resumes(b, c.shows("A", 4, 3, "m2")))
	c.did(func() error { return c.Show(d, 4) })
	c.refused(wire.ErrResumeFailed, c.resumes(b, c.shows("A", 4, 2, "s1")))
	require.False(t, c.Promoted(again, "ada"))
	c.did(c.resumes(b, c.shows("A", 4, 4, "m3")), "d ! replaced: the membership was taken over by a newer connection", "b << created ref=4 epoch=5 [user_1=online]")
}

func TestTheNewSecretShowsTheEpoch(t *testing.T) {
	c, n, o, _ := handedTable(t, Limits{}, 1)
	c.did(c.lostBy(n), "* < presence user_1 away left=30000ms")
	c.did(c.lostBy(o), "-o")
	b, d := c.on("b"), c.on("d")
	c.did(func() error { return c.resume(c.now, b, 9, "user_1", c.secret("user_1"), 0) },
		"b << created ref=9 epoch=3 [alice=away]", "* < presence user_1 online")
	c.did(c.hears(b))
	c.did(func() error { return c.resume(c.now, d, 9, "alice", c.secret("alice"), 0) },
		"+d", "d < joined user_1=online ref=9", "b < presence alice online")
	c.did(c.hears(d))
	require.Empty(t, c.givenOver)
}

func TestASuccessorThatHasMissedTooMuch(t *testing.T) {
	for name, test := range map[string]struct {
		send  []Message
		after int
		last  uint64
		lines []string
	}{
		"all are kept":        {[]Message{textMessage(0, "1"), textMessage(0, "2")}, 0, 0, []string{"b << message seq=1 alice: 1", "b << message seq=2 alice: 2"}},
		"some are not":        {[]Message{textMessage(0, "1"), textMessage(0, "2"), textMessage(0, "3"), textMessage(0, "4")}, 0, 0, []string{"b < gap seq=1 missed=1", "b << message seq=2 alice: 2", "b << message seq=3 alice: 3", "b << message seq=4 alice: 4"}},
		"and what came after": {[]Message{textMessage(0, "1"), textMessage(0, "2")}, 9, 1, []string{"b < gap seq=2 missed=1"}},
		"none is missing":     {[]Message{textMessage(0, "1"), textMessage(0, "2")}, 9, 2, nil},
		"others', perhaps":    {[]Message{messageTo(0, "user_2", "1"), messageTo(0, "user_2", "2")}, 9, 0, []string{"b < gap seq=2 missed=2"}},
		"others' alone":       {[]Message{messageTo(0, "user_2", "1"), messageTo(0, "user_2", "2"), messageTo(0, "user_2", "3"), messageTo(0, "user_2", "4")}, 0, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, a, _ := openTable(t, Limits{Replay: Bound{Messages: 3}}, 2)
			secret := c.secret("user_1")
			for _, msg := range test.send {
				require.NoError(t, c.Send(a, msg))
			}
			h := c.handing("user_1", false, 7)
			require.NoError(t, c.do(c.handsOver(a, h)))
			require.NoError(t, c.Show(h.New, 1))
			for range test.after {
				_, _, err := c.Speak(textMessage(0, "of the service"))
				require.NoError(t, err)
			}
			c.effects = nil
			b := c.on("b")
			e := Entry{Ref: 9, Secret: given(secret), Fresh: given("fresh")}
			lines := append([]string{"b < joined alice=online ref=9"}, test.lines...)
			lines = append(lines, "n ! replaced: the membership was taken over by a newer connection", "b << created epoch=3 [user_2=online]")
			c.did(func() error { return c.Resume(c.now, b, e, "user_1", test.last, 0) }, lines...)
		})
	}

	c, a, _ := openTable(t, Limits{}, 2)
	secret := c.secret("user_1")
	require.NoError(t, c.Send(a, lasting(c, textMessage(0, "brief"), time.Second)))
	require.NoError(t, c.Send(a, textMessage(0, "long")))
	require.NoError(t, c.Send(a, lasting(c, textMessage(0, "brief"), time.Second)))
	require.NoError(t, c.do(c.handsOver(a, c.handing("user_1", false, 7))))
	c.effects = nil
	c.now = c.now.Add(time.Second)
	b := c.on("b")
	c.did(func() error {
		return c.Resume(c.now, b, Entry{Ref: 9, Secret: given(secret), Fresh: given("fresh")}, "user_1", 0, 0)
	}, "b < joined alice=online ref=9", "b << gap seq=1 missed=1", "b << message seq=2 alice: long", "b << gap seq=3 missed=1",
		"n ! replaced: the membership was taken over by a newer connection", "b << created epoch=3 [user_2=online]")
	c.refused(ErrAhead, func() error {
		return c.Resume(c.now, c.on("d"), Entry{Ref: 10, Secret: given(secret), Fresh: given("fresh")}, "user_1", 4, 0)
	})
}

func TestRule7TheFormerMastersSecret(t *testing.T) {
	for _, stay := range []bool{false, true} {
		c, a, _ := openTable(t, Limits{}, 2)
		secret := c.secret("alice")
		h := c.handing("user_1", stay, 7)
		require.NoError(t, c.do(c.handsOver(a, h)))
		c.effects = nil
		b := c.on("b")
		comesBack := func() {
			c.refused(wire.ErrResumeFailed, func() error { return c.resume(c.now, b, 9, "alice", secret, 0) })
			c.refused(wire.ErrResumeFailed, func() error { return c.resume(c.now, b, 9, "user_1", secret, 0) })
			c.refused(wire.ErrChannelExists, func() error { return c.create(c.now, b, 9, "alice", 0) })
		}
		comesBack()
		require.NoError(t, c.Show(h.New, 2))
		comesBack()
		c.Lose(c.now, h.New)
		comesBack()
	}
}

func TestAHandOverIsRepeated(t *testing.T) {
	c := newTable(t, Limits{HandshakeTimeout: 10 * time.Second})
	a, u := c.on("a"), c.on("u")
	require.NoError(t, c.Create(c.now, a, c.shows("A", 1, 0, "s1"), "alice", 0))
	require.NoError(t, c.Join(c.now, u, c.shows("B", 1, 0, "u1"), "ada", ""))
	require.NoError(t, c.Hear(a))
	c.effects = nil
	c.did(c.handsOver(a, c.handing("ada", true, 7)), "-u", "* < presence ada online", "n << created epoch=2 [alice=online]",
		"+o", "o < joined ada=online", "o < ack ref=7")
	b := c.on("b")
	repeats := func(at *Attachment, e Entry, to string, stay bool) func() error {
		return func() error {
			e.Fresh = given("fresh")
			return c.RepeatHandOver(c.now, at, e, given("next"), "alice", to, stay)
		}
	}
	for what, transition := range map[string]func() error{
		"another client":   repeats(b, c.shows("C", 7, 1, "s1"), "ada", true),
		"no client":        repeats(b, c.shows("", 7, 1, "s1"), "ada", true),
		"another ref":      repeats(b, c.shows("A", 8, 1, "s1"), "ada", true),
		"another secret":   repeats(b, c.shows("A", 7, 1, "s2"), "ada", true),
		"to another":       repeats(b, c.shows("A", 7, 1, "s1"), "eve", true),
		"not staying":      repeats(b, c.shows("A", 7, 1, "s1"), "ada", false),
		"without anything": repeats(b, Entry{}, "", false),
	} {
		t.Run(what, func(*testing.T) { c.refused(wire.ErrNotAMember, transition) })
	}
	c.did(repeats(b, c.shows("A", 7, 1, "s1"), "ada", true),
		"-o", "o ! replaced: the membership was taken over by a newer connection", "+b", "b < joined ada=online", "b < ack ref=7")
	require.True(t, c.slaves["alice"].matches(HashOf("fresh")))
	c.refused(wire.ErrRoleChanged, c.hears(b))
	// The connection that was given up is read late.
	old := &Attachment{Line: &line{connection: 1, room: -1, notices: -1, mark: -1}}
	c.refused(wire.ErrReplaced, repeats(old, c.shows("A", 7, 1, "s1"), "ada", true))
	c.did(func() error { return c.Show(b, 3) })
	c.refused(wire.ErrNotAMember, repeats(c.on("d"), c.shows("A", 7, 1, "s1"), "ada", true))

	// A master that has left is told so again and again. Only the latest ones are known.
	c.did(func() error { return c.Show(c.master.attachment, 2) })
	for i := range maxGivenOver + 1 {
		h := c.handing([]string{"alice", "ada"}[i%2], true, uint64(20+i))
		require.NoError(t, c.HandOver(c.now, c.master.attachment, h))
		require.NoError(t, c.Show(h.New, h.New.epoch))
	}
	require.Len(t, c.givenOver, maxGivenOver)
	c.effects = nil
	require.NoError(t, c.HandOver(c.now, c.master.attachment, c.handing("ada", false, 50)))
	require.Len(t, c.givenOver, maxGivenOver)
	c.effects = nil
	e := Entry{Ref: 50, Instance: HashOf("A"), Secret: given("master alice")}
	for range 2 {
		c.did(repeats(b, e, "ada", false))
	}
	c.Close("")
	c.effects = nil
	require.ErrorIs(t, repeats(b, e, "ada", false)(), wire.ErrNotAMember)
}

func TestAHandOverIsNotRepeatedByAnother(t *testing.T) {
	c, _, o, _ := handedTable(t, Limits{}, 2)
	e := Entry{Ref: 7, Secret: given("secret 1 of alice"), Fresh: given("fresh")}
	repeat := func() error {
		return c.RepeatHandOver(c.now, c.on("b"), e, given("next"), "alice", "user_1", true)
	}
	require.NoError(t, repeat())
	_ = o
	require.NoError(t, c.Remove("alice", false, ""))
	require.ErrorIs(t, repeat(), wire.ErrNotAMember)
	require.NoError(t, c.join(c.now, c.on("d"), 1, "alice", ""))
	require.ErrorIs(t, repeat(), wire.ErrNotAMember)
}

func TestTakingOverAfterAHandOver(t *testing.T) {
	c, n, o, _ := handedTable(t, Limits{}, 1)
	b, d := c.on("b"), c.on("d")
	e := Entry{Ref: 9, Secret: given("fresh"), Grant: Grant{Asked: true, TakeOver: true}}
	c.did(func() error { return c.Create(c.now, b, e, "user_1", 0) },
		"n ! replaced: the membership was taken over by a newer connection", "b << created ref=9 epoch=3 [alice=online]")
	c.did(c.hears(b))
	c.did(func() error { return c.Join(c.now, d, e, "alice", "") },
		"-o", "o ! replaced: the membership was taken over by a newer connection", "+d", "d < joined user_1=online ref=9")
	c.did(c.hears(d))
	require.Empty(t, c.givenOver)
	_, _ = n, o
}

// The answer to the join of a slave is lost, and it is made the master before its connection is found
// to be: it repeats the join, and is told both.
func TestRule7ASuccessorRepeatsItsJoin(t *testing.T) {
	begin := func(t *testing.T) (c *table, n *Attachment, e Entry) {
		c = newTable(t, Limits{HandshakeTimeout: 10 * time.Second})
		a, u := c.on("a"), c.on("u")
		require.NoError(t, c.Create(c.now, a, c.shows("A", 1, 0, "s1"), "alice", 0))
		require.NoError(t, c.Join(c.now, u, c.shows("B", 1, 0, "u1"), "ada", "alice"))
		require.NoError(t, c.Send(a, textMessage(0, "for all")))
		h := c.handing("ada", false, 7)
		require.NoError(t, c.do(c.handsOver(a, h)))
		c.effects = nil
		e = c.shows("B", 2, 0, "u2")
		e.Fresh = given("m2")
		return c, h.New, e
	}
	c, n, e := begin(t)
	b := c.on("b")
	require.True(t, c.JoinsAsMaster(c.now, b, e, "ada"))
	require.True(t, c.Repeated(c.now, b, e, "ada"))
	c.did(func() error { return c.Join(c.now, b, e, "ada", "alice") },
		"b < joined alice=online ref=2", "b << message seq=1 alice: for all",
		"n ! replaced: the membership was taken over by a newer connection", "b << created epoch=3 []")
	c.refused(wire.ErrRoleChanged, c.hears(b))
	d := c.on("d")
	again := c.shows("B", 3, 1, "u1") // the secret that was lost, or not
	again.Fresh = given("m3")
	c.did(func() error { return c.Resume(c.now, d, again, "ada", 1, 0) }, "d < joined alice=online ref=3",
		"b ! replaced: the membership was taken over by a newer connection", "d << created epoch=4 []")
	again.Secret = given("u2")
	require.True(t, c.master.wasHeldBy(again))
	require.NoError(t, c.Show(d, 4))
	later := c.shows("B", 4, 0, "u4")
	c.refused(wire.ErrNameTaken, func() error { return c.Join(c.now, b, later, "ada", "") })
	_ = n

	for what, change := range map[string]func(c *table, e *Entry){
		"another client":   func(_ *table, e *Entry) { e.Instance = HashOf("C") },
		"no client":        func(_ *table, e *Entry) { e.Instance = Hash{} },
		"not a later one":  func(_ *table, e *Entry) { e.Ref = 1 },
		"too late":         func(c *table, _ *Entry) { c.now = c.now.Add(10 * time.Second) },
		"it was heard":     func(c *table, _ *Entry) { c.master.extras.handed.slave.repeatable = 0 },
		"it has been told": func(c *table, _ *Entry) { require.NoError(c.t, c.Show(c.master.attachment, 2)) },
	} {
		t.Run(what, func(t *testing.T) {
			c, _, e := begin(t)
			change(c, &e)
			require.False(t, c.JoinsAsMaster(c.now, c.on("b"), e, "ada"))
			c.refused(wire.ErrNameTaken, func() error { return c.Join(c.now, c.on("b"), e, "ada", "") })
		})
	}
	c, _, e = begin(t)
	require.False(t, c.JoinsAsMaster(c.now, c.on("b"), e, "eve"))
	full := e
	full.Grant = Grant{Asked: true}
	for i := range masterKeys + 1 {
		full.Grant.Attributes = append(full.Grant.Attributes, wire.KeyValue{Key: fmt.Sprint(i), Value: textMessage(0, "x").Payload})
	}
	c.refused(wire.ErrAttributesFull, func() error { return c.Join(c.now, c.on("b"), full, "ada", "") })
	over := e
	over.Grant = Grant{Asked: true, TakeOver: true}
	c.did(func() error { return c.Join(c.now, c.on("b"), over, "ada", "") },
		"n ! replaced: the membership was taken over by a newer connection", "b << created ref=2 epoch=3 []")
	require.False(t, c.master.unshown(), "the service says that it is the master's")
	c.Close("")
	c.effects = nil
	require.False(t, c.JoinsAsMaster(c.now, c.on("b"), e, "ada"))
	require.False(t, New("none", c.limits).JoinsAsMaster(c.now, c.on("b"), e, ""))

	c, _, e = begin(t)
	c.master.extras.repaid = c.now.Add(againBurst * againTime).UnixMilli()
	c.refused(wire.ErrRateLimited, func() error { return c.Join(c.now, c.on("b"), e, "ada", "") })
}

// A former master that stays, and was not told so, is made the master again: it repeats its hand-over, and
// is told both.
func TestRule7AFormerMasterIsTheMasterAgain(t *testing.T) {
	c := newTable(t, Limits{HandshakeTimeout: 10 * time.Second})
	a, u := c.on("a"), c.on("u")
	require.NoError(t, c.Create(c.now, a, c.shows("A", 1, 0, "s1"), "alice", 0))
	require.NoError(t, c.Join(c.now, u, c.shows("B", 1, 0, "u1"), "ada", ""))
	require.NoError(t, c.Hear(a))
	h := c.handing("ada", true, 7)
	require.NoError(t, c.do(c.handsOver(a, h)))
	require.NoError(t, c.Show(h.New, 2))
	require.NoError(t, c.Send(h.New, textMessage(0, "for all")))
	back := c.handing("alice", true, 8)
	back.Secret = given("lost")
	require.NoError(t, c.do(c.handsOver(h.New, back)))
	require.NoError(t, c.do(c.lostBy(back.New)))
	c.effects = nil
	repeats := func(at *Attachment) func() error {
		return func() error {
			e := c.shows("A", 7, 1, "s1")
			e.Fresh = given("slave again")
			return c.RepeatHandOver(c.now, at, e, given("master again"), "alice", "ada", true)
		}
	}
	b := c.on("b")
	c.did(repeats(b), "b < joined ada=online", "b < ack ref=7", "b << message seq=1 ada: for all",
		"b << created epoch=4 [ada=online]", "* < presence alice online")
	c.refused(wire.ErrRoleChanged, c.hears(b))
	// Whichever of the two secrets it has got by then is good, and the one that it has handed over is not.
	d := c.on("d")
	e := c.shows("A", 9, 3, "slave again")
	e.Fresh = given("m3")
	c.did(func() error { return c.Resume(c.now, d, e, "alice", 1, 0) }, "d < joined ada=online ref=9",
		"b ! replaced: the membership was taken over by a newer connection", "d << created epoch=5 [ada=online]")
	c.refused(wire.ErrReplaced, repeats(b)) // it is read late
	c.refused(wire.ErrResumeFailed, c.resumes(c.on("x"), c.shows("A", 10, 3, "s1")))
	require.NoError(t, c.Show(d, 5))
	c.refused(wire.ErrNotAMember, repeats(c.on("x")))

	// Another one's hand-over, of a membership that was before, is not repeated by the one that there is.
	c, n, o, _ := handedTable(t, Limits{}, 1)
	require.NoError(t, c.Remove("alice", false, ""))
	again := c.on("again")
	require.NoError(t, c.join(c.now, again, 1, "alice", ""))
	require.NoError(t, c.Show(n, 2))
	require.NoError(t, c.do(c.handsOver(n, c.handing("alice", false, 0))))
	require.ErrorIs(t, c.RepeatHandOver(c.now, c.on("b"), Entry{Ref: 7, Secret: given("secret 1 of alice")}, given("next"), "alice", "user_1", true), wire.ErrNotAMember)
	_ = o
}
