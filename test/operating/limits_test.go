package operating

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

func TestIdleConnectionIsClosed(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		began := time.Now()
		peer := s.Raw()
		peer.Closed(transport.Idle)
		require.Equal(t, began.Add(10*time.Second), time.Now())

		// What it does makes no difference, only a membership does.
		began = time.Now()
		peer = s.Raw()
		for range 9 {
			time.Sleep(time.Second)
			peer.Send(`{"type":"ping","ref":1}`)
			peer.Expect(`{"type":"pong","ref":1}`)
		}
		peer.Refused(stage.OneJoins, lectern.ErrNoSuchChannel)
		peer.Closed(transport.Idle)
		require.Equal(t, began.Add(10*time.Second), time.Now())
	})
}

func TestConnectionWithAMembershipIsNotIdle(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		began := time.Now()
		alice := s.Raw()
		time.Sleep(9 * time.Second)
		alice.Send(stage.AliceCreates)
		alice.Expect(stage.AliceCreated)
		one := s.Raw()
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		alice.Expect(stage.OneOnline)
		// Nothing is said for an hour.
		listening := make(chan error, 1)
		go func() {
			_, err := alice.Conn.Read()
			listening <- err
		}()
		go func() {
			time.Sleep(time.Hour)
			_ = one.Conn.Write([]byte(`{"type":"send","channel":"abc123","text":"still here"}`))
		}()
		// The slave's end has to be read for the adapters that answer probes so.
		reading := make(chan struct{})
		go func() {
			defer close(reading)
			_, _ = one.Conn.Read()
		}()
		require.NoError(t, <-listening)
		require.Equal(t, time.Hour, time.Since(began)-9*time.Second)
		_ = one.Conn.Close(transport.Reason{Code: transport.Left})
		<-reading

		// The time runs from where the last membership was left.
		alice.Expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"left"}`)
		began = time.Now()
		alice.Send(`{"type":"leave","ref":2,"channel":"abc123"}`)
		alice.Expect(`{"type":"left","ref":2,"channel":"abc123"}`)
		alice.Closed(transport.Idle)
		require.Equal(t, began.Add(10*time.Second), time.Now())
	})
}

// A join in the instant in which its connection is closed as idle may fail, but
// then it has not been carried out: the name is free.
func TestJoinInTheInstantOfIdle(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		for range *rounds {
			one := s.User()
			_, err := one.Status(stage.Within(t), "abc123")
			require.NoError(t, err)
			time.Sleep(10 * time.Second)
			slave, err := one.Join(stage.Within(t), "abc123", "user_one")
			if err != nil {
				require.ErrorContains(t, err, "connection lost")
				slave = one.Joins("abc123", "user_one")
			}
			require.NoError(t, slave.Leave())
			require.NoError(t, one.Close())
		}
	})
}

func TestLimitsAreAnsweredByTheirCodes(t *testing.T) {
	policy := lectern.Policy{MaxSlaves: 2, MaxChannels: 3, MaxChannelsPerConnection: 2}
	stage.Everywhere(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		master := alice.Creates("a", "alice")
		alice.Creates("b", "alice")
		_, err := alice.Create(stage.Within(t), "c", "alice")
		require.ErrorIs(t, err, lectern.ErrTooManyChannels, "on this connection")
		bob := s.User()
		bob.Creates("c", "bob")
		if !s.OfCluster() { // there they are counted at each hub
			_, err = bob.Create(stage.Within(t), "d", "bob")
			require.ErrorIs(t, err, lectern.ErrTooManyChannels, "in this hub")
		}
		_, err = alice.Join(stage.Within(t), "c", "alice")
		require.ErrorIs(t, err, lectern.ErrTooManyChannels)

		one := s.User().Joins("a", "user_one")
		s.User().Joins("a", "user_two")
		_, err = s.User().Join(stage.Within(t), "a", "user_three")
		require.ErrorIs(t, err, lectern.ErrChannelFull)
		require.NoError(t, one.Leave())
		s.User().Joins("a", "user_three")

		require.NoError(t, master.Ban(stage.Within(t), "x", ""))
		require.NoError(t, master.Ban(stage.Within(t), "y", ""))
		require.ErrorIs(t, master.Ban(stage.Within(t), "z", ""), lectern.ErrChannelFull)
		require.NoError(t, master.Close())
		bob.Creates("d", "bob") // there is room again
	})
}

// Whoever wants no bound may give the largest number there is.
func TestLargestBounds(t *testing.T) {
	stage.OneHub(t, "between hubs a message is not larger than Policy says")
	most := lectern.QueueLimit{Messages: math.MaxInt, Bytes: math.MaxInt}
	rate := lectern.RateLimit{PerSecond: math.MaxInt}
	stage.InBubble(t, lectern.Policy{
		MaxSlaves: math.MaxInt, MaxChannels: math.MaxInt, MaxChannelsPerConnection: math.MaxInt, MaxConnections: math.MaxInt,
		MaxMessageBytes: math.MaxInt, MaxHandshakeBytes: math.MaxInt, Outbox: most, Replay: most, FrameRate: rate, SlaveMessageRate: rate, MembershipRate: rate,
		MasterTimeout: math.MaxInt64, SlaveTimeout: math.MaxInt64, HandshakeTimeout: math.MaxInt64, WriteTimeout: math.MaxInt64,
	}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.User(), s.User()
		master, slave := alice.Creates("abc123", "alice"), one.Joins("abc123", "user_one")
		large := strings.Repeat("x", 5_000)
		stage.Broadcast(t, master, large)
		stage.Receive(t, slave, large)
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		stage.Say(t, slave, large)
		stage.NextText(t, master, large)
		one.CutOff()
		synctest.Wait()
		stage.Broadcast(t, master, large)
		one.Bar(false)
		stage.Receive(t, slave, large)
		for range 3 {
			stage.Broadcast(t, master, "once more")
			stage.Receive(t, slave, "once more")
		}
	})
}
