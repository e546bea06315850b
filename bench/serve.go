//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"

	"github.com/lectern-go/lectern/bench/servers"
)

// serve runs one of the servers in Go until in ends. Its commands are "stats";
// "gc", which frees memory first; "profile FILE", and "profile" to end that.
func serve(name string, in io.Reader, out io.Writer) error {
	listen, found := servers.Go[name]
	if !found {
		return fmt.Errorf("there is no server %q", name)
	}
	server, err := listen()
	if err != nil {
		return err
	}
	defer server.Close()
	if _, err := fmt.Fprintln(out, server.Addr()); err != nil {
		return err
	}
	answers := json.NewEncoder(out)
	for commands := bufio.NewScanner(in); commands.Scan(); {
		var s stats
		switch command, argument, _ := strings.Cut(commands.Text(), " "); command {
		case "gc":
			// Twice: what a sync.Pool holds survives the first.
			runtime.GC()
			debug.FreeOSMemory()
		case "profile":
			if err := profile(argument); err != nil {
				s.Error = err.Error()
			}
		}
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		s.Members, s.Goroutines, s.Mallocs = server.Members(), runtime.NumGoroutine(), memory.Mallocs
		if err := answers.Encode(s); err != nil {
			return err
		}
	}
	return nil
}

func profile(file string) error {
	pprof.StopCPUProfile()
	if file == "" {
		return nil
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f)
}
