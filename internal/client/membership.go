package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Membership is the client's side of a member, and what Master and Slave have in
// common. Its fields are under the client's lock, but for those that do not
// change.
type Membership struct {
	client   *Client
	channel  string
	username string
	role     wire.Role
	secret   string
	// timeout is X of rule 3.
	timeout time.Duration
	// owned: the client was made for this membership alone and ends with it.
	owned bool

	inbox inbox
	// done is closed at the end; err is set before.
	done chan struct{}
	err  *wire.Cause
	// window bounds the requests that wait for their answers: as many as the
	// hub remembers the answers of.
	window chan struct{}

	// attached: the present connection holds the membership. Requests are
	// written then, and wait otherwise.
	attached bool
	// resuming is the ref of the resume that is under way, or zero.
	resuming uint64
	// pending are the requests without an answer, in the order of their refs.
	pending []*request
	// last is the number of the newest message that has arrived.
	last uint64
	// inquiries are the requests that await answers, by their numbers. early are
	// answers that have come before their request's number (inquiry.go).
	inquiries map[uint64]*inquiry
	early     []Message

	// lostAt is when the connection was lost, while it is.
	lostAt time.Time
	// lifeline ends the membership when the hub could not be reached for X.
	lifeline *time.Timer

	// master is what a slave knows of its master.
	master Presence
	// slaves is what a master knows of its slaves.
	slaves map[string]Presence
	// departed are slaves that have left while the master was away, to be told
	// behind the messages up to number replayEnd.
	departed  []Presence
	replayEnd uint64
}

func newMembership(client *Client, role wire.Role, channel string, inbox inbox) *Membership {
	m := &Membership{client: client, role: role, channel: channel, inbox: inbox, done: make(chan struct{})}
	answers := wire.SlaveAnswers
	if role == wire.Master {
		answers = wire.MasterAnswers
		m.slaves = make(map[string]Presence)
	}
	m.window = make(chan struct{}, answers)
	return m
}

// attach is told that the present connection holds the membership: what waited
// is sent, and what was not answered is sent again.
func (m *Membership) attach() {
	m.attached = true
	m.resuming = 0
	m.lostAt = time.Time{}
	m.stopLifeline()
	for _, r := range m.pending {
		m.write(r)
	}
	m.verifyAll()
}

// lose is told that the connection is gone. From now on nothing is known of the
// other side, for at most X (rule 3).
func (m *Membership) lose(now time.Time) {
	m.attached, m.resuming = false, 0
	for _, r := range slices.Clone(m.pending) {
		// An abandoned request for answers is asked once more, so that its
		// number is learned and it can be withdrawn.
		if r.abandoned && r.asks == nil {
			m.remove(r)
		}
	}
	if !m.lostAt.IsZero() {
		return
	}
	m.lostAt = now
	deadline := now.Add(m.timeout)
	unknown := Presence{Since: now, Deadline: deadline}
	if m.role == wire.Slave {
		unknown.Username = m.master.Username
		m.master = unknown
	} else {
		unknown.Username = m.username
	}
	m.inbox.presence(unknown)
	m.client.goroutines.Add(1)
	m.lifeline = time.AfterFunc(m.timeout, func() {
		defer m.client.goroutines.Done()
		m.client.mu.Lock()
		defer m.client.mu.Unlock()
		if m.lostAt.Equal(now) {
			m.end(wire.ErrMasterDown.With(fmt.Sprintf("the hub could not be reached for %v", m.timeout)))
		}
	})
}

func (m *Membership) stopLifeline() {
	if m.lifeline != nil && m.lifeline.Stop() {
		m.client.goroutines.Done()
	}
	m.lifeline = nil
}

// end is the end of the membership.
func (m *Membership) end(why *wire.Cause) {
	if m.err != nil {
		return
	}
	m.err = why
	m.attached, m.lostAt = false, time.Time{}
	m.stopLifeline()
	if m.client.memberships[m.channel] == m {
		delete(m.client.memberships, m.channel)
	}
	m.tellDeparted()
	if m.role == wire.Slave {
		m.master.State, m.master.Since, m.master.Deadline = wire.StateLeft, time.Now(), time.Time{}
	}
	close(m.done)
}

// Close leaves on purpose: it tells the hub, in so far as the hub can be reached
// within the client's CloseTimeout, and ends the membership in any case.
func (m *Membership) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), m.client.options.CloseTimeout)
	defer cancel()
	_, err := m.do(ctx, &request{frame: wire.Frame{Type: wire.Leave}})
	m.client.mu.Lock()
	m.end(wire.ErrLeft)
	owned := m.owned
	m.client.mu.Unlock()
	if owned {
		_ = m.client.Close()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("lectern: the hub could not be told: %w", err)
	}
	return nil
}

func (m *Membership) Err() error {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	if m.err == nil {
		return nil
	}
	return m.client.public(m.err)
}

// inbox is where a membership puts what its handle's user is told: an [Inbox] of
// whatever the user's events are.
type inbox interface {
	message(Message)
	presence(Presence)
	gap(missed uint64)
}

// Channel returns the channel's name.
func (m *Membership) Channel() string { return m.channel }

// Username returns the name that the others see.
func (m *Membership) Username() string { return m.username }

// Timeout returns X of rule 3.
func (m *Membership) Timeout() time.Duration { return m.timeout }

// Done is closed when the membership is over; Err says why then, and is nil before.
func (m *Membership) Done() <-chan struct{} { return m.done }

// Own makes the client, which must have no other membership, end with this one. It
// is for who has just entered.
func (m *Membership) Own() { m.owned = true }

// Master tells a slave how its master is, without asking the hub.
func (m *Membership) Master() Presence {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	return m.master
}

// Slaves tells a master of its slaves, in any order, without asking the hub.
func (m *Membership) Slaves() []Presence {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	return slices.Collect(maps.Values(m.slaves))
}

// Ticket is the resume by which another client takes the membership over, but for
// the number of the last message.
func (m *Membership) Ticket() wire.Frame {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	return wire.Frame{Type: wire.Resume, Channel: m.channel, Username: m.username, Secret: m.secret}
}
