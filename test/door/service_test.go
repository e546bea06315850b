package door

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// Waiting ends after WaitTimeout, at the door and before there is one; who waits is not idle
// meanwhile, and is afterwards.
func TestWaitTimeout(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{WaitTimeout: time.Minute, HandshakeTimeout: 10 * time.Second}, func(t *testing.T, s *stage.Stage) {
		began := time.Now()
		early := joins(t, s.User(), "abc123", "bob", lectern.WithWait())
		early.waits(lectern.WaitingForMaster)
		other := joins(t, s.User(), "never", "bob", lectern.WithWait())
		time.Sleep(40 * time.Second)
		master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		late := joins(t, s.User(), "abc123", "eve")
		early.out(lectern.ErrTooLate)
		require.Equal(t, time.Minute, time.Since(began))
		other.out(lectern.ErrTooLate)
		require.Equal(t, time.Minute, time.Since(began))
		late.out(lectern.ErrTooLate)
		require.Equal(t, 100*time.Second, time.Since(began))
		synctest.Wait()
		require.Empty(t, master.Knocks())
		idle := s.Raw()
		idle.Send(`{"type":"join","ref":1,"channel":"never","username":"bob","wait":true}`)
		began = time.Now()
		idle.Expect(`{"type":"waiting","ref":1,"channel":"never","for":"master"}`)
		frame, err := idle.Conn.Read()
		require.NoError(t, err)
		require.Contains(t, string(frame), `"code":"too_late","message":"nobody has created the channel for 1m0s"`)
		require.Equal(t, time.Minute, time.Since(began))
		idle.ClosedAfter(4104)
		require.Equal(t, 70*time.Second, time.Since(began))
	})
}

// The hub that stops refuses who waits, and they knock at the next one.
func TestShutdownRefusesWhoWaits(t *testing.T) {
	stage.OneHub(t, "it is one hub that shuts down")
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, bob, eve := s.Raw(), s.Raw(), s.Raw()
		alice.Send(`{"type":"create","ref":1,"channel":"abc123","username":"alice","door":"knock"}`)
		_, err := alice.Read()
		require.NoError(t, err)
		bob.Send(`{"type":"join","ref":1,"channel":"abc123","username":"bob"}`)
		_, err = bob.Read()
		require.NoError(t, err)
		eve.Send(`{"type":"join","ref":1,"channel":"other","username":"eve","wait":true}`)
		_, err = eve.Read()
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			done <- s.Hub.Shutdown(ctx)
		}()
		for _, peer := range []*stage.Raw{bob, eve} {
			frame, err := peer.Read()
			require.NoError(t, err)
			require.Contains(t, frame, `"type":"error","ref":1,`)
			require.Contains(t, frame, `"code":"shutting_down"`)
			peer.ClosedAfter(4106)
		}
		alice.ClosedAfter(4106)
		require.NoError(t, <-done)
	})
}

// Authorize is asked before the master hears of a knock, with its attributes and its end.
func TestAuthorizeIsAskedBefore(t *testing.T) {
	policy := lectern.Policy{
		Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
			switch {
			case r.Operation == lectern.OpStatus && r.Channel == "hidden":
				return lectern.Identity{}, lectern.ErrUnauthorized
			case r.Username == "mallory":
				return lectern.Identity{}, lectern.ErrUnauthorized
			case r.Username == "guest":
				return lectern.Identity{Username: "guest 7", Attributes: map[string]lectern.Payload{"role": lectern.Text("guest")}, Expires: time.Now().Add(time.Minute)}, nil
			}
			return lectern.Identity{AsAsked: true}, nil
		},
		Reauthorize: []lectern.Operation{lectern.OpStatus},
	}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		_, err := s.User().Join(stage.Within(t), "abc123", "mallory")
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		_, err = s.User().Join(stage.Within(t), "hidden", "bob", lectern.WithWait())
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		guest := joins(t, s.User(), "abc123", "guest")
		knock := knocks(t, master, "guest 7")
		require.Equal(t, map[string]lectern.Payload{"role": lectern.Text("guest")}, knock.Attributes)
		began := time.Now()
		guest.out(lectern.ErrUnauthorized)
		require.Equal(t, time.Minute, time.Since(began))
		over(t, master, knock)
	})
}

// The service is told who knocks.
func TestKnockedEvent(t *testing.T) {
	stage.OneHub(t, "a hub has the events of what it decides, and the number of its own connections")
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		ctx, cancel := context.WithCancel(t.Context())
		var got []lectern.HubEvent
		listening, done := make(chan struct{}, 100), make(chan struct{})
		go func() {
			defer close(done)
			for event := range s.Hub.Events(ctx) {
				got = append(got, event)
				listening <- struct{}{}
			}
		}()
		<-listening
		bob := joins(t, s.User(), "abc123", "bob")
		knock := knocks(t, master, "bob")
		<-listening
		require.NoError(t, master.Admit(stage.Within(t), knock.Number))
		bob.in()
		<-listening
		cancel()
		<-done
		require.Len(t, got, 3)
		require.Equal(t, lectern.EventKnocked, got[1].Kind)
		require.Equal(t, "bob", got[1].Username)
		require.Equal(t, knock.Number, got[1].Number)
		require.NotZero(t, got[1].Connection)
		require.Equal(t, lectern.EventJoined, got[2].Kind)
		channel, _ := s.Hub.Channel("abc123")
		shot, _ := channel.Snapshot()
		require.Equal(t, lectern.DoorKnock, shot.Door)
		require.Zero(t, shot.Waiting)
	})
}

// Who is let in in the very instant in which it gives up is not left there.
func TestAdmittedAsItGivesUp(t *testing.T) {
	stage.InBubble(t, lectern.Policy{SlaveTimeout: -1}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		for range 50 {
			bob := joins(t, s.User(), "abc123", "bob")
			bob.waits(lectern.WaitingForDoor)
			knock := master.Knocks()
			for len(knock) == 0 {
				stage.Next(t, master)
				knock = master.Knocks()
			}
			admitted := make(chan error, 1)
			go func() { admitted <- master.Admit(stage.Within(t), knock[0].Number) }()
			bob.cancel()
			<-bob.done
			if err := <-admitted; err != nil {
				require.ErrorIs(t, err, lectern.ErrNoSuchSlave)
			}
			if bob.err == nil {
				require.NoError(t, bob.slave.Leave())
			} else {
				require.True(t, errors.Is(bob.err, context.Canceled), bob.err)
			}
			time.Sleep(time.Second)
			channel, _ := s.Hub.Channel("abc123")
			shot, _ := channel.Snapshot()
			require.Empty(t, shot.Slaves)
			require.Zero(t, shot.Waiting)
		}
	})
}
