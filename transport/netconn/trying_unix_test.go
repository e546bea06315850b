//go:build unix

package netconn

import (
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/direct"
	"github.com/lectern-go/lectern/transport"
)

// An answer to a probe that is owed when TryWrite ends is not written by TryWrite
// where the peer does not take it.
func TestTryWriteDoesNotWaitForWhatIsOwed(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "")
		c, err := net.FileConn(file)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		ends[i] = c.(*net.UnixConn)
	}
	c, far := newConn(ends[0], transport.ConnOptions{}.WithDefaults(nil)), ends[1]
	for size := 64 << 10; size > 0; {
		n, err := direct.Write(c.system, make([]byte, size))
		require.NoError(t, err)
		if n == 0 {
			size /= 2
		}
	}
	c.owed = 1 << kindAnswer // as if asked for while TryWrite was writing
	done := make(chan bool)
	go func() { done <- c.TryWrite() }()
	select {
	case wrote := <-done:
		require.True(t, wrote)
	case <-time.After(5 * time.Second):
		t.Error("it waits for a peer that does not read")
		defer func() { <-done }()
	}
	received := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(far)
		received <- all
	}()
	require.NoError(t, c.Write([]byte("behind it")))
	go func() { _ = far.CloseWrite() }()
	require.NoError(t, c.Close(goodbye))
	require.Contains(t, string(<-received), string(unit(kindAnswer, ""))+string(unit(kindMessage, "behind it")))
	require.NoError(t, far.Close())
}
