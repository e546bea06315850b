package rules

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// Who sends is told the message's number, and a master to how many slaves that are connected it
// was queued.
func TestReceipts(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		_, master, users, slaves := s.Class(3)
		payload := lectern.Text("hello")
		is := func(seq uint64, slaves int) func(lectern.Receipt, error) {
			return func(receipt lectern.Receipt, err error) {
				t.Helper()
				require.NoError(t, err)
				require.Equal(t, lectern.Receipt{Seq: seq, Slaves: slaves}, receipt)
			}
		}
		is(1, 3)(master.Broadcast(stage.Within(t), payload))
		users[2].CutOff()
		stage.NextPresence(t, master, "user_2", lectern.StateAway)
		is(2, 2)(master.Broadcast(stage.Within(t), payload))
		is(3, 1)(master.Send(stage.Within(t), "user_0", payload))
		is(4, 0)(master.Send(stage.Within(t), "user_2", payload))

		is(1, 0)(slaves[0].Send(stage.Within(t), payload))
		asked := stage.InBackground(func() (lectern.Message, error) { return slaves[0].Request(stage.Within(t), payload) })
		stage.NextText(t, master, "hello")
		is(5, 1)(master.Reply(stage.Within(t), stage.NextText(t, master, "hello"), payload))
		require.NoError(t, (<-asked).Err)
		users[2].Bar(false)
		require.NoError(t, slaves[1].Leave())
		gone := false
		for range 2 { // in one order or the other
			gone = stage.Next(t, master).(lectern.Presence).State == lectern.StateGone || gone
		}
		require.True(t, gone)
		is(6, 2)(master.Broadcast(stage.Within(t), payload))

		_, err := master.Send(stage.Within(t), "nobody", payload)
		require.ErrorIs(t, err, lectern.ErrNoSuchSlave)
	})
}

// A master tells who is new from who is back: when it is told one by one, and when it was away
// and is told a list.
func TestJoinedTellsNewFromBack(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		isNew := func(name string, state lectern.State, joined bool) {
			t.Helper()
			require.Equal(t, joined, stage.NextPresence(t, master, name, state).Joined, "%s is new", name)
		}
		members := func(joined ...bool) {
			t.Helper()
			var got []bool
			for _, p := range master.Members() {
				got = append(got, p.Joined)
			}
			require.Equal(t, joined, got)
		}
		one, two := s.User(), s.User()
		one.Joins("abc123", "one")
		isNew("one", lectern.StateOnline, true)
		second := two.Joins("abc123", "two")
		isNew("two", lectern.StateOnline, true)
		members(true, true)
		one.CutOff()
		isNew("one", lectern.StateAway, false)
		one.Bar(false)
		isNew("one", lectern.StateOnline, false)
		members(false, true)

		alice.CutOff()
		isNew("alice", lectern.StateUnknown, false)
		require.NoError(t, second.Leave())
		two.Joins("abc123", "two")
		s.User().Joins("abc123", "three")
		alice.Bar(false)
		isNew("alice", lectern.StateOnline, false)
		isNew("three", lectern.StateOnline, true)
		isNew("two", lectern.StateGone, false)
		isNew("two", lectern.StateOnline, true)
		members(false, true, true)

		// Whoever goes on by a ticket does not know who was there.
		var err error
		master, err = s.User().ResumeMaster(stage.Within(t), master.Ticket())
		require.NoError(t, err)
		for range 3 {
			require.False(t, stage.Next(t, master).(lectern.Presence).Joined)
		}
		members(false, false, false)
		s.User().Joins("abc123", "four")
		isNew("four", lectern.StateOnline, true)
	})
}
