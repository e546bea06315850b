//go:build unix

package websocket

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// On a socket of the system, one looks without waiting: times that are always over cost
// a peer nothing whose words lie there.
func TestLooksIntoTheSocket(t *testing.T) {
	near, far := socketPair(t)
	over := transport.ConnOptions{ProbeAfter: 1, GiveUp: 1, MessageTimeout: 1, ControlFramesPerSecond: -1}.WithDefaults(nil)
	c := NewConn(NewSocket(near), false, &over)
	for _, size := range []int{0, 1, 3000, 60_000} {
		message := strings.Repeat("x", size)
		_, err := far.Write(fuzzFrame(final|binaryFrame, message))
		require.NoError(t, err)
		got, err := c.Read()
		require.NoError(t, err, "a message of %d bytes", size)
		require.Equal(t, message, string(got))
	}
	// What does not lie there is judged at once.
	_, err := far.Write(fuzzFrame(binaryFrame, "more follows"))
	require.NoError(t, err)
	start := time.Now()
	_, err = c.Read()
	require.ErrorIs(t, err, transport.ErrSlow)
	require.Less(t, time.Since(start), 10*time.Second)
	require.NoError(t, far.Close())
	_ = c.Close(transport.Reason{Code: transport.Left})
}
