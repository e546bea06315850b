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
	p.Logger, p.Observer = nil, nil
	require.Equal(t, Policy{
		MasterTimeout: 30 * time.Second, SlaveTimeout: 30 * time.Second,
		MaxSlaves: 20_000, MaxChannels: 10_000, MaxChannelsPerConn: 64, MaxMessage: 64 << 10,
		MaxConnections: 100_000, HandshakeTimeout: 10 * time.Second, HandshakeBytes: 16 << 10,
		Rate: Rate{1000, 2000}, SlaveRate: Rate{100, 200}, HoldTime: time.Second, WriteTimeout: 10 * time.Second,
		Outbox: Bound{256, 1 << 20}, Replay: Bound{256, 1 << 20},
	}, p)
}

func TestPolicyNegativeIsNone(t *testing.T) {
	p, err := Policy{
		MasterTimeout: -1, SlaveTimeout: -1, MaxSlaves: -1, MaxChannels: -1, MaxChannelsPerConn: -1,
		MaxConnections: -1, HandshakeTimeout: -1, HandshakeBytes: -1, WriteTimeout: -1, Replay: Bound{-1, -1},
		Rate: Rate{PerSecond: -1}, SlaveRate: Rate{PerSecond: -1, Burst: 7},
	}.validate()
	require.NoError(t, err)
	p.Logger, p.Observer = nil, nil
	require.Equal(t, Policy{
		MaxSlaves: unbounded, MaxChannels: unbounded, MaxChannelsPerConn: unbounded, MaxMessage: 64 << 10,
		MaxConnections: unbounded, HandshakeBytes: unbounded, HoldTime: time.Second, Outbox: Bound{256, 1 << 20},
	}, p)
}

func TestPolicyKeepsWhatIsGiven(t *testing.T) {
	given := Policy{
		MasterTimeout: 1, SlaveTimeout: 2, MaxSlaves: 3, MaxChannels: 4, MaxChannelsPerConn: 5, MaxMessage: 6,
		HandshakeTimeout: 7, WriteTimeout: 8, Outbox: Bound{9, 10}, Replay: Bound{11, 12},
		MaxConnections: 13, HandshakeBytes: 14, Rate: Rate{15, 16}, SlaveRate: Rate{17, 18}, Slow: SlowDropNewest, HoldTime: 19,
	}
	p, err := given.validate()
	require.NoError(t, err)
	p.Logger, p.Observer = nil, nil
	require.Equal(t, given, p)
}

func TestRateDefaults(t *testing.T) {
	fallback := Rate{PerSecond: 5, Burst: 50}
	require.Equal(t, fallback, Rate{}.orDefault(fallback))
	require.Equal(t, Rate{3, 6}, Rate{PerSecond: 3}.orDefault(fallback))
	require.Equal(t, Rate{5, 7}, Rate{Burst: 7}.orDefault(fallback))
	require.Equal(t, Rate{}, Rate{PerSecond: -1}.orDefault(fallback))
}

func TestPolicyErrors(t *testing.T) {
	tests := []struct {
		field  string
		policy Policy
	}{
		{"MaxMessage", Policy{MaxMessage: -1}},
		{"Outbox.Messages", Policy{Outbox: Bound{Messages: -1}}},
		{"Outbox.Bytes", Policy{Outbox: Bound{Bytes: -1}}},
		{"HoldTime", Policy{HoldTime: -1}},
	}
	for _, test := range tests {
		t.Run(test.field, func(t *testing.T) {
			_, err := NewHub(test.policy)
			require.EqualError(t, err, "lectern: Policy."+test.field+" must not be negative")
		})
	}
	_, err := NewHub(Policy{Slow: SlowHold + 1})
	require.ErrorContains(t, err, "Policy.Slow")
	_, err = NewHub(Policy{MaxMessage: -1, Outbox: Bound{Bytes: -1}})
	require.ErrorContains(t, err, "MaxMessage")
	require.ErrorContains(t, err, "Outbox.Bytes", "every field is named")
}
