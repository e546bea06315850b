package voice

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// nextMuted expects that the slave's next event is that it is muted, or no longer.
func nextMuted(t *testing.T, slave *lectern.Slave, on bool) {
	t.Helper()
	require.Equal(t, lectern.Muted{On: on}, stage.Next(t, slave))
	require.Equal(t, on, slave.Muted())
}

// quiet expects that the slave may not speak of its own accord.
func quiet(t *testing.T, slave *lectern.Slave) {
	t.Helper()
	_, err := slave.Send(stage.Within(t), lectern.Text("psst"))
	require.ErrorIs(t, err, lectern.ErrMuted)
	_, err = slave.Request(stage.Within(t), lectern.Text("may I?"))
	require.ErrorIs(t, err, lectern.ErrMuted)
}

func TestVoice(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		one, two := s.User().Joins("abc123", "user_one"), s.User().Joins("abc123", "user_two")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		stage.NextPresence(t, master, "user_two", lectern.StateOnline)
		require.False(t, one.Muted())

		require.NoError(t, master.Mute(stage.Within(t), "user_one"))
		nextMuted(t, one, true)
		quiet(t, one)
		require.NoError(t, one.SetAttribute(stage.Within(t), "hand", lectern.Text("up")))
		require.Equal(t, "hand", stage.Next(t, master).(lectern.Attribute).Key)
		stage.Say(t, two, "here")
		stage.NextText(t, master, "here")

		// What it is asked it answers.
		go func() {
			question := stage.NextText(t, one, "well?")
			_, err := one.Reply(stage.Within(t), question, lectern.Text("well"))
			require.NoError(t, err)
			question = stage.NextText(t, one, "really?")
			_, err = one.Decline(stage.Within(t), question, "no", "not now")
			require.NoError(t, err)
		}()
		answer, err := master.Request(stage.Within(t), "user_one", lectern.Text("well?"))
		require.NoError(t, err)
		require.Equal(t, "well", answer.Text())
		_, err = master.Request(stage.Within(t), "user_one", lectern.Text("really?"))
		var declined *lectern.DeclinedError
		require.ErrorAs(t, err, &declined)

		// All, with exceptions that end with the next word on all.
		require.False(t, master.AllMuted())
		require.NoError(t, master.MuteAll(stage.Within(t)))
		require.True(t, master.AllMuted())
		nextMuted(t, two, true)
		quiet(t, two)
		late := s.User().Joins("abc123", "user_late")
		require.True(t, late.Muted())
		quiet(t, late)
		stage.NextPresence(t, master, "user_late", lectern.StateOnline)
		require.NoError(t, master.Unmute(stage.Within(t), "user_one"))
		nextMuted(t, one, false)
		stage.Say(t, one, "thanks")
		stage.NextText(t, master, "thanks")
		quiet(t, two)
		require.NoError(t, master.UnmuteAll(stage.Within(t)))
		require.False(t, master.AllMuted())
		nextMuted(t, two, false)
		nextMuted(t, late, false)
		stage.Say(t, late, "at last")
		stage.NextText(t, master, "at last")

		// Who leaves and joins again is as before.
		require.NoError(t, master.Mute(stage.Within(t), "user_two"))
		nextMuted(t, two, true)
		require.NoError(t, two.Leave())
		stage.NextPresence(t, master, "user_two", lectern.StateGone)
		require.ErrorIs(t, master.Unmute(stage.Within(t), "user_two"), lectern.ErrNoSuchSlave)
		two = s.User().Joins("abc123", "user_two")
		stage.NextPresence(t, master, "user_two", lectern.StateOnline)
		require.True(t, two.Muted())
		quiet(t, two)

		for _, name := range []string{"nobody", "alice", "", "\xff"} {
			require.ErrorIs(t, master.Mute(stage.Within(t), name), lectern.ErrNoSuchSlave, "%q", name)
		}
		stage.Broadcast(t, master, "the end")
		for _, slave := range []*lectern.Slave{one, late, two} {
			stage.NextText(t, slave, "the end")
		}
	})
}

// What changes while a slave has no connection it is told when it is back, once.
func TestVoiceOverALostConnection(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		u, v := s.User(), s.User()
		master, slave := u.Creates("abc123", "alice"), v.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		cut := func() {
			t.Helper()
			v.CutOff()
			stage.NextPresence(t, slave, "alice", lectern.StateUnknown)
			stage.NextPresence(t, master, "user_one", lectern.StateAway)
		}
		back := func() {
			t.Helper()
			v.Bar(false)
			stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		}
		cut()
		sent := stage.InBackground(func() (lectern.Receipt, error) { return slave.Send(stage.Within(t), lectern.Text("too late")) })
		require.NoError(t, master.MuteAll(stage.Within(t)))
		back()
		nextMuted(t, slave, true)
		stage.NextPresence(t, slave, "alice", lectern.StateOnline)
		require.ErrorIs(t, (<-sent).Err, lectern.ErrMuted, "it came to the hub when its sender was muted")
		cut()
		require.NoError(t, master.UnmuteAll(stage.Within(t)))
		require.NoError(t, master.Mute(stage.Within(t), "user_one"))
		back()
		stage.NextPresence(t, slave, "alice", lectern.StateOnline)
		require.True(t, slave.Muted())
		quiet(t, slave)

		// A master's word waits for its connection, and comes in its order.
		u.CutOff()
		stage.NextPresence(t, slave, "alice", lectern.StateAway)
		stage.NextPresence(t, master, "alice", lectern.StateUnknown)
		all := stage.InBackground(func() (any, error) {
			for range 3 {
				if err := errors.Join(master.MuteAll(stage.Within(t)), master.UnmuteAll(stage.Within(t))); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		u.Bar(false)
		require.NoError(t, (<-all).Err)
		stage.NextPresence(t, slave, "alice", lectern.StateOnline)
		nextMutedOnly(t, slave, false, true, false, true, false)
		stage.NextPresence(t, master, "alice", lectern.StateOnline)
		stage.Say(t, slave, "at last")
		stage.NextText(t, master, "at last")
	})
}

// nextMutedOnly expects these changes, as the events tell them.
func nextMutedOnly(t *testing.T, slave *lectern.Slave, changes ...bool) {
	t.Helper()
	for _, on := range changes {
		require.Equal(t, lectern.Muted{On: on}, stage.Next(t, slave))
	}
}

// Who goes on by a ticket knows what is so; who switches is as the other channel has it.
func TestVoiceByATicketAndASwitch(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
		other := s.User().Creates("abc124", "bob")
		require.NoError(t, master.MuteAll(stage.Within(t)))
		nextMuted(t, slave, true)
		again, err := s.User().ResumeMaster(stage.Within(t), master.Ticket())
		require.NoError(t, err)
		require.True(t, again.AllMuted())
		slave, err = s.User().ResumeSlave(stage.Within(t), slave.Ticket())
		require.NoError(t, err)
		require.True(t, slave.Muted())
		require.NoError(t, again.Unmute(stage.Within(t), "user_one"))
		nextMuted(t, slave, false)
		require.NoError(t, again.Mute(stage.Within(t), "user_one"))
		nextMuted(t, slave, true)

		slave, err = slave.Switch(stage.Within(t), "abc124")
		require.NoError(t, err)
		require.False(t, slave.Muted())
		stage.NextPresence(t, other, "user_one", lectern.StateOnline)
		stage.Say(t, slave, "hello")
		stage.NextText(t, other, "hello")
		slave, err = slave.Switch(stage.Within(t), "abc123")
		require.NoError(t, err)
		require.True(t, slave.Muted())
		quiet(t, slave)
	})
}

// Who is muted is refused before the service is asked. What the service was being asked about when its
// sender was muted is refused too.
func TestTheServiceIsNotAskedAboutTheMuted(t *testing.T) {
	asked, may := make(chan string, 10), make(chan error)
	ledger := stage.NewLedger()
	policy := lectern.Policy{Observer: ledger, AuthorizeMessage: func(ctx context.Context, from lectern.Sender, message lectern.OutgoingMessage) error {
		if from.Master {
			return nil
		}
		asked <- message.Payload.Text()
		return <-may
	}}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		sent := stage.InBackground(func() (lectern.Receipt, error) { return slave.Send(stage.Within(t), lectern.Text("under way")) })
		require.Equal(t, "under way", <-asked)
		require.NoError(t, master.Mute(stage.Within(t), "user_one"))
		may <- nil
		require.ErrorIs(t, (<-sent).Err, lectern.ErrMuted)
		nextMuted(t, slave, true)
		quiet(t, slave)
		synctest.Wait()
		require.Empty(t, asked)
		require.NoError(t, master.Unmute(stage.Within(t), "user_one"))
		nextMuted(t, slave, false)
		sent = stage.InBackground(func() (lectern.Receipt, error) { return slave.Send(stage.Within(t), lectern.Text("again")) })
		require.Equal(t, "again", <-asked)
		may <- lectern.ErrForbidden.WithText("no")
		require.ErrorIs(t, (<-sent).Err, lectern.ErrForbidden)
		ledger.Has(t, map[string]int64{"refused muted": 3, "refused forbidden": 1})
	})
}
