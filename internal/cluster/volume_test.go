package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What was written counts for as long as it is kept, and not for much longer.
func TestVolume(t *testing.T) {
	const keeps = 15 * time.Minute
	begun := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return begun.Add(d) }
	v := NewVolume(keeps, begun)
	require.Zero(t, v.Bytes(begun))
	v.Wrote(begun, 0, 1000)
	v.Wrote(begun, keeps-1, 100)  // which was read when the channel was taken over
	v.Wrote(begun, 2*keeps, 1000) // which has expired
	require.Equal(t, 1100+2*groupRoom, v.Bytes(begun))
	v.Wrote(at(10*time.Minute), 0, 10)
	require.Equal(t, 1010+2*groupRoom, v.Bytes(at(10*time.Minute)), "what was written before is gone")
	require.Equal(t, 1010+2*groupRoom, v.Bytes(at(keeps)))
	require.Equal(t, 10+groupRoom, v.Bytes(at(keeps+time.Minute)))
	require.Equal(t, 10+groupRoom, v.Bytes(at(keeps+9*time.Minute)))
	require.Zero(t, v.Bytes(at(keeps+11*time.Minute)))
	v.Wrote(at(5*keeps), 0, 1)
	require.Equal(t, 1+groupRoom, v.Bytes(at(5*keeps)), "a long time lets all go")
	require.Equal(t, 1+groupRoom, v.Bytes(begun), "time does not go back")
}
