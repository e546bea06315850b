package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lectern-go/lectern/internal/process"
)

// place is where the hubs are: the listeners, which outlive each of them, the file of the
// state, and the hub of the moment.
type place struct {
	settings settings
	files    []*os.File
	ws, tcp  string // the addresses
	hub      *process.Process
	dir      string
}

func newPlace(s settings) (*place, error) {
	dir, err := os.MkdirTemp("", "restart")
	if err != nil {
		return nil, err
	}
	s.State = filepath.Join(dir, "hub.state")
	p := &place{settings: s, dir: dir}
	for _, address := range []*string{&p.ws, &p.tcp} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*address = listener.Addr().String()
		// A copy that this process never accepts from.
		file, err := listener.(*net.TCPListener).File()
		if err := errors.Join(err, listener.Close()); err != nil {
			return nil, err
		}
		p.files = append(p.files, file)
	}
	return p, nil
}

// start runs this program once more, as a hub.
func (p *place) start() (told started, err error) {
	self, err := os.Executable()
	if err != nil {
		return told, err
	}
	encoded, err := json.Marshal(p.settings)
	if err != nil {
		return told, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), hubVariable+"="+string(encoded))
	cmd.ExtraFiles = p.files
	if p.hub, err = process.Start(cmd); err != nil {
		return told, err
	}
	return told, json.Unmarshal([]byte(p.hub.Address), &told)
}

// stop ends the hub by SIGTERM, and returns when its process has ended.
func (p *place) stop() (told stopped, err error) {
	if err := syscall.Kill(p.hub.ID(), syscall.SIGTERM); err != nil {
		return told, err
	}
	err = p.hub.Ask("stopped", &told)
	err = errors.Join(err, p.hub.Stop(20*time.Second))
	if told.Error != "" {
		err = errors.Join(err, fmt.Errorf("the hub: %s", told.Error))
	}
	return told, err
}

// kill ends the hub by SIGKILL.
func (p *place) kill() error { return p.hub.Kill() }

// hasState reports whether there is a file.
func (p *place) hasState() bool {
	_, err := os.Stat(p.settings.State)
	return err == nil
}

func (p *place) end() error {
	err := p.hub.Kill()
	for _, file := range p.files {
		_ = file.Close()
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}
