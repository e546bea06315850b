package hub

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// What the service does to a channel is refused once the hub ends, since then the end
// is shutdown for all.
func TestServiceOfAHubThatHasEnded(t *testing.T) {
	h := New(Config{
		MaxSlaves: 1, MaxChannels: 1, PublicError: func(why *wire.Cause) error { return why }, CauseIn: func(error) *wire.Cause { return nil },
	})
	c, err := h.findOrAddChannel("abc123")
	require.NoError(t, err)
	_, exists := h.Channel("abc123")
	require.False(t, exists, "nobody has created it")
	_, err = h.findOrAddChannel("another")
	require.ErrorIs(t, err, wire.ErrTooManyChannels)
	require.NoError(t, h.Shutdown(context.Background()))

	channel := Channel{h, c}
	require.Equal(t, shuttingDown, channel.Close(""))
	require.Equal(t, shuttingDown, channel.Kick("bob", "", true))
	_, err = h.findOrAddChannel("abc123")
	require.Equal(t, shuttingDown, err)
	_, err = h.TryAccept(t.Context(), nil)
	require.Equal(t, shuttingDown, err)
}

// Where nobody observes, what is counted goes nowhere.
func TestNobodyObserves(t *testing.T) {
	h := New(Config{PublicError: func(why *wire.Cause) error { return why }})
	require.NotPanics(t, func() {
		h.config.Observer.Add(star.Joins, "", 1)
		h.config.Observer.Observe(star.ClosingSeconds, time.Second.Seconds())
	})
	require.False(t, h.delivering.Observed)
	require.False(t, h.delivering.Limits.Counted)
}

func TestEveryEndClosesWithItsOwnNumber(t *testing.T) {
	for _, code := range wire.Codes() {
		if code.Is(wire.Ends) && code.Number != 0 {
			reason := closeReason(&wire.Cause{Code: code.Code, Text: "why"})
			require.Equal(t, string(code.Code)+": why", reason.String())
		}
	}
}
