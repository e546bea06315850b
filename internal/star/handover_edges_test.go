package star

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// repeatsHandOver is the hand-over that the entry shows, sent again on another connection.
func (c *table) repeatsHandOver(a *Attachment, e Entry, username, to string, stay bool) func() error {
	e.Fresh = given("fresh")
	return func() error { return c.RepeatHandOver(c.now, a, e, given("next"), username, to, stay) }
}

// restored is the same channel, restored from its snapshot with everybody on the same lines, which
// have the same tags.
func (c *table) restored() (back *table, at map[string]*Attachment) {
	back = &table{t: c.t, now: c.now, tags: map[*Attachment]string{}, secrets: c.secrets}
	at = map[string]*Attachment{}
	var err error
	back.Channel, err = Restore(c.Snapshot(), c.limits, c.now, func(_ wire.Role, name string) *Attachment {
		m := c.slaves[name]
		if name == c.master.name {
			m = c.master
		}
		at[name] = &Attachment{Line: m.attachment.Line}
		back.tags[at[name]] = c.tags[m.attachment]
		return at[name]
	})
	require.NoError(c.t, err)
	back.effects = nil
	return back, at
}

// tooMuchAgain has too much been sent to the member again and again.
func (c *table) tooMuchAgain(m *member) {
	m.needExtras().repaid = c.now.Add(againBurst * againTime).UnixMilli()
}

func TestWhoHasNeverEnteredIsNotAboutToSwitch(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 1)
	require.Equal(t, wire.ErrNotAMember, c.Switching(c.on("x"), true))
}

// Who cannot be the master is named by what it is.
func TestWhoCannotBeTheMaster(t *testing.T) {
	c, a, u := doorTable(t, wire.DoorKnock, Limits{}, 2)
	require.NoError(t, c.knock(c.on("w"), c.entry(5, "bob", "i"), "bob")())
	c.Lose(c.now, u[2])
	for to, why := range map[string]*wire.Cause{
		"alice": errSuccessorIsMaster, "bob": errSuccessorWaits, "eve": wire.ErrNoSuchSlave, "user_2": errSuccessorAway,
	} {
		for _, by := range []*Attachment{a, nil} {
			_, _, err := c.Successor(by, to)
			require.EqualError(t, err, why.Error(), to)
		}
	}
	at, _, err := c.Successor(a, "user_1")
	require.NoError(t, err)
	require.Equal(t, u[1], at)
}

// The rate is the master's, and not the service's.
func TestAHandOverOfAMasterThatWasSentTooMuch(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 1)
	c.tooMuchAgain(c.master)
	c.refused(wire.ErrRateLimited, c.handsOver(a, c.handing("user_1", true, 7)))
	c.did(c.handsOver(nil, c.handing("user_1", false, 0)), "-u1", "* < presence user_1 online", "n << created epoch=2 []",
		`a ! handed_over: "user_1" is the master now`)

	c, _, _, _ = handedTable(t, Limits{}, 1)
	c.tooMuchAgain(c.slaves["alice"])
	e := Entry{Ref: 7, Secret: given("secret 1 of alice")}
	c.refused(wire.ErrRateLimited, c.repeatsHandOver(c.on("b"), e, "alice", "user_1", true))
}

// Where it is the service's word the former master leaves, whatever else is prepared.
func TestRule7AMasterIsNotKeptByTheService(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 1)
	c.did(c.handsOver(nil, c.handing("user_1", true, 0)), "-u1", "* < presence user_1 online", "n << created epoch=2 []",
		`a ! handed_over: "user_1" is the master now`)
	require.Empty(t, c.slaves)
}

// Who has taken the slave's membership over and was heard of is its holder, and what was answered
// to it goes on.
func TestASuccessorThatHasTakenItsMembershipOver(t *testing.T) {
	c, a, _ := heldTable(t)
	b := c.on("b")
	require.NoError(t, c.resumes(b, c.shows("B", 3, 1, "s1"))())
	require.NoError(t, c.Send(b, textMessage(5, "x")))
	require.NoError(t, c.do(c.handsOver(a, c.handing("ada", false, 7))))
	require.Equal(t, holder{HashOf("B"), 3}, c.master.holder)
	require.EqualValues(t, 5, c.master.answers.highest)
}

// A message that has expired is no message of the successor's, nor of anybody's.
func TestAHandOverWhereMessagesHaveExpired(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	require.NoError(t, c.Send(u[1], lasting(c, textMessage(0, "own, brief"), time.Second)))
	require.NoError(t, c.Send(u[2], lasting(c, textMessage(0, "brief"), time.Second)))
	require.NoError(t, c.Send(u[2], textMessage(0, "long")))
	_, err := c.Confirm(a, 0)
	require.NoError(t, err)
	c.now = c.now.Add(time.Second)
	c.Expire(c.now)
	c.effects = nil
	c.did(c.handsOver(a, c.handing("user_1", false, 0)), "-u1", "* < presence user_1 online",
		"n << created epoch=2 seq=3 [user_2=online]", "n << gap seq=2 missed=2", "n << message seq=3 user_2: long",
		`a ! handed_over: "user_1" is the master now`)
}

// A reset of the attributes of the mastership goes on with them, and is told as the new master's.
func TestAResetAfterAHandOver(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 1)
	change := func(key string, value wire.Payload) {
		require.NoError(t, c.Set(a, AttributeChange{Key: key, Value: value}))
	}
	for i := range masterKeys + 1 {
		change(fmt.Sprint(i), textMessage(0, "x").Payload)
		change(fmt.Sprint(i), wire.Payload{})
	}
	require.NotNil(t, c.master.extra().attributes.reset)
	require.NoError(t, c.do(c.handsOver(a, c.handing("user_1", false, 0))))
	c.effects = nil
	b := c.on("b")
	c.did(func() error { return c.join(c.now, b, 1, "eve", "") },
		"+b", "b < joined user_1=online ref=1", "n < presence eve online", "b ~ reset user_1  seq=130")
}

// What a hand-over leaves is gone when both have shown that they know of it, and what cannot be
// repeated is not kept.
func TestWhatAHandOverLeaves(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 2)
	h := c.handing("user_1", true, 0)
	require.NoError(t, c.do(c.handsOver(a, h)))
	require.Empty(t, c.givenOver, "it has no ref")
	require.NoError(t, c.Show(h.Stays, h.Stays.epoch))
	require.Nil(t, c.slaves["alice"].extras)

	// What the new master shows does not take from the former one that it can repeat it.
	left := c.handing("user_2", false, 8)
	require.NoError(t, c.Show(h.New, h.New.epoch))
	require.NoError(t, c.do(c.handsOver(h.New, left)))
	require.NoError(t, c.Show(left.New, left.New.epoch))
	c.effects = nil
	e := Entry{Ref: 8, Secret: given("master user_1")}
	c.did(c.repeatsHandOver(c.on("b"), e, "user_1", "user_2", false))
	c.refused(wire.ErrNotAMember, c.repeatsHandOver(c.on("d"), e, "eve", "user_2", false))
	require.False(t, New("none", c.limits).Promoted(e, "user_1"))
}

// On the connection on which it is already, a former master is told the same, and not that it was
// replaced.
func TestAHandOverIsRepeatedOnTheSameConnection(t *testing.T) {
	c, _, o, _ := handedTable(t, Limits{}, 1)
	again := &Attachment{Line: o.Line}
	c.tags[again] = "o'"
	c.did(c.repeatsHandOver(again, Entry{Ref: 7, Secret: given("secret 1 of alice")}, "alice", "user_1", true),
		"-o", "+o'", "o' < joined user_1=online", "o' < ack ref=7")
}

// Who has shown a higher number than the last of before the hand-over has missed nothing of that, though
// what came after it is not kept.
func TestASuccessorThatKnowsMoreThanItWasGiven(t *testing.T) {
	for last := range uint64(3) {
		c, a, _ := openTable(t, Limits{Replay: Bound{Messages: 3}}, 2)
		secret := c.secret("user_1")
		require.NoError(t, c.Send(a, textMessage(0, "1")))
		require.NoError(t, c.do(c.handsOver(a, c.handing("user_1", false, 7))))
		for range 9 {
			_, _, err := c.Speak(textMessage(0, "of the service"))
			require.NoError(t, err)
		}
		c.effects = nil
		lines := []string{"b < joined alice=online ref=9", "n ! replaced: the membership was taken over by a newer connection", "b << created epoch=3 [user_2=online]"}
		if last == 0 {
			lines = append(lines[:1:1], append([]string{"b < gap seq=1 missed=1"}, lines[1:]...)...)
		}
		c.did(func() error {
			return c.Resume(c.now, c.on("b"), Entry{Ref: 9, Secret: given(secret), Fresh: given("fresh")}, "user_1", last, 0)
		}, lines...)
	}
}

// What was for the successor alone is so in a channel that was restored, and what its name has sent
// under an earlier membership is not its own.
func TestAHandOverAfterARestore(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 2)
	secret := c.secret("user_1")
	require.NoError(t, c.Send(a, messageTo(0, "user_1", "for it")))
	require.NoError(t, c.Send(a, messageTo(0, "user_2", "for another one")))
	require.NoError(t, c.do(c.handsOver(a, c.handing("user_1", true, 7))))
	back, _ := c.restored()
	b := back.on("b")
	back.did(func() error {
		return back.Resume(back.now, b, Entry{Ref: 9, Secret: given(secret), Fresh: given("fresh")}, "user_1", 0, 0)
	}, "b < joined alice=online ref=9", "b << message seq=1 alice: for it (private)",
		"n ! replaced: the membership was taken over by a newer connection", "b << created epoch=3 [alice=online user_2=online]")

	c, a, u := openTable(t, Limits{}, 1)
	require.NoError(t, c.Send(u[1], textMessage(0, "before")))
	require.NoError(t, c.Leave(c.now, u[1], 0))
	again := c.on("u1'")
	require.NoError(t, c.join(c.now, again, 1, "user_1", ""))
	require.NoError(t, c.Send(again, textMessage(0, "own")))
	_, _, err := c.Speak(messageTo(0, "alice", "of the service"))
	require.NoError(t, err)
	s := c.Snapshot()
	for i, former := range []bool{true, false, false} {
		require.Equal(t, former, s.Up.Kept[i].Former, i)
	}
	_, err = c.Confirm(a, 0)
	require.NoError(t, err)
	back, at := c.restored()
	back.did(back.handsOver(at["alice"], back.handing("user_1", false, 0)), "-u1'", "* < presence user_1 online",
		"n << created epoch=2 seq=3 []", "n << message seq=1 user_1: before", "n << message seq=3 : of the service",
		`a ! handed_over: "user_1" is the master now`)
}

// A state that cannot be is refused as a whole, with what is wrong in it.
func TestHandOversThatCannotBeRead(t *testing.T) {
	c, _, o, _ := handedTable(t, Limits{}, 1)
	require.NoError(t, c.Show(o, o.epoch))
	s := c.Snapshot()
	s.Master.Handed = new(HandedSnapshot)
	s.Down = ReplaySnapshot{Newest: 1, Kept: []MessageSnapshot{{From: "user_1", To: "alice"}}}
	_, err := Restore(s, c.limits, c.now, func(wire.Role, string) *Attachment { return nil })
	require.ErrorContains(t, err, "hand-over")

	c.ends()
	read := func(write func(p *pieces)) error {
		i := NewImport(c.limits, anyPayload, 0)
		for _, part := range c.parts() {
			require.NoError(t, i.Add(part))
		}
		i.r.c.master.extras.handed = nil
		p := pieces{yield: func([]byte) bool { return true }}
		write(&p)
		return i.Add(p.part)
	}
	ofTheMaster := func(name string) func(p *pieces) {
		return func(p *pieces) {
			c.master.name = name
			p.handOvers(c.Channel, nil)
			c.master.name = "user_1"
		}
	}
	require.NoError(t, read(ofTheMaster("user_1")))
	require.ErrorContains(t, read(ofTheMaster("alice")), "hand-over")
	err = read(func(p *pieces) { p.begin(pieceHanded); p.flags(true) })
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hand-over", "of what was cut off nothing else is said")
}

// Of a change too, what was on its way is refused, with a ref or without.
func TestChangesThatWereOnTheirWay(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 1)
	change := func(at *Attachment, ref uint64, value string) func() error {
		return func() error {
			return c.Set(at, AttributeChange{Ref: ref, Key: "k", Value: textMessage(0, value).Payload})
		}
	}
	require.NoError(t, change(a, 7, "v")())
	h := c.handing("user_1", true, 8)
	require.NoError(t, c.do(c.handsOver(a, h)))
	c.effects = nil
	c.did(change(h.Stays, 7, "v"), "o < ack ref=7 seq=1")
	c.refused(wire.ErrRoleChanged, change(h.Stays, 7, "another"))
	c.refused(wire.ErrRoleChanged, change(h.Stays, 0, "v"))
	c.refused(wire.ErrRoleChanged, change(h.New, 0, "v"))
}

func TestWhoHasShownNoInstance(t *testing.T) {
	for name, test := range map[string]struct {
		first, second string
		byHand        bool
	}{
		"none":              {"", "", true},
		"one":               {"A", "A", false},
		"another":           {"A", "B", false},
		"one that had none": {"", "A", false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTable(t, Limits{})
			a := c.on("a")
			require.NoError(t, c.Create(c.now, a, c.shows(test.first, 1, 0, "s1"), "alice", 0))
			require.Equal(t, test.first == "", a.ByHand())
			b := c.on("b")
			require.NoError(t, c.Resume(c.now, b, c.shows(test.second, 2, 1, "s1"), "alice", 0, 0))
			require.Equal(t, test.byHand, b.ByHand())
		})
	}
}

// A message that the master has sent itself as a slave is lost to nobody: not to the slave that it
// becomes again either, in a channel that was restored.
func TestOwnMessagesAreLostToNobodyAfterARestore(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 2}}, 2)
	require.NoError(t, c.Send(u[1], textMessage(0, "own")))
	_, err := c.Confirm(a, 0)
	require.NoError(t, err)
	there := c.handing("user_1", true, 7)
	require.NoError(t, c.do(c.handsOver(a, there)))
	require.NoError(t, c.Show(there.New, there.New.epoch))
	require.NoError(t, c.Show(there.Stays, there.Stays.epoch))
	require.NoError(t, c.do(c.handsOver(there.New, c.handing("alice", true, 8))))
	back, at := c.restored()
	for i := range 3 {
		require.NoError(t, back.Send(at["user_2"], textMessage(0, "x")))
		require.NoError(t, back.Show(at["alice"], at["alice"].epoch))
		_, err := back.Confirm(at["alice"], uint64(2+i))
		require.NoError(t, err)
	}
	require.EqualValues(t, 2, back.up.lost)
	require.Zero(t, back.slaves["user_1"].lostPrivate)
}

// A message can have all that few have.
func TestPartsOfAMessageWithAllThatFewHave(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	_, err := c.Confirm(a, 0)
	require.NoError(t, err)
	msg := lasting(c, textMessage(0, "x"), time.Minute)
	msg.Topic = "topic"
	require.NoError(t, c.Send(u[1], msg))
	require.NoError(t, c.Leave(c.now, u[1], 0))
	c.ends()
	back, err := imported(c.limits, c.parts()...)
	require.NoError(t, err)
	require.True(t, back.Snapshot().Up.Kept[0].Former)
	require.Equal(t, c.Snapshot().Up, back.Snapshot().Up)
}

// For how long a successor can repeat its join goes by the clock of the hub that reads it.
func TestAHandOverIsReadByAClockThatIsBehind(t *testing.T) {
	for _, instance := range []string{"", "A"} {
		c, a, _ := openTable(t, Limits{HandshakeTimeout: 10 * time.Second}, 0)
		require.NoError(t, c.Join(c.now, c.on("u"), c.shows(instance, 1, 0, "s1"), "ada", ""))
		require.NoError(t, c.do(c.handsOver(a, c.handing("ada", true, 7))))
		c.ends()
		i := NewImport(c.limits, anyPayload, time.Minute)
		for _, part := range c.parts() {
			require.NoError(t, i.Add(part))
		}
		back, err := i.Finish()
		require.NoError(t, err)
		want := int64(0)
		if instance != "" {
			want = noon.Add(-time.Minute).UnixNano()
		}
		require.Equal(t, want, back.master.extra().handed.slave.repeatable)
	}
}

// A new master is told up to where messages come that it has missed. Those that the former one has got do not, nor
// do its own: it would wait for them in vain, and with them for who has left meanwhile.
func TestANewMasterDoesNotWaitForWhatDoesNotCome(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	require.NoError(t, c.Send(u[2], textMessage(2, "one")))
	_, err := c.Confirm(a, 1)
	require.NoError(t, err)
	h := c.handing("user_1", false, 7)
	c.effects = nil
	c.did(c.handsOver(a, h), "-u1", "* < presence user_1 online", "n << created epoch=2 [user_2=online]",
		`a < ack ref=7`, `a ! handed_over: "user_1" is the master now`)
	c.Channel.shown(c.master)
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 9, "user_1", h.Secret.Text, 0) },
		"n ! replaced: the membership was taken over by a newer connection", "b << created ref=9 epoch=3 [user_2=online]")

	c, a, u = openTable(t, Limits{}, 2)
	require.NoError(t, c.Send(u[2], textMessage(2, "one")))
	require.NoError(t, c.Send(u[1], textMessage(2, "its own")))
	_, err = c.Confirm(a, 0)
	require.NoError(t, err)
	c.effects = nil
	c.did(c.handsOver(a, c.handing("user_1", false, 7)), "-u1", "* < presence user_1 online", "n << created epoch=2 seq=1 [user_2=online]",
		"n << message seq=1 user_2: one", `a < ack ref=7`, `a ! handed_over: "user_1" is the master now`)
}

// Where what is not kept any more are its own messages, a new master has missed nothing. Where they are others', it
// is told.
func TestANewMasterHasNotMissedItsOwnMessages(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 1}}, 2)
	require.NoError(t, c.Send(u[1], textMessage(2, "its own")))
	_, err := c.Confirm(a, 0)
	require.NoError(t, err)
	h := c.handing("user_1", false, 7)
	require.NoError(t, c.do(c.handsOver(a, h)))
	require.NoError(t, c.Show(h.New, 2))
	resumes := func(tag string, last uint64) func() error {
		b := c.on(tag)
		return func() error { return c.resume(c.now, b, 9, "user_1", h.Secret.Text, last) }
	}
	require.NoError(t, c.Send(u[2], textMessage(2, "one")))
	require.EqualValues(t, 1, c.up.lost)
	c.effects = nil
	c.did(resumes("b", 0), "n ! replaced: the membership was taken over by a newer connection",
		"b << created ref=9 epoch=3 seq=2 [user_2=online]", "b << message seq=2 user_2: one")
	_, err = c.Confirm(c.master.attachment, 2)
	require.NoError(t, err)
	require.NoError(t, c.Send(u[2], textMessage(3, "two")))
	c.effects = nil
	c.did(resumes("d", 0), "b ! replaced: the membership was taken over by a newer connection",
		"d << created ref=9 epoch=4 seq=3 gap [user_2=online]", "d << message seq=3 user_2: two")
}
