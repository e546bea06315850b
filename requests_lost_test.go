package lectern_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

func openRequests(t *testing.T, s *stage) (ofMaster, ofSlaves int) {
	t.Helper()
	channel, _ := s.hub.Channel("abc123")
	shot, exists := channel.Snapshot()
	require.True(t, exists)
	for _, slave := range shot.Slaves {
		ofSlaves += slave.OpenRequests
	}
	return shot.OpenRequests, ofSlaves
}

// A request that is given up while as many sends as may be under way wait for the
// connection is withdrawn all the same, once it is back.
func TestWithdrawWhileMuchIsUnderWay(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master, one := s.user().create("abc123", "alice"), s.user()
		slave := one.join("abc123", "user_one")
		nextPresence(t, master, "user_one", lectern.Online)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		asked := inBackground(func() (lectern.Message, error) { return slave.Request(ctx, lectern.Text("may I?")) })
		nextQuestion(t, master, "may I?")
		one.cutOff()
		for range 32 {
			go func() { _, _ = slave.Send(within(t), lectern.Text("meanwhile")) }()
		}
		require.ErrorIs(t, (<-asked).err, context.DeadlineExceeded)
		one.bar(false)
		for range 2 {
			next(t, master) // away and back
		}
		for range 32 {
			nextText(t, master, "meanwhile")
		}
		synctest.Wait()
		_, ofSlaves := openRequests(t, s)
		require.Zero(t, ofSlaves, "the request is still open")
	})
}

// A program that takes a membership over counts its refs anew, and knows nothing
// of the requests of the one before. They are over: else they would use up, one
// crash after the other, what a member may have open.
func TestRequestsOfAProgramThatIsGone(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice, one := s.user(), s.user()
		master, slave := alice.create("abc123", "alice"), one.join("abc123", "user_one")
		nextPresence(t, master, "user_one", lectern.Online)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		down := inBackground(func() (lectern.Message, error) { return master.Request(ctx, "user_one", lectern.Text("ready?")) })
		up := inBackground(func() (lectern.Message, error) { return slave.Request(ctx, lectern.Text("may I?")) })
		toMaster, toSlave := nextQuestion(t, master, "may I?"), nextQuestion(t, slave, "ready?")
		tickets := []lectern.Ticket{master.Ticket(), slave.Ticket()}
		alice.cutOff()
		one.cutOff()
		synctest.Wait()
		master, err := s.user().ResumeMaster(within(t), tickets[0])
		require.NoError(t, err)
		slave, err = s.user().ResumeSlave(within(t), tickets[1])
		require.NoError(t, err)
		ofMaster, ofSlaves := openRequests(t, s)
		require.Zero(t, ofMaster)
		require.Zero(t, ofSlaves)
		_, err = master.Reply(within(t), toMaster, lectern.Text("you may"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
		_, err = slave.Reply(within(t), toSlave, lectern.Text("I am"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
		cancel()
		require.Error(t, (<-down).err)
		require.Error(t, (<-up).err)
	})
}

// The answer to a question whose acknowledgement was lost with the connection is
// lost, and told as that: the slave has not left.
func TestAnswerIsLostBeforeTheAcknowledgement(t *testing.T) {
	policy := lectern.Policy{Replay: lectern.Bound{Messages: 1}}
	inVirtualTime(t, policy, func(t *testing.T, s *stage) {
		alice := s.userWith(lectern.ClientOptions{})
		muted := &mutedDialer{user: alice}
		client := lectern.NewClient(muted, lectern.ClientOptions{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
		defer func() { require.NoError(t, client.Close()) }()
		master, err := client.Create(within(t), "abc123", "alice")
		require.NoError(t, err)
		slave := s.user().join("abc123", "user_one")
		nextPresence(t, master, "user_one", lectern.Online)
		muted.mute()
		asked := inBackground(func() (lectern.Message, error) {
			return master.Request(within(t), "user_one", lectern.Text("ready?"))
		})
		_, err = slave.Reply(within(t), nextQuestion(t, slave, "ready?"), lectern.Text("I am"))
		require.NoError(t, err)
		for range 3 {
			say(t, slave, "on and on")
		}
		muted.comeBack()
		result := <-asked
		var gap *lectern.GapError
		require.True(t, errors.As(result.err, &gap), "%v", result.err)
	})
}
