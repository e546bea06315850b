package races

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// breathe lets time pass after every few messages of somebody who never stops.
// In a bubble no time passes while anybody is busy, so whoever had lost its
// connection meanwhile would wait for ever to dial again; real time passes anyway.
func breathe(s *stage.Stage, n int) {
	if !s.RealTime && n%20 == 19 {
		time.Sleep(time.Millisecond)
	}
}

// A slave that is in the middle of sending learns why it has ended, and gets
// what was sent to it before.
func TestTheEndIsToldToOneWhoSends(t *testing.T) {
	unlimited := lectern.RateLimit{PerSecond: -1} // however long the kick takes
	stage.Everywhere(t, lectern.Policy{FrameRate: unlimited, SlaveMessageRate: unlimited}, func(t *testing.T, s *stage.Stage) {
		for round := range *rounds {
			alice := s.User()
			channel := fmt.Sprint("abc", round) // hubs of a cluster hear of the end of another one of the name when they do
			master := alice.Creates(channel, "alice")
			slave := s.User().Joins(channel, "user_one")
			sending := make(chan error, 1)
			go func() {
				ctx := stage.Within(t)
				for n := 0; ; n++ {
					breathe(s, n)
					_, err := slave.Send(ctx, lectern.Text("and another thing"))
					if err != nil && !errors.Is(err, lectern.ErrBusy) {
						sending <- err
						return
					}
				}
			}()
			for event, err := range master.Events(stage.Within(t)) {
				require.NoError(t, err)
				if _, ok := event.(lectern.Message); ok {
					break
				}
			}
			stage.Tell(t, master, "user_one", "that is enough")
			require.NoError(t, master.Kick(stage.Within(t), "user_one", "too loud"))
			stage.Receive(t, slave, "that is enough")
			stage.Ended(t, slave, lectern.ErrKicked)
			// The last send may have reached the hub behind the kick and before the
			// slave was told.
			err := <-sending
			require.True(t, errors.Is(err, lectern.ErrKicked) || errors.Is(err, lectern.ErrNotAMember), "%v", err)
			require.NoError(t, master.Close())
		}
	})
}

// A slave that leaves while its master sends has left, and is not taken for one
// that was cut off.
func TestLeavingIsHeardWhileTheMasterSends(t *testing.T) {
	unlimited := lectern.RateLimit{PerSecond: -1} // however many rounds there are
	stage.Everywhere(t, lectern.Policy{FrameRate: unlimited}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			ctx := stage.Within(t)
			for n := 0; ; n++ {
				breathe(s, n)
				select {
				case <-stop:
					return
				default:
					_, _ = master.Broadcast(ctx, lectern.Text("and another thing"))
				}
			}
		}()
		for range *rounds {
			one := s.User()
			slave := one.Joins("abc123", "user_one")
			stage.NextPresence(t, master, "user_one", lectern.StateOnline)
			stage.Receive(t, slave, "and another thing")
			require.NoError(t, one.Close())
			stage.Ended(t, slave, lectern.ErrLeft)
			require.Equal(t, "left", stage.NextPresence(t, master, "user_one", lectern.StateGone).Reason)
		}
		close(stop)
		<-stopped
	})
}
