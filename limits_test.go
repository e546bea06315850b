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
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		began := time.Now()
		peer := s.raw()
		peer.closed(transport.Idle)
		require.Equal(t, began.Add(10*time.Second), time.Now())

		// What it does makes no difference, only a membership does.
		began = time.Now()
		peer = s.raw()
		for range 9 {
			time.Sleep(time.Second)
			peer.send(`{"type":"ping","ref":1}`)
			peer.expect(`{"type":"pong","ref":1}`)
		}
		peer.refused(oneJoins, lectern.ErrNoSuchChannel)
		peer.closed(transport.Idle)
		require.Equal(t, began.Add(10*time.Second), time.Now())
	})
}

func TestConnectionWithAMembershipIsNotIdle(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		began := time.Now()
		alice := s.raw()
		time.Sleep(9 * time.Second)
		alice.send(aliceCreates)
		alice.expect(aliceCreated)
		one := s.raw()
		one.send(oneJoins)
		one.expect(oneJoined)
		alice.expect(oneOnline)
		// Nothing is said for an hour.
		listening := make(chan error, 1)
		go func() {
			_, err := alice.conn.Read()
			listening <- err
		}()
		go func() {
			time.Sleep(time.Hour)
			_ = one.conn.Write([]byte(`{"type":"send","channel":"abc123","text":"still here"}`))
		}()
		// The slave's end has to be read for the adapters that answer probes so.
		reading := make(chan struct{})
		go func() {
			defer close(reading)
			_, _ = one.conn.Read()
		}()
		require.NoError(t, <-listening)
		require.Equal(t, time.Hour, time.Since(began)-9*time.Second)
		_ = one.conn.Close(transport.Reason{Code: transport.Left})
		<-reading

		// The time runs from where the last membership was left.
		alice.expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"left"}`)
		began = time.Now()
		alice.send(`{"type":"leave","ref":2,"channel":"abc123"}`)
		alice.expect(`{"type":"left","ref":2,"channel":"abc123"}`)
		alice.closed(transport.Idle)
		require.Equal(t, began.Add(10*time.Second), time.Now())
	})
}

// A join in the instant in which its connection is closed as idle may fail, but
// then it has not been carried out: the name is free.
func TestJoinInTheInstantOfIdle(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		s.user().create("abc123", "alice")
		for range *rounds {
			one := s.user()
			_, err := one.Status(within(t), "abc123")
			require.NoError(t, err)
			time.Sleep(10 * time.Second)
			slave, err := one.Join(within(t), "abc123", "user_one")
			if err != nil {
				require.ErrorContains(t, err, "connection lost")
				slave = one.join("abc123", "user_one")
			}
			require.NoError(t, slave.Close())
			require.NoError(t, one.Close())
		}
	})
}

func TestLimitsAreAnsweredByTheirCodes(t *testing.T) {
	policy := lectern.Policy{MaxSlaves: 2, MaxChannels: 3, MaxChannelsPerConn: 2}
	everywhere(t, policy, func(t *testing.T, s *stage) {
		alice := s.user()
		master := alice.create("a", "alice")
		alice.create("b", "alice")
		_, err := alice.Create(within(t), "c", "alice")
		require.ErrorIs(t, err, lectern.ErrTooManyChannels, "on this connection")
		bob := s.user()
		bob.create("c", "bob")
		_, err = bob.Create(within(t), "d", "bob")
		require.ErrorIs(t, err, lectern.ErrTooManyChannels, "in this hub")
		_, err = alice.Join(within(t), "c", "alice")
		require.ErrorIs(t, err, lectern.ErrTooManyChannels)

		one := s.user().join("a", "user_one")
		s.user().join("a", "user_two")
		_, err = s.user().Join(within(t), "a", "user_three")
		require.ErrorIs(t, err, lectern.ErrChannelFull)
		require.NoError(t, one.Close())
		s.user().join("a", "user_three")

		require.NoError(t, master.Ban(within(t), "x", ""))
		require.NoError(t, master.Ban(within(t), "y", ""))
		require.ErrorIs(t, master.Ban(within(t), "z", ""), lectern.ErrChannelFull)
		require.NoError(t, master.Close())
		bob.create("d", "bob") // there is room again
	})
}

// A slave that never reads is let go with slow and delays nobody. It can come
// back.
func TestSlowSlave(t *testing.T) {
	policy := lectern.Policy{Outbox: lectern.Bound{Messages: 16}, Replay: lectern.Bound{Messages: 1000, Bytes: 100 << 20}}
	inVirtualTime(t, policy, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		quick := s.user().join("abc123", "user_two")
		slow := s.raw()
		slow.send(oneJoins)
		slow.expect(oneJoined)
		began := time.Now()
		const count = 80
		// Memory and the sockets' buffers hold some of it, so it has to be a lot.
		text := strings.Repeat("x", 10_000)
		for i := range count {
			broadcast(t, master, fmt.Sprint(i, text))
			receive(t, quick, fmt.Sprint(i, text))
		}
		require.Equal(t, began, time.Now(), "others were delayed")
		last := 0
		for {
			frame, err := slow.read()
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

		again := s.raw()
		again.send(fmt.Sprintf(`{"type":"resume","ref":1,"channel":"abc123","username":"user_one","resume":%q,"last":%d}`, slow.secret, last))
		again.expect(oneJoined)
		for last < count {
			last++
			frame, err := again.read()
			require.NoError(t, err)
			require.Contains(t, frame, fmt.Sprintf(`"seq":%d,`, last))
		}
	})
}

// One that takes nothing at all is let go by the time that a write may take,
// also where little waits for it.
func TestStuckSlave(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		slow := s.raw()
		slow.send(oneJoins)
		slow.expect(oneJoined)
		nextPresence(t, master, "user_one", lectern.Online)
		for range 4 {
			broadcast(t, master, strings.Repeat("x", 60_000))
		}
		began := time.Now()
		away := nextPresence(t, master, "user_one", lectern.Away)
		require.LessOrEqual(t, away.Since.Sub(began), 16*time.Second)
	})
}

// A master that does not keep up costs its slaves a refusal that they know of.
func TestSlowMaster(t *testing.T) {
	policy := lectern.Policy{
		Outbox: lectern.Bound{Messages: 16}, Replay: lectern.Bound{Messages: 1000, Bytes: 100 << 20}, WriteTimeout: time.Hour,
	}
	inBubble(t, policy, func(t *testing.T, s *stage) {
		alice := s.raw()
		alice.send(aliceCreates)
		alice.expect(aliceCreated)
		slave := s.user().join("abc123", "user_one")
		alice.expect(oneOnline)
		accepted, refused := 0, 0
		for refused < 3 {
			_, err := slave.Send(within(t), lectern.Text(fmt.Sprint(accepted)))
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
			alice.expect(fmt.Sprintf(`{"type":"message","channel":"abc123","from":"user_one","seq":%d,"text":"%d"}`, i+1, i))
		}
		say(t, slave, "better now")
		alice.expect(fmt.Sprintf(`{"type":"message","channel":"abc123","from":"user_one","seq":%d,"text":"better now"}`, accepted+1))
	})
}

// Whoever wants no bound may give the largest number there is.
func TestLargestBounds(t *testing.T) {
	most := lectern.Bound{Messages: math.MaxInt, Bytes: math.MaxInt}
	rate := lectern.Rate{PerSecond: math.MaxInt}
	inBubble(t, lectern.Policy{
		MaxSlaves: math.MaxInt, MaxChannels: math.MaxInt, MaxChannelsPerConn: math.MaxInt, MaxConnections: math.MaxInt,
		MaxMessage: math.MaxInt, HandshakeBytes: math.MaxInt, Outbox: most, Replay: most, Rate: rate, SlaveRate: rate,
		MasterTimeout: math.MaxInt64, SlaveTimeout: math.MaxInt64, HandshakeTimeout: math.MaxInt64, WriteTimeout: math.MaxInt64,
	}, func(t *testing.T, s *stage) {
		alice, one := s.user(), s.user()
		master, slave := alice.create("abc123", "alice"), one.join("abc123", "user_one")
		large := strings.Repeat("x", 5_000)
		broadcast(t, master, large)
		receive(t, slave, large)
		nextPresence(t, master, "user_one", lectern.Online)
		say(t, slave, large)
		nextText(t, master, large)
		one.cutOff()
		synctest.Wait()
		broadcast(t, master, large)
		one.bar(false)
		receive(t, slave, large)
		for range 3 {
			broadcast(t, master, "once more")
			receive(t, slave, "once more")
		}
	})
}
