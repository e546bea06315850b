package client

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// A master that has resumed is told that a slave left, and that another one of its name has
// joined, behind the messages that are replayed. What the hub accepts meanwhile asks the one
// that is there: its part is its answer, and the only one.
func TestARequestAsksWhoIsThere(t *testing.T) {
	listed := func(number uint64) []wire.Member {
		return []wire.Member{{Username: "ada", State: wire.StateOnline, Number: number}}
	}
	for what, asked := range map[string]struct {
		of       string
		repeated bool
	}{
		"all": {}, "one": {of: "ada"},
		"all, sent again": {repeated: true}, "one, sent again": {of: "ada", repeated: true},
	} {
		t.Run(what, func(t *testing.T) {
			c := New(nowhere{t}, Options{PublicError: func(why *wire.Cause) error { return why }})
			defer c.Close()
			m := newMembership(c, wire.Master, "abc123", anyInbox(QueueLimit{Messages: 10, Bytes: 1 << 10}))
			m.onRoster(&wire.Frame{HasMembers: true, Members: listed(1)}, time.Now())
			message := func(seq, reply uint64) {
				m.onMessage(&wire.Frame{Type: wire.Message, From: "ada", Seq: seq, Reply: reply, Payload: wire.Payload{Kind: wire.TextPayload}})
			}

			m.lostAt = time.Now()
			m.onEntered(&wire.Frame{Type: wire.Created, Seq: 2, HasMembers: true, Members: listed(2)}, time.Now())
			message(1, 0)
			q := &inquiry{of: asked.of}
			q.answers.changed = make(chan struct{}, 1)
			q.answers.limit = 1 << 10
			m.onAccepted(q, 7, asked.repeated)
			if asked.repeated {
				require.True(t, m.onVerified(&wire.Frame{Type: wire.Awaiting, Ref: q.verifying, HasMembers: true, Members: listed(2)}))
			}
			message(2, 0)
			require.Nil(t, m.departed)
			given, last := q.answers.take()
			require.Empty(t, given)
			require.False(t, last)
			message(3, 7)
			given, last = q.answers.take()
			require.True(t, last)
			require.Len(t, given, 1)
			require.Equal(t, "ada", given[0].From)
			require.NoError(t, given[0].Err)
			require.EqualValues(t, 3, given[0].Message.Seq)
		})
	}
}

// Where the one that was asked has left, its part is that, though another one has its name.
func TestARequestEndsWithWhoWasAsked(t *testing.T) {
	for _, of := range []string{"", "ada"} {
		c := New(nowhere{t}, Options{PublicError: func(why *wire.Cause) error { return why }})
		defer c.Close()
		m := newMembership(c, wire.Master, "abc123", anyInbox(QueueLimit{Messages: 10, Bytes: 1 << 10}))
		presence := func(state wire.State, number uint64) {
			m.onPresence(&wire.Frame{Type: wire.Presence, Role: wire.Slave, Username: "ada", State: state, Number: number}, time.Now())
		}
		presence(wire.StateOnline, 1)
		q := &inquiry{of: of}
		q.answers.changed = make(chan struct{}, 1)
		m.onAccepted(q, 7, false)
		presence(wire.StateAway, 0)
		presence(wire.StateOnline, 0)
		presence(wire.StateLeft, 0)
		presence(wire.StateOnline, 2)
		given, last := q.answers.take()
		require.True(t, last)
		require.Len(t, given, 1)
		require.ErrorIs(t, given[0].Err, wire.ErrNoSuchSlave)
	}
}
