//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is a server in a process of its own. It prints its address, and then
// answers each line on its standard input with a line, until that ends.
type process struct {
	address string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// stats are what a server tells of itself.
type stats struct {
	Members    int
	Goroutines int
	Mallocs    uint64
	Error      string
}

func start(ctx context.Context, s spec) (*process, error) {
	name, args, err := s.command()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, name, args...)}
	p.cmd.Stderr = os.Stderr
	// A Ctrl+C is for the bench, which then ends its servers. However it ends,
	// they end with their standard input.
	p.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	address, err := p.out.ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server does not start: %w", err), p.stop())
	}
	p.address = strings.TrimSpace(address)
	return p, nil
}

// stop ends the process. How it ends is not what is measured.
func (p *process) stop() error {
	_ = p.in.Close()
	_ = p.cmd.Process.Kill()
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

func (p *process) ask(command string) (stats, error) {
	var s stats
	if _, err := fmt.Fprintln(p.in, command); err != nil {
		return s, err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return s, fmt.Errorf("the server does not answer %q: %w", command, err)
	}
	if err = json.Unmarshal(line, &s); err == nil && s.Error != "" {
		err = errors.New(s.Error)
	}
	return s, err
}

// cpu is the processor time that the process has used, all threads and the
// system's part of it, as the kernel counts it: in nanoseconds.
func (p *process) cpu() (time.Duration, error) {
	// The number of a process's clock, see clock_getcpuclockid(3).
	const schedulerClock = 2
	clock := int32(^p.cmd.Process.Pid<<3 | schedulerClock)
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("the clock of process %d: %w", p.cmd.Process.Pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// resident is the memory of the process, in bytes.
func (p *process) resident() (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(data), "VmRSS:")
	size, _, _ := strings.Cut(rest, "kB")
	kib, err := strconv.ParseFloat(strings.TrimSpace(size), 64)
	return kib * 1024, err
}
