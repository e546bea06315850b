package cluster

import "time"

const (
	// snapshotSlack is how much more than a snapshot has what was written since it may cost to read, in bytes.
	snapshotSlack = 64 << 10
	// groupCost is what it costs to read a group, as so many bytes: groups of other channels lie between.
	groupCost = 4 << 10
	// snapshotShare: for one byte of a snapshot that is written to make reading cheap, so many of other groups
	// are. So of what is written at most a tenth is that.
	snapshotShare = 9
)

// Pacing tells an owner when to write a new snapshot of its channel. Two things ask for one. What is kept in
// the log must not expire: a snapshot is due when the last one, as it was begun, is older than a third of the
// time for which groups are kept. And who takes over has to read all since: one is due when that costs more than
// to write the snapshot, but not before nine times as much as it has was written otherwise, the last one paid for too. A channel of
// many members that come and go all the time would write nothing but snapshots else.
//
// It is a value of one channel, for one goroutine at a time.
type Pacing struct {
	age      time.Duration // of the last snapshot, when the next is due
	begun    time.Time     // when the last complete one was begun
	writing  time.Time     // when the one was begun that is being written, or zero
	cost     int           // of what was written since it was begun
	costThen int           // of what was written since the one was begun that is being written
	// credit is how many bytes were written otherwise for which there was no snapshot yet. It is negative where a
	// snapshot was larger, or was due for its age.
	credit int
}

// NewPacing is that of a channel whose state is in the log since a time, that of the first group after the base. What
// was written since is told by Wrote. random is from 0 to 1 and drawn for each channel, so that those that
// were created or taken over at once do not write their snapshots at once.
func NewPacing(keeps time.Duration, random float64, since time.Time) *Pacing {
	third := keeps / 3
	return &Pacing{age: third - time.Duration(random*float64(third/4)), begun: since}
}

// Wrote counts a group of so many bytes that is committed and not a part of a snapshot.
func (p *Pacing) Wrote(bytes int) {
	cost := max(bytes, groupCost)
	p.cost += cost
	p.costThen += cost
	p.credit += bytes
}

// Due tells whether a snapshot is to be begun now, which would have about so many bytes.
func (p *Pacing) Due(now time.Time, bytes int) bool {
	if !p.writing.IsZero() {
		return false
	}
	return now.Sub(p.begun) >= p.age || p.cost > bytes+snapshotSlack && p.credit >= snapshotShare*bytes
}

// Begin: the state was copied now, and its snapshot is going to be written.
func (p *Pacing) Begin(now time.Time) { p.writing, p.costThen = now, 0 }

// Done: the snapshot is committed as a whole, so many bytes, and is the base now.
func (p *Pacing) Done(bytes int) {
	p.begun, p.cost = p.writing, p.costThen
	p.credit = max(p.credit, 0) - snapshotShare*bytes // of those that were due for their age, one is paid for
	p.writing = time.Time{}
}
