package operating

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// broken is an Observer and a log that panic whatever they are told.
type broken struct{ observed, logged *atomic.Int64 }

func (b broken) Add(lectern.Metric, string, int64) {
	b.observed.Add(1)
	panic("cannot add")
}

func (b broken) Observe(lectern.Metric, float64) {
	b.observed.Add(1)
	panic("cannot observe")
}

func (b broken) Enabled(context.Context, slog.Level) bool { return true }

func (b broken) Handle(context.Context, slog.Record) error {
	b.logged.Add(1)
	panic("cannot log")
}

func (b broken) WithAttrs([]slog.Attr) slog.Handler { return b }

func (b broken) WithGroup(string) slog.Handler { return b }

// An Observer and a Logger are not the hub's code. Ones that panic cost nobody
// anything, whatever they are told of: what a channel does, what a peer does
// wrong, the end of a connection.
func TestPanicOfObserverAndLogger(t *testing.T) {
	stage.OneHub(t, "whose panics there are is of one hub")
	b := broken{new(atomic.Int64), new(atomic.Int64)}
	policy := lectern.Policy{Observer: b, Logger: slog.New(b), MasterTimeout: time.Second, HandshakeTimeout: time.Second}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		one := s.User().Joins("abc123", "user_one")
		two := s.User().Joins("abc123", "user_two")
		for range 100 {
			stage.Broadcast(t, master, "for all")
			stage.Receive(t, one, "for all")
			stage.Receive(t, two, "for all")
		}
		stranger := s.Raw()
		stranger.Send(`{"type":"join","ref":1,"channel":"nowhere","username":"x"}`)
		stranger.Expect(`{"type":"error","ref":1,"channel":"nowhere","code":"no_such_channel","message":"there is no channel \"nowhere\": its master has to create it first"}`)
		require.NoError(t, two.Leave())
		require.NoError(t, alice.Close())
		<-one.Done()
		synctest.Wait()
		_, exists := s.Hub.Channel("abc123")
		require.False(t, exists)
		require.NotZero(t, b.observed.Load())
		require.NotZero(t, b.logged.Load())
		require.NoError(t, s.Hub.Close())
	})
}

// The log tells of an Observer that panics.
func TestPanicOfObserverIsLogged(t *testing.T) {
	stage.OneHub(t, "whose panics there are is of one hub")
	var log strings.Builder
	policy := lectern.Policy{
		Observer: broken{observed: new(atomic.Int64)},
		Logger:   slog.New(slog.NewTextHandler(&log, nil)),
	}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		require.NoError(t, s.User().Creates("abc123", "alice").Close())
		require.NoError(t, s.Hub.Close())
		require.Contains(t, log.String(), `msg="Observer panicked" cause="cannot add"`)
	})
}
