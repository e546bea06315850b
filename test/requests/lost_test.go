package requests

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

func openRequests(t *testing.T, s *stage.Stage) (ofMaster, ofSlaves int) {
	t.Helper()
	channel, _ := s.Hub.Channel("abc123")
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
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, one := s.User().Creates("abc123", "alice"), s.User()
		slave := one.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		asked := stage.InBackground(func() (lectern.Message, error) { return slave.Request(ctx, lectern.Text("may I?")) })
		nextQuestion(t, master, "may I?")
		one.CutOff()
		for range 32 {
			go func() { _, _ = slave.Send(stage.Within(t), lectern.Text("meanwhile")) }()
		}
		require.ErrorIs(t, (<-asked).Err, context.DeadlineExceeded)
		one.Bar(false)
		for range 2 {
			stage.Next(t, master) // away and back
		}
		for range 32 {
			stage.NextText(t, master, "meanwhile")
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
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.User(), s.User()
		master, slave := alice.Creates("abc123", "alice"), one.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		down := stage.InBackground(func() (lectern.Message, error) { return master.Request(ctx, "user_one", lectern.Text("ready?")) })
		up := stage.InBackground(func() (lectern.Message, error) { return slave.Request(ctx, lectern.Text("may I?")) })
		toMaster, toSlave := nextQuestion(t, master, "may I?"), nextQuestion(t, slave, "ready?")
		tickets := []lectern.Ticket{master.Ticket(), slave.Ticket()}
		alice.CutOff()
		one.CutOff()
		synctest.Wait()
		master, err := s.User().ResumeMaster(stage.Within(t), tickets[0])
		require.NoError(t, err)
		slave, err = s.User().ResumeSlave(stage.Within(t), tickets[1])
		require.NoError(t, err)
		synctest.Wait() // the hub has heard of the new programs
		ofMaster, ofSlaves := openRequests(t, s)
		require.Zero(t, ofMaster)
		require.Zero(t, ofSlaves)
		_, err = master.Reply(stage.Within(t), toMaster, lectern.Text("you may"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
		_, err = slave.Reply(stage.Within(t), toSlave, lectern.Text("I am"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
		cancel()
		require.Error(t, (<-down).Err)
		require.Error(t, (<-up).Err)
	})
}

// The answer to a question whose acknowledgement was lost with the connection is
// lost, and told as that: the slave has not left.
func TestAnswerIsLostBeforeTheAcknowledgement(t *testing.T) {
	policy := lectern.Policy{Replay: lectern.QueueLimit{Messages: -1}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := s.UserWith(lectern.ClientOptions{})
		muted := &stage.MutedDialer{User: alice}
		client := lectern.NewClient(muted, lectern.ClientOptions{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
		defer func() { require.NoError(t, client.Close()) }()
		master, err := client.Create(stage.Within(t), "abc123", "alice")
		require.NoError(t, err)
		slave := s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		muted.Mute()
		asked := stage.InBackground(func() (lectern.Message, error) {
			return master.Request(stage.Within(t), "user_one", lectern.Text("ready?"))
		})
		_, err = slave.Reply(stage.Within(t), nextQuestion(t, slave, "ready?"), lectern.Text("I am"))
		require.NoError(t, err)
		for range 3 {
			stage.Say(t, slave, "on and on")
		}
		muted.ComeBack()
		result := <-asked
		var gap *lectern.GapError
		require.True(t, errors.As(result.Err, &gap), "%v", result.Err)
	})
}
