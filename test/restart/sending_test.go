package restart

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// Who sends while hubs are replaced sees nothing of it: no send fails, each message arrives once
// and in order, in both directions, and each request gets the answer of everybody.
func TestSendingWhileHubsAreReplaced(t *testing.T) {
	// Slaves may be back for a second before their master is, whose dials were refused.
	policy := lectern.Policy{Replay: lectern.QueueLimit{Messages: 4096}}
	inBubble(t, policy, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		const slaves = 5
		over := make(chan struct{})
		var all, senders sync.WaitGroup
		until := func(pause time.Duration, do func(n int)) {
			senders.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-over:
						return
					case <-time.After(pause):
						do(n)
					}
				}
			})
		}
		// next expects the messages of one sender in their order.
		next := func(last map[string]int, m lectern.Message) {
			require.Equal(t, fmt.Sprint(last[m.From]), m.Text(), m.From)
			last[m.From]++
		}
		sent := make([]int, slaves+1)
		for i := range slaves {
			slave, err := a.client().Join(ctx, "abc123", fmt.Sprint("user", i))
			require.NoError(t, err)
			until(20*time.Millisecond, func(n int) {
				_, err := slave.Send(ctx, lectern.Text(fmt.Sprint(n)))
				require.NoError(t, err)
				sent[i] = n + 1
			})
			all.Go(func() {
				last := make(map[string]int)
				for event := range slave.Events(ctx) {
					switch e := event.(type) {
					case lectern.Gap:
						t.Error("a gap")
					case lectern.Message:
						if e.RequestID == 0 {
							next(last, e)
							continue
						}
						_, err := slave.Reply(ctx, e, lectern.Text("yes"))
						require.NoError(t, err)
					}
				}
				require.Equal(t, sent[slaves], last["alice"])
			})
		}
		until(20*time.Millisecond, func(n int) {
			_, err := master.Broadcast(ctx, lectern.Text(fmt.Sprint(n)))
			require.NoError(t, err)
			sent[slaves] = n + 1
		})
		until(50*time.Millisecond, func(int) {
			parts := 0
			for answer := range master.Gather(ctx, lectern.Text("ready?")) {
				require.NoError(t, answer.Err)
				parts++
			}
			require.Equal(t, slaves, parts)
		})
		received := make(map[string]int)
		all.Go(func() {
			for event := range master.Events(ctx) {
				if m, ok := event.(lectern.Message); ok {
					next(received, m)
				}
			}
		})

		for range 5 {
			time.Sleep(300 * time.Millisecond)
			state := a.stops(200 * time.Millisecond)
			time.Sleep(50 * time.Millisecond)
			a.starts(state)
		}
		time.Sleep(5 * time.Second)
		close(over)
		senders.Wait()
		time.Sleep(time.Second)
		require.NoError(t, master.Close())
		all.Wait()
		for i := range slaves {
			require.Equal(t, sent[i], received[fmt.Sprint("user", i)])
			require.Greater(t, sent[i], 50)
		}
	})
}

// A call that is made while hubs are replaced is made on one of them, but where there is none at
// that moment, which its error says.
func TestCallsWhileHubsAreReplaced(t *testing.T) {
	often := lectern.RateLimit{PerSecond: 10_000, Burst: 10_000}
	inBubble(t, lectern.Policy{MembershipRate: often}, func(t *testing.T, a *address) {
		c := a.client()
		master, err := c.Create(t.Context(), "first", "alice")
		require.NoError(t, err)
		over := make(chan struct{})
		var calls sync.WaitGroup
		for i := range 10 {
			calls.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-over:
						return
					case <-time.After(40 * time.Millisecond):
					}
					m, err := c.Create(t.Context(), fmt.Sprintf("channel %d of %d", n, i), "alice")
					if errors.Is(err, errRefused) {
						continue
					}
					require.NoError(t, err)
					require.NoError(t, m.Close())
				}
			})
		}
		for range 5 {
			time.Sleep(300 * time.Millisecond)
			state := a.stops(200 * time.Millisecond)
			time.Sleep(50 * time.Millisecond)
			a.starts(state)
		}
		time.Sleep(5 * time.Second)
		close(over)
		calls.Wait()
		require.NoError(t, master.Err())
		require.Len(t, channels(a), 1)
	})
}

func channels(a *address) (names []string) {
	for c := range a.hub.Channels() {
		names = append(names, c.Name())
	}
	return names
}
