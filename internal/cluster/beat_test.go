package cluster_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/cluster"
)

func TestBeatIsReadAsItWasSaid(t *testing.T) {
	for _, beat := range []cluster.Beat{
		{},
		{Leaving: true, Version: 1, Channels: 2, Connections: 3, Name: "a"},
		{Version: math.MaxUint64, Channels: 1 << 40, Connections: 127, Name: strings.Repeat("ü", cluster.MaxHubName/2)},
	} {
		b := beat.Append([]byte("before"))
		require.Equal(t, "before", string(b[:6]))
		got, err := cluster.ParseBeat(b[6:])
		require.NoError(t, err)
		require.Equal(t, beat, got)
	}
}

// A hub is not silenced by its name.
func TestBeatOfAnyNameIsTaken(t *testing.T) {
	for name, told := range map[string]string{
		"\xff\xfe": "?",
		strings.Repeat("a", cluster.MaxHubName+1):     strings.Repeat("a", cluster.MaxHubName),
		"a" + strings.Repeat("ü", cluster.MaxHubName): "a" + strings.Repeat("ü", cluster.MaxHubName/2-1),
		strings.Repeat("\xff", 1000) + "b":            "?b",
	} {
		got, err := cluster.ParseBeat(cluster.Beat{Name: name}.Append(nil))
		require.NoError(t, err, "%q", name)
		require.Equal(t, told, got.Name)
	}
}

// A later version may say more, in bits and behind.
func TestBeatOfALaterVersion(t *testing.T) {
	b := cluster.Beat{Leaving: true, Version: 9, Name: "n"}.Append(nil)
	b[0] |= 0xfe
	b = append(b, make([]byte, cluster.MaxBeat-len(b))...)
	got, err := cluster.ParseBeat(b)
	require.NoError(t, err)
	require.Equal(t, cluster.Beat{Leaving: true, Version: 9, Name: "n"}, got)
	_, err = cluster.ParseBeat(append(b, 0))
	require.ErrorIs(t, err, cluster.ErrBeat, "larger than any")
}

func TestWhatIsNoBeat(t *testing.T) {
	whole := cluster.Beat{Version: 300, Channels: 1, Connections: 2, Name: "name"}.Append(nil)
	for n := range whole {
		_, err := cluster.ParseBeat(whole[:n])
		require.ErrorIs(t, err, cluster.ErrBeat, "%d bytes", n)
	}
	for name, b := range map[string][]byte{
		"not the shortest form":    {0, 0x80, 0x00, 0, 0, 0},
		"more than a number":       append([]byte{0}, append(bytes.Repeat([]byte{0xff}, 10), 1, 0, 0, 0)...),
		"a name that is not UTF-8": {0, 0, 0, 0, 1, 0xff},
		"a name that is too long":  append([]byte{0, 0, 0, 0, cluster.MaxHubName + 1, 1}, make([]byte, 300)...),
	} {
		_, err := cluster.ParseBeat(b)
		require.ErrorIs(t, err, cluster.ErrBeat, name)
	}
}

func FuzzParseBeat(f *testing.F) {
	f.Add(cluster.Beat{Leaving: true, Version: 1, Channels: 200, Connections: 3, Name: "hub"}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		beat, err := cluster.ParseBeat(b)
		require.Equal(t, before, b)
		if err != nil {
			require.Equal(t, cluster.Beat{}, beat)
			return
		}
		require.True(t, utf8.ValidString(beat.Name))
		again := beat.Append(nil)
		before[0] &= 1 // the bits that are known
		require.True(t, bytes.HasPrefix(before, again), "%x is not how %x begins", again, b)
	})
}
