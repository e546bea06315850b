//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// canFreeze tells whether this system lets a process be stopped for a while.
const canFreeze = true

func freeze(p *os.Process) error    { return p.Signal(syscall.SIGSTOP) }
func thaw(p *os.Process) error      { return p.Signal(syscall.SIGCONT) }
func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// abort ends a process that should have ended, which writes down what it does.
func abort(p *os.Process) error { return p.Signal(syscall.SIGQUIT) }

// setGroup has the process not get what the terminal sends to this one: Ctrl-C is for who has started the hubs, who
// then ends them.
func setGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
