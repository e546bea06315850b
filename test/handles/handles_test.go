package handles

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
	"github.com/lectern-go/lectern/internal/stage"
)

// The tests in this file use the handles as a service would. In a bubble, and
// under goleak, a goroutine that stays behind fails the test.

func TestHandlesWithinTheHubsProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(lectern.Policy{})
		require.NoError(t, err)
		master, err := hub.Create(stage.Within(t), "abc123", "alice")
		require.NoError(t, err)
		slave, err := hub.Join(stage.Within(t), "abc123", "user_one")
		require.NoError(t, err)
		stage.Broadcast(t, master, "hello")
		stage.Receive(t, slave, "hello")
		require.NoError(t, slave.Leave())
		require.NoError(t, master.Close())
		require.NoError(t, slave.Leave())
		require.NoError(t, master.Close())
		require.NoError(t, hub.Shutdown(stage.Within(t)))
		require.NoError(t, hub.Shutdown(stage.Within(t)))
		require.NoError(t, hub.Close())
		_, err = hub.Create(stage.Within(t), "abc123", "alice")
		require.ErrorIs(t, err, lectern.ErrShuttingDown)
	})
}

// Two that close the same handle both get what they want.
func TestCloseAtTheSameTime(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
		for _, closeHandle := range []func() error{slave.Leave, master.Close} {
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
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		one := s.User()
		master := s.User().Creates("abc123", "alice")
		slave := one.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		one.CutOff()
		stage.NextPresence(t, slave, "alice", lectern.StateUnknown)
		began := time.Now()
		require.ErrorContains(t, slave.Leave(), "could not be told")
		require.Equal(t, began.Add(5*time.Second), time.Now())
		stage.Ended(t, slave, lectern.ErrLeft)
		require.NoError(t, slave.Leave())
		stage.NextPresence(t, master, "user_one", lectern.StateAway)
		require.Equal(t, "timeout", stage.NextPresence(t, master, "user_one", lectern.StateGone).Reason)
	})
}

// A create or join that is given up leaves nothing behind.
func TestContextEndsDuringCreateAndJoin(t *testing.T) {
	policy := lectern.Policy{Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		if r.Token == "slow" {
			time.Sleep(2 * time.Second)
		}
		return lectern.Identity{AsAsked: true}, nil
	}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		alice, one := s.User(), s.User()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := alice.Create(ctx, "abc123", "alice", lectern.WithToken("slow"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(3 * time.Second)
		status, err := one.Status(stage.Within(t), "abc123")
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
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		var wg sync.WaitGroup
		wg.Go(func() {
			for event, err := range master.Events(stage.Within(t)) {
				if err != nil {
					return
				}
				switch event := event.(type) {
				case lectern.Presence:
					if event.State == lectern.StateOnline {
						_, _ = master.Send(stage.Within(t), event.Username, lectern.Text("welcome"))
					}
				case lectern.Message:
					master.Members()
					master.Ticket()
					if event.Text() == "stop" {
						_ = master.Kick(stage.Within(t), event.From, "as you wish")
						_ = master.Close()
						continue
					}
					_, _ = master.Broadcast(stage.Within(t), lectern.Text("echo "+event.Text()))
				}
			}
		})
		slave := s.User().Joins("abc123", "user_one")
		stage.Receive(t, slave, "welcome")
		for i := range 10 {
			stage.Say(t, slave, fmt.Sprint(i))
			stage.Receive(t, slave, fmt.Sprint("echo ", i))
		}
		stage.Say(t, slave, "stop")
		stage.Ended(t, slave, lectern.ErrKicked)
		wg.Wait()
		stage.Ended(t, master, lectern.ErrLeft)
	})
}

// One handle may be used by many at once. Each message has its own number, and
// none is lost.
func TestManyUseOneHandle(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		const senders, each = 8, 25
		var mu sync.Mutex
		down, up := map[uint64]bool{}, map[uint64]bool{}
		var wg sync.WaitGroup
		for range senders {
			wg.Go(func() {
				for range each {
					receipt, err := master.Broadcast(stage.Within(t), lectern.Text("down"))
					if err != nil {
						t.Errorf("Broadcast: %v", err)
						return
					}
					mu.Lock()
					down[receipt.Seq] = true
					mu.Unlock()
					slave.Master()
					master.Members()
				}
			})
			wg.Go(func() {
				for range each {
					receipt, err := slave.Send(stage.Within(t), lectern.Text("up"))
					if err != nil {
						t.Errorf("Send: %v", err)
						return
					}
					mu.Lock()
					up[receipt.Seq] = true
					mu.Unlock()
				}
			})
			wg.Go(func() {
				for range each {
					if _, err := slave.Receive(stage.Within(t)); err != nil {
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
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		one := s.UserWith(lectern.ClientOptions{Inbox: lectern.QueueLimit{Messages: 5}})
		slave := one.Joins("abc123", "user_one")
		for i := range 20 {
			stage.Broadcast(t, master, fmt.Sprint(i))
		}
		synctest.Wait()
		_, err := slave.Receive(stage.Within(t))
		var gap *lectern.GapError
		require.True(t, errors.As(err, &gap), "%v", err)
		require.EqualValues(t, 15, gap.Gap.Missed)
		stage.Receive(t, slave, "15", "16", "17", "18", "19")
		stage.Broadcast(t, master, "the end")
		stage.Receive(t, slave, "the end")
	})
}

// A send that is given up while nobody knows what became of it says so.
func TestSendGivenUp(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		alice.CutOff()
		stage.NextPresence(t, slave, "alice", lectern.StateAway)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := master.Broadcast(ctx, lectern.Text("never written"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, lectern.ErrSendUnknown)
		alice.Bar(false)
		stage.NextPresence(t, slave, "alice", lectern.StateOnline)
		stage.Broadcast(t, master, "here again")

		alice.Bar(true)
		alice.Plug().Silence()
		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = master.Broadcast(ctx, lectern.Text("perhaps"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, lectern.ErrSendUnknown)
	})
}

// Why a handle has ended is one error, whoever asks and how often.
func TestTheEndIsOneError(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		require.NoError(t, master.Kick(stage.Within(t), "user_one", "too loud"))
		<-slave.Done()
		why := slave.Err()
		require.ErrorIs(t, why, lectern.ErrKicked)
		require.Same(t, why, slave.Err())
		_, err := slave.Receive(stage.Within(t))
		require.Same(t, why, err)
		_, err = slave.Send(stage.Within(t), lectern.Text("hello?"))
		require.Same(t, why, err)
		for _, err := range slave.Events(stage.Within(t)) {
			require.Same(t, why, err)
		}
	})
}
