//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/hubfile"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/netconn"
	"github.com/lectern-go/lectern/transport/websocket"
)

// These tests replace the process of a hub while members talk.

// A unit holds two sockets and starts the program with them, as systemd does.
type unit struct {
	t        *testing.T
	sockets  []*os.File
	ws, unix string
}

func newUnit(t *testing.T) *unit {
	u := &unit{t: t, unix: filepath.Join(t.TempDir(), "hub.sock")}
	for _, at := range [][2]string{{"tcp", "127.0.0.1:0"}, {"unix", u.unix}} {
		listener, err := net.Listen(at[0], at[1])
		require.NoError(t, err)
		t.Cleanup(func() { _ = listener.Close() })
		socket, err := listener.(interface{ File() (*os.File, error) }).File()
		require.NoError(t, err)
		t.Cleanup(func() { _ = socket.Close() })
		u.sockets = append(u.sockets, socket)
		if at[0] == "tcp" {
			u.ws = fmt.Sprintf("ws://%s/ws", listener.Addr())
		}
	}
	return u
}

// starts returns when the program listens.
func (u *unit) starts(args ...string) *child {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	// Only the process itself can know its number.
	args = append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, os.Args[0], "-ws", "fd:3", "-unix", "fd:4"}, args...)
	cmd := exec.CommandContext(ctx, "/bin/sh", args...)
	cmd.Env = append(os.Environ(), asHub+"=1", "LISTEN_FDS=2")
	cmd.ExtraFiles = u.sockets
	hub := launch(u.t, cmd, cancel)
	require.Equal(u.t, "ws "+u.ws, hub.line())
	require.Equal(u.t, "unix "+u.unix, hub.line())
	return hub
}

// stops ends the program in order.
func (c *child) stops() {
	c.t.Helper()
	c.signal(syscall.SIGTERM)
	require.NoError(c.t, c.cmd.Wait())
}

func counted(t *testing.T, dials *stage.Dials, dialer transport.Dialer) *lectern.Client {
	c := lectern.NewClient(dials.By(dialer), lectern.ClientOptions{})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// The process is replaced, several times, while members talk over a socket that stays: nobody
// is refused or let go, and nothing is lost, comes twice or out of order.
func TestReplacedOnASocketThatStays(t *testing.T) {
	u, dials := newUnit(t), new(stage.Dials)
	overWS := func() *lectern.Client { return counted(t, dials, websocket.Dialer{URL: u.ws}) }
	overUnix := func() *lectern.Client {
		return counted(t, dials, netconn.Dialer{Network: "unix", Address: u.unix})
	}
	file := filepath.Join(t.TempDir(), "state")
	hub := u.starts("-state", file)
	lessons := []*stage.Lesson{
		stage.StartLesson(t, "abc123", overWS(), overWS(), overUnix()),
		stage.StartLesson(t, "physics", overUnix(), overWS(), overUnix()),
	}
	goOn := func() {
		for _, lesson := range lessons {
			lesson.Goes(20)
		}
	}
	goOn()
	for range 3 {
		began := time.Now()
		hub.stops()
		require.FileExists(t, file)
		hub = u.starts("-state", file)
		require.NoFileExists(t, file, "it is loaded before anybody is served")
		serving := time.Now()
		goOn()
		t.Logf("replaced in %v, everybody went on %v later", serving.Sub(began), time.Since(serving))
	}
	for _, lesson := range lessons {
		lesson.Ends()
	}
	require.Zero(t, dials.Refused.Load())
	require.EqualValues(t, 6+3*6, dials.Made.Load(), "one connection each, and another one for each process")
	hub.stops()
}

// Where the sockets are the program's own, connections are refused until it listens again, and
// the rest is the same.
func TestReplacedWithSocketsOfItsOwn(t *testing.T) {
	directory, dials := t.TempDir(), new(stage.Dials)
	file, path := filepath.Join(directory, "state"), filepath.Join(directory, "hub.sock")
	args := []string{"-unix", path, "-state", file}
	hub, address := program(t, "127.0.0.1:0", args...)
	overTCP := func() *lectern.Client { return counted(t, dials, netconn.Dialer{Address: address}) }
	overUnix := func() *lectern.Client {
		return counted(t, dials, netconn.Dialer{Network: "unix", Address: path})
	}
	lesson := stage.StartLesson(t, "abc123", overTCP(), overTCP(), overUnix())
	lesson.Goes(20)
	for range 3 {
		hub.stops()
		hub, _ = program(t, address, args...)
		lesson.Goes(20)
	}
	lesson.Ends()
	hub.stops()
	require.NoFileExists(t, path)
	entries, err := os.ReadDir(directory)
	require.NoError(t, err)
	require.Len(t, entries, 1, "the file, and no lock")
}

// What is left by a crash is nothing: everybody is told that the hub is gone, and what an
// earlier end has left is not taken for the present.
func TestKilledWithAState(t *testing.T) {
	u := newUnit(t)
	file := filepath.Join(t.TempDir(), "state")
	hub := u.starts("-state", file)
	overWS := lectern.NewClient(websocket.Dialer{URL: u.ws}, lectern.ClientOptions{})
	defer overWS.Close()
	overUnix := lectern.NewClient(netconn.Dialer{Network: "unix", Address: u.unix}, lectern.ClientOptions{})
	defer overUnix.Close()
	lesson := stage.StartLesson(t, "abc123", overUnix, overWS)
	lesson.Goes(5)
	hub.stops()
	hub = u.starts("-state", file)
	lesson.Goes(5)
	hub.signal(syscall.SIGKILL)
	_ = hub.cmd.Wait()
	require.NoFileExists(t, file)
	u.starts("-state", file)
	for _, handle := range lesson.Handles() {
		<-handle.Done()
		require.ErrorIs(t, handle.Err(), lectern.ErrHubLost)
	}
	// And all begin anew.
	master, err := overWS.Create(within(t), "abc123", "alice")
	require.NoError(t, err)
	slave, err := overUnix.Join(within(t), "abc123", "user_one")
	require.NoError(t, err)
	_, err = master.Broadcast(within(t), lectern.Text("again"))
	require.NoError(t, err)
	echoed(t, slave, "again")
}

// A master that is away when its hub is replaced is given up all the same, and not before its
// time. test/restart has the instant.
func TestReplacedWhileTheMasterIsAway(t *testing.T) {
	const x = 500 * time.Millisecond
	file := filepath.Join(t.TempDir(), "state")
	args := []string{"-state", file, "-master-timeout", x.String()}
	hub, address := program(t, "127.0.0.1:0", args...)
	master := part(t, "master", address)
	require.Equal(t, "in", master.line())
	slave := join(t, address, "user_one")
	killed := master.signal(syscall.SIGKILL)
	masterIs(t, slave, lectern.StateAway)
	hub.stops()
	program(t, address, args...)
	<-slave.Done()
	require.ErrorIs(t, slave.Err(), lectern.ErrMasterDown)
	require.False(t, time.Now().Before(killed.Add(x)))
}

// The channel of a master whose time was up in between is not there any more.
func TestReplacedTooLate(t *testing.T) {
	const x = 200 * time.Millisecond
	file := filepath.Join(t.TempDir(), "state")
	args := []string{"-state", file, "-master-timeout", x.String(), "-slave-timeout", x.String()}
	hub, address := program(t, "127.0.0.1:0", args...)
	_, err := client(t, address).Create(within(t), "abc123", "alice")
	require.NoError(t, err)
	slave := join(t, address, "user_one")
	hub.stops()
	<-slave.Done() // which takes so long
	program(t, address, args...)
	_, err = client(t, address).Join(within(t), "abc123", "user_two")
	require.ErrorIs(t, err, lectern.ErrNoSuchChannel)
}

// A file that cannot be restored is named, with what to do, and stays; so does one that another
// process has.
func TestStatesThatCannotBeTaken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.WriteFile(file, []byte("my notes"), 0o600))
	says := fails(t, "-tcp", "127.0.0.1:0", "-state", file)
	require.Equal(t, "hub: -state: loading the hub from "+file+": lectern: this is not the whole state of a hub: "+
		`it begins with "my notes", and not as what Hub.Export writes; remove the file to begin without it`+"\n", says)
	kept, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "my notes", string(kept))
	require.NoError(t, os.Remove(file))

	// What may be sound, and could not be read, is not to be removed.
	says = fails(t, "-tcp", "127.0.0.1:0", "-state", t.TempDir())
	require.Contains(t, says, "hub: -state: loading the hub from ")
	require.NotContains(t, says, "remove the file")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	var usage strings.Builder
	require.Equal(t, 2, status(run(over, []string{"-tcp", "127.0.0.1:0", "-state", ""}, io.Discard, &usage), io.Discard))
	require.Contains(t, usage.String(), "-state: the name of a file is expected")

	hub, _ := program(t, "127.0.0.1:0", "-state", file)
	require.Equal(t, "hub: -state "+file+": another process has this file: start this one when that has ended\n",
		fails(t, "-tcp", "127.0.0.1:0", "-state", file))
	hub.stops()

	require.Contains(t, fails(t, "-tcp", "127.0.0.1:0", "-state", filepath.Join(file, "state")), "hub: -state: the lock ")
}

// An address of which another process listens already costs the file nothing.
func TestAStateIsLoadedLast(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	hub, address := program(t, "127.0.0.1:0", "-state", file)
	master, err := client(t, address).Create(within(t), "abc123", "alice")
	require.NoError(t, err)
	hub.stops()
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	require.Contains(t, fails(t, "-tcp", address, "-state", file), "address already in use")
	require.FileExists(t, file)
	require.NoError(t, listener.Close())
	program(t, address, "-state", file)
	require.NoError(t, master.Away(within(t)))
	require.NoError(t, master.Err())
}

func TestSocketsThatWereNotHandedOn(t *testing.T) {
	for address, says := range map[string]string{
		"fd:three": "-tcp fd:three: the number of a file descriptor is expected, as in fd:3, which is the first",
		"fd:2":     "-tcp fd:2: the number of a file descriptor is expected, as in fd:3, which is the first",
		"fd:999":   "-tcp fd:999: the process was not started with a listening socket there: ",
	} {
		require.Contains(t, fails(t, "-tcp", address), "hub: "+says)
	}
	require.NoError(t, handed(3, 7, "", ""), "it was not systemd")
	require.NoError(t, handed(4, 7, "7", "2"))
	require.EqualError(t, handed(3, 7, "8", "1"), `LISTEN_PID says that the sockets are for process "8", and this is 7`)
	require.EqualError(t, handed(5, 7, "7", "2"), `LISTEN_FDS says that there are "2" sockets, and the first is fd:3`)
}

// What cannot be saved is said by the exit status.
func TestAStateThatCannotBeSaved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	ctx, cancel := context.WithCancel(t.Context())
	ours, theirs := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-tcp", "127.0.0.1:0", "-state", file}, theirs, io.Discard) }()
	_, err := ours.Read(make([]byte, 100))
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(file, "in the way"), 0o700))
	cancel()
	err = <-ended
	require.ErrorContains(t, err, "saving the hub to "+file)
	require.Equal(t, 1, status(err, io.Discard))
	unlock, err := hubfile.Lock(file)
	require.NoError(t, err)
	unlock()
}
