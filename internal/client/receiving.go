package client

import (
	"bytes"
	"math"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// onEntered handles a created or joined frame: the first one, or the answer to a resume. Where
// the membership has moved without being lost, the user is told only of what has changed
// meanwhile. The lock is held.
func (m *Membership) onEntered(frame *wire.Frame, now time.Time) {
	m.endAnew()
	back := !m.lostAt.IsZero() && !m.untold
	moved := m.enteredBy != 0 && !back
	m.secret, m.epoch = frame.Secret, frame.Epoch
	m.confirming.begin(frame)
	m.setMuted(frame.Muted, back || moved)
	m.onGiven(frame)
	if !back && !moved {
		m.username = frame.Username
		m.timeout = wire.FromMilliseconds(frame.MasterTimeout)
	}
	if m.role == wire.Slave {
		before := m.master
		m.masterIs(frame.Master.Username)
		m.master = Presence{Username: frame.Master.Username, State: frame.Master.State, Since: now}
		if moved && before.Username == m.master.Username && before.State == m.master.State {
			m.master, m.repeated = before, before.State == wire.StateAway
		} else if (back || moved) && m.master.State == wire.StateOnline {
			m.inbox.presence(m.master)
		}
		return
	}
	if back {
		m.inbox.presence(Presence{Username: m.username, State: wire.StateOnline, Since: now})
	}
	if frame.Gap {
		m.onGap(0, 0)
	}
	m.listedDoor(frame)
	if m.counted() {
		m.onCounts(frame, back || moved)
	}
	if frame.HasMembers {
		why := "left while the master was away"
		if moved {
			why = "left while the master moved to another connection"
		}
		// What a handle begins with was there before, unless it has made the channel itself.
		m.compareRoster(frame, why, now, back || moved || m.remade)
	}
}

// onRoster handles a list of the slaves that nobody has asked for. The hub sends it in
// place of the changes since it has sent the last one, after this client did not take them
// fast enough. The lock is held.
func (m *Membership) onRoster(frame *wire.Frame, now time.Time) {
	m.endAnew()
	if m.counted() && !frame.HasMembers {
		m.onCounts(frame, true)
	}
	if m.role == wire.Master && frame.HasMembers {
		m.tellDeparted()
		m.compareRoster(frame, "left while the master did not keep up", now, true)
	}
}

// compareRoster updates a master's roster to the list in the frame. The user is told at
// once about slaves that are new or have another state. After a resume, the user is told
// about slaves that have left, or have left and joined again, only after their messages,
// which are still replayed. why is the reason that they have left. follows: who is not
// known has joined since the list before, or since the channel was made. Where the list comes in
// pages, who is missing in it is known by the last one. The lock is held.
func (m *Membership) compareRoster(frame *wire.Frame, why string, now time.Time, follows bool) {
	m.departed = nil // of a list whose end was not reached: this one stands for it
	page := frame.Listing()
	if page.After == 0 {
		m.lists++
	}
	if len(m.slaves) == 0 {
		m.slaves = make(map[string]slave, len(frame.Members))
	}
	// heard is up to where messages are of the membership that has ended: what is still replayed
	// may be of the next one of that name.
	gone := func(name string, heard uint64) {
		m.forgetAttributes(name) // what comes behind the list is of who is there
		m.departed = append(m.departed, Presence{
			Username: name, State: wire.StateLeft, Since: now, Reason: why, number: m.slaves[name].number, heard: heard,
		})
	}
	for i := range frame.Members {
		listed := &frame.Members[i]
		known := m.slaves[listed.Username]
		if known.state != 0 {
			known.list = m.lists
			m.slaves[listed.Username] = known
		}
		changed := func(joined bool) Presence {
			return Presence{Username: listed.Username, State: listed.State, Since: now, Joined: joined, number: listed.Number}
		}
		switch {
		case known.number != 0 && listed.Number != 0 && known.number != listed.Number:
			gone(listed.Username, m.last)
			m.departed = append(m.departed, changed(true))
		case known.state != listed.State:
			m.slaveChanged(changed(known.state == 0 && follows))
		case listed.Number != 0 && known.number != listed.Number:
			known.number = listed.Number
			m.slaves[listed.Username] = known
		}
	}
	var missing []string
	for name, known := range m.slaves {
		if !page.More && known.list != m.lists {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	for _, name := range missing {
		gone(name, math.MaxUint64)
	}
	m.replayEnd = frame.Seq
	if m.last >= m.replayEnd {
		m.tellDeparted()
	}
	m.onListed(page.More)
}

// tellDeparted tells the user about the slaves that have left meanwhile. The lock is held.
func (m *Membership) tellDeparted() {
	for _, slave := range m.departed {
		m.slaveChanged(slave)
	}
	m.departed = nil
}

// slaveChanged updates the roster, and tells the user. The lock is held.
func (m *Membership) slaveChanged(p Presence) {
	if p.State == wire.StateLeft {
		delete(m.slaves, p.Username)
		m.questions.removeFrom(p.Username, p.heard)
		m.onSlaveLeft(p)
	} else {
		m.slaves[p.Username] = slave{since: p.Since, number: p.number, list: m.lists, state: p.State, joined: p.Joined}
	}
	for _, g := range m.gatherings {
		g.onSlave(p)
	}
	if !m.counted() {
		m.inbox.presence(p)
	}
}

// onMessage handles a message. A message that a replay brings a second time is dropped, but for
// what this member is to answer; and so is one that came to this client when it was the master before.
// The lock is held.
func (m *Membership) onMessage(frame *wire.Frame) {
	m.endAnew()
	known := frame.Seq <= m.last
	if known && frame.Request == 0 {
		return
	}
	message := Message{
		From: frame.From, Seq: frame.Seq, Private: frame.Private, RequestID: frame.Request, ReplyTo: frame.Reply, Topic: frame.Topic(),
		// The frame's payload is in the connection's read buffer.
		Payload: wire.Payload{Kind: frame.Payload.Kind, Data: bytes.Clone(frame.Payload.Data)},
	}
	if left := frame.Expires(); left > 0 {
		message.Expires = time.Now().Add(wire.FromMilliseconds(left))
	}
	if frame.Request != 0 && (m.role == wire.Master || frame.From == m.master.Username) {
		m.questions.add(message, m.client.options.Inbox)
	}
	if known {
		return // another client was asked, whose ticket this one has
	}
	if m.last = frame.Seq; m.asking == nil {
		m.known = max(m.known, frame.Seq) // what is asked again comes in front of attributes with lower numbers
	}
	m.onUnconfirmed(len(frame.Payload.Data))
	if !m.onReply(message) && (frame.Request != 0 || !m.hasHad(frame.Seq)) {
		m.inbox.message(message)
	}
	if m.departed != nil && m.last >= m.replayEnd {
		m.tellDeparted()
	}
}

// onPresence handles a change of a member's state: of the master where this member is a
// slave, of a slave where this member is the master. The lock is held.
func (m *Membership) onPresence(frame *wire.Frame, now time.Time) {
	m.endAnew()
	p := Presence{Username: frame.Username, State: frame.State, Since: now, Reason: frame.Reason, heard: math.MaxUint64}
	if m.role == wire.Master {
		m.tellDeparted() // a presence comes after everything that was missed
		if p.number = frame.Number; p.number == 0 {
			p.number = m.slaves[p.Username].number // the same membership as before
		}
		p.Joined = frame.Joined || frame.Number != 0 // hubs of before tell who is new by its number alone
		if p.State == wire.StateLeft || p.Joined {
			m.forgetAttributes(p.Username)
		}
		m.slaveChanged(p)
		m.onJoinedWith(frame)
		return
	}
	if p.State == wire.StateAway {
		p.Deadline = now.Add(wire.FromMilliseconds(frame.Timeout))
	}
	m.masterIs(p.Username)
	if repeated := m.repeated; repeated {
		if m.repeated = false; p.State == m.master.State {
			m.master.Deadline = p.Deadline
			return
		}
	}
	m.master = p
	m.inbox.presence(p)
}

// onGap handles a loss of messages at this place in the stream. missed is zero where it is not
// known how many there were. seq is the number of the newest one, where that is known: a replay
// can tell a second time of what has expired. The lock is held.
func (m *Membership) onGap(missed, seq uint64) {
	m.endAnew()
	if seq != 0 {
		if seq <= m.last {
			return
		}
		m.last = seq
		m.onUnconfirmed(0)
	}
	if !m.hasHad(seq) {
		m.inbox.gap(missed, seq)
		m.onAnswersLost()
	}
	if m.departed != nil && m.last >= m.replayEnd {
		m.tellDeparted()
	}
}
