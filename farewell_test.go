package lectern_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// breathe lets time pass after every few messages of somebody who never stops.
// In a bubble no time passes while anybody is busy, so whoever had lost its
// connection meanwhile would wait for ever to dial again; real time passes anyway.
func (s *Stage) breathe(n int) {
	if !s.RealTime && n%20 == 19 {
		time.Sleep(time.Millisecond)
	}
}

// A slave that is in the middle of sending learns why it has ended, and gets
// what was sent to it before.
func TestTheEndIsToldToOneWhoSends(t *testing.T) {
	unlimited := lectern.Rate{PerSecond: -1} // however long the kick takes
	Everywhere(t, lectern.Policy{Rate: unlimited, SlaveRate: unlimited}, func(t *testing.T, s *Stage) {
		for range *rounds {
			alice := s.User()
			master := alice.Creates("abc123", "alice")
			slave := s.User().Joins("abc123", "user_one")
			sending := make(chan error, 1)
			go func() {
				ctx := Within(t)
				for n := 0; ; n++ {
					s.breathe(n)
					_, err := slave.Send(ctx, lectern.Text("and another thing"))
					if err != nil && !errors.Is(err, lectern.ErrBusy) {
						sending <- err
						return
					}
				}
			}()
			for event, err := range master.Events(Within(t)) {
				require.NoError(t, err)
				if _, ok := event.(lectern.Message); ok {
					break
				}
			}
			Tell(t, master, "user_one", "that is enough")
			require.NoError(t, master.Kick(Within(t), "user_one", "too loud"))
			Receive(t, slave, "that is enough")
			Ended(t, slave, lectern.ErrKicked)
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
	Everywhere(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		master := s.User().Creates("abc123", "alice")
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			ctx := Within(t)
			for n := 0; ; n++ {
				s.breathe(n)
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
			NextPresence(t, master, "user_one", lectern.Online)
			Receive(t, slave, "and another thing")
			require.NoError(t, one.Close())
			Ended(t, slave, lectern.ErrLeft)
			require.Equal(t, "left", NextPresence(t, master, "user_one", lectern.Gone).Reason)
		}
		close(stop)
		<-stopped
	})
}
