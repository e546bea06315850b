package lectern_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

func TestIdleConnectionIsClosed(t *testing.T) {
	InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
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
		peer.Refused(OneJoins, lectern.ErrNoSuchChannel)
		peer.Closed(transport.Idle)
		require.Equal(t, began.Add(10*time.Second), time.Now())
	})
}

func TestConnectionWithAMembershipIsNotIdle(t *testing.T) {
	InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		began := time.Now()
		alice := s.Raw()
		time.Sleep(9 * time.Second)
		alice.Send(AliceCreates)
		alice.Expect(AliceCreated)
		one := s.Raw()
		one.Send(OneJoins)
		one.Expect(OneJoined)
		alice.Expect(OneOnline)
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
	InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		s.User().Creates("abc123", "alice")
		for range *rounds {
			one := s.User()
			_, err := one.Status(Within(t), "abc123")
			require.NoError(t, err)
			time.Sleep(10 * time.Second)
			slave, err := one.Join(Within(t), "abc123", "user_one")
			if err != nil {
				require.ErrorContains(t, err, "connection lost")
				slave = one.Joins("abc123", "user_one")
			}
			require.NoError(t, slave.Close())
			require.NoError(t, one.Close())
		}
	})
}

func TestLimitsAreAnsweredByTheirCodes(t *testing.T) {
	policy := lectern.Policy{MaxSlaves: 2, MaxChannels: 3, MaxChannelsPerConn: 2}
	Everywhere(t, policy, func(t *testing.T, s *Stage) {
		alice := s.User()
		master := alice.Creates("a", "alice")
		alice.Creates("b", "alice")
		_, err := alice.Create(Within(t), "c", "alice")
		require.ErrorIs(t, err, lectern.ErrTooManyChannels, "on this connection")
		bob := s.User()
		bob.Creates("c", "bob")
		_, err = bob.Create(Within(t), "d", "bob")
		require.ErrorIs(t, err, lectern.ErrTooManyChannels, "in this hub")
		_, err = alice.Join(Within(t), "c", "alice")
		require.ErrorIs(t, err, lectern.ErrTooManyChannels)

		one := s.User().Joins("a", "user_one")
		s.User().Joins("a", "user_two")
		_, err = s.User().Join(Within(t), "a", "user_three")
		require.ErrorIs(t, err, lectern.ErrChannelFull)
		require.NoError(t, one.Close())
		s.User().Joins("a", "user_three")

		require.NoError(t, master.Ban(Within(t), "x", ""))
		require.NoError(t, master.Ban(Within(t), "y", ""))
		require.ErrorIs(t, master.Ban(Within(t), "z", ""), lectern.ErrChannelFull)
		require.NoError(t, master.Close())
		bob.Creates("d", "bob") // there is room again
	})
}

// A slave that never reads is let go with slow and delays nobody. It can come
// back.
func TestSlowSlave(t *testing.T) {
	policy := lectern.Policy{Outbox: lectern.Bound{Messages: 16}, Replay: lectern.Bound{Messages: 1000, Bytes: 100 << 20}}
	InVirtualTime(t, policy, func(t *testing.T, s *Stage) {
		master := s.User().Creates("abc123", "alice")
		quick := s.User().Joins("abc123", "user_two")
		slow := s.Raw()
		slow.Send(OneJoins)
		slow.Expect(OneJoined)
		began := time.Now()
		const count = 80
		// Memory and the sockets' buffers hold some of it, so it has to be a lot.
		text := strings.Repeat("x", 10_000)
		for i := range count {
			Broadcast(t, master, fmt.Sprint(i, text))
			Receive(t, quick, fmt.Sprint(i, text))
		}
		require.Equal(t, began, time.Now(), "others were delayed")
		last := 0
		for {
			frame, err := slow.Read()
			if err != nil {
				var closed *transport.CloseError
				require.True(t, errors.As(err, &closed), "%v", err)
				require.Equal(t, transport.Slow, closed.Reason.Code)
				break
			}
			last++
			require.Contains(t, frame, fmt.Sprintf(`"seq":%d,`, last), "in order and without a hole")
		}
		require.Less(t, last, count)
		require.NotZero(t, last)

		again := s.Raw()
		again.Send(fmt.Sprintf(`{"type":"resume","ref":1,"channel":"abc123","username":"user_one","resume":%q,"last":%d}`, slow.Secret, last))
		again.Expect(OneJoined)
		for last < count {
			last++
			frame, err := again.Read()
			require.NoError(t, err)
			require.Contains(t, frame, fmt.Sprintf(`"seq":%d,`, last))
		}
	})
}

// One that takes nothing at all is let go by the time that a write may take,
// also where little waits for it.
func TestStuckSlave(t *testing.T) {
	InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		master := s.User().Creates("abc123", "alice")
		slow := s.Raw()
		slow.Send(OneJoins)
		slow.Expect(OneJoined)
		NextPresence(t, master, "user_one", lectern.Online)
		for range 4 {
			Broadcast(t, master, strings.Repeat("x", 60_000))
		}
		began := time.Now()
		away := NextPresence(t, master, "user_one", lectern.Away)
		require.LessOrEqual(t, away.Since.Sub(began), 16*time.Second)
	})
}

// A master that does not keep up costs its slaves a refusal that they know of.
func TestSlowMaster(t *testing.T) {
	policy := lectern.Policy{
		Outbox: lectern.Bound{Messages: 16}, Replay: lectern.Bound{Messages: 1000, Bytes: 100 << 20}, WriteTimeout: time.Hour,
	}
	InBubble(t, policy, func(t *testing.T, s *Stage) {
		alice := s.Raw()
		alice.Send(AliceCreates)
		alice.Expect(AliceCreated)
		slave := s.User().Joins("abc123", "user_one")
		alice.Expect(OneOnline)
		accepted, refused := 0, 0
		for refused < 3 {
			_, err := slave.Send(Within(t), lectern.Text(fmt.Sprint(accepted)))
			if err != nil {
				require.ErrorIs(t, err, lectern.ErrBusy)
				refused++
				continue
			}
			accepted++
			require.Less(t, accepted, 10_000, "never refused")
			synctest.Wait()
		}
		for i := range accepted {
			alice.Expect(fmt.Sprintf(`{"type":"message","channel":"abc123","from":"user_one","seq":%d,"text":"%d"}`, i+1, i))
		}
		Say(t, slave, "better now")
		alice.Expect(fmt.Sprintf(`{"type":"message","channel":"abc123","from":"user_one","seq":%d,"text":"better now"}`, accepted+1))
	})
}

// Whoever wants no bound may give the largest number there is.
func TestLargestBounds(t *testing.T) {
	most := lectern.Bound{Messages: math.MaxInt, Bytes: math.MaxInt}
	rate := lectern.Rate{PerSecond: math.MaxInt}
	InBubble(t, lectern.Policy{
		MaxSlaves: math.MaxInt, MaxChannels: math.MaxInt, MaxChannelsPerConn: math.MaxInt, MaxConnections: math.MaxInt,
		MaxMessage: math.MaxInt, HandshakeBytes: math.MaxInt, Outbox: most, Replay: most, Rate: rate, SlaveRate: rate,
		MasterTimeout: math.MaxInt64, SlaveTimeout: math.MaxInt64, HandshakeTimeout: math.MaxInt64, WriteTimeout: math.MaxInt64,
	}, func(t *testing.T, s *Stage) {
		alice, one := s.User(), s.User()
		master, slave := alice.Creates("abc123", "alice"), one.Joins("abc123", "user_one")
		large := strings.Repeat("x", 5_000)
		Broadcast(t, master, large)
		Receive(t, slave, large)
		NextPresence(t, master, "user_one", lectern.Online)
		Say(t, slave, large)
		NextText(t, master, large)
		one.CutOff()
		synctest.Wait()
		Broadcast(t, master, large)
		one.Bar(false)
		Receive(t, slave, large)
		for range 3 {
			Broadcast(t, master, "once more")
			Receive(t, slave, "once more")
		}
	})
}
