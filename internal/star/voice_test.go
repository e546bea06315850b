package star

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// mutes sets whether a slave is muted, and mutesAll whether all are.
func (c *table) mutes(a *Attachment, name string, on bool) func() error {
	return func() error { return c.Mute(a, 7, name, true, on) }
}

func (c *table) mutesAll(a *Attachment, on bool) func() error {
	return func() error { return c.Mute(a, 7, "", false, on) }
}

// Design 9.4: what a muted slave sends of its own accord is refused, and what it answers is not.
func TestAMutedSlaveIsQuiet(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.did0(func() error { return c.Send(a, asking(2, "user_1")) })
	c.did0(func() error { return c.Send(a, asking(3, "")) })
	c.did(c.mutes(a, "user_1", true), "a < ack ref=7", "u1 < muted true")
	c.refused(wire.ErrMuted, c.says(u[1], "x"))
	c.refused(wire.ErrMuted, func() error { return c.Send(u[1], asking(0, "")) })
	c.refused(wire.ErrNoSuchRequest, func() error { return c.Send(u[1], replying("", 9)) })
	c.refused(wire.ErrForbidden, func() error { return c.Send(u[1], messageTo(0, "alice", "x")) })
	c.did(c.says(u[2], "y"), "a < message seq=1 user_2: y")
	c.did(func() error { return c.Send(u[1], replying("", 1)) }, "a < message seq=2 user_1: yes reply=1")
	both := replying("", 2)
	both.Asks = true
	c.did(func() error { return c.Send(u[1], both) }, "a < message seq=3 user_1: yes request=3 reply=2")
	c.did(func() error {
		return c.Set(u[1], AttributeChange{Ref: 4, Key: "hand", Value: textMessage(0, "up").Payload})
	}, "a ~ attribute user_1 hand seq=4 = up", "u1 < ack ref=4 seq=4")
	c.did(func() error { return c.Withdraw(u[1], 5, 3) }, "u1 < ack ref=5")
	_, _, err := c.Speak(messageTo(0, "alice", "the service"))
	require.NoError(t, err)
	c.effects = nil
	c.did(c.says(a, "to all"), "* < message seq=3 alice: to all")
	c.did(c.mutes(a, "user_1", false), "a < ack ref=7", "u1 < muted false")
	c.did(c.says(u[1], "x"), "a < message seq=6 user_1: x")
}

// A refusal is remembered under its ref, as any other: what is sent again was sent while its sender
// was muted.
func TestWhatAMutedSlaveHasSentStaysRefused(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	c.did0(c.mutes(a, "user_1", true))
	require.ErrorIs(t, c.Send(u[1], textMessage(2, "x")), wire.ErrMuted)
	c.did0(c.mutes(a, "user_1", false))
	require.ErrorIs(t, c.Send(u[1], textMessage(2, "x")), wire.ErrMuted)
	c.did(func() error { return c.Send(u[1], textMessage(3, "x")) }, "a < message seq=1 user_1: x", "u1 < ack ref=3 seq=1")
	c.did0(c.mutes(a, "user_1", true))
	c.did(func() error { return c.Send(u[1], textMessage(3, "x")) }, "u1 < ack ref=3 seq=1")
}

// Who is muted is refused before the service is asked, and is not muted for what it answers.
func TestAMutedSlaveIsNotJudged(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	unjudged := func(at *Attachment, msg Message) bool {
		_, asked := c.Unjudged(at, &msg)
		return asked
	}
	c.did0(func() error { return c.Send(a, asking(2, "")) })
	c.did0(c.mutesAll(a, true))
	require.False(t, unjudged(u[1], textMessage(2, "x")))
	require.True(t, unjudged(u[1], replying("", 1)))
	require.True(t, unjudged(a, textMessage(3, "x")))
	c.did0(c.mutes(a, "user_1", false))
	require.True(t, unjudged(u[1], textMessage(2, "x")))
	require.False(t, unjudged(u[2], textMessage(2, "x")))
}

// A mute is of the master's own slaves, by the master alone.
func TestWhoMayMuteWhom(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	for _, name := range []string{"nobody", "alice", ""} {
		c.refused(wire.ErrNoSuchSlave, c.mutes(a, name, true))
		c.refused(wire.ErrNoSuchSlave, c.mutes(a, name, false))
	}
	c.refused(wire.ErrForbidden, c.mutes(u[1], "user_2", true))
	c.refused(wire.ErrForbidden, c.mutes(u[1], "user_1", false))
	c.refused(wire.ErrForbidden, c.mutesAll(u[1], true))
	c.did0(c.mutes(a, "user_1", true))
	c.did0(func() error { return c.Leave(c.now, u[1], 0) })
	c.refused(wire.ErrNoSuchSlave, c.mutes(a, "user_1", false))
	c.did(func() error { return c.Mute(a, 0, "user_2", true, true) }, "u2 < muted true") // without a ref, there is no ack
}

// All sets what is so of all, and there are no exceptions any more; a name is one. Those for whom
// something changes are told, once for all where it is all.
func TestMuteAllAndExceptions(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 3)
	muted := func(flags ...bool) {
		t.Helper()
		for i, flag := range flags {
			err := c.Send(u[i+1], textMessage(0, "x"))
			require.Equal(t, flag, err != nil, "user_%d", i+1)
		}
		c.effects = nil
	}
	c.did(c.mutesAll(a, false), "a < ack ref=7")
	c.did(c.mutesAll(a, true), "a < ack ref=7", "* < muted true")
	c.did(c.mutesAll(a, true), "a < ack ref=7")
	muted(true, true, true)
	c.did(c.mutes(a, "user_2", true), "a < ack ref=7")
	c.did(c.mutes(a, "user_2", false), "a < ack ref=7", "u2 < muted false")
	c.did(c.mutes(a, "user_2", false), "a < ack ref=7")
	muted(true, false, true)
	c.did(c.mutes(a, "user_2", true), "a < ack ref=7", "u2 < muted true")
	require.Empty(t, c.voice.exceptions)
	c.did0(c.mutes(a, "user_2", false))
	c.did(c.mutesAll(a, true), "a < ack ref=7", "* < muted true")
	muted(true, true, true)
	c.did0(c.mutes(a, "user_3", false))
	c.did(c.mutesAll(a, false), "a < ack ref=7", "* < muted false")
	muted(false, false, false)
	c.did0(c.mutes(a, "user_1", true))
	muted(true, false, false)
	c.did(c.mutesAll(a, false), "a < ack ref=7", "* < muted false")
	muted(false, false, false)
	require.Equal(t, voice{}, c.voice)
}

// However many slaves there are, a change for all is one packet for the whole audience.
func TestMuteAllIsOnePacket(t *testing.T) {
	c, a, _ := openTable(t, Limits{MaxSlaves: 20_000}, 20_000)
	c.did0(c.mutes(a, "user_7", true))
	c.did(c.mutesAll(a, true), "a < ack ref=7", "* < muted true")
	c.did(c.mutesAll(a, false), "a < ack ref=7", "* < muted false")
}

// It is the channel's: a name is muted over its resumes, and when it leaves and joins again, and
// its master finds that all are, whoever holds it.
func TestTheVoiceStays(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.did0(c.mutes(a, "user_1", true))
	c.did(c.lostBy(u[1]), "-u1", "a < presence user_1 away")
	r := c.on("r")
	c.did(func() error { return c.resume(c.now, r, 9, "user_1", c.secret("user_1"), 0) },
		"+r", "r < joined alice=online ref=9 muted", "a < presence user_1 online")
	c.did(func() error { return c.again(c.now, r, 10) }, "r < joined alice=online ref=10 muted")
	c.refused(wire.ErrMuted, c.says(r, "x"))
	c.did0(func() error { return c.Leave(c.now, r, 0) })
	n := c.on("n")
	c.did(func() error { return c.join(c.now, n, 1, "user_1", "") },
		"+n", "n < joined alice=online ref=1 muted", "a < presence user_1 online")
	c.refused(wire.ErrMuted, c.says(n, "x"))
	c.did(func() error { return c.join(c.now, c.on("m"), 1, "user_3", "") },
		"+m", "m < joined alice=online ref=1", "a < presence user_3 online")

	c.did(c.lostBy(n), "-n", "a < presence user_1 away")
	c.did(c.mutes(a, "user_1", false), "a < ack ref=7") // nobody is there to be told
	c.did0(c.mutesAll(a, true))
	c.did(func() error { return c.resume(c.now, c.on("n2"), 2, "user_1", c.secret("user_1"), 0) },
		"+n2", "n2 < joined alice=online ref=2 muted", "a < presence user_1 online")
	c.did(func() error { return c.RepeatCreate(a, Entry{Ref: 1}) }, "a < created ref=1 epoch=1 muted [user_1=online user_2=online user_3=online]")
	c.did0(c.lostBy(a))
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 2, "alice", c.secret("alice"), 0) },
		"b << created ref=2 epoch=2 muted [user_1=online user_2=online user_3=online]", "* < presence alice online")
	c.did(c.mutesAll(b, false), "b < ack ref=7", "* < muted false")
}

// Who has not caught up is not in the audience, and is told at once what is so now: that it is
// muted, and how its master is (rule 4).
func TestWhoCatchesUpIsToldWhatIsSoNow(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 3)
	c.did0(c.lostBy(u[1]))
	c.did0(c.lostBy(u[3]))
	for range 5 {
		c.did0(c.says(a, large))
	}
	one, three := c.on("one"), c.on("three")
	c.did0(func() error { return c.resume(c.now, three, 2, "user_3", c.secret("user_3"), 0) })
	c.did0(func() error { return c.resume(c.now, one, 2, "user_1", c.secret("user_1"), 0) })
	c.did(c.mutesAll(a, true), "a < ack ref=7", "* < muted true", "one < muted true", "three < muted true")
	c.did(c.mutes(a, "user_1", false), "a < ack ref=7", "one < muted false")
	c.did(func() error { return c.Away(c.now, a, 0) },
		"* < presence alice away left=30000ms", "one < presence alice away left=30000ms", "three < presence alice away left=30000ms")
	c.did(func() error { return c.Back(c.now, a, 0) },
		"* < presence alice online", "one < presence alice online", "three < presence alice online")
}

// So many exceptions are kept as there may be slaves. With one more, the oldest is forgotten of a
// name that no slave has, and never that of one that is there.
func TestExceptionsAreBounded(t *testing.T) {
	const most = 3
	c, a, _ := openTable(t, Limits{MaxSlaves: most}, 0)
	enter := func(name string) *Attachment {
		at := c.on(name)
		c.did0(func() error { return c.join(c.now, at, 1, name, "") })
		c.effects = nil
		return at
	}
	stays := enter("stays")
	c.did0(c.mutes(a, "stays", true))
	for i := range 10 {
		name := fmt.Sprint("comes ", i)
		at := enter(name)
		c.did0(c.mutes(a, name, true))
		c.refused(wire.ErrMuted, c.says(at, "x"))
		c.did0(func() error { return c.Leave(c.now, at, 0) })
		require.LessOrEqual(t, len(c.voice.exceptions), most)
	}
	require.Equal(t, []string{"stays", "comes 8", "comes 9"}, c.voice.inOrder())
	c.refused(wire.ErrMuted, c.says(stays, "x"))
	eight := enter("comes 8")
	c.refused(wire.ErrMuted, c.says(eight, "x"))
	other := enter("other")
	c.did0(c.mutes(a, "other", true))
	require.Equal(t, []string{"stays", "comes 8", "other"}, c.voice.inOrder())

	// Where all that there may be are exceptions, each can be changed.
	for _, at := range []*Attachment{stays, eight, other} {
		c.did0(c.mutes(a, at.Username(), false))
		c.did0(c.says(at, "x"))
	}
	require.Empty(t, c.voice.exceptions)
	c.did0(c.mutesAll(a, true))
	for _, at := range []*Attachment{other, stays, eight} {
		c.did0(c.mutes(a, at.Username(), false))
	}
	require.Equal(t, []string{"other", "stays", "comes 8"}, c.voice.inOrder())
}

// What the service has said of how many there may be bounds the exceptions too.
func TestExceptionsAreBoundedByTerms(t *testing.T) {
	c := newTable(t, Limits{})
	a := c.on("a")
	require.NoError(t, c.Create(c.now, a, Entry{Ref: 1, Secret: c.fresh("alice"), Terms: &Terms{MaxSlaves: 1}}, "alice", 0))
	for i := range 3 {
		at, name := c.on("u"), fmt.Sprint("user_", i)
		c.did0(func() error { return c.join(c.now, at, 1, name, "") })
		c.did0(c.mutes(a, name, true))
		require.Equal(t, []string{name}, c.voice.inOrder())
		c.did0(func() error { return c.Leave(c.now, at, 0) })
	}
}

// The voice goes on from what was written down, and nothing of it is written where nobody is
// muted.
func TestTheVoiceInParts(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 3)
	c.did0(c.mutesAll(a, true))
	c.did0(c.mutes(a, "user_3", false))
	c.did0(c.mutes(a, "user_1", false))
	c.did0(func() error { return c.Leave(c.now, u[3], 0) })
	c.ends()
	parts := c.parts()
	restored, err := imported(c.limits, parts...)
	require.NoError(t, err)
	require.True(t, restored.voice.all)
	require.Equal(t, []string{"user_3", "user_1"}, restored.voice.inOrder())
	restored.voice = voice{}
	r := &table{Channel: restored, t: t}
	said := []byte("\x11\x00" + "\x11\x06user_3" + "\x11\x06user_1")
	require.Equal(t, string(bytes.Replace(parts[0], said, nil, 1)), string(r.parts()[0]))
	require.Contains(t, string(parts[0]), string(said))

	_, err = imported(c.limits, append(parts, []byte{pieceVoice, 0})...)
	require.ErrorContains(t, err, "says twice, or too late, that all are muted")
}

// With the channel, all that was said of its members is over.
func TestTheVoiceEndsWithTheChannel(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 1)
	c.did0(c.mutesAll(a, true))
	c.did0(c.mutes(a, "user_1", false))
	c.did0(func() error { return c.Leave(c.now, a, 0) })
	require.Equal(t, voice{}, c.voice)
}
