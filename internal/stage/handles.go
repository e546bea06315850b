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

// Next returns the handle's next event.
func Next(t *testing.T, h Handle) lectern.Event {
	t.Helper()
	for event, err := range h.Events(Within(t)) {
		require.NoError(t, err)
		return event
	}
	return nil
}

// NextPresence expects that the handle's next event is a presence of that member, with
// that state.
func NextPresence(t *testing.T, h Handle, username string, state lectern.State) lectern.Presence {
	t.Helper()
	presence, ok := Next(t, h).(lectern.Presence)
	require.True(t, ok, "not a presence")
	require.Equal(t, username, presence.Username)
	require.Equal(t, state, presence.State, "state: %v", presence.State)
	return presence
}

// NextText expects that the handle's next event is a message with that text.
func NextText(t *testing.T, h Handle, text string) lectern.Message {
	t.Helper()
	event := Next(t, h)
	message, ok := event.(lectern.Message)
	require.True(t, ok, "instead of the message %q: %#v", text, event)
	require.Equal(t, text, message.Text())
	return message
}

// Ended waits for the end of the handle, and expects that it is for that reason.
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

// NothingMore expects that the handle has no event any more before it ends for that
// reason.
func NothingMore(t *testing.T, h Handle, reason error) {
	t.Helper()
	for event, err := range h.Events(Within(t)) {
		require.Nil(t, event)
		require.ErrorIs(t, err, reason)
	}
}
