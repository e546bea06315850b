package cluster

import "time"

const (
	// snapshotSlack is how much more than a snapshot has what was written since it may take, in bytes.
	snapshotSlack = 64 << 10
	// groupCost is what it costs to read a group, as so many bytes: groups of other channels lie between.
	groupCost = 4 << 10
	// snapshotRate bounds what snapshots cost that are written to make reading cheap: so many bytes a second.
	snapshotRate = 1 << 20
)

// Pacing tells an owner when to write a new snapshot of its channel. Two things ask for one. What is kept in
// the log must not expire: a snapshot is due when the last one, as it was begun, is older than a third of the
// time for which groups are kept. And who takes over has to read all since: one is due when that costs more than
// to write the snapshot again, but not more often than so that a channel writes snapshotRate for it.
//
// It is a value of one channel, for one goroutine at a time.
type Pacing struct {
	age      time.Duration // of the last snapshot, when the next is due
	begun    time.Time     // when the last complete one was begun
	writing  time.Time     // when the one was begun that is being written, or zero
	size     int           // of the last complete one
	cost     int           // of what was written since it was begun
	costThen int           // of what was written since the one was begun that is being written
}

// NewPacing is that of a channel whose state is in the log since a time, that of the first group after the base, as a snapshot of
// so many bytes (0: the channel was created then). random is from 0 to 1 and drawn for each channel, so that those that
// were created or taken over at once do not write their snapshots at once.
func NewPacing(keeps time.Duration, random float64, since time.Time, snapshot int) *Pacing {
	third := keeps / 3
	return &Pacing{age: third - time.Duration(random*float64(third/4)), begun: since, size: snapshot}
}

// Wrote counts a group of so many bytes that is committed and not a part of a snapshot.
func (p *Pacing) Wrote(bytes int) {
	cost := max(bytes, groupCost)
	p.cost += cost
	p.costThen += cost
}

// Due tells whether a snapshot is to be begun now.
func (p *Pacing) Due(now time.Time) bool {
	if !p.writing.IsZero() {
		return false
	}
	age := now.Sub(p.begun)
	if age >= p.age {
		return true
	}
	return p.cost > p.size+snapshotSlack && age >= time.Duration(p.size)*time.Second/snapshotRate
}

// Begin: the state was copied now, and its snapshot is going to be written.
func (p *Pacing) Begin(now time.Time) { p.writing, p.costThen = now, 0 }

// Done: the snapshot is committed as a whole, so many bytes, and is the base now.
func (p *Pacing) Done(bytes int) {
	p.begun, p.size, p.cost = p.writing, bytes, p.costThen
	p.writing = time.Time{}
}
