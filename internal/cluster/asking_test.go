package cluster

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

var (
	edgeHub = cluster.HubID{0: 0xed}
	room    = cluster.KeyOf("room")
)

// owned is hub number h as the owner in an epoch of the one incarnation.
func owned(h byte, epoch uint64) Owner { return Owner{cluster.HubID{h}, epoch, cluster.Nonce{1}} }

// arrival is a request that came to a hub of a stand.
type arrival struct {
	after time.Duration // since the stand began
	hub   cluster.HubID
	raw   []byte
	Request
	reply func([]byte) error
}

// stand has an Asking, and hubs that say what a test has them say.
type stand struct {
	t       *testing.T
	bus     *cluster.Local
	a       *Asking
	begun   time.Time
	arrived []arrival
	heard   []Answer
	hearing func(Answer) // beside that
}

// onStand runs a test on a stand with hubs 1 and 2, in virtual time without latencies.
func onStand(t *testing.T, test func(s *stand)) {
	synctest.Test(t, func(t *testing.T) {
		s := &stand{t: t, bus: cluster.NewLocal(), begun: time.Now()}
		s.hub(1)
		s.hub(2)
		s.a = NewAsking(s.bus, edgeHub, room, func(a Answer) {
			s.heard = append(s.heard, a)
			if s.hearing != nil {
				s.hearing(a)
			}
		})
		defer func() {
			s.a.Close()
			require.NoError(t, s.bus.Close())
		}()
		test(s)
	})
}

func (s *stand) hub(h byte) (stop func()) {
	id := cluster.HubID{h}
	stop, err := s.bus.Serve(id, func(from cluster.HubID, request []byte, reply func([]byte) error) {
		require.Equal(s.t, edgeHub, from)
		require.Equal(s.t, KindCalls, request[0])
		r, err := ParseRequest(request[1:])
		require.NoError(s.t, err)
		s.arrived = append(s.arrived, arrival{time.Since(s.begun), id, request, r, reply})
	})
	require.NoError(s.t, err)
	return stop
}

func (s *stand) call(calls ...string) {
	for _, call := range calls {
		require.NoError(s.t, s.a.Call([]byte(call)))
	}
	synctest.Wait()
}

func (s *stand) to(o Owner) {
	s.a.To(o)
	synctest.Wait()
}

// pass lets time pass, and all that happens then.
func (s *stand) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// latest is the request that came last.
func (s *stand) latest() arrival {
	require.NotEmpty(s.t, s.arrived)
	return s.arrived[len(s.arrived)-1]
}

// say replies to a request with an answer, of whose fields the test has changed some.
func (s *stand) say(r arrival, outcome Outcome, change func(m *answerMessage)) {
	m := answerMessage{key: r.Key, Answer: Answer{Outcome: outcome, Owner: Owner{r.hub, r.Epoch, r.Incarnation}, N: r.N}}
	if change != nil {
		change(&m)
	}
	require.NoError(s.t, r.reply(appendAnswer(nil, m)))
	synctest.Wait()
}

func texts(calls [][]byte) (all []string) {
	for _, call := range calls {
		all = append(all, string(call))
	}
	return all
}

// One request is under way, and what gathers meanwhile is in the next.
func TestCallsGather(t *testing.T) {
	onStand(t, func(s *stand) {
		s.call("a")
		require.Empty(t, s.arrived, "nobody is known")
		s.call("b")
		s.to(owned(1, 5))
		s.call("c", "d")
		require.Len(t, s.arrived, 1)
		first := s.latest()
		require.Equal(t, []string{"a", "b"}, texts(first.Calls))
		require.Equal(t, Request{room, 5, cluster.Nonce{1}, first.N, first.Calls}, first.Request)
		require.Equal(t, 4, s.a.Waiting())

		s.say(first, Done, func(m *answerMessage) { m.Position, m.Shared, m.total, m.chunk = 8, 7, 2, []byte("ok") })
		require.Len(t, s.heard, 1)
		require.Equal(t, Answer{Outcome: Done, Owner: owned(1, 5), N: first.N, Position: 8, Shared: 7, Body: []byte("ok"), Calls: first.Calls}, s.heard[0])
		require.Equal(t, []string{"c", "d"}, texts(s.latest().Calls))
		require.Greater(t, s.latest().N, first.N)
		s.say(s.latest(), Done, nil)
		require.Len(t, s.heard, 2)
		require.Zero(t, s.a.Waiting())
		s.pass(time.Hour)
		require.Len(t, s.arrived, 2, "nothing is asked")
	})
}

// A request is repeated as it is until there is an answer, also after what is none.
func TestARequestIsRepeated(t *testing.T) {
	onStand(t, func(s *stand) {
		s.to(owned(1, 5))
		s.call("a")
		s.pass(100 * time.Millisecond)
		s.call("b")
		s.pass(4 * time.Second)
		var at []time.Duration
		for _, r := range s.arrived {
			at = append(at, r.after)
			require.Equal(t, s.arrived[0].raw, r.raw)
		}
		const ms = time.Millisecond
		require.Equal(t, []time.Duration{0, 250 * ms, 750 * ms, 1750 * ms, 2750 * ms, 3750 * ms}, at)

		s.say(s.arrived[2], Done, nil) // two seconds late
		require.Len(t, s.heard, 1)
		require.Equal(t, []string{"b"}, texts(s.latest().Calls))
		s.say(s.arrived[3], Done, nil) // again
		require.Len(t, s.heard, 1)
	})
}

// Only what the owner says in its epoch about this request counts.
func TestForeignAnswersAreDropped(t *testing.T) {
	for what, change := range map[string]func(m *answerMessage){
		"key":                    func(m *answerMessage) { m.key[0]++ },
		"hub":                    func(m *answerMessage) { m.Owner.Hub = cluster.HubID{2} },
		"former epoch":           func(m *answerMessage) { m.Owner.Epoch-- },
		"later epoch":            func(m *answerMessage) { m.Owner.Epoch++ },
		"incarnation":            func(m *answerMessage) { m.Owner.Incarnation[0]++ },
		"former number":          func(m *answerMessage) { m.N-- },
		"later number":           func(m *answerMessage) { m.N++ },
		"not an answer (no end)": func(m *answerMessage) { m.total = 1 },
	} {
		for _, outcome := range []Outcome{Done, Moved, Unknown, Busy, Forgotten} {
			t.Run(fmt.Sprint(what, outcome), func(t *testing.T) {
				onStand(t, func(s *stand) {
					s.to(owned(1, 5))
					s.call("a")
					if outcome == Done || what != "not an answer (no end)" {
						s.say(s.latest(), outcome, change)
						require.Empty(t, s.heard)
					}
					s.pass(time.Second)
					require.Equal(t, s.arrived[0].raw, s.latest().raw)
					s.say(s.latest(), Done, nil)
					require.Len(t, s.heard, 1)
				})
			})
		}
	}
}

// At another owner everything that is not answered is asked again, in order and first; what the
// former one says then does not count.
func TestAnotherOwner(t *testing.T) {
	for _, next := range []Owner{owned(2, 6), owned(1, 6), {cluster.HubID{1}, 3, cluster.Nonce{2}}} {
		onStand(t, func(s *stand) {
			s.to(owned(1, 5))
			s.call("answered")
			s.say(s.latest(), Done, nil)
			s.call("under way")
			s.call("gathered")
			former := s.latest()
			s.to(next)
			s.call("later")
			require.Len(t, s.arrived, 3)
			now := s.latest()
			require.Equal(t, []string{"under way", "gathered"}, texts(now.Calls))
			require.Equal(t, next, Owner{now.hub, now.Epoch, now.Incarnation})
			require.Greater(t, now.N, former.N)
			s.say(former, Done, nil)
			require.Len(t, s.heard, 1)
			s.say(now, Done, nil)
			require.Len(t, s.heard, 2)
			require.Equal(t, []string{"later"}, texts(s.latest().Calls))
		})
	}
}

// An owner that is told again is the same, and its request too; so is one that was not known for a
// while. An epoch that is over is not gone back to.
func TestTheSameOwner(t *testing.T) {
	onStand(t, func(s *stand) {
		s.to(owned(1, 5))
		s.call("a")
		s.to(owned(1, 5))
		s.to(owned(2, 4))
		require.Len(t, s.arrived, 1)

		s.to(Owner{})
		s.to(owned(2, 4))
		s.call("b")
		s.pass(time.Minute)
		require.Len(t, s.arrived, 1)
		s.say(s.latest(), Done, nil)
		require.Empty(t, s.heard)

		s.to(owned(1, 5))
		require.Len(t, s.arrived, 2)
		require.Equal(t, s.arrived[0].raw, s.arrived[1].raw)
		s.say(s.arrived[1], Done, nil)
		require.Len(t, s.heard, 1)
		require.Equal(t, []string{"b"}, texts(s.latest().Calls))
	})
}

// An edge that asks anew about a channel does not use a number again.
func TestNumbersOfAnotherAsking(t *testing.T) {
	onStand(t, func(s *stand) {
		s.to(owned(1, 5))
		s.call("a")
		s.say(s.latest(), Done, nil)
		s.a.Close()
		former := s.latest()
		s.a = NewAsking(s.bus, edgeHub, room, func(Answer) {})
		s.to(owned(1, 5))
		s.call("b")
		require.Greater(t, s.latest().N, former.N)
	})
}

func TestBoundsOfWhatWaits(t *testing.T) {
	onStand(t, func(s *stand) {
		require.ErrorIs(t, s.a.Call(make([]byte, MaxCall+1)), cluster.ErrTooLarge)
		for range maxCalls {
			require.NoError(t, s.a.Call(nil))
		}
		require.ErrorIs(t, s.a.Call(nil), ErrTooMuch)
		s.to(owned(1, 5))
		require.ErrorIs(t, s.a.Call(nil), ErrTooMuch, "what is under way counts")
		require.Len(t, s.latest().Calls, maxCalls)
		s.say(s.latest(), Done, nil)
		s.call("there is room again")
	})
	onStand(t, func(s *stand) {
		for range maxBytes / MaxCall {
			require.NoError(t, s.a.Call(make([]byte, MaxCall)))
		}
		rest := make([]byte, maxBytes%MaxCall)
		require.ErrorIs(t, s.a.Call(append(rest, 0)), ErrTooMuch)
		require.NoError(t, s.a.Call(rest))
		require.ErrorIs(t, s.a.Call([]byte{0}), ErrTooMuch)

		s.to(owned(1, 5))
		var got []int
		for waiting := s.a.Waiting(); waiting > 0; waiting = s.a.Waiting() {
			require.LessOrEqual(t, len(s.latest().raw), cluster.MaxMessage)
			got = append(got, len(s.latest().Calls))
			s.say(s.latest(), Done, nil)
			require.Less(t, s.a.Waiting(), waiting)
		}
		require.Equal(t, []int{2, 2, 2}, got)
		require.NoError(t, s.a.Call(make([]byte, MaxCall)), "there is room again")
		require.Len(t, s.a.Take(), 1)
		for range maxBytes / MaxCall {
			require.NoError(t, s.a.Call(make([]byte, MaxCall)))
		}
	})
}

// A request is filled up to the byte.
func TestALargestRequest(t *testing.T) {
	onStand(t, func(s *stand) {
		rest := cluster.MaxMessage - 1 - requestHeader - 2*callSize(make([]byte, MaxCall)) - 3
		sizes := []int{MaxCall, MaxCall, rest}
		for _, size := range append(sizes, sizes[0], sizes[1], rest+1) {
			require.NoError(t, s.a.Call(make([]byte, min(size, MaxCall))))
			if s.a.Waiting() == len(sizes) {
				s.to(owned(1, 5))
			}
		}
		require.Len(t, s.latest().Calls, 3)
		require.Len(t, s.latest().raw, cluster.MaxMessage)
		s.say(s.latest(), Done, nil)
		require.Len(t, s.latest().Calls, 2)
	})
}

// What is taken out is not asked any more, and no answer is heard to it.
func TestTake(t *testing.T) {
	onStand(t, func(s *stand) {
		require.Empty(t, s.a.Take())
		s.to(owned(1, 5))
		s.call("a")
		s.call("b")
		require.Equal(t, []string{"a", "b"}, texts(s.a.Take()))
		require.Zero(t, s.a.Waiting())
		s.pass(time.Minute)
		require.Len(t, s.arrived, 1)
		s.say(s.arrived[0], Done, nil)
		s.call("c")
		require.Equal(t, []string{"c"}, texts(s.latest().Calls))
		s.say(s.arrived[0], Done, nil)
		require.Empty(t, s.heard)
		s.say(s.latest(), Done, nil)
		require.Len(t, s.heard, 1)
	})
}

// An answer that has arrived as its calls are taken out, or go to another owner, does not count.
func TestAnAnswerThatIsOvertaken(t *testing.T) {
	for _, leave := range []func(s *stand){
		func(s *stand) { require.Len(t, s.a.Take(), 1) },
		func(s *stand) { s.a.To(owned(2, 6)) },
		func(s *stand) { s.a.Close() },
	} {
		onStand(t, func(s *stand) {
			s.to(owned(1, 5))
			s.call("a")
			r := s.a.under
			leave(s)
			for _, outcome := range []Outcome{Done, Forgotten, Busy} {
				if a := (Answer{Outcome: outcome, Owner: r.owner, N: r.n}); outcome == Done {
					s.a.done(r, a)
				} else {
					s.a.refused(r, a)
				}
			}
			require.Empty(t, s.heard)
		})
	}
}
