// Command state measures what it takes to hand a large hub on to the next process: Hub.Export
// by hubfile.Save, and Hub.Restore by hubfile.Load, each in a process of its own.
//
//	go run ./state [-short]
//
// It ends with status 1 where one of them needs too much memory.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/lectern-go/lectern/internal/machine"
	"github.com/lectern-go/lectern/verify/internal/verdict"
)

// roleVariable is the environment variable that makes the program one that exports or
// restores. Its value is a task.
const roleVariable = "LECTERN_STATE_TASK"

// content is what a hub has: so many channels with so many slaves each, and messages of so
// many bytes that are kept for them.
type content struct{ Channels, Slaves, Messages, Bytes int }

func (c content) String() string {
	return fmt.Sprintf("%d × (1 master, %d slaves, %d messages of %d bytes)", c.Channels, c.Slaves, c.Messages, c.Bytes)
}

// figures are what one of the two took.
type figures struct {
	Time time.Duration
	// File is the size of the file in bytes.
	File int64
	// Held is what the hub has on the heap, Peak the most that was there meanwhile, and
	// Allocated all that was asked for.
	Held, Peak, Allocated uint64
	// RSS is what the process had in memory before, and PeakRSS the most until the end.
	RSS, PeakRSS uint64
}

type task struct {
	Content content
	Restore bool
	Path    string
}

func main() {
	if encoded := os.Getenv(roleVariable); encoded != "" {
		if err := perform(encoded); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	short := flag.Bool("short", false, "a tenth of it, for a test run")
	flag.Parse()
	contents := []content{{10_000, 3, 10, 200}, {1, 100_000, 10, 200}}
	if *short {
		contents = []content{{1000, 3, 10, 200}, {1, 10_000, 10, 200}}
	}
	fmt.Printf("%s, GOMAXPROCS=%d\n", runtime.Version(), runtime.GOMAXPROCS(0))
	then := machine.Look()
	r := new(verdict.Report)
	err := measureAll(r, contents)
	if err != nil {
		fmt.Println("failed:", err)
	}
	own, others := machine.Look().Since(then)
	fmt.Printf("(processors: %.0f %% for this, %.0f %% for others on the machine)\n", 100*own, 100*others)
	if err != nil || r.Missed {
		os.Exit(1)
	}
}

func measureAll(r *verdict.Report, contents []content) error {
	dir, err := os.MkdirTemp("", "state")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, content := range contents {
		fmt.Printf("\n== %v\n", content)
		fmt.Println("            time       file   hub's heap   peak heap   allocated        RSS   peak RSS")
		path := filepath.Join(dir, "state")
		exported, err := run(task{content, false, path})
		if err != nil {
			return err
		}
		exported.print("export")
		restored, err := run(task{content, true, path})
		if err != nil {
			return err
		}
		restored.print("restore")
		r.Target(exported.Peak-exported.Held < exported.Held/4, "export takes less than a quarter of the hub's heap beside it")
		r.Target(restored.Peak < 2*restored.Held, "restore takes less than twice the hub's heap, with what is not collected yet")
	}
	return nil
}

func (f figures) print(name string) {
	fmt.Printf("%-8s %7.0f ms %10s %12s %11s %11s %10s %10s\n", name, f.Time.Seconds()*1000,
		verdict.MiB(uint64(f.File)), verdict.MiB(f.Held), verdict.MiB(f.Peak), verdict.MiB(f.Allocated), verdict.MiB(f.RSS), verdict.MiB(f.PeakRSS))
}

// run performs the task in a process of its own.
func run(t task) (f figures, err error) {
	self, err := os.Executable()
	if err != nil {
		return f, err
	}
	encoded, err := json.Marshal(t)
	if err != nil {
		return f, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVariable+"="+string(encoded))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(out, &f)
}
