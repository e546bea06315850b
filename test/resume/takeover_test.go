package resume

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// A resume that is given up must not end what it was to save: the membership is
// away then, and can be resumed.
func TestResumeGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newGate()
		s := stage.New(t, stage.InMemory[0], lectern.Policy{Logger: slog.New(gate)})
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		ticket := master.Ticket()
		alice.CutOff()
		stage.NextPresence(t, slave, "alice", lectern.StateAway)

		other := s.User()
		keeps := other.Creates("another", "alice") // this client has something else to lose
		ctx, cancel := context.WithCancel(stage.Within(t))
		gate.shut("member resumed") // the hub has done it, and not told it
		time.AfterFunc(time.Second, cancel)
		_, err := other.ResumeMaster(ctx, ticket)
		require.ErrorIs(t, err, context.Canceled)
		gate.release()
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, slave.Err())
		again, err := s.User().ResumeMaster(stage.Within(t), ticket)
		require.NoError(t, err)
		stage.Broadcast(t, again, "still here")
		stage.Receive(t, slave, "still here")
		require.NoError(t, keeps.Err())
		stage.Broadcast(t, keeps, "and this one too")
	})
}

// A ticket for the other role is refused before anybody is replaced.
func TestTicketsTellTheRole(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
		other := s.User()
		_, err := other.ResumeSlave(stage.Within(t), master.Ticket())
		require.ErrorIs(t, err, lectern.ErrForbidden)
		_, err = other.ResumeMaster(stage.Within(t), slave.Ticket())
		require.ErrorIs(t, err, lectern.ErrForbidden)
		synctest.Wait()
		require.NoError(t, master.Err())
		require.NoError(t, slave.Err())

		// One whose role was tampered with ends up nowhere, and the membership can
		// be resumed.
		forged := master.Ticket()
		forged.Master = false
		_, err = other.ResumeSlave(stage.Within(t), forged)
		require.ErrorIs(t, err, lectern.ErrForbidden)
		synctest.Wait()
		again, err := other.ResumeMaster(stage.Within(t), master.Ticket())
		require.NoError(t, err)
		stage.Broadcast(t, again, "back")
		stage.Receive(t, slave, "back")
	})
}

// What is left on purpose is left, however fast its connection has been sending.
func TestLeavingIsNeverTooFast(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{FrameRate: lectern.RateLimit{PerSecond: 1, Burst: 3}}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		one.Send(`{"type":"ping","ref":2}`, `{"type":"ping","ref":3}`)
		one.Expect(`{"type":"pong","ref":2}`, `{"type":"pong","ref":3}`)
		one.Refused(`{"type":"ping","ref":4}`, lectern.ErrRateLimited)
		one.Send(`{"type":"leave","ref":5,"channel":"abc123"}`)
		one.Expect(`{"type":"left","ref":5,"channel":"abc123"}`)
		alice.Expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"left"}`)
	})
}

// Between the end of a membership and the word of it, its connection may want
// the channel again: it gets it, and does not meet its own old seat.
func TestEnteringWhileTheOldEndIsOnItsWay(t *testing.T) {
	stage.OneHub(t, "what one hub delivers is held up, by its log")
	synctest.Test(t, func(t *testing.T) {
		gate := newGate()
		s := stage.New(t, stage.InMemory[0], lectern.Policy{Logger: slog.New(gate)})
		master := s.User().Creates("abc123", "alice")
		one := s.Raw()
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		one.Send(strings.NewReplacer("abc123", "other", "join", "create", `"ref":1`, `"ref":2`).Replace(stage.OneJoins))
		_, err := one.Read()
		require.NoError(t, err)
		synctest.Wait()
		gate.shut("slave left") // whoever delivers stops before the release
		go func() { _ = master.Kick(stage.Within(t), "user_one", "") }()
		synctest.Wait()
		one.Send(strings.Replace(stage.OneJoins, `"ref":1`, `"ref":3`, 1))
		synctest.Wait()
		gate.release()
		one.Expect(`{"type":"closed","channel":"abc123","code":"kicked"}`, strings.Replace(stage.OneJoined, `"ref":1`, `"ref":3`, 1))

		// The same where the channel has ended, and is created anew.
		gate.shut("slave left")
		go func() { _ = master.Kick(stage.Within(t), "user_one", "") }()
		synctest.Wait()
		channel, _ := s.Hub.Channel("abc123")
		require.NoError(t, channel.Close("maintenance"))
		one.Send(`{"type":"create","ref":4,"channel":"abc123","username":"user_one"}`)
		synctest.Wait()
		gate.release()
		one.Expect(`{"type":"closed","channel":"abc123","code":"kicked"}`)
		frame, err := one.Read()
		require.NoError(t, err)
		require.Contains(t, frame, `{"type":"created","ref":4,`)
	})
}

// However often a client has tried before, what it takes over begins anew: of the
// requests of the one before it none is awaited.
func TestTakeoverAfterManyAttempts(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		ctx, cancel := context.WithCancel(stage.Within(t))
		defer cancel()
		asking := stage.InBackground(func() (lectern.Message, error) { return slave.Request(ctx, lectern.Text("may I?")) })
		question := stage.Next(t, master).(lectern.Message)

		other := s.User()
		other.Bar(true)
		ticket := slave.Ticket()
		for range 20 {
			_, err := other.ResumeSlave(stage.Within(t), ticket)
			require.Error(t, err)
		}
		other.Bar(false)
		// Nor do other calls make a difference.
		for range 20 {
			_, err := other.Status(stage.Within(t), "abc123")
			require.NoError(t, err)
		}
		again, err := other.ResumeSlave(stage.Within(t), ticket)
		require.NoError(t, err)
		require.ErrorIs(t, (<-asking).Err, lectern.ErrReplaced)
		synctest.Wait() // the hub has heard of the new client
		_, err = master.Reply(stage.Within(t), question, lectern.Text("yes"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
		stage.Say(t, again, "here I am")
		stage.NextText(t, master, "here I am")
	})
}

// Two that are taken over at the same time, by one client, are told apart.
func TestTakeoversAtTheSameTime(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		channels := []string{"abc123", "def456", "ghi789"}
		var tickets []lectern.Ticket
		for _, channel := range channels {
			alice.Creates(channel, "alice")
			tickets = append(tickets, s.User().Joins(channel, "user_one").Ticket())
		}
		other := s.User()
		var taking sync.WaitGroup
		for i, channel := range channels {
			taking.Go(func() {
				slave, err := other.ResumeSlave(stage.Within(t), tickets[i])
				require.NoError(t, err)
				require.Equal(t, channel, slave.Channel())
				stage.Say(t, slave, "here I am")
			})
		}
		taking.Wait()
	})
}
