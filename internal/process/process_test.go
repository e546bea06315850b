package process_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/process"
)

// patience is more than anything takes that ends by itself.
const patience = 20 * time.Second

// child is a command that runs one of the programs of TestMain.
func child(ctx context.Context, program string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), asChild+"="+program)
	return cmd
}

func start(t *testing.T, program string) *process.Process {
	t.Helper()
	p, err := process.Start(child(t.Context(), program))
	require.NoError(t, err)
	require.Equal(t, "here", p.Address)
	return p
}

// exitCode is what a process has ended with; -1 where a signal has ended it.
func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	return exit.ExitCode()
}

// Whoever asks gets the answer to what was asked, and not another's.
func TestAsk(t *testing.T) {
	p := start(t, "repeats")
	require.NotEqual(t, os.Getpid(), p.ID())
	var asking sync.WaitGroup
	for i := range 8 {
		asking.Go(func() {
			for j := range 20 {
				question, answer := fmt.Sprint(i, "-", j), ""
				if err := p.Ask(question, &answer); err != nil || answer != question {
					t.Errorf("%q is answered by %q: %v", question, answer, err)
				}
			}
		})
	}
	asking.Wait()
	require.NoError(t, p.Stop(patience))
}

func TestAnswersThatAreNone(t *testing.T) {
	p := start(t, "garbles")
	var answer string
	require.Error(t, p.Ask("a", &answer))
	require.NoError(t, p.Stop(patience))
}

func TestAskingAProcessThatHasEnded(t *testing.T) {
	p := start(t, "repeats")
	require.NoError(t, p.Kill())
	require.Error(t, p.Ask("a", new(string)))
}

func TestStop(t *testing.T) {
	require.NoError(t, start(t, "repeats").Stop(patience))
	require.Equal(t, status, exitCode(t, start(t, "fails").Stop(patience)))
	require.NotZero(t, exitCode(t, start(t, "stays").Stop(time.Millisecond)), "it is killed")
}

func TestKill(t *testing.T) {
	for _, program := range []string{"repeats", "fails", "stays"} {
		require.NoError(t, start(t, program).Kill(), program)
	}
}

func TestProgramsThatDoNotStart(t *testing.T) {
	_, err := process.Start(child(t.Context(), "silent"))
	require.Equal(t, status, exitCode(t, err))
	require.ErrorContains(t, err, "does not start")

	_, err = process.Start(exec.CommandContext(t.Context(), t.TempDir()))
	require.Error(t, err)
}

// The context of the command ends the process.
func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := process.Start(child(ctx, "stays"))
	require.NoError(t, err)
	cancel()
	require.Error(t, p.Stop(time.Hour), "it does not end by itself")
}
