package cluster

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Keys are the same in every program for ever: hubs of other versions and other engines
// find a log by them.
func TestKeys(t *testing.T) {
	key := KeyOf("lesson 1")
	require.Equal(t, "KZHBTPPCDJKKHROXLPEV2E2PDE", key.String())
	require.Equal(t, 14, key.Shard(16))
	require.NotEqual(t, key, KeyOf("lesson 2"))
	long := strings.Repeat("n", 5000)
	require.NotEqual(t, KeyOf(long), KeyOf(long+"n"))
	require.Len(t, KeyOf(long).String(), 26)

	spread := make([]int, 16)
	for i := range 1600 {
		spread[KeyOf(strings.Repeat("x", i)).Shard(16)]++
	}
	for shard, n := range spread {
		require.Greater(t, n, 50, "shard %d of 16 has %d of 1,600 keys", shard, n)
	}
}

// An id is written in one way alone.
func TestHubIDs(t *testing.T) {
	id := NewHubID()
	require.NotEqual(t, id, NewHubID())
	parsed, err := ParseHubID(id.String())
	require.NoError(t, err)
	require.Equal(t, id, parsed)
	for _, bad := range []string{"", "A", strings.ToLower(HubID{1}.String()), HubID{}.String()[:25] + "B", HubID{}.String() + "A", strings.Repeat("=", 26)} {
		_, err := ParseHubID(bad)
		require.Error(t, err, bad)
	}
}
