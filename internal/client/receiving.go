package client

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// entered takes over what created or joined tells, the first time or after a
// resume.
func (m *Membership) entered(frame *wire.Frame, now time.Time) {
	back := !m.lostAt.IsZero()
	if !back {
		m.username, m.secret = frame.Username, frame.Secret
		m.timeout = wire.FromMilliseconds(frame.MasterTimeout)
	}
	if m.role == wire.Slave {
		m.master = Presence{Username: frame.Master.Username, State: frame.Master.State, Since: now}
		if back && m.master.State == wire.StateOnline {
			m.inbox.presence(m.master)
		}
		return
	}
	if back {
		m.inbox.presence(Presence{Username: m.username, State: wire.StateOnline, Since: now})
	}
	if frame.Gap {
		m.gap(0)
	}
	if frame.HasMembers {
		m.compareRoster(frame, now)
	}
}

// compareRoster brings a master's roster to what the hub tells after a resume.
// Those who came are told at once; those who went are told behind the messages
// that are still to come from them.
func (m *Membership) compareRoster(frame *wire.Frame, now time.Time) {
	missing := maps.Clone(m.slaves)
	for _, slave := range frame.Members {
		delete(missing, slave.Username)
		if m.slaves[slave.Username].State != slave.State {
			m.slaveChanged(Presence{Username: slave.Username, State: slave.State, Since: now})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		m.departed = append(m.departed, Presence{Username: name, State: wire.StateLeft, Since: now, Reason: "left while the master was away"})
	}
	m.replayEnd = frame.Seq
	if m.last >= m.replayEnd {
		m.tellDeparted()
	}
}

func (m *Membership) tellDeparted() {
	for _, slave := range m.departed {
		m.slaveChanged(slave)
	}
	m.departed = nil
}

func (m *Membership) slaveChanged(slave Presence) {
	if slave.State == wire.StateLeft {
		delete(m.slaves, slave.Username)
		m.departs(slave)
	} else {
		m.slaves[slave.Username] = slave
	}
	m.inbox.presence(slave)
}

// message takes in a message. What a replay brings a second time is dropped.
func (m *Membership) message(frame *wire.Frame) {
	if frame.Seq <= m.last {
		return
	}
	m.last = frame.Seq
	message := Message{
		From: frame.From, Seq: frame.Seq, Private: frame.Private, RequestID: frame.Request, ReplyTo: frame.Reply,
		// The frame lies in the connection's buffer.
		Payload: wire.Payload{Kind: frame.Payload.Kind, Data: bytes.Clone(frame.Payload.Data)},
	}
	if !m.reply(message) {
		m.inbox.message(message)
	}
	if m.departed != nil && m.last >= m.replayEnd {
		m.tellDeparted()
	}
}

// presence takes in a change of the master, on a slave's side, or of a slave.
func (m *Membership) presence(frame *wire.Frame, now time.Time) {
	p := Presence{Username: frame.Username, State: frame.State, Since: now, Reason: frame.Reason}
	if m.role == wire.Master {
		// One of that name who is back has another life than the one departed.
		m.departed = slices.DeleteFunc(m.departed, func(d Presence) bool { return d.Username == p.Username })
		m.slaveChanged(p)
		return
	}
	if p.State == wire.StateAway {
		p.Deadline = now.Add(wire.FromMilliseconds(frame.Timeout))
	}
	m.master = p
	m.inbox.presence(p)
}

// gap takes in that messages were lost in this place.
func (m *Membership) gap(missed uint64) {
	m.inbox.gap(missed)
	m.lost()
}
