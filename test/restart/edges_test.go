package restart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// What is gauged is what there is, from the first moment of the new hub on.
func TestGaugesAfterARestore(t *testing.T) {
	inBubble(t, lectern.Policy{MasterTimeout: time.Minute, SlaveTimeout: 10 * time.Second}, func(t *testing.T, a *address) {
		ctx := t.Context()
		old := stage.NewLedger()
		a.policy.Observer = old
		require.NoError(t, a.hub.Close())
		a.starts(nil)
		_, err := a.client().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		slaves := a.client()
		for _, name := range []string{"user_one", "user_two"} {
			_, err = a.client().Join(ctx, "abc123", name)
			require.NoError(t, err)
		}
		_, err = slaves.Join(ctx, "abc123", "user_three")
		require.NoError(t, err)
		has := func(ledger *stage.Ledger, channels, slaves int64) {
			t.Helper()
			synctest.Wait()
			ledger.Has(t, map[string]int64{"channels": channels, "slaves": slaves})
		}
		for range 2 { // all are there, and come back
			state := a.stops(time.Second)
			has(a.policy.Observer.(*stage.Ledger), 0, 0)
			ledger := stage.NewLedger()
			a.policy.Observer = ledger
			a.starts(state)
			has(ledger, 1, 3)
			time.Sleep(3 * time.Second)
			has(ledger, 1, 3)
		}
		// The time of one is up at the start, and then that of all.
		require.NoError(t, slaves.Close())
		for _, test := range []struct {
			gap              time.Duration
			channels, slaves int64
		}{{10 * time.Second, 1, 0}, {time.Minute, 0, 0}} {
			state := a.stops(time.Second)
			time.Sleep(test.gap)
			ledger := stage.NewLedger()
			a.policy.Observer = ledger
			a.starts(state)
			has(ledger, test.channels, test.slaves)
		}
	})
}

// Who comes while a hub is being restored finds all of it or a hub that is new, and what is
// gauged is right.
func TestRestoreWhileServing(t *testing.T) {
	for range 30 {
		inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
			ctx := t.Context()
			_, err := a.client().Create(ctx, "abc123", "alice")
			require.NoError(t, err)
			state := a.stops(time.Second)
			ledger := stage.NewLedger()
			policy := a.policy
			policy.Observer = ledger
			hub, err := lectern.NewHub(policy)
			require.NoError(t, err)
			var restored, joined error
			var both sync.WaitGroup
			both.Go(func() { _, joined = hub.Join(ctx, "abc123", "user_one") })
			both.Go(func() { restored = hub.Restore(bytes.NewReader(state)) })
			both.Wait()
			a.mu.Lock()
			a.hub = hub
			a.mu.Unlock()
			synctest.Wait()
			expected := map[string]int64{}
			if restored == nil {
				expected["channels"] = 1
				require.ErrorIs(t, hub.Restore(bytes.NewReader(state)), lectern.ErrNotNew)
			} else {
				require.ErrorIs(t, restored, lectern.ErrNotNew)
			}
			if joined == nil {
				require.NoError(t, restored)
				expected["slaves"] = 1
			} else {
				require.ErrorIs(t, joined, lectern.ErrNoSuchChannel)
			}
			ledger.Has(t, expected)
		})
	}
}

// A hub is restored once, though there was nothing to restore, or nothing is left of it.
func TestRestoredOnce(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		empty := a.stops(time.Second)
		a.starts(empty)
		require.ErrorIs(t, a.hub.Restore(bytes.NewReader(empty)), lectern.ErrNotNew)
		_, err := a.client().Create(t.Context(), "abc123", "alice")
		require.NoError(t, err)
		over := a.stops(time.Second)
		time.Sleep(time.Minute)
		a.starts(over)
		require.ErrorIs(t, a.hub.Restore(bytes.NewReader(over)), lectern.ErrNotNew)
	})
}

// failing is a writer that takes so many bytes.
type failing int

var errFull = errors.New("the disk is full")

func (f *failing) Write(p []byte) (int, error) {
	if *f -= failing(len(p)); *f < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// Export waits for the end of the hub, can be called at the same time, and after an error.
func TestExportWhileShuttingDown(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		master, err := a.client().Create(t.Context(), "abc123", "alice")
		require.NoError(t, err)
		for i := range 100 {
			_, err := master.Broadcast(t.Context(), lectern.Text(fmt.Sprint(i, string(make([]byte, 2000)))))
			require.NoError(t, err)
		}
		old := a.hub
		require.ErrorIs(t, old.Export(io.Discard), lectern.ErrNotShutDown)
		var states [3]bytes.Buffer
		var exporting sync.WaitGroup
		ending := make(chan struct{})
		go func() { defer close(ending); a.stops(time.Second) }()
		for i := range states {
			exporting.Go(func() {
				for errors.Is(old.Export(&states[i]), lectern.ErrNotShutDown) {
					time.Sleep(time.Nanosecond)
				}
			})
		}
		exporting.Wait()
		<-ending
		require.Equal(t, states[0].Bytes(), states[1].Bytes())
		require.Equal(t, states[0].Bytes(), states[2].Bytes())
		for room := 0; room < states[0].Len(); room += 50_000 {
			full := failing(room)
			require.ErrorIs(t, old.Export(&full), errFull)
		}
		var again bytes.Buffer
		require.NoError(t, old.Export(&again))
		require.Equal(t, states[0].Bytes(), again.Bytes())
		a.starts(again.Bytes())
	})
}

// What was accepted before a shutdown that has no time is left all the same.
func TestExportAfterClose(t *testing.T) {
	for what, end := range map[string]func(ctx context.Context, hub *lectern.Hub) error{
		"closed":    func(_ context.Context, hub *lectern.Hub) error { return hub.Close() },
		"cut short": func(ctx context.Context, hub *lectern.Hub) error { _ = hub.Shutdown(ctx); return nil },
		"closed amid": func(_ context.Context, hub *lectern.Hub) error {
			done := make(chan error)
			go func() { done <- hub.Shutdown(context.Background()) }()
			return errors.Join(hub.Close(), <-done)
		},
	} {
		t.Run(what, func(t *testing.T) {
			inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
				master, err := a.client().Create(t.Context(), "abc123", "alice")
				require.NoError(t, err)
				slave, err := a.client().Join(t.Context(), "abc123", "user_one")
				require.NoError(t, err)
				for i := range 50 {
					stage.Broadcast(t, master, fmt.Sprint(i))
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				old := a.hub
				require.NoError(t, end(ctx, old))
				var state bytes.Buffer
				require.NoError(t, old.Export(&state))
				a.starts(state.Bytes())
				for i := range 50 {
					stage.Receive(t, slave, fmt.Sprint(i))
				}
				stage.Broadcast(t, master, "after")
				stage.Receive(t, slave, "after")
			})
		})
	}
}
