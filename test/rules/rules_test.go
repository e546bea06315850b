package rules

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

func TestRule1OnlyAMasterCreates(t *testing.T) {
	refusal := &lectern.Error{Code: lectern.ErrUnauthorized.Code, Text: "you are no teacher"}
	policy := lectern.Policy{Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		if r.Operation == lectern.OpCreate && r.Token != "chalk" {
			return lectern.Identity{}, refusal
		}
		return lectern.Identity{AsAsked: true}, nil
	}}
	stage.Everywhere(t, policy, func(t *testing.T, s *stage.Stage) {
		alice, one := s.User(), s.User()
		_, err := alice.Create(stage.Within(t), "abc123", "alice")
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		require.ErrorContains(t, err, "you are no teacher")
		status, err := one.Status(stage.Within(t), "abc123")
		require.NoError(t, err)
		require.False(t, status.Exists)

		master := alice.Creates("abc123", "alice", lectern.WithToken("chalk"))
		require.Equal(t, "alice", master.Username())
		slave := one.Joins("abc123", "user_one")
		require.Equal(t, "alice", slave.Master().Username)
	})
}

func TestRule2JoinNeedsMaster(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.User(), s.User()
		for range 2 { // the first join has not created anything
			_, err := one.Join(stage.Within(t), "abc123", "user_one")
			require.ErrorIs(t, err, lectern.ErrNoSuchChannel)
		}
		_, exists := s.Hub.Channel("abc123")
		require.False(t, exists)

		alice.Creates("abc123", "alice")
		_, err := one.Join(stage.Within(t), "abc123", "user_one", lectern.WithMaster("bob"))
		require.ErrorIs(t, err, lectern.ErrWrongMaster)
		_, err = one.Join(stage.Within(t), "abc123", "alice")
		require.ErrorIs(t, err, lectern.ErrNameTaken)
		slave := one.Joins("abc123", "user_one", lectern.WithMaster("alice"))
		require.Equal(t, lectern.StateOnline, slave.Master().State)

		two := s.User()
		_, err = two.Join(stage.Within(t), "abc123", "user_one")
		require.ErrorIs(t, err, lectern.ErrNameTaken)
	})
}

func TestRule3SlavesEndWithTheirMaster(t *testing.T) {
	const x = 150 * time.Millisecond
	stage.Everywhere(t, lectern.Policy{MasterTimeout: x}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.User(), s.User()
		alice.Creates("abc123", "alice")
		slave := one.Joins("abc123", "user_one")
		require.Equal(t, x, slave.MasterTimeout())

		began := time.Now()
		alice.CutOff()
		away := stage.NextPresence(t, slave, "alice", lectern.StateAway)
		require.WithinDuration(t, away.Since.Add(x), away.Deadline, 10*time.Millisecond)
		stage.Ended(t, slave, lectern.ErrMasterDown)
		require.GreaterOrEqual(t, time.Since(began), x)
		require.Equal(t, lectern.StateGone, slave.Master().State)

		_, err := s.User().Join(stage.Within(t), "abc123", "user_one")
		require.ErrorIs(t, err, lectern.ErrNoSuchChannel)
	})
}

func TestRule3MasterDown(t *testing.T) {
	const x = 30 * time.Second
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		var slaves []*lectern.Slave
		for i := range 3 {
			slaves = append(slaves, s.User().Joins("abc123", fmt.Sprint("user_", i)))
		}
		lost := time.Now()
		alice.CutOff()
		for _, slave := range slaves {
			away := stage.NextPresence(t, slave, "alice", lectern.StateAway)
			require.Equal(t, lost, away.Since, "told at once")
			require.Equal(t, lost.Add(x), away.Deadline)
			require.Equal(t, away, slave.Master())
		}
		time.Sleep(x - time.Nanosecond)
		for _, slave := range slaves {
			require.NoError(t, slave.Err(), "never before X")
		}
		for _, slave := range slaves {
			stage.Ended(t, slave, lectern.ErrMasterDown)
			require.Equal(t, lost.Add(x), time.Now(), "at X")
		}
		stage.Ended(t, master, lectern.ErrMasterDown)
		require.Equal(t, lost.Add(x), time.Now())
	})
}

// A silent connection is first found out, and then X begins.
func TestRule3MasterSilent(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		alice.Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		began := time.Now()
		alice.Bar(true)
		alice.Plug().Silence()
		away := stage.NextPresence(t, slave, "alice", lectern.StateAway)
		require.LessOrEqual(t, away.Since.Sub(began), 15*time.Second)
		stage.Ended(t, slave, lectern.ErrMasterDown)
		require.Equal(t, away.Since.Add(30*time.Second), time.Now())
	})
}

// A slave that has lost the hub ends by itself.
func TestRule3HubLost(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice", lectern.WithMasterTimeout(5*time.Second))
		one := s.User()
		slave := one.Joins("abc123", "user_one")
		lost := time.Now()
		one.CutOff()
		unknown := stage.NextPresence(t, slave, "alice", lectern.StateUnknown)
		require.Equal(t, lost.Add(5*time.Second), unknown.Deadline)
		stage.Ended(t, slave, lectern.ErrMasterDown)
		require.Equal(t, lost.Add(5*time.Second), time.Now())
	})
}

func TestRule3NegativeTimeoutEndsAtOnce(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{MasterTimeout: -1}, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		alice.Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		lost := time.Now()
		alice.CutOff()
		stage.NothingMore(t, slave, lectern.ErrMasterDown)
		require.Equal(t, lost, time.Now())
	})
}

func TestRule4MastersPresence(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.User(), s.User()
		status, err := one.Status(stage.Within(t), "abc123")
		require.NoError(t, err)
		require.Equal(t, lectern.Status{}, status)

		master := alice.Creates("abc123", "alice")
		status, err = one.Status(stage.Within(t), "abc123")
		require.NoError(t, err)
		require.True(t, status.Exists)
		require.Equal(t, "alice", status.Master.Username)
		require.Equal(t, lectern.StateOnline, status.Master.State)

		slave := one.Joins("abc123", "user_one")
		require.Equal(t, lectern.StateOnline, slave.Master().State)
		require.NoError(t, master.Away(stage.Within(t)))
		away := stage.NextPresence(t, slave, "alice", lectern.StateAway)
		require.Equal(t, away, slave.Master())
		status, err = one.Status(stage.Within(t), "abc123")
		require.NoError(t, err)
		require.Equal(t, lectern.StateAway, status.Master.State)
		require.False(t, status.Master.Deadline.IsZero())

		late := s.User().Joins("abc123", "user_two")
		require.Equal(t, lectern.StateAway, late.Master().State)
		stage.NextPresence(t, late, "alice", lectern.StateAway)
		require.False(t, late.Master().Deadline.IsZero())

		require.NoError(t, master.Back(stage.Within(t)))
		stage.NextPresence(t, slave, "alice", lectern.StateOnline)
		stage.NextPresence(t, late, "alice", lectern.StateOnline)
		require.Equal(t, lectern.StateOnline, slave.Master().State)
		require.True(t, slave.Master().Deadline.IsZero())

		// Back before the hub has noticed, nobody would be told of anything.
		alice.CutOff()
		stage.NextPresence(t, slave, "alice", lectern.StateAway)
		alice.Bar(false)
		stage.NextPresence(t, slave, "alice", lectern.StateOnline)
	})
}

func TestRule5SlaveSendsToItsMasterOnly(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		one, two := s.User().Joins("abc123", "user_one"), s.User().Joins("abc123", "user_two")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		stage.NextPresence(t, master, "user_two", lectern.StateOnline)

		receipt, err := one.Send(stage.Within(t), lectern.Text("what is going on?"))
		require.NoError(t, err)
		message := stage.NextText(t, master, "what is going on?")
		require.Equal(t, "user_one", message.From)
		require.Equal(t, receipt.Seq, message.Seq)
		stage.Broadcast(t, master, "the end")
		// If the slave's message had gone to the other one, it would be here first.
		stage.NextText(t, two, "the end")
	})
}

func TestRule6MasterSendsToOneOrAll(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		master, other := alice.Creates("abc123", "alice"), s.User().Creates("xyz", "bob")
		one, two := s.User().Joins("abc123", "user_one"), s.User().Joins("abc123", "user_two")
		foreign := s.User().Joins("xyz", "user_three")

		stage.Broadcast(t, master, "to all")
		stage.Tell(t, master, "user_one", "to you")
		_, err := master.Send(stage.Within(t), "user_three", lectern.Text("psst"))
		require.ErrorIs(t, err, lectern.ErrNoSuchSlave)
		_, err = master.Send(stage.Within(t), "nobody", lectern.Text("psst"))
		require.ErrorIs(t, err, lectern.ErrNoSuchSlave)
		stage.Broadcast(t, master, "to all again")
		stage.Broadcast(t, other, "elsewhere")

		require.False(t, stage.NextText(t, one, "to all").Private)
		require.True(t, stage.NextText(t, one, "to you").Private)
		require.EqualValues(t, 3, stage.NextText(t, one, "to all again").Seq, "a refused message has no number")
		stage.NextText(t, two, "to all")
		stage.NextText(t, two, "to all again")
		stage.NextText(t, foreign, "elsewhere")
	})
}

func TestRule7OneMaster(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, bob := s.User(), s.User()
		master := alice.Creates("abc123", "alice")
		for _, name := range []string{"bob", "alice"} {
			_, err := bob.Create(stage.Within(t), "abc123", name)
			require.ErrorIs(t, err, lectern.ErrChannelExists)
		}
		slave := bob.Joins("abc123", "bob")
		alice.CutOff()
		stage.NextPresence(t, slave, "alice", lectern.StateAway)
		_, err := s.User().Create(stage.Within(t), "abc123", "alice")
		require.ErrorIs(t, err, lectern.ErrChannelExists, "also while the master is away")

		forged := master.Ticket()
		forged.Secret = "AAAAAAAAAAAAAAAAAAAAAA"
		_, err = s.User().ResumeMaster(stage.Within(t), forged)
		require.ErrorIs(t, err, lectern.ErrResumeFailed)

		alice.Bar(false)
		stage.NextPresence(t, slave, "alice", lectern.StateOnline)
		stage.Broadcast(t, master, "still me")
		stage.NextText(t, slave, "still me")
	})
}

func TestRule7CreatesInTheSameInstant(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		const contenders = 16
		users := make([]*stage.User, contenders)
		for i := range users {
			users[i] = s.User()
		}
		for round := range *rounds {
			channel := fmt.Sprint("round ", round)
			var mu sync.Mutex
			var masters []*lectern.Master
			var wg sync.WaitGroup
			errs := make(chan error, contenders)
			for i, u := range users {
				wg.Go(func() {
					master, err := u.Create(stage.Within(t), channel, fmt.Sprint("user_", i))
					if err == nil {
						mu.Lock()
						defer mu.Unlock()
						masters = append(masters, master)
					}
					errs <- err
				})
			}
			wg.Wait()
			close(errs)
			require.Len(t, masters, 1, "exactly one master")
			for err := range errs {
				require.True(t, err == nil || errors.Is(err, lectern.ErrChannelExists), "%v", err)
			}
			status, err := users[0].Status(stage.Within(t), channel)
			require.NoError(t, err)
			require.Equal(t, masters[0].Username(), status.Master.Username)
			require.NoError(t, masters[0].Close())
		}
	})
}
