package faults

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/internal/stage"
)

// This file is the hubs of a round: one, or several of a cluster, with the flag -hubs. Each connection is to any of them then.

// newHubs makes the hubs of a round, whose policy gets what they share.
func newHubs(t *testing.T, policy *lectern.Policy) []*lectern.Hub {
	count := 1
	if stage.Count() > 0 {
		count = stage.Count()
		engine := cluster.NewLocalWith(cluster.LocalOptions{Keeps: time.Hour})
		t.Cleanup(func() { require.NoError(t, engine.Close()) })
		policy.Cluster = engine
	}
	var hubs []*lectern.Hub
	for range count {
		hub, err := lectern.NewHub(*policy)
		require.NoError(t, err)
		hubs = append(hubs, hub)
	}
	return hubs
}

// replaceOneOf has a new hub take the place of one of several, to which its members move meanwhile: nobody may notice.
func (r *faultRound) replaceOneOf(random *rand.Rand) {
	r.mu.Lock()
	r.replacements = append(r.replacements, replacement{stopped: time.Now(), oneOf: true})
	this := &r.replacements[len(r.replacements)-1]
	r.mu.Unlock()
	i := random.IntN(len(r.present()))
	old, stop := r.present()[i], r.address.leaveOne(i)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.Int64N(int64(300*time.Millisecond))))
	defer cancel()
	_ = old.Shutdown(ctx) // hurried where it takes too long, which is no fault
	r.endOfEventsOf(i)
	stop()
	time.Sleep(time.Duration(random.Int64N(int64(faultS / 4))))
	next, err := lectern.NewHub(r.clustered)
	if err != nil {
		r.fail("a hub that joins others: %w", err)
		return
	}
	r.mu.Lock()
	r.hubs = slices.Clone(r.hubs)
	r.hubs[i] = next
	r.readers[i] = r.followsOne(next)
	this.back = time.Now()
	r.mu.Unlock()
	r.address.serveOne(i, next)
}

// channel is the channel as the hub has it that owns it.
func (r *faultRound) channel(name string) (*lectern.Channel, bool) {
	for _, hub := range r.present() {
		if c, ok := hub.Channel(name); ok {
			return c, true
		}
	}
	return nil, false
}

// shutHubs shuts all hubs down at once.
func (r *faultRound) shutHubs(ctx context.Context) error {
	hubs := r.present()
	errs := make([]error, len(hubs))
	var ending sync.WaitGroup
	for i, hub := range hubs {
		ending.Go(func() { errs[i] = hub.Shutdown(ctx) })
	}
	ending.Wait()
	return errors.Join(errs...)
}
