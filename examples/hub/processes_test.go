//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/netconn"
)

// The tests in this file do to real processes what happens to processes. They
// wait for what must come, as long as it takes within patience, and check that
// nothing comes too early; no time is waited for otherwise.

// asChild makes the test binary one of the parts below; its other arguments are
// in asChildWith.
const (
	asChild     = "LECTERN_TEST_CHILD"
	asChildWith = "LECTERN_TEST_CHILD_WITH"
)

// Before TestMain, which knows nothing of these.
func init() {
	part := map[string]func(string) error{"hub": beHub, "master": beMaster, "slave": beSlave}[os.Getenv(asChild)]
	if part == nil {
		return
	}
	if err := part(os.Getenv(asChildWith)); err != nil {
		fmt.Println("ended:", err)
	}
	os.Exit(0)
}

// beHub is a hub with the master timeout given, at two addresses: at the first one
// it notices silence soon, at the second one as late as it does by default.
func beHub(masterTimeout string) error {
	timeout, err := time.ParseDuration(masterTimeout)
	if err != nil {
		return err
	}
	hub, err := lectern.NewHub(lectern.Policy{MasterTimeout: timeout})
	if err != nil {
		return err
	}
	ends := make(chan error, 2)
	for _, options := range []transport.ConnOptions{{ProbeAfter: time.Second, GiveUp: 3 * time.Second}, {}} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Println("tcp", listener.Addr())
		go func() { ends <- netconn.Serve(context.Background(), listener, hub, netconn.Options{Conn: options}) }()
	}
	return <-ends
}

// beMaster says to everybody what anybody says to it.
func beMaster(address string) error {
	ctx := context.Background()
	master, err := lectern.NewClient(netconn.Dialer{Address: address}, lectern.ClientOptions{}).Create(ctx, "abc123", "alice")
	if err != nil {
		return err
	}
	fmt.Println("in")
	for event, err := range master.Events(ctx) {
		if err != nil {
			return err
		}
		if message, ok := event.(lectern.Message); ok {
			if _, err := master.Broadcast(ctx, message.Payload); err != nil {
				return err
			}
		}
	}
	return nil
}

func beSlave(address string) error {
	ctx := context.Background()
	slave, err := lectern.NewClient(netconn.Dialer{Address: address}, lectern.ClientOptions{}).Join(ctx, "abc123", "child")
	if err != nil {
		return err
	}
	fmt.Println("in")
	<-slave.Done()
	return slave.Err()
}

// child is a process of this test binary.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Reader
}

func start(t *testing.T, env []string, args ...string) *child {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), env...)
	return launch(t, cmd, cancel)
}

func launch(t *testing.T, cmd *exec.Cmd, cancel func()) *child {
	t.Helper()
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0") // members wait for the end of a process
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	return &child{t: t, cmd: cmd, lines: bufio.NewReader(out)}
}

func part(t *testing.T, name, with string) *child {
	t.Helper()
	return start(t, []string{asChild + "=" + name, asChildWith + "=" + with})
}

// program is the hub as its users run it.
func program(t *testing.T, address string, flags ...string) (hub *child, at string) {
	t.Helper()
	hub = start(t, []string{asHub + "=1"}, append([]string{"-tcp", address}, flags...)...)
	return hub, hub.address()
}

func (c *child) line() string {
	c.t.Helper()
	line, err := c.lines.ReadString('\n')
	require.NoError(c.t, err)
	return strings.TrimSuffix(line, "\n")
}

func (c *child) address() string {
	c.t.Helper()
	address, ok := strings.CutPrefix(c.line(), "tcp ")
	require.True(c.t, ok)
	return address
}

// signal sends a signal, and returns the time just before.
func (c *child) signal(s syscall.Signal) time.Time {
	c.t.Helper()
	before := time.Now()
	require.NoError(c.t, c.cmd.Process.Signal(s))
	return before
}

// stop stops the process, and returns when it has.
func (c *child) stop() time.Time {
	c.t.Helper()
	before := c.signal(syscall.SIGSTOP)
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(c.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
		if !errors.Is(err, syscall.EINTR) {
			require.NoError(c.t, err)
			break
		}
	}
	require.True(c.t, status.Stopped())
	return before
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func client(t *testing.T, address string) *lectern.Client {
	c := lectern.NewClient(netconn.Dialer{Address: address}, lectern.ClientOptions{})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func join(t *testing.T, address, name string) *lectern.Slave {
	t.Helper()
	slave, err := client(t, address).Join(within(t), "abc123", name)
	require.NoError(t, err)
	return slave
}

// next is the next event of a slave, or the error that it ends with.
func next(t *testing.T, slave *lectern.Slave) (lectern.Event, error) {
	for event, err := range slave.Events(within(t)) {
		return event, err
	}
	return nil, io.EOF
}

// masterIs expects that the slave is told next that its master is in that state.
func masterIs(t *testing.T, slave *lectern.Slave, state lectern.State) {
	t.Helper()
	event, err := next(t, slave)
	require.NoError(t, err)
	presence, ok := event.(lectern.Presence)
	require.True(t, ok, "instead of a presence: %#v", event)
	require.Equal(t, state, presence.State, "%v", presence.State)
}

// outNoEarlier expects that the slave is out, for that reason, and not before.
func outNoEarlier(t *testing.T, slave *lectern.Slave, reason error, than time.Time) {
	t.Helper()
	_, err := next(t, slave)
	require.ErrorIs(t, err, reason)
	require.False(t, time.Now().Before(than), "%v too early", time.Until(than))
}

// echoed expects that the master is there and answers, and that nothing else was
// told meanwhile.
func echoed(t *testing.T, slave *lectern.Slave, texts ...string) {
	t.Helper()
	for _, text := range texts {
		event, err := next(t, slave)
		require.NoError(t, err)
		message, ok := event.(lectern.Message)
		require.True(t, ok, "instead of %q: %#v", text, event)
		require.Equal(t, text, message.Text())
	}
}

func say(t *testing.T, slave *lectern.Slave, texts ...string) {
	t.Helper()
	for _, text := range texts {
		_, err := slave.Send(within(t), lectern.Text(text))
		require.NoError(t, err)
	}
}

func TestMastersProcessKilled(t *testing.T) {
	const x = 500 * time.Millisecond
	_, address := program(t, "127.0.0.1:0", "-master-timeout", x.String())
	for range 2 { // the name is free again each time
		master := part(t, "master", address)
		require.Equal(t, "in", master.line())
		one, two := join(t, address, "user_one"), join(t, address, "user_two")
		say(t, one, "there?")
		echoed(t, one, "there?")
		echoed(t, two, "there?")
		killed := master.signal(syscall.SIGKILL)
		for _, slave := range []*lectern.Slave{one, two} {
			masterIs(t, slave, lectern.StateAway)
			outNoEarlier(t, slave, lectern.ErrMasterDown, killed.Add(x))
		}
		_, err := client(t, address).Join(within(t), "abc123", "user_three")
		require.ErrorIs(t, err, lectern.ErrNoSuchChannel)
	}
}

// A master that stands still for less than the liveness time is not away.
func TestMastersProcessStoppedForAMoment(t *testing.T) {
	_, address := program(t, "127.0.0.1:0") // with the default liveness of 10 s and 5 s
	master := part(t, "master", address)
	require.Equal(t, "in", master.line())
	slave := join(t, address, "user_one")
	master.stop()
	say(t, slave, "1", "2", "3")
	master.signal(syscall.SIGCONT)
	echoed(t, slave, "1", "2", "3")
}

// One that stands still for longer is away, and comes back within X with nothing
// lost.
func TestMastersProcessStoppedAndBackInTime(t *testing.T) {
	hub := part(t, "hub", "50s")
	master := part(t, "master", hub.address())
	require.Equal(t, "in", master.line())
	slave := join(t, hub.address(), "user_one")
	say(t, slave, "0")
	echoed(t, slave, "0")
	for range 2 {
		master.stop()
		say(t, slave, "1", "2")
		masterIs(t, slave, lectern.StateAway)
		say(t, slave, "3")
		master.signal(syscall.SIGCONT)
		masterIs(t, slave, lectern.StateOnline)
		echoed(t, slave, "1", "2", "3")
	}
}

// One that stands still beyond X finds its channel gone.
func TestMastersProcessStoppedForTooLong(t *testing.T) {
	const x = 500 * time.Millisecond
	hub := part(t, "hub", x.String())
	master := part(t, "master", hub.address())
	require.Equal(t, "in", master.line())
	slave := join(t, hub.address(), "user_one")
	say(t, slave, "0")
	echoed(t, slave, "0")
	stopped := master.stop()
	masterIs(t, slave, lectern.StateAway)
	outNoEarlier(t, slave, lectern.ErrMasterDown, stopped.Add(x))
	master.signal(syscall.SIGCONT)
	require.Contains(t, master.line(), "ended: lectern: resume_failed: ")
}

func TestSlavesProcessKilled(t *testing.T) {
	const s = 500 * time.Millisecond
	_, address := program(t, "127.0.0.1:0", "-slave-timeout", s.String())
	master, err := client(t, address).Create(within(t), "abc123", "alice")
	require.NoError(t, err)
	other := join(t, address, "user_one")
	var told []string
	var killed time.Time
	slave := part(t, "slave", address)
	for event, err := range master.Events(within(t)) {
		require.NoError(t, err)
		presence, ok := event.(lectern.Presence)
		require.True(t, ok)
		told = append(told, strings.TrimSpace(fmt.Sprintln(presence.Username, presence.State, presence.Reason)))
		if presence.Username == "child" && presence.State == lectern.StateOnline {
			require.Equal(t, "in", slave.line())
			killed = slave.signal(syscall.SIGKILL)
		}
		if presence.State == lectern.StateGone {
			break
		}
	}
	require.False(t, time.Now().Before(killed.Add(s)))
	require.Equal(t, []string{"user_one online", "child online", "child away", "child gone timeout"}, told)
	_, err = master.Broadcast(within(t), lectern.Text("on we go"))
	require.NoError(t, err)
	echoed(t, other, "on we go")
}

// Without its hub everybody is out at X, and not before.
func TestHubsProcessKilled(t *testing.T) {
	const x = 500 * time.Millisecond
	hub, address := program(t, "127.0.0.1:0", "-master-timeout", x.String())
	master, err := client(t, address).Create(within(t), "abc123", "alice")
	require.NoError(t, err)
	slave := join(t, address, "user_one")
	killed := hub.signal(syscall.SIGKILL)
	masterIs(t, slave, lectern.StateUnknown)
	outNoEarlier(t, slave, lectern.ErrMasterDown, killed.Add(x))
	<-master.Done()
	require.ErrorIs(t, master.Err(), lectern.ErrMasterDown)
	require.False(t, time.Now().Before(killed.Add(x)))
}

// A hub keeps its state in memory: another one in its place knows nobody, and
// everybody learns so at once, and can begin again.
func TestHubsProcessKilledAndStartedAgain(t *testing.T) {
	hub, address := program(t, "127.0.0.1:0", "-master-timeout", "50s")
	alice, one := client(t, address), client(t, address)
	for range 2 {
		master, err := alice.Create(within(t), "abc123", "alice")
		require.NoError(t, err)
		slave, err := one.Join(within(t), "abc123", "user_one")
		require.NoError(t, err)
		hub.signal(syscall.SIGKILL)
		masterIs(t, slave, lectern.StateUnknown)
		_ = hub.cmd.Wait() // or its port is not free yet
		hub, _ = program(t, address, "-master-timeout", "50s")
		outNoEarlier(t, slave, lectern.ErrHubLost, time.Time{})
		<-master.Done()
		require.ErrorIs(t, master.Err(), lectern.ErrHubLost)
	}
}
