package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// A process is one hub, or a node of NATS, as a process of its own.
type process struct {
	name    string
	address string // of its page and its connections
	args    []string
	log     string
	network *relay // by which a hub reaches NATS, where that can be cut, or nil

	mu     sync.Mutex
	cmd    *exec.Cmd // nil: none runs
	stdin  io.Closer
	ended  chan struct{}
	frozen bool
}

// newProcess is a hub that is not started yet, behind a network that can be cut. servers is the address of NATS.
func newProcess(name, address, servers, dir string) (*process, error) {
	network, err := startRelay("127.0.0.1:0", func() (net.Conn, error) { return net.Dial("tcp", servers) })
	if err != nil {
		return nil, err
	}
	p := newProcessOf(name, address, dir, "hub", "nats://"+network.Addr(), address, "1")
	p.network = network
	return p, nil
}

// newProcessOf is this program, by these arguments.
func newProcessOf(name, address, dir string, args ...string) *process {
	return &process{name: name, address: address, args: args, log: filepath.Join(dir, name+".log")}
}

// URL is where browsers find the classroom of this hub.
func (p *process) URL() string { return "http://" + p.address + "/" }

// Start starts it, and waits until it serves.
func (p *process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(program, p.args...)
	cmd.Env = append(os.Environ(), asProcess+"=1")
	cmd.Stderr = log
	setGroup(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return fmt.Errorf("%s does not start: see %s", p.name, p.log)
	}
	ended := make(chan struct{})
	p.cmd, p.stdin, p.ended, p.frozen = cmd, stdin, ended, false
	go func() {
		defer close(ended)
		_ = cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.cmd = nil
	}()
	return nil
}

// signalled does something with the process, where it runs, and returns what is closed at its end.
func (p *process) signalled(do func(*os.Process) error) (ended <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil, fmt.Errorf("%s does not run", p.name)
	}
	return p.ended, do(p.cmd.Process)
}

// Kill ends it at once, as a crash does.
func (p *process) Kill() error {
	ended, err := p.signalled(func(running *os.Process) error { return running.Kill() })
	if err == nil {
		<-ended
	}
	return err
}

// Freeze stops the process for a while, as a machine does that is overloaded or moved.
func (p *process) Freeze() error {
	_, err := p.signalled(func(running *os.Process) error {
		err := freeze(running)
		p.frozen = p.frozen || err == nil
		return err
	})
	return err
}

// Thaw undoes Freeze.
func (p *process) Thaw() error {
	_, err := p.signalled(func(running *os.Process) error {
		p.frozen = false
		return thaw(running)
	})
	return err
}

// Stop ends it in order. One that does not end is killed.
func (p *process) Stop() error {
	ended, err := p.signalled(func(running *os.Process) error {
		return errors.Join(p.stdin.Close(), terminate(running))
	})
	if err != nil {
		return err
	}
	select {
	case <-ended:
		return nil
	case <-time.After(3*shutdownTimeout + time.Second):
		_, _ = p.signalled(abort)
		<-ended
		return fmt.Errorf("%s has not ended in order: see %s", p.name, p.log)
	}
}

// State is a word for how it is.
func (p *process) State() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.cmd == nil:
		return "dead"
	case p.frozen:
		return "frozen"
	case p.network != nil && p.network.IsCut():
		return "cut off"
	}
	return "runs"
}

// Report asks the hub.
func (p *process) Report(ctx context.Context) (r report, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL()+"status", nil)
	if err != nil {
		return r, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return r, err
	}
	defer answer.Body.Close()
	return r, json.NewDecoder(answer.Body).Decode(&r)
}

// Close ends what is left.
func (p *process) Close() {
	_ = p.Thaw()
	if p.network != nil {
		p.network.Mend()
		defer p.network.Close()
	}
	_ = p.Stop()
}
