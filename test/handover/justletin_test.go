package handover

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// holdingUp is a log that holds the hub up at a line: what was decided then, and after it, is not told yet.
type holdingUp struct {
	slog.Handler
	at    string
	until *atomic.Pointer[chan struct{}]
}

func (h holdingUp) WithAttrs([]slog.Attr) slog.Handler { return h }

func (h holdingUp) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.at {
		<-*h.until.Load()
	}
	return nil
}

// heldUp runs the test with a hub that is held up at the line until goOn is called, which returns when all is told.
func heldUp(t *testing.T, at string, test func(t *testing.T, s *stage.Stage, goOn func())) {
	held := holdingUp{slog.NewTextHandler(new(stage.LockedBuffer), nil), at, new(atomic.Pointer[chan struct{}])}
	stage.InVirtualTime(t, lectern.Policy{Logger: slog.New(held)}, func(t *testing.T, s *stage.Stage) {
		until := make(chan struct{})
		held.until.Store(&until)
		test(t, s, func() {
			synctest.Wait()
			close(until)
			synctest.Wait()
		})
	})
}

// Rule 7: who was just let in, and was not told of it yet, can be made the master, and is there then.
func TestRule7WhoWasJustLetInBecomesTheMaster(t *testing.T) {
	heldUp(t, "user knocked", func(t *testing.T, s *stage.Stage, goOn func()) {
		master := s.User().Creates("abc123", "alice")
		require.NoError(t, master.SetDoor(stage.Within(t), lectern.DoorKnock))
		one := s.User()
		joined := make(chan *lectern.Slave, 1)
		go func() {
			slave, err := one.Join(stage.Within(t), "abc123", "one")
			assert.NoError(t, err)
			joined <- slave
		}()
		synctest.Wait()
		go func() { _ = master.Admit(stage.Within(t), master.Knocks()[0].Number) }()
		synctest.Wait()
		channel, _ := s.Hub.Channel("abc123")
		appointed := make(chan error, 1)
		go func() { appointed <- channel.SetMaster(stage.Within(t), "one") }()
		goOn()
		require.NoError(t, <-appointed)
		next := promoted(t, <-joined)
		report, _ := channel.Snapshot()
		require.Equal(t, lectern.StateOnline, report.Master.State)
		stage.Broadcast(t, next, "here")
	})
}
