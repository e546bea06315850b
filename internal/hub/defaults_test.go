package hub

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRateDefaults(t *testing.T) {
	fallback := RateLimit{PerSecond: 5, Burst: 50}
	require.Equal(t, fallback, RateLimit{}.orDefault(fallback))
	require.Equal(t, RateLimit{PerSecond: 3, Burst: 6}, RateLimit{PerSecond: 3}.orDefault(fallback))
	require.Equal(t, RateLimit{PerSecond: 5, Burst: 7}, RateLimit{Burst: 7}.orDefault(fallback))
	require.Equal(t, RateLimit{}, RateLimit{PerSecond: -1}.orDefault(fallback))
}
