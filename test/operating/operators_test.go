package operating

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

func TestSnapshots(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		_, master, users, slaves := s.Class(3)
		s.User().Creates("a second one", "bob", lectern.WithMasterTimeout(7*time.Second))
		names := []string{}
		for channel := range s.Channels() {
			names = append(names, channel.Name())
		}
		if s.OfCluster() { // each hub lists those that it owns
			slices.Sort(names)
		}
		require.Equal(t, []string{"a second one", "abc123"}, names)
		for channel := range s.Channels() {
			require.True(t, s.OfCluster() || channel.Name() == "a second one")
			break
		}

		stage.Broadcast(t, master, "hello")
		stage.Say(t, slaves[0], "hi")
		stage.Tell(t, master, "user_1", "you")
		require.NoError(t, master.Ban(stage.Within(t), "user_9", ""))
		go func() { _, _ = master.Request(stage.Within(t), "user_0", lectern.Text("ready?")) }()
		go func() { _, _ = slaves[1].Request(stage.Within(t), lectern.Text("may I?")) }()
		synctest.Wait()
		users[2].CutOff()
		synctest.Wait()

		channel, ok := s.Hub.Channel("abc123")
		require.True(t, ok)
		shot, ok := channel.Snapshot()
		require.True(t, ok)
		require.Equal(t, lectern.ChannelSnapshot{
			Name: "abc123", MasterTimeout: 30 * time.Second, MaxSlaves: 20_000,
			Master: lectern.MemberSnapshot{Username: "alice", State: lectern.StateOnline, Epoch: 1},
			Slaves: []lectern.MemberSnapshot{
				{Username: "user_0", State: lectern.StateOnline, Epoch: 1},
				{Username: "user_1", State: lectern.StateOnline, Epoch: 1, OpenRequests: 1},
				{Username: "user_2", State: lectern.StateAway, Epoch: 1, Deadline: time.Now().Add(30 * time.Second)},
			},
			MasterMessages: 3, SlaveMessages: 2, Kept: shot.Kept, Banned: 1, Door: lectern.DoorOpen, OpenRequests: 1,
		}, shot)
		require.Equal(t, 5, shot.Kept.Messages)
		require.NotZero(t, shot.Kept.Bytes)

		require.NoError(t, channel.Close("maintenance"))
		stage.Ended(t, master, lectern.ErrChannelClosed)
		require.ErrorContains(t, master.Err(), "maintenance")
		stage.Ended(t, slaves[0], lectern.ErrChannelClosed)
		_, ok = channel.Snapshot()
		require.False(t, ok)
		require.Len(t, slices.Collect(s.Channels()), 1)
	})
}

// Row G13: the service ends one membership, as its master would.
func TestServiceKicks(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, one := s.User().Creates("abc123", "alice"), s.User()
		slave := one.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		channel, ok := s.Hub.Channel("abc123")
		require.True(t, ok)
		require.NoError(t, channel.Kick("user_one", "the token was revoked"))
		stage.Ended(t, slave, lectern.ErrKicked)
		require.ErrorContains(t, slave.Err(), "the token was revoked")
		require.Equal(t, "the token was revoked", stage.NextPresence(t, master, "user_one", lectern.StateGone).Reason)
		require.ErrorIs(t, channel.Kick("user_one", ""), lectern.ErrNoSuchSlave)
		require.ErrorIs(t, channel.Ban("alice", ""), lectern.ErrNoSuchSlave, "never the master")
		require.NoError(t, channel.Ban("user_one", ""))
		_, err := one.Join(stage.Within(t), "abc123", "user_one")
		require.ErrorIs(t, err, lectern.ErrBanned)
		require.NoError(t, master.Close())
		require.ErrorIs(t, channel.Kick("user_one", ""), lectern.ErrNoSuchChannel)
	})
}

func TestSnapshotTellsWhatWaits(t *testing.T) {
	stage.OneHub(t, "what waits for a slave is known at its own hub")
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		s.Stalled(master)
		for range 100 {
			stage.Broadcast(t, master, stage.Bulk)
		}
		synctest.Wait()
		channel, _ := s.Hub.Channel("abc123")
		shot, _ := channel.Snapshot()
		require.Greater(t, shot.Slaves[0].Queued.Messages, 10)
		require.Greater(t, shot.Slaves[0].Queued.Bytes, 10*len(stage.Bulk))
		require.Zero(t, shot.Master.Queued)
	})
}

// A channel is one handle, however it is found.
func TestChannelIsOneHandle(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		channel, exists := s.Hub.Channel("abc123")
		require.True(t, exists)
		again, _ := s.Hub.Channel("abc123")
		require.Same(t, channel, again)
		for found := range s.Hub.Channels() {
			require.Same(t, channel, found)
		}
		none, exists := s.Hub.Channel("another")
		require.False(t, exists)
		require.Nil(t, none)
	})
}
