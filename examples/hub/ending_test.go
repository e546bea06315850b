package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/hubfile"
	"github.com/lectern-go/lectern/transport/netconn"
)

// The first signal ends the hub in order, which takes seconds if a connection
// has not said yet what it wants. The second one does not wait for that.
func TestSecondSignal(t *testing.T) {
	hub := startHub(t, 1, "-ws", "127.0.0.1:0")
	address := strings.TrimSuffix(strings.TrimPrefix(hub.at["ws"], "ws://"), "/ws")
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	// Connections are accepted in their order: once a later one is answered, the
	// hub has this one, from which no request ever comes.
	later, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer later.Close()
	_, err = io.WriteString(later, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	_, err = later.Read(make([]byte, 1))
	require.NoError(t, err)

	require.NoError(t, hub.Process.Signal(syscall.SIGTERM))
	hub.logs(t, "shutting down")
	require.NoError(t, hub.Process.Signal(syscall.SIGTERM))
	log, err := hub.ends()
	require.ErrorContains(t, err, "terminated")
	require.NotContains(t, log, "shut down")
}

// echoes expects that a hub serves at this Unix socket.
func echoes(t *testing.T, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := lectern.NewClient(netconn.Dialer{Network: "unix", Address: path}, lectern.ClientOptions{})
	defer client.Close()
	status, err := client.Status(ctx, "abc123")
	require.NoError(t, err)
	require.False(t, status.Exists)
}

func TestUnixSocketInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	hub := startHub(t, 1, "-unix", path)
	for range 2 {
		require.Equal(t, "hub: -unix "+path+": another process listens there\n", fails(t, "-unix", path))
	}
	echoes(t, path) // and the first one has lost nothing by it
	require.NoError(t, hub.Process.Signal(syscall.SIGTERM))
	_, err := hub.ends()
	require.NoError(t, err)
	require.NoFileExists(t, path)
}

func TestUnixSocketOfAKilledHub(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	for range 2 {
		hub := startHub(t, 1, "-unix", path)
		require.Equal(t, path, hub.at["unix"])
		echoes(t, path)
		require.NoError(t, hub.Process.Kill())
		_, err := hub.ends()
		require.Error(t, err)
		require.FileExists(t, path)
	}
}

// Of hubs that start at once over the socket file of one that was killed, one gets it: the
// others see it or its lock, and remove neither.
func TestUnixSocketOfAKilledHubIsTakenOnce(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "hub.sock")
		stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		require.NoError(t, err)
		stale.SetUnlinkOnClose(false)
		require.NoError(t, stale.Close())

		const hubs = 8
		listeners, start := make(chan net.Listener, hubs), make(chan struct{})
		var starting sync.WaitGroup
		for range hubs {
			starting.Go(func() {
				<-start
				listener, err := listenUnix(path)
				if err == nil {
					listeners <- listener
				} else if !errors.Is(err, errInUse) {
					t.Error(err)
				}
			})
		}
		close(start)
		starting.Wait()
		require.Len(t, listeners, 1)
		require.FileExists(t, path)
		require.NoError(t, (<-listeners).Close())
		entries, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Empty(t, entries)
	}
}

// A hub that ends leaves alone what is not its own any more.
func TestUnixSocketOfAnotherStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	first, err := listenUnix(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path)) // by hand, or by whoever takes the place without the lock
	second, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer second.Close()
	require.NoError(t, first.Close())
	require.FileExists(t, path)
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	_ = first.Close() // once more changes nothing
	require.FileExists(t, path)
}

// A process that holds the lock listens, or is about to, whatever the file says.
func TestUnixSocketLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	unlock, err := hubfile.Lock(path)
	require.NoError(t, err)
	require.Equal(t, "hub: -unix "+path+": another process listens there\n", fails(t, "-unix", path))
	unlock()
	hub := startHub(t, 1, "-unix", path)
	echoes(t, path)
	require.NoError(t, hub.Process.Signal(syscall.SIGTERM))
	_, err = hub.ends()
	require.NoError(t, err)
}

// What is no socket is nobody's to remove.
func TestUnixSocketThatIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	require.NoError(t, os.WriteFile(path, []byte("keep me"), 0o600))
	require.Equal(t, "hub: -unix "+path+": the file is there already, and is no socket\n", fails(t, "-unix", path))
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "keep me", string(kept))
}
