package star

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// leftTable is a channel whose hub has stopped, with two slaves, three messages down and two
// requests of user_1 up.
func leftTable(t *testing.T) (c *table, m *member) {
	c, a, u := openTable(t, Limits{MaxSlaves: 2}, 2)
	for range 3 {
		require.NoError(t, c.Send(a, textMessage(0, "x")))
	}
	require.NoError(t, c.Send(u[1], asking(2, "")))
	require.NoError(t, c.Send(u[1], asking(3, "")))
	c.ends()
	return c, c.slaves["user_1"]
}

// answersTo are answers to sends with these refs.
func answersTo(refs ...uint64) (kept []answer) {
	for i, ref := range refs {
		kept = append(kept, answer{ref: ref, seq: uint64(i + 1)})
	}
	return kept
}

func refsTo(n uint64) (refs []uint64) {
	for ref := range n {
		refs = append(refs, ref+1)
	}
	return refs
}

// What a channel cannot have is refused, with what it is; what it just can have is not.
func TestImportsOfWhatCannotBe(t *testing.T) {
	cannot := func(what string) string {
		return fmt.Sprintf(`the slave "user_1" of channel "abc123" has %s, which cannot be`, what)
	}
	numbers, epoch, state := cannot("numbers of messages that there are not"), cannot("no epoch"), cannot("no state of who is away")
	asked := cannot("asked what was not sent")
	const tooMany, noRise = "a member has more than 32 open requests, or answers to its sends", "a member's refs do not rise"
	for what, test := range map[string]struct {
		change func(c *table, m *member)
		err    string // empty: it can be
	}{
		"nothing":         {func(*table, *member) {}, ""},
		"online":          {func(_ *table, m *member) { m.state = wire.StateOnline }, state},
		"told left":       {func(_ *table, m *member) { m.told = wire.StateLeft }, ""},
		"told no state":   {func(_ *table, m *member) { m.told = wire.StateLeft + 1 }, state},
		"start":           {func(_ *table, m *member) { m.start = 3 }, ""},
		"start above":     {func(_ *table, m *member) { m.start = 4 }, numbers},
		"given":           {func(_ *table, m *member) { m.given = 3 }, ""},
		"given above":     {func(_ *table, m *member) { m.given = 4 }, numbers},
		"lost":            {func(_ *table, m *member) { m.lostPrivate = 3 }, ""},
		"lost above":      {func(_ *table, m *member) { m.lostPrivate = 4 }, numbers},
		"no epoch":        {func(_ *table, m *member) { m.epoch, m.since = 0, 0 }, epoch},
		"since":           {func(_ *table, m *member) { m.epoch, m.since = 2, 2 }, ""},
		"since above":     {func(_ *table, m *member) { m.epoch, m.since = 2, 3 }, epoch},
		"asked 0":         {func(_ *table, m *member) { m.openRequests = []uint64{0} }, asked},
		"asked above":     {func(_ *table, m *member) { m.openRequests = []uint64{1, 3} }, asked},
		"requests":        {func(_ *table, m *member) { m.openRequests = slices.Repeat([]uint64{1}, wire.SlaveAnswers) }, ""},
		"requests above":  {func(_ *table, m *member) { m.openRequests = slices.Repeat([]uint64{1}, wire.SlaveAnswers+1) }, tooMany},
		"answers":         {func(_ *table, m *member) { m.answers.kept, m.answers.highest = answersTo(refsTo(32)...), 32 }, ""},
		"answers above":   {func(_ *table, m *member) { m.answers.kept, m.answers.highest = answersTo(refsTo(33)...), 33 }, tooMany},
		"highest":         {func(_ *table, m *member) { m.answers.highest = 3 }, ""},
		"highest beneath": {func(_ *table, m *member) { m.answers.highest = 2 }, `"user_1" has an answer to a later send than its last`},
		"no ref":          {func(_ *table, m *member) { m.answers.kept = answersTo(0, 1) }, noRise},
		"equal refs":      {func(_ *table, m *member) { m.answers.kept = answersTo(1, 1) }, noRise},
		"falling refs":    {func(_ *table, m *member) { m.answers.kept = answersTo(2, 1) }, noRise},
		"no name":         {func(_ *table, m *member) { m.name = "" }, `"" is no name`},
		"no number":       {func(_ *table, m *member) { m.number = 0 }, `star: snapshot of "abc123": "user_1" has the number 0 of 2`},
		"one number":      {func(_ *table, m *member) { m.number = 2 }, `star: snapshot of "abc123": two slaves have one number`},
		"large numbers": {func(_ *table, m *member) {
			m.answers.kept[0].slaves, m.answers.kept[0].content = math.MaxUint32, math.MaxUint32
		}, ""},

		"no master": {func(c *table, _ *member) { c.master.name = "" }, `"" is no name`},
		"no epoch of the master": {func(c *table, _ *member) { c.master.epoch = 0 },
			`the master "alice" of channel "abc123" has no epoch, which cannot be`},
		"all is lost":           {func(c *table, _ *member) { c.down.lost, c.down.lostCommon = 3, 3 }, ""},
		"more is lost":          {func(c *table, _ *member) { c.down.lost = 4 }, `channel "abc123" has lost messages up to 4 and 0 of 3, which cannot be`},
		"more of all is lost":   {func(c *table, _ *member) { c.up.lostCommon = 1 }, `channel "abc123" has lost messages up to 0 and 1 of 2, which cannot be`},
		"banned":                {func(c *table, _ *member) { c.banned = map[string]struct{}{"eve": {}, "mallory": {}} }, ""},
		"more banned":           {func(c *table, _ *member) { c.banned = map[string]struct{}{"a": {}, "b": {}, "c": {}} }, `channel "abc123" has 3 banned names, and MaxSlaves is 2`},
		"a message of no kind":  {func(c *table, _ *member) { c.messages(1, wire.NoPayload) }, `a message of "alice" has no kind`},
		"a kind that is not":    {func(c *table, _ *member) { c.messages(1, wire.FailedPayload+1) }, `a message of "alice" has no kind`},
		"messages":              {func(c *table, _ *member) { c.messages(6, wire.BytesPayload) }, ""},
		"a request to a member": {func(c *table, m *member) { c.requests = []*request{{seq: 3, to: m, awaited: 1}} }, ""},
		"a request of number 0": {func(c *table, m *member) { c.requests = []*request{{to: m, awaited: 1}} },
			`star: snapshot of "abc123": request 0 is listed twice, out of order, or was never sent`},
		"a request that many await": {func(c *table, m *member) { c.requests = []*request{{seq: 3, to: m, awaited: math.MaxInt32}} },
			`star: snapshot of "abc123": request 3 awaits 2147483647 answers, but 1 can come`},
	} {
		t.Run(what, func(t *testing.T) {
			c, m := leftTable(t)
			test.change(c, m)
			restored, err := imported(c.limits, c.parts()...)
			if test.err != "" {
				require.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
			again := &table{Channel: restored, t: t}
			require.Equal(t, c.parts(), again.parts())
		})
	}
}

// messages adds messages of the kind to those of the master.
func (c *table) messages(n int, kind wire.PayloadKind) {
	for range n {
		frame := messageFrame(c.name, "alice", c.down.newest+1, &Message{Payload: wire.Payload{Kind: kind}})
		c.down.add(entry{packet: wire.NewPacket(&frame)})
	}
}

// What does not fit together is refused where it stands: before Finish, and with the first
// thing that was wrong alone.
func TestImportsOfPiecesThatDoNotFit(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 0)
	c.ends()
	stranger := MemberSnapshot{Name: "eve", State: wire.StateAway, Epoch: 1, Number: 1}
	for what, test := range map[string]struct {
		write func(p *pieces)
		err   string
	}{
		"a slave that is too many": {func(p *pieces) { p.byte(pieceSlave); p.memberSnapshot(&stranger) }, `channel "abc123" has more slaves than its head says`},
		"a slave without a name":   {func(p *pieces) { p.byte(pieceSlave); p.memberSnapshot(&MemberSnapshot{}) }, `"" is no name`},
		"a banned name that is too many": {func(p *pieces) { p.byte(pieceBanned); p.text("eve") },
			`channel "abc123" has more banned names than its head says`},
		"too many exceptions":          {func(p *pieces) { p.voice(&voice{exceptions: exceptions(1001)}) }, `channel "abc123" has 1001 or more names that are muted or not as exceptions, and MaxSlaves is 1000`},
		"as many exceptions as may be": {func(p *pieces) { p.voice(&voice{all: true, exceptions: exceptions(1000)}) }, ""},
		"an exception twice": {func(p *pieces) {
			p.voice(&voice{exceptions: exceptions(1)})
			p.voice(&voice{exceptions: exceptions(1)})
		}, `star: snapshot of "abc123": "name 0" is muted, or not, as an exception twice`},
		"an exception without a name":   {func(p *pieces) { p.voice(&voice{exceptions: map[string]uint64{"\xff": 1}}) }, `"\xff" is no name`},
		"an exception that is cut off":  {func(p *pieces) { p.voice(&voice{all: true}); p.byte(pieceVoice); p.number(5) }, "a piece is cut off"},
		"all muted twice":               {func(p *pieces) { p.voice(&voice{all: true}); p.voice(&voice{all: true}) }, `channel "abc123" says twice, or too late, that all are muted`},
		"all muted behind an exception": {func(p *pieces) { p.voice(&voice{exceptions: exceptions(1)}); p.voice(&voice{all: true}) }, `channel "abc123" says twice, or too late, that all are muted`},
		"a message that is too many":    {func(p *pieces) { p.message("alice", byte(wire.TextPayload)) }, `channel "abc123" has more messages than its head says`},
		"a message of no kind":          {func(p *pieces) { p.message("alice", 0) }, `a message of "alice" has no kind`},
		"an answer of none that says no": {func(p *pieces) { p.message("alice", byte(wire.FailedPayload)) },
			`a message of "alice" says no to nothing, or not in words`},
		"what is aside of no message": {func(p *pieces) {
			p.byte(pieceAside)
			p.flags(true)
			p.text("slide")
			p.request("")
		}, "something is said of a message that does not follow"},
		"nothing aside":       {func(p *pieces) { p.byte(pieceAside); p.flags() }, "a message has aside what is not known here"},
		"something new aside": {func(p *pieces) { p.byte(pieceAside); p.byte(1 << 7) }, "a message has aside what is not known here"},
		"a topic that is too long": {func(p *pieces) {
			p.byte(pieceAside)
			p.flags(true)
			p.text(strings.Repeat("x", 65))
		}, `the topic "` + strings.Repeat("x", 65) + `" is too long`},
		"an end without a time": {func(p *pieces) {
			p.byte(pieceAside)
			p.flags(false, true)
			p.number(0)
			p.instant(noon)
		}, "a message that expires does not say when"},
		"a time without an end": {func(p *pieces) {
			p.byte(pieceAside)
			p.flags(false, true)
			p.number(1)
			p.instant(time.Time{})
		}, "a message that expires does not say when"},
		"a time that is too long": {func(p *pieces) {
			p.byte(pieceAside)
			p.flags(false, true)
			p.number(wire.MaxExpires + 1)
			p.instant(noon)
		}, "there is the number 86400001 where none is above 86400000"},
		"an expired message that is too many": {func(p *pieces) { p.byte(pieceGoneUp); p.text("") }, `channel "abc123" has more messages than its head says`},
		"an expired message to no name":       {func(p *pieces) { p.byte(pieceGoneDown); p.text("\xff") }, `"\xff" is no name`},
		"an end of no request":                {func(p *pieces) { p.ending("alice", 1, noon) }, `star: snapshot of "abc123": request 1 of "alice" ends, and is not open`},
		"an end of nobody's request":          {func(p *pieces) { p.ending("eve", 1, noon) }, `star: snapshot of "abc123": request 1 of "eve" ends, and is not open`},
		"an end at no time":                   {func(p *pieces) { p.ending("alice", 1, time.Time{}) }, "request 1 ends, and does not say when"},
		"a topic that is none":                {func(p *pieces) { p.byte(pieceAside); p.flags(true); p.text("") }, `"" is no name`},
		"a request that is too many":          {func(p *pieces) { p.request("") }, `channel "abc123" has more requests than its head says`},
		"a request to no name":                {func(p *pieces) { p.request("\xff") }, `"\xff" is no name`},
		"a request that too many await": {func(p *pieces) {
			p.byte(pieceRequest)
			p.number(1)
			p.text("")
			p.number(math.MaxInt32 + 1)
		}, "there is the number 2147483648 where none is above 2147483647"},
	} {
		t.Run(what, func(t *testing.T) {
			p := pieces{}
			p.head(c.Channel)
			test.write(&p)
			p.yield = func([]byte) bool { return true }
			err := NewImport(c.limits, anyPayload, 0).Add(p.part)
			if test.err == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.err)
		})
	}

	p := pieces{}
	p.head(c.Channel)
	p.byte(pieceAside)
	p.flags(true)
	p.text("slide")
	_, err := imported(c.limits, p.part)
	require.EqualError(t, err, "something is said of a message that does not follow")

	c, m := leftTable(t)
	m.number = 0
	require.ErrorContains(t, NewImport(c.limits, anyPayload, 0).Add(c.parts()[0]), "the number 0 of 2")

	c, _, _ = openTable(t, Limits{}, 0)
	c.messages(3, wire.TextPayload)
	c.ends()
	p = pieces{}
	p.head(c.Channel)
	_, err = imported(c.limits, p.part)
	require.EqualError(t, err, `star: snapshot of "abc123": messages 1 to 3 are kept, but there are 0`)
}

// exceptions are so many names.
func exceptions(n int) map[string]uint64 {
	names := make(map[string]uint64, n)
	for i := range n {
		names[fmt.Sprint("name ", i)] = uint64(i + 1)
	}
	return names
}

func (p *pieces) message(from string, kind byte) {
	p.byte(pieceDown)
	p.flags()
	p.text(from)
	p.number(0)
	p.byte(kind)
	p.bytes(nil)
}

func (p *pieces) ending(username string, seq uint64, at time.Time) {
	p.byte(pieceEnding)
	p.text(username)
	p.number(seq)
	p.instant(at)
}

// An end is listed once, behind those that are earlier.
func TestImportsOfEnds(t *testing.T) {
	for what, second := range map[string]struct {
		seq uint64
		at  time.Time
		err string
	}{
		"later":          {2, noon.Add(2), ""},
		"at one instant": {2, noon.Add(1), ""},
		"twice":          {1, noon.Add(1), "listed twice, or out of order"},
		"earlier":        {2, noon, "listed twice, or out of order"},
	} {
		t.Run(what, func(t *testing.T) {
			c, _ := leftTable(t)
			p := pieces{}
			p.ending("user_1", 1, noon.Add(1))
			p.ending("user_1", second.seq, second.at)
			_, err := imported(c.limits, c.parts()[0], p.part)
			if second.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, second.err)
		})
	}
}

func (p *pieces) request(to string) {
	p.byte(pieceRequest)
	p.number(1)
	p.text(to)
	p.number(1)
	p.count(0)
}

// A master cannot have more open requests than answers that it is remembered.
func TestImportsOfManyRequests(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 0)
	for n, expected := range map[int]string{
		wire.MasterAnswers:     "",
		wire.MasterAnswers + 1: `channel "abc123" has 257 open requests, which cannot be`,
	} {
		c.ends()
		c.requests = make([]*request, n)
		p := pieces{}
		p.head(c.Channel)
		err := NewImport(c.limits, anyPayload, 0).Add(p.part)
		if expected == "" {
			require.NoError(t, err)
		} else {
			require.EqualError(t, err, expected)
		}
	}
}

// The limits of messages are exact, and the one that is exceeded is named.
func TestImportsOfAsManyMessagesAsMayBe(t *testing.T) {
	const each = 10 + entryOverhead
	for what, test := range map[string]struct {
		up         int
		replay     Bound
		outbox     Bound
		maxPayload int
		err        string
	}{
		"all":            {3, Bound{2, 2 * each}, Bound{1, each}, 10, ""},
		"a long message": {1, Bound{2, 2 * each}, Bound{}, 9, `channel "abc123" has a message of 10 bytes, and MaxMessageBytes is 9`},
		"messages":       {3, Bound{2, 3 * each}, Bound{}, 10, `channel "abc123" has 3 or more messages to replay, and Replay.Messages is 2`},
		"bytes":          {3, Bound{3, 3*each - 1}, Bound{}, 10, `channel "abc123" has 222 or more bytes to replay, and Replay.Bytes is 221`},
		"none is kept":   {1, Bound{}, Bound{5, 5 * each}, 10, `channel "abc123" has 1 or more messages to replay, and Replay.Messages is 0`},
		"fewer than none": {1, Bound{Messages: -1}, Bound{5, 5 * each}, 10,
			`channel "abc123" has 1 or more messages to replay, and Replay.Messages is -1`},
	} {
		t.Run(what, func(t *testing.T) {
			c, _, u := openTable(t, Limits{}, 1)
			for range test.up {
				require.NoError(t, c.Send(u[1], textMessage(0, "0123456789")))
			}
			c.ends()
			c.up.confirmed = 0 // the line of a test says that all was written
			limits := *c.limits
			limits.Replay, limits.Outbox = test.replay, test.outbox
			i := NewImport(&limits, test.maxPayload, 0)
			err := i.Add(c.parts()[0])
			if test.err != "" {
				require.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
			restored, err := i.Finish()
			require.NoError(t, err)
			require.Equal(t, test.up, restored.up.kept())
		})
	}
}

// What the service has granted is as it was, be it only an instant, or data of no bytes.
func TestGrantsInParts(t *testing.T) {
	later := noon.Add(time.Hour)
	for _, granted := range []Grant{
		{},
		{Expires: later},
		{Data: []byte{}},
		{Data: []byte("data")},
		{Expires: later, Data: []byte{}},
		{Expires: later, Data: []byte("data")},
	} {
		c, m := leftTable(t)
		granted.Asked = true
		c.setGrant(m, granted)
		restored, err := imported(c.limits, c.parts()...)
		require.NoError(t, err)
		got := restored.slaves["user_1"].granted()
		require.True(t, granted.Expires.Equal(got.Expires))
		require.Equal(t, granted.Data == nil, got.Data == nil)
		require.Equal(t, string(granted.Data), string(got.Data))
		require.Equal(t, c.slaves["user_1"].extras == nil, restored.slaves["user_1"].extras == nil)
	}
}

func TestPayloadsInParts(t *testing.T) {
	payloads := []wire.Payload{
		{Kind: wire.TextPayload, Data: []byte("text")},
		{Kind: wire.DataPayload, Data: []byte(`{"a":1}`)},
		{Kind: wire.BytesPayload, Data: []byte{0, 0xff}},
		{Kind: wire.BytesPayload, Data: []byte{}},
	}
	no, _ := wire.NewFailure("no", "not now")
	payloads = append(payloads, no)
	c, a, u := openTable(t, Limits{}, 1)
	require.NoError(t, c.Send(u[1], Message{Asks: true, Payload: payloads[0]}))
	for _, payload := range payloads {
		msg := Message{Payload: payload}
		if payload.Kind == wire.FailedPayload {
			msg.To, msg.HasTo, msg.ReplyTo = "user_1", true, 1
		}
		require.NoError(t, c.Send(a, msg))
	}
	c.ends()
	restored, err := imported(c.limits, c.parts()...)
	require.NoError(t, err)
	kept := restored.Snapshot().Down.Kept
	require.Len(t, kept, len(payloads))
	for i, payload := range payloads {
		require.Equal(t, payload.Kind, kept[i].Payload.Kind)
		require.Equal(t, string(payload.Data), string(kept[i].Payload.Data))
	}
}

// A number whose bytes are not all there is an error, and so is one that is too long, and a
// number of more things than can follow.
func TestPiecesThatAreCutOff(t *testing.T) {
	for what, test := range map[string]struct {
		rest []byte
		read func(d *piecesIn) uint64
	}{
		"no byte":            {[]byte{}, func(d *piecesIn) uint64 { return uint64(d.byte()) }},
		"no number":          {[]byte{}, (*piecesIn).number},
		"half a number":      {[]byte{0x80}, (*piecesIn).number},
		"a long number":      {bytes.Repeat([]byte{0xff}, 11), (*piecesIn).number},
		"no signed number":   {[]byte{}, func(d *piecesIn) uint64 { return uint64(d.signed()) }},
		"half a text":        {[]byte{3, 'a', 'b'}, func(d *piecesIn) uint64 { return uint64(len(d.text())) }},
		"fewer than counted": {[]byte{3, 1, 1}, func(d *piecesIn) uint64 { return uint64(d.count()) }},
	} {
		t.Run(what, func(t *testing.T) {
			d := piecesIn{rest: test.rest}
			require.Zero(t, test.read(&d))
			require.ErrorIs(t, d.err, errCut)
			require.Empty(t, d.rest)
		})
	}
	d := piecesIn{rest: []byte{2, 1, 1}}
	require.Equal(t, 2, d.count())
	require.NoError(t, d.err)
}

// A channel whose hub has ended is counted no more and is written down as before. The one
// that is made of it is counted again.
func TestARetiredChannelIsWrittenDown(t *testing.T) {
	c, _, _ := openTable(t, Limits{Counted: true}, 2)
	c.ends()
	parts := c.parts()
	c.Retire()
	require.False(t, c.Exists())
	require.False(t, c.Ended())
	require.Equal(t, Forget, c.effects[len(c.effects)-1].Kind)
	require.Equal(t, []string{"leaves shutdown +2", "slaves  -2", "channels  -1"}, c.counted(func() error { return nil }))
	require.Empty(t, c.counted(func() error { c.Retire(); return nil }))
	require.Equal(t, parts, c.parts())

	restored, err := imported(c.limits, parts...)
	require.NoError(t, err)
	r := &table{Channel: restored, t: t, now: c.now}
	require.True(t, r.Exists())
	require.Equal(t, []string{"channels  +1", "slaves  +2"}, r.counted(func() error { r.Announce(); return nil }))
}

// Where the clock is behind the one by which the channel was written down, what counts from an
// instant on is moved, so that nobody has more time than before. What the service has said of
// an instant is not.
func TestImportsByAClockThatIsBehind(t *testing.T) {
	c, _, u := heldTable(t)
	c.ends()
	c.slaves["ada"].needExtras().repaid = 5_000_000
	expires := c.now.Add(time.Hour)
	c.setGrant(c.slaves["ada"], Grant{Asked: true, Expires: expires})
	require.NotZero(t, c.slaves["ada"].repeatable)
	require.Zero(t, c.master.repeatable)
	require.Equal(t, u.member, c.slaves["ada"])
	i := NewImport(c.limits, anyPayload, time.Minute)
	require.NoError(t, i.Add(c.parts()[0]))
	restored, err := i.Finish()
	require.NoError(t, err)
	before, ada := c.slaves["ada"], restored.slaves["ada"]
	require.WithinDuration(t, before.deadline.Add(-time.Minute), ada.deadline, 0)
	require.WithinDuration(t, c.master.deadline.Add(-time.Minute), restored.master.deadline, 0)
	require.Equal(t, before.repeatable-int64(time.Minute), ada.repeatable)
	require.EqualValues(t, 5_000_000-60_000, ada.extra().repaid)
	require.WithinDuration(t, expires, ada.granted().Expires, 0)
	require.Zero(t, restored.master.repeatable)
	require.Zero(t, restored.master.extra().repaid)

	c.slaves["ada"].deadline = time.Time{} // for as long as it likes
	i = NewImport(c.limits, anyPayload, time.Minute)
	require.NoError(t, i.Add(c.parts()[0]))
	require.Zero(t, i.r.c.slaves["ada"].deadline)
}
