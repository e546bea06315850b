package lectern_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// The tests in this file use the handles as a service would. In a bubble, and
// under goleak, a goroutine that stays behind fails the test.

func TestHandlesWithinTheHubsProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(lectern.Policy{})
		require.NoError(t, err)
		master, err := hub.Create(Within(t), "abc123", "alice")
		require.NoError(t, err)
		slave, err := hub.Join(Within(t), "abc123", "user_one")
		require.NoError(t, err)
		Broadcast(t, master, "hello")
		Receive(t, slave, "hello")
		require.NoError(t, slave.Close())
		require.NoError(t, master.Close())
		require.NoError(t, slave.Close())
		require.NoError(t, master.Close())
		require.NoError(t, hub.Shutdown(Within(t)))
		require.NoError(t, hub.Shutdown(Within(t)))
		require.NoError(t, hub.Close())
		_, err = hub.Create(Within(t), "abc123", "alice")
		require.ErrorIs(t, err, lectern.ErrShuttingDown)
	})
}

func TestShutdownEndsMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(lectern.Policy{})
		require.NoError(t, err)
		master, err := hub.Create(Within(t), "abc123", "alice")
		require.NoError(t, err)
		slave, err := hub.Join(Within(t), "abc123", "user_one")
		require.NoError(t, err)
		Broadcast(t, master, "accepted before")
		began := time.Now()
		var ends sync.WaitGroup
		for range 3 {
			ends.Go(func() { require.NoError(t, hub.Shutdown(Within(t))) })
		}
		ends.Wait()
		require.LessOrEqual(t, time.Since(began), time.Second)
		Ended(t, master, lectern.ErrShutdown)
		Ended(t, slave, lectern.ErrShutdown)
		Receive(t, slave, "accepted before") // what has arrived can still be taken
		require.NoError(t, slave.Close())
		require.NoError(t, master.Close())
	})
}

// Over a network nobody can tell whether the hub will be back: the members try
// until their time is over.
func TestShutdownOverANetwork(t *testing.T) {
	InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		// With the pauses that clients make by default.
		alice, one := s.UserWith(lectern.ClientOptions{}), s.UserWith(lectern.ClientOptions{})
		master, slave := alice.Creates("abc123", "alice"), one.Joins("abc123", "user_one")
		Broadcast(t, master, "accepted before")
		began := time.Now()
		require.NoError(t, s.Hub.Shutdown(Within(t)))
		require.LessOrEqual(t, time.Since(began), 3*time.Second)
		NextText(t, slave, "accepted before")
		Ended(t, slave, lectern.ErrMasterDown)
		Ended(t, master, lectern.ErrMasterDown)
		require.LessOrEqual(t, time.Since(began), 33*time.Second)
	})
}

func TestShutdownGivesUpInTime(t *testing.T) {
	InBubble(t, lectern.Policy{WriteTimeout: -1}, func(t *testing.T, s *Stage) {
		master := s.User().Creates("abc123", "alice")
		stuck := s.Raw()
		stuck.Send(OneJoins)
		stuck.Expect(OneJoined)
		for range 200 {
			Broadcast(t, master, "to one that does not read")
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, s.Hub.Shutdown(ctx), context.DeadlineExceeded)
		require.Equal(t, began.Add(5*time.Second), time.Now())
	})
}

// Two that close the same handle both get what they want.
func TestCloseAtTheSameTime(t *testing.T) {
	InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
		for _, closeHandle := range []func() error{slave.Close, master.Close} {
			var closing sync.WaitGroup
			for range 4 {
				closing.Go(func() {
					if err := closeHandle(); err != nil {
						t.Errorf("Close: %v", err)
					}
				})
			}
			closing.Wait()
		}
	})
}

func TestCloseWhileTheHubIsOutOfReach(t *testing.T) {
	InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		one := s.User()
		master := s.User().Creates("abc123", "alice")
		slave := one.Joins("abc123", "user_one")
		NextPresence(t, master, "user_one", lectern.Online)
		one.CutOff()
		NextPresence(t, slave, "alice", lectern.Unknown)
		began := time.Now()
		require.ErrorContains(t, slave.Close(), "could not be told")
		require.Equal(t, began.Add(5*time.Second), time.Now())
		Ended(t, slave, lectern.ErrLeft)
		require.NoError(t, slave.Close())
		NextPresence(t, master, "user_one", lectern.Away)
		require.Equal(t, "timeout", NextPresence(t, master, "user_one", lectern.Gone).Reason)
	})
}

// A create or join that is given up leaves nothing behind.
func TestContextEndsDuringCreateAndJoin(t *testing.T) {
	policy := lectern.Policy{Authorize: func(_ context.Context, r lectern.Request) (lectern.Identity, error) {
		if r.Token == "slow" {
			time.Sleep(2 * time.Second)
		}
		return lectern.Identity{}, nil
	}}
	InVirtualTime(t, policy, func(t *testing.T, s *Stage) {
		alice, one := s.User(), s.User()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := alice.Create(ctx, "abc123", "alice", lectern.WithToken("slow"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(3 * time.Second)
		status, err := one.Status(Within(t), "abc123")
		require.NoError(t, err)
		require.False(t, status.Exists, "the channel stays")

		master := alice.Creates("abc123", "alice")
		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = one.Join(ctx, "abc123", "user_one", lectern.WithToken("slow"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(3 * time.Second)
		require.Empty(t, master.Members())
		one.Joins("abc123", "user_one")

		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = s.Hub.Create(ctx, "xyz", "bob", lectern.WithToken("slow"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(3 * time.Second)
		_, exists := s.Hub.Channel("xyz")
		require.False(t, exists)

		cancel()
		_, err = s.User().Create(ctx, "xyz", "bob")
		require.Error(t, err)
		_, exists = s.Hub.Channel("xyz")
		require.False(t, exists)
	})
}

// A loop over events may call any method of its handle.
func TestHandlersCallBack(t *testing.T) {
	Everywhere(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		master := s.User().Creates("abc123", "alice")
		var wg sync.WaitGroup
		wg.Go(func() {
			for event, err := range master.Events(Within(t)) {
				if err != nil {
					return
				}
				switch event := event.(type) {
				case lectern.Presence:
					if event.State == lectern.Online {
						_, _ = master.Send(Within(t), event.Username, lectern.Text("welcome"))
					}
				case lectern.Message:
					master.Members()
					master.Ticket()
					if event.Text() == "stop" {
						_ = master.Kick(Within(t), event.From, "as you wish")
						_ = master.Close()
						continue
					}
					_, _ = master.Broadcast(Within(t), lectern.Text("echo "+event.Text()))
				}
			}
		})
		slave := s.User().Joins("abc123", "user_one")
		Receive(t, slave, "welcome")
		for i := range 10 {
			Say(t, slave, fmt.Sprint(i))
			Receive(t, slave, fmt.Sprint("echo ", i))
		}
		Say(t, slave, "stop")
		Ended(t, slave, lectern.ErrKicked)
		wg.Wait()
		Ended(t, master, lectern.ErrLeft)
	})
}

// One handle may be used by many at once. Each message has its own number, and
// none is lost.
func TestManyUseOneHandle(t *testing.T) {
	Everywhere(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		master := s.User().Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		const senders, each = 8, 25
		var mu sync.Mutex
		down, up := map[uint64]bool{}, map[uint64]bool{}
		var wg sync.WaitGroup
		for range senders {
			wg.Go(func() {
				for range each {
					seq, err := master.Broadcast(Within(t), lectern.Text("down"))
					if err != nil {
						t.Errorf("Broadcast: %v", err)
						return
					}
					mu.Lock()
					down[seq] = true
					mu.Unlock()
					slave.Master()
					master.Members()
				}
			})
			wg.Go(func() {
				for range each {
					seq, err := slave.Send(Within(t), lectern.Text("up"))
					if err != nil {
						t.Errorf("Send: %v", err)
						return
					}
					mu.Lock()
					up[seq] = true
					mu.Unlock()
				}
			})
			wg.Go(func() {
				for range each {
					if _, err := slave.Receive(Within(t)); err != nil {
						t.Errorf("Receive: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		require.Len(t, down, senders*each)
		require.Len(t, up, senders*each)
	})
}

// Who does not take its events in time is told what was dropped, in its place.
func TestInboxOverflowTellsGap(t *testing.T) {
	InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		master := s.User().Creates("abc123", "alice")
		one := s.UserWith(lectern.ClientOptions{Inbox: lectern.Bound{Messages: 5}})
		slave := one.Joins("abc123", "user_one")
		for i := range 20 {
			Broadcast(t, master, fmt.Sprint(i))
		}
		synctest.Wait()
		_, err := slave.Receive(Within(t))
		var gap *lectern.GapError
		require.True(t, errors.As(err, &gap), "%v", err)
		require.EqualValues(t, 15, gap.Gap.Missed)
		Receive(t, slave, "15", "16", "17", "18", "19")
		Broadcast(t, master, "the end")
		Receive(t, slave, "the end")
	})
}

// A send that is given up while nobody knows what became of it says so.
func TestSendGivenUp(t *testing.T) {
	InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		alice.CutOff()
		NextPresence(t, slave, "alice", lectern.Away)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := master.Broadcast(ctx, lectern.Text("never written"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, lectern.ErrSendUnknown)
		alice.Bar(false)
		NextPresence(t, slave, "alice", lectern.Online)
		Broadcast(t, master, "here again")

		alice.Bar(true)
		alice.Plug().Silence()
		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = master.Broadcast(ctx, lectern.Text("perhaps"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, lectern.ErrSendUnknown)
	})
}

// A user whose channel has ended goes on to the next one at once.
func TestNextChannelRightAfterTheEnd(t *testing.T) {
	Everywhere(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		one := s.User()
		for range *rounds {
			master := s.User().Creates("abc123", "alice")
			slave := one.Joins("abc123", "user_one")
			require.NoError(t, master.Close())
			Ended(t, slave, lectern.ErrMasterLeft)
		}
	})
}
