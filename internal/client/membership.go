package client

import (
	"slices"
	"strings"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Membership is the client's side of a member, and what the public Master and Slave have
// in common. The client's lock guards the fields that change. All exported methods but
// Own are safe for concurrent use.
type Membership struct {
	client   *Client
	channel  string
	username string
	role     wire.Role
	secret   string
	// epoch is that of the ticket: it counts the connections of the membership.
	epoch uint64
	// token is what the service was shown last. ownToken: it was given by the user for this
	// membership, and is shown again at each resume.
	token    string
	ownToken bool
	// entry is what the membership is of its channel. It is over when the membership has
	// ended. leaving: the membership is being left. unwanted: by the client, since no user has it.
	entry             *entry
	leaving, unwanted bool
	// enteredBy is the ref of the frame by which the membership was entered.
	enteredBy uint64
	// timeout is X of rule 3.
	timeout time.Duration
	// owned: the client was made for this membership alone and ends with it.
	owned bool
	// remade: the create that has made it was written more than once, so that slaves may have
	// joined before its answer.
	remade bool
	// switched: a switch from here was made that its caller had given up.
	switched bool
	// next is the membership that this one has become by a hand-over, or nil, and promotion the
	// event by which a slave's user was told. shows: the hub may not know yet that this client
	// knows what it is, so its frames show the epoch.
	next      *Membership
	promotion any
	shows     bool
	// muted: this slave is muted, or, where this is the master, all slaves are that are no
	// exceptions.
	muted bool

	inbox inbox
	// done is closed at the end; err is set before.
	done chan struct{}
	err  error // public
	// window bounds the requests that wait for an answer. It has as many places as the hub
	// remembers answers.
	window chan struct{}

	// link is the connection on which the hub has answered by which the membership was entered
	// or resumed, or nil. Frames for it are taken from that one alone. attached: requests are
	// written there. Otherwise they wait. held: they wait all the same, because the hub
	// takes on nothing new.
	link           *link
	attached, held bool
	// resuming is the ref of a resume that was not answered yet, or zero. repeating is that
	// of a switch that is repeated before (repeatSwitch). asked is the connection that they
	// were written on, or nil.
	resuming, repeating uint64
	asked               *link
	// stays is the newest connection, where it did not take the membership over from its own
	// one, or nil.
	stays *link
	// announced: the hub is told at once, by a frame, that this client has the membership.
	// It has to be where another client may have it by the same ticket, or where there are
	// two secrets. Otherwise the first frame that there is to send does.
	announced bool
	// confirming is what a master has not confirmed yet.
	confirming confirming
	// pending are the requests without an answer, in the order of their refs.
	pending []*request
	// last is the number of the newest message or change that has arrived. known is that up to
	// which the attributes of others are known: it is lower while they are told anew.
	last, known uint64
	// had is the number of the newest message that this client got when it had this role before, and
	// hadOther that of those in the other role (handover.go).
	had, hadOther uint64
	// others are the attributes of others by name and key, and own those that were set for this
	// member, by this client or another one before it.
	others map[string]map[string]attribute
	own    map[string]wire.Payload
	// anew are those of others that are told anew, or nil where none are.
	anew *toldAnew
	// questions are those that this member was asked and has not answered. asking is closed when
	// it has all that it is asked again, and is nil while nothing is.
	questions questions
	asking    chan struct{}
	// inquiries are the inquiries that await answers, by their numbers.
	inquiries map[uint64]*inquiry
	// gatherings are those that ask newcomers.
	gatherings []*gathering
	// earlyAnswers are answers that have arrived before the number of their inquiry was
	// known (see hasUnnumbered).
	earlyAnswers []Message

	// lostAt is when the connection was lost. It is zero while there is a connection that
	// holds the membership. untold: the user was not told of it, since the membership is
	// about to be on another connection.
	lostAt time.Time
	untold bool
	// notNow is the transient refusal of a resume since then, or nil. nowhere are the
	// places whose hubs do not have the membership.
	notNow  *wire.Cause
	nowhere without
	// lackedBy is the newest connection whose hub was one of these, or nil.
	lackedBy *link
	// giveUpTimer ends the membership when it could not be resumed for timeout.
	giveUpTimer *time.Timer

	// master is what a slave knows about its master. repeated: the hub is about to tell it once
	// more.
	master   Presence
	repeated bool
	// door is what a master knows of its door, or nil.
	door *door
	// slaves is what a master knows about its slaves.
	slaves map[string]slave
	// lists counts the lists of slaves that have come. listing is closed when the present one has come whole, and
	// is nil where it has.
	lists   uint32
	listing chan struct{}
	// counts are for a master that is told no more of its slaves.
	counts Counts
	// departed are slaves that have left while the master was away, and those of them that
	// have joined again. The user is told about them, in this order, after the message with
	// the number replayEnd.
	departed  []Presence
	replayEnd uint64
}

// slave is what a master knows about one of its slaves. There may be many, and each takes as
// little as can be.
type slave struct {
	since time.Time
	// number is the number of the membership, or zero where the hub has not told it.
	number uint64
	// list is the list of slaves, by its count, that the slave was in or has come after.
	list  uint32
	state wire.State
	// joined: its newest change was that it has joined.
	joined bool
}

func newMembership(client *Client, role wire.Role, channel string, inbox inbox) *Membership {
	m := &Membership{client: client, role: role, channel: channel, inbox: inbox, done: make(chan struct{}), announced: role == wire.Master}
	answers := wire.SlaveAnswers
	if role == wire.Master {
		answers = wire.MasterAnswers
		m.slaves = make(map[string]slave)
	}
	m.window = make(chan struct{}, answers)
	return m
}

// onAttached is called when requests may be written on the connection of the membership. It
// sends those that waited, and retransmits those that were not answered. The lock is held.
func (m *Membership) onAttached() {
	m.attached, m.held = true, false
	m.link.worked = true
	m.lostAt, m.untold, m.notNow, m.nowhere = time.Time{}, false, nil, nil
	m.stopGiveUpTimer()
	if m.announced {
		m.confirm()
	}
	m.dropSwitches()
	m.failLate()
	for _, r := range m.pending {
		m.write(r, m.link)
	}
	m.verifyAll()
}

// onDisconnected is called when the membership has no connection. From now on the state of
// the other members is not known, for at most X (rule 3): then the membership ends. The lock
// is held.
func (m *Membership) onDisconnected(now time.Time) {
	m.lose(now)
	if !m.untold {
		return
	}
	m.untold = false
	unknown := Presence{Since: m.lostAt, Deadline: m.lostAt.Add(m.timeout)}
	if m.role == wire.Slave {
		unknown.Username = m.master.Username
		m.master = unknown
	} else {
		unknown.Username = m.username
	}
	m.inbox.presence(unknown)
}

// lose notes that the membership has no connection, and does not tell the user. The lock is
// held.
func (m *Membership) lose(now time.Time) {
	m.link, m.attached = nil, false
	m.stopConfirming()
	m.removeAbandoned()
	if m.lostAt.IsZero() {
		m.untold = true
		m.giveUpAfter(now)
	}
}

// removeAbandoned removes requests that nobody waits for before they are retransmitted. An
// abandoned inquiry is retransmitted, so that its number becomes known and it can be
// withdrawn; an abandoned switch or hand-over is repeated, so that it can be undone. The lock is held.
func (m *Membership) removeAbandoned() {
	for _, r := range slices.Clone(m.pending) {
		if r.abandoned && r.asks == nil && r.enters == nil && r.frame.Type != wire.HandOver {
			m.remove(r)
		}
	}
}

// talks is the connection on which the membership's requests are answered: its own, or the one
// on which a switch is repeated. The lock is held.
func (m *Membership) talks() *link {
	if m.repeating != 0 {
		return m.asked
	}
	return m.link
}

// talksOn reports whether that is the connection.
func (m *Membership) talksOn(l *link) bool { return l != nil && m.talks() == l }

// isLostWith reports whether the membership has nowhere to be without the connection. The lock
// is held.
func (m *Membership) isLostWith(l *link) bool {
	return m.link == l || m.link == nil && (m.asked == l || m.asked == nil)
}

// stopGiveUpTimer stops the timer, if it is running. The lock is held.
func (m *Membership) stopGiveUpTimer() {
	if m.giveUpTimer != nil && m.giveUpTimer.Stop() {
		m.client.goroutines.Done()
	}
	m.giveUpTimer = nil
}

// end ends the membership, unless it has ended already. The lock is held.
func (m *Membership) end(why *wire.Cause) {
	if m.err == nil {
		m.endAs(m.client.public(why))
	}
}

// endAs is end, with the error that the user gets.
func (m *Membership) endAs(err error) {
	if m.err != nil {
		return
	}
	m.err = err
	m.link, m.attached, m.asked, m.lostAt = nil, false, nil, time.Time{}
	m.stopGiveUpTimer()
	m.stopConfirming()
	m.endAnew()
	if m.client.memberships[m.channel] == m {
		delete(m.client.memberships, m.channel)
	}
	m.tellDeparted()
	if m.role == wire.Slave {
		m.master.State, m.master.Since, m.master.Deadline = wire.StateLeft, time.Now(), time.Time{}
	}
	for _, r := range m.pending {
		if r.enters != nil {
			m.client.takeBack(&r.enters.waiting) // nothing is left to switch from
		}
		r.enters.finish()
	}
	m.entry.finish()
	m.client.madeProgress()
	close(m.done)
}

// Err is why the membership has ended, and nil while it has not.
func (m *Membership) Err() error {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	return m.err
}

// Channel returns the channel's name.
func (m *Membership) Channel() string { return m.channel }

// Username returns the name that the others see.
func (m *Membership) Username() string { return m.username }

// Timeout returns X of rule 3.
func (m *Membership) Timeout() time.Duration { return m.timeout }

// Done is closed when the membership has ended. Err then says why.
func (m *Membership) Done() <-chan struct{} { return m.done }

// Own makes the client end with this membership. The client must have no other
// membership. Own is called directly after Enter, before the membership is used.
func (m *Membership) Own() { m.owned = true }

// Master is the state of the slave's master, as far as it is known. It does not ask the
// hub.
func (m *Membership) Master() Presence {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	return m.master
}

// Slaves are the states of the master's slaves, by their names, as far as they are known. It does not
// ask the hub.
func (m *Membership) Slaves() []Presence {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	all := make([]Presence, 0, len(m.slaves))
	for name, s := range m.slaves {
		all = append(all, Presence{Username: name, State: s.state, Since: s.since, Joined: s.joined})
	}
	slices.SortFunc(all, func(a, b Presence) int { return strings.Compare(a.Username, b.Username) })
	return all
}

// Ticket is the resume frame by which another client can take the membership over.
func (m *Membership) Ticket() wire.Frame {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	return m.ticket()
}

func (m *Membership) ticket() wire.Frame {
	return wire.Frame{
		Type: wire.Resume, Channel: m.channel, Username: m.username, Secret: m.secret, Epoch: m.epoch, Last: m.inbox.Last(),
	}
}

// resume asks the hub to take the membership over onto the newest connection. The lock is
// held.
func (m *Membership) resume() {
	m.resuming, m.asked = m.client.nextRef(), m.client.link
	frame := wire.Frame{
		Type: wire.Resume, Ref: m.resuming, Channel: m.channel, Username: m.username, Secret: m.secret, Epoch: m.epoch,
		Last: m.last, Seq: min(m.known, m.last), Token: m.token,
	}
	m.client.showsItself(&frame)
	m.asked.push(&frame)
}
