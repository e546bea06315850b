//go:build linux

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// environment is where the figures come from.
type environment struct {
	Date       string            `json:"date"`
	Kernel     string            `json:"kernel"`
	CPU        string            `json:"cpu"`
	Processors int               `json:"processors"`
	Go         string            `json:"go"`
	Node       string            `json:"node,omitempty"`
	Commit     string            `json:"commit,omitempty"`
	Versions   map[string]string `json:"versions"`
	// Others is the share of the processors that others have used, from 0 to 1.
	// Where it is not near 0 the figures are of a machine that was busy.
	Others  float64 `json:"others"`
	Minutes float64 `json:"minutes"`
}

// measuredModules are the modules whose versions are told.
var measuredModules = []string{
	"github.com/gorilla/websocket", "github.com/olahol/melody", "github.com/centrifugal/centrifuge",
	"github.com/lxzan/gws", "github.com/coder/websocket",
}

func lookAtEnvironment() environment {
	e := environment{
		Date: time.Now().UTC().Format(time.DateOnly), Processors: runtime.NumCPU(), Go: runtime.Version(),
		Versions: make(map[string]string), Node: output("node", "--version"),
		Commit: output("git", "describe", "--always", "--dirty", "--abbrev=12"),
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		e.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	info, _ := os.ReadFile("/proc/cpuinfo")
	if _, rest, found := strings.Cut(string(info), "model name"); found {
		line, _, _ := strings.Cut(rest, "\n")
		e.CPU = strings.Trim(line, "\t :")
	}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			for _, path := range measuredModules {
				if module.Path == path {
					e.Versions[path] = module.Version
				}
			}
		}
	}
	for _, name := range []string{"ws", "socket.io"} {
		var described struct{ Version string }
		data, err := os.ReadFile(filepath.Join("node", "node_modules", name, "package.json"))
		if err == nil && json.Unmarshal(data, &described) == nil {
			e.Versions[name] = described.Version
		}
	}
	return e
}

// output of a command, or empty.
func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
