package rules

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

func TestSwitchLeavesTheOldChannel(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, bob := s.User().Creates("abc123", "alice"), s.User().Creates("xyz", "bob")
		old := s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, alice, "user_one", lectern.StateOnline)

		slave, err := old.Switch(stage.Within(t), "xyz", lectern.WithMaster("bob"))
		require.NoError(t, err)
		require.Equal(t, "xyz", slave.Channel())
		require.Equal(t, "bob", slave.Master().Username)
		stage.Ended(t, old, lectern.ErrLeft)
		require.Equal(t, "left", stage.NextPresence(t, alice, "user_one", lectern.StateGone).Reason)
		stage.NextPresence(t, bob, "user_one", lectern.StateOnline)
		stage.Broadcast(t, bob, "welcome")
		stage.Receive(t, slave, "welcome")
		stage.Say(t, slave, "thanks")
		stage.NextText(t, bob, "thanks")
	})
}

func TestSwitchRefusedStays(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, bob := s.User().Creates("abc123", "alice"), s.User().Creates("xyz", "bob")
		slave := s.User().Joins("abc123", "user_one")
		s.User().Joins("xyz", "user_one")

		_, err := slave.Switch(stage.Within(t), "nowhere")
		require.ErrorIs(t, err, lectern.ErrNoSuchChannel)
		_, err = slave.Switch(stage.Within(t), "xyz", lectern.WithMaster("alice"))
		require.ErrorIs(t, err, lectern.ErrWrongMaster)
		_, err = slave.Switch(stage.Within(t), "xyz")
		require.ErrorIs(t, err, lectern.ErrNameTaken)
		require.NoError(t, bob.Ban(stage.Within(t), "user_one", ""))
		_, err = slave.Switch(stage.Within(t), "xyz")
		require.ErrorIs(t, err, lectern.ErrBanned)
		_, err = slave.Switch(stage.Within(t), "abc123")
		require.Error(t, err)

		require.NoError(t, slave.Err())
		stage.NextPresence(t, alice, "user_one", lectern.StateOnline)
		stage.Say(t, slave, "still here")
		stage.NextText(t, alice, "still here")
	})
}

// A connection that is full takes a switch all the same: it holds no more
// memberships after it than before.
func TestSwitchOnAFullConnection(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{MaxChannelsPerConnection: 1}, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		s.User().Creates("xyz", "bob")
		one := s.User()
		slave := one.Joins("abc123", "user_one")
		_, err := one.Join(stage.Within(t), "xyz", "user_one")
		require.ErrorIs(t, err, lectern.ErrTooManyChannels)
		slave, err = slave.Switch(stage.Within(t), "xyz")
		require.NoError(t, err)
		require.Equal(t, "bob", slave.Master().Username)
	})
}

func TestMasterOfOneAndSlaveOfAnother(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, bob := s.User(), s.User()
		aliceMaster, bobMaster := alice.Creates("a", "alice"), bob.Creates("b", "bob")
		aliceSlave, bobSlave := alice.Joins("b", "alice"), bob.Joins("a", "bob")
		stage.NextPresence(t, aliceMaster, "bob", lectern.StateOnline)
		stage.NextPresence(t, bobMaster, "alice", lectern.StateOnline)

		stage.Broadcast(t, aliceMaster, "from a")
		stage.Receive(t, bobSlave, "from a")
		stage.Say(t, aliceSlave, "from alice")
		stage.NextText(t, bobMaster, "from alice")

		// One membership ends, and the connection stays for the other.
		require.NoError(t, bobMaster.Close())
		stage.Ended(t, aliceSlave, lectern.ErrMasterLeft)
		stage.Say(t, bobSlave, "still here")
		stage.NextText(t, aliceMaster, "still here")
	})
}

func TestClosingAChannelEndsEverybody(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		one, two := s.User().Joins("abc123", "user_one"), s.User().Joins("abc123", "user_two")
		stage.Broadcast(t, master, "goodbye")
		require.NoError(t, master.Close())
		for _, slave := range []*lectern.Slave{one, two} {
			stage.NextText(t, slave, "goodbye")
			stage.NothingMore(t, slave, lectern.ErrMasterLeft)
			stage.Ended(t, slave, lectern.ErrMasterLeft)
			_, err := slave.Send(stage.Within(t), lectern.Text("?"))
			require.ErrorIs(t, err, lectern.ErrMasterLeft)
		}
		stage.Ended(t, master, lectern.ErrLeft)
		_, err := master.Broadcast(stage.Within(t), lectern.Text("?"))
		require.ErrorIs(t, err, lectern.ErrLeft)
		s.User().Creates("abc123", "bob") // the name is free
	})
}

func TestServiceClosesAChannel(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		channel, exists := s.Hub.Channel("abc123")
		require.True(t, exists)
		require.Equal(t, "abc123", channel.Name())
		require.NoError(t, channel.Close("maintenance"))
		require.NoError(t, channel.Close("twice"))
		stage.Ended(t, slave, lectern.ErrChannelClosed)
		stage.Ended(t, master, lectern.ErrChannelClosed)
		require.ErrorContains(t, slave.Err(), "maintenance")
		_, exists = s.Hub.Channel("abc123")
		require.False(t, exists)
	})
}

func TestKickAndBan(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		one := s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		require.NoError(t, master.Kick(stage.Within(t), "user_one", "too loud"))
		stage.Ended(t, one, lectern.ErrKicked)
		require.ErrorContains(t, one.Err(), "too loud")
		require.Equal(t, "too loud", stage.NextPresence(t, master, "user_one", lectern.StateGone).Reason)
		require.ErrorIs(t, master.Kick(stage.Within(t), "user_one", ""), lectern.ErrNoSuchSlave)
		require.ErrorIs(t, master.Kick(stage.Within(t), "alice", ""), lectern.ErrNoSuchSlave)

		// A kick must not be undone by the secret.
		_, err := s.User().ResumeSlave(stage.Within(t), one.Ticket())
		require.ErrorIs(t, err, lectern.ErrResumeFailed)

		one = s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		require.NoError(t, master.Ban(stage.Within(t), "user_one", ""))
		stage.Ended(t, one, lectern.ErrKicked)
		require.Equal(t, "kicked", stage.NextPresence(t, master, "user_one", lectern.StateGone).Reason)
		_, err = s.User().Join(stage.Within(t), "abc123", "user_one")
		require.ErrorIs(t, err, lectern.ErrBanned)
		require.NoError(t, master.Ban(stage.Within(t), "user_two", ""))
		_, err = s.User().Join(stage.Within(t), "abc123", "user_two")
		require.ErrorIs(t, err, lectern.ErrBanned)
		require.Empty(t, master.Members())
	})
}

func TestSlaveLeaves(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		one := s.User()
		slave := one.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		stage.Say(t, slave, "bye")
		require.NoError(t, slave.Leave())
		stage.Ended(t, slave, lectern.ErrLeft)
		stage.NextText(t, master, "bye")
		require.Equal(t, "left", stage.NextPresence(t, master, "user_one", lectern.StateGone).Reason)

		// The client's Close leaves all of its channels on purpose too.
		one.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		require.NoError(t, one.Close())
		require.Equal(t, "left", stage.NextPresence(t, master, "user_one", lectern.StateGone).Reason)
		_, err := master.Send(stage.Within(t), "user_one", lectern.Text("?"))
		require.ErrorIs(t, err, lectern.ErrNoSuchSlave)
	})
}

// A slave that does not come back in time has left, and is told so.
func TestSlaveTimeout(t *testing.T) {
	policy := lectern.Policy{SlaveTimeout: 10 * time.Second}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		one := s.User()
		slave := one.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		lost := time.Now()
		one.CutOff()
		require.Equal(t, lost, stage.NextPresence(t, master, "user_one", lectern.StateAway).Since)
		require.Equal(t, lectern.StateAway, master.Members()[0].State)
		_, err := s.User().Join(stage.Within(t), "abc123", "user_one")
		require.ErrorIs(t, err, lectern.ErrNameTaken)

		gone := stage.NextPresence(t, master, "user_one", lectern.StateGone)
		require.Equal(t, "timeout", gone.Reason)
		require.Equal(t, lost.Add(10*time.Second), gone.Since)
		require.Empty(t, master.Members())
		one.Bar(false)
		stage.Ended(t, slave, lectern.ErrResumeFailed)
	})
}

func TestPayloads(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		type question struct{ Number int }
		large := strings.Repeat("x", 64<<10)
		payloads := []lectern.Payload{
			lectern.Text(""), lectern.Text("\ufeffhello\x00"), lectern.JSON(question{7}), lectern.Bytes([]byte{0, 255, 16}),
			lectern.Bytes(nil), lectern.Text(large), {},
		}
		for _, payload := range payloads {
			_, err := master.Broadcast(stage.Within(t), payload)
			require.NoError(t, err)
			got, err := slave.Receive(stage.Within(t))
			require.NoError(t, err)
			require.Equal(t, payload.Kind(), got.Kind())
			require.Equal(t, payload.Text(), got.Text())
		}
		for _, bad := range []lectern.Payload{lectern.Text("\xff"), lectern.JSON(make(chan int)), lectern.Text(large + "x")} {
			_, err := master.Broadcast(stage.Within(t), bad)
			require.Error(t, err)
			require.NotErrorIs(t, err, lectern.ErrSendUnknown)
		}
		stage.Broadcast(t, master, "the end")
		stage.Receive(t, slave, "the end")
	})
}

// A create that its connection sends again is answered again, and is not refused for what
// it has created itself.
func TestRule7CreateRepeatedByItsConnection(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.Raw()
		alice.Send(stage.AliceCreates, stage.AliceCreates)
		alice.Expect(stage.AliceCreated)
		secret := alice.Secret
		alice.Expect(stage.AliceCreated)
		require.Equal(t, secret, alice.Secret)

		one := s.User().Joins("abc123", "user_one")
		alice.Expect(stage.OneOnline)
		alice.Send(stage.AliceCreates)
		alice.Expect(strings.TrimSuffix(stage.AliceCreated, "}") + `,"members":[{"username":"user_one","state":"online","number":1}]}`)
		require.Equal(t, secret, alice.Secret)
		s.Raw().Refused(stage.AliceCreates, lectern.ErrChannelExists)

		alice.Send(`{"type":"send","ref":2,"channel":"abc123","text":"hello"}`)
		stage.Receive(t, one, "hello")
	})
}
