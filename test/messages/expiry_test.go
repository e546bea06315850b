package messages

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// nextEvent takes the next event of a handle that is no presence.
func nextEvent(t *testing.T, h stage.Handle) lectern.Event {
	t.Helper()
	for event, err := range h.Events(stage.Within(t)) {
		require.NoError(t, err)
		if _, ok := event.(lectern.Presence); !ok {
			return event
		}
	}
	return nil
}

// gap expects that so many messages are missing next.
func gap(t *testing.T, h stage.Handle, missed uint64) {
	t.Helper()
	require.Equal(t, lectern.Gap{Missed: missed}, nextEvent(t, h))
}

// What is left of a message's time is told in both directions, by the hub's clock and then
// by the receiver's.
func TestWhatIsLeft(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
		sent := time.Now()
		_, err := master.Broadcast(ctx, lectern.Text("go"), lectern.WithExpiry(2*time.Second), lectern.WithTopic("drive"))
		require.NoError(t, err)
		m := next(t, slave)
		require.Equal(t, "drive", m.Topic)
		require.WithinDuration(t, sent.Add(2*time.Second), m.Expires, time.Millisecond)
		_, err = slave.Send(ctx, lectern.Text("going"), lectern.WithExpiry(24*time.Hour))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(24*time.Hour), next(t, master).Expires, time.Millisecond)
		stage.Broadcast(t, master, "for ever")
		require.Zero(t, next(t, slave).Expires)
	})
}

// A message that has expired is never handed over, wherever it has waited, and is told as a gap
// in its place: exactly.
func TestWhatHasExpiredIsAGap(t *testing.T) {
	const soon = 2 * time.Second
	type sides struct {
		to stage.Handle
		// of is the user of to.
		of   *stage.User
		send func(text string, options ...lectern.SendOption)
	}
	both := func(t *testing.T, test func(t *testing.T, s *stage.Stage, one sides)) {
		for _, up := range []bool{false, true} {
			t.Run(fmt.Sprint("up: ", up), func(t *testing.T) {
				stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
					alice, bob := s.User(), s.User()
					master, slave := alice.Creates("abc123", "alice"), bob.Joins("abc123", "user_one")
					one := sides{to: slave, of: bob, send: func(text string, options ...lectern.SendOption) {
						_, err := master.Broadcast(stage.Within(t), lectern.Text(text), options...)
						require.NoError(t, err)
					}}
					if up {
						one = sides{to: master, of: alice, send: func(text string, options ...lectern.SendOption) {
							_, err := slave.Send(stage.Within(t), lectern.Text(text), options...)
							require.NoError(t, err)
						}}
					}
					test(t, s, one)
				})
			})
		}
	}
	t.Run("in the inbox", func(t *testing.T) {
		both(t, func(t *testing.T, s *stage.Stage, one sides) {
			one.send("1", lectern.WithExpiry(soon))
			one.send("2", lectern.WithExpiry(soon))
			one.send("3")
			one.send("4", lectern.WithExpiry(soon))
			one.send("5", lectern.WithExpiry(soon+time.Second))
			synctest.Wait()
			time.Sleep(soon + time.Millisecond)
			gap(t, one.to, 2)
			require.Equal(t, "3", next(t, one.to).Text())
			gap(t, one.to, 1)
			require.Equal(t, "5", next(t, one.to).Text())
		})
	})
	t.Run("in the log", func(t *testing.T) {
		both(t, func(t *testing.T, s *stage.Stage, one sides) {
			one.send("0")
			require.Equal(t, "0", next(t, one.to).Text())
			one.of.CutOff()
			one.send("1", lectern.WithExpiry(soon))
			one.send("2")
			one.send("3", lectern.WithExpiry(soon))
			one.send("4", lectern.WithExpiry(soon))
			one.send("5", lectern.WithExpiry(3*soon))
			time.Sleep(soon)
			one.of.Bar(false)
			gap(t, one.to, 1)
			require.Equal(t, "2", next(t, one.to).Text())
			gap(t, one.to, 2)
			m := next(t, one.to)
			require.Equal(t, "5", m.Text())
			require.LessOrEqual(t, time.Until(m.Expires), 2*soon)
			require.Greater(t, time.Until(m.Expires), soon)
			// Another return tells nothing twice.
			one.of.CutOff()
			one.of.Bar(false)
			one.send("6")
			require.Equal(t, "6", next(t, one.to).Text())
		})
	})
	t.Run("all of it", func(t *testing.T) {
		both(t, func(t *testing.T, s *stage.Stage, one sides) {
			one.of.CutOff()
			one.send("1", lectern.WithExpiry(soon))
			time.Sleep(soon)
			one.of.Bar(false)
			gap(t, one.to, 1)
			one.of.CutOff()
			one.of.Bar(false)
			time.Sleep(time.Second)
			one.send("2")
			require.Equal(t, "2", next(t, one.to).Text())
		})
	})
}

// In the hub's queue before a connection that takes nothing: what is written says what is left
// then, and what has expired by then is a gap, whatever the policy for slow slaves is.
func TestWhatExpiresInTheQueue(t *testing.T) {
	for _, slow := range []lectern.Slow{lectern.SlowDisconnect, lectern.SlowDropOldest, lectern.SlowDropNewest, lectern.SlowHold} {
		t.Run(fmt.Sprint(slow), func(t *testing.T) {
			ledger := stage.NewLedger()
			stage.InVirtualTime(t, lectern.Policy{Slow: slow, Observer: ledger}, func(t *testing.T, s *stage.Stage) {
				ctx := stage.Within(t)
				dropped := ledger.Count("dropped expired")
				master := s.User().Creates("abc123", "alice")
				stalled := s.Stalled(master)
				for range 40 { // more than the network holds
					stage.Broadcast(t, master, stage.Bulk)
				}
				for _, seconds := range []time.Duration{2, 1, 9, 2} {
					_, err := master.Broadcast(ctx, lectern.Text("x"), lectern.WithExpiry(seconds*time.Second))
					require.NoError(t, err)
				}
				stage.Broadcast(t, master, "x")
				synctest.Wait()
				time.Sleep(2 * time.Second)
				require.Len(t, stalled.Told(40), 40)
				for _, want := range []string{
					`{"type":"gap","channel":"abc123","seq":42,"missed":2}`,
					`{"type":"message","channel":"abc123","from":"alice","seq":43,"expires_ms":7000,"text":"x"}`,
					`{"type":"gap","channel":"abc123","seq":44,"missed":1}`,
					`{"type":"message","channel":"abc123","from":"alice","seq":45,"text":"x"}`,
				} {
					stalled.Expect(want)
				}
				require.EqualValues(t, 3, ledger.Count("dropped expired")-dropped)
			})
		})
	}
}

// By hand: what is no time is refused with its name, and what is one is told in milliseconds.
func TestExpiryByHand(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		for _, wrong := range []string{"0", "-1", "1.5", "86400001", `"5"`, "null", "true"} {
			answer := alice.Answer(`{"type":"send","ref":2,"channel":"abc123","expires_ms":` + wrong + `,"text":"x"}`)
			require.Equal(t, `{"type":"error","ref":2,"code":"bad_frame","message":"expires_ms: not a whole number from 1 to 86400000, in digits and without quotes"}`, answer)
			alice.Send(`{"type":"ping","ref":9}`)
			alice.Expect(`{"type":"pong","ref":9}`)
		}
		alice.Send(`{"type":"send","ref":2,"channel":"abc123","topic":"drive","expires_ms":1,"text":"x"}`, `{"type":"send","ref":3,"channel":"abc123","expires_ms":86400000,"text":"y"}`)
		alice.Expect(`{"type":"ack","ref":2,"seq":1,"slaves":1}`, `{"type":"ack","ref":3,"seq":2,"slaves":1}`)
		one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"topic":"drive","expires_ms":1,"text":"x"}`,
			`{"type":"message","channel":"abc123","from":"alice","seq":2,"expires_ms":86400000,"text":"y"}`)
		alice.Send(`{"type":"send","ref":4,"channel":"abc123","to":"user_one","request":true,"expires_ms":1500,"text":"ready?"}`)
		alice.Expect(`{"type":"ack","ref":4,"seq":3,"slaves":1}`)
		one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":3,"private":true,"request":3,"expires_ms":1500,"text":"ready?"}`)
		time.Sleep(1500*time.Millisecond - 1)
		synctest.Wait()
		alice.Send(`{"type":"awaiting","ref":5,"channel":"abc123","request":3}`)
		alice.Expect(`{"type":"awaiting","ref":5,"channel":"abc123","request":3,"members":[{"username":"user_one","state":"online","number":1}]}`)
		time.Sleep(time.Nanosecond)
		alice.Expect(`{"type":"awaiting","channel":"abc123","request":3,"code":"too_late","members":[]}`)
		one.Refused(`{"type":"send","ref":2,"channel":"abc123","reply":3,"text":"I am"}`, lectern.ErrNoSuchRequest)

		// Without an instance, another time under the same ref is another message.
		require.Contains(t, alice.Answer(`{"type":"send","ref":4,"channel":"abc123","to":"user_one","request":true,"expires_ms":1501,"text":"ready?"}`), `"code":"bad_frame","message":"ref: `)
		alice.Send(`{"type":"send","ref":4,"channel":"abc123","to":"user_one","request":true,"expires_ms":1500,"text":"ready?"}`)
		alice.Expect(`{"type":"ack","ref":4,"seq":3,"slaves":1}`)
	})
}

// What is no time is an error of the call, and nothing is sent.
func TestWhatIsNoTime(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
		for _, d := range []time.Duration{0, -1, -time.Hour, 1, time.Millisecond - 1, 24*time.Hour + 1, 1 << 62} {
			wrong := lectern.WithExpiry(d)
			refused := func(err error) {
				t.Helper()
				require.ErrorIs(t, err, lectern.ErrBadFrame)
				require.ErrorContains(t, err, fmt.Sprintf("WithExpiry: %v is not from a millisecond to 24 hours", d))
			}
			sendsWith(t, master, slave, wrong, refused)
		}
		receipt, err := master.Broadcast(ctx, lectern.Text("x"), lectern.WithExpiry(time.Millisecond))
		require.NoError(t, err)
		require.EqualValues(t, 1, receipt.Seq, "nothing was sent before")
	})
}

// A ticket does not bring back what was told as a gap, and what has expired meanwhile is told to
// the next client.
func TestExpiryAndTickets(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		master, one := s.User().Creates("abc123", "alice"), s.User()
		slave := one.Joins("abc123", "user_one")
		for _, seconds := range []time.Duration{1, 9, 2, 9} {
			_, err := master.Broadcast(ctx, lectern.Text("x"), lectern.WithExpiry(seconds*time.Second))
			require.NoError(t, err)
		}
		synctest.Wait()
		time.Sleep(time.Second)
		gap(t, slave, 1)
		require.EqualValues(t, 1, slave.Ticket().Last)
		require.EqualValues(t, 2, next(t, slave).Seq)
		tickets, err := one.Detach(ctx)
		require.NoError(t, err)
		time.Sleep(time.Second)
		slave, err = s.User().ResumeSlave(ctx, tickets[0])
		require.NoError(t, err)
		gap(t, slave, 1)
		m := next(t, slave)
		require.EqualValues(t, 4, m.Seq)
		require.WithinDuration(t, time.Now().Add(7*time.Second), m.Expires, 10*time.Millisecond)
	})
}

// What the service says has a topic and an end as anything else.
func TestTheServiceAndExpiry(t *testing.T) {
	ledger := stage.NewLedger("notice")
	stage.InVirtualTime(t, lectern.Policy{Observer: ledger, Topics: []string{"notice"}}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		counted := ledger.Count("messages_by_topic notice")
		alice, one := s.User(), s.User()
		master, slave := alice.Creates("abc123", "alice"), one.Joins("abc123", "user_one")
		channel, _ := s.Hub.Channel("abc123")
		one.CutOff()
		alice.CutOff()
		for _, seconds := range []time.Duration{2, 9} {
			brief := lectern.WithExpiry(seconds * time.Second)
			_, err := channel.Broadcast(ctx, lectern.Text("to all"), brief, lectern.WithTopic("notice"))
			require.NoError(t, err)
			_, err = channel.Send(ctx, "alice", lectern.Text("to the master"), brief, lectern.WithTopic("notice"))
			require.NoError(t, err)
		}
		_, err := channel.Broadcast(ctx, lectern.Text("x"), lectern.WithExpiry(0))
		require.ErrorIs(t, err, lectern.ErrBadFrame)
		time.Sleep(2 * time.Second)
		one.Bar(false)
		alice.Bar(false)
		for _, h := range []stage.Handle{slave, master} {
			gap(t, h, 1)
			m := next(t, h)
			require.Equal(t, []string{"", "notice"}, []string{m.From, m.Topic})
			require.EqualValues(t, 2, m.Seq)
			require.WithinDuration(t, time.Now().Add(7*time.Second), m.Expires, 500*time.Millisecond)
		}
		require.EqualValues(t, 4, ledger.Count("messages_by_topic notice")-counted)
	})
}

// What is counted by topic is what the service has named, and the rest.
func TestMessagesByTopic(t *testing.T) {
	ledger := stage.NewLedger("slide", "hand")
	stage.InBubble(t, lectern.Policy{Observer: ledger, Topics: []string{"slide", "hand"}}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
		for _, topic := range []string{"slide", "slide", "Slide", "made up by a peer"} {
			_, err := master.Broadcast(ctx, lectern.Text("x"), lectern.WithTopic(topic))
			require.NoError(t, err)
		}
		_, err := slave.Send(ctx, lectern.Text("x"), lectern.WithTopic("hand"))
		require.NoError(t, err)
		stage.Broadcast(t, master, "about nothing")
		synctest.Wait()
		ledger.Has(t, map[string]int64{"messages_by_topic slide": 2, "messages_by_topic hand": 1, "messages_by_topic other": 2})
	})
}

// Requests end with their messages.
func TestRequestsThatAreTooLate(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		slave, other := s.User().Joins("abc123", "user_one"), s.User().Joins("abc123", "user_two")
		for _, name := range []string{"user_one", "user_two"} {
			stage.NextPresence(t, master, name, lectern.StateOnline)
		}
		began := time.Now()
		asked := stage.InBackground(func() (map[string]error, error) {
			got := map[string]error{}
			for answer := range master.Gather(ctx, lectern.Text("ready?"), lectern.WithExpiry(time.Second)) {
				got[answer.From] = answer.Err
			}
			return got, nil
		})
		question := next(t, slave)
		late := next(t, other)
		_, err := slave.Reply(ctx, question, lectern.Text("I am"))
		require.NoError(t, err)
		got := (<-asked).Value
		require.Len(t, got, 2)
		require.NoError(t, got["user_one"])
		require.ErrorIs(t, got["user_two"], lectern.ErrTooLate)
		require.WithinDuration(t, began.Add(time.Second), time.Now(), 10*time.Millisecond)
		_, err = other.Reply(ctx, late, lectern.Text("me too"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)

		up := stage.InBackground(func() (lectern.Message, error) {
			return slave.Request(ctx, lectern.Text("may I?"), lectern.WithExpiry(time.Second))
		})
		asks := next(t, master)
		require.ErrorIs(t, (<-up).Err, lectern.ErrTooLate)
		_, err = master.Reply(ctx, asks, lectern.Text("yes"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)

		// Who is away meanwhile learns of it when it is back.
		down := stage.InBackground(func() (lectern.Message, error) {
			return master.Request(ctx, "user_one", lectern.Text("well?"), lectern.WithExpiry(time.Second))
		})
		next(t, slave)
		alice.CutOff()
		time.Sleep(2 * time.Second)
		alice.Bar(false)
		require.ErrorIs(t, (<-down).Err, lectern.ErrTooLate)
	})
}

// What cannot be given to the hub in time is not given to it at all.
func TestTooLateToSend(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		master, one := s.User().Creates("abc123", "alice"), s.User()
		slave := one.Joins("abc123", "user_one")
		one.CutOff()
		synctest.Wait()
		began := time.Now()
		_, err := slave.Send(ctx, lectern.Text("x"), lectern.WithExpiry(time.Second))
		require.ErrorIs(t, err, lectern.ErrTooLate)
		require.False(t, errors.Is(err, lectern.ErrSendUnknown))
		require.Equal(t, time.Second, time.Since(began))
		waits := stage.InBackground(func() (lectern.Receipt, error) {
			return slave.Send(ctx, lectern.Text("y"), lectern.WithExpiry(10*time.Second))
		})
		time.Sleep(3 * time.Second)
		one.Bar(false)
		require.NoError(t, (<-waits).Err)
		m := next(t, master)
		require.Equal(t, "y", m.Text())
		require.EqualValues(t, 1, m.Seq)
		require.WithinDuration(t, began.Add(11*time.Second), m.Expires, 10*time.Millisecond, "its time began with the call")
	})
}
