package client

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// onEntered handles a created or joined frame, the first one or the answer to a resume.
// The lock is held.
func (m *Membership) onEntered(frame *wire.Frame, now time.Time) {
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
		m.onGap(0)
	}
	if frame.HasMembers {
		m.compareRoster(frame, now)
	}
}

// compareRoster updates a master's roster to the one that the hub sends after a resume.
// The user is told at once about slaves that are new or have another state. The user is
// told about slaves that have left only after their messages, which are still replayed.
// The lock is held.
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

// tellDeparted tells the user about the slaves that have left while the master was away.
// The lock is held.
func (m *Membership) tellDeparted() {
	for _, slave := range m.departed {
		m.slaveChanged(slave)
	}
	m.departed = nil
}

// slaveChanged updates the roster, and tells the user. The lock is held.
func (m *Membership) slaveChanged(slave Presence) {
	if slave.State == wire.StateLeft {
		delete(m.slaves, slave.Username)
		m.onSlaveLeft(slave)
	} else {
		m.slaves[slave.Username] = slave
	}
	m.inbox.presence(slave)
}

// onMessage handles a message. A message that a replay brings a second time is dropped.
// The lock is held.
func (m *Membership) onMessage(frame *wire.Frame) {
	if frame.Seq <= m.last {
		return
	}
	m.last = frame.Seq
	message := Message{
		From: frame.From, Seq: frame.Seq, Private: frame.Private, RequestID: frame.Request, ReplyTo: frame.Reply,
		// The frame's payload is in the connection's read buffer.
		Payload: wire.Payload{Kind: frame.Payload.Kind, Data: bytes.Clone(frame.Payload.Data)},
	}
	if !m.onReply(message) {
		m.inbox.message(message)
	}
	if m.departed != nil && m.last >= m.replayEnd {
		m.tellDeparted()
	}
}

// onPresence handles a change of a member's state: of the master where this member is a
// slave, of a slave where this member is the master. The lock is held.
func (m *Membership) onPresence(frame *wire.Frame, now time.Time) {
	p := Presence{Username: frame.Username, State: frame.State, Since: now, Reason: frame.Reason}
	if m.role == wire.Master {
		// A presence under the name of a departed slave is of a new slave. The user need
		// not be told about the departed one any more.
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

// onGap handles a loss of messages at this place in the stream. missed is zero where their
// number is not known. The lock is held.
func (m *Membership) onGap(missed uint64) {
	m.inbox.gap(missed)
	m.onAnswersLost()
}
