package lectern_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

func TestSwitchLeavesTheOldChannel(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice, bob := s.user().create("abc123", "alice"), s.user().create("xyz", "bob")
		old := s.user().join("abc123", "user_one")
		nextPresence(t, alice, "user_one", lectern.Online)

		slave, err := old.Switch(within(t), "xyz", lectern.WithMaster("bob"))
		require.NoError(t, err)
		require.Equal(t, "xyz", slave.Channel())
		require.Equal(t, "bob", slave.Master().Username)
		ended(t, old, lectern.ErrLeft)
		require.Equal(t, "left", nextPresence(t, alice, "user_one", lectern.Gone).Reason)
		nextPresence(t, bob, "user_one", lectern.Online)
		broadcast(t, bob, "welcome")
		receive(t, slave, "welcome")
		say(t, slave, "thanks")
		nextText(t, bob, "thanks")
	})
}

func TestSwitchRefusedStays(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice, bob := s.user().create("abc123", "alice"), s.user().create("xyz", "bob")
		slave := s.user().join("abc123", "user_one")
		s.user().join("xyz", "user_one")

		_, err := slave.Switch(within(t), "nowhere")
		require.ErrorIs(t, err, lectern.ErrNoSuchChannel)
		_, err = slave.Switch(within(t), "xyz", lectern.WithMaster("alice"))
		require.ErrorIs(t, err, lectern.ErrWrongMaster)
		_, err = slave.Switch(within(t), "xyz")
		require.ErrorIs(t, err, lectern.ErrNameTaken)
		require.NoError(t, bob.Ban(within(t), "user_one", ""))
		_, err = slave.Switch(within(t), "xyz")
		require.ErrorIs(t, err, lectern.ErrBanned)
		_, err = slave.Switch(within(t), "abc123")
		require.Error(t, err)

		require.NoError(t, slave.Err())
		nextPresence(t, alice, "user_one", lectern.Online)
		say(t, slave, "still here")
		nextText(t, alice, "still here")
	})
}

// A connection that is full takes a switch all the same: it holds no more
// memberships after it than before.
func TestSwitchOnAFullConnection(t *testing.T) {
	inVirtualTime(t, lectern.Policy{MaxChannelsPerConn: 1}, func(t *testing.T, s *stage) {
		s.user().create("abc123", "alice")
		s.user().create("xyz", "bob")
		one := s.user()
		slave := one.join("abc123", "user_one")
		_, err := one.Join(within(t), "xyz", "user_one")
		require.ErrorIs(t, err, lectern.ErrTooManyChannels)
		slave, err = slave.Switch(within(t), "xyz")
		require.NoError(t, err)
		require.Equal(t, "bob", slave.Master().Username)
	})
}

func TestMasterOfOneAndSlaveOfAnother(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice, bob := s.user(), s.user()
		aliceMaster, bobMaster := alice.create("a", "alice"), bob.create("b", "bob")
		aliceSlave, bobSlave := alice.join("b", "alice"), bob.join("a", "bob")
		nextPresence(t, aliceMaster, "bob", lectern.Online)
		nextPresence(t, bobMaster, "alice", lectern.Online)

		broadcast(t, aliceMaster, "from a")
		receive(t, bobSlave, "from a")
		say(t, aliceSlave, "from alice")
		nextText(t, bobMaster, "from alice")

		// One membership ends, and the connection stays for the other.
		require.NoError(t, bobMaster.Close())
		ended(t, aliceSlave, lectern.ErrMasterLeft)
		say(t, bobSlave, "still here")
		nextText(t, aliceMaster, "still here")
	})
}

func TestClosingAChannelEndsEverybody(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		one, two := s.user().join("abc123", "user_one"), s.user().join("abc123", "user_two")
		broadcast(t, master, "goodbye")
		require.NoError(t, master.Close())
		for _, slave := range []*lectern.Slave{one, two} {
			nextText(t, slave, "goodbye")
			nothingMore(t, slave, lectern.ErrMasterLeft)
			ended(t, slave, lectern.ErrMasterLeft)
			_, err := slave.Send(within(t), lectern.Text("?"))
			require.ErrorIs(t, err, lectern.ErrMasterLeft)
		}
		ended(t, master, lectern.ErrLeft)
		_, err := master.Broadcast(within(t), lectern.Text("?"))
		require.ErrorIs(t, err, lectern.ErrLeft)
		s.user().create("abc123", "bob") // the name is free
	})
}

func TestServiceClosesAChannel(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		slave := s.user().join("abc123", "user_one")
		channel, exists := s.hub.Channel("abc123")
		require.True(t, exists)
		require.Equal(t, "abc123", channel.Name())
		require.NoError(t, channel.Close("maintenance"))
		require.NoError(t, channel.Close("twice"))
		ended(t, slave, lectern.ErrChannelClosed)
		ended(t, master, lectern.ErrChannelClosed)
		require.ErrorContains(t, slave.Err(), "maintenance")
		_, exists = s.hub.Channel("abc123")
		require.False(t, exists)
	})
}

func TestKickAndBan(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		one := s.user().join("abc123", "user_one")
		nextPresence(t, master, "user_one", lectern.Online)
		require.NoError(t, master.Kick(within(t), "user_one", "too loud"))
		ended(t, one, lectern.ErrKicked)
		require.ErrorContains(t, one.Err(), "too loud")
		require.Equal(t, "too loud", nextPresence(t, master, "user_one", lectern.Gone).Reason)
		require.ErrorIs(t, master.Kick(within(t), "user_one", ""), lectern.ErrNoSuchSlave)
		require.ErrorIs(t, master.Kick(within(t), "alice", ""), lectern.ErrNoSuchSlave)

		// A kick must not be undone by the secret.
		_, err := s.user().ResumeSlave(within(t), one.Ticket())
		require.ErrorIs(t, err, lectern.ErrResumeFailed)

		one = s.user().join("abc123", "user_one")
		nextPresence(t, master, "user_one", lectern.Online)
		require.NoError(t, master.Ban(within(t), "user_one", ""))
		ended(t, one, lectern.ErrKicked)
		require.Equal(t, "kicked", nextPresence(t, master, "user_one", lectern.Gone).Reason)
		_, err = s.user().Join(within(t), "abc123", "user_one")
		require.ErrorIs(t, err, lectern.ErrBanned)
		require.NoError(t, master.Ban(within(t), "user_two", ""))
		_, err = s.user().Join(within(t), "abc123", "user_two")
		require.ErrorIs(t, err, lectern.ErrBanned)
		require.Empty(t, master.Members())
	})
}

func TestSlaveLeaves(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		one := s.user()
		slave := one.join("abc123", "user_one")
		nextPresence(t, master, "user_one", lectern.Online)
		say(t, slave, "bye")
		require.NoError(t, slave.Close())
		ended(t, slave, lectern.ErrLeft)
		nextText(t, master, "bye")
		require.Equal(t, "left", nextPresence(t, master, "user_one", lectern.Gone).Reason)

		// The client's Close leaves all of its channels on purpose too.
		one.join("abc123", "user_one")
		nextPresence(t, master, "user_one", lectern.Online)
		require.NoError(t, one.Close())
		require.Equal(t, "left", nextPresence(t, master, "user_one", lectern.Gone).Reason)
		_, err := master.Send(within(t), "user_one", lectern.Text("?"))
		require.ErrorIs(t, err, lectern.ErrNoSuchSlave)
	})
}

// A slave that does not come back in time has left, and is told so.
func TestSlaveTimeout(t *testing.T) {
	policy := lectern.Policy{SlaveTimeout: 10 * time.Second}
	inVirtualTime(t, policy, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		one := s.user()
		slave := one.join("abc123", "user_one")
		nextPresence(t, master, "user_one", lectern.Online)
		lost := time.Now()
		one.cutOff()
		require.Equal(t, lost, nextPresence(t, master, "user_one", lectern.Away).Since)
		require.Equal(t, lectern.Away, master.Members()[0].State)
		_, err := s.user().Join(within(t), "abc123", "user_one")
		require.ErrorIs(t, err, lectern.ErrNameTaken)

		gone := nextPresence(t, master, "user_one", lectern.Gone)
		require.Equal(t, "timeout", gone.Reason)
		require.Equal(t, lost.Add(10*time.Second), gone.Since)
		require.Empty(t, master.Members())
		one.bar(false)
		ended(t, slave, lectern.ErrResumeFailed)
	})
}

func TestPayloads(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		slave := s.user().join("abc123", "user_one")
		type question struct{ Number int }
		large := strings.Repeat("x", 64<<10)
		payloads := []lectern.Payload{
			lectern.Text(""), lectern.Text("\ufeffhello\x00"), lectern.JSON(question{7}), lectern.Bytes([]byte{0, 255, 16}),
			lectern.Bytes(nil), lectern.Text(large), {},
		}
		for _, payload := range payloads {
			_, err := master.Broadcast(within(t), payload)
			require.NoError(t, err)
			got, err := slave.Receive(within(t))
			require.NoError(t, err)
			require.Equal(t, payload.Kind(), got.Kind())
			require.Equal(t, payload.Text(), got.Text())
		}
		for _, bad := range []lectern.Payload{lectern.Text("\xff"), lectern.JSON(make(chan int)), lectern.Text(large + "x")} {
			_, err := master.Broadcast(within(t), bad)
			require.Error(t, err)
			require.NotErrorIs(t, err, lectern.ErrSendUnknown)
		}
		broadcast(t, master, "the end")
		receive(t, slave, "the end")
	})
}
