package star

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

var attributeGames = flag.Int("attributegames", 300, "how many random games of attributes TestAttributesAreExact plays")

// watcher is a client that keeps the attributes of others, behind a queue in which an
// attribute has one place: what a hub and a client do with them, in few lines.
type watcher struct {
	name    string
	at      *Attachment
	pending []queuedFrame
	// last is the number of its newest message, known that of the newest of all that it was
	// told, and values are by member and key.
	last, known uint64
	values      map[[2]string]string
	// members are the numbers of the slaves' memberships.
	members map[string]uint64
	// got are the numbers of messages that have come, missed how many were told as lost.
	got    []uint64
	missed uint64
}

// queuedFrame waits in the queue. of is the attribute that it tells, if it tells one.
type queuedFrame struct {
	frame wire.Frame
	tells bool
	of    [2]string
}

// queue does what an effect says, as far as it is for the watcher.
func (w *watcher) queue(c *table, e Effect, inAudience bool) {
	if e.To != w.at && (!inAudience || e.Kind != SendAll && e.Kind != TellAll) {
		return
	}
	var of [2]string
	if e.Of != nil {
		of = [2]string{e.Subject(), e.Text}
	}
	switch e.Kind {
	case Tell, TellAll, Untell:
		w.pending = slices.DeleteFunc(w.pending, func(q queuedFrame) bool {
			return q.tells && (q.of == of || e.Text == "" && q.of[0] == of[0])
		})
		if e.Kind != Untell {
			w.pending = append(w.pending, queuedFrame{*c.frame(e.Packet), true, of})
		}
	case SendOne, SendReplay, SendPresence, SendAll:
		w.pending = append(w.pending, queuedFrame{frame: *c.frame(e.Packet)})
	}
}

// take takes up to n frames from the queue.
func (w *watcher) take(t *testing.T, n int) {
	for range min(n, len(w.pending)) {
		frame := w.pending[0].frame
		w.pending = w.pending[1:]
		switch frame.Type {
		case wire.Message:
			require.Greater(t, frame.Seq, w.last)
			require.Greater(t, frame.Seq, w.known, "the order is that of the numbers")
			w.last, w.known = frame.Seq, frame.Seq
			w.got = append(w.got, frame.Seq)
		case wire.Gap:
			w.missed += frame.Missed
		case wire.Attribute:
			require.Greater(t, frame.Seq, w.known, "the order is that of the numbers")
			w.last, w.known = max(w.last, frame.Seq), frame.Seq
			w.set(frame.From, frame.Code, frame.Payload)
		case wire.Reset:
			if frame.From == "" {
				w.known = 0
				clear(w.values)
				continue
			}
			require.Greater(t, frame.Seq, w.known)
			w.last, w.known = max(w.last, frame.Seq), frame.Seq
			w.forget(frame.From)
		case wire.Presence:
			if frame.State == wire.StateLeft || frame.Number != 0 {
				w.forget(frame.Username)
				w.members[frame.Username] = frame.Number
			}
			if frame.Attributes() != nil {
				require.Greater(t, frame.Seq, w.known)
				w.last, w.known = max(w.last, frame.Seq), frame.Seq
				for _, kv := range *frame.Attributes() {
					w.set(frame.Username, kv.Key, kv.Value)
				}
			}
		case wire.Created, wire.Members:
			if frame.Gap {
				w.missed = 1 << 32 // it is not told how many
			}
			if !frame.HasMembers {
				continue
			}
			listed := map[string]uint64{}
			for _, m := range frame.Members {
				listed[m.Username] = m.Number
			}
			maps.DeleteFunc(w.values, func(of [2]string, _ string) bool { return listed[of[0]] != w.members[of[0]] })
			w.members = listed
		}
	}
}

func (w *watcher) set(from, key string, value wire.Payload) {
	if value.Kind == wire.NoPayload {
		delete(w.values, [2]string{from, key})
	} else {
		w.values[[2]string{from, key}] = string(value.Data)
	}
}

func (w *watcher) forget(from string) {
	maps.DeleteFunc(w.values, func(of [2]string, _ string) bool { return of[0] == from })
}

// attributeGame is a channel of alice and two watchers: herself and the slave bob. Another
// slave, carol, comes and goes.
type attributeGame struct {
	*table
	random   *rand.Rand
	watchers [2]*watcher
	audience map[*Attachment]bool
	carol    *Attachment
	// sent are the numbers of the messages to bob and to alice.
	sent [2][]uint64
}

// step runs a transition, and queues what it tells.
func (g *attributeGame) step(transition func() error) error {
	err := g.do(transition)
	for _, e := range g.TakeEffects(nil) {
		switch e.Kind {
		case Admit:
			g.audience[e.To] = true
		case Dismiss:
			delete(g.audience, e.To)
		}
		for _, w := range g.watchers {
			w.queue(g.table, e, g.audience[w.at])
		}
	}
	return err
}

// resume brings the watcher back, where it is away, or to a new connection.
func (g *attributeGame) resume(w *watcher) {
	w.pending = nil
	known := w.known
	switch g.random.IntN(6) {
	case 0: // another client of the same user, with a ticket
		clear(w.values)
		clear(w.members)
		w.known, known = 0, 0
	case 1: // one that does not say what it knows
		known = 0
	}
	m := g.master
	if w.name != "alice" {
		m = g.slaves[w.name]
	}
	m.needExtras().repaid = 0
	w.at = g.on(w.name)
	require.NoError(g.t, g.step(func() error {
		return g.Resume(g.now, w.at, Entry{Ref: 1, Secret: given(g.secret(w.name))}, w.name, w.last, known)
	}))
}

func (g *attributeGame) value() wire.Payload {
	return textMessage(0, fmt.Sprint(g.random.IntN(1000), string(make([]byte, 1<<g.random.IntN(9))))).Payload
}

// move is one thing that happens.
func (g *attributeGame) move() {
	i := g.random.IntN(2)
	w, other := g.watchers[i], g.watchers[1-i]
	switch g.random.IntN(16) {
	case 0:
		_ = g.step(g.lostBy(w.at))
		w.pending = nil
	case 1:
		g.resume(w)
	case 2, 3, 4:
		w.take(g.t, g.random.IntN(8))
	case 5:
		if w.take(g.t, len(w.pending)); w.at.current() {
			_ = g.step(g.drains(w.at))
		}
	case 6, 7:
		n := g.sentTo(i).newest
		_ = g.step(func() error { return g.Send(other.at, textMessage(0, string(make([]byte, 1<<g.random.IntN(13))))) })
		if g.sentTo(i).newest > n {
			g.sent[i] = append(g.sent[i], g.sentTo(i).newest)
		}
	case 8:
		if g.carol.current() && g.random.IntN(2) == 0 {
			_ = g.step(func() error { return g.Leave(g.now, g.carol, 0) })
			return
		}
		g.carol = g.on("carol")
		e := Entry{Ref: 1, Secret: g.fresh("carol"), Attributes: wire.Attributes{{Key: "hand", Value: g.value()}}}
		_ = g.step(func() error { return g.Join(g.now, g.carol, e, "carol", "") })
	default:
		at := other.at
		if i == 0 && g.random.IntN(3) == 0 {
			at = g.carol
		}
		change := AttributeChange{Key: fmt.Sprint("key ", g.random.IntN(4))}
		if at != g.watchers[0].at && g.random.IntN(4) == 0 || g.random.IntN(40) == 0 {
			change.Key = fmt.Sprint("rare ", g.random.IntN(200))
		}
		if g.random.IntN(3) > 0 {
			change.Value = g.value()
		}
		_ = g.step(func() error { return g.Set(at, change) })
		if change.Key[0] == 'r' {
			_ = g.step(func() error { return g.Set(at, AttributeChange{Key: change.Key}) })
		}
	}
}

// sentTo is the log of what is sent to the watcher.
func (g *attributeGame) sentTo(i int) *replayLog {
	if i == 0 {
		return &g.up
	}
	return &g.down
}

// finish has both watchers come back and take all that there is.
func (g *attributeGame) finish(t *testing.T) {
	for i, w := range g.watchers {
		if !w.at.current() {
			g.resume(w)
		}
		behind := func() bool { return len(w.pending) > 0 || w.at.catchingUp || i == 0 && g.rosterStale }
		for n := 0; behind(); n++ {
			require.Less(t, n, 1000)
			w.take(t, len(w.pending))
			_ = g.step(g.drains(w.at))
		}
		want := map[[2]string]string{}
		for x := range g.sentTo(i).changes.all() {
			if !x.removed() {
				want[[2]string{x.owner.name, x.key}] = string(x.value.Data)
			}
		}
		require.Equal(t, want, w.values)
		require.GreaterOrEqual(t, w.missed+uint64(len(w.got)), uint64(len(g.sent[i])), "what is lost is told")
		for _, seq := range w.got {
			require.Contains(t, g.sent[i], seq)
		}
	}
}

// Whatever is lost on the way, and whoever comes back how often: in the end each has exactly
// the attributes that the others have, messages and changes have come in the order of their
// numbers, and no change has cost a message.
func TestAttributesAreExact(t *testing.T) {
	for seed := range uint64(*attributeGames) {
		random := rand.New(rand.NewPCG(seed, 14))
		c := newTable(t, Limits{Replay: Bound{Messages: []int{-1, 2, 20, 256}[random.IntN(4)]}})
		g := &attributeGame{table: c, random: random, audience: map[*Attachment]bool{}}
		for i, name := range []string{"alice", "bob"} {
			g.watchers[i] = &watcher{name: name, at: c.on(name), values: map[[2]string]string{}, members: map[string]uint64{}}
		}
		alice, bob := g.watchers[0], g.watchers[1]
		require.NoError(t, g.step(func() error { return c.create(c.now, alice.at, 1, "alice", 0) }))
		require.NoError(t, g.step(func() error { return c.join(c.now, bob.at, 1, "bob", "") }))
		g.carol = c.on("carol")
		require.NoError(t, g.step(func() error { return c.join(c.now, g.carol, 1, "carol", "") }))
		alice.at.Line.(*line).mark = 3
		what := func() {
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		}
		t.Cleanup(what)
		for range 150 {
			g.move()
		}
		g.finish(t)
	}
}
