package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"time"

	"github.com/lectern-go/lectern/internal/process"
)

// hubProcess is a hub in a process of its own.
type hubProcess struct{ *process.Process }

// startHub runs this program once more, as a hub.
func startHub(ctx context.Context, s settings) (hubProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return hubProcess{}, err
	}
	encoded, err := json.Marshal(s)
	if err != nil {
		return hubProcess{}, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), hubVariable+"="+string(encoded))
	p, err := process.Start(cmd)
	return hubProcess{p}, err
}

// stop ends the process.
func (h hubProcess) stop() error { return h.Stop(20 * time.Second) }

func (h hubProcess) stats() (stats, error) { return h.ask("stats") }

// collected are the stats after two garbage collections.
func (h hubProcess) collected() (stats, error) { return h.ask("gc") }

func (h hubProcess) ask(command string) (s stats, err error) {
	err = h.Ask(command, &s)
	return s, err
}
