//go:build linux

package machine_test

import (
	"math"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/machine"
)

// work keeps a processor busy until the process has used so much more of it.
func work(d time.Duration) {
	for end := machine.OwnTime() + d; machine.OwnTime() < end; {
	}
}

func TestUsage(t *testing.T) {
	then := machine.Look()
	work(100 * time.Millisecond) // some of the system's ticks
	own, others := machine.Look().Since(then)
	require.Positive(t, own)
	require.GreaterOrEqual(t, others, 0.0)
	require.Less(t, own+others, 1.5, "parts of a whole, but for what the ticks are off")
}

func TestUsageOfNoTime(t *testing.T) {
	now := machine.Look()
	own, others := now.Since(now)
	require.Zero(t, own)
	require.Zero(t, others)
}

func TestMemory(t *testing.T) {
	now, err := machine.Memory(os.Getpid(), "VmRSS")
	require.NoError(t, err)
	require.Greater(t, now, uint64(1<<20))
	most, err := machine.Memory(os.Getpid(), "VmHWM")
	require.NoError(t, err)
	require.Greater(t, most, uint64(1<<20))

	_, err = machine.Memory(os.Getpid(), "VmNothing")
	require.Error(t, err)
	_, err = machine.Memory(math.MaxInt32, "VmRSS")
	require.Error(t, err)
}
