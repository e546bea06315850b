//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine is where the figures come from.
type machine struct {
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

func lookAtMachine() machine {
	m := machine{
		Date: time.Now().UTC().Format(time.DateOnly), Processors: runtime.NumCPU(), Go: runtime.Version(),
		Versions: make(map[string]string), Node: output("node", "--version"),
		Commit: output("git", "describe", "--always", "--dirty", "--abbrev=12"),
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	info, _ := os.ReadFile("/proc/cpuinfo")
	if _, rest, found := strings.Cut(string(info), "model name"); found {
		line, _, _ := strings.Cut(rest, "\n")
		m.CPU = strings.Trim(line, "\t :")
	}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			for _, path := range measuredModules {
				if module.Path == path {
					m.Versions[path] = module.Version
				}
			}
		}
	}
	for _, name := range []string{"ws", "socket.io"} {
		var described struct{ Version string }
		data, err := os.ReadFile(filepath.Join("node", "node_modules", name, "package.json"))
		if err == nil && json.Unmarshal(data, &described) == nil {
			m.Versions[name] = described.Version
		}
	}
	return m
}

// output of a command, or empty.
func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// processors is how their time was used so far.
type processors struct{ total, busy, own time.Duration }

func lookAtProcessors() processors {
	var p processors
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var usage unix.Rusage
		if unix.Getrusage(who, &usage) == nil {
			p.own += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		}
	}
	data, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(data), "\n")
	var user, nice, system, idle, wait, irq, soft, steal int64
	if _, err := fmt.Sscanf(line, "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &soft, &steal); err != nil {
		return p
	}
	const tick = 10 * time.Millisecond
	p.busy = time.Duration(user+nice+system+irq+soft+steal) * tick
	p.total = p.busy + time.Duration(idle+wait)*tick
	return p
}

// others is the share of the processors that others have used since then.
func (p processors) others(since processors) float64 {
	total := float64(p.total - since.total)
	if total <= 0 {
		return 0
	}
	return max(0, float64((p.busy-since.busy)-(p.own-since.own))/total)
}
