//go:build !unix

package main

import (
	"errors"
	"os"
	"os/exec"
)

// canFreeze tells whether this system lets a process be stopped for a while.
const canFreeze = false

func freeze(*os.Process) error { return errors.ErrUnsupported }
func thaw(*os.Process) error   { return errors.ErrUnsupported }

// terminate is not there either: the hub ends in order when its input does.
func terminate(*os.Process) error { return nil }

func abort(p *os.Process) error { return p.Kill() }

func setGroup(*exec.Cmd) {}
