package cluster

import (
	"sync"
	"time"
)

const (
	// volumeSlots is in how many steps what a Volume has counted expires.
	volumeSlots = 16
	// groupRoom is what a group takes beside its body, in bytes, about.
	groupRoom = 128
)

// Volume is how much of the log one channel has filled: what was written of it not longer ago than groups are kept.
type Volume struct {
	slot time.Duration

	mu     sync.Mutex
	begun  time.Time
	newest int // of the slots; each has its place by its number
	bytes  [volumeSlots]int
}

// NewVolume is that of a channel of which nothing is known to have been written, in a log that keeps groups for so long.
func NewVolume(keeps time.Duration, now time.Time) *Volume {
	return &Volume{slot: max(keeps/(volumeSlots-1), 1), begun: now}
}

// Wrote counts a group with a body of so many bytes that was written so long ago.
func (v *Volume) Wrote(now time.Time, age time.Duration, body int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.goOn(now)
	if back := int(age / v.slot); back < volumeSlots {
		v.bytes[(v.newest-back+volumeSlots)%volumeSlots] += body + groupRoom
	}
}

// Bytes is what the channel takes, about.
func (v *Volume) Bytes(now time.Time) (sum int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.goOn(now)
	for _, n := range v.bytes {
		sum += n
	}
	return sum
}

// goOn lets go what has expired by now.
func (v *Volume) goOn(now time.Time) {
	to := int(now.Sub(v.begun) / v.slot)
	for n := max(v.newest+1, to-volumeSlots+1); n <= to; n++ {
		v.bytes[n%volumeSlots] = 0
	}
	v.newest = max(v.newest, to)
}
