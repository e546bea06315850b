package lectern

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPolicyDefaults(t *testing.T) {
	p, err := Policy{}.validate()
	require.NoError(t, err)
	require.NotNil(t, p.Logger)
	p.Logger = nil
	require.Equal(t, Policy{
		MasterTimeout: 30 * time.Second, SlaveTimeout: 30 * time.Second,
		MaxSlaves: 20_000, MaxChannels: 10_000, MaxChannelsPerConn: 64, MaxMessage: 64 << 10,
		HandshakeTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		Outbox: Bound{256, 1 << 20}, Replay: Bound{256, 1 << 20},
	}, p)
}

func TestPolicyNegativeIsNone(t *testing.T) {
	p, err := Policy{
		MasterTimeout: -1, SlaveTimeout: -1, MaxSlaves: -1, MaxChannels: -1, MaxChannelsPerConn: -1,
		HandshakeTimeout: -1, WriteTimeout: -1, Replay: Bound{-1, -1},
	}.validate()
	require.NoError(t, err)
	p.Logger = nil
	require.Equal(t, Policy{
		MaxSlaves: unbounded, MaxChannels: unbounded, MaxChannelsPerConn: unbounded, MaxMessage: 64 << 10,
		Outbox: Bound{256, 1 << 20},
	}, p)
}

func TestPolicyKeepsWhatIsGiven(t *testing.T) {
	given := Policy{
		MasterTimeout: 1, SlaveTimeout: 2, MaxSlaves: 3, MaxChannels: 4, MaxChannelsPerConn: 5, MaxMessage: 6,
		HandshakeTimeout: 7, WriteTimeout: 8, Outbox: Bound{9, 10}, Replay: Bound{11, 12},
	}
	p, err := given.validate()
	require.NoError(t, err)
	p.Logger = nil
	require.Equal(t, given, p)
}

func TestPolicyErrors(t *testing.T) {
	tests := []struct {
		field  string
		policy Policy
	}{
		{"MaxMessage", Policy{MaxMessage: -1}},
		{"Outbox.Messages", Policy{Outbox: Bound{Messages: -1}}},
		{"Outbox.Bytes", Policy{Outbox: Bound{Bytes: -1}}},
	}
	for _, test := range tests {
		t.Run(test.field, func(t *testing.T) {
			_, err := NewHub(test.policy)
			require.EqualError(t, err, "lectern: Policy."+test.field+" must not be negative")
		})
	}
	_, err := NewHub(Policy{MaxMessage: -1, Outbox: Bound{Bytes: -1}})
	require.ErrorContains(t, err, "MaxMessage")
	require.ErrorContains(t, err, "Outbox.Bytes", "every field is named")
}
