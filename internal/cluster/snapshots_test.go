package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhenASnapshotIsDue(t *testing.T) {
	const keeps = 6 * time.Minute
	begin := time.Unix(1_000_000, 0)
	type write struct{ groups, bytes int }
	for _, test := range []struct {
		name   string
		random float64
		size   int
		wrote  write
		after  time.Duration
		want   bool
	}{
		{"nothing was written", 0, 0, write{}, 119 * time.Second, false},
		{"a third of the time is over", 0, 0, write{}, 120 * time.Second, true},
		{"others earlier", 1, 0, write{}, 89 * time.Second, false},
		{"but not much", 1, 0, write{}, 90 * time.Second, true},
		{"between", 0.5, 0, write{}, 104 * time.Second, false},
		{"between, later", 0.5, 0, write{}, 105 * time.Second, true},
		{"as much as the slack", 0, 0, write{1, 64 << 10}, 0, false},
		{"more", 0, 0, write{1, 64<<10 + 1}, 0, true},
		{"many small ones", 0, 0, write{16, 10}, 0, false},
		{"one more", 0, 0, write{17, 10}, 0, true},
		{"small ones are dear to read, but snapshots a tenth of what is written", 0, 1 << 10, write{17, 300}, time.Minute, false},
		{"and then one is due", 0, 1 << 10, write{31, 300}, 0, true},
		{"as much as the snapshot", 0, 1 << 20, write{17, 64 << 10}, time.Minute, false},
		{"more than the snapshot", 0, 1 << 20, write{18, 64 << 10}, time.Minute, false},
		{"nine times as much", 0, 1 << 20, write{9 * 16, 64 << 10}, 0, true},
		{"a large one is due for its age too", 0, 1 << 30, write{}, 120 * time.Second, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := NewPacing(keeps, test.random, begin)
			for range test.wrote.groups {
				p.Wrote(test.wrote.bytes)
			}
			require.Equal(t, test.want, p.Due(begin.Add(test.after), test.size))
		})
	}
}

// While one is written none is begun, and what was written meanwhile counts for the next.
func TestSnapshotsOneAfterTheOther(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	p := NewPacing(6*time.Minute, 0, begin)
	at := begin.Add(2 * time.Minute)
	require.True(t, p.Due(at, 10<<10))
	p.Begin(at)
	require.False(t, p.Due(at.Add(time.Hour), 10<<10))
	p.Wrote(200 << 10)
	p.Done(10 << 10)
	require.True(t, p.Due(at.Add(time.Second), 10<<10), "200 KiB since a snapshot of 10")
	p.Begin(at.Add(time.Second))
	p.Done(10 << 10)
	at = at.Add(time.Second)
	require.False(t, p.Due(at.Add(time.Second), 10<<10), "nothing since")
	require.False(t, p.Due(at.Add(119*time.Second), 10<<10))
	require.True(t, p.Due(at.Add(120*time.Second), 10<<10), "the age is that of its beginning")
}

// Whatever a channel is like, at most a tenth of what is written is snapshots to make reading cheap, but for the last one.
func TestSnapshotsAreATenth(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	for _, size := range []int{0, 500, 20 << 10, 1 << 20, 80 << 20} {
		for _, group := range []int{60, 300, 64 << 10, 256 << 10} {
			p := NewPacing(6*time.Minute, 0, begin)
			snapshots, other := 0, 0
			for range 20_000 {
				p.Wrote(group)
				if other += group; p.Due(begin.Add(time.Second), size*9/10) { // it turns out to be larger
					p.Begin(begin)
					p.Done(size)
					snapshots += size
				}
			}
			require.LessOrEqual(t, (snapshots-size)*snapshotShare, other, "%d in groups of %d", size, group)
			if other > 10*size {
				require.Positive(t, snapshots+1-min(size, 1), "%d in groups of %d", size, group)
			}
		}
	}
}

// A channel that nothing happens in is written for its age alone, and owes one snapshot for that, and not all.
func TestWhatWasDueForItsAgeIsPaidForOnce(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	p := NewPacing(6*time.Minute, 0, at)
	for range 10 {
		at = at.Add(2 * time.Minute)
		require.True(t, p.Due(at, 1<<20))
		p.Begin(at)
		p.Done(1 << 20)
	}
	for range 2 * snapshotShare * 4 {
		require.False(t, p.Due(at, 1<<20))
		p.Wrote(256 << 10)
	}
	require.True(t, p.Due(at, 1<<20))
}
