package hub

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// fuzzedConfig has bounds that small states can exceed.
func fuzzedConfig() Config {
	return Config{
		MasterTimeout: time.Minute, SlaveTimeout: time.Second, HandshakeTimeout: time.Second,
		MaxChannels: 3, MaxSlaves: 5, MaxMessageBytes: 100, MaxConnections: 1,
		Replay: star.Bound{Messages: 5, Bytes: 1 << 10}, Outbox: star.Bound{Messages: 5, Bytes: 1 << 10},
		PublicError: func(why *wire.Cause) error { return why },
	}
}

// withSums is the state with the checksums that its blocks should have, so that what is behind
// them is reached.
func withSums(state []byte) []byte {
	state = bytes.Clone(state)
	sum := uint32(0)
	for at := len(stateMagic) + 1; at+9 <= len(state); {
		head, size := state[at:at+9], int(binary.BigEndian.Uint32(state[at+1:])&(1<<31-1))
		if at += 9; size > len(state)-at {
			break
		}
		sum = crc32.Update(crc32.Update(sum, castagnoli, head[:5]), castagnoli, state[at:at+size])
		binary.BigEndian.PutUint32(head[5:], sum)
		at += size
	}
	return state
}

// FuzzRestore gives a new hub any bytes as the state that another one has left, as they are
// and with checksums that are right. Nothing of a state that is refused is there, and one that
// is taken can be left again: what is left then is a state that a hub takes, and leaves as it
// was.
func FuzzRestore(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte(stateMagic))
	f.Fuzz(func(t *testing.T, state []byte) {
		for _, state := range [][]byte{state, withSums(state)} {
			synctest.Test(t, func(t *testing.T) {
				again, ok := restoreAndExport(t, state)
				if !ok {
					return
				}
				twice, ok := restoreAndExport(t, again)
				require.True(t, ok)
				require.Equal(t, again, twice)
			})
		}
	})
}

// restoreAndExport returns what a hub leaves that goes on from the state, and whether it does.
func restoreAndExport(t *testing.T, state []byte) ([]byte, bool) {
	h := New(fuzzedConfig())
	err := h.Restore(bytes.NewReader(state))
	if err != nil {
		require.True(t, errors.Is(err, ErrBadState) || errors.Is(err, ErrOverPolicy), "%v", err)
		require.True(t, h.isNew())
		require.False(t, h.restored.Load())
	}
	require.NoError(t, h.Close())
	var left bytes.Buffer
	require.NoError(t, h.Export(&left))
	return left.Bytes(), err == nil
}
