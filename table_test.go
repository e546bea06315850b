package lectern

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/wire"
)

// These tests call the transitions as decide does, without a hub, goroutines or
// connections: they say what time it is, and read the effects as lines.
//
//	u1 < ack ref=2        sent to the attachment u1
//	u1 << message seq=1   sent to it as part of a replay
//	* < presence ...      sent to the audience
//	+u1 -u1               admitted to and dismissed from the audience
//	u1 ! kicked           released
//	* ! master_down       the whole audience released
//	forget                taken off the hub
type table struct {
	*Channel
	t   *testing.T
	now time.Time
	// tags are the names of the attachments.
	tags map[*attachment]string
}

const (
	xMaster = 30 * time.Second
	xSlave  = 20 * time.Second
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// newTable is a vacant channel.
func newTable(t *testing.T, policy Policy) *table {
	if policy.MasterTimeout == 0 {
		policy.MasterTimeout = xMaster
	}
	if policy.SlaveTimeout == 0 {
		policy.SlaveTimeout = xSlave
	}
	policy, err := policy.validate()
	require.NoError(t, err)
	return &table{
		Channel: &Channel{name: "abc123", policy: &policy, delivery: delivery{hub: new(Hub)}}, t: t, now: noon,
		tags: map[*attachment]string{},
	}
}

// openTable is a channel of alice on the attachment a, and of slaves on u1, u2
// and so on, whose names are user_1, user_2 and so on.
func openTable(t *testing.T, policy Policy, slaves int) (c *table, a *attachment, u []*attachment) {
	c = newTable(t, policy)
	a = c.on("a")
	require.NoError(t, c.create(c.now, a, 1, "alice", 0))
	u = []*attachment{nil}
	for i := 1; i <= slaves; i++ {
		at := c.on(fmt.Sprint("u", i))
		require.NoError(t, c.join(c.now, at, 1, fmt.Sprint("user_", i), ""))
		u = append(u, at)
	}
	c.effects = nil
	return c, a, u
}

// on is a connection with a tag, for one attachment.
func (c *table) on(tag string) *attachment {
	a := &attachment{session: &session{out: outbox.New(nil, &outbox.Limits{Messages: 1000, Bytes: 1 << 20})}}
	c.tags[a] = tag
	return a
}

// do runs a transition as decide does.
func (c *table) do(transition func() error) error {
	c.expire(c.now)
	return transition()
}

// did expects that the transition works and has these effects, beside notes.
func (c *table) did(transition func() error, effects ...string) {
	c.t.Helper()
	require.NoError(c.t, c.do(transition))
	c.expect(effects...)
}

// refused expects that the transition fails so, and changes nothing.
func (c *table) refused(why error, transition func() error) {
	c.t.Helper()
	c.expire(c.now)
	c.effects = nil
	before := c.snapshot()
	require.ErrorIs(c.t, transition(), why)
	require.Empty(c.t, c.effects, "a refusal has effects")
	require.Equal(c.t, before, c.snapshot(), "a refusal has changed something")
}

// expect takes the effects there are.
func (c *table) expect(effects ...string) {
	c.t.Helper()
	got := []string{}
	for _, e := range c.effects {
		if e.kind != note && e.kind != tally {
			got = append(got, c.line(e))
		}
	}
	c.effects = nil
	if effects == nil {
		effects = []string{}
	}
	require.Equal(c.t, effects, got)
}

// lostBy tells the channel that an attachment's connection is gone.
func (c *table) lostBy(a *attachment) func() error {
	return func() error { c.lose(c.now, a); return nil }
}

// frame is what a packet says.
func (c *table) frame(p *packet) *wire.Frame {
	if p.frame != nil {
		return p.frame
	}
	frame, err := wire.Decode(p.bytes(wire.Binary))
	require.NoError(c.t, err)
	return &frame
}

func (c *table) line(e effect) string {
	to := c.tags[e.to]
	switch e.kind {
	case sendOne:
		return to + " < " + frameLine(c.frame(e.packet))
	case sendReplay:
		return to + " << " + frameLine(c.frame(e.packet))
	case sendAll:
		return "* < " + frameLine(c.frame(e.packet))
	case admit:
		return "+" + to
	case dismiss:
		return "-" + to
	case release:
		return to + " ! " + endLine(e.end)
	case releaseAll:
		return "* ! " + endLine(e.end)
	case forget:
		return "forget"
	}
	return fmt.Sprint("effect ", e.kind)
}

func endLine(e *Error) string {
	return strings.TrimSuffix(string(e.Code)+": "+e.Text, ": ")
}

var typeWords = map[wire.Type]string{
	wire.Created: "created", wire.Joined: "joined", wire.Message: "message", wire.Presence: "presence", wire.Gap: "gap",
	wire.Ack: "ack", wire.Left: "left", wire.Members: "members", wire.Status: "status", wire.Awaiting: "awaiting",
}

var stateWords = map[wire.State]string{wire.StateOnline: "online", wire.StateAway: "away", wire.StateLeft: "left"}

func frameLine(f *wire.Frame) string {
	words := []string{typeWords[f.Type]}
	add := func(present bool, format string, values ...any) {
		if present {
			words = append(words, fmt.Sprintf(format, values...))
		}
	}
	add(f.Type == wire.Presence, "%s %s", f.Username, stateWords[f.State])
	add(f.HasExists, "exists=%v", f.Exists)
	add(f.Master.Username != "", "%s=%s", f.Master.Username, stateWords[f.Master.State])
	add(f.Ref != 0, "ref=%d", f.Ref)
	add(f.Epoch != 0, "epoch=%d", f.Epoch)
	add(f.Seq != 0, "seq=%d", f.Seq)
	add(f.Slaves != 0, "slaves=%d", f.Slaves)
	add(f.Gap, "gap")
	add(f.Missed != 0, "missed=%d", f.Missed)
	if f.HasMembers {
		members := []string{}
		for _, m := range f.Members {
			members = append(members, m.Username+"="+stateWords[m.State])
		}
		add(true, "[%s]", strings.Join(members, " "))
	}
	add(f.HasTimeout, "left=%dms", f.Timeout)
	add(f.Type == wire.Message, "%s: %s", f.From, f.Payload.Data)
	add(f.Private, "(private)")
	add(f.Request != 0, "request=%d", f.Request)
	add(f.Reply != 0, "reply=%d", f.Reply)
	add(f.Reason != "", "(%s)", f.Reason)
	return strings.Join(words, " ")
}

// snapshot is all of the channel's state in words.
func (c *table) snapshot() string {
	var b strings.Builder
	one := func(m *member) {
		fmt.Fprintf(&b, "%s role=%d secret=%s state=%s deadline=%v epoch=%d at=%q start=%d lost=%d answers=%d/%+v asks=%v\n",
			m.name, m.role, m.secret.text(), stateWords[m.state], m.deadline, m.epoch, c.tags[m.at], m.start, m.lostPrivate, m.answers.highest, m.answers.kept, m.asks)
	}
	fmt.Fprintf(&b, "life=%d timeout=%v connected=%d banned=%v upSeen=%d\n",
		c.life, c.timeout, c.connected, slices.Sorted(maps.Keys(c.banned)), c.upSeen)
	if c.master != nil {
		one(c.master)
	}
	for _, name := range slices.Sorted(maps.Keys(c.slaves)) {
		one(c.slaves[name])
	}
	for _, q := range c.questions {
		fmt.Fprintf(&b, "question %d: awaited=%d of %v\n", q.seq, q.awaited, c.roster(q.awaits))
	}
	for m := c.waiting.first; m != nil; m = m.next {
		fmt.Fprintf(&b, "waiting: %s\n", m.name)
	}
	for _, l := range []*replayLog{&c.down, &c.up} {
		fmt.Fprintf(&b, "newest=%d lost=%d common=%d bytes=%d kept=%v\n", l.newest, l.lost, l.lostCommon, l.bytes, l.numbers(0))
	}
	return b.String()
}

func textMessage(ref uint64, text string) message {
	return message{ref: ref, payload: wire.Payload{Kind: wire.TextPayload, Data: []byte(text)}}
}

func messageTo(ref uint64, to, text string) message {
	m := textMessage(ref, text)
	m.to, m.hasTo = to, true
	return m
}

// everyMemberTransition calls each transition that a member may ask for.
func (c *table) everyMemberTransition(a *attachment) map[string]func() error {
	return map[string]func() error{
		"send":      func() error { return c.send(a, textMessage(0, "x")) },
		"send, ref": func() error { return c.send(a, textMessage(100, "x")) },
		"leave":     func() error { return c.leave(c.now, a, 9) },
		"again":     func() error { return c.again(c.now, a, 9) },
		"away":      func() error { return c.away(c.now, a, 9) },
		"back":      func() error { return c.back(c.now, a, 9) },
		"kick":      func() error { return c.kick(a, 9, "user_1", false, "") },
		"ban":       func() error { return c.kick(a, 9, "user_9", true, "") },
		"members":   func() error { return c.members(a, 9) },
		"withdraw":  func() error { return c.withdraw(a, 9, 1) },
		"awaiting":  func() error { return c.awaiting(a, 9, 1) },
	}
}
