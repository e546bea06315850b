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
		master, err := hub.Create(within(t), "abc123", "alice")
		require.NoError(t, err)
		slave, err := hub.Join(within(t), "abc123", "user_one")
		require.NoError(t, err)
		broadcast(t, master, "hello")
		receive(t, slave, "hello")
		require.NoError(t, slave.Close())
		require.NoError(t, master.Close())
		require.NoError(t, slave.Close())
		require.NoError(t, master.Close())
		require.NoError(t, hub.Shutdown(within(t)))
		require.NoError(t, hub.Shutdown(within(t)))
		require.NoError(t, hub.Close())
		_, err = hub.Create(within(t), "abc123", "alice")
		require.ErrorIs(t, err, lectern.ErrShuttingDown)
	})
}

func TestShutdownEndsMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(lectern.Policy{})
		require.NoError(t, err)
		master, err := hub.Create(within(t), "abc123", "alice")
		require.NoError(t, err)
		slave, err := hub.Join(within(t), "abc123", "user_one")
		require.NoError(t, err)
		broadcast(t, master, "accepted before")
		began := time.Now()
		var ends sync.WaitGroup
		for range 3 {
			ends.Go(func() { require.NoError(t, hub.Shutdown(within(t))) })
		}
		ends.Wait()
		require.LessOrEqual(t, time.Since(began), time.Second)
		ended(t, master, lectern.ErrShutdown)
		ended(t, slave, lectern.ErrShutdown)
		receive(t, slave, "accepted before") // what has arrived can still be taken
		require.NoError(t, slave.Close())
		require.NoError(t, master.Close())
	})
}

// Over a network nobody can tell whether the hub will be back: the members try
// until their time is over.
func TestShutdownOverANetwork(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		// With the pauses that clients make by default.
		alice, one := s.userWith(lectern.ClientOptions{}), s.userWith(lectern.ClientOptions{})
		master, slave := alice.create("abc123", "alice"), one.join("abc123", "user_one")
		broadcast(t, master, "accepted before")
		began := time.Now()
		require.NoError(t, s.hub.Shutdown(within(t)))
		require.LessOrEqual(t, time.Since(began), 3*time.Second)
		nextText(t, slave, "accepted before")
		ended(t, slave, lectern.ErrMasterDown)
		ended(t, master, lectern.ErrMasterDown)
		require.LessOrEqual(t, time.Since(began), 33*time.Second)
	})
}

func TestShutdownGivesUpInTime(t *testing.T) {
	inBubble(t, lectern.Policy{WriteTimeout: -1}, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		stuck := s.raw()
		stuck.send(oneJoins)
		stuck.expect(oneJoined)
		for range 200 {
			broadcast(t, master, "to one that does not read")
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, s.hub.Shutdown(ctx), context.DeadlineExceeded)
		require.Equal(t, began.Add(5*time.Second), time.Now())
	})
}

// Two that close the same handle both get what they want.
func TestCloseAtTheSameTime(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master, slave := s.user().create("abc123", "alice"), s.user().join("abc123", "user_one")
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
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		one := s.user()
		master := s.user().create("abc123", "alice")
		slave := one.join("abc123", "user_one")
		nextPresence(t, master, "user_one", lectern.Online)
		one.cutOff()
		nextPresence(t, slave, "alice", lectern.Unknown)
		began := time.Now()
		require.ErrorContains(t, slave.Close(), "could not be told")
		require.Equal(t, began.Add(5*time.Second), time.Now())
		ended(t, slave, lectern.ErrLeft)
		require.NoError(t, slave.Close())
		nextPresence(t, master, "user_one", lectern.Away)
		require.Equal(t, "timeout", nextPresence(t, master, "user_one", lectern.Gone).Reason)
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
	inVirtualTime(t, policy, func(t *testing.T, s *stage) {
		alice, one := s.user(), s.user()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := alice.Create(ctx, "abc123", "alice", lectern.WithToken("slow"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(3 * time.Second)
		status, err := one.Status(within(t), "abc123")
		require.NoError(t, err)
		require.False(t, status.Exists, "the channel stays")

		master := alice.create("abc123", "alice")
		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = one.Join(ctx, "abc123", "user_one", lectern.WithToken("slow"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(3 * time.Second)
		require.Empty(t, master.Members())
		one.join("abc123", "user_one")

		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = s.hub.Create(ctx, "xyz", "bob", lectern.WithToken("slow"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(3 * time.Second)
		_, exists := s.hub.Channel("xyz")
		require.False(t, exists)

		cancel()
		_, err = s.user().Create(ctx, "xyz", "bob")
		require.Error(t, err)
		_, exists = s.hub.Channel("xyz")
		require.False(t, exists)
	})
}

// A loop over events may call any method of its handle.
func TestHandlersCallBack(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		var wg sync.WaitGroup
		wg.Go(func() {
			for event, err := range master.Events(within(t)) {
				if err != nil {
					return
				}
				switch event := event.(type) {
				case lectern.Presence:
					if event.State == lectern.Online {
						_, _ = master.Send(within(t), event.Username, lectern.Text("welcome"))
					}
				case lectern.Message:
					master.Members()
					master.Ticket()
					if event.Text() == "stop" {
						_ = master.Kick(within(t), event.From, "as you wish")
						_ = master.Close()
						continue
					}
					_, _ = master.Broadcast(within(t), lectern.Text("echo "+event.Text()))
				}
			}
		})
		slave := s.user().join("abc123", "user_one")
		receive(t, slave, "welcome")
		for i := range 10 {
			say(t, slave, fmt.Sprint(i))
			receive(t, slave, fmt.Sprint("echo ", i))
		}
		say(t, slave, "stop")
		ended(t, slave, lectern.ErrKicked)
		wg.Wait()
		ended(t, master, lectern.ErrLeft)
	})
}

// One handle may be used by many at once. Each message has its own number, and
// none is lost.
func TestManyUseOneHandle(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		slave := s.user().join("abc123", "user_one")
		const senders, each = 8, 25
		var mu sync.Mutex
		down, up := map[uint64]bool{}, map[uint64]bool{}
		var wg sync.WaitGroup
		for range senders {
			wg.Go(func() {
				for range each {
					seq, err := master.Broadcast(within(t), lectern.Text("down"))
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
					seq, err := slave.Send(within(t), lectern.Text("up"))
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
					if _, err := slave.Receive(within(t)); err != nil {
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
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		one := s.userWith(lectern.ClientOptions{Inbox: lectern.Bound{Messages: 5}})
		slave := one.join("abc123", "user_one")
		for i := range 20 {
			broadcast(t, master, fmt.Sprint(i))
		}
		synctest.Wait()
		_, err := slave.Receive(within(t))
		var gap *lectern.GapError
		require.True(t, errors.As(err, &gap), "%v", err)
		require.EqualValues(t, 15, gap.Gap.Missed)
		receive(t, slave, "15", "16", "17", "18", "19")
		broadcast(t, master, "the end")
		receive(t, slave, "the end")
	})
}

// A send that is given up while nobody knows what became of it says so.
func TestSendGivenUp(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice := s.user()
		master := alice.create("abc123", "alice")
		slave := s.user().join("abc123", "user_one")
		alice.cutOff()
		nextPresence(t, slave, "alice", lectern.Away)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := master.Broadcast(ctx, lectern.Text("never written"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, lectern.ErrSendUnknown)
		alice.bar(false)
		nextPresence(t, slave, "alice", lectern.Online)
		broadcast(t, master, "here again")

		alice.bar(true)
		alice.plug().Silence()
		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = master.Broadcast(ctx, lectern.Text("perhaps"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, lectern.ErrSendUnknown)
	})
}

// A user whose channel has ended goes on to the next one at once.
func TestNextChannelRightAfterTheEnd(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		one := s.user()
		for range *rounds {
			master := s.user().create("abc123", "alice")
			slave := one.join("abc123", "user_one")
			require.NoError(t, master.Close())
			ended(t, slave, lectern.ErrMasterLeft)
		}
	})
}
