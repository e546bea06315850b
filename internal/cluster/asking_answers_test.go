package cluster

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

// Who does not own the channel, or takes nothing, says so; the calls wait, and the request is repeated.
func TestRefusals(t *testing.T) {
	for _, outcome := range []Outcome{Moved, Unknown, Busy} {
		onStand(t, func(s *stand) {
			s.to(owned(1, 5))
			s.call("a")
			first := s.latest()
			s.say(first, outcome, func(m *answerMessage) { m.Next = owned(2, 6) })
			want := Answer{Outcome: outcome, Owner: owned(1, 5), N: first.N}
			if outcome == Moved {
				want.Next = owned(2, 6)
			}
			require.Equal(t, []Answer{want}, s.heard)
			require.Len(t, s.arrived, 1, "not before the pause is over")
			s.pass(250 * time.Millisecond)
			require.Len(t, s.arrived, 2)
			require.Equal(t, first.raw, s.latest().raw)
			s.say(s.latest(), outcome, nil)
			require.Len(t, s.heard, 2)

			s.hearing = func(a Answer) { s.a.To(owned(2, 6)) }
			s.say(s.latest(), outcome, nil)
			require.Equal(t, cluster.HubID{2}, s.latest().hub)
			s.hearing = nil
			s.say(s.latest(), Done, nil)
			require.Equal(t, []string{"a"}, texts(s.heard[3].Calls))
		})
	}
}

// What is forgotten is asked in a new request, and before that whoever hears it can put things in another order.
func TestForgotten(t *testing.T) {
	onStand(t, func(s *stand) {
		s.to(owned(1, 5))
		s.call("a")
		s.call("b")
		first := s.latest()
		s.say(first, Forgotten, nil)
		require.Len(t, s.heard, 1)
		require.Equal(t, Answer{Outcome: Forgotten, Owner: owned(1, 5), N: first.N}, s.heard[0])
		require.Equal(t, []string{"a", "b"}, texts(s.latest().Calls))
		require.Greater(t, s.latest().N, first.N)

		s.hearing = func(Answer) {
			calls := s.a.Take()
			require.NoError(t, s.a.Call([]byte("first")))
			for _, call := range calls {
				require.NoError(t, s.a.Call(call))
			}
		}
		s.say(s.latest(), Forgotten, nil)
		require.Len(t, s.arrived, 3)
		require.Equal(t, []string{"first", "a", "b"}, texts(s.latest().Calls))
	})
}

// That nobody is there is told once, until somebody says something.
func TestNobodyIsThere(t *testing.T) {
	onStand(t, func(s *stand) {
		s.to(owned(3, 5))
		s.call("a")
		s.pass(time.Second)
		require.Len(t, s.heard, 1)
		require.Equal(t, Nobody, s.heard[0].Outcome)
		require.Equal(t, owned(3, 5), s.heard[0].Owner)
		require.Empty(t, s.heard[0].Calls)

		stop := s.hub(3) // 750 ms, and then each 400 ms
		s.pass(150*time.Millisecond - 1)
		require.Empty(t, s.arrived)
		s.pass(1)
		require.Len(t, s.arrived, 1)
		s.say(s.latest(), Busy, nil)
		require.Len(t, s.heard, 2)
		stop()
		s.pass(time.Minute)
		require.Len(t, s.heard, 3)
		require.Equal(t, Nobody, s.heard[2].Outcome)
		s.to(owned(4, 6))
		require.Len(t, s.heard, 4)
		require.Equal(t, Nobody, s.heard[3].Outcome)
		s.to(owned(1, 7))
		require.Equal(t, []string{"a"}, texts(s.latest().Calls))
	})
}

// Close waits for whoever hears an answer, and nothing is heard after it.
func TestClose(t *testing.T) {
	onStand(t, func(s *stand) {
		s.to(owned(1, 5))
		s.call("a")
		s.call("b")
		s.hearing = func(Answer) { time.Sleep(time.Minute) }
		s.say(s.latest(), Done, nil)
		before := time.Now()
		s.a.Close()
		require.Equal(t, time.Minute, time.Since(before))
		require.Len(t, s.heard, 1)
		require.ErrorIs(t, s.a.Call(nil), cluster.ErrClosed)
		s.to(owned(2, 6))
		s.pass(time.Minute)
		require.Len(t, s.arrived, 1)
		require.Equal(t, []string{"b"}, texts(s.a.Take()))
		s.a.Close()
	})
	onStand(t, func(s *stand) {
		s.to(owned(1, 5))
		s.call("a")
		s.a.Close()
		s.say(s.latest(), Done, nil)
		require.Empty(t, s.heard)
		require.Equal(t, []string{"a"}, texts(s.a.Take()))
	})
}

// Of a large answer what has arrived counts, whichever reply has brought it. As long as it comes, the
// request is not repeated; then the owner is told that it need keep nothing.
func TestALargeAnswer(t *testing.T) {
	onStand(t, func(s *stand) {
		s.to(owned(1, 5))
		s.call("a")
		first := s.latest()
		body := make([]byte, 3*chunkSize+1)
		for i := range body {
			body[i] = byte(i >> 10)
		}
		all := messages(room, Answer{Outcome: Done, Owner: owned(1, 5), N: first.N, Position: 3, Shared: 2, Body: body})
		require.Len(t, all, 4)
		for _, i := range []int{2, 0} {
			s.pass(200 * time.Millisecond)
			require.NoError(t, first.reply(all[i]))
		}
		s.pass(250*time.Millisecond - 1)
		require.NoError(t, first.reply(all[0])) // brings nothing
		require.Len(t, s.arrived, 1)
		s.pass(1)
		require.Len(t, s.arrived, 2)
		require.Equal(t, first.raw, s.latest().raw)
		require.NoError(t, first.reply(all[3]))
		require.NoError(t, s.latest().reply(all[2]))
		synctest.Wait()
		require.Empty(t, s.heard)
		require.NoError(t, s.latest().reply(all[1]))
		synctest.Wait()
		require.Len(t, s.heard, 1)
		require.True(t, string(body) == string(s.heard[0].Body))
		require.Equal(t, cluster.Position(2), s.heard[0].Shared)

		require.Len(t, s.arrived, 3)
		require.Equal(t, Request{room, 5, cluster.Nonce{1}, first.N, nil}, s.latest().Request)
		s.pass(time.Minute)
		require.Len(t, s.arrived, 3)
	})
}

// Calls of several goroutines wait in the order of each.
func TestCallsOfSeveralGoroutines(t *testing.T) {
	onStand(t, func(s *stand) {
		s.to(owned(1, 5))
		for g := range 8 {
			go func() {
				for i := range 20 {
					if s.a.Call([]byte{byte(g), byte(i)}) != nil {
						panic("there is room")
					}
				}
			}()
		}
		next := make([]byte, 8)
		for synctest.Wait(); s.a.Waiting() > 0; synctest.Wait() {
			s.say(s.latest(), Done, nil)
		}
		for _, a := range s.heard {
			for _, call := range a.Calls {
				require.Equal(t, next[call[0]], call[1])
				next[call[0]]++
			}
		}
		require.Equal(t, []byte{20, 20, 20, 20, 20, 20, 20, 20}, next)
	})
}
