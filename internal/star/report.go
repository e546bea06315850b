package star

import (
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Report is what a channel shows to those who operate it.
type Report struct {
	Name string
	// MasterTimeout is X of rule 3.
	MasterTimeout time.Duration
	Master        MemberReport
	// Slaves are in the order of their names.
	Slaves []MemberReport
	// MasterMessages and SlaveMessages count what the master and what all slaves
	// have sent.
	MasterMessages uint64
	SlaveMessages  uint64
	// Kept is what is kept for members that come back, in both directions.
	Kept Load
	// Banned is how many names are banned.
	Banned int
	// OpenRequests is how many requests of the master await answers.
	OpenRequests int
}

// MemberReport is one member in a Report.
type MemberReport struct {
	Username string
	State    wire.State
	// Deadline is until when one who is away is waited for.
	Deadline time.Time
	Epoch    uint64
	// OpenRequests is how many requests of a slave the master has not answered.
	OpenRequests int
	// Line is that of the present attachment, or nil. It may be asked after the
	// lock is released.
	Line Line
}

// Report is how the channel is, and whether it exists.
func (c *Channel) Report() (Report, bool) {
	if c.life != open {
		return Report{}, false
	}
	r := Report{
		Name: c.name, MasterTimeout: c.timeout, Master: c.master.report(),
		MasterMessages: c.down.newest, SlaveMessages: c.up.newest,
		Kept:   Load{Messages: c.down.kept() + c.up.kept(), Bytes: c.down.bytes + c.up.bytes},
		Banned: len(c.banned), OpenRequests: len(c.questions),
	}
	for _, name := range slices.Sorted(maps.Keys(c.slaves)) {
		r.Slaves = append(r.Slaves, c.slaves[name].report())
	}
	return r, true
}

func (m *member) report() MemberReport {
	r := MemberReport{Username: m.name, State: m.state, Epoch: m.epoch, OpenRequests: len(m.asks)}
	if m.state == wire.StateAway {
		r.Deadline = m.deadline
	}
	if m.at != nil {
		r.Line = m.at.Line
	}
	return r
}
