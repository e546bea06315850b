//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lectern-go/lectern/internal/process"
)

// serverProcess is a server in a process of its own.
type serverProcess struct{ *process.Process }

// stats are what a server tells of itself.
type stats struct {
	Members    int
	Goroutines int
	Mallocs    uint64
	Error      string
}

func start(ctx context.Context, s spec) (serverProcess, error) {
	name, args, err := s.command()
	if err != nil {
		return serverProcess{}, err
	}
	cmd := exec.CommandContext(ctx, name, args...)
	// A Ctrl+C is for the bench, which then ends its servers. However it ends,
	// they end with their standard input.
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	p, err := process.Start(cmd)
	return serverProcess{p}, err
}

func (p serverProcess) ask(command string) (stats, error) {
	var s stats
	err := p.Ask(command, &s)
	if err == nil && s.Error != "" {
		err = errors.New(s.Error)
	}
	return s, err
}

// cpu is the processor time that the process has used, all threads and the
// system's part of it, as the kernel counts it: in nanoseconds.
func (p serverProcess) cpu() (time.Duration, error) {
	// The number of a process's clock, see clock_getcpuclockid(3).
	const schedulerClock = 2
	clock := int32(^p.ID()<<3 | schedulerClock)
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("the clock of process %d: %w", p.ID(), err)
	}
	return time.Duration(t.Nano()), nil
}
