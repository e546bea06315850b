package races

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// Row I2: who creates a channel that is just ending is told that it exists, or
// has a new one with nobody of the old in it.
func TestCreateWhileTheOldOneEnds(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{FrameRate: lectern.RateLimit{PerSecond: -1}, MembershipRate: lectern.RateLimit{PerSecond: -1}}, func(t *testing.T, s *stage.Stage) {
		bob, one := s.User(), s.User()
		for i := range *rounds {
			old := s.User().Creates("abc123", "alice")
			slave := one.Joins("abc123", "user_one")
			stage.Broadcast(t, old, fmt.Sprint("old ", i))
			var wg sync.WaitGroup
			wg.Go(func() { _ = old.Close() })
			var fresh *lectern.Master
			for fresh == nil {
				master, err := bob.Create(stage.Within(t), "abc123", "bob")
				if err != nil && !errors.Is(err, lectern.ErrChannelExists) {
					require.NoError(t, err)
				}
				fresh = master
			}
			wg.Wait()
			require.Empty(t, fresh.Members())
			stage.Broadcast(t, fresh, "new")
			<-slave.Done()
			require.ErrorIs(t, slave.Err(), lectern.ErrMasterLeft)
			stage.NextText(t, slave, fmt.Sprint("old ", i))
			stage.NothingMore(t, slave, lectern.ErrMasterLeft)
			require.NoError(t, fresh.Close())
		}
	})
}

// Row I5: a message to a slave that is kicked at the same time is delivered or
// refused.
func TestKickWhileSending(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, one := s.User().Creates("abc123", "alice"), s.User()
		for range *rounds {
			slave := one.Joins("abc123", "user_one")
			stage.NextPresence(t, master, "user_one", lectern.StateOnline)
			const count = 20
			accepted := 0
			var wg sync.WaitGroup
			wg.Go(func() {
				for i := range count {
					_, err := master.Send(stage.Within(t), "user_one", lectern.Text(fmt.Sprint(i)))
					if err != nil {
						if !errors.Is(err, lectern.ErrNoSuchSlave) {
							t.Errorf("Send: %v", err)
						}
						return
					}
					accepted++
				}
			})
			wg.Go(func() { _ = master.Kick(stage.Within(t), "user_one", "") })
			wg.Wait()
			stage.Ended(t, slave, lectern.ErrKicked)
			for i := range accepted {
				stage.NextText(t, slave, fmt.Sprint(i))
			}
			stage.NothingMore(t, slave, lectern.ErrKicked)
			stage.NextPresence(t, master, "user_one", lectern.StateGone)
		}
	})
}

// Row I8: whoever is a member when a message is accepted gets it once, whoever
// is not does not, whatever else happens meanwhile.
func TestMembershipChangesWhileBroadcasting(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{FrameRate: lectern.RateLimit{PerSecond: -1}, SlaveMessageRate: lectern.RateLimit{PerSecond: -1}}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		stays := s.User().Joins("abc123", "stays")
		stop := make(chan struct{})
		// asks holds an element while somebody wants a message.
		asks := make(chan struct{}, 1)
		ask := func() {
			select {
			case asks <- struct{}{}:
			default:
			}
		}
		var wg sync.WaitGroup
		for i := range 3 {
			u := s.User()
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					slave, err := u.Join(stage.Within(t), "abc123", fmt.Sprint("user_", i))
					if err != nil {
						t.Errorf("Join: %v", err)
						return
					}
					ask()
					first, err := slave.Receive(stage.Within(t))
					if err != nil {
						t.Errorf("Receive: %v", err)
						return
					}
					ask()
					second, err := slave.Receive(stage.Within(t))
					if err != nil || second.Seq != first.Seq+1 {
						t.Errorf("after %d came %d, %v", first.Seq, second.Seq, err)
					}
					_ = slave.Leave()
				}
			})
		}
		for i := range 50 {
			stage.Broadcast(t, master, "x")
			message, err := stays.Receive(stage.Within(t))
			require.NoError(t, err)
			require.EqualValues(t, i+1, message.Seq)
		}
		close(stop)
		// Those that wait for a message get it; more would outrun them.
		done := make(chan struct{})
		go func() {
			defer close(done)
			wg.Wait()
		}()
		for {
			select {
			case <-done:
				return
			case <-asks:
				stage.Broadcast(t, master, "the end")
				_, err := stays.Receive(stage.Within(t))
				require.NoError(t, err)
			}
		}
	})
}

// Row I14: a create, join or send whose context ends has happened or has not, and
// leaves nothing behind.
func TestContextsThatEndAtAnyMoment(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{SlaveMessageRate: lectern.RateLimit{PerSecond: -1}}, func(t *testing.T, s *stage.Stage) {
		master, one, two := s.User().Creates("abc123", "alice"), s.User(), s.User()
		var received []string
		listening := make(chan struct{})
		ctx, stop := context.WithCancel(stage.Within(t))
		go func() {
			defer close(listening)
			for event, err := range master.Events(ctx) {
				if message, ok := event.(lectern.Message); ok && err == nil {
					received = append(received, message.Text())
				}
			}
		}()
		slave := one.Joins("abc123", "user_one")
		var accepted, unknown []string
		for i := range 40 {
			ctx, cancel := context.WithCancel(stage.Within(t))
			go cancel() // before, during or after
			text := fmt.Sprint(i)
			switch _, err := slave.Send(ctx, lectern.Text(text)); {
			case err == nil:
				accepted = append(accepted, text)
			case errors.Is(err, lectern.ErrSendUnknown):
				unknown = append(unknown, text)
			default:
				require.ErrorIs(t, err, context.Canceled)
			}
			ctx, cancel = context.WithCancel(stage.Within(t))
			go cancel()
			other, err := two.Join(ctx, "abc123", "user_two")
			if err == nil {
				require.NoError(t, other.Leave())
			}
			go cancel()
			created, err := two.Create(ctx, "another", "user_two")
			if err == nil {
				require.NoError(t, created.Close())
			}
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		<-listening
		allowed := map[string]bool{}
		for _, text := range unknown {
			allowed[text] = true
		}
		for _, text := range received {
			if len(accepted) > 0 && text == accepted[0] {
				accepted = accepted[1:]
				continue
			}
			require.True(t, allowed[text], "%q was given up before it was sent, or came twice", text)
			delete(allowed, text)
		}
		require.Empty(t, accepted, "accepted and never received")
		require.Len(t, master.Members(), 1)
		_, exists := s.Hub.Channel("another")
		require.False(t, exists)
	})
}

// Rows I16 and G14: the answer to a send that was lost comes after the replay,
// and the send counts once.
func TestAnswersAfterAReplay(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		one.Send(`{"type":"send","ref":2,"channel":"abc123","text":"x"}`)
		alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"x"}`)
		one.Plug.Cut() // and nobody reads the answer
		alice.Expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"away"}`)
		alice.Send(`{"type":"send","ref":2,"channel":"abc123","text":"y"}`)
		alice.Expect(`{"type":"ack","ref":2,"seq":1}`)
		again := s.Raw()
		again.Send(`{"type":"resume","ref":3,"channel":"abc123","username":"user_one","resume":"`+one.Secret+`"}`,
			`{"type":"send","ref":2,"channel":"abc123","text":"x"}`)
		again.Expect(`{"type":"joined","ref":3,"channel":"abc123","username":"user_one","resume":"*","epoch":2,"master":{"username":"alice","state":"online"},"master_timeout_ms":30000}`,
			`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"y"}`,
			`{"type":"ack","ref":2,"seq":1}`)
		alice.Expect(stage.OneBack)
		alice.Send(`{"type":"ping","ref":3}`)
		alice.Expect(`{"type":"pong","ref":3}`) // and no second message
	})
}

// Row I17: a master that comes and goes in quick succession. Its slaves end up
// with the truth, and the time that ran first does not end anything.
func TestPresenceFlaps(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{MasterTimeout: 5 * time.Second}, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		for i := range 100 {
			if i%2 == 0 {
				require.NoError(t, master.Away(stage.Within(t)))
				require.NoError(t, master.Back(stage.Within(t)))
			} else {
				alice.Plug().Cut()
				stage.NextPresence(t, master, "alice", lectern.StateUnknown)
				stage.NextPresence(t, master, "alice", lectern.StateOnline)
			}
			stage.NextPresence(t, slave, "alice", lectern.StateAway)
			stage.NextPresence(t, slave, "alice", lectern.StateOnline)
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, lectern.StateOnline, slave.Master().State)
		require.NoError(t, slave.Err())
	})
}
