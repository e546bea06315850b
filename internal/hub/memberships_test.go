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

// back is a resume of bob with the secret.
func back(secret secret) *wire.Frame {
	return &wire.Frame{Type: wire.Resume, Channel: "abc123", Username: "bob", Secret: secret.plain()}
}

// A membership that is resumed on its own connection, while the word that another connection
// has taken it over is on its way and closes the connection, is away then. It does not stay
// online for ever on a connection that is gone.
func TestResumedOnAConnectionThatIsBeingReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, bob, c := twice(t)
		old, _ := bob.seatIn("abc123")
		other := accepted(t, h)
		require.NoError(t, other.resume(back(old.secret)))
		require.NoError(t, c.c.Flush(t.Context())) // the word has come
		require.NoError(t, bob.resumeAgain(old, back(old.secret)))
		_ = bob.End(io.EOF)
		_ = other.End(io.EOF)
		shot, _ := c.Report()
		require.Equal(t, wire.StateAway, shot.Slaves[0].State)
	})
}

// The same where the membership ends after it: the connection is closed with the reason, and
// has no seat any more.
func TestKickedWhileResumedOnItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, bob, c := twice(t)
		old, _ := bob.seatIn("abc123")
		require.NoError(t, bob.resumeAgain(old, back(old.secret)))
		next, _ := bob.seatIn("abc123")
		require.NotSame(t, old, next)
		require.NoError(t, c.Kick("bob", "", false))
		require.NoError(t, c.c.Flush(t.Context()))
		gone, _ := bob.seatIn("abc123")
		require.Nil(t, gone)
		require.True(t, bob.ending)
		_ = bob.End(io.EOF)
	})
}

// A seat that is freed behind the instant in which a join has found none, and before it is looked at which seats are about
// to be free, is one to enter by.
func TestASeatThatIsFreedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, bob, _ := twice(t)
		h.config.MaxChannelsPerConnection = 1
		_, err := bob.reserveSeat("second", new(seat), 0)
		require.ErrorIs(t, err, h.refusals.channelsOfConnection)
		require.NoError(t, bob.Receive([]byte(`{"type":"leave","channel":"abc123"}`)))
		synctest.Wait()
		require.True(t, bob.flushEnded(0))
		_ = bob.End(io.EOF)
	})
}

// A seat whose membership has ended, and that is not taken away, because its end was not committed before another hub had the
// channel for a while, is no room: who enters another channel is refused, and does not look again for ever.
func TestASeatThatStaysBehindItsMembership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, bob, c := twice(t)
		h.config.MaxChannelsPerConnection = 1
		old, _ := bob.seatIn("abc123")
		require.NoError(t, bob.Receive([]byte(`{"type":"leave","channel":"abc123"}`)))
		synctest.Wait()
		bob.seats.set("abc123", old)
		require.True(t, c.c.MembershipEnded(&old.Seat))
		require.False(t, bob.flushEnded(0))
		require.NoError(t, bob.Receive([]byte(`{"type":"join","channel":"second","username":"bob","wait":true}`)))
		require.NoError(t, bob.Receive([]byte(`{"type":"create","channel":"second","username":"bob"}`)))
		_, there := h.Channel("second")
		require.False(t, there)
		_ = bob.End(io.EOF)
	})
}

// A connection that ends in the instant in which the one who waits to switch is let in has switched: the
// former membership is over, and does not stay for as long as a slave may be away.
func TestLetInToSwitchWhileItsConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, bob, former := twice(t)
		carol := accepted(t, h)
		require.NoError(t, carol.Receive([]byte(`{"type":"create","channel":"second","username":"carol","door":"knock"}`)))
		synctest.Wait()
		require.NoError(t, bob.Receive([]byte(`{"type":"join","channel":"second","username":"bob","from":"abc123"}`)))
		synctest.Wait()
		second, _ := h.Channel("second")
		deferred, _ := second.c.DecideDeferred(func(rules *star.Channel, now time.Time) {
			require.NoError(t, rules.Admit(now, rules.Master(), 0, 1))
		})
		require.True(t, deferred)
		_ = bob.End(io.EOF)
		synctest.Wait()
		shot, _ := second.Report()
		require.Equal(t, wire.StateAway, shot.Slaves[0].State)
		shot, _ = former.Report()
		require.Empty(t, shot.Slaves)
		_ = carol.End(io.EOF)
	})
}

// A connection may end while the word that its join is refused is on its way: the seat that it was to have
// is no membership.
func TestEndsWhileItsJoinIsRefused(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			h, bob, c := twice(t)
			again := accepted(t, h)
			require.NoError(t, again.Receive([]byte(`{"type":"join","channel":"abc123","username":"bob"}`)))
			_ = again.End(io.EOF)
			_ = bob.End(io.EOF)
			shot, _ := c.Report()
			require.Len(t, shot.Slaves, 1)
		})
	}
}

// A seat that is refused is there until its peer was told: it is not the one that a switch is about to leave.
func TestASeatThatWasRefusedIsNotLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, bob, c := twice(t)
		refused := &seat{entering: &entering{}}
		bob.mu.Lock()
		former := bob.seats.get("abc123")
		bob.seats.remove("abc123")
		refused.Init(&bob.Line, c.c)
		bob.seats.set("abc123", refused)
		require.Same(t, former, bob.present(former))
		bob.seats.remove("abc123")
		bob.seats.set("abc123", former)
		bob.mu.Unlock()
		_ = bob.End(io.EOF)
	})
}
