package main

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lectern-go/lectern"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const transcript = `200 customers wait for an agent
ada hands customer_101 over to ben
ben has customer_101 now, who speaks French and is in the order 4100
ada has answered 199 of them, and ben 1
ada has 199 customers over 1 connection, and ben 1
`

// An agent with 200 channels over one connection hands a customer to a colleague, who sees the
// customer's attributes and what was asked: as a message that is new to it, or, where the agent
// has confirmed that it has got it, among the open requests.
func TestACustomerIsHandedOver(t *testing.T) {
	for what, thinks := range map[string]time.Duration{"at once": 0, "after a while": 5 * time.Second} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub, err := lectern.NewHub(policy())
				require.NoError(t, err)
				defer func() { require.NoError(t, hub.Close()) }()
				var out strings.Builder
				require.NoError(t, story(t.Context(), &out, hub, hub, 200, func() { time.Sleep(thinks) }))
				require.Equal(t, transcript, out.String())
			})
		})
	}
}

// Over WebSocket on the loopback interface.
func TestTheProgram(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(context.Background(), &out))
	require.Equal(t, transcript, out.String())
}

// Who is no agent has no customers, and comes to nobody's channel but its own.
func TestTheDeskIsForAgents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(policy())
		require.NoError(t, err)
		defer func() { require.NoError(t, hub.Close()) }()
		_, err = hub.Create(t.Context(), "customer_1", "mallory")
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		master, err := hub.Create(t.Context(), "customer_1", "ada", lectern.WithToken(badge))
		require.NoError(t, err)
		_, err = hub.Join(t.Context(), "customer_1", "mallory")
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		customer, err := hub.Join(t.Context(), "customer_1", "customer_1")
		require.NoError(t, err)
		// A customer is not made an agent, not even by one.
		_, err = master.HandOver(t.Context(), "customer_1", true)
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		require.NoError(t, customer.Leave())
		require.NoError(t, master.Close())
	})
}
