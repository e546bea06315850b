package requests

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/internal/stage"
)

// TestRequestsOverManyCuts has a master gather, and everybody ask each other,
// while connections break and slaves come and go. Each part of a gather ends
// once, with the answer that its slave has given or with a reason, and no request
// goes on for longer than those that it waits for are there.
func TestRequestsOverManyCuts(t *testing.T) {
	policy := lectern.Policy{SlaveTimeout: 2 * time.Second, SlaveMessageRate: lectern.RateLimit{PerSecond: -1}}
	for i := range *rounds {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("round %d, seed %d", i, seed), func(t *testing.T) {
			n := stage.InMemory[seed%uint64(len(stage.InMemory))]
			memnet.TLS()
			synctest.Test(t, func(t *testing.T) { requestRound(t, stage.New(t, n, policy), seed) })
		})
	}
}

func requestRound(t *testing.T, s *stage.Stage, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	alice := s.User()
	master := alice.Creates("abc123", "alice")
	var users []*stage.User
	var wg sync.WaitGroup
	// Each slave answers the master, sooner or later, or leaves and comes back, and
	// asks now and then itself.
	for i := range 4 {
		u := s.User()
		users = append(users, u)
		first := u.Joins("abc123", fmt.Sprint("user_", i))
		habits := rand.New(rand.NewPCG(seed, uint64(i)+2))
		wg.Go(func() {
			slave := first
			for ctx.Err() == nil {
				for event, err := range slave.Events(ctx) {
					message, ok := event.(lectern.Message)
					switch roll := habits.IntN(20); {
					case err != nil || !ok || message.RequestID == 0:
						continue
					case roll < 2:
						_ = slave.Leave()
						continue
					case roll < 6:
						time.Sleep(time.Duration(habits.IntN(1500)) * time.Millisecond)
					}
					_, err = slave.Reply(ctx, message, lectern.Text(slave.Username()+" to "+message.Text()))
					if err != nil && ctx.Err() == nil && !errors.Is(err, lectern.ErrNoSuchRequest) && slave.Err() == nil {
						t.Errorf("Reply: %v", err)
					}
				}
				if ctx.Err() != nil {
					return
				}
				again, err := u.Join(ctx, "abc123", slave.Username())
				if err != nil {
					time.Sleep(100 * time.Millisecond)
					continue
				}
				slave = again
			}
		})
		wg.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				question := fmt.Sprintf("user_%d asks %d", i, k)
				asking, cancel := context.WithTimeout(ctx, 3*time.Second)
				answer, err := first.Request(asking, lectern.Text(question))
				cancel()
				if err == nil && answer.Text() != "alice to "+question {
					t.Errorf("to %q the answer was %q", question, answer.Text())
				}
				if first.Err() != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	wg.Go(func() {
		for event, err := range master.Events(ctx) {
			message, ok := event.(lectern.Message)
			if err == nil && ok && message.RequestID != 0 {
				_, _ = master.Reply(ctx, message, lectern.Text("alice to "+message.Text()))
			}
		}
	})
	everybody := append(users, alice)
	wg.Go(func() {
		for ctx.Err() == nil {
			victim := everybody[random.IntN(len(everybody))]
			victim.CutOff()
			time.Sleep(time.Duration(random.IntN(2500)) * time.Millisecond)
			victim.Bar(false)
			time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
		}
	})
	for k := range 15 {
		question := fmt.Sprint("question ", k)
		// Whoever is asked answers or leaves, so the context is never what ends it.
		patience, cancel := context.WithTimeout(ctx, 20*time.Second)
		seen := map[string]bool{}
		for answer := range master.Gather(patience, lectern.Text(question)) {
			require.False(t, seen[answer.From], "%s twice", answer.From)
			seen[answer.From] = true
			if answer.Err == nil {
				require.Equal(t, answer.From+" to "+question, answer.Message.Text())
				continue
			}
			require.ErrorIs(t, answer.Err, lectern.ErrNoSuchSlave, "%s", answer.From)
		}
		cancel()
	}
	stop()
	wg.Wait()
	// Nothing is left open.
	for _, u := range everybody {
		u.Bar(false)
	}
	time.Sleep(10 * time.Second)
	synctest.Wait()
	channel, ok := s.Hub.Channel("abc123")
	require.True(t, ok)
	shot, _ := channel.Snapshot()
	require.Zero(t, shot.OpenRequests)
	for _, slave := range shot.Slaves {
		require.Zero(t, slave.OpenRequests, slave.Username)
	}
}
