//go:build unix

package netconn

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// On a socket of the system, one looks without waiting: times that are always over cost
// a peer nothing whose words lie there.
func TestLooksIntoTheSocket(t *testing.T) {
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	require.NoError(t, err)
	defer listener.Close()
	near, err := net.Dial("unix", listener.Addr().String())
	require.NoError(t, err)
	peer, err := listener.Accept()
	require.NoError(t, err)
	defer peer.Close()
	over := transport.ConnOptions{ProbeAfter: 1, GiveUp: 1, MessageTimeout: 1, ControlFramesPerSecond: -1}
	c := newConn(near, over.WithDefaults(nil))
	for _, size := range []int{0, 1, 3000, 60_000} {
		message := strings.Repeat("x", size)
		send(t, peer, unit(kindMessage, message))
		got, err := c.Read()
		require.NoError(t, err, "a message of %d bytes", size)
		require.Equal(t, message, string(got))
	}
	// What does not lie there is judged at once.
	send(t, peer, appendHeader(nil, kindMessage, 100))
	start := time.Now()
	_, err = c.Read()
	require.ErrorIs(t, err, transport.ErrSlow)
	require.Less(t, time.Since(start), 10*time.Second)
	require.NoError(t, peer.Close())
	_ = c.Close(goodbye)
}
