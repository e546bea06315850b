package star

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// These tests call the transitions as decide does, without a hub, goroutines or
// connections: they say what time it is, and read the Effects as lines.
//
//	u1 < ack ref=2        sent to the attachment u1
//	u1 << message seq=1   sent to it as part of a replay
//	u1 ~ attribute seq=1  an attribute that it is told, in place of an older value
//	u1 x user_1           what is queued for it of that member's attributes is dropped
//	u1 ...                Drained is to be called
//	u1 x                  what is queued for it is dropped
//	a !! unauthorized     its connection is closed
//	room                  those that wait for room are woken
//	* < presence ...      sent to the audience
//	+u1 -u1               admitted to and dismissed from the audience
//	u1 ! kicked           released
//	* ! master_down       the whole audience released
//	forget                taken off the hub
//	u1 in                 it was entering, and is a member from here on
//	u1 out: locked        it was entering, and is refused
//	u1 vacates            it has left, and its connection stays
type table struct {
	*Channel
	t   *testing.T
	now time.Time
	// tags are the names of the attachments, of which each has a number of its own.
	tags map[*Attachment]string
	// secrets are the texts that were given to the members, by their names.
	secrets map[string]string
	// numbers: the lines show the numbers of memberships.
	numbers bool
	// copy is where recordsOf applies the records, where it is not nil.
	copy *Channel
}

const (
	xMaster = 30 * time.Second
	xSlave  = 20 * time.Second
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// newTable is a vacant channel. In the limits, zero is some usual value, and a
// negative one is none.
func newTable(t *testing.T, limits Limits) *table {
	usual := func(value, usual int) int {
		if value == 0 {
			return usual
		}
		return max(value, 0)
	}
	usually := func(value, usual time.Duration) time.Duration {
		if value == 0 {
			return usual
		}
		return max(value, 0)
	}
	limits.MasterTimeout = usually(limits.MasterTimeout, xMaster)
	limits.SlaveTimeout = usually(limits.SlaveTimeout, xSlave)
	limits.MaxSlaves = usual(limits.MaxSlaves, 1000)
	limits.Replay.Messages = usual(limits.Replay.Messages, 256)
	limits.Replay.Bytes = usual(limits.Replay.Bytes, 1<<20)
	return &table{
		Channel: New("abc123", &limits), t: t, now: noon, tags: map[*Attachment]string{}, secrets: map[string]string{},
	}
}

// openTable is a channel of alice on the attachment a, and of slaves on u1, u2
// and so on, whose names are user_1, user_2 and so on.
func openTable(t *testing.T, limits Limits, slaves int) (c *table, a *Attachment, u []*Attachment) {
	c = newTable(t, limits)
	a = c.on("a")
	require.NoError(t, c.create(c.now, a, 1, "alice", 0))
	u = []*Attachment{nil}
	for i := 1; i <= slaves; i++ {
		at := c.on(fmt.Sprint("u", i))
		require.NoError(t, c.join(c.now, at, 1, fmt.Sprint("user_", i), ""))
		u = append(u, at)
	}
	c.effects = nil
	return c, a, u
}

// line is a connection's way out with as much room as a test says.
type line struct {
	connection uint64
	// room is for so many more messages than arrived, and notices is for so many
	// bytes of answers; negative: any number.
	room, notices int
	arrived       int
	waiting       int
	// mark is after how many changes of slaves, told and not taken, the master is behind;
	// negative: never. taken counts those that it has taken.
	mark, taken int
	// unwritten is how many of the newest messages may not have been written.
	unwritten int
}

func (l *line) Connection() uint64 { return l.connection }
func (l *line) Form() wire.Form    { return wire.Binary }
func (l *line) Full(_ int, accepted Load) bool {
	return l.room >= 0 && accepted.Messages-l.arrived >= l.room
}
func (l *line) Behind(_ int, _, told Load) bool {
	return l.mark >= 0 && told.Messages-l.taken >= l.mark
}
func (l *line) NoticeFull(size int) bool       { return l.notices >= 0 && size > l.notices }
func (l *line) Waiting() (messages, bytes int) { return l.waiting, 0 }
func (l *line) Unwritten(Load) int             { return l.unwritten }

// on is a connection with a tag, for one attachment.
func (c *table) on(tag string) *Attachment {
	a := &Attachment{Line: &line{connection: uint64(len(c.tags) + 1), room: -1, notices: -1, mark: -1}}
	c.tags[a] = tag
	return a
}

// given is the resume secret of that text.
func given(text string) Secret {
	return Secret{Text: text, Hash: HashOf(text)}
}

// fresh is the secret of a new member. No two are the same.
func (c *table) fresh(name string) Secret {
	text := fmt.Sprintf("secret %d of %s", len(c.tags), name)
	if c.secrets[name] == "" {
		c.secrets[name] = text
	}
	return given(text)
}

func (c *table) secret(name string) string { return c.secrets[name] }

func (c *table) create(now time.Time, a *Attachment, ref uint64, username string, asked time.Duration) error {
	return c.Create(now, a, Entry{Ref: ref, Secret: c.fresh(username)}, username, asked)
}

func (c *table) join(now time.Time, a *Attachment, ref uint64, username, expect string) error {
	secret := c.fresh(username)
	err := c.Join(now, a, Entry{Ref: ref, Secret: secret}, username, expect)
	if err == nil {
		c.secrets[username] = secret.Text
	}
	return err
}

func (c *table) again(now time.Time, a *Attachment, ref uint64) error {
	name := ""
	if a.member != nil {
		name = a.member.name
	}
	return c.RepeatJoin(now, a, Entry{Ref: ref, Secret: given(c.secrets[name])})
}

func (c *table) resume(now time.Time, a *Attachment, ref uint64, username, secret string, last uint64) error {
	return c.Resume(now, a, Entry{Ref: ref, Secret: given(secret)}, username, last, last)
}

// do runs a transition as decide does.
func (c *table) do(transition func() error) error {
	c.Expire(c.now)
	return transition()
}

// did expects that the transition works and has these Effects, beside notes.
func (c *table) did(transition func() error, effects ...string) {
	c.t.Helper()
	require.NoError(c.t, c.do(transition))
	c.expect(effects...)
}

// refused expects that the transition fails so, and changes nothing.
func (c *table) refused(why error, transition func() error) {
	c.t.Helper()
	c.Expire(c.now)
	c.effects = nil
	before := c.snapshot()
	require.ErrorIs(c.t, transition(), why)
	require.Empty(c.t, c.effects, "a refusal has effects")
	require.Equal(c.t, before, c.snapshot(), "a refusal has changed something")
}

// expect takes the Effects there are.
func (c *table) expect(effects ...string) {
	c.t.Helper()
	got := []string{}
	for _, e := range c.effects {
		if e.Kind != Changed && e.Kind != Count {
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
func (c *table) lostBy(a *Attachment) func() error {
	return func() error { c.Lose(c.now, a); return nil }
}

// frame is what a packet says.
func (c *table) frame(p *wire.Packet) *wire.Frame {
	if p.Frame() != nil {
		return p.Frame()
	}
	frame, err := wire.Decode(p.Bytes(wire.Binary))
	require.NoError(c.t, err)
	return &frame
}

// shown is what a packet says as a line.
func (c *table) shown(p *wire.Packet) string {
	frame := *c.frame(p)
	if !c.numbers {
		return frameLine(&frame)
	}
	numbered := func(name string, number uint64) string {
		if number == 0 {
			return name
		}
		return fmt.Sprint(name, "#", number)
	}
	frame.Username = numbered(frame.Username, frame.Number)
	frame.Members = slices.Clone(frame.Members)
	for i, m := range frame.Members {
		frame.Members[i].Username = numbered(m.Username, m.Number)
	}
	return frameLine(&frame)
}

func (c *table) line(e Effect) string {
	to := c.tags[e.To]
	switch e.Kind {
	case SendOne:
		return to + " < " + c.shown(e.Packet)
	case SendReplay:
		return to + " << " + c.shown(e.Packet)
	case SendPresence:
		return to + " < " + c.shown(e.Packet)
	case AwaitDrain:
		return to + " ..."
	case RoomMade:
		return "room"
	case Discard:
		return to + " x"
	case Eject:
		return to + " !! " + endLine(e.End)
	case SendAll:
		return "* < " + c.shown(e.Packet)
	case Tell:
		return to + " ~ " + c.shown(e.Packet)
	case TellAll:
		return "* ~ " + c.shown(e.Packet)
	case Untell:
		return to + " x " + e.Subject()
	case Admit:
		return "+" + to
	case Dismiss:
		return "-" + to
	case Release:
		return to + " ! " + endLine(e.End)
	case ReleaseAll:
		return "* ! " + endLine(e.End)
	case Forget:
		return "forget"
	case Enter:
		return to + " in"
	case Refuse:
		return to + " out: " + endLine(e.End)
	case Answer:
		return to + " < " + c.shown(e.Packet)
	case Vacate:
		return to + " vacates"
	case Keep:
		return fmt.Sprintf("keep %x", e.Text)
	}
	return fmt.Sprint("effect ", e.Kind)
}

func endLine(e *wire.Cause) string {
	return strings.TrimSuffix(string(e.Code)+": "+e.Text, ": ")
}

var typeWords = map[wire.Type]string{
	wire.Created: "created", wire.Joined: "joined", wire.Message: "message", wire.Presence: "presence", wire.Gap: "gap",
	wire.Ack: "ack", wire.Left: "left", wire.Members: "members", wire.Status: "status", wire.Awaiting: "awaiting", wire.Attribute: "attribute", wire.Reset: "reset", wire.Muted: "muted", wire.Asked: "asked",
	wire.Waiting: "waiting", wire.Knock: "knock",
}

var stateWords = map[wire.State]string{wire.StateOnline: "online", wire.StateAway: "away", wire.StateLeft: "left"}

func frameLine(f *wire.Frame) string {
	words := []string{typeWords[f.Type]}
	add := func(present bool, format string, values ...any) {
		if present {
			words = append(words, fmt.Sprintf(format, values...))
		}
	}
	add(f.Type == wire.Attribute || f.Type == wire.Reset && f.From != "", "%s %s", f.From, f.Code)
	add(f.Type == wire.Presence, "%s %s", f.Username, stateWords[f.State])
	add(f.Type == wire.Muted, "%v", f.Muted)
	add(f.Type == wire.Knock, "%d %s on=%v", f.Number, f.Username, f.Muted)
	add(f.HasExists, "exists=%v", f.Exists)
	add(f.Master.Username != "", "%s=%s", f.Master.Username, stateWords[f.Master.State])
	add(f.Ref != 0, "ref=%d", f.Ref)
	add(f.Type == wire.Created, "epoch=%d", f.Epoch)
	add(f.Seq != 0, "seq=%d", f.Seq)
	add(f.Slaves != 0, "slaves=%d", f.Slaves)
	add(f.Gap, "gap")
	add(f.Muted && f.Type != wire.Muted && f.Type != wire.Knock, "muted")
	add(f.Asks, "asking")
	add(f.Missed != 0, "missed=%d", f.Missed)
	if f.HasMembers {
		members := []string{}
		for _, m := range f.Members {
			members = append(members, m.Username+"="+stateWords[m.State])
		}
		add(true, "[%s]", strings.Join(members, " "))
	}
	l := f.Listing()
	add(l.After != 0, "after=%d", l.After)
	add(l.More, "more")
	add(l.Online+l.Away > 0, "%d online %d away", l.Online, l.Away)
	add(f.HasTimeout, "left=%dms", f.Timeout)
	add(f.Entering().Door != 0, "door=%v", f.Entering().Door)
	if knocks := f.Entering().Knocks; knocks != nil {
		for _, k := range *knocks {
			add(true, "%d=%s", k.Number, k.Username)
			if k.Attributes != nil {
				add(true, "%d attributes", len(*k.Attributes))
			}
		}
	}
	add(f.Type == wire.Message, "%s: %s", f.From, f.Payload.Data)
	add(f.Type == wire.Attribute && f.Payload.Kind != wire.NoPayload, "= %s", f.Payload.Data)
	if f.Attributes() != nil {
		for _, kv := range *f.Attributes() {
			add(true, "%s = %s", kv.Key, kv.Value.Data)
		}
	}
	add(f.Private, "(private)")
	add(f.Request != 0, "request=%d", f.Request)
	add(f.Reply != 0, "reply=%d", f.Reply)
	add(f.Topic() != "", "about %s", f.Topic())
	add(f.Expires() != 0, "for %dms", f.Expires())
	add(f.Code != "" && f.Type == wire.Awaiting, "%s", f.Code)
	add(f.Reason != "", "(%s)", f.Reason)
	return strings.Join(words, " ")
}

// snapshot is all of the channel's state in words.
func (c *table) snapshot() string {
	var b strings.Builder
	one := func(m *member) {
		fmt.Fprintf(&b, "%s role=%d secret=%x state=%s deadline=%v epoch=%d at=%q start=%d lost=%d number=%d told=%d answers=%d/%+v asks=%v given=%d repaid=%d\n",
			m.name, m.role, m.hash, stateWords[m.state], m.deadline, m.epoch, c.tags[m.attachment], m.start, m.lostPrivate, m.number, m.told, m.answers.highest, m.answers.kept, m.openRequests, m.given, m.extra().repaid)
		fmt.Fprintf(&b, "floor=%d holder=%v since=%d repeatable=%d newcomer=%v pending=%x grant=%+v\n", m.extra().floor, m.holder, m.since, m.repeatable, m.extra().newcomer, m.extra().secret, m.granted())
		if a := m.attachment; a != nil {
			fmt.Fprintf(&b, "catching up=%t fed=%d confirms=%t\n", a.catchingUp, a.fed, a.confirms)
		}
	}
	fmt.Fprintf(&b, "hidden=%t bytes=%d life=%d timeout=%v connected=%d banned=%v confirmed=%d accepted=%v stopped=%v told=%v stale=%v joins=%d\n",
		c.hidden, c.slavesBytes, c.life, c.timeout, c.connected, slices.Sorted(maps.Keys(c.banned)), c.up.confirmed, c.accepted, c.stopped, c.told, c.rosterStale, c.joins)
	fmt.Fprintf(&b, "muted=%t but %v\n", c.voice.all, c.voice.inOrder())
	if c.master != nil {
		one(c.master)
	}
	for _, name := range slices.Sorted(maps.Keys(c.slaves)) {
		one(c.slaves[name])
	}
	if d := c.door; d != nil {
		fmt.Fprintf(&b, "door %v knocks=%d due=%v stale=%t over=%d\n", d.mode, d.knocks, d.due, d.stale, len(d.over))
		for _, k := range d.waiting {
			fmt.Fprintf(&b, "knock %d of %s at %q ends=%v told=%t %+v\n", k.number, k.m.name, c.tags[k.a], k.ends, k.told, k.e)
		}
	}
	for _, q := range c.requests {
		fmt.Fprintf(&b, "question %d: awaited=%d of %v\n", q.seq, q.awaited, c.roster(q.awaits))
	}
	for _, e := range c.endings.snapshot(c.Channel) {
		fmt.Fprintf(&b, "question %d of %s ends at %v\n", e.Seq, e.Username, e.At)
	}
	for m := c.away.first; m != nil; m = m.next {
		fmt.Fprintf(&b, "waiting: %s\n", m.name)
	}
	for _, l := range []*replayLog{&c.down, &c.up} {
		fmt.Fprintf(&b, "newest=%d lost=%d common=%d bytes=%d kept=%v\n", l.newest, l.lost, l.lostCommon, l.bytes, l.numbers(0))
		for x := range l.changes.all() {
			fmt.Fprintf(&b, "%d: %s of %s is %s, fixed=%t\n", x.seq, x.key, x.owner.name, x.value.Data, x.fixed)
		}
	}
	return b.String()
}

func textMessage(ref uint64, text string) Message {
	return Message{Ref: ref, Payload: wire.Payload{Kind: wire.TextPayload, Data: []byte(text)}}
}

func messageTo(ref uint64, to, text string) Message {
	m := textMessage(ref, text)
	m.To, m.HasTo = to, true
	return m
}

// everyMemberTransition calls each transition that a member may ask for.
func (c *table) everyMemberTransition(a *Attachment) map[string]func() error {
	return map[string]func() error{
		"send":      func() error { return c.Send(a, textMessage(0, "x")) },
		"set":       func() error { return c.Set(a, AttributeChange{Ref: 9, Key: "k", Value: textMessage(0, "x").Payload}) },
		"send, ref": func() error { return c.Send(a, textMessage(100, "x")) },
		"leave":     func() error { return c.Leave(c.now, a, 9) },
		"again":     func() error { return c.again(c.now, a, 9) },
		"away":      func() error { return c.Away(c.now, a, 9) },
		"back":      func() error { return c.Back(c.now, a, 9) },
		"kick":      func() error { return c.Kick(a, 9, "user_1", false, "") },
		"ban":       func() error { return c.Kick(a, 9, "user_9", true, "") },
		"mute":      func() error { return c.Mute(a, 9, "user_1", true, true) },
		"mute all":  func() error { return c.Mute(a, 9, "", false, true) },
		"members":   func() error { return c.Members(a, 9, Page{}) },
		"withdraw":  func() error { return c.Withdraw(a, 9, 1) },
		"door":      func() error { return c.SetDoor(c.now, a, 9, wire.DoorLocked) },
		"awaiting":  func() error { return c.Awaiting(a, 9, 1, Page{}) },
	}
}
