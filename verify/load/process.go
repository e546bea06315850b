package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"sync"
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

// startChannel starts a hub that has a channel "c", whose master takes whatever it
// is sent. The hub is stopped by end.
func startChannel(ctx context.Context, s settings) (h hubProcess, end func(), err error) {
	if h, err = startHub(ctx, s); err != nil {
		return h, nil, err
	}
	master, err := createChannel(ctx, h.Address, "c")
	if err != nil {
		return h, nil, errors.Join(err, h.stop())
	}
	var reading sync.WaitGroup
	master.drain(&reading)
	return h, func() {
		master.hangUp()
		reading.Wait()
		_ = h.stop()
	}, nil
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
