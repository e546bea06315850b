package hub

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// appended is an engine that calls appended with each group behind its append.
type appended struct {
	*cluster.Local
	appended atomic.Pointer[func(cluster.Group)]
}

// then has f be called from now on.
func (a *appended) then(f func(cluster.Group)) { a.appended.Store(&f) }

func (a *appended) Append(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
	position, err := a.Local.Append(ctx, key, g)
	if f := a.appended.Load(); err == nil && f != nil {
		g.Position = position
		g.Body = slices.Clone(g.Body)
		(*f)(g)
	}
	return position, err
}

// owned is a channel of a hub of a cluster, and what is in its log.
type owned struct {
	t      *testing.T
	engine *appended
	hub    *Hub
	c      *delivery.Channel
	key    cluster.Key
	random *rand.Rand
	// at are the attachments of those that may be members, and secrets theirs.
	at      map[string]*star.Attachment
	entries int
	log     []cluster.Group
	// applied is the channel of all records.
	applied *star.Channel
}

func newOwned(t *testing.T, random *rand.Rand) *owned {
	o := &owned{t: t, engine: &appended{Local: cluster.NewLocal()}, key: cluster.KeyOf("abc123"), random: random, at: make(map[string]*star.Attachment)}
	config := Config{
		MasterTimeout: time.Hour, SlaveTimeout: time.Hour, MaxSlaves: 100_000, MaxChannels: 1, MaxMessageBytes: 1 << 20,
		Replay: star.Bound{Messages: 64, Bytes: 4 << 20}, Outbox: star.Bound{Messages: 1 << 16, Bytes: 1 << 26},
		PublicError: func(why *wire.Cause) error { return why }, Cluster: o.engine,
	}
	o.hub = New(config)
	require.NoError(t, o.hub.join(o.engine))
	o.applied = star.New("abc123", &o.hub.delivering.Limits)
	var err error
	o.c, err = o.hub.newChannel(t.Context(), "abc123")
	require.NoError(t, err)
	_, _, err = o.hub.addChannel("abc123", o.c)
	require.NoError(t, err)
	o.hub.clustered.register(o.c, nil)
	o.engine.then(o.take)
	return o
}

func (o *owned) end() {
	require.NoError(o.t, o.hub.Shutdown(context.Background()))
	require.NoError(o.t, o.engine.Close())
}

// take applies the records of a group.
func (o *owned) take(g cluster.Group) {
	_, items, err := inner.ParseGroup(g.Body)
	if err != nil {
		return // it is of another key
	}
	if h, _ := inner.ParseHeader(g.Body); o.c != nil && o.c.Journal() != nil && h.Incarnation != o.c.Journal().(*journal).owner.Incarnation {
		return
	}
	o.log = append(o.log, g)
	for _, item := range items {
		if item.Kind == inner.Record {
			require.NoError(o.t, o.applied.Apply(star.Record(item.Data)))
		}
	}
}

// entry is a fresh one.
func (o *owned) entry(name string) (*star.Attachment, star.Entry) {
	o.entries++
	a := &newRemoteSeat(remoteName{hub: cluster.HubID{1}, id: uint64(o.entries)}, uint64(o.entries)).Attachment
	o.at[name] = a
	text := fmt.Sprint("secret of ", name)
	return a, star.Entry{Ref: uint64(o.entries), Secret: star.Secret{Text: text, Hash: star.HashOf(text)}}
}

func (o *owned) create() {
	a, e := o.entry("alice")
	o.decide(func(rules *star.Channel, now time.Time) error { return rules.Create(now, a, e, "alice", 0) })
}

func (o *owned) join(name string) {
	a, e := o.entry(name)
	o.decide(func(rules *star.Channel, now time.Time) error { return rules.Join(now, a, e, name, "") })
}

func (o *owned) say(from, text string) {
	o.entries++
	message := star.Message{Ref: uint64(o.entries), Payload: wire.Payload{Kind: wire.TextPayload, Data: []byte(text)}}
	o.decide(func(rules *star.Channel, _ time.Time) error { return rules.Send(o.at[from], message) })
}

// decide has the channel decide something, which may be refused.
func (o *owned) decide(transition func(rules *star.Channel, now time.Time) error) {
	o.c.Decide(func(rules *star.Channel, now time.Time) { _ = transition(rules, now) })
}

// move has one of many things happen.
func (o *owned) move() {
	name := fmt.Sprint("user_", o.random.IntN(300))
	a := o.at[name]
	switch n := o.random.IntN(10); {
	case a == nil || n < 3:
		o.join(name)
	case n == 3:
		o.say("alice", strings.Repeat("x", o.random.IntN(100<<10)))
	case n == 4:
		o.say(name, "hello")
	case n == 5:
		o.decide(func(rules *star.Channel, now time.Time) error { rules.Lose(now, a); return nil })
	case n == 6:
		epoch := uint64(0)
		o.c.Decide(func(rules *star.Channel, _ time.Time) { _, epoch = rules.Membership(name) })
		again, e := o.entry(name)
		e.Epoch = epoch
		o.decide(func(rules *star.Channel, now time.Time) error { return rules.Resume(now, again, e, name, 0, 0) })
	case n == 7:
		o.decide(func(rules *star.Channel, now time.Time) error { return rules.Leave(now, a, 0) })
	case n == 8:
		o.decide(func(rules *star.Channel, _ time.Time) error {
			return rules.Kick(o.at["alice"], 0, name, o.random.IntN(3) == 0, "")
		})
	default:
		o.decide(func(rules *star.Channel, now time.Time) error { rules.Lose(now, o.at["alice"]); return nil })
		again, e := o.entry("alice")
		o.c.Decide(func(rules *star.Channel, _ time.Time) { _, e.Epoch = rules.Membership("alice") })
		o.decide(func(rules *star.Channel, now time.Time) error { return rules.Resume(now, again, e, "alice", 0, 0) })
	}
}

// state is all of a channel but times.
func state(t *testing.T, c *star.Channel) string {
	s := c.Snapshot()
	s.Stopped = time.Time{}
	s.Away = slices.Sorted(slices.Values(s.Away))
	for _, m := range append([]*star.MemberSnapshot{&s.Master}, pointers(s.Slaves)...) {
		m.Deadline, m.Repaid, m.Repeatable = time.Time{}, 0, min(m.Repeatable, 1)
	}
	for _, kept := range append(pointers(s.Down.Kept), pointers(s.Up.Kept)...) {
		kept.Payload.Data = binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(kept.Payload.Data))
	}
	written, err := json.Marshal(s)
	require.NoError(t, err)
	return string(written)
}

func pointers[T any](all []T) (to []*T) {
	for i := range all {
		to = append(to, &all[i])
	}
	return to
}

// read is the channel as a hub reads it that would take it over now.
func (o *owned) read() (*star.Channel, *inner.Pacing) {
	last, err := o.engine.Last(o.t.Context(), o.key)
	require.NoError(o.t, err)
	reading := taking{edge: &edge{hub: o.hub, channel: o.c, key: o.key}}
	require.NoError(o.t, o.hub.clustered.read(o.t.Context(), &reading, last), "at %d", last.Position)
	return reading.rules, reading.pacing
}

// waits passes so much time that a snapshot is written, in which the channel does nothing by itself.
func (o *owned) waits() {
	time.Sleep(o.engine.Keeps()/3 + o.engine.Keeps()/20)
	synctest.Wait()
}

// bases are how many different ones the groups have named.
func (o *owned) bases() int {
	named := map[cluster.Position]bool{}
	for _, g := range o.log {
		h, err := inner.ParseHeader(g.Body)
		require.NoError(o.t, err)
		named[h.Base] = true
	}
	return len(named)
}

// Between the parts of a snapshot comes what is decided meanwhile. Whoever reads the log at any point of it has the channel as
// it is there.
func TestWhatIsReadIsTheChannelAtAnyPoint(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOwned(t, rand.New(rand.NewPCG(seed, 5)))
				defer o.end()
				o.create()
				for i := range 300 {
					o.join(fmt.Sprint("user_", i))
				}
				for range 15 {
					o.say("alice", strings.Repeat("a", 64<<10))
				}
				synctest.Wait()
				between := 0
				o.engine.then(func(g cluster.Group) {
					o.take(g)
					if o.log[len(o.log)-1].Position != g.Position {
						return
					}
					rules, _ := o.read()
					require.Equal(t, state(t, o.applied), state(t, rules), "at %d", g.Position)
					if g.Kind == cluster.Part {
						for range o.random.IntN(4) {
							between++
							o.move()
						}
					}
				})
				for range 3 {
					o.waits()
					for range o.random.IntN(20) {
						o.move()
					}
					synctest.Wait()
				}
				require.Greater(t, o.bases(), 3)
				require.Greater(t, between, 10)
				o.c.Decide(func(rules *star.Channel, _ time.Time) { require.Equal(t, state(t, rules), state(t, o.applied)) })
			})
		})
	}
}

// Nobody waits for more than one part of a snapshot: what is decided meanwhile is the next group.
func TestAPartAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOwned(t, rand.New(rand.NewPCG(1, 5)))
		defer o.end()
		o.create()
		for range 40 {
			o.say("alice", strings.Repeat("a", 64<<10))
		}
		synctest.Wait()
		var kinds strings.Builder
		o.engine.then(func(g cluster.Group) {
			if o.take(g); o.log[len(o.log)-1].Position != g.Position {
				return
			}
			require.LessOrEqual(t, len(g.Body), cluster.MaxGroup)
			if kinds.WriteString(map[cluster.Kind]string{cluster.Shared: "d", cluster.Own: "u", cluster.Part: "s"}[g.Kind]); g.Kind == cluster.Part {
				o.say("alice", "now")
			}
		})
		o.waits()
		require.Regexp(t, "^(sd){10,}$", kinds.String())
	})
}

// The effects of what was decided are carried out before a part is written.
func TestAPartComesBehindItsEffects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOwned(t, rand.New(rand.NewPCG(1, 5)))
		defer o.end()
		o.create()
		for range 40 {
			o.say("alice", strings.Repeat("a", 64<<10))
		}
		synctest.Wait()
		var parts atomic.Int32
		o.engine.then(func(g cluster.Group) {
			if g.Kind != cluster.Part {
				return
			}
			if parts.Add(1) == 1 {
				go func() {
					o.say("alice", "now")
					assert.NoError(t, o.c.Flush(context.Background()))
					assert.LessOrEqual(t, parts.Load(), int32(2))
				}()
			}
			time.Sleep(time.Second)
		})
		o.waits()
		require.Greater(t, parts.Load(), int32(10))
	})
}

// A hub that leaves writes no more of a snapshot, and says that nobody owns the channel.
func TestWhoLeavesWritesNoMoreParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOwned(t, rand.New(rand.NewPCG(1, 5)))
		o.create()
		for range 40 {
			o.say("alice", strings.Repeat("a", 64<<10))
		}
		synctest.Wait()
		parts := 0
		left := make(chan struct{})
		o.engine.then(func(g cluster.Group) {
			if o.take(g); g.Kind == cluster.Part {
				if parts++; parts == 3 {
					go func() {
						defer close(left)
						o.end()
					}()
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
		o.waits()
		<-left
		require.LessOrEqual(t, parts, 5)
		h, err := inner.ParseHeader(o.log[len(o.log)-1].Body)
		require.NoError(t, err)
		require.Equal(t, inner.Free, h.Claim)
	})
}

// Who takes a channel over knows how old its snapshot is: however often it is taken over, what is needed of it does not
// expire. And what was written behind the snapshot counts for the next one.
func TestWhoTakesOverKnowsHowOldASnapshotIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOwned(t, rand.New(rand.NewPCG(1, 5)))
		defer o.end()
		o.create()
		synctest.Wait()
		time.Sleep(o.engine.Keeps() / 6)
		o.join("bob")
		synctest.Wait()
		_, pacing := o.read()
		require.False(t, pacing.Due(time.Now(), 1000))
		require.True(t, pacing.Due(time.Now().Add(o.engine.Keeps()/6), 1000), "a third of the time is over")
		for range 32 {
			o.say("alice", "hello")
			synctest.Wait()
		}
		_, pacing = o.read()
		require.True(t, pacing.Due(time.Now(), 100), "there is much to read")
	})
}
