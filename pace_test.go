package lectern_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// Row H5: a slave that floods is refused, and closed where it goes on. Its
// master gets what was accepted, and others are not refused anything.
func TestFloodingSlave(t *testing.T) {
	policy := lectern.Policy{SlaveRate: lectern.Rate{PerSecond: 10, Burst: 20}}
	inVirtualTime(t, policy, func(t *testing.T, s *stage) {
		alice, one := s.pair()
		two := s.user().join("abc123", "user_two")
		alice.expect(strings.Replace(oneOnline, "user_one", "user_two", 1))
		send := func(ref int) string {
			return fmt.Sprintf(`{"type":"send","ref":%d,"channel":"abc123","text":"x"}`, ref)
		}
		for ref := 2; ref < 22; ref++ {
			one.send(send(ref))
			one.expect(fmt.Sprintf(`{"type":"ack","ref":%d,"seq":%d}`, ref, ref-1))
			alice.expect(fmt.Sprintf(`{"type":"message","channel":"abc123","from":"user_one","seq":%d,"text":"x"}`, ref-1))
		}
		one.refused(send(22), lectern.ErrRateLimited)
		one.refused(send(22), lectern.ErrRateLimited) // a repeated one is answered as the first time
		time.Sleep(time.Second)
		one.refused(send(22), lectern.ErrRateLimited) // also when there is room again
		one.send(send(23))
		one.expect(`{"type":"ack","ref":23,"seq":21}`)
		say(t, two, "I am quiet")
		alice.expect(`{"type":"message","channel":"abc123","from":"user_one","seq":21,"text":"x"}`,
			`{"type":"message","channel":"abc123","from":"user_two","seq":22,"text":"I am quiet"}`)
		one.send(`{"type":"ping","ref":24}`)
		one.expect(`{"type":"pong","ref":24}`) // other frames are not sends

		for ref := 25; ref < 100; ref++ {
			_ = one.conn.Write([]byte(send(ref)))
		}
		for {
			if _, err := one.read(); err != nil {
				break
			}
		}
		one.closed(transport.RateLimited)
		require.NoError(t, two.Err())
	})
}

// Row H20, and the rate of any connection: a master's too.
func TestRateOfAllFrames(t *testing.T) {
	policy := lectern.Policy{Rate: lectern.Rate{PerSecond: 10, Burst: 20}}
	inVirtualTime(t, policy, func(t *testing.T, s *stage) {
		alice := s.raw()
		alice.send(aliceCreates)
		alice.expect(aliceCreated)
		for ref := 2; ref < 21; ref++ {
			alice.send(fmt.Sprintf(`{"type":"send","ref":%d,"channel":"abc123","text":"x"}`, ref))
			alice.expect(fmt.Sprintf(`{"type":"ack","ref":%d,"seq":%d}`, ref, ref-1))
		}
		alice.refused(`{"type":"send","ref":21,"channel":"abc123","text":"x"}`, lectern.ErrRateLimited)
		alice.refused(`{"type":"members","ref":22,"channel":"abc123"}`, lectern.ErrRateLimited)
		alice.refused(`{"type":"ping","ref":23}`, lectern.ErrRateLimited)
		time.Sleep(time.Second)
		alice.send(`{"type":"ping","ref":24}`)
		alice.expect(`{"type":"pong","ref":24}`)
		for range 60 {
			_ = alice.conn.Write([]byte(`{"type":"ping"}`))
		}
		for {
			if _, err := alice.read(); err != nil {
				break
			}
		}
		alice.closed(transport.RateLimited)
	})
}

// The library's own client is told, and its connection lives on where it takes
// the hint.
func TestRateLimitedClient(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master, slave := s.user().create("abc123", "alice"), s.user().join("abc123", "user_one")
		nextPresence(t, master, "user_one", lectern.Online)
		sent := 0
		for {
			_, err := slave.Send(within(t), lectern.Text("x"))
			if err != nil {
				require.ErrorIs(t, err, lectern.ErrRateLimited)
				break
			}
			nextText(t, master, "x")
			sent++
		}
		require.Equal(t, 200, sent)
		time.Sleep(100 * time.Millisecond)
		say(t, slave, "slowly")
		nextText(t, master, "slowly")
	})
}

// Row H13: what comes before a membership is bounded, in bytes as in time.
func TestBytesBeforeAMembership(t *testing.T) {
	policy := lectern.Policy{HandshakeBytes: 1000}
	inVirtualTime(t, policy, func(t *testing.T, s *stage) {
		peer := s.raw()
		sent := 0
		for frame := `{"type":"ping","ref":1}`; sent+len(frame) <= 1000; sent += len(frame) {
			peer.send(frame)
			peer.expect(`{"type":"pong","ref":1}`)
		}
		peer.send(`{"type":"ping","ref":1}`)
		peer.closed(transport.TooLarge)
		large := s.raw()
		large.send(`{"type":"join","ref":1,"channel":"abc123","username":"user_one","token":"` + strings.Repeat("x", 1000) + `"}`)
		large.closed(transport.TooLarge)

		// With a membership it does not count, and not after one either.
		alice, one := s.pair()
		for ref := 2; ref < 10; ref++ {
			one.send(fmt.Sprintf(`{"type":"send","ref":%d,"channel":"abc123","text":%q}`, ref, strings.Repeat("x", 1000)))
			one.expect(fmt.Sprintf(`{"type":"ack","ref":%d,"seq":%d}`, ref, ref-1))
		}
		one.send(`{"type":"leave","ref":10,"channel":"abc123"}`)
		one.expect(`{"type":"left","ref":10,"channel":"abc123"}`)
		one.send(oneJoins)
		one.expect(oneJoined)
		_ = alice
	})
}

// Row H19: new connections are refused, those that are there stay.
func TestConnectionsOfAHub(t *testing.T) {
	inVirtualTime(t, lectern.Policy{MaxConnections: 2}, func(t *testing.T, s *stage) {
		master, one := s.user().create("abc123", "alice"), s.user()
		slave := one.join("abc123", "user_one")
		if conn, _, _, err := s.dial(within(t), nil); err == nil {
			_, err = conn.Read()
			var closed *transport.CloseError
			require.ErrorAs(t, err, &closed)
			require.Equal(t, transport.RateLimited, closed.Reason.Code)
			require.NoError(t, conn.Close(transport.Reason{Code: transport.Left}))
		} else {
			require.ErrorIs(t, err, lectern.ErrBusy) // over memory the dialler is told
		}
		broadcast(t, master, "still here")
		receive(t, slave, "still here")
		require.NoError(t, one.Client.Close())
		nextPresence(t, master, "user_one", lectern.Online)
		nextPresence(t, master, "user_one", lectern.Gone)
		synctest.Wait()
		s.user().join("abc123", "user_two")
	})
}

// Row H13: connections that never join are gone after the handshake time, and
// nobody waits for them.
func TestManyIdleConnections(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		began := time.Now()
		for range 500 {
			s.raw()
		}
		ctx, cancel := context.WithTimeout(within(t), time.Millisecond)
		defer cancel()
		_, err := s.user().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		require.Equal(t, began, time.Now())
	})
}
