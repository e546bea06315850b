//go:build unix

package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport/websocket"
)

// asUpgrade makes the test binary the program itself.
const asUpgrade = "LECTERN_TEST_UPGRADE"

func TestMain(m *testing.M) {
	if os.Getenv(asUpgrade) != "" {
		main()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// patience bounds every wait for what must come.
const patience = time.Minute

// A service is the program with those that took its place, all of which print to one pipe.
type service struct {
	t       *testing.T
	first   *exec.Cmd
	lines   *bufio.Scanner
	present *os.Process
	url     string
}

func start(t *testing.T, args ...string) *service {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s := &service{t: t, first: exec.CommandContext(ctx, os.Args[0], args...)}
	s.first.Env = append(os.Environ(), asUpgrade+"=1", "GORACE=atexit_sleep_ms=0") // members wait for the end of a process
	out, err := s.first.StdoutPipe()
	require.NoError(t, err)
	s.first.Stderr = s.first.Stdout
	s.lines = bufio.NewScanner(out)
	require.NoError(t, s.first.Start())
	t.Cleanup(func() {
		if s.present != nil {
			_ = s.present.Kill()
		}
		cancel()
		_ = s.first.Wait()
	})
	s.serves()
	return s
}

var (
	serves = regexp.MustCompile(`^(\d+) serves (ws://\S+)$`)
	stays  = regexp.MustCompile(`this process goes on`)
)

// says waits until a line is printed that matches.
func (s *service) says(what *regexp.Regexp) []string {
	s.t.Helper()
	for s.lines.Scan() {
		if words := what.FindStringSubmatch(s.lines.Text()); words != nil {
			return words
		}
	}
	require.Fail(s.t, "never said", what.String())
	return nil
}

// serves waits until a process serves that has not before.
func (s *service) serves() {
	s.t.Helper()
	words := s.says(serves)
	pid, err := strconv.Atoi(words[1])
	require.NoError(s.t, err)
	s.present, err = os.FindProcess(pid)
	require.NoError(s.t, err)
	s.url = words[2]
}

// ends waits until no process prints any more.
func (s *service) ends() {
	s.t.Helper()
	for s.lines.Scan() {
	}
	require.NoError(s.t, s.lines.Err())
}

func (s *service) signal(signal os.Signal) {
	s.t.Helper()
	require.NoError(s.t, s.present.Signal(signal))
}

func (s *service) client(t *testing.T, dials *stage.Dials) *lectern.Client {
	c := lectern.NewClient(dials.By(websocket.Dialer{URL: s.url}), lectern.ClientOptions{})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// The program replaces itself while members talk: nobody is refused or let go, and nothing is
// lost, comes twice or out of order.
func TestUpgradesWhileMembersTalk(t *testing.T) {
	state, pid := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "pid")
	s, dials := start(t, "-ws", "127.0.0.1:0", "-state", state, "-pid", pid), new(stage.Dials)
	lesson := stage.StartLesson(t, "abc123", s.client(t, dials), s.client(t, dials), s.client(t, dials))
	lesson.Goes(20)
	for range 3 {
		before := s.present.Pid
		s.signal(syscall.SIGHUP)
		s.serves()
		require.NotEqual(t, before, s.present.Pid)
		require.NoFileExists(t, state, "it is loaded before anybody is served")
		told, err := os.ReadFile(pid)
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(s.present.Pid), strings.TrimSpace(string(told)))
		lesson.Goes(20)
	}
	require.Zero(t, dials.Refused.Load())
	require.EqualValues(t, 3+3*3, dials.Made.Load(), "one connection each, and another one for each process")

	// The end in order is one more upgrade, with a pause.
	s.signal(syscall.SIGTERM)
	s.ends()
	require.FileExists(t, state)
	again := start(t, "-ws", strings.TrimSuffix(strings.TrimPrefix(s.url, "ws://"), "/ws"), "-state", state)
	lesson.Goes(20)
	lesson.Ends()
	again.signal(syscall.SIGTERM)
	require.NoError(t, again.first.Wait())
}

// A new process that cannot do what it has to before it is ready changes nothing.
func TestUpgradeThatFails(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	pid := filepath.Join(t.TempDir(), "pids", "pid")
	require.NoError(t, os.Mkdir(filepath.Dir(pid), 0o700))
	s := start(t, "-ws", "127.0.0.1:0", "-state", state, "-pid", pid)
	lesson := stage.StartLesson(t, "abc123", s.client(t, new(stage.Dials)), s.client(t, new(stage.Dials)))
	lesson.Goes(5)
	require.NoError(t, os.RemoveAll(filepath.Dir(pid)))
	s.signal(syscall.SIGHUP)
	s.says(stays)
	require.NoError(t, os.Mkdir(filepath.Dir(pid), 0o700))
	lesson.Ends()
	s.signal(syscall.SIGTERM)
	require.NoError(t, s.first.Wait())
}

// After a crash everybody is told that the hub is gone.
func TestKilled(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	s := start(t, "-ws", "127.0.0.1:0", "-state", state)
	lesson := stage.StartLesson(t, "abc123", s.client(t, new(stage.Dials)), s.client(t, new(stage.Dials)))
	lesson.Goes(5)
	s.signal(syscall.SIGHUP)
	s.serves()
	lesson.Goes(5)
	s.signal(syscall.SIGKILL)
	s.ends()
	require.NoFileExists(t, state)
	start(t, "-ws", strings.TrimSuffix(strings.TrimPrefix(s.url, "ws://"), "/ws"), "-state", state)
	for _, handle := range lesson.Handles() {
		<-handle.Done()
		require.ErrorIs(t, handle.Err(), lectern.ErrHubLost)
	}
}

func TestAFileThatIsNone(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.WriteFile(state, []byte("my notes"), 0o600))
	cmd := exec.Command(os.Args[0], "-ws", "127.0.0.1:0", "-state", state)
	cmd.Env = append(os.Environ(), asUpgrade+"=1")
	says, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(says), "upgrade: loading the hub from "+state+": ")
	require.Contains(t, string(says), "; remove the file to begin without it")
}
