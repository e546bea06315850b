//go:build unix

// Package machine tells how much of the machine this process and others use,
// without which no figure can be judged. On other systems than Linux it knows
// little.
package machine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Usage is how much of their time all processors have spent so far.
type Usage struct{ total, busy, own time.Duration }

// Look tells the usage by now. Where the system does not say it, all but this
// process's part is zero.
func Look() Usage {
	u := Usage{own: cpuTime(syscall.RUSAGE_SELF) + cpuTime(syscall.RUSAGE_CHILDREN)}
	data, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(data), "\n")
	var user, nice, system, idle, wait, irq, soft, steal int64
	if _, err := fmt.Sscanf(line, "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &soft, &steal); err != nil {
		return u
	}
	const tick = 10 * time.Millisecond
	u.busy = time.Duration(user+nice+system+irq+soft+steal) * tick
	u.total = u.busy + time.Duration(idle+wait)*tick
	return u
}

// Since returns the shares of all processors that this process, with its children
// that have ended, and that all others have used since then, from 0 to 1.
func (u Usage) Since(then Usage) (own, others float64) {
	total := float64(u.total - then.total)
	if total <= 0 {
		return 0, 0
	}
	own = float64(u.own-then.own) / total
	return own, max(0, float64(u.busy-then.busy)/total-own)
}

// OwnTime is the time of processors that this process has used.
func OwnTime() time.Duration { return cpuTime(syscall.RUSAGE_SELF) }

// cpuTime is that of this process, or of its children that have ended.
func cpuTime(who int) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(who, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// Memory is one of the sizes that Linux tells of a process, in bytes: VmRSS is what
// is in memory, VmHWM the most that was.
func Memory(process int, size string) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(data), "\n"+size+":")
	kib, _, _ := strings.Cut(rest, "kB")
	n, err := strconv.ParseUint(strings.TrimSpace(kib), 10, 64)
	return n << 10, err
}
