package lectern_test

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
)

// Row I2: who creates a channel that is just ending is told that it exists, or
// has a new one with nobody of the old in it.
func TestCreateWhileTheOldOneEnds(t *testing.T) {
	everywhere(t, lectern.Policy{Rate: lectern.Rate{PerSecond: -1}}, func(t *testing.T, s *stage) {
		bob, one := s.user(), s.user()
		for i := range *rounds {
			old := s.user().create("abc123", "alice")
			slave := one.join("abc123", "user_one")
			broadcast(t, old, fmt.Sprint("old ", i))
			var wg sync.WaitGroup
			wg.Go(func() { _ = old.Close() })
			var fresh *lectern.Master
			for fresh == nil {
				master, err := bob.Create(within(t), "abc123", "bob")
				if err != nil && !errors.Is(err, lectern.ErrChannelExists) {
					require.NoError(t, err)
				}
				fresh = master
			}
			wg.Wait()
			require.Empty(t, fresh.Members())
			broadcast(t, fresh, "new")
			<-slave.Done()
			require.ErrorIs(t, slave.Err(), lectern.ErrMasterLeft)
			nextText(t, slave, fmt.Sprint("old ", i))
			nothingMore(t, slave, lectern.ErrMasterLeft)
			require.NoError(t, fresh.Close())
		}
	})
}

// Row I5: a message to a slave that is kicked at the same time is delivered or
// refused.
func TestKickWhileSending(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master, one := s.user().create("abc123", "alice"), s.user()
		for range *rounds {
			slave := one.join("abc123", "user_one")
			nextPresence(t, master, "user_one", lectern.Online)
			const count = 20
			accepted := 0
			var wg sync.WaitGroup
			wg.Go(func() {
				for i := range count {
					_, err := master.Send(within(t), "user_one", lectern.Text(fmt.Sprint(i)))
					if err != nil {
						if !errors.Is(err, lectern.ErrNoSuchSlave) {
							t.Errorf("Send: %v", err)
						}
						return
					}
					accepted++
				}
			})
			wg.Go(func() { _ = master.Kick(within(t), "user_one", "") })
			wg.Wait()
			ended(t, slave, lectern.ErrKicked)
			for i := range accepted {
				nextText(t, slave, fmt.Sprint(i))
			}
			nothingMore(t, slave, lectern.ErrKicked)
			nextPresence(t, master, "user_one", lectern.Gone)
		}
	})
}

// Row I8: whoever is a member when a message is accepted gets it once, whoever
// is not does not, whatever else happens meanwhile.
func TestMembershipChangesWhileBroadcasting(t *testing.T) {
	everywhere(t, lectern.Policy{Rate: lectern.Rate{PerSecond: -1}, SlaveRate: lectern.Rate{PerSecond: -1}}, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		stays := s.user().join("abc123", "stays")
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
			u := s.user()
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					slave, err := u.Join(within(t), "abc123", fmt.Sprint("user_", i))
					if err != nil {
						t.Errorf("Join: %v", err)
						return
					}
					ask()
					first, err := slave.Receive(within(t))
					if err != nil {
						t.Errorf("Receive: %v", err)
						return
					}
					ask()
					second, err := slave.Receive(within(t))
					if err != nil || second.Seq != first.Seq+1 {
						t.Errorf("after %d came %d, %v", first.Seq, second.Seq, err)
					}
					_ = slave.Close()
				}
			})
		}
		for i := range 50 {
			broadcast(t, master, "x")
			message, err := stays.Receive(within(t))
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
				broadcast(t, master, "the end")
				_, err := stays.Receive(within(t))
				require.NoError(t, err)
			}
		}
	})
}

// Row I14: a create, join or send whose context ends has happened or has not, and
// leaves nothing behind.
func TestContextsThatEndAtAnyMoment(t *testing.T) {
	inVirtualTime(t, lectern.Policy{SlaveRate: lectern.Rate{PerSecond: -1}}, func(t *testing.T, s *stage) {
		master, one, two := s.user().create("abc123", "alice"), s.user(), s.user()
		var received []string
		listening := make(chan struct{})
		ctx, stop := context.WithCancel(within(t))
		go func() {
			defer close(listening)
			for event, err := range master.Events(ctx) {
				if message, ok := event.(lectern.Message); ok && err == nil {
					received = append(received, message.Text())
				}
			}
		}()
		slave := one.join("abc123", "user_one")
		var accepted, unknown []string
		for i := range 40 {
			ctx, cancel := context.WithCancel(within(t))
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
			ctx, cancel = context.WithCancel(within(t))
			go cancel()
			other, err := two.Join(ctx, "abc123", "user_two")
			if err == nil {
				require.NoError(t, other.Close())
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
		_, exists := s.hub.Channel("another")
		require.False(t, exists)
	})
}

// Rows I16 and G14: the answer to a send that was lost comes after the replay,
// and the send counts once.
func TestAnswersAfterAReplay(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice, one := s.pair()
		one.send(`{"type":"send","ref":2,"channel":"abc123","text":"x"}`)
		alice.expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"x"}`)
		one.plug.Cut() // and nobody reads the answer
		alice.expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"away"}`)
		alice.send(`{"type":"send","ref":2,"channel":"abc123","text":"y"}`)
		alice.expect(`{"type":"ack","ref":2,"seq":1}`)
		again := s.raw()
		again.send(`{"type":"resume","ref":3,"channel":"abc123","username":"user_one","resume":"`+one.secret+`"}`,
			`{"type":"send","ref":2,"channel":"abc123","text":"x"}`)
		again.expect(`{"type":"joined","ref":3,"channel":"abc123","username":"user_one","resume":"*","master":{"username":"alice","state":"online"},"master_timeout_ms":30000}`,
			`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"y"}`,
			`{"type":"ack","ref":2,"seq":1}`)
		alice.expect(oneOnline)
		alice.send(`{"type":"ping","ref":3}`)
		alice.expect(`{"type":"pong","ref":3}`) // and no second message
	})
}

// Row I17: a master that comes and goes in quick succession. Its slaves end up
// with the truth, and the time that ran first does not end anything.
func TestPresenceFlaps(t *testing.T) {
	inVirtualTime(t, lectern.Policy{MasterTimeout: 5 * time.Second}, func(t *testing.T, s *stage) {
		alice := s.user()
		master := alice.create("abc123", "alice")
		slave := s.user().join("abc123", "user_one")
		nextPresence(t, master, "user_one", lectern.Online)
		for i := range 100 {
			if i%2 == 0 {
				require.NoError(t, master.Away(within(t)))
				require.NoError(t, master.Back(within(t)))
			} else {
				alice.plug().Cut()
				nextPresence(t, master, "alice", lectern.Unknown)
				nextPresence(t, master, "alice", lectern.Online)
			}
			nextPresence(t, slave, "alice", lectern.Away)
			nextPresence(t, slave, "alice", lectern.Online)
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, lectern.Online, slave.Master().State)
		require.NoError(t, slave.Err())
	})
}
