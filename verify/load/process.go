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
	"sync"
	"time"
)

// hubProcess is a hub in a process of its own.
type hubProcess struct {
	address string
	cmd     *exec.Cmd
	mu      sync.Mutex
	in      io.WriteCloser
	out     *bufio.Reader
}

// startHub runs this program once more, as a hub.
func startHub(ctx context.Context, s settings) (*hubProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	h := &hubProcess{cmd: exec.CommandContext(ctx, self)}
	h.cmd.Env = append(os.Environ(), hubVariable+"="+string(encoded))
	h.cmd.Stderr = os.Stderr
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	h.out = bufio.NewReader(out)
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	address, err := h.out.ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the hub did not start: %w", err), h.stop())
	}
	h.address = address[:len(address)-1]
	return h, nil
}

// stop ends the process; it ends by itself when this one does.
func (h *hubProcess) stop() error {
	_ = h.in.Close()
	killer := time.AfterFunc(20*time.Second, func() { _ = h.cmd.Process.Kill() })
	defer killer.Stop()
	return h.cmd.Wait()
}

func (h *hubProcess) stats() (stats, error) { return h.ask("stats") }

// collected are the stats after two garbage collections.
func (h *hubProcess) collected() (stats, error) { return h.ask("gc") }

func (h *hubProcess) ask(command string) (stats, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var s stats
	if _, err := fmt.Fprintln(h.in, command); err != nil {
		return s, err
	}
	line, err := h.out.ReadBytes('\n')
	if err != nil {
		return s, fmt.Errorf("the hub does not answer: %w", err)
	}
	return s, json.Unmarshal(line, &s)
}
