package operating

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/cluster/clustertest"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// counted is a hub of a cluster whose counts are kept.
type counted struct {
	*lectern.Hub
	*stage.Ledger
	*lectern.Client
	id     cluster.HubID
	engine cluster.Engine
	log    stage.LockedBuffer
}

// pair runs a test with two hubs that have their channels together over a network, and no member.
func pair(t *testing.T, faults clustertest.Faults, test func(t *testing.T, n *clustertest.Network, a, b *counted)) {
	stage.OneHub(t, "two hubs of a cluster")
	synctest.Test(t, func(t *testing.T) {
		n := clustertest.NewNetwork(cluster.NewLocal(), 1, faults)
		hubs := []*counted{{}, {}}
		for _, h := range hubs {
			h.id, h.Ledger = cluster.NewHubID(), stage.NewLedger()
			h.engine = n.Hub(h.id)
			var err error
			h.Hub, err = lectern.NewHub(lectern.Policy{Cluster: h.engine, Observer: h.Ledger, Logger: slog.New(slog.NewTextHandler(&h.log, nil))})
			require.NoError(t, err)
			h.Client = lectern.NewClient(h.Hub, lectern.ClientOptions{})
		}
		t.Cleanup(func() {
			n.Heal()
			for _, h := range hubs {
				require.NoError(t, h.Client.Close())
				require.NoError(t, h.Hub.Close())
			}
			require.NoError(t, n.Close())
			time.Sleep(time.Minute) // members in this process have ended by then
			for _, h := range hubs {
				h.Has(t, map[string]int64{"cluster_edges": 0, "cluster_subscriptions": 0, "cluster_most_led": 0, "connections": 0, "channels": 0, "slaves": 0, "leaves shutdown": 0})
			}
		})
		test(t, n, hubs[0], hubs[1])
	})
}

func (h *counted) create(t *testing.T) *lectern.Master {
	master, err := h.Hub.Create(stage.Within(t), "abc123", "alice")
	require.NoError(t, err)
	return master
}

func (h *counted) join(t *testing.T, username string) *lectern.Slave {
	slave, err := h.Hub.Join(stage.Within(t), "abc123", username)
	require.NoError(t, err)
	return slave
}

// takes requires that the hub has become the owner once, for this cause.
func (h *counted) takes(t *testing.T, cause string) {
	h.Has(t, map[string]int64{"cluster_takeovers " + cause: 1})
	require.Equal(t, 1, strings.Count(h.log.Text(), `msg="channel taken over" channel=abc123 cause=`+cause+" "), h.log.Text())
	require.Equal(t, 1, strings.Count(h.log.Text(), "channel taken over"))
}

func TestMetricsOfACluster(t *testing.T) {
	pair(t, clustertest.Faults{Latency: time.Millisecond}, func(t *testing.T, n *clustertest.Network, a, b *counted) {
		idle := b.Count("cluster_subscriptions")
		require.Positive(t, idle)
		master, slave := a.create(t), b.join(t, "user_one")
		stage.Broadcast(t, master, "hello")
		time.Sleep(time.Second)
		committed := a.Count("cluster_appends committed")
		require.GreaterOrEqual(t, committed, int64(3)) // the create, the join, the message
		require.Len(t, a.Values(lectern.MetricAppendSeconds), int(committed))
		require.Len(t, a.Values(lectern.MetricGroupBytes), int(committed))
		for _, took := range a.Values(lectern.MetricAppendSeconds) {
			require.Less(t, took, 0.1)
			require.Positive(t, took)
		}
		for _, size := range a.Values(lectern.MetricGroupBytes) {
			require.Greater(t, size, 50.0)
		}
		a.Has(t, map[string]int64{"cluster_edges": 0})
		b.Has(t, map[string]int64{"cluster_edges": 1, "cluster_appends committed": 0, "cluster_subscriptions": idle + 1})

		require.NoError(t, slave.Leave())
		time.Sleep(10 * time.Second) // nobody is there any more
		b.Has(t, map[string]int64{"cluster_edges": 0, "cluster_subscriptions": idle})
		for _, h := range []*counted{a, b} {
			h.Has(t, map[string]int64{"cluster_leaderless_seconds": 0, "cluster_holes_filled": 0})
			require.NotContains(t, h.log.Text(), "channel taken over")
		}
		n.Elect(0, 5*time.Second)
		time.Sleep(10 * time.Second)
		require.InDelta(t, 5, a.Count("cluster_leaderless_seconds"), 1)
	})
}

// led is an engine whose shards have these leaders.
type led struct {
	cluster.Engine
	leaders atomic.Pointer[string] // a letter for each
}

func (l *led) State() cluster.State {
	s := l.Engine.State()
	s.Shards = slices.Clone(s.Shards)
	for i, letter := range *l.leaders.Load() {
		s.Shards[i].Leader = strings.TrimSpace(string(letter))
	}
	return s
}

func (l *led) lead(leaders string) { l.leaders.Store(&leaders) }

// How the leaders of the shards are spread is a gauge: how many of them one node has.
func TestMetricOfTheSpreadOfLeaders(t *testing.T) {
	stage.OneHub(t, "a hub of a cluster")
	synctest.Test(t, func(t *testing.T) {
		engine := &led{Engine: cluster.NewLocalWith(cluster.LocalOptions{Shards: 6})}
		engine.lead("abcabc")
		counts := stage.NewLedger()
		hub, err := lectern.NewHub(lectern.Policy{Cluster: engine, Observer: counts})
		require.NoError(t, err)
		for leaders, most := range map[string]int64{"abcabc": 2, "aaabcb": 3, "      ": 0, "aaaa  ": 4, "bbbbbb": 6} {
			engine.lead(leaders)
			time.Sleep(2 * time.Second)
			require.Equal(t, most, counts.Count("cluster_most_led"), leaders)
		}
		require.NoError(t, hub.Close())
		synctest.Wait()
		counts.Has(t, map[string]int64{"cluster_most_led": 0})
		require.NoError(t, engine.Close())
	})
}

// Whoever keeps a list from the events of one hub has the right one, of the channels that it owns.
func TestEventsOfAChannelThatMoves(t *testing.T) {
	pair(t, clustertest.Faults{Latency: time.Millisecond}, func(t *testing.T, n *clustertest.Network, a, b *counted) {
		lists := []*stage.Roster{stage.FollowEvents(a.Hub), stage.FollowEvents(b.Hub)}
		compare := func() {
			t.Helper()
			time.Sleep(time.Second)
			synctest.Wait()
			for _, list := range lists {
				require.NoError(t, list.Compare())
			}
		}
		kinds := make(chan lectern.EventKind, 100)
		go func() {
			defer close(kinds)
			for e := range a.Events(t.Context()) {
				kinds <- e.Kind
			}
		}()
		synctest.Wait()
		master := a.create(t)
		a.join(t, "user_one")
		slave := b.join(t, "user_two")
		compare()
		master, err := b.ResumeMaster(stage.Within(t), master.Ticket())
		require.NoError(t, err)
		compare()
		require.NoError(t, slave.Leave())
		a.join(t, "user_three")
		compare()
		_, err = a.ResumeMaster(stage.Within(t), master.Ticket())
		require.NoError(t, err)
		compare()
		n.Kill(a.id) // b takes over, when it has not heard of a for a while
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.NoError(t, lists[1].Compare())
		n.Heal()
		compare()
		require.NoError(t, lists[0].Stop())
		require.NoError(t, lists[1].Stop())
		require.Equal(t, []lectern.EventKind{
			lectern.EventCreated, lectern.EventJoined, lectern.EventJoined, lectern.EventMoved,
			lectern.EventCreated, lectern.EventJoined, lectern.EventJoined,
		}, []lectern.EventKind{<-kinds, <-kinds, <-kinds, <-kinds, <-kinds, <-kinds, <-kinds})
	})
}

// A hub that did not hear of it for a while that another one has its channel does not hear either what that one has decided
// meanwhile. Its slaves are told as soon as it knows, though nothing else comes.
func TestWhatWasDecidedBeforeTheFormerOwnerKnew(t *testing.T) {
	pair(t, clustertest.Faults{Latency: time.Millisecond, TailLost: 1}, func(t *testing.T, _ *clustertest.Network, a, b *counted) {
		other := lectern.NewClient(a.Hub, lectern.ClientOptions{})
		master, err := other.Create(stage.Within(t), "abc123", "alice")
		require.NoError(t, err)
		slave := a.join(t, "user_one")
		_, err = other.Detach(stage.Within(t))
		require.NoError(t, err)
		moved, err := b.ResumeMaster(stage.Within(t), master.Ticket())
		require.NoError(t, err)
		stage.Broadcast(t, moved, "hello")
		began := time.Now()
		stage.Receive(t, slave, "hello")
		require.Less(t, time.Since(began), 5*time.Second, "what is asked for by itself is the end of a log of which nothing was heard for 150 s")
	})
}

func TestTakeoversByCause(t *testing.T) {
	calm := clustertest.Faults{Latency: time.Millisecond}
	t.Run("the master comes back", func(t *testing.T) {
		pair(t, calm, func(t *testing.T, _ *clustertest.Network, a, b *counted) {
			master := a.create(t)
			a.join(t, "user_one")
			master, err := b.ResumeMaster(stage.Within(t), master.Ticket())
			require.NoError(t, err)
			stage.Broadcast(t, master, "hello")
			b.takes(t, "master_back")
			time.Sleep(time.Second)
			a.Has(t, map[string]int64{"cluster_edges": 1, "channels": 0, "slaves": 0})
			b.Has(t, map[string]int64{"cluster_edges": 0, "channels": 1, "slaves": 1})
		})
	})
	t.Run("the master hands over", func(t *testing.T) {
		pair(t, calm, func(t *testing.T, _ *clustertest.Network, a, b *counted) {
			master := a.create(t)
			b.join(t, "user_one")
			_, err := master.HandOver(stage.Within(t), "user_one", true)
			require.NoError(t, err)
			b.takes(t, "handed_over")
		})
	})
	t.Run("the owner does not answer", func(t *testing.T) {
		pair(t, calm, func(t *testing.T, n *clustertest.Network, a, b *counted) {
			a.create(t)
			slave := b.join(t, "user_one")
			n.Kill(a.id)
			killed := time.Now()
			stage.NextPresence(t, slave, "alice", lectern.StateAway)
			require.Less(t, time.Since(killed), 3*time.Second+10*calm.Latency) // two of silence, one to answer, and what calls take
			time.Sleep(10 * time.Second)
			b.takes(t, "unheard")
			b.Has(t, map[string]int64{"cluster_doubts asked": 1, "cluster_doubts answered": 0})
		})
	})
	t.Run("the owner ends", func(t *testing.T) {
		pair(t, calm, func(t *testing.T, _ *clustertest.Network, a, b *counted) {
			a.create(t)
			slave := b.join(t, "user_one")
			require.NoError(t, a.Shutdown(stage.Within(t)))
			stage.NextPresence(t, slave, "alice", lectern.StateAway)
			time.Sleep(3 * time.Second)
			b.takes(t, "given_up")
			b.Has(t, map[string]int64{"cluster_doubts asked": 0})
		})
	})
	t.Run("somebody looks for it", func(t *testing.T) {
		pair(t, calm, func(t *testing.T, n *clustertest.Network, a, b *counted) {
			a.create(t)
			n.Kill(a.id)
			_, err := b.Status(stage.Within(t), "abc123")
			require.NoError(t, err)
			time.Sleep(10 * time.Second)
			b.takes(t, "looked_for")
		})
	})
}

// Whoever is on a connection of a hub that ends moves to another hub before the connection is closed: nobody is told that somebody
// is away.
func TestNobodyIsAwayWhereAHubOfAClusterEnds(t *testing.T) {
	for name, within := range map[string]time.Duration{"in 5 s": 5 * time.Second, "without a deadline": 0} {
		t.Run(name, func(t *testing.T) {
			pair(t, clustertest.Faults{Latency: time.Millisecond}, func(t *testing.T, _ *clustertest.Network, a, b *counted) {
				client := func() *lectern.Client {
					c := lectern.NewClient(transport.DialAny(a.Hub, b.Hub), lectern.ClientOptions{})
					t.Cleanup(func() { require.NoError(t, c.Close()) })
					return c
				}
				master, err := client().Create(stage.Within(t), "abc123", "alice")
				require.NoError(t, err)
				handles := []stage.Handle{master, b.join(t, "there")}
				for i := range 30 {
					slave, err := client().Join(stage.Within(t), "abc123", fmt.Sprint("user_", i))
					require.NoError(t, err)
					handles = append(handles, slave)
				}
				time.Sleep(time.Second)
				ctx := context.Background()
				if within > 0 {
					var cancel func()
					ctx, cancel = context.WithTimeout(ctx, within)
					defer cancel()
				}
				began := time.Now()
				require.NoError(t, a.Shutdown(ctx))
				require.Less(t, time.Since(began), time.Second, "it does not wait when all have gone")
				time.Sleep(time.Second)
				stage.Broadcast(t, master, "hello")
				for _, h := range handles[1:] {
					stage.NextText(t, h, "hello")
				}
				for _, p := range master.Members() {
					require.Equal(t, lectern.StateOnline, p.State)
				}
				b.Has(t, map[string]int64{"lost slave": 0, "lost master": 0})
				a.Has(t, map[string]int64{"lost slave": 0, "lost master": 0})
			})
		})
	}
}

// Who cannot move is closed all the same, soon.
func TestWhoDoesNotMoveWhereAHubOfAClusterEnds(t *testing.T) {
	pair(t, clustertest.Faults{Latency: time.Millisecond}, func(t *testing.T, _ *clustertest.Network, a, b *counted) {
		master, err := a.Client.Create(stage.Within(t), "abc123", "alice")
		require.NoError(t, err)
		slave := b.join(t, "user_one")
		began := time.Now()
		require.NoError(t, a.Shutdown(t.Context()))
		require.Less(t, time.Since(began), 2*time.Second)
		stage.Ended(t, master, lectern.ErrShutdown)
		stage.NextPresence(t, slave, "alice", lectern.StateAway)
	})
}

// A hub that lives answers who doubts it, and nobody takes anything over.
func TestDoubtsAreCounted(t *testing.T) {
	pair(t, clustertest.Faults{Latency: time.Millisecond}, func(t *testing.T, n *clustertest.Network, a, b *counted) {
		a.create(t)
		b.join(t, "user_one")
		n.Cut(a.id, b.id)
		time.Sleep(10 * time.Second)
		require.Positive(t, b.Count("cluster_doubts asked"))
		require.Positive(t, a.Count("cluster_doubts answered"))
		b.Has(t, map[string]int64{"cluster_doubts answered": 0})
		require.NotContains(t, b.log.Text(), "channel taken over")
	})
}

// What goes wrong between a hub and the log is counted, and members notice nothing of it.
func TestFaultsOfTheLogAreCounted(t *testing.T) {
	faults := clustertest.Faults{Latency: time.Millisecond, AnswerLost: 0.2, AppendLost: 0.1, TailLost: 0.3}
	pair(t, faults, func(t *testing.T, _ *clustertest.Network, a, b *counted) {
		var master *lectern.Master
		var slave *lectern.Slave
		untilNotBusy(t, func(ctx context.Context) (err error) {
			master, err = a.Hub.Create(ctx, "abc123", "alice")
			return err
		})
		untilNotBusy(t, func(ctx context.Context) (err error) {
			slave, err = b.Hub.Join(ctx, "abc123", "user_one")
			return err
		})
		for range 30 {
			stage.Broadcast(t, master, "hello")
			stage.NextText(t, slave, "hello")
		}
		require.Positive(t, a.Count("cluster_appends unknown"))
		require.Positive(t, b.Count("cluster_holes_filled"))
	})
}

// untilNotBusy calls until the answer is not that the hub is busy.
func untilNotBusy(t *testing.T, call func(context.Context) error) {
	for {
		err := call(stage.Within(t))
		if !errors.Is(err, lectern.ErrBusy) {
			require.NoError(t, err)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// A hub that was cut off, and did not hear that another one has its channel by now, finds that something else is in the log.
func TestConflictsAreCounted(t *testing.T) {
	pair(t, clustertest.Faults{Latency: time.Millisecond}, func(t *testing.T, n *clustertest.Network, a, b *counted) {
		master := a.create(t)
		n.Freeze(a.id)
		joined := make(chan error, 1)
		go func() {
			_, err := a.Hub.Join(stage.Within(t), "abc123", "user_one")
			joined <- err
		}()
		_, err := b.ResumeMaster(stage.Within(t), master.Ticket())
		require.NoError(t, err)
		n.Thaw(a.id)
		require.NoError(t, <-joined)
		time.Sleep(10 * time.Second)
		a.Has(t, map[string]int64{"cluster_appends conflict": 1, "channels": 0})
		b.Has(t, map[string]int64{"channels": 1})
	})
}
