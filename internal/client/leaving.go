package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file leaves channels: on purpose, and what nobody wants any more.

// Close leaves on purpose. It tells the hub, if the hub can be reached within the client's
// CloseTimeout, and ends the membership in any case. Where the hub could not be told, the
// client tells it when it can, for as long as the hub may still keep the membership.
func (m *Membership) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), m.client.options.CloseTimeout)
	defer cancel()
	m.client.mu.Lock()
	m.leaving = true
	m.client.mu.Unlock()
	_, err := m.do(ctx, &request{frame: wire.Frame{Type: wire.Leave}, settle: m.settleLeave})
	if m.isRoleChanged(err) {
		// What the member has become is told behind that, or was.
		select {
		case <-m.done:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	late := errors.Is(err, context.DeadlineExceeded)
	m.client.mu.Lock()
	owned := m.owned
	if late && !owned {
		m.leaveLater()
	} else {
		m.end(wire.ErrLeft)
	}
	m.client.mu.Unlock()
	if owned {
		_ = m.client.Close()
	}
	switch {
	case late:
		return fmt.Errorf("lectern: the hub could not be told: %w", err)
	case m.Next() != nil:
		return err // it was the master by then
	}
	return nil
}

// leave leaves what nobody wants any more, over as many connections as necessary, and ends
// the membership then. The lock is held.
func (m *Membership) leave() {
	m.leaving, m.unwanted = true, true
	m.enqueue(&request{
		frame: wire.Frame{Type: wire.Leave}, outsideWindow: true, answered: make(chan wire.Frame, 1),
		settle: m.settleLeave,
	})
}

// settleLeave ends the membership with the answer to its leave. What comes behind it on the
// connection may be of another membership of the channel. But where the member has another role by now, it
// has not left. The lock is held.
func (m *Membership) settleLeave(_ *request, answer wire.Frame) wire.Frame {
	if why := refusalIn(&answer); why == nil || why.Code != wire.ErrRoleChanged.Code {
		m.end(wire.ErrLeft)
	}
	return answer
}

// isRoleChanged reports whether the error is that the member has had another role already.
func (m *Membership) isRoleChanged(err error) bool {
	return err != nil && errors.Is(err, m.client.public(wire.ErrRoleChanged))
}

// leaveLater ends the membership for its user, and lets another one take its place that is
// left as soon as the hub can be told. The lock is held.
func (m *Membership) leaveLater() {
	if m.err != nil {
		return
	}
	c := m.client
	rest := newMembership(c, m.role, m.channel, nobody{})
	rest.username, rest.secret, rest.epoch, rest.timeout = m.username, m.secret, m.epoch, m.timeout
	rest.token, rest.ownToken, rest.enteredBy, rest.last = m.token, m.ownToken, m.enteredBy, m.last // what others have is of no use to it
	rest.resuming, rest.repeating, rest.asked, rest.stays = m.resuming, m.repeating, m.asked, m.stays
	rest.link, rest.attached, rest.held, rest.master = m.link, m.link != nil, m.held, m.master
	lostAt := m.lostAt
	if rest.entry = m.entry; rest.entry != nil {
		m.entry, rest.entry.member = nil, rest
	}
	m.end(wire.ErrLeft)
	c.memberships[rest.channel] = rest
	if rest.link == nil {
		rest.giveUpAfter(lostAt)
	}
	rest.leave()
}

// giveUpAfter ends the membership when it could not be resumed for its timeout from that
// instant on. The lock is held.
func (m *Membership) giveUpAfter(lostAt time.Time) {
	m.lostAt = lostAt
	m.client.goroutines.Add(1)
	m.giveUpTimer = time.AfterFunc(time.Until(lostAt.Add(m.timeout)), func() {
		defer m.client.goroutines.Done()
		m.client.mu.Lock()
		defer m.client.mu.Unlock()
		if m.lostAt.Equal(lostAt) {
			m.end(m.unreached())
		}
	})
}

// unreached is the end of a membership that could not be resumed in time. The lock is held.
func (m *Membership) unreached() *wire.Cause {
	if m.notNow == nil {
		return wire.ErrMasterDown.With(fmt.Sprintf("the hub could not be reached for %v", m.timeout))
	}
	why := wire.ErrMasterDown
	if m.notNow.Code == wire.ErrHubLost.Code {
		why = wire.ErrHubLost // those that answer do not have it, and who may have it does not answer
	}
	return why.With(fmt.Sprintf(
		"the hub did not let the member back for %v: its last answer was %s (%s)", m.timeout, m.notNow.Code, m.notNow.Text))
}

// nobody is an inbox for what nobody takes.
type nobody struct{}

func (nobody) message(Message)          {}
func (nobody) presence(Presence)        {}
func (nobody) forget(string)            {}
func (nobody) muted(bool)               {}
func (nobody) counts(Counts)            {}
func (nobody) attribute(Attribute)      {}
func (nobody) gap(uint64, uint64)       {}
func (nobody) Last() uint64             { return 0 }
func (nobody) firstWaiting() uint64     { return 0 }
func (nobody) anew() inbox              { return nobody{} }
func (nobody) promoted(*Membership) any { return nil }
func (nobody) rename(string, string)    {}
func (nobody) knock(Knock)              {}
