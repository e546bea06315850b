package star

import (
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Report describes a channel for its operators.
type Report struct {
	Name string
	// MasterTimeout is X of rule 3.
	MasterTimeout time.Duration
	// MaxSlaves is how many slaves there may be.
	MaxSlaves int
	Master    MemberReport
	// Slaves are in the order of their names.
	Slaves []MemberReport
	// MasterMessages counts the messages of the master, SlaveMessages those of all
	// slaves together.
	MasterMessages uint64
	SlaveMessages  uint64
	// Kept is what is kept for replay, in both directions together.
	Kept Load
	// Banned is the number of banned names.
	Banned int
	// Door is what becomes of who joins, and Waiting how many wait there.
	Door    wire.Door
	Waiting int
	// OpenRequests is the number of the master's requests that await answers.
	OpenRequests int
	// Changes is the number of the last change that is in the report (Change.Number).
	Changes uint64
}

// MemberReport is one member in a Report.
type MemberReport struct {
	Username string
	State    wire.State
	// Deadline is when the membership of an away member ends. It is zero for a member
	// that is not away.
	Deadline time.Time
	Epoch    uint64
	// Number is that of a slave's membership.
	Number uint64
	// OpenRequests is the number of a slave's requests that the master has not
	// answered. It is zero for the master.
	OpenRequests int
	// Data and Expires are what the service has granted.
	Data    []byte
	Expires time.Time
	// Line is the line of the present attachment, or nil. It may be read after the
	// caller has released its lock.
	Line Line
}

// Report describes the channel, and reports whether it exists.
func (c *Channel) Report() (Report, bool) {
	if !c.Exists() {
		return Report{}, false
	}
	r := Report{
		Name: c.name, MasterTimeout: c.timeout, MaxSlaves: c.terms.maxSlaves(c.limits), Master: c.master.report(),
		MasterMessages: c.down.newest - c.down.skipped, SlaveMessages: c.up.newest - c.up.skipped,
		Kept:   Load{Messages: c.down.kept() + c.up.kept(), Bytes: c.down.bytes + c.up.bytes},
		Banned: len(c.banned), OpenRequests: len(c.requests), Changes: c.changes,
	}
	r.Door, r.Waiting = c.doorMode(), len(c.atDoor())
	for _, name := range slices.Sorted(maps.Keys(c.slaves)) {
		r.Slaves = append(r.Slaves, c.slaves[name].report())
	}
	return r, true
}

func (m *member) report() MemberReport {
	r := MemberReport{Username: m.name, State: m.state, Epoch: m.epoch, Number: m.number, OpenRequests: len(m.openRequests), Data: m.granted().Data, Expires: m.granted().Expires}
	if m.state == wire.StateAway {
		r.Deadline = m.deadline
	}
	if m.attachment != nil {
		r.Line = m.attachment.Line
	}
	return r
}
