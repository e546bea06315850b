package restart

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// address is where clients find a hub: now one, then the one that takes its place.
type address struct {
	t      *testing.T
	policy lectern.Policy

	mu  sync.Mutex
	hub *lectern.Hub
}

var errRefused = errors.New("connection refused")

// Dial makes the address a transport.Dialer.
func (a *address) Dial(ctx context.Context) (transport.Conn, error) {
	a.mu.Lock()
	hub := a.hub
	a.mu.Unlock()
	if hub == nil {
		return nil, errRefused
	}
	conn, err := hub.Dial(ctx)
	if err != nil {
		return nil, errRefused // another one may come
	}
	return conn, nil
}

// inBubble runs a test with an address at which there is a hub.
func inBubble(t *testing.T, policy lectern.Policy, test func(t *testing.T, a *address)) {
	synctest.Test(t, func(t *testing.T) {
		a := &address{t: t, policy: policy}
		a.starts(nil)
		test(t, a)
		require.NoError(t, a.hub.Close())
	})
}

// starts starts a hub that goes on from that state, or is new.
func (a *address) starts(state []byte) {
	a.t.Helper()
	hub, err := lectern.NewHub(a.policy)
	require.NoError(a.t, err)
	if state != nil {
		require.NoError(a.t, hub.Restore(bytes.NewReader(state)))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hub = hub
}

// stops shuts the hub down, and returns what it has left. It is closed at once where it has
// no time.
func (a *address) stops(within time.Duration) []byte {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), within)
	defer cancel()
	_ = a.hub.Shutdown(ctx)
	var state bytes.Buffer
	require.NoError(a.t, a.hub.Export(&state))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hub = nil
	return state.Bytes()
}

// crashes ends the hub without leaving anything.
func (a *address) crashes() {
	a.mu.Lock()
	hub := a.hub
	a.hub = nil
	a.mu.Unlock()
	require.NoError(a.t, hub.Close())
}

func (a *address) client() *lectern.Client {
	c := lectern.NewClient(a, lectern.ClientOptions{})
	a.t.Cleanup(func() { require.NoError(a.t, c.Close()) })
	return c
}
