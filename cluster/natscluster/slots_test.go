package natscluster

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

// What is beyond the bound waits until something is given back, the caller gives up, or the engine is closed.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(Engine)
		e.ctx, e.cancel = context.WithCancel(t.Context())
		s := make(slots, 2)
		require.NoError(t, s.take(t.Context(), e))
		require.NoError(t, s.take(t.Context(), e))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, s.take(ctx, e), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
		time.AfterFunc(time.Minute, s.give)
		require.NoError(t, s.take(t.Context(), e))
		require.Equal(t, time.Minute+time.Second, time.Since(began))
		time.AfterFunc(time.Minute, e.cancel)
		require.ErrorIs(t, s.take(t.Context(), e), cluster.ErrClosed)
	})
}
