package hub

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

func TestRateDefaults(t *testing.T) {
	fallback := RateLimit{PerSecond: 5, Burst: 50}
	require.Equal(t, fallback, RateLimit{}.orDefault(fallback))
	require.Equal(t, RateLimit{PerSecond: 3, Burst: 6}, RateLimit{PerSecond: 3}.orDefault(fallback))
	require.Equal(t, RateLimit{PerSecond: 5, Burst: 7}, RateLimit{Burst: 7}.orDefault(fallback))
	require.Equal(t, RateLimit{}, RateLimit{PerSecond: -1}.orDefault(fallback))
}

// A hub of a cluster has bounds that one alone has not.
func TestPolicyOfACluster(t *testing.T) {
	engine := cluster.NewLocalWith(cluster.LocalOptions{Keeps: time.Minute})
	defer engine.Close()
	for name, test := range map[string]struct {
		config Config
		says   string
	}{
		"as it is":         {Config{}, ""},
		"a large payload":  {Config{MaxMessageBytes: 128<<10 + 1}, "Policy.MaxMessageBytes is 131073, and between the hubs of a cluster a payload has 131072 at most"},
		"the largest":      {Config{MaxMessageBytes: 128 << 10}, ""},
		"a long timeout":   {Config{MasterTimeout: 30*time.Second + time.Millisecond}, "Policy.MasterTimeout is 30.001s, and the cluster keeps a channel of which nobody is there for 30s"},
		"no time for them": {Config{MasterTimeout: -1}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			test.config.Cluster = engine
			_, err := test.config.WithDefaults()
			if test.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.says)
			}
			test.config.Cluster = nil
			_, err = test.config.WithDefaults()
			require.NoError(t, err, "alone it can have that")
		})
	}
}
