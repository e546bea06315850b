package natscluster

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

func TestGroupsAsMessages(t *testing.T) {
	for _, g := range []cluster.Group{
		{Position: 1, Kind: cluster.Shared, Nonce: cluster.Nonce{1}, Body: []byte{}},
		{Position: 7, After: 6, Before: 5, Kind: cluster.Own, Nonce: cluster.NewNonce(), Body: []byte("body")},
		{Position: 1 << 63, After: 1<<63 - 1, Before: 1 << 62, Kind: cluster.Part, Nonce: cluster.NewNonce(), Body: make([]byte, cluster.MaxGroup)},
	} {
		b := encode(g)
		require.LessOrEqual(t, len(b), len(g.Body)+32)
		got, err := decode("lectern.x.log.0.KEY."+kindTokens[g.Kind], uint64(g.Position), b)
		require.NoError(t, err)
		require.Equal(t, g, got)
	}
}

// These bytes are in streams: they stay as they are.
func TestAGroupsBytes(t *testing.T) {
	g := cluster.Group{After: 300, Before: 2, Kind: cluster.Shared, Nonce: cluster.Nonce{1, 2, 3, 4, 5, 6, 7, 8}, Body: []byte("b")}
	require.Equal(t, []byte{1, 1, 2, 3, 4, 5, 6, 7, 8, 0xac, 0x02, 2, 'b'}, encode(g))
}

// What is no group is an error, and nothing else.
func FuzzDecode(f *testing.F) {
	f.Add("log.d", uint64(1), encode(cluster.Group{Nonce: cluster.Nonce{1}}))
	f.Add("log.u", uint64(9), []byte{version})
	f.Add("", uint64(0), []byte(nil))
	f.Fuzz(func(t *testing.T, subject string, position uint64, b []byte) {
		g, err := decode(subject, position, b)
		if err != nil {
			require.ErrorIs(t, err, errNoGroup)
			require.Zero(t, g)
			return
		}
		again, err := decode(subject, position, encode(g))
		require.NoError(t, err)
		require.Equal(t, g, again)
	})
}

// One nonce under two keys is two ids.
func TestMessageIDs(t *testing.T) {
	nonce := cluster.NewNonce()
	key := cluster.KeyOf("k")
	ids := map[string]bool{messageID(key, nonce): true, messageID(key, cluster.NewNonce()): true}
	for i := range key {
		other := key
		other[i] ^= 1
		ids[messageID(other, nonce)] = true
	}
	require.Greater(t, len(ids), 8)
	other := key
	other[15] ^= 1
	require.NotEqual(t, messageID(key, nonce), messageID(other, nonce))
	require.Equal(t, messageID(key, nonce), messageID(key, nonce))
	require.Len(t, messageID(key, nonce), 11)
}
