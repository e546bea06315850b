package delivery

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// holdsUp is an owner that holds the delivery up at a Refuse.
type holdsUp struct {
	tells
	on chan struct{}
}

func (h holdsUp) Refuse(*Seat, *wire.Cause) { <-h.on }

// Flush waits for what was decided until its call, and not for longer than its context.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChannel(t, SlowDisconnect, false)
		owner := holdsUp{on: make(chan struct{})}
		l := new(Line)
		l.Init(c.config, takesAll{}, owner, 1)
		c.lines = append(c.lines, l)
		seat := new(Seat)
		seat.Init(l, c.Channel)
		require.True(t, c.delivered())
		c.Decide(func(rules *star.Channel, _ time.Time) { rules.Refuse(&seat.Attachment, wire.ErrBanned) })
		require.False(t, c.delivered())

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, c.Flush(ctx), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
		require.ErrorIs(t, c.Flush(ctx), context.DeadlineExceeded, "a context that has ended")

		flushed := make(chan error)
		go func() { flushed <- c.Flush(t.Context()) }()
		synctest.Wait()
		close(owner.on)
		require.NoError(t, <-flushed)
		require.True(t, c.delivered())
		require.NoError(t, c.Flush(ctx), "nothing is to be waited for")
	})
}
