package star

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// anyPayload is larger than any of the tests.
const anyPayload = 1 << 20

// parts are copies of the parts of a channel.
func (c *table) parts() (parts [][]byte) {
	c.Parts(nil, func(part []byte) bool {
		parts = append(parts, append([]byte(nil), part...))
		return true
	})
	return parts
}

func imported(limits *Limits, parts ...[]byte) (*Channel, error) {
	i := NewImport(limits, anyPayload, 0)
	for _, part := range parts {
		if err := i.Add(part); err != nil {
			return nil, err
		}
	}
	return i.Finish()
}

// ends is the channel when its hub has stopped: nobody has a connection any more.
func (c *table) ends() {
	c.Stop(c.now)
	c.now = c.now.Add(time.Second)
	for _, m := range c.slaves {
		if m.attachment != nil {
			c.Lose(c.now, m.attachment)
		}
	}
	if c.master != nil && c.master.attachment != nil {
		c.Lose(c.now, c.master.attachment)
	}
	c.effects = nil
}

// Whatever a channel has come to, it is the same after it was written down and read, and is
// written down in the same way again.
func TestPartsAreTheChannel(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 13))
			g := &twin{
				original: newTable(t, randomLimits(random)), random: random, attachments: map[string][2]*Attachment{},
				names: []string{"alice", "bob", "carol", "dave", "erin", "frank"},
			}
			g.restore()
			for range random.IntN(250) {
				g.move()
			}
			c := g.original
			if !c.Exists() {
				require.Empty(t, c.parts())
				return
			}
			c.ends()
			if !c.Exists() { // a timeout below zero
				return
			}
			parts := c.parts()
			restored, err := imported(c.limits, parts...)
			require.NoError(t, err)
			expected := c.Snapshot()
			expected.Stopped = time.Time{}
			again := &table{Channel: restored, t: t}
			got := again.Snapshot()
			require.Equal(t, written(t, expected), written(t, got))
			require.Equal(t, parts, again.parts())
			require.Empty(t, restored.TakeEffects(nil))
		})
	}
}

// A channel that does not exist is not written down.
func TestNoPartsOfAChannelThatIsNotThere(t *testing.T) {
	require.Empty(t, newTable(t, Limits{}).parts())
	c, _, _ := openTable(t, Limits{}, 1)
	require.NotEmpty(t, c.parts())
	c.Close("over")
	require.Empty(t, c.parts())
}

// Of two secrets that work, both work after a stop, until the client is heard.
func TestBothSecretsInParts(t *testing.T) {
	for _, shown := range []string{"s1", "s2"} {
		c, _, _ := heldTable(t)
		c.did0(c.joinsAs(c.on("u'"), c.shows("A", 2, 0, "s2")))
		c.ends()
		restored, err := imported(c.limits, c.parts()...)
		require.NoError(t, err)
		require.Equal(t, HashOf("s2"), restored.slaves["ada"].extra().secret)
		r := &table{Channel: restored, t: t, now: c.now, tags: map[*Attachment]string{}, secrets: c.secrets}
		r.did0(r.resumes(r.on("r"), r.shows("A", 3, 2, shown)))
	}
}

// Who was online when the hub stopped is away from then on, whenever its connection was
// closed, and everybody else's time goes on as before.
func TestTimesGoOnOverAStop(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 3)
	stopped := c.now.Add(10 * time.Second)
	c.Lose(c.now, u[3])
	c.now = stopped
	require.NoError(t, c.Leave(c.now, u[2], 0))
	c.Stop(c.now)
	c.now = c.now.Add(3 * time.Second)
	c.Lose(c.now, u[1])
	c.Lose(c.now.Add(time.Second), a)
	restored, err := imported(c.limits, c.parts()...)
	require.NoError(t, err)
	require.Equal(t, stopped.Add(xMaster).UnixNano(), restored.master.deadline.UnixNano())
	require.Equal(t, stopped.Add(xSlave).UnixNano(), restored.slaves["user_1"].deadline.UnixNano())
	require.Equal(t, noon.Add(xSlave).UnixNano(), restored.slaves["user_3"].deadline.UnixNano())
	require.NotContains(t, restored.slaves, "user_2", "who has left on purpose has left")
	due, ok := restored.Due()
	require.True(t, ok)
	require.Equal(t, noon.Add(xSlave).UnixNano(), due.UnixNano())

	r := &table{Channel: restored, t: t, now: due, tags: map[*Attachment]string{}, secrets: c.secrets}
	r.Announce()
	require.NoError(t, r.do(func() error { return nil }))
	require.NotContains(t, restored.slaves, "user_3")
	r.now = stopped.Add(xMaster)
	require.NoError(t, r.do(func() error { return nil }))
	require.False(t, restored.Exists(), "its master's time is up")
}

// A time that is as good as for ever is not up after a restore.
func TestTimesForEverGoOn(t *testing.T) {
	c := newTable(t, Limits{MasterTimeout: math.MaxInt64, SlaveTimeout: math.MaxInt64})
	never := Grant{Asked: true, Expires: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}
	require.NoError(t, c.Create(c.now, c.on("a"), Entry{Secret: c.fresh("alice"), Grant: never}, "alice", 0))
	require.NoError(t, c.Join(c.now, c.on("u"), Entry{Secret: c.fresh("user_1"), Grant: never}, "user_1", ""))
	c.ends()
	restored, err := imported(c.limits, c.parts()...)
	require.NoError(t, err)
	restored.Expire(c.now.AddDate(100, 0, 0))
	require.True(t, restored.Exists())
	require.True(t, restored.HasSlave("user_1"))
}

// What was refused because the hub had stopped is not remembered: it is sent again, as it
// was, to the hub that takes its place.
func TestWhatIsRefusedAfterAStopIsSentAgain(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	require.NoError(t, c.Send(u[1], textMessage(2, "before")))
	c.Stop(c.now)
	require.ErrorIs(t, c.Send(u[1], textMessage(3, "after")), wire.ErrShuttingDown)
	late := textMessage(4, "too fast")
	late.Refusal = wire.ErrRateLimited
	require.ErrorIs(t, c.Send(u[1], late), wire.ErrRateLimited)
	require.NoError(t, c.Send(u[1], textMessage(2, "before")), "its answer was lost")
	c.ends()
	restored, err := imported(c.limits, c.parts()...)
	require.NoError(t, err)
	r := &table{Channel: restored, t: t, now: c.now, tags: c.tags, secrets: c.secrets}
	at := r.on("r")
	require.NoError(t, r.resume(r.now, at, 5, "user_1", r.secret("user_1"), 0))
	r.effects = nil
	r.did(func() error { return r.Send(at, textMessage(3, "after")) }, "r < ack ref=3 seq=2")
	_ = a
}

// A long channel is written in parts of about one size, whatever it has many of.
func TestPartsHaveASize(t *testing.T) {
	c, _, _ := openTable(t, Limits{MaxSlaves: 5000, Replay: Bound{Messages: 5000}}, 3000)
	c.ends()
	c.banned = make(map[string]struct{})
	for i := range 5000 {
		c.banned[fmt.Sprint("banned_", i)] = struct{}{}
	}
	c.messages(5000, wire.TextPayload)
	answered := make(map[*member]struct{})
	for i := range 50 {
		answered[c.slaves[fmt.Sprint("user_", i+1)]] = struct{}{}
	}
	for i := range wire.MasterAnswers {
		c.requests = append(c.requests, &request{seq: uint64(i + 1), answered: answered, awaited: 2950})
	}
	parts := c.parts()
	require.Greater(t, len(parts), 9)
	for _, part := range parts[:len(parts)-1] {
		require.GreaterOrEqual(t, len(part), PartSize)
		require.Less(t, len(part), PartSize+1000)
	}
	restored, err := imported(c.limits, parts...)
	require.NoError(t, err)
	again := &table{Channel: restored, t: t}
	require.Equal(t, parts, again.parts())
	n := 0
	c.Parts(nil, func([]byte) bool { n++; return false })
	require.Equal(t, 1, n, "who wants no more gets no more")

	n = 0
	p := pieces{part: make([]byte, PartSize-1), yield: func([]byte) bool { n++; return true }}
	p.begin(pieceDown)
	require.Zero(t, n)
	p.begin(pieceDown)
	require.Equal(t, 1, n, "a part of that size is enough")
}

// A channel with more than this hub allows is refused by the name of the limit.
func TestImportsAreBounded(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 3)
	require.NoError(t, c.Kick(a, 0, "eve", true, ""))
	require.NoError(t, c.Kick(a, 0, "mallory", true, ""))
	for range 4 {
		require.NoError(t, c.Send(a, textMessage(0, "0123456789")))
		require.NoError(t, c.Send(u[1], textMessage(0, "0123456789")))
	}
	for _, name := range []string{"user_1", "user_2", "user_3"} {
		require.NoError(t, c.Mute(a, 0, name, true, true))
	}
	c.ends()
	c.up.confirmed = 0 // the line of a test says that all was written
	c.up.unconfirmed = Load{4, 4 * (10 + entryOverhead)}
	for what, test := range map[string]struct {
		change func(*Limits)
		name   string
		text   string
	}{
		"slaves":   {func(l *Limits) { l.MaxSlaves = 2 }, "MaxSlaves", `channel "abc123" has 3 slaves, and MaxSlaves is 2`},
		"messages": {func(l *Limits) { l.Replay.Messages = 3 }, "Replay.Messages", "4 or more messages"},
		"bytes":    {func(l *Limits) { l.Replay.Bytes = 200 }, "Replay.Bytes", "222 or more bytes"},
		"none":     {func(l *Limits) { l.Replay.Messages = -1 }, "Replay.Messages", "1 or more messages"},
	} {
		t.Run(what, func(t *testing.T) {
			limits := *c.limits
			test.change(&limits)
			_, err := imported(&limits, c.parts()...)
			var over *OverLimit
			require.ErrorAs(t, err, &over)
			require.Equal(t, test.name, over.Name)
			require.ErrorContains(t, err, test.text)
		})
	}
	i := NewImport(c.limits, 9, 0)
	require.ErrorContains(t, i.Add(c.parts()[0]), `channel "abc123" has a message of 10 bytes, and MaxMessageBytes is 9`)

	// X is bounded as at a create.
	limits := *c.limits
	limits.MasterTimeout = time.Second
	restored, err := imported(&limits, c.parts()...)
	require.NoError(t, err)
	require.Equal(t, time.Second, restored.timeout)
	require.Equal(t, c.master.deadline.UnixNano(), restored.master.deadline.UnixNano())
}

// What slaves have sent and the master has not confirmed may be more than the log keeps, by
// what may wait on its connection; what it has confirmed may be dropped.
func TestImportsOfWhatWasSentToTheMaster(t *testing.T) {
	c, _, u := openTable(t, Limits{}, 1)
	for range 6 {
		require.NoError(t, c.Send(u[1], textMessage(0, "x")))
	}
	c.ends()
	limits := *c.limits
	limits.Replay = Bound{Messages: 2, Bytes: 1 << 10}
	limits.Outbox = Bound{Messages: 2, Bytes: 1 << 10}
	for confirmed, ok := range map[uint64]bool{0: false, 1: false, 2: true, 6: true} {
		c.up.confirmed = confirmed
		c.up.unconfirmed = Load{int(6 - confirmed), int(6-confirmed) * (1 + entryOverhead)}
		restored, err := imported(&limits, c.parts()...)
		if !ok {
			var over *OverLimit
			require.ErrorAs(t, err, &over)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, max(2, 6-int(confirmed)), restored.up.kept())
	}
}

// Cut off anywhere, or with a byte that is another one, the parts of a channel are an error or
// a channel, and never a panic.
func TestImportsOfDamagedParts(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	require.NoError(t, c.Send(a, asking(2, "")))
	require.NoError(t, c.Send(u[1], asking(2, "")))
	require.ErrorIs(t, c.Send(u[2], messageTo(3, "user_2", "psst")), wire.ErrForbidden)
	require.NoError(t, c.Kick(a, 0, "eve", true, ""))
	require.NoError(t, c.Mute(a, 0, "", false, true))
	require.NoError(t, c.Mute(a, 0, "user_2", true, false))
	c.ends()
	whole := c.parts()[0]
	for n := range whole {
		_, err := imported(c.limits, whole[:n])
		require.Error(t, err, "of %d bytes %d", len(whole), n)
		for _, b := range []byte{0, 1, 0x7f, 0x80, 0xff} {
			tryImport(c.limits, append(append(append([]byte(nil), whole[:n]...), b), whole[n+1:]...))
		}
	}
	_, err := imported(c.limits, whole, whole)
	require.ErrorIs(t, err, errTwoHead)
	_, err = imported(c.limits)
	require.ErrorIs(t, err, errNoHead)
	_, err = imported(c.limits, []byte{pieceBanned, 1, 'x'})
	require.ErrorIs(t, err, errNoHead)
	_, err = imported(c.limits, append(append([]byte(nil), whole...), 99))
	require.ErrorContains(t, err, "kind 99")
	_, err = imported(c.limits, append(append([]byte(nil), whole...), pieceBanned, 1, 'x'))
	require.ErrorContains(t, err, "more banned names than its head says")
}

// tryImport plays a little with a channel that was made of any bytes.
func tryImport(limits *Limits, part []byte) {
	c, err := imported(limits, part)
	if err != nil {
		return
	}
	c.Announce()
	c.Snapshot()
	c.Report()
	c.Parts(nil, func([]byte) bool { return true })
	for range 3 {
		due, ok := c.Due()
		if !ok {
			break
		}
		c.Expire(due)
	}
}

func FuzzImport(f *testing.F) {
	limits := &Limits{
		MasterTimeout: xMaster, SlaveTimeout: xSlave, MaxSlaves: 5,
		Replay: Bound{Messages: 5, Bytes: 1 << 10}, Outbox: Bound{Messages: 5, Bytes: 1 << 10}, Counted: true,
	}
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 17))
		t := new(testing.T)
		g := &twin{original: newTable(t, *limits), random: random, attachments: map[string][2]*Attachment{}, names: []string{"alice", "bob", "carol"}}
		g.restore()
		for range 100 {
			g.move()
		}
		g.original.ends()
		for _, part := range g.original.parts() {
			f.Add(part)
		}
	}
	f.Fuzz(func(_ *testing.T, part []byte) { tryImport(limits, part) })
}
