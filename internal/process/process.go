// Package process runs a program as a process of its own, for programs that
// measure: what a process uses is its own then, and not of who measures it.
//
// The program prints its address in a line, and then answers each line on its
// standard input with a line of JSON, until that ends. It ends with it, so that it
// does not outlive who has started it.
package process

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// A Process is a program that runs. Each is to be ended by [Process.Stop] or
// [Process.Kill], once.
type Process struct {
	Address string // what it has printed first

	cmd *exec.Cmd
	mu  sync.Mutex // held from a question to its answer
	in  io.WriteCloser
	out *bufio.Reader
}

// exitPatience is how long a program that does not start has to end by itself, so
// that its status can be told.
const exitPatience = time.Second

// Start runs the command, and returns when it has printed its address. What it
// prints as errors goes to where this program's errors go.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd}
	cmd.Stderr = os.Stderr
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	address, err := p.out.ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the process does not start: %w", err), p.Stop(exitPatience))
	}
	p.Address = strings.TrimSpace(address)
	return p, nil
}

// ID is the system's number for the process.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Ask sends a line, and decodes the line that it is answered with into answer. It
// may be called by several goroutines.
func (p *Process) Ask(question string, answer any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := fmt.Fprintln(p.in, question); err != nil {
		return err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the process does not answer %q: %w", question, err)
	}
	return json.Unmarshal(line, answer)
}

// Stop ends the standard input of the process, waits until it has ended, and
// returns its status where that is not 0. It is killed where it takes longer than
// patience.
func (p *Process) Stop(patience time.Duration) error {
	_ = p.in.Close()
	killer := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer killer.Stop()
	return p.cmd.Wait()
}

// Kill ends the process at once. Its status, whatever it is, is not an error.
func (p *Process) Kill() error {
	_ = p.cmd.Process.Kill()
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}
