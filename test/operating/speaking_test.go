package operating

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// channelOf is the channel abc123, for the service.
func channelOf(t *testing.T, hub *lectern.Hub) *lectern.Channel {
	channel, ok := hub.Channel("abc123")
	require.True(t, ok)
	return channel
}

// The service speaks in its channel: to all slaves, to one, and to the master, in one order with
// what members send, to clients of both forms.
func TestServiceSpeaks(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		one, two := s.User().Joins("abc123", "user_one"), s.User().Joins("abc123", "user_two")
		byHand := s.Raw()
		byHand.Send(`{"type":"join","ref":1,"channel":"abc123","username":"by hand"}`)
		_, err := byHand.Read()
		require.NoError(t, err)
		channel := channelOf(t, s.Hub)

		stage.Broadcast(t, master, "first")
		receipt, err := channel.Broadcast(stage.Within(t), lectern.Text("five minutes"), lectern.WithTopic("time"))
		require.NoError(t, err)
		require.Equal(t, lectern.Receipt{Seq: 2, Slaves: 3}, receipt)
		receipt, err = channel.Send(stage.Within(t), "user_one", lectern.Text("you"))
		require.NoError(t, err)
		require.Equal(t, lectern.Receipt{Seq: 3, Slaves: 1}, receipt)
		stage.Broadcast(t, master, "last")
		for _, slave := range []*lectern.Slave{one, two} {
			stage.Receive(t, slave, "first")
			m := stage.NextText(t, slave, "five minutes")
			require.Empty(t, m.From)
			require.EqualValues(t, 2, m.Seq)
			require.Equal(t, "time", m.Topic)
			require.False(t, m.Private)
			if slave == one {
				m = stage.NextText(t, slave, "you")
				require.Empty(t, m.From)
				require.True(t, m.Private)
			}
			require.Equal(t, "alice", stage.NextText(t, slave, "last").From)
		}
		byHand.Expect(
			`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"first"}`,
			`{"type":"message","channel":"abc123","from":"","seq":2,"topic":"time","text":"five minutes"}`,
			`{"type":"message","channel":"abc123","from":"alice","seq":4,"text":"last"}`,
		)

		receipt, err = channel.Send(stage.Within(t), "alice", lectern.Text("teacher"))
		require.NoError(t, err)
		require.Equal(t, lectern.Receipt{Seq: 1}, receipt)
		stage.Say(t, one, "hi")
		for range 3 {
			require.IsType(t, lectern.Presence{}, stage.Next(t, master))
		}
		m := stage.NextText(t, master, "teacher")
		require.Empty(t, m.From)
		require.EqualValues(t, 1, m.Seq)
		require.EqualValues(t, 2, stage.NextText(t, master, "hi").Seq)

		shot, _ := channel.Snapshot()
		require.EqualValues(t, 4, shot.MasterMessages)
		require.EqualValues(t, 2, shot.SlaveMessages)
	})
}

// Nobody can pass for the service: there is no member without a name, and whoever sends sends
// under its own.
func TestNobodyPassesForTheService(t *testing.T) {
	nameless := func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		return lectern.Identity{AsAsked: true}, nil
	}
	for _, policy := range []lectern.Policy{{}, {Authorize: nameless}} {
		stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
			peer := s.Raw()
			peer.Refused(`{"type":"create","ref":1,"channel":"abc123","username":""}`, lectern.ErrBadName)
			alice, one := s.Pair()
			s.Raw().Refused(`{"type":"join","ref":1,"channel":"abc123","username":""}`, lectern.ErrBadName)
			one.Send(`{"type":"send","ref":2,"channel":"abc123","from":"","text":"x"}`) // a field that a send does not have
			one.Expect(`{"type":"ack","ref":2,"seq":1}`)
			alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"x"}`)
		})
	}
}

// What the service says while somebody is away comes when it is back, in its place.
func TestServiceSpeaksToWhoIsAway(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.User(), s.User()
		master, slave := alice.Creates("abc123", "alice"), one.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		channel := channelOf(t, s.Hub)
		alice.CutOff()
		stage.NextPresence(t, slave, "alice", lectern.StateAway)
		receipt, err := channel.Broadcast(stage.Within(t), lectern.Text("your teacher will be back"))
		require.NoError(t, err)
		require.Equal(t, 1, receipt.Slaves)
		stage.NextText(t, slave, "your teacher will be back")
		one.CutOff()
		synctest.Wait()
		receipt, err = channel.Broadcast(stage.Within(t), lectern.Text("one"))
		require.NoError(t, err)
		require.Equal(t, lectern.Receipt{Seq: 2}, receipt)
		_, err = channel.Send(stage.Within(t), "user_one", lectern.Text("two"))
		require.NoError(t, err)
		_, err = channel.Send(stage.Within(t), "alice", lectern.Text("they wait"))
		require.NoError(t, err)
		one.Bar(false)
		alice.Bar(false)
		stage.NextPresence(t, slave, "alice", lectern.StateUnknown)
		var got []string
		for len(got) < 2 {
			if m, ok := stage.Next(t, slave).(lectern.Message); ok {
				require.Empty(t, m.From)
				got = append(got, m.Text())
			}
		}
		require.Equal(t, []string{"one", "two"}, got)
		for {
			if m, ok := stage.Next(t, master).(lectern.Message); ok {
				require.Equal(t, "they wait", m.Text())
				require.Empty(t, m.From)
				break
			}
		}
	})
}

// What is refused, and how.
func TestServiceSpeaksInVain(t *testing.T) {
	policy := lectern.Policy{MaxMessageBytes: 100, Replay: lectern.QueueLimit{Messages: 1}}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		channel := channelOf(t, s.Hub)
		says := func(to string, payload lectern.Payload, options ...lectern.SendOption) error {
			receipt, err := channel.Send(stage.Within(t), to, payload, options...)
			if err != nil {
				require.Zero(t, receipt)
			}
			return err
		}
		require.ErrorIs(t, says("nobody", lectern.Text("x")), lectern.ErrNoSuchSlave)
		require.ErrorContains(t, says("nobody", lectern.Text("x")), `"nobody"`)
		require.ErrorIs(t, says("", lectern.Text("x")), lectern.ErrNoSuchSlave)
		require.ErrorIs(t, says("user_one", lectern.Text(strings.Repeat("x", 101))), lectern.ErrTooLarge)
		require.ErrorContains(t, says("user_one", lectern.JSON(func() {})), "payload")
		require.ErrorIs(t, says("user_one", lectern.Text("x"), lectern.WithTopic("\x00")), lectern.ErrBadFrame)
		require.Error(t, says("user_one", lectern.Text("x"), nil))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := channel.Broadcast(ctx, lectern.Text("x"))
		require.ErrorIs(t, err, context.Canceled)

		alice.CutOff()
		synctest.Wait()
		require.NoError(t, says("alice", lectern.Text("kept")))
		require.ErrorIs(t, says("alice", lectern.Text("one more than is kept")), lectern.ErrBusy)
		require.NoError(t, says("user_one", lectern.Text("the only one")))
		stage.NextPresence(t, slave, "alice", lectern.StateAway)
		require.EqualValues(t, 1, stage.NextText(t, slave, "the only one").Seq, "what was refused has no number")
		alice.Bar(false)
		stage.NextPresence(t, slave, "alice", lectern.StateOnline)

		require.NoError(t, master.Close())
		require.ErrorIs(t, says("user_one", lectern.Text("x")), lectern.ErrNoSuchChannel)
		_, err = channel.Broadcast(stage.Within(t), lectern.Text("x"))
		require.ErrorIs(t, err, lectern.ErrNoSuchChannel)

		s.User().Creates("abc123", "bob")
		_, err = channel.Broadcast(stage.Within(t), lectern.Text("x"))
		require.ErrorIs(t, err, lectern.ErrNoSuchChannel, "another one has the name")
		channel = channelOf(t, s.Hub)
		require.NoError(t, s.Hub.Shutdown(stage.Within(t)))
		require.ErrorIs(t, says("bob", lectern.Text("x")), lectern.ErrShuttingDown)
	})
}

// The service is not asked about what it says itself, and may speak from where it is asked.
func TestServiceSpeaksWhereItIsAsked(t *testing.T) {
	for _, slow := range []lectern.Slow{lectern.SlowDisconnect, lectern.SlowHold} {
		var hub *lectern.Hub
		policy := lectern.Policy{Slow: slow, AuthorizeMessage: func(ctx context.Context, from lectern.Sender, m lectern.OutgoingMessage) error {
			channel, _ := hub.Channel(from.Channel)
			if _, err := channel.Send(ctx, from.Username, lectern.Text("is that so?")); err != nil {
				return err
			}
			_, err := channel.Broadcast(ctx, lectern.Text(from.Username+" says "+m.Text()))
			return err
		}}
		stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
			hub = s.Hub
			master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
			stage.Say(t, slave, "hi")
			stage.Receive(t, slave, "is that so?", "user_one says hi")
			stage.NextPresence(t, master, "user_one", lectern.StateOnline)
			stage.NextText(t, master, "hi")
			stage.Broadcast(t, master, "hello")
			stage.NextText(t, master, "is that so?")
			stage.Receive(t, slave, "alice says hello", "hello")
		})
	}
}

// With SlowHold the service waits for slow slaves as their master would, for HoldTimeout at the
// longest, and for its context; without, it waits for nobody.
func TestServiceIsHeldBack(t *testing.T) {
	stage.OneHub(t, "who speaks is held back for the slaves at the hub of the master")
	policy := lectern.Policy{Slow: lectern.SlowHold, Outbox: lectern.QueueLimit{Messages: 8}, WriteTimeout: time.Hour}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		s.Stalled(master)
		channel := channelOf(t, s.Hub)
		began := time.Now()
		for range 100 {
			if time.Since(began) > 0 {
				break
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			_, err := channel.Broadcast(ctx, lectern.Text(stage.Bulk))
			cancel()
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
		}
		require.Equal(t, 100*time.Millisecond, time.Since(began))
	})
}

// Everybody may speak at once: the numbers are those of the receipts, each once.
func TestServiceSpeaksAtOnce(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{Outbox: lectern.QueueLimit{Messages: 1000}, FrameRate: lectern.RateLimit{PerSecond: -1}}, func(t *testing.T, s *stage.Stage) {
		master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
		channel := channelOf(t, s.Hub)
		var mu sync.Mutex
		numbers := map[uint64]string{}
		var all sync.WaitGroup
		note := func(text string, receipt lectern.Receipt, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil || numbers[receipt.Seq] != "" {
				t.Errorf("%v, and %d was %q", err, receipt.Seq, numbers[receipt.Seq])
			}
			numbers[receipt.Seq] = text
		}
		for i := range 4 {
			all.Go(func() {
				for range 25 {
					if i == 0 {
						receipt, err := master.Broadcast(stage.Within(t), lectern.Text("master"))
						note("master", receipt, err)
						continue
					}
					receipt, err := channel.Broadcast(stage.Within(t), lectern.Text("service"))
					note("service", receipt, err)
				}
			})
		}
		all.Wait()
		for seq := uint64(1); seq <= 100; seq++ {
			m, err := slave.Receive(stage.Within(t))
			require.NoError(t, err)
			require.Equal(t, seq, m.Seq)
			require.Equal(t, numbers[seq], m.Text())
			require.Equal(t, m.Text() == "service", m.From == "")
		}
	})
}

// What the service says can expire as what members say.
func TestServiceSpeaksInTime(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		one := s.User()
		slave := one.Joins("abc123", "user_one")
		channel := channelOf(t, s.Hub)
		one.CutOff()
		stage.NextPresence(t, slave, "alice", lectern.StateUnknown)
		_, err := channel.Broadcast(stage.Within(t), lectern.Text("at once"), lectern.WithExpiry(time.Second))
		require.NoError(t, err)
		_, err = channel.Broadcast(stage.Within(t), lectern.Text("some time"), lectern.WithExpiry(time.Minute))
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		one.Bar(false)
		stage.NextPresence(t, slave, "alice", lectern.StateOnline)
		require.Equal(t, lectern.Gap{Missed: 1}, stage.Next(t, slave))
		require.Empty(t, stage.NextText(t, slave, "some time").From)
	})
}
