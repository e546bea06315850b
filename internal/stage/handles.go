package stage

import (
	"context"
	"iter"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// Handle is what a Master and a Slave have in common.
type Handle interface {
	Events(ctx context.Context) iter.Seq2[lectern.Event, error]
	Done() <-chan struct{}
	Err() error
}

// Next is the handle's next event.
func Next(t *testing.T, h Handle) lectern.Event {
	t.Helper()
	for event, err := range h.Events(Within(t)) {
		require.NoError(t, err)
		return event
	}
	return nil
}

// NextPresence expects that the handle is told next of a member's state.
func NextPresence(t *testing.T, h Handle, username string, state lectern.State) lectern.Presence {
	t.Helper()
	presence, ok := Next(t, h).(lectern.Presence)
	require.True(t, ok, "not a presence")
	require.Equal(t, username, presence.Username)
	require.Equal(t, state, presence.State, "state: %v", presence.State)
	return presence
}

// NextText expects a message with that text next.
func NextText(t *testing.T, h Handle, text string) lectern.Message {
	t.Helper()
	event := Next(t, h)
	message, ok := event.(lectern.Message)
	require.True(t, ok, "instead of the message %q: %#v", text, event)
	require.Equal(t, text, message.Text())
	return message
}

// Ended waits for the end of the handle and expects that reason.
func Ended(t *testing.T, h Handle, reason error) {
	t.Helper()
	select {
	case <-h.Done():
	case <-Within(t).Done():
		require.Fail(t, "the handle has not ended")
	}
	require.ErrorIs(t, h.Err(), reason)
	require.ErrorIs(t, h.Err(), net.ErrClosed)
}

// NothingMore expects that nothing more happens at the handle before it ends
// with the reason.
func NothingMore(t *testing.T, h Handle, reason error) {
	t.Helper()
	for event, err := range h.Events(Within(t)) {
		require.Nil(t, event)
		require.ErrorIs(t, err, reason)
	}
}
