package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// cpuTime is the time of processors that this process has used, or its children
// that have ended.
func cpuTime(who int) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(who, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// machine tells how much of the processors others use, without which no figure
// can be judged.
type machine struct{ total, busy, own time.Duration }

func lookAtMachine() machine {
	m := machine{own: cpuTime(syscall.RUSAGE_SELF) + cpuTime(syscall.RUSAGE_CHILDREN)}
	data, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(data), "\n")
	var user, nice, system, idle, wait, irq, soft, steal int64
	if _, err := fmt.Sscanf(line, "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &soft, &steal); err != nil {
		return m
	}
	const tick = 10 * time.Millisecond
	m.busy = time.Duration(user+nice+system+irq+soft+steal) * tick
	m.total = m.busy + time.Duration(idle+wait)*tick
	return m
}

// since are the shares of all processors that this program with its hub and that
// all others have used since then, from 0 to 1.
func (m machine) since(then machine) (own, others float64) {
	total := float64(m.total - then.total)
	if total <= 0 {
		return 0, 0
	}
	own = float64(m.own-then.own) / total
	return own, max(0, float64(m.busy-then.busy)/total-own)
}
