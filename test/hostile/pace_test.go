package hostile

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// Row H5: a slave that floods is refused, and closed where it goes on. Its
// master gets what was accepted, and others are not refused anything.
func TestFloodingSlave(t *testing.T) {
	policy := lectern.Policy{SlaveMessageRate: lectern.RateLimit{PerSecond: 10, Burst: 20}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		two := s.User().Joins("abc123", "user_two")
		alice.Expect(stage.Online("user_two", 2))
		send := func(ref int) string {
			return fmt.Sprintf(`{"type":"send","ref":%d,"channel":"abc123","text":"x"}`, ref)
		}
		for ref := 2; ref < 22; ref++ {
			one.Send(send(ref))
			one.Expect(fmt.Sprintf(`{"type":"ack","ref":%d,"seq":%d}`, ref, ref-1))
			alice.Expect(fmt.Sprintf(`{"type":"message","channel":"abc123","from":"user_one","seq":%d,"text":"x"}`, ref-1))
		}
		one.Refused(send(22), lectern.ErrRateLimited)
		one.Refused(send(22), lectern.ErrRateLimited) // a repeated one is answered as the first time
		time.Sleep(time.Second)
		one.Refused(send(22), lectern.ErrRateLimited) // also when there is room again
		one.Send(send(23))
		one.Expect(`{"type":"ack","ref":23,"seq":21}`)
		stage.Say(t, two, "I am quiet")
		alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":21,"text":"x"}`,
			`{"type":"message","channel":"abc123","from":"user_two","seq":22,"text":"I am quiet"}`)
		one.Send(`{"type":"ping","ref":24}`)
		one.Expect(`{"type":"pong","ref":24}`) // other frames are not sends

		for ref := 25; ref < 100; ref++ {
			_ = one.Conn.Write([]byte(send(ref)))
		}
		for {
			if _, err := one.Read(); err != nil {
				break
			}
		}
		one.Closed(transport.RateLimited)
		require.NoError(t, two.Err())
	})
}

// Row H20, and the rate of any connection: a master's too.
func TestRateOfAllFrames(t *testing.T) {
	policy := lectern.Policy{FrameRate: lectern.RateLimit{PerSecond: 10, Burst: 20}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := s.Raw()
		alice.Send(stage.AliceCreates)
		alice.Expect(stage.AliceCreated)
		for ref := 2; ref < 21; ref++ {
			alice.Send(fmt.Sprintf(`{"type":"send","ref":%d,"channel":"abc123","text":"x"}`, ref))
			alice.Expect(fmt.Sprintf(`{"type":"ack","ref":%d,"seq":%d}`, ref, ref-1))
		}
		alice.Refused(`{"type":"send","ref":21,"channel":"abc123","text":"x"}`, lectern.ErrRateLimited)
		alice.Refused(`{"type":"members","ref":22,"channel":"abc123"}`, lectern.ErrRateLimited)
		alice.Refused(`{"type":"ping","ref":23}`, lectern.ErrRateLimited)
		time.Sleep(time.Second)
		alice.Send(`{"type":"ping","ref":24}`)
		alice.Expect(`{"type":"pong","ref":24}`)
		for range 60 {
			_ = alice.Conn.Write([]byte(`{"type":"ping"}`))
		}
		for {
			if _, err := alice.Read(); err != nil {
				break
			}
		}
		alice.Closed(transport.RateLimited)
	})
}

// The library's own client is told, and its connection lives on where it takes
// the hint.
func TestRateLimitedClient(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		sent := 0
		for {
			_, err := slave.Send(stage.Within(t), lectern.Text("x"))
			if err != nil {
				require.ErrorIs(t, err, lectern.ErrRateLimited)
				break
			}
			stage.NextText(t, master, "x")
			sent++
		}
		require.Equal(t, 200, sent)
		time.Sleep(100 * time.Millisecond)
		stage.Say(t, slave, "slowly")
		stage.NextText(t, master, "slowly")
	})
}

// Row H13: what comes before a membership is bounded, in bytes as in time.
func TestBytesBeforeAMembership(t *testing.T) {
	policy := lectern.Policy{MaxHandshakeBytes: 1000}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		peer := s.Raw()
		sent := 0
		for frame := `{"type":"ping","ref":1}`; sent+len(frame) <= 1000; sent += len(frame) {
			peer.Send(frame)
			peer.Expect(`{"type":"pong","ref":1}`)
		}
		peer.Send(`{"type":"ping","ref":1}`)
		peer.Closed(transport.TooLarge)
		large := s.Raw()
		large.Send(`{"type":"join","ref":1,"channel":"abc123","username":"user_one","token":"` + strings.Repeat("x", 1000) + `"}`)
		large.Closed(transport.TooLarge)

		// With a membership it does not count, and not after one either.
		alice, one := s.Pair()
		for ref := 2; ref < 10; ref++ {
			one.Send(fmt.Sprintf(`{"type":"send","ref":%d,"channel":"abc123","text":%q}`, ref, strings.Repeat("x", 1000)))
			one.Expect(fmt.Sprintf(`{"type":"ack","ref":%d,"seq":%d}`, ref, ref-1))
		}
		one.Send(`{"type":"leave","ref":10,"channel":"abc123"}`)
		one.Expect(`{"type":"left","ref":10,"channel":"abc123"}`)
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		_ = alice
	})
}

// Row H19: new connections are refused, those that are there stay.
func TestConnectionsOfAHub(t *testing.T) {
	stage.OneHub(t, "so many connections are at each hub")
	stage.InVirtualTime(t, lectern.Policy{MaxConnections: 2}, func(t *testing.T, s *stage.Stage) {
		master, one := s.User().Creates("abc123", "alice"), s.User()
		slave := one.Joins("abc123", "user_one")
		if conn, _, _, err := s.Dial(stage.Within(t), nil); err == nil {
			_, err = conn.Read()
			var closed *transport.CloseError
			require.ErrorAs(t, err, &closed)
			require.Equal(t, transport.RateLimited, closed.Reason.Code)
			require.NoError(t, conn.Close(transport.Reason{Code: transport.Left}))
		} else {
			require.ErrorIs(t, err, lectern.ErrBusy) // over memory the dialler is told
		}
		stage.Broadcast(t, master, "still here")
		stage.Receive(t, slave, "still here")
		require.NoError(t, one.Client.Close())
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		stage.NextPresence(t, master, "user_one", lectern.StateGone)
		synctest.Wait()
		s.User().Joins("abc123", "user_two")
	})
}

// Row H13: connections that never join are gone after the handshake time, and
// nobody waits for them.
func TestManyIdleConnections(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		began := time.Now()
		for range 500 {
			s.Raw()
		}
		ctx, cancel := context.WithTimeout(stage.Within(t), time.Millisecond)
		defer cancel()
		_, err := s.User().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		require.Equal(t, began, time.Now())
	})
}

// Frames that the hub does not know, or cannot read, are frames too: who floods it with
// them is closed as with any others.
func TestRateOfWhatIsNoFrame(t *testing.T) {
	tests := map[string][]string{
		"unknown types":                  {`{"type":"nope"}`},
		"unknown types with refs":        {`{"type":"nope","ref":7}`},
		"malformed ones, others between": {`{"type":"send"}`, `{"type":"ping"}`},
		"deep ones, others between":      {`{"type":"send","ref":1,"channel":"abc123","data":` + strings.Repeat("[", 300) + `}`, `{"type":"ping"}`},
		"before a membership":            {`{"type":"nope"}`, `{"type":"status","channel":"abc123"}`},
	}
	policy := lectern.Policy{FrameRate: lectern.RateLimit{PerSecond: 10, Burst: 20}, MaxHandshakeBytes: -1}
	for what, frames := range tests {
		t.Run(what, func(t *testing.T) {
			stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
				alice := s.Raw()
				if what != "before a membership" {
					alice.Send(stage.AliceCreates)
					alice.Expect(stage.AliceCreated)
				}
				// Each is answered until the hub has had enough: two bursts.
				for sent := 0; ; sent++ {
					require.Less(t, sent, 50)
					require.NoError(t, alice.Conn.Write([]byte(frames[sent%len(frames)])))
					if _, err := alice.Read(); err != nil {
						var closed *transport.CloseError
						require.ErrorAs(t, err, &closed)
						require.Equal(t, transport.RateLimited, closed.Reason.Code)
						return
					}
				}
			})
		})
	}
}

// One that is over the rate is told so, and not what is wrong with its frame.
func TestWhatIsNoFrameOverTheRate(t *testing.T) {
	policy := lectern.Policy{FrameRate: lectern.RateLimit{PerSecond: 1, Burst: 2}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := s.Raw()
		alice.Send(stage.AliceCreates)
		alice.Expect(stage.AliceCreated)
		alice.Refused(`{"type":"nope","ref":2}`, lectern.ErrUnsupported)
		alice.Refused(`{"type":"nope","ref":3}`, lectern.ErrRateLimited)
		time.Sleep(2 * time.Second)
		alice.Refused(`{"type":"nope","ref":4}`, lectern.ErrUnsupported)
	})
}

// Row H9: who joins and leaves all the time is refused, and closed where it goes on. A leave
// is carried out however late it comes in the rate, and others are not refused anything.
func TestRateOfMemberships(t *testing.T) {
	policy := lectern.Policy{MembershipRate: lectern.RateLimit{PerSecond: 2, Burst: 5}}
	join := func(ref int) string {
		return fmt.Sprintf(`{"type":"join","ref":%d,"channel":"abc123","username":"user_one"}`, ref)
	}
	leave := func(ref int) string { return fmt.Sprintf(`{"type":"leave","ref":%d,"channel":"abc123"}`, ref) }
	left := func(ref int) string { return fmt.Sprintf(`{"type":"left","ref":%d,"channel":"abc123"}`, ref) }
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Raw(), s.Raw()
		alice.Send(stage.AliceCreates)
		alice.Expect(stage.AliceCreated)
		require.Contains(t, one.Answer(join(1)), `"joined"`)
		require.Equal(t, left(2), one.Answer(leave(2)))
		require.Contains(t, one.Answer(join(3)), `"joined"`)
		require.Equal(t, left(4), one.Answer(leave(4)))
		require.Contains(t, one.Answer(join(5)), `"joined"`) // the last one of the burst
		require.Equal(t, left(6), one.Answer(leave(6)))      // a leave is never lost
		one.Refused(join(7), lectern.ErrRateLimited)
		one.Refused(`{"type":"create","ref":8,"channel":"another","username":"user_one"}`, lectern.ErrRateLimited)
		require.Equal(t, `{"type":"pong","ref":9}`, one.Answer(`{"type":"ping","ref":9}`)) // other frames do not count
		require.Contains(t, one.Answer(`{"type":"status","ref":10,"channel":"abc123"}`), `"exists":true`)

		two := s.User().Joins("abc123", "user_two") // another connection
		require.NoError(t, two.Err())

		time.Sleep(2 * time.Second) // four come back, and three were over
		require.Contains(t, one.Answer(join(11)), `"joined"`)
		one.Refused(`{"type":"resume","ref":12,"channel":"abc123","username":"user_two","resume":"SqCn5YHLMsGFPzKfNDjEBw"}`, lectern.ErrRateLimited)
		for ref := 13; ref < 40; ref++ {
			_ = one.Conn.Write([]byte(join(ref)))
		}
		one.ClosedAfter(transport.RateLimited)
		require.NoError(t, two.Err())
	})
}

// By default a client enters as many channels as it may, comes back to all of them, and
// leaves them, and never notices the rate.
func TestRateOfMembershipsIsNotNoticed(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		masters := s.User()
		for i := range 64 {
			masters.Creates(fmt.Sprint("room ", i), "alice")
		}
		user := s.User()
		slaves := make([]*lectern.Slave, 64)
		for i := range slaves {
			slaves[i] = user.Joins(fmt.Sprint("room ", i), "user_one")
		}
		user.Plug().Cut()
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		for _, slave := range slaves {
			require.NoError(t, slave.Err())
			require.NoError(t, slave.Leave())
			require.ErrorIs(t, slave.Err(), lectern.ErrLeft)
		}
		user.Joins("room 0", "user_one")
	})
}

// A connection has the time of a handshake once: what is refused does not begin it anew.
func TestRefusedEntriesDoNotKeepAConnection(t *testing.T) {
	for what, frame := range map[string]string{
		"resumes":          `{"type":"resume","ref":1,"channel":"abc123","username":"user_one","resume":"SqCn5YHLMsGFPzKfNDjEBw"}`,
		"joins":            `{"type":"join","ref":1,"channel":"nowhere","username":"user_one"}`,
		"joins of a taken": `{"type":"join","ref":1,"channel":"abc123","username":"alice"}`,
		"creates":          stage.AliceCreates,
	} {
		t.Run(what, func(t *testing.T) {
			stage.InVirtualTime(t, lectern.Policy{HandshakeTimeout: 10 * time.Second}, func(t *testing.T, s *stage.Stage) {
				alice, peer := s.Raw(), s.Raw()
				alice.Send(stage.AliceCreates)
				alice.Expect(stage.AliceCreated)
				start := time.Now()
				ended := make(chan time.Duration, 1)
				go func() {
					peer.Closed(transport.Idle)
					ended <- time.Since(start)
				}()
				for range 4 {
					time.Sleep(3 * time.Second)
					_ = peer.Conn.Write([]byte(frame)) // the last finds it closed
				}
				require.Equal(t, 10*time.Second, <-ended)
			})
		})
	}
}
