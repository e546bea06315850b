package client

import (
	"context"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is the voice: who may send of its own accord. The hub decides it, by the order in
// which it gets what is sent and what is asked, so nothing is refused on this side.

// Mute asks for the slave of that name to be muted, or not to be.
func (m *Membership) Mute(ctx context.Context, username string, on bool) error {
	if !wire.Sendable(username) {
		return m.client.public(wire.ErrNoSuchSlave.Explain(&wire.Frame{Channel: m.channel, To: username}))
	}
	return m.Do(ctx, wire.Frame{Type: wire.Mute, To: username, HasTo: true, Muted: on})
}

// MuteAll asks for all slaves to be muted, or not to be.
func (m *Membership) MuteAll(ctx context.Context, on bool) error {
	_, err := m.do(ctx, &request{frame: wire.Frame{Type: wire.Mute, Muted: on}, settle: m.settleMuteAll})
	return err
}

// settleMuteAll keeps what the hub has accepted. The lock is held.
func (m *Membership) settleMuteAll(r *request, answer wire.Frame) wire.Frame {
	if answer.Type == wire.Ack {
		m.muted = r.frame.Muted
	}
	return answer
}

// Muted reports whether the slave is muted, or, of a master, whether all slaves are that are no
// exceptions, as far as it is known.
func (m *Membership) Muted() bool {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	return m.muted
}

// setMuted notes what the hub has told. The user is told of a change, where told. The lock is held.
func (m *Membership) setMuted(on, told bool) {
	if m.muted == on {
		return
	}
	if m.muted = on; told && m.role == wire.Slave {
		m.inbox.muted(on)
	}
}
