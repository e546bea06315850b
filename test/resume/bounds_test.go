package resume

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// delayed is a user whose connections bring everything late.
type delayed struct {
	*stage.User
	by time.Duration
}

type delayedConn struct {
	transport.Conn
	by time.Duration
}

func (d delayed) Dial(ctx context.Context) (transport.Conn, error) {
	conn, err := d.User.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return delayedConn{conn, d.by}, nil
}

func (c delayedConn) Read() ([]byte, error) {
	data, err := c.Conn.Read()
	time.Sleep(c.by)
	return data, err
}

// A resume that is given up leaves the membership as it was: it can be tried
// again with the same ticket.
func TestContextEndsDuringResume(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.User(), s.User()
		master, slave := alice.Creates("abc123", "alice"), one.Joins("abc123", "user_one")
		tickets := []lectern.Ticket{master.Ticket(), slave.Ticket()}
		alice.CutOff()
		one.CutOff()
		synctest.Wait()

		far := lectern.NewClient(delayed{s.User(), 2 * time.Second}, lectern.ClientOptions{})
		defer func() { require.NoError(t, far.Close()) }()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := far.ResumeSlave(ctx, tickets[1])
		require.ErrorIs(t, err, context.DeadlineExceeded)
		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = far.ResumeMaster(ctx, tickets[0])
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(5 * time.Second)

		master, err = s.User().ResumeMaster(stage.Within(t), tickets[0])
		require.NoError(t, err)
		slave, err = s.User().ResumeSlave(stage.Within(t), tickets[1])
		require.NoError(t, err)
		stage.Broadcast(t, master, "all here")
		stage.Receive(t, slave, "all here")
	})
}

// Each resume brings a replay, which the bounds of the queue do not count. A peer
// that resumes again and again on one connection, and reads nothing, gets no more
// of them than it takes.
func TestResumesOfOneThatDoesNotRead(t *testing.T) {
	stage.InBubble(t, lectern.Policy{MembershipRate: lectern.RateLimit{PerSecond: -1}}, func(t *testing.T, s *stage.Stage) {
		master, peer := s.User().Creates("abc123", "alice"), s.Raw()
		peer.Send(stage.OneJoins)
		peer.Expect(stage.OneJoined)
		for range 100 {
			stage.Broadcast(t, master, "kept")
		}
		for ref := range 1000 {
			peer.Send(fmt.Sprintf(`{"type":"resume","ref":%d,"channel":"abc123","username":"user_one","resume":%q}`, ref+2, peer.Secret))
		}
		synctest.Wait()
		channel, _ := s.Hub.Channel("abc123")
		shot, _ := channel.Snapshot()
		require.Less(t, shot.Slaves[0].Queued.Messages, 2000, "beside the refusals")
	})
}

// Where nothing is kept, who has left while the master was cut off is told at
// once: no message will come to tell it behind.
func TestDepartedWhereNothingIsKept(t *testing.T) {
	policy := lectern.Policy{Replay: lectern.QueueLimit{Messages: -1}, SlaveTimeout: -1}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := &stage.MutedDialer{User: s.User()}
		client := lectern.NewClient(alice, lectern.ClientOptions{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
		defer func() { require.NoError(t, client.Close()) }()
		master, err := client.Create(stage.Within(t), "abc123", "alice")
		require.NoError(t, err)
		slave := s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		alice.Mute()
		stage.Say(t, slave, "unheard")
		require.NoError(t, slave.Leave())
		alice.ComeBack()
		stage.NextPresence(t, master, "alice", lectern.StateUnknown)
		stage.NextPresence(t, master, "alice", lectern.StateOnline)
		require.Equal(t, lectern.Gap{}, stage.Next(t, master))
		stage.NextPresence(t, master, "user_one", lectern.StateGone)
		require.Empty(t, master.Members())
	})
}
