package resume

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
)

// By hand: what another client has sent under a ref is not taken for one's own, so nobody
// gets an ack for a message that was never on a wire.
func TestNoAckForWhatWasNeverSent(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, ada := s.Pair()
		resume := func(ref int) string {
			return fmt.Sprintf(`{"type":"resume","ref":%d,"channel":"abc123","username":"user_one","resume":%q}`, ref, ada.Secret)
		}
		ada.Plug.Cut()
		alice.Expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"away"}`)
		second := s.Raw()
		second.Send(resume(1), `{"type":"send","ref":2,"channel":"abc123","text":"B1"}`)
		second.Expect(stage.OneResumed(1), `{"type":"ack","ref":2,"seq":1}`)
		alice.Expect(stage.OneBack, `{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"B1"}`)

		first := s.Raw()
		first.Send(resume(3))
		first.Expect(strings.Replace(stage.OneResumed(3), `"epoch":2`, `"epoch":3`, 1))
		first.Refused(`{"type":"send","ref":2,"channel":"abc123","text":"A1"}`, lectern.ErrBadFrame)
		first.Send(`{"type":"send","ref":4,"channel":"abc123","text":"A1"}`)
		first.Expect(`{"type":"ack","ref":4,"seq":2}`)
		alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":2,"text":"A1"}`)
	})
}

// A program is copied, and the older one was offline for a while: the copy goes on, and the
// older one is told so, and gets no ack for what it had to say.
func TestRule7AnOlderCopyDoesNotPutTheNewerOneOut(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		old := s.User()
		older := old.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		old.CutOff()
		stage.NextPresence(t, master, "user_one", lectern.StateAway)
		sent := stage.InBackground(func() (lectern.Receipt, error) { return older.Send(stage.Within(t), lectern.Text("A1")) })

		newer, err := s.User().ResumeSlave(stage.Within(t), older.Ticket())
		require.NoError(t, err)
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		stage.Say(t, newer, "B1")
		stage.NextText(t, master, "B1")

		old.Bar(false)
		require.ErrorIs(t, (<-sent).Err, lectern.ErrReplaced)
		require.ErrorIs(t, older.Err(), lectern.ErrReplaced)
		stage.Say(t, newer, "B2")
		stage.NextText(t, master, "B2")
		_, err = s.User().ResumeSlave(stage.Within(t), older.Ticket())
		require.ErrorIs(t, err, lectern.ErrReplaced)
		third, err := s.User().ResumeSlave(stage.Within(t), newer.Ticket())
		require.NoError(t, err)
		stage.Ended(t, newer, lectern.ErrReplaced)
		stage.Say(t, third, "C1")
		stage.NextText(t, master, "C1")
	})
}

// A ticket that was stored at the join is good after the connection was lost many times.
func TestAStoredTicketOutlivesLostConnections(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		one := s.User()
		slave := one.Joins("abc123", "user_one")
		ticket := slave.Ticket()
		for range 5 {
			one.Plug().Cut()
			stage.NextPresence(t, slave, "alice", lectern.StateUnknown)
			stage.NextPresence(t, slave, "alice", lectern.StateOnline)
		}
		require.Equal(t, uint64(6), slave.Ticket().Epoch)
		_, err := s.User().ResumeSlave(stage.Within(t), ticket)
		require.NoError(t, err)
	})
}

// A ticket is stored before the hub takes the new client for the holder. A program that
// ends before it could is followed by the next one with the ticket that there is.
func TestTicketsAreStoredFirst(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		stored := make(chan lectern.Ticket, 10)
		first := s.UserWith(lectern.ClientOptions{Tickets: func(ticket lectern.Ticket) { stored <- ticket }})
		slave := first.Joins("abc123", "user_one")
		ticket := <-stored
		require.Equal(t, slave.Ticket(), ticket)
		first.CutOff()

		// This one gets the membership, and is gone before it has stored its ticket.
		hangs := make(chan struct{})
		second := s.UserWith(lectern.ClientOptions{Tickets: func(lectern.Ticket) { <-hangs }})
		_, err := second.ResumeSlave(stage.Within(t), ticket)
		require.NoError(t, err)
		synctest.Wait()
		second.CutOff()

		third := s.UserWith(lectern.ClientOptions{Tickets: func(ticket lectern.Ticket) { stored <- ticket }})
		_, err = third.ResumeSlave(stage.Within(t), ticket)
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, uint64(3), (<-stored).Epoch)
		close(hangs)

		_, err = s.User().ResumeSlave(stage.Within(t), ticket)
		require.ErrorIs(t, err, lectern.ErrReplaced)
	})
}

// The answer to a create, a join or a switch is lost: the client asks again by itself, and
// has what the first one has made.
func TestALostAnswerLocksNobodyOut(t *testing.T) {
	muted := func(t *testing.T, s *stage.Stage) (*stage.MutedDialer, *lectern.Client) {
		d := &stage.MutedDialer{User: s.UserWith(lectern.ClientOptions{})}
		client := lectern.NewClient(d, lectern.ClientOptions{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		return d, client
	}
	t.Run("create", func(t *testing.T) {
		stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			d, client := muted(t, s)
			d.Mute()
			created := stage.InBackground(func() (*lectern.Master, error) { return client.Create(stage.Within(t), "abc123", "alice") })
			synctest.Wait()
			slave := s.User().Joins("abc123", "user_one")
			stage.Say(t, slave, "are you there?")
			d.ComeBack()
			result := <-created
			require.NoError(t, result.Err)
			stage.NextPresence(t, result.Value, "user_one", lectern.StateOnline)
			stage.NextText(t, result.Value, "are you there?")
			stage.Broadcast(t, result.Value, "I am")
		})
	})
	t.Run("join", func(t *testing.T) {
		stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			master := s.User().Creates("abc123", "alice")
			d, client := muted(t, s)
			d.Mute()
			joined := stage.InBackground(func() (*lectern.Slave, error) { return client.Join(stage.Within(t), "abc123", "user_one") })
			stage.NextPresence(t, master, "user_one", lectern.StateOnline)
			stage.Broadcast(t, master, "welcome")
			d.ComeBack()
			result := <-joined
			require.NoError(t, result.Err)
			stage.NextText(t, result.Value, "welcome")
			stage.Say(t, result.Value, "thanks")
			require.Len(t, master.Members(), 1)
		})
	})
	t.Run("switch", func(t *testing.T) {
		stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			from, to := s.User().Creates("abc123", "alice"), s.User().Creates("xyz", "bob")
			d, client := muted(t, s)
			slave, err := client.Join(stage.Within(t), "abc123", "user_one")
			require.NoError(t, err)
			stage.NextPresence(t, from, "user_one", lectern.StateOnline)
			synctest.Wait()
			d.Mute()
			switched := stage.InBackground(func() (*lectern.Slave, error) { return slave.Switch(stage.Within(t), "xyz") })
			stage.NextPresence(t, to, "user_one", lectern.StateOnline)
			stage.NextPresence(t, from, "user_one", lectern.StateGone)
			d.ComeBack()
			result := <-switched
			require.NoError(t, result.Err)
			stage.Ended(t, slave, lectern.ErrLeft)
			stage.Say(t, result.Value, "hello")
		})
	})
	t.Run("a switch that was never heard", func(t *testing.T) {
		stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			from := s.User().Creates("abc123", "alice")
			s.User().Creates("xyz", "bob")
			one := s.User()
			slave := one.Joins("abc123", "user_one")
			stage.NextPresence(t, from, "user_one", lectern.StateOnline)
			one.Plug().Silence()
			switched := stage.InBackground(func() (*lectern.Slave, error) { return slave.Switch(stage.Within(t), "xyz") })
			synctest.Wait()
			one.Plug().Cut()
			result := <-switched
			require.NoError(t, result.Err)
			stage.Say(t, result.Value, "hello")
			stage.Ended(t, slave, lectern.ErrLeft)
		})
	})
	// The user has given up, and asks the same client again.
	t.Run("create again", func(t *testing.T) {
		stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			d, client := muted(t, s)
			d.Mute()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err := client.Create(ctx, "abc123", "alice")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			d.ComeBack()
			time.Sleep(time.Second)
			master, err := client.Create(stage.Within(t), "abc123", "alice")
			require.NoError(t, err)
			require.NoError(t, master.Close())
		})
	})
	// A call that costs the connection each time is not tried for ever.
	t.Run("each time", func(t *testing.T) {
		stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			d, client := muted(t, s)
			d.Mute()
			joined := stage.InBackground(func() (*lectern.Slave, error) { return client.Join(stage.Within(t), "abc123", "user_one") })
			for range 3 {
				time.Sleep(time.Second)
				d.Plug().Cut()
			}
			require.ErrorContains(t, (<-joined).Err, "no answer to join")
		})
	})
}

// What was acknowledged for a master that has confirmed arrives, however long it does not
// read: its slaves are told busy before anything would have to be dropped.
func TestNothingAcknowledgedIsLostForAMaster(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		const slaves = 10
		alice := &stage.MutedDialer{User: s.UserWith(lectern.ClientOptions{})}
		client := lectern.NewClient(alice, lectern.ClientOptions{
			MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond, Inbox: lectern.QueueLimit{Messages: 10_000},
		})
		defer func() { require.NoError(t, client.Close()) }()
		master, err := client.Create(stage.Within(t), "abc123", "alice")
		require.NoError(t, err)
		var class []*lectern.Slave
		for i := range slaves {
			class = append(class, s.User().Joins("abc123", fmt.Sprint("user_", i)))
			stage.NextPresence(t, master, fmt.Sprint("user_", i), lectern.StateOnline)
		}
		alice.Mute() // all that is written to it is lost, and nothing is confirmed
		acknowledged := map[string]bool{}
		refused := 0
		for i := range 200 {
			for j, slave := range class {
				text := fmt.Sprint(j, ": ", i)
				_, err := slave.Send(stage.Within(t), lectern.Text(text))
				if err == nil {
					acknowledged[text] = true
					continue
				}
				require.ErrorIs(t, err, lectern.ErrBusy)
				refused++
			}
			time.Sleep(20 * time.Millisecond)
		}
		require.Positive(t, refused)
		require.GreaterOrEqual(t, len(acknowledged), 512, "Replay and Outbox")
		alice.ComeBack()
		for range acknowledged {
			for {
				event := stage.Next(t, master)
				_, gap := event.(lectern.Gap)
				require.False(t, gap, "%v", event)
				if message, ok := event.(lectern.Message); ok {
					require.True(t, acknowledged[message.From[5:]+message.Text()[1:]], message.Text())
					break
				}
			}
		}
		time.Sleep(2 * time.Second) // what is received is confirmed within a second
		stage.Say(t, class[0], "there is room again")
		stage.NextText(t, master, "there is room again")
	})
}

// A master that reads is not told busy for its slaves, though it confirms now and then only.
func TestNobodyIsBusyWhileTheMasterKeepsUp(t *testing.T) {
	for _, test := range []struct {
		what   string
		policy lectern.Policy
	}{
		{"by default", lectern.Policy{}},
		{"little is kept", lectern.Policy{Replay: lectern.QueueLimit{Messages: 4}}},
		{"few bytes are kept", lectern.Policy{Replay: lectern.QueueLimit{Bytes: 1000}}},
		{"nothing is kept", lectern.Policy{Replay: lectern.QueueLimit{Messages: -1}}},
	} {
		t.Run(test.what, func(t *testing.T) {
			test.policy.SlaveMessageRate, test.policy.FrameRate = lectern.RateLimit{PerSecond: -1}, lectern.RateLimit{PerSecond: -1}
			stage.InVirtualTime(t, test.policy, func(t *testing.T, s *stage.Stage) {
				alice := s.UserWith(lectern.ClientOptions{Inbox: lectern.QueueLimit{Messages: 10_000}})
				master, slave := alice.Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
				for i := range 2000 {
					stage.Say(t, slave, fmt.Sprint(i))
					if i%200 == 0 {
						synctest.Wait()
					}
				}
				stage.NextPresence(t, master, "user_one", lectern.StateOnline)
				for i := range 2000 {
					stage.NextText(t, master, fmt.Sprint(i))
				}
			})
		})
	}
}

// A connection with many memberships that resumes all of them and reads nothing holds a
// part of one replay, and not all of them.
func TestOneConnectionHoldsOneReplay(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		const channels, messages, size = 64, 16, 60_000
		var masters []*lectern.Master
		one := s.Raw()
		var secrets []string
		alice := s.User()
		for i := range channels {
			name := fmt.Sprint("channel_", i)
			masters = append(masters, alice.Creates(name, "alice"))
			one.Send(fmt.Sprintf(`{"type":"join","ref":1,"channel":%q,"username":"user_one"}`, name))
			one.Expect(strings.Replace(stage.OneJoined, "abc123", name, 1))
			secrets = append(secrets, one.Secret)
		}
		one.Plug.Cut()
		synctest.Wait()
		for _, master := range masters {
			for range messages {
				stage.Broadcast(t, master, strings.Repeat("x", size))
			}
		}
		back := s.Raw()
		for i, secret := range secrets {
			back.Send(fmt.Sprintf(`{"type":"resume","ref":2,"channel":"channel_%d","username":"user_one","resume":%q}`, i, secret))
		}
		synctest.Wait()
		channel, _ := s.Hub.Channel("channel_0")
		shot, _ := channel.Snapshot()
		require.Less(t, shot.Slaves[0].Queued.Bytes, 200_000, "twice 64 KiB, and the answers")

		got := 0
		for got < channels*messages {
			frame, err := back.Read()
			require.NoError(t, err)
			require.NotContains(t, frame, `"type":"gap"`)
			if strings.HasPrefix(frame, `{"type":"message"`) {
				got++
			}
		}
	})
}

// Who has the same replay sent again and again is told to wait, and comes in afterwards.
func TestTheSameReplayAgainAndAgain(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, one := s.User().Creates("abc123", "alice"), s.Raw()
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		for range 16 {
			stage.Broadcast(t, master, strings.Repeat("x", 60_000))
		}
		for range 16 {
			_, err := one.Read()
			require.NoError(t, err)
		}
		resume := fmt.Sprintf(`{"type":"resume","ref":1,"channel":"abc123","username":"user_one","resume":%q}`, one.Secret)
		received := 0
		for range 20 {
			again := s.Raw()
			again.Send(resume)
			for {
				frame, err := again.Read()
				require.NoError(t, err)
				if strings.HasPrefix(frame, `{"type":"error"`) {
					require.Contains(t, frame, "rate_limited")
					break
				}
				received += len(frame)
				if strings.Contains(frame, `"seq":16,`) {
					break
				}
			}
		}
		require.Less(t, received, 6<<20)
		time.Sleep(20 * time.Second)
		again := s.Raw()
		again.Send(resume)
		frame, err := again.Read()
		require.NoError(t, err)
		require.Contains(t, frame, `"type":"joined"`)
	})
}
