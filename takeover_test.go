package lectern_test

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
)

// A resume that is given up must not end what it was to save: the membership is
// away then, and can be resumed.
func TestResumeGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newGate()
		s := setStage(t, inMemory[0], lectern.Policy{Logger: slog.New(gate)})
		alice := s.user()
		master := alice.create("abc123", "alice")
		slave := s.user().join("abc123", "user_one")
		nextPresence(t, master, "user_one", lectern.Online)
		ticket := master.Ticket()
		alice.cutOff()
		nextPresence(t, slave, "alice", lectern.Away)

		other := s.user()
		keeps := other.create("another", "alice") // this client has something else to lose
		ctx, cancel := context.WithCancel(within(t))
		gate.shut("member resumed") // the hub has done it, and not told it
		time.AfterFunc(time.Second, cancel)
		_, err := other.ResumeMaster(ctx, ticket)
		require.ErrorIs(t, err, context.Canceled)
		gate.release()
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, slave.Err())
		again, err := s.user().ResumeMaster(within(t), ticket)
		require.NoError(t, err)
		broadcast(t, again, "still here")
		receive(t, slave, "still here")
		require.NoError(t, keeps.Err())
		broadcast(t, keeps, "and this one too")
	})
}

// A ticket for the other role is refused before anybody is replaced.
func TestTicketsTellTheRole(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master, slave := s.user().create("abc123", "alice"), s.user().join("abc123", "user_one")
		other := s.user()
		_, err := other.ResumeSlave(within(t), master.Ticket())
		require.ErrorIs(t, err, lectern.ErrForbidden)
		_, err = other.ResumeMaster(within(t), slave.Ticket())
		require.ErrorIs(t, err, lectern.ErrForbidden)
		synctest.Wait()
		require.NoError(t, master.Err())
		require.NoError(t, slave.Err())

		// One whose role was tampered with ends up nowhere, and the membership can
		// be resumed.
		forged := master.Ticket()
		forged.Master = false
		_, err = other.ResumeSlave(within(t), forged)
		require.ErrorIs(t, err, lectern.ErrForbidden)
		synctest.Wait()
		again, err := other.ResumeMaster(within(t), master.Ticket())
		require.NoError(t, err)
		broadcast(t, again, "back")
		receive(t, slave, "back")
	})
}

// What is left on purpose is left, however fast its connection has been sending.
func TestLeavingIsNeverTooFast(t *testing.T) {
	inVirtualTime(t, lectern.Policy{Rate: lectern.Rate{PerSecond: 1, Burst: 3}}, func(t *testing.T, s *stage) {
		alice, one := s.pair()
		one.send(`{"type":"ping","ref":2}`, `{"type":"ping","ref":3}`)
		one.expect(`{"type":"pong","ref":2}`, `{"type":"pong","ref":3}`)
		one.refused(`{"type":"ping","ref":4}`, lectern.ErrRateLimited)
		one.send(`{"type":"leave","ref":5,"channel":"abc123"}`)
		one.expect(`{"type":"left","ref":5,"channel":"abc123"}`)
		alice.expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"left"}`)
	})
}

// Between the end of a membership and the word of it, its connection may want
// the channel again: it gets it, and does not meet its own old seat.
func TestEnteringWhileTheOldEndIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newGate()
		s := setStage(t, inMemory[0], lectern.Policy{Logger: slog.New(gate)})
		master := s.user().create("abc123", "alice")
		one := s.raw()
		one.send(oneJoins)
		one.expect(oneJoined)
		one.send(strings.NewReplacer("abc123", "other", "join", "create", `"ref":1`, `"ref":2`).Replace(oneJoins))
		_, err := one.read()
		require.NoError(t, err)
		synctest.Wait()
		gate.shut("slave left") // whoever delivers stops before the release
		go func() { _ = master.Kick(within(t), "user_one", "") }()
		synctest.Wait()
		one.send(strings.Replace(oneJoins, `"ref":1`, `"ref":3`, 1))
		synctest.Wait()
		gate.release()
		one.expect(`{"type":"closed","channel":"abc123","code":"kicked"}`, strings.Replace(oneJoined, `"ref":1`, `"ref":3`, 1))

		// The same where the channel has ended, and is created anew.
		gate.shut("slave left")
		go func() { _ = master.Kick(within(t), "user_one", "") }()
		synctest.Wait()
		channel, _ := s.hub.Channel("abc123")
		require.NoError(t, channel.Close("maintenance"))
		one.send(`{"type":"create","ref":4,"channel":"abc123","username":"user_one"}`)
		synctest.Wait()
		gate.release()
		one.expect(`{"type":"closed","channel":"abc123","code":"kicked"}`)
		frame, err := one.read()
		require.NoError(t, err)
		require.Contains(t, frame, `{"type":"created","ref":4,`)
	})
}

// However often a client has tried before, what it takes over begins anew: of the
// requests of the one before it none is awaited.
func TestTakeoverAfterManyAttempts(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		slave := s.user().join("abc123", "user_one")
		nextPresence(t, master, "user_one", lectern.Online)
		ctx, cancel := context.WithCancel(within(t))
		defer cancel()
		asking := inBackground(func() (lectern.Message, error) { return slave.Request(ctx, lectern.Text("may I?")) })
		question := next(t, master).(lectern.Message)

		other := s.user()
		other.bar(true)
		ticket := slave.Ticket()
		for range 20 {
			_, err := other.ResumeSlave(within(t), ticket)
			require.Error(t, err)
		}
		other.bar(false)
		// Nor do other calls make a difference.
		for range 20 {
			_, err := other.Status(within(t), "abc123")
			require.NoError(t, err)
		}
		again, err := other.ResumeSlave(within(t), ticket)
		require.NoError(t, err)
		require.ErrorIs(t, (<-asking).err, lectern.ErrReplaced)
		_, err = master.Reply(within(t), question, lectern.Text("yes"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
		say(t, again, "here I am")
		nextText(t, master, "here I am")
	})
}

// Two that are taken over at the same time, by one client, are told apart.
func TestTakeoversAtTheSameTime(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice := s.user()
		channels := []string{"abc123", "def456", "ghi789"}
		var tickets []lectern.Ticket
		for _, channel := range channels {
			alice.create(channel, "alice")
			tickets = append(tickets, s.user().join(channel, "user_one").Ticket())
		}
		other := s.user()
		var taking sync.WaitGroup
		for i, channel := range channels {
			taking.Go(func() {
				slave, err := other.ResumeSlave(within(t), tickets[i])
				require.NoError(t, err)
				require.Equal(t, channel, slave.Channel())
				say(t, slave, "here I am")
			})
		}
		taking.Wait()
	})
}
