package hub

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport/memory"
)

// twice is a hub with a channel of alice, and bob's session in it, for which nothing waits any
// more. It is for a bubble.
func twice(t *testing.T) (h *Hub, bob *session, c Channel) {
	h = New(Config{
		MasterTimeout: time.Minute, SlaveTimeout: time.Minute, MaxSlaves: 9, MaxChannels: 9, MaxChannelsPerConnection: 9, MaxConnections: 9,
		MaxMessageBytes: 1000, MaxHandshakeBytes: 1000, Outbox: QueueLimit{Messages: 9, Bytes: 9000},
		Logger:      slog.New(slog.DiscardHandler),
		PublicError: func(why *wire.Cause) error { return why }, CauseIn: func(error) *wire.Cause { return nil },
	})
	alice, bob := accepted(t, h), accepted(t, h)
	require.NoError(t, alice.Receive([]byte(`{"type":"create","channel":"abc123","username":"alice"}`)))
	require.NoError(t, bob.Receive([]byte(`{"type":"join","channel":"abc123","username":"bob"}`)))
	c, ok := h.Channel("abc123")
	require.True(t, ok)
	synctest.Wait()
	t.Cleanup(func() {
		_ = alice.End(io.EOF)
		require.NoError(t, h.Shutdown(context.Background()))
	})
	return h, bob, c
}

func accepted(t *testing.T, h *Hub) *session {
	hubs, peers := memory.Pipe(memory.Options{})
	go func() {
		for {
			if _, err := peers.Read(); err != nil {
				return
			}
		}
	}()
	receiver, err := h.TryAccept(t.Context(), hubs)
	require.NoError(t, err)
	return receiver.(*session)
}

// takes is a resume of bob on the session.
func (s *session) takes(t *testing.T, c Channel, secret secret) func(*seat) error {
	return func(seat *seat) (err error) {
		seat.Init(&s.Line, c.c)
		c.c.Decide(func(rules *star.Channel, now time.Time) {
			err = rules.Resume(now, &seat.Attachment, star.Entry{Secret: given(secret.plain())}, "bob", 0, 0)
		})
		return err
	}
}

// A membership that is resumed on its own connection, while the word that another connection
// has taken it over is on its way and closes the connection, is away then. It does not stay
// online for ever on a connection that is gone.
func TestResumedOnAConnectionThatIsBeingReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, bob, c := twice(t)
		old := bob.seatIn("abc123")
		other := accepted(t, h)
		require.NoError(t, other.enter("abc123", 0, other.takes(t, c, old.secret), nil))
		c.c.Flush() // the word has come
		require.NoError(t, bob.takeAgain("abc123", old, bob.takes(t, c, old.secret)))
		_ = bob.End(io.EOF)
		_ = other.End(io.EOF)
		shot, _ := c.Report()
		require.Equal(t, wire.StateAway, shot.Slaves[0].State)
	})
}

// The same where the membership ends meanwhile: the connection is closed with the reason, and
// has no seat any more.
func TestKickedWhileResumedOnItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, bob, c := twice(t)
		old := bob.seatIn("abc123")
		require.NoError(t, bob.takeAgain("abc123", old, func(replacement *seat) error {
			require.NoError(t, bob.takes(t, c, old.secret)(replacement))
			require.NoError(t, c.Kick("bob", "", false))
			c.c.Flush()
			return nil
		}))
		require.Nil(t, bob.seatIn("abc123"))
		require.True(t, bob.ending)
		_ = bob.End(io.EOF)
	})
}
