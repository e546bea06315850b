package races

import (
	"errors"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// rounds is how many times a test in which several things happen at once has
// them happen.
var rounds = flag.Int("rounds", 6, "how many times each race is run in its test")

// Row I3: who joins a channel that is being closed is either told that there is
// none, or let in and told of its end.
func TestJoinWhileTheChannelCloses(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		var users []*stage.User
		for range 8 {
			users = append(users, s.User())
		}
		for range *rounds {
			master := s.User().Creates("abc123", "alice")
			var wg sync.WaitGroup
			for i, u := range users {
				wg.Go(func() {
					slave, err := u.Join(stage.Within(t), "abc123", fmt.Sprint("user_", i))
					if err != nil {
						if !errors.Is(err, lectern.ErrNoSuchChannel) {
							t.Errorf("Join: %v", err)
						}
						return
					}
					<-slave.Done()
					if !errors.Is(slave.Err(), lectern.ErrMasterLeft) {
						t.Errorf("the end: %v", slave.Err())
					}
				})
			}
			require.NoError(t, master.Close())
			wg.Wait()
			_, exists := s.Hub.Channel("abc123")
			require.False(t, exists)
		}
	})
}

// Row I4: whatever ends a slave at the same time, its master is told once.
func TestOneExit(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{SlaveTimeout: -1}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		for i := range *rounds {
			name := fmt.Sprint("user_", i)
			one := s.User()
			slave := one.Joins("abc123", name)
			stage.NextPresence(t, master, name, lectern.StateOnline)
			var wg sync.WaitGroup
			wg.Go(func() { _ = slave.Leave() })
			wg.Go(func() { _ = master.Kick(stage.Within(t), name, "") })
			wg.Go(func() { one.Plug().Cut() })
			gone := 0
			for event, err := range master.Events(stage.Within(t)) {
				require.NoError(t, err)
				presence := event.(lectern.Presence)
				require.Equal(t, name, presence.Username)
				if presence.State == lectern.StateGone {
					gone++
					break
				}
				require.Equal(t, lectern.StateAway, presence.State)
			}
			wg.Wait()
			<-slave.Done()
			require.ErrorIs(t, master.Kick(stage.Within(t), name, ""), lectern.ErrNoSuchSlave)
			require.Equal(t, 1, gone)
			require.Empty(t, master.Members())
		}
	})
}

// Row G3: of those who resume one membership at the same time one has it in the
// end, and every other one knows that it has not.
func TestResumesInTheSameInstant(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		ticket := s.User().Joins("abc123", "user_one").Ticket()
		const contenders = 6
		slaves := make([]*lectern.Slave, contenders)
		var wg sync.WaitGroup
		for i := range slaves {
			u := s.User()
			wg.Go(func() {
				slave, err := u.ResumeSlave(stage.Within(t), ticket)
				if err != nil && !errors.Is(err, lectern.ErrReplaced) {
					t.Errorf("ResumeSlave: %v", err)
				}
				slaves[i] = slave
			})
		}
		wg.Wait()
		stage.Broadcast(t, master, "who is it?")
		holders := 0
		for _, slave := range slaves {
			if slave == nil {
				continue // it was told at once that another one has the membership
			}
			message, err := slave.Receive(stage.Within(t))
			if err != nil {
				require.ErrorIs(t, err, lectern.ErrReplaced)
				continue
			}
			require.Equal(t, "who is it?", message.Text())
			holders++
		}
		require.Equal(t, 1, holders)
	})
}

// A user whose channel has ended goes on to the next one at once.
func TestNextChannelRightAfterTheEnd(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		one := s.User()
		for range *rounds {
			master := s.User().Creates("abc123", "alice")
			slave := one.Joins("abc123", "user_one")
			require.NoError(t, master.Close())
			stage.Ended(t, slave, lectern.ErrMasterLeft)
		}
	})
}

// Of those who create a channel at the same time one has it (rules 1 and 7), and stays its master: it can do at once what only
// a master can.
func TestCreatesInTheSameInstant(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{MembershipRate: lectern.RateLimit{PerSecond: -1}}, func(t *testing.T, s *stage.Stage) {
		users := make([]*stage.User, 6)
		for i := range users {
			users[i] = s.User()
		}
		for round := range *rounds {
			name := fmt.Sprint("round ", round)
			masters, errs := make([]*lectern.Master, len(users)), make([]error, len(users))
			var wg sync.WaitGroup
			for i, u := range users {
				wg.Go(func() { masters[i], errs[i] = u.Create(stage.Within(t), name, fmt.Sprint("user_", i)) })
			}
			wg.Wait()
			var master *lectern.Master
			for i, err := range errs {
				if err == nil {
					require.Nil(t, master, "two have it")
					master = masters[i]
					continue
				}
				require.ErrorIs(t, err, lectern.ErrChannelExists)
			}
			require.NotNil(t, master)
			heir := s.User().Joins(name, "heir")
			if !s.RealTime {
				time.Sleep(300 * time.Millisecond) // whatever else the hubs of the others do is done
			}
			stage.Broadcast(t, master, "here")
			stage.NextText(t, heir, "here")
			began := time.Now()
			_, err := master.HandOver(stage.Within(t), "heir", false)
			require.NoError(t, err)
			require.Less(t, time.Since(began), 500*time.Millisecond)
			<-heir.Done()
			require.NotNil(t, heir.Promoted())
			require.NoError(t, heir.Promoted().Close())
		}
	})
}
