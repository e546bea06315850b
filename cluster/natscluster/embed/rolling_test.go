package embed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/cluster/natscluster"
)

// Three servers are stopped and started again, one after the other, while channels go on: every append that succeeded is there, once
// and at its place; a tail has each, with its holes filled; and at the end the leaders are spread again.
func TestServersStartAgainOneByOne(t *testing.T) {
	o := natscluster.Options{Name: "lessons", Shards: 4, Replicas: 3}
	servers := start(t, 3, o)
	var engines []*natscluster.Engine
	for range 2 {
		engines = append(engines, open(t, servers.URL(), o, hub))
	}
	over := make(chan struct{})
	var playing sync.WaitGroup
	var channels []*channel
	for i := range 6 {
		c := &channel{t: t, key: cluster.KeyOf(string(rune('a' + i))), owner: engines[i%2], edge: engines[(i+1)%2], grew: make(chan struct{}, 1)}
		channels = append(channels, c)
		stop, err := c.edge.Tail(c.key, c.hear)
		require.NoError(t, err)
		defer stop()
		playing.Go(func() { c.play(over) })
	}
	for i := range 3 {
		servers.Stop(i)
		grown(t, channels)
		require.NoError(t, servers.Restart(i))
		whole(t, servers, o)
		grown(t, channels)
	}
	close(over)
	playing.Wait()
	for _, c := range channels {
		c.check()
	}

	balancer := open(t, servers.URL(), o, nats.UserInfo("balancer", "balancer"))
	require.NoError(t, balancer.Balance(patient(t)))
	leads := map[string]int{}
	for _, s := range balancer.State().Shards {
		leads[s.Leader]++
	}
	for leader, n := range leads {
		require.LessOrEqual(t, n, 2, leader)
	}
}

// channel is one that goes on: an owner that appends, and an edge that follows.
type channel struct {
	t           *testing.T
	key         cluster.Key
	owner, edge *natscluster.Engine
	grew        chan struct{} // of capacity 1

	mu    sync.Mutex
	log   []cluster.Group // what is known to be appended
	heard []cluster.Group // by the tail, holes not filled
}

func (c *channel) hear(g cluster.Group) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, g)
}

func (c *channel) play(over chan struct{}) {
	var last cluster.Position
	for {
		g := group(last, last)
		for {
			p, err := c.owner.Append(context.Background(), c.key, g)
			if err == nil {
				last = p
				break
			}
			if errors.Is(err, cluster.ErrConflict) {
				c.t.Errorf("an append without a rival: %v", err)
				return
			}
			select {
			case <-over:
				return
			case <-time.After(10 * time.Millisecond): // as hubs do
			}
		}
		g.Position = last
		c.mu.Lock()
		c.log = append(c.log, g)
		c.mu.Unlock()
		select {
		case c.grew <- struct{}{}:
		default:
		}
		select {
		case <-over:
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (c *channel) length() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.log)
}

// grown waits until every channel has appended some more.
func grown(t *testing.T, channels []*channel) {
	var before []int
	for _, c := range channels {
		before = append(before, c.length())
	}
	ctx := patient(t)
	for i, c := range channels {
		for c.length() < before[i]+5 {
			select {
			case <-c.grew:
			case <-ctx.Done():
				require.Fail(t, "a channel stands still")
			}
		}
	}
}

// whole waits until every stream has three replicas that are up to date, which nobody tells: it has to ask.
func whole(t *testing.T, servers *Servers, o natscluster.Options) {
	js := js(t, servers)
	ctx := patient(t)
	for shard := range o.Shards {
		seen := "nothing"
		for ; ; time.Sleep(50 * time.Millisecond) {
			require.NoError(t, ctx.Err(), "a replica does not catch up: %s", seen)
			within, cancel := context.WithTimeout(ctx, time.Second) // a request to a leader that has gone is not answered
			s, err := js.Stream(within, "LECTERN_lessons_"+string(rune('0'+shard)))
			cancel()
			if err != nil {
				seen = err.Error()
				continue
			}
			info := s.CachedInfo()
			if info.Cluster != nil && len(info.Cluster.Replicas) == 2 && info.Cluster.Leader != "" &&
				!slices.ContainsFunc(info.Cluster.Replicas, func(r *jetstream.PeerInfo) bool { return !r.Current || r.Offline }) {
				break
			}
			if info.Cluster != nil {
				seen = "leader " + info.Cluster.Leader
				for _, r := range info.Cluster.Replicas {
					seen += fmt.Sprintf(", %+v", *r)
				}
			}
		}
	}
}

// check holds the log and the tail against what is known to be appended.
func (c *channel) check() {
	ctx := patient(c.t)
	end, err := c.owner.LastLinearizable(ctx, c.key)
	require.NoError(c.t, err)
	var log []cluster.Group
	for g, err := range c.edge.Read(ctx, c.key, cluster.Every, 0, end.Position) {
		require.NoError(c.t, err)
		log = append(log, g)
	}
	require.Contains(c.t, []int{len(c.log), len(c.log) + 1}, len(log), "the last append may be one whose outcome nobody waited for")
	last := cluster.Position(0)
	for i, g := range log {
		require.Equal(c.t, last, g.After)
		last = g.Position
		if i < len(c.log) {
			require.Equal(c.t, c.log[i].Nonce, g.Nonce)
			require.Equal(c.t, c.log[i].Position, g.Position)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var followed []cluster.Group
	at := cluster.Position(0)
	for _, g := range append(c.heard, cluster.Group{Before: end.Position}) {
		if g.Before > at {
			for missing, err := range c.edge.Read(ctx, c.key, cluster.Shared, at, g.Before) {
				require.NoError(c.t, err)
				followed = append(followed, missing)
			}
			at = g.Before
		}
		if g.Position > at {
			followed = append(followed, g)
			at = g.Position
		}
	}
	require.Len(c.t, followed, len(log))
	for i, g := range followed {
		require.Equal(c.t, log[i].Position, g.Position)
		require.Equal(c.t, log[i].Nonce, g.Nonce)
	}
}
