package lectern

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
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
		Channel: &Channel{name: "abc123", policy: &policy}, t: t, now: noon,
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
	a := &attachment{session: &session{out: outbox.New(nil, outbox.Limits{})}}
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
		if e.kind != note {
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

func (c *table) line(e effect) string {
	to := c.tags[e.to]
	switch e.kind {
	case sendOne:
		return to + " < " + frameLine(e.packet.frame)
	case sendReplay:
		return to + " << " + frameLine(e.packet.frame)
	case sendAll:
		return "* < " + frameLine(e.packet.frame)
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
	wire.Ack: "ack", wire.Left: "left", wire.Members: "members", wire.Status: "status",
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
		fmt.Fprintf(&b, "%s role=%d secret=%s state=%s deadline=%v epoch=%d at=%q start=%d lost=%d answers=%d/%+v\n",
			m.name, m.role, m.secret.text(), stateWords[m.state], m.deadline, m.epoch, c.tags[m.at], m.start, m.lostPrivate, m.answers.highest, m.answers.kept)
	}
	fmt.Fprintf(&b, "life=%d timeout=%v connected=%d banned=%v upSeen=%d\n",
		c.life, c.timeout, c.connected, slices.Sorted(maps.Keys(c.banned)), c.upSeen)
	if c.master != nil {
		one(c.master)
	}
	for _, name := range slices.Sorted(maps.Keys(c.slaves)) {
		one(c.slaves[name])
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
	}
}

// awayTransition makes a master away in each of the two ways.
var awayTransition = map[string]func(c *table, a *attachment) error{
	"its connection is lost": func(c *table, a *attachment) error { c.lose(c.now, a); return nil },
	"it says so":             func(c *table, a *attachment) error { return c.away(c.now, a, 0) },
}

func TestRule1OnlyCreateMakesAChannel(t *testing.T) {
	c := newTable(t, Policy{})
	u := c.on("u")
	c.refused(ErrNoSuchChannel, func() error { return c.join(c.now, u, 1, "user_1", "") })
	c.refused(ErrResumeFailed, func() error { return c.resume(c.now, u, 1, "alice", "", 0) })
	for what, transition := range c.everyMemberTransition(u) {
		t.Run(what, func(t *testing.T) { c.refused(ErrNotAMember, transition) })
	}
	c.did(c.lostBy(u))
	require.Equal(t, "status exists=false ref=3", frameLine(c.status(c.now, 3)))

	a := c.on("a")
	c.did(func() error { return c.create(c.now, a, 1, "alice", 0) }, "a < created ref=1 epoch=1")
	require.Equal(t, "alice", c.master.name)
	require.Equal(t, wire.Master, c.master.role)
	require.True(t, a.current())
	require.Equal(t, "status exists=true alice=online ref=3", frameLine(c.status(c.now, 3)))
}

func TestRule1TheTimeoutAskedFor(t *testing.T) {
	tests := []struct {
		what                  string
		policy, asked, result time.Duration
	}{
		{"none", xMaster, 0, xMaster},
		{"less", xMaster, time.Second, time.Second},
		{"as much", xMaster, xMaster, xMaster},
		{"more", xMaster, xMaster + 1, xMaster},
		{"negative", xMaster, -1, xMaster},
		{"where the policy has none", -1, time.Second, 0},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			c := newTable(t, Policy{MasterTimeout: test.policy})
			require.NoError(t, c.create(c.now, c.on("a"), 1, "alice", test.asked))
			require.Equal(t, test.result, c.timeout)
			frame := c.effects[0].packet.frame
			require.Equal(t, uint64(test.result.Milliseconds()), frame.MasterTimeout)
			require.True(t, frame.HasMasterTimeout)
		})
	}
}

func TestRule2JoinWhatAMasterCreated(t *testing.T) {
	c, a, u := openTable(t, Policy{MaxSlaves: 2}, 1)
	n := c.on("n")
	join := func(username, expect string) func() error {
		return func() error { return c.join(c.now, n, 5, username, expect) }
	}
	c.refused(ErrWrongMaster, join("user_2", "bob"))
	c.refused(ErrNameTaken, join("user_1", ""))
	c.refused(ErrNameTaken, join("alice", "alice"))
	c.did(c.lostBy(u[1]), "-u1", "a < presence user_1 away")
	c.refused(ErrNameTaken, join("user_1", "")) // its name stays its own
	c.did(join("user_2", "alice"), "+n", "n < joined alice=online ref=5", "a < presence user_2 online")
	n = c.on("n2")
	c.refused(ErrChannelFull, join("user_3", "")) // one who is away has a place
	c.did(func() error { return c.kick(a, 0, "user_1", true, "") }, "a < presence user_1 left (kicked)")
	c.refused(ErrBanned, join("user_1", ""))
	c.did(join("user_3", ""), "+n2", "n2 < joined alice=online ref=5", "a < presence user_3 online")
	n = c.on("n3")
	c.did(func() error { return c.leave(c.now, a, 7) }, "* ! master_left", "forget", "a < left ref=7")
	c.refused(ErrNoSuchChannel, join("user_4", ""))
}

func TestRule2JoinRepeated(t *testing.T) {
	c, a, u := openTable(t, Policy{}, 1)
	again := func() error { return c.again(c.now, u[1], 8) }
	c.did(again, "u1 < joined alice=online ref=8")
	c.did(c.lostBy(a), "* < presence alice away left=30000ms")
	c.now = c.now.Add(time.Second)
	c.did(again, "u1 < joined alice=away ref=8", "u1 < presence alice away left=29000ms")
	require.Len(t, c.slaves, 1)
	require.Equal(t, 1, c.connected)
}

func TestRule2EveryMembershipHasItsSecret(t *testing.T) {
	c, _, _ := openTable(t, Policy{}, 2)
	secrets := map[secret]bool{c.master.secret: true, c.slaves["user_1"].secret: true, c.slaves["user_2"].secret: true, {}: true}
	require.Len(t, secrets, 4)
}

func TestRule3TheChannelEndsAtX(t *testing.T) {
	for what, becomesAway := range awayTransition {
		t.Run(what, func(t *testing.T) {
			connected := what == "it says so"
			c, a, u := openTable(t, Policy{SlaveTimeout: 2 * xMaster}, 2)
			c.did(c.lostBy(u[2]), "-u2", "a < presence user_2 away")
			c.did(func() error { return becomesAway(c, a) }, "* < presence alice away left=30000ms")
			due, ok := c.due()
			require.True(t, ok)
			require.Equal(t, noon.Add(xMaster), due)

			c.now = noon.Add(xMaster - 1)
			c.did(func() error { return nil })
			require.Equal(t, open, c.life)
			require.Equal(t, "status exists=true alice=away ref=1 left=1ms", frameLine(c.status(c.now, 1)))

			c.now = noon.Add(xMaster)
			effects := []string{"* ! master_down: the master was away for 30s", "forget"}
			if connected {
				effects = slices.Insert(effects, 1, "a ! master_down: the master was away for 30s")
			}
			c.did(func() error { return nil }, effects...)
			require.Equal(t, gone, c.life)
			require.Equal(t, "status exists=false ref=1", frameLine(c.status(c.now, 1)))
			_, ok = c.due()
			require.False(t, ok)

			// Whatever comes later finds nothing.
			for _, at := range []*attachment{a, u[1], u[2]} {
				for _, transition := range c.everyMemberTransition(at) {
					c.refused(ErrNotAMember, transition)
				}
				c.did(c.lostBy(at))
			}
			c.refused(ErrNoSuchChannel, func() error { return c.join(c.now, c.on("n"), 1, "user_3", "") })
			c.refused(ErrChannelExists, func() error { return c.create(c.now, c.on("n"), 1, "alice", 0) })
			c.refused(ErrResumeFailed, func() error {
				return c.resume(c.now, c.on("n"), 1, "alice", c.master.secret.text(), 0)
			})
			c.end(ErrChannelClosed)
			c.expect()
		})
	}
}

func TestRule3TheMasterReturnsInTime(t *testing.T) {
	tests := []struct {
		what  string
		after time.Duration
		err   error
	}{
		{"at once", 0, nil},
		{"in the last instant", xMaster - 1, nil},
		{"at X", xMaster, ErrResumeFailed},
		{"after X", xMaster + 1, ErrResumeFailed},
	}
	for _, test := range tests {
		t.Run("resume "+test.what, func(t *testing.T) {
			c, a, _ := openTable(t, Policy{}, 1)
			c.did(c.lostBy(a), "* < presence alice away left=30000ms")
			c.now = noon.Add(test.after)
			b := c.on("b")
			resume := func() error { return c.resume(c.now, b, 4, "alice", c.master.secret.text(), 0) }
			if test.err != nil {
				c.refused(test.err, resume)
				return
			}
			c.did(resume, "b < created ref=4 epoch=2 [user_1=online]", "* < presence alice online")
			_, ok := c.due()
			require.False(t, ok)
			// Its time starts anew with the next loss.
			c.did(c.lostBy(b), "* < presence alice away left=30000ms")
			due, _ := c.due()
			require.Equal(t, c.now.Add(xMaster), due)
		})
		t.Run("back "+test.what, func(t *testing.T) {
			c, a, _ := openTable(t, Policy{}, 1)
			c.did(func() error { return c.away(c.now, a, 2) }, "a < ack ref=2", "* < presence alice away left=30000ms")
			c.now = noon.Add(test.after)
			back := func() error { return c.back(c.now, a, 3) }
			if test.err != nil {
				c.refused(ErrNotAMember, back)
				return
			}
			c.did(back, "a < ack ref=3", "* < presence alice online")
			_, ok := c.due()
			require.False(t, ok)
		})
	}
}

func TestRule3XRunsFromBecomingAway(t *testing.T) {
	away := func(c *table, a *attachment) func() error {
		return func() error { return c.away(c.now, a, 2) }
	}
	t.Run("saying it twice", func(t *testing.T) {
		c, a, _ := openTable(t, Policy{}, 1)
		c.did(away(c, a), "a < ack ref=2", "* < presence alice away left=30000ms")
		c.now = c.now.Add(time.Second)
		c.did(away(c, a), "a < ack ref=2")
		due, _ := c.due()
		require.Equal(t, noon.Add(xMaster), due)
	})
	t.Run("losing the connection while away", func(t *testing.T) {
		c, a, _ := openTable(t, Policy{}, 1)
		c.did(away(c, a), "a < ack ref=2", "* < presence alice away left=30000ms")
		c.now = c.now.Add(time.Second)
		c.did(c.lostBy(a))
		due, _ := c.due()
		require.Equal(t, noon.Add(xMaster), due)
		// A resume counts as being back.
		c.did(func() error { return c.resume(c.now, c.on("b"), 1, "alice", c.master.secret.text(), 0) },
			"b < created ref=1 epoch=2 [user_1=online]", "* < presence alice online")
	})
	t.Run("being back without having been away", func(t *testing.T) {
		c, a, _ := openTable(t, Policy{}, 1)
		before := c.snapshot()
		c.did(func() error { return c.back(c.now, a, 2) }, "a < ack ref=2")
		require.Equal(t, before, c.snapshot())
	})
}

func TestRule3WithoutATimeoutAtOnce(t *testing.T) {
	for what, becomesAway := range awayTransition {
		t.Run(what, func(t *testing.T) {
			c, a, _ := openTable(t, Policy{MasterTimeout: -1}, 1)
			require.NoError(t, becomesAway(c, a))
			effects := []string{"* ! master_down: the master was away for 0s", "forget"}
			if what == "it says so" {
				effects = slices.Insert(effects, 1, "a ! master_down: the master was away for 0s")
			}
			c.expect(effects...)
			require.Equal(t, gone, c.life)
		})
	}
	t.Run("a slave", func(t *testing.T) {
		c, _, u := openTable(t, Policy{SlaveTimeout: -1}, 1)
		c.did(c.lostBy(u[1]), "-u1", "a < presence user_1 away", "a < presence user_1 left (timeout)")
		require.Empty(t, c.slaves)
		require.Nil(t, c.waiting.first)
	})
}

func TestRule3TheMasterCloses(t *testing.T) {
	c, a, u := openTable(t, Policy{}, 2)
	c.did(c.lostBy(u[2]), "-u2", "a < presence user_2 away")
	c.did(func() error { return c.leave(c.now, a, 3) }, "* ! master_left", "forget", "a < left ref=3")
	c.refused(ErrNotAMember, func() error { return c.leave(c.now, a, 4) })
	c.did(c.lostBy(a))
}

func TestRule3TheServiceCloses(t *testing.T) {
	c, a, _ := openTable(t, Policy{}, 1)
	c.end(ErrChannelClosed.with("lesson over"))
	c.expect("* ! channel_closed: lesson over", "a ! channel_closed: lesson over", "forget")
	c.end(ErrChannelClosed)
	c.expect()
	c.did(c.lostBy(a))

	vacant := newTable(t, Policy{})
	vacant.end(ErrChannelClosed)
	vacant.expect()
}

func TestRule4StatusAndPresence(t *testing.T) {
	c, a, u := openTable(t, Policy{}, 2)
	c.did(c.lostBy(a), "* < presence alice away left=30000ms")
	c.now = c.now.Add(1500 * time.Microsecond)
	// Rounded up: nobody is told of an end that comes later than said.
	require.Equal(t, "status exists=true alice=away ref=1 left=29999ms", frameLine(c.status(c.now, 1)))
	c.did(func() error { return c.join(c.now, c.on("n"), 1, "user_3", "") },
		"+n", "n < joined alice=away ref=1", "n < presence alice away left=29999ms")
	c.did(c.lostBy(u[1]), "-u1")
	c.did(func() error { return c.resume(c.now, c.on("r1"), 2, "user_1", c.slaves["user_1"].secret.text(), 0) },
		"+r1", "r1 < joined alice=away ref=2", "r1 < presence alice away left=29999ms")
	c.did(c.lostBy(u[2]), "-u2")
	c.did(func() error { return c.resume(c.now, c.on("b"), 2, "alice", c.master.secret.text(), 0) },
		"b < created ref=2 epoch=2 [user_1=online user_2=away user_3=online]", "* < presence alice online")
	require.Equal(t, "status exists=true alice=online ref=1", frameLine(c.status(c.now, 1)))
}

func TestRule5ASlaveSendsToItsMasterOnly(t *testing.T) {
	c, _, u := openTable(t, Policy{}, 2)
	for _, to := range []string{"user_2", "user_1", "alice", "nobody", ""} {
		c.refused(ErrForbidden, func() error { return c.send(u[1], messageTo(0, to, "psst")) })
	}
	c.did(func() error { return c.send(u[1], textMessage(2, "here")) }, "a < message seq=1 user_1: here", "u1 < ack ref=2 seq=1")
	c.did(func() error { return c.send(u[2], textMessage(0, "me too")) }, "a < message seq=2 user_2: me too")
	asking := textMessage(3, "may I?")
	asking.asks = true
	c.did(func() error { return c.send(u[1], asking) }, "a < message seq=3 user_1: may I? request=3", "u1 < ack ref=3 seq=3")
	replying := textMessage(4, "yes")
	replying.replyTo = 7
	c.did(func() error { return c.send(u[1], replying) }, "a < message seq=4 user_1: yes reply=7", "u1 < ack ref=4 seq=4")

	for what, transition := range c.everyMemberTransition(u[1]) {
		switch what {
		case "away", "back", "kick", "ban", "members":
			t.Run(what, func(t *testing.T) { c.refused(ErrForbidden, transition) })
		}
	}
}

func TestRule6AMasterSendsToOneOrAll(t *testing.T) {
	c, a, u := openTable(t, Policy{}, 2)
	c.did(c.lostBy(u[2]), "-u2", "a < presence user_2 away")
	tests := []struct {
		what    string
		message message
		effects []string
	}{
		{"to all", textMessage(2, "x"), []string{"* < message seq=1 alice: x", "a < ack ref=2 seq=1 slaves=1"}},
		{"to one", messageTo(3, "user_1", "y"), []string{"u1 < message seq=2 alice: y (private)", "a < ack ref=3 seq=2 slaves=1"}},
		{"to one who is away", messageTo(4, "user_2", "z"), []string{"a < ack ref=4 seq=3"}},
		{"without a ref", textMessage(0, "w"), []string{"* < message seq=4 alice: w"}},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			c.did(func() error { return c.send(a, test.message) }, test.effects...)
		})
	}
	for _, to := range []string{"user_3", "alice", ""} {
		c.refused(ErrNoSuchSlave, func() error { return c.send(a, messageTo(0, to, "x")) })
	}
	// Who comes back gets what was for it, and who joins nothing of before.
	c.did(func() error { return c.resume(c.now, c.on("r"), 6, "user_2", c.slaves["user_2"].secret.text(), 0) },
		"+r", "r < joined alice=online ref=6", "a < presence user_2 online",
		"r << message seq=1 alice: x", "r << message seq=3 alice: z (private)", "r << message seq=4 alice: w")
	c.did(func() error { return c.join(c.now, c.on("n"), 1, "user_3", "") },
		"+n", "n < joined alice=online ref=1", "a < presence user_3 online")
	c.did(func() error { return c.resume(c.now, c.on("n2"), 6, "user_3", c.slaves["user_3"].secret.text(), 0) },
		"-n", "n ! replaced: the membership was taken over by a newer connection",
		"+n2", "n2 < joined alice=online ref=6")
}

func TestRule7OneMaster(t *testing.T) {
	c, a, _ := openTable(t, Policy{}, 1)
	create := func() error { return c.create(c.now, c.on("b"), 1, "bob", 0) }
	c.refused(ErrChannelExists, create)
	c.refused(ErrChannelExists, func() error { return c.create(c.now, c.on("b"), 1, "alice", 0) })
	c.did(c.lostBy(a), "* < presence alice away left=30000ms")
	c.refused(ErrChannelExists, create)
	c.now = c.now.Add(xMaster - 1)
	c.refused(ErrChannelExists, create)
}

func TestRule7OnlyTheSecretReturns(t *testing.T) {
	c, a, u := openTable(t, Policy{}, 2)
	right := c.master.secret.text()
	tests := []struct {
		what, username, secret string
		last                   uint64
	}{
		{"no secret", "alice", "", 0},
		{"another secret", "alice", newSecret().text(), 0},
		{"a slave's secret", "alice", c.slaves["user_1"].secret.text(), 0},
		{"the master's for a slave", "user_1", right, 0},
		{"another slave's", "user_1", c.slaves["user_2"].secret.text(), 0},
		{"nobody of that name", "bob", right, 0},
		{"more than the secret", "alice", right + "A", 0},
		{"less than the secret", "alice", right[:len(right)-1], 0},
		{"a number from the future", "alice", right, 1},
		{"a slave's number from the future", "user_1", c.slaves["user_1"].secret.text(), 1},
	}
	states := map[string]func(){
		"while connected": func() {},
		"while away":      func() { c.lose(c.now, a); c.lose(c.now, u[1]) },
	}
	for _, state := range []string{"while connected", "while away"} {
		states[state]()
		for _, test := range tests {
			t.Run(test.what+" "+state, func(t *testing.T) {
				c.refused(ErrResumeFailed, func() error {
					return c.resume(c.now, c.on("n"), 1, test.username, test.secret, test.last)
				})
			})
		}
	}
}

func TestRule7ATakeoverMakesTheOldStale(t *testing.T) {
	const takenOver = "replaced: the membership was taken over by a newer connection"
	c, a, u := openTable(t, Policy{}, 1)
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 1, "alice", c.master.secret.text(), 0) },
		"a ! "+takenOver, "b < created ref=1 epoch=2 [user_1=online]")
	r := c.on("r")
	c.did(func() error { return c.resume(c.now, r, 1, "user_1", c.slaves["user_1"].secret.text(), 0) },
		"-u1", "u1 ! "+takenOver, "+r", "r < joined alice=online ref=1")
	old := []*attachment{a, u[1]}
	for _, at := range old {
		for what, transition := range c.everyMemberTransition(at) {
			t.Run(c.tags[at]+" "+what, func(t *testing.T) { c.refused(ErrReplaced, transition) })
		}
		before := c.snapshot()
		c.did(c.lostBy(at)) // a late loss is nobody's
		require.Equal(t, before, c.snapshot())
	}

	// On the same connection, nobody is told: it has the membership already.
	same := c.on("same")
	same.session = b.session
	c.did(func() error { return c.resume(c.now, same, 2, "alice", c.master.secret.text(), 0) },
		"same < created ref=2 epoch=3 [user_1=online]")
	c.refused(ErrReplaced, func() error { return c.send(b, textMessage(0, "x")) })

	// Stale stays stale after the end; what was current is no member's any more.
	c.did(func() error { return c.leave(c.now, same, 0) }, "* ! master_left", "forget", "same < left")
	for _, at := range append(old, b) {
		for _, transition := range c.everyMemberTransition(at) {
			c.refused(ErrReplaced, transition)
		}
	}
	for _, at := range []*attachment{same, r} {
		for _, transition := range c.everyMemberTransition(at) {
			c.refused(ErrNotAMember, transition)
		}
	}
}

func TestRule7AnAwayMasterTakenOverIsBack(t *testing.T) {
	c, a, _ := openTable(t, Policy{}, 1)
	c.did(func() error { return c.away(c.now, a, 0) }, "* < presence alice away left=30000ms")
	c.did(func() error { return c.resume(c.now, c.on("b"), 1, "alice", c.master.secret.text(), 0) },
		"a ! replaced: the membership was taken over by a newer connection",
		"b < created ref=1 epoch=2 [user_1=online]", "* < presence alice online")
	c.now = c.now.Add(2 * xMaster)
	c.did(c.lostBy(a)) // and the ghost's end changes nothing
	require.Equal(t, wire.StateOnline, c.master.state)
}

func TestSlaveReturnsInTime(t *testing.T) {
	tests := []struct {
		what  string
		after time.Duration
		err   error
	}{
		{"in the last instant", xSlave - 1, nil},
		{"at its time", xSlave, ErrResumeFailed},
		{"after it", xSlave + 1, ErrResumeFailed},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			c, _, u := openTable(t, Policy{}, 1)
			own := c.slaves["user_1"].secret.text()
			c.did(c.lostBy(u[1]), "-u1", "a < presence user_1 away")
			due, _ := c.due()
			require.Equal(t, noon.Add(xSlave), due)
			c.now = noon.Add(test.after)
			r := c.on("r")
			resume := func() error { return c.resume(c.now, r, 2, "user_1", own, 0) }
			if test.err == nil {
				c.did(resume, "+r", "r < joined alice=online ref=2", "a < presence user_1 online")
				_, ok := c.due()
				require.False(t, ok)
				return
			}
			c.expire(c.now)
			c.expect("a < presence user_1 left (timeout)")
			c.refused(test.err, resume)
			// The name is free again, and the new one has nothing of the old.
			c.did(func() error { return c.join(c.now, r, 1, "user_1", "") },
				"+r", "r < joined alice=online ref=1", "a < presence user_1 online")
			c.refused(ErrResumeFailed, func() error { return c.resume(c.now, c.on("s"), 2, "user_1", own, 0) })
			c.refused(ErrNotAMember, func() error { return c.send(u[1], textMessage(0, "x")) })
		})
	}
}

func TestSlavesExpireInOrder(t *testing.T) {
	c, a, u := openTable(t, Policy{MasterTimeout: xSlave}, 5)
	lose := func(i int, after time.Duration) {
		c.now = noon.Add(after)
		c.did(c.lostBy(u[i]), "-"+c.tags[u[i]], fmt.Sprintf("a < presence user_%d away", i))
	}
	lose(3, 0)
	lose(1, 1)
	lose(5, 1)
	lose(2, 2)
	// One from the middle comes back, and is lost again: now it is the last.
	c.did(func() error { return c.resume(c.now, u[1], 2, "user_1", c.slaves["user_1"].secret.text(), 0) },
		"+u1", "u1 < joined alice=online ref=2", "a < presence user_1 online")
	lose(1, 3)
	c.did(func() error { return c.away(c.now, a, 0) }, "* < presence alice away left=20000ms")

	c.now = noon.Add(xSlave)
	c.did(func() error { return nil }, "a < presence user_3 left (timeout)")
	due, _ := c.due()
	require.Equal(t, noon.Add(xSlave+1), due)
	c.now = noon.Add(xSlave + 2)
	c.did(func() error { return nil }, "a < presence user_5 left (timeout)", "a < presence user_2 left (timeout)")
	// The rest is due in one instant: the slave is first.
	c.now = noon.Add(xSlave + 3)
	c.did(func() error { return nil }, "a < presence user_1 left (timeout)",
		"* ! master_down: the master was away for 20s", "a ! master_down: the master was away for 20s", "forget")
}

func TestLeave(t *testing.T) {
	c, a, u := openTable(t, Policy{}, 2)
	own := c.slaves["user_1"].secret.text()
	c.did(func() error { return c.leave(c.now, u[1], 4) }, "-u1", "a < presence user_1 left (left)", "u1 < left ref=4")
	c.refused(ErrNotAMember, func() error { return c.leave(c.now, u[1], 5) })
	c.refused(ErrNotAMember, func() error { return c.send(u[1], textMessage(0, "x")) })
	c.refused(ErrResumeFailed, func() error { return c.resume(c.now, c.on("r"), 1, "user_1", own, 0) })
	c.refused(ErrNoSuchSlave, func() error { return c.send(a, messageTo(0, "user_1", "x")) })
	c.did(func() error { return c.members(a, 5) }, "a < members ref=5 [user_2=online]")
}

func TestKickAndBanTransitions(t *testing.T) {
	kick := func(c *table, a *attachment, to string, ban bool, reason string) func() error {
		return func() error { return c.kick(a, 3, to, ban, reason) }
	}
	t.Run("connected", func(t *testing.T) {
		c, a, u := openTable(t, Policy{}, 2)
		c.did(kick(c, a, "user_1", false, "too loud"),
			"a < ack ref=3", "-u1", "a < presence user_1 left (too loud)", "u1 ! kicked: too loud")
		c.refused(ErrNotAMember, func() error { return c.send(u[1], textMessage(0, "x")) })
		c.did(c.lostBy(u[1]))
		c.did(kick(c, a, "user_2", false, ""), "a < ack ref=3", "-u2", "a < presence user_2 left (kicked)", "u2 ! kicked: kicked")
		c.did(func() error { return c.join(c.now, c.on("n"), 1, "user_1", "") },
			"+n", "n < joined alice=online ref=1", "a < presence user_1 online")
	})
	t.Run("while away", func(t *testing.T) {
		c, a, u := openTable(t, Policy{}, 3)
		for i := 1; i <= 3; i++ {
			c.lose(c.now, u[i])
		}
		c.effects = nil
		own := c.slaves["user_2"].secret.text()
		c.did(kick(c, a, "user_2", false, ""), "a < ack ref=3", "a < presence user_2 left (kicked)")
		c.refused(ErrResumeFailed, func() error { return c.resume(c.now, c.on("r"), 1, "user_2", own, 0) })
		c.now = noon.Add(xSlave)
		c.did(func() error { return nil }, "a < presence user_1 left (timeout)", "a < presence user_3 left (timeout)")
	})
	t.Run("nobody", func(t *testing.T) {
		c, a, _ := openTable(t, Policy{}, 1)
		c.refused(ErrNoSuchSlave, kick(c, a, "user_2", false, ""))
		c.refused(ErrNoSuchSlave, kick(c, a, "alice", false, ""))
		c.refused(ErrNoSuchSlave, kick(c, a, "alice", true, ""))
		c.refused(ErrNoSuchSlave, kick(c, a, "", false, ""))
	})
	t.Run("the bound of bans", func(t *testing.T) {
		c, a, _ := openTable(t, Policy{MaxSlaves: 2}, 1)
		c.did(kick(c, a, "user_8", true, ""), "a < ack ref=3") // one who is not there
		c.did(kick(c, a, "user_9", true, ""), "a < ack ref=3")
		c.refused(ErrChannelFull, kick(c, a, "user_1", true, "")) // and it stays in
		c.did(kick(c, a, "user_9", true, ""), "a < ack ref=3")
		c.did(kick(c, a, "user_1", false, ""), "a < ack ref=3", "-u1", "a < presence user_1 left (kicked)", "u1 ! kicked: kicked")
		c.refused(ErrBanned, func() error { return c.join(c.now, c.on("n"), 1, "user_9", "") })
	})
	t.Run("by an away master", func(t *testing.T) {
		c, a, _ := openTable(t, Policy{}, 1)
		c.did(func() error { return c.away(c.now, a, 0) }, "* < presence alice away left=30000ms")
		c.did(kick(c, a, "user_1", false, ""), "a < ack ref=3", "-u1", "a < presence user_1 left (kicked)", "u1 ! kicked: kicked")
	})
}

// A slave is told of a gap exactly if something that was for it is missing.
func TestGapOrNot(t *testing.T) {
	one, two, all := "user_1", "user_2", ""
	tests := []struct {
		what   string
		kept   int
		sent   []string // while user_1 is away, to whom
		last   uint64   // of user_1
		missed uint64
	}{
		{"nothing sent", 2, nil, 0, 0},
		{"all kept", 2, []string{all, all}, 0, 0},
		{"one lost", 2, []string{all, all, all}, 0, 1},
		{"one lost that was seen", 2, []string{all, all, all}, 1, 0},
		{"others' lost", 2, []string{two, two, all, all}, 0, 0},
		{"others' lost, none kept", -1, []string{two, two}, 0, 0},
		{"own lost", 2, []string{one, two, two, two}, 0, 2},
		{"own lost that was seen", 2, []string{one, two, two, two}, 1, 0},
		{"own lost, others' before it", 2, []string{two, one, two, two}, 0, 2},
		{"common lost, others' after it", 1, []string{all, two, two}, 0, 2},
		{"common lost that was seen, others' after it", 1, []string{all, two, two}, 1, 0},
		{"none kept", -1, []string{all}, 0, 1},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			c, a, u := openTable(t, Policy{Replay: Bound{Messages: test.kept}}, 2)
			for _, at := range u[1:] {
				c.lose(c.now, at)
			}
			for _, to := range test.sent {
				msg := textMessage(0, "x")
				if to != all {
					msg = messageTo(0, to, "x")
				}
				require.NoError(t, c.send(a, msg))
			}
			c.effects = nil
			require.NoError(t, c.resume(c.now, c.on("r"), 2, one, c.slaves[one].secret.text(), test.last))
			var missed uint64
			var replayed []uint64
			for _, e := range c.effects {
				if e.packet != nil && e.packet.frame.Type == wire.Gap {
					missed = e.packet.frame.Missed
					require.Empty(t, replayed, "the gap has its place before the replay")
				}
				if e.kind == sendReplay {
					replayed = append(replayed, e.packet.frame.Seq)
				}
			}
			require.Equal(t, test.missed, missed)
			var expected []uint64
			for i, to := range test.sent {
				seq := uint64(i + 1)
				if to != two && seq > test.last && len(test.sent)-i <= max(test.kept, 0) {
					expected = append(expected, seq)
				}
			}
			require.Equal(t, expected, replayed)
		})
	}

	t.Run("nothing before the join", func(t *testing.T) {
		c, a, _ := openTable(t, Policy{Replay: Bound{Messages: 1}}, 1)
		for range 5 {
			require.NoError(t, c.send(a, textMessage(0, "x")))
		}
		n := c.on("n")
		require.NoError(t, c.join(c.now, n, 1, "user_2", ""))
		c.lose(c.now, n)
		require.NoError(t, c.send(a, textMessage(0, "y")))
		c.effects = nil
		c.did(func() error { return c.resume(c.now, c.on("r"), 2, "user_2", c.slaves["user_2"].secret.text(), 0) },
			"+r", "r < joined alice=online ref=2", "a < presence user_2 online", "r << message seq=6 alice: y")
	})
}

func TestTheMasterGetsWhatItMissed(t *testing.T) {
	tests := []struct {
		what  string
		last  uint64
		lines []string
	}{
		{"all of it", 0, []string{"b < created ref=2 epoch=2 seq=4 gap [user_1=online]", "b << message seq=2 user_1: 2", "b << message seq=3 user_1: 3", "b << message seq=4 user_1: 4"}},
		{"what is kept is enough", 1, []string{"b < created ref=2 epoch=2 seq=4 [user_1=online]", "b << message seq=2 user_1: 2", "b << message seq=3 user_1: 3", "b << message seq=4 user_1: 4"}},
		{"some of it", 3, []string{"b < created ref=2 epoch=2 seq=4 [user_1=online]", "b << message seq=4 user_1: 4"}},
		{"nothing", 4, []string{"b < created ref=2 epoch=2 seq=4 [user_1=online]"}},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			c, a, u := openTable(t, Policy{Replay: Bound{Messages: 3}}, 1)
			for i := 1; i <= 4; i++ {
				require.NoError(t, c.send(u[1], textMessage(0, fmt.Sprint(i))))
			}
			c.lose(c.now, a)
			c.effects = nil
			c.did(func() error { return c.resume(c.now, c.on("b"), 2, "alice", c.master.secret.text(), test.last) },
				append(test.lines[:1:1], append([]string{"* < presence alice online"}, test.lines[1:]...)...)...)
		})
	}
}

// While the master is away, nothing is taken for it that would cost it a message
// that it has not had the chance to get.
func TestBusyRatherThanLoss(t *testing.T) {
	say := func(c *table, u *attachment, text string) func() error {
		return func() error { return c.send(u, textMessage(0, text)) }
	}
	t.Run("by messages", func(t *testing.T) {
		c, a, u := openTable(t, Policy{Replay: Bound{Messages: 2}}, 1)
		for range 3 {
			require.NoError(t, c.send(u[1], textMessage(0, "seen")))
		}
		c.lose(c.now, a)
		c.effects = nil
		c.did(say(c, u[1], "x")) // in place of what was handed to the master
		c.did(say(c, u[1], "y"))
		c.refused(ErrBusy, say(c, u[1], "z"))
		require.Equal(t, []uint64{4, 5}, c.up.numbers(0))
		b := c.on("b")
		c.did(func() error { return c.resume(c.now, b, 1, "alice", c.master.secret.text(), 3) },
			"b < created ref=1 epoch=2 seq=5 [user_1=online]", "* < presence alice online",
			"b << message seq=4 user_1: x", "b << message seq=5 user_1: y")
		c.did(say(c, u[1], "z"), "b < message seq=6 user_1: z")
		// These have been handed over now, and make room.
		c.did(c.lostBy(b), "* < presence alice away left=30000ms")
		c.did(say(c, u[1], "v"))
		c.did(say(c, u[1], "w"))
		c.refused(ErrBusy, say(c, u[1], "z"))
	})
	t.Run("by bytes", func(t *testing.T) {
		c, a, u := openTable(t, Policy{Replay: Bound{Messages: 100, Bytes: 3*entryOverhead + 30}}, 1)
		require.NoError(t, c.send(u[1], textMessage(0, strings.Repeat("s", 10))))
		c.lose(c.now, a)
		c.effects = nil
		c.did(say(c, u[1], strings.Repeat("x", 10)))
		c.did(say(c, u[1], strings.Repeat("y", 11))) // costs the first, which was handed over
		c.refused(ErrBusy, say(c, u[1], strings.Repeat("z", 10)))
		c.did(say(c, u[1], strings.Repeat("z", 9)))
		c.refused(ErrBusy, say(c, u[1], ""))
		require.Equal(t, []uint64{2, 3, 4}, c.up.numbers(0))
	})
	t.Run("a single one is always kept", func(t *testing.T) {
		c, a, u := openTable(t, Policy{Replay: Bound{Messages: 100, Bytes: 1}}, 1)
		c.lose(c.now, a)
		c.effects = nil
		c.did(say(c, u[1], strings.Repeat("x", 1000)))
		c.refused(ErrBusy, say(c, u[1], ""))
	})
	t.Run("none are kept", func(t *testing.T) {
		c, a, u := openTable(t, Policy{Replay: Bound{Messages: -1}}, 1)
		c.did(say(c, u[1], "x"), "a < message seq=1 user_1: x")
		c.did(c.lostBy(a), "* < presence alice away left=30000ms")
		c.refused(ErrBusy, say(c, u[1], "y"))
	})
	t.Run("away but connected takes all", func(t *testing.T) {
		c, a, u := openTable(t, Policy{Replay: Bound{Messages: 1}}, 1)
		c.did(func() error { return c.away(c.now, a, 0) }, "* < presence alice away left=30000ms")
		for i := range 3 {
			c.did(say(c, u[1], "x"), fmt.Sprintf("a < message seq=%d user_1: x", i+1))
		}
	})
}

// A master that does not take its messages costs its slaves an error each, and
// nobody a message.
func TestBusyWhileTheMasterDoesNotKeepUp(t *testing.T) {
	c, a, u := openTable(t, Policy{}, 1)
	stuck := &stuckConn{written: make(chan struct{}, 9), end: make(chan struct{})}
	a.session.out = outbox.New(stuck, outbox.Limits{Messages: 1, Bytes: 100})
	require.NoError(t, a.session.out.Push([]byte("being written")))
	<-stuck.written
	c.did(func() error { return c.send(u[1], textMessage(0, "x")) }, "a < message seq=1 user_1: x")
	require.NoError(t, a.session.out.Push([]byte("x")))
	c.refused(ErrBusy, func() error { return c.send(u[1], textMessage(0, "y")) })
	a.session.out.Abort(transport.Reason{})
	a.session.out.Wait()
}

// stuckConn takes nothing until it is closed.
type stuckConn struct {
	transport.Conn
	written chan struct{}
	end     chan struct{}
	closing sync.Once
}

func (c *stuckConn) Write(...[]byte) error {
	c.written <- struct{}{}
	<-c.end
	return errNotProtocol
}

func (c *stuckConn) Close(transport.Reason) error {
	c.closing.Do(func() { close(c.end) })
	return nil
}

func TestASendAgainIsAnsweredAsTheFirstTime(t *testing.T) {
	c, a, u := openTable(t, Policy{}, 1)
	c.did(func() error { return c.send(u[1], textMessage(4, "x")) }, "a < message seq=1 user_1: x", "u1 < ack ref=4 seq=1")
	c.did(func() error { return c.send(a, textMessage(4, "y")) }, "* < message seq=1 alice: y", "a < ack ref=4 seq=1 slaves=1")
	before := c.snapshot()
	c.did(func() error { return c.send(u[1], textMessage(4, "x")) }, "u1 < ack ref=4 seq=1")
	require.Equal(t, before, c.snapshot())

	// Also on the next connection, and for the number of slaves at the time.
	b := c.on("b")
	c.did(c.lostBy(u[1]), "-u1", "a < presence user_1 away")
	c.did(func() error { return c.resume(c.now, b, 5, "alice", c.master.secret.text(), 0) },
		"a ! replaced: the membership was taken over by a newer connection", "b < created ref=5 epoch=2 seq=1 [user_1=away]", "b << message seq=1 user_1: x")
	c.did(func() error { return c.send(b, textMessage(4, "y")) }, "b < ack ref=4 seq=1 slaves=1")

	// A refusal is remembered too, though what it was for has become possible.
	require.ErrorIs(t, c.send(b, messageTo(6, "user_2", "z")), ErrNoSuchSlave)
	require.NoError(t, c.join(c.now, c.on("u2"), 1, "user_2", ""))
	c.refused(ErrNoSuchSlave, func() error { return c.send(b, messageTo(6, "user_2", "z")) })
	c.did(func() error { return c.send(b, messageTo(7, "user_2", "z")) }, "u2 < message seq=2 alice: z (private)", "b < ack ref=7 seq=2 slaves=1")

	// Refs rise: a lower one was not skipped by mistake.
	c.refused(ErrBadFrame, func() error { return c.send(b, textMessage(5, "w")) })
	for ref := uint64(8); ref < 8+masterAnswers; ref++ {
		require.NoError(t, c.send(b, textMessage(ref, "many")))
	}
	c.refused(ErrBadFrame, func() error { return c.send(b, messageTo(7, "user_2", "z")) })
	c.effects = nil
	c.did(func() error { return c.send(b, textMessage(8, "many")) }, "b < ack ref=8 seq=3 slaves=1")
}

func TestABusySendIsRefusedAgain(t *testing.T) {
	c, a, u := openTable(t, Policy{Replay: Bound{Messages: -1}}, 1)
	c.did(c.lostBy(a), "* < presence alice away left=30000ms")
	require.ErrorIs(t, c.send(u[1], textMessage(2, "x")), ErrBusy)
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 1, "alice", c.master.secret.text(), 0) },
		"b < created ref=1 epoch=2 [user_1=online]", "* < presence alice online")
	c.refused(ErrBusy, func() error { return c.send(u[1], textMessage(2, "x")) })
	c.did(func() error { return c.send(u[1], textMessage(3, "x")) }, "b < message seq=1 user_1: x", "u1 < ack ref=3 seq=1")
}

func TestMembersAreByTheirNames(t *testing.T) {
	c, a, u := openTable(t, Policy{}, 3)
	c.did(c.lostBy(u[2]), "-u2", "a < presence user_2 away")
	c.did(func() error { return c.members(a, 2) }, "a < members ref=2 [user_1=online user_2=away user_3=online]")
	require.Equal(t, 2, c.connected)
}
