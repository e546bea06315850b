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
		name     string
		random   float64
		snapshot int
		wrote    write
		after    time.Duration
		want     bool
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
		{"as much as the snapshot", 0, 1 << 20, write{17, 64 << 10}, time.Minute, false},
		{"more than the snapshot", 0, 1 << 20, write{18, 64 << 10}, time.Minute, true},
		{"but too soon", 0, 8 << 20, write{200, 64 << 10}, 7 * time.Second, false},
		{"and late enough", 0, 8 << 20, write{200, 64 << 10}, 8 * time.Second, true},
		{"a large one is due for its age too", 0, 1 << 30, write{}, 120 * time.Second, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := NewPacing(keeps, test.random, begin, test.snapshot)
			for range test.wrote.groups {
				p.Wrote(test.wrote.bytes)
			}
			require.Equal(t, test.want, p.Due(begin.Add(test.after)))
		})
	}
}

// While one is written none is begun, and what was written meanwhile counts for the next.
func TestSnapshotsOneAfterTheOther(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	p := NewPacing(6*time.Minute, 0, begin, 0)
	at := begin.Add(2 * time.Minute)
	require.True(t, p.Due(at))
	p.Begin(at)
	require.False(t, p.Due(at.Add(time.Hour)))
	p.Wrote(100 << 10)
	p.Done(30 << 10)
	require.True(t, p.Due(at.Add(time.Second)), "100 KiB since a snapshot of 30")
	p.Begin(at.Add(time.Second))
	p.Done(30 << 10)
	at = at.Add(time.Second)
	require.False(t, p.Due(at.Add(time.Second)), "nothing since")
	require.False(t, p.Due(at.Add(119*time.Second)))
	require.True(t, p.Due(at.Add(120*time.Second)), "the age is that of its beginning")
}
