//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lectern-go/lectern/bench/load"
)

// spec is a server as the bench knows it.
type spec struct {
	name    string
	dialect func() load.Dialect
	framing load.Framing
	kind    serverKind
	// script is that of a server on Node.
	script string
	// only is the stage that the server takes part in by default; all where empty.
	only string
}

type serverKind uint8

const (
	limit serverKind = iota
	peer
	ours
)

func plain() load.Dialect { return new(load.Plain) }

// specs are all servers, in the order of the tables.
var specs = []spec{
	{name: "one write", kind: limit, dialect: plain},
	{name: "batched", kind: limit, dialect: plain},
	{name: "gorilla loop", kind: peer, dialect: plain},
	{name: "gorilla join", kind: peer, dialect: func() load.Dialect { return new(load.Joining) }, only: "connect"},
	{name: "gorilla chat", kind: peer, dialect: func() load.Dialect { return &load.Chat{Payload: len(payload)} }},
	{name: "melody", kind: peer, dialect: plain},
	{name: "centrifuge", kind: peer, dialect: func() load.Dialect { return new(load.Centrifuge) }},
	{name: "gws", kind: peer, dialect: plain},
	{name: "coder/websocket", kind: peer, dialect: plain},
	{name: "ws", kind: peer, dialect: plain, script: "ws.js"},
	{name: "socket.io", kind: peer, framing: load.Text, dialect: func() load.Dialect { return new(load.SocketIO) }, script: "socketio.js"},
	{name: "lectern", kind: ours, dialect: func() load.Dialect { return new(load.Lectern) }},
	{name: "lectern apart", kind: ours, dialect: func() load.Dialect { return &load.Lectern{Apart: true} }, only: "connect"},
	{name: "lectern text", kind: ours, framing: load.Text, dialect: func() load.Dialect { return new(load.LecternText) }},
	{name: "lectern socketio", kind: ours, framing: load.Text, dialect: func() load.Dialect { return new(load.LecternIO) }},
	{name: "lectern netconn", kind: ours, framing: load.Units, dialect: func() load.Dialect { return new(load.Lectern) }},
	{name: lecternHTTPStream, kind: ours, framing: load.Events, dialect: func() load.Dialect { return new(load.LecternText) }},
	{name: lecternWrapped, kind: ours, dialect: func() load.Dialect { return new(load.Lectern) }, only: "crowd"},
}

// chosen are the servers of that comma-separated list, all for an empty one.
func chosen(list string) ([]spec, error) {
	if list == "" {
		return specs, nil
	}
	var found []spec
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(specs, func(s spec) bool { return s.name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, fmt.Errorf("there is no server %q", name)
		}
		found = append(found, specs[i])
	}
	return found, nil
}

// command is what runs the server. Those on Node are run without this program
// in between, so that the process is the server's own.
func (s spec) command() (string, []string, error) {
	if s.script == "" {
		self, err := os.Executable()
		return self, []string{"serve", s.name}, err
	}
	node, err := exec.LookPath("node")
	return node, []string{"--expose-gc", filepath.Join("node", s.script)}, err
}
