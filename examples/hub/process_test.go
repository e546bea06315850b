package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds every wait for what must come.
const patience = 60 * time.Second

// process is the program as a process of its own.
type process struct {
	*exec.Cmd
	// at are the addresses that it listens on, by their kind.
	at  map[string]string
	log *bufio.Scanner
}

// startHub starts the program and waits until it listens on so many addresses.
// It is killed if it takes longer than any test may.
func startHub(t *testing.T, listeners int, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	p := &process{Cmd: exec.CommandContext(ctx, os.Args[0], args...), at: map[string]string{}}
	p.Env = append(os.Environ(), asHub+"=1")
	log, err := p.StderrPipe()
	require.NoError(t, err)
	p.log = bufio.NewScanner(log)
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	t.Cleanup(func() {
		cancel()
		_ = p.Wait()
	})
	for lines := bufio.NewScanner(out); len(p.at) < listeners && lines.Scan(); {
		kind, address, _ := strings.Cut(lines.Text(), " ")
		p.at[kind] = address
	}
	require.Len(t, p.at, listeners)
	return p
}

// logs waits until the log has a line with this text.
func (p *process) logs(t *testing.T, text string) {
	t.Helper()
	for p.log.Scan() {
		if strings.Contains(p.log.Text(), text) {
			return
		}
	}
	require.Fail(t, "never logged", text)
}

// ends reads the rest of the log and waits for the process to end.
func (p *process) ends() (log string, err error) {
	var rest []string
	for p.log.Scan() {
		rest = append(rest, p.log.Text())
	}
	return strings.Join(rest, "\n"), p.Wait()
}

// fails runs the program, which must fail, and returns what it tells the user.
func fails(t *testing.T, args ...string) string {
	t.Helper()
	var says strings.Builder
	require.Equal(t, 1, status(run(t.Context(), args, io.Discard, io.Discard), &says))
	return says.String()
}
