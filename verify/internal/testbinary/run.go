package testbinary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Bounds are those of a run. Zero is none.
type Bounds struct {
	// Time is what the run has in all, and Quiet for how long it may say nothing.
	Time, Quiet time.Duration
	// Memory is what it may take, in bytes, where the system tells it.
	Memory uint64
}

// End is how a run has ended.
type End uint8

// The ends.
const (
	Passed End = iota
	Failed
	Late
	TooLarge
)

// Run runs a test binary, and returns the first part of what it says. The error is of what has nothing to do with
// the tests.
func Run(ctx context.Context, command *exec.Cmd, b Bounds) (end End, said string, err error) {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	var late atomic.Bool
	limit := func(d time.Duration) *time.Timer {
		if d == 0 {
			return nil
		}
		return time.AfterFunc(d, func() { late.Store(true); cancel() })
	}
	out := &beginning{quiet: limit(b.Quiet), within: b.Quiet}
	for _, timer := range []*time.Timer{out.quiet, limit(b.Time)} {
		if timer != nil {
			defer timer.Stop()
		}
	}
	bounded := exec.CommandContext(within, command.Path, command.Args[1:]...)
	bounded.Dir, bounded.Env = command.Dir, command.Env
	bounded.Stdout, bounded.Stderr = out, out
	// Processes that the tests have started may hold the pipe.
	bounded.WaitDelay = time.Second
	if err := bounded.Start(); err != nil {
		return Passed, "", err
	}
	var tooLarge atomic.Bool
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if staysBelow(within, bounded.Process.Pid, b.Memory) {
			return
		}
		tooLarge.Store(true)
		cancel()
	}()
	err = bounded.Wait()
	cancel()
	<-watched
	said = out.String()
	switch {
	case ctx.Err() != nil:
		return Passed, "", ctx.Err()
	case err == nil:
		return Passed, said, nil
	case tooLarge.Load():
		return TooLarge, said, nil
	case late.Load():
		return Late, said, nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return Passed, said, err
	}
	return Failed, said, nil
}

// staysBelow watches the memory of a process where the system tells it: an
// endless loop that appends would take all of the machine's before its time is over.
func staysBelow(ctx context.Context, process int, limit uint64) bool {
	if runtime.GOOS != "linux" || limit == 0 {
		return true
	}
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return true
		case <-ticker.C:
		}
		// The second number is that of the pages in memory. Where there is none, the process is gone.
		sizes, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", process))
		fields := strings.Fields(string(sizes))
		if err != nil || len(fields) < 2 {
			return true
		}
		if pages, err := strconv.ParseUint(fields[1], 10, 64); err == nil && pages*uint64(os.Getpagesize()) > limit {
			return false
		}
	}
}

// beginning keeps the first part of what tests say, which may be endless.
type beginning struct {
	bytes.Buffer
	quiet  *time.Timer // or nil
	within time.Duration
}

const enough = 64 << 10

func (b *beginning) Write(p []byte) (int, error) {
	if b.quiet != nil && b.quiet.Stop() {
		b.quiet.Reset(b.within)
	}
	if room := enough - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
