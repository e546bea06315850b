package door

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// At most 256 wait for one channel, and the next one is refused until one has gone.
func TestWhoWaitsForAChannelIsBounded(t *testing.T) {
	stage.OneHub(t, "so many wait for a channel at each hub")
	stage.InBubble(t, lectern.Policy{MembershipRate: lectern.RateLimit{PerSecond: -1}, FrameRate: lectern.RateLimit{PerSecond: -1}}, func(t *testing.T, s *stage.Stage) {
		var peers []*stage.Raw
		for i := range 256 {
			peer := s.Raw()
			peer.Send(fmt.Sprintf(`{"type":"join","ref":1,"channel":"abc123","username":"n%d","wait":true}`, i))
			peer.Expect(`{"type":"waiting","ref":1,"channel":"abc123","for":"master"}`)
			peers = append(peers, peer)
		}
		more := s.Raw()
		more.Refused(`{"type":"join","ref":1,"channel":"abc123","username":"more","wait":true}`, lectern.ErrBusy)
		peers[7].Send(`{"type":"leave","ref":2,"channel":"abc123"}`)
		peers[7].Expect(`{"type":"left","ref":1,"channel":"abc123"}`, `{"type":"left","ref":2,"channel":"abc123"}`)
		more.Send(`{"type":"join","ref":2,"channel":"abc123","username":"more","wait":true}`)
		more.Expect(`{"type":"waiting","ref":2,"channel":"abc123","for":"master"}`)
		master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		more.Expect(`{"type":"waiting","ref":2,"channel":"abc123","master":{"username":"alice","state":"online"},"for":"door"}`)
		require.Len(t, shot(t, s).Slaves, 0)
		require.Equal(t, 256, shot(t, s).Waiting)
		_, err := s.User().Join(stage.Within(t), "abc123", "bob")
		require.ErrorIs(t, err, lectern.ErrBusy)
		require.NoError(t, master.SetDoor(stage.Within(t), lectern.DoorOpen))
		more.Expect(`{"type":"joined","ref":2,"channel":"abc123","username":"more","resume":"*","epoch":1,"master":{"username":"alice","state":"online"},"master_timeout_ms":30000}`)
		require.Len(t, shot(t, s).Slaves, 256)
	})
}

func shot(t *testing.T, s *stage.Stage) lectern.ChannelSnapshot {
	channel, exists := s.Hub.Channel("abc123")
	require.True(t, exists)
	shot, _ := channel.Snapshot()
	return shot
}

// At most 10,000 wait at a hub, for channels and at doors together.
func TestWhoWaitsAtAHubIsBounded(t *testing.T) {
	stage.OneHub(t, "so many wait at each hub")
	policy := lectern.Policy{
		MaxChannelsPerConnection: -1, MembershipRate: lectern.RateLimit{PerSecond: -1}, FrameRate: lectern.RateLimit{PerSecond: -1}, MaxHandshakeBytes: -1,
	}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		peer := s.Raw()
		peer.Send(`{"type":"join","ref":1,"channel":"abc123","username":"bob"}`)
		peer.Expect(`{"type":"waiting","ref":1,"channel":"abc123","master":{"username":"alice","state":"online"},"for":"door"}`)
		for i := range 9999 {
			peer.Send(fmt.Sprintf(`{"type":"join","ref":%d,"channel":"c%d","username":"bob","wait":true}`, i+2, i))
			peer.Expect(fmt.Sprintf(`{"type":"waiting","ref":%d,"channel":"c%d","for":"master"}`, i+2, i))
		}
		more := s.Raw()
		more.Refused(`{"type":"join","ref":1,"channel":"more","username":"bob","wait":true}`, lectern.ErrBusy)
		more.Refused(`{"type":"join","ref":2,"channel":"abc123","username":"eve"}`, lectern.ErrBusy)
		require.Len(t, master.Knocks(), 1)
		require.NoError(t, master.Deny(stage.Within(t), 1, ""))
		more.Send(`{"type":"join","ref":3,"channel":"abc123","username":"eve"}`)
		more.Expect(`{"type":"waiting","ref":3,"channel":"abc123","master":{"username":"alice","state":"online"},"for":"door"}`)
	})
}

// Where as many wait as may, at one door or at the hub, that is told to who would wait too, and to nobody else: others
// come, go, come back and talk as ever, in the same channel and elsewhere.
func TestNobodyElseNoticesThatTooManyWait(t *testing.T) {
	stage.OneHub(t, "so many wait at each hub")
	policy := lectern.Policy{
		MaxChannelsPerConnection: -1, MembershipRate: lectern.RateLimit{PerSecond: -1}, FrameRate: lectern.RateLimit{PerSecond: -1}, MaxHandshakeBytes: -1,
	}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		master, inside := s.User().Creates("abc123", "alice"), s.User()
		one := inside.Joins("abc123", "one")
		stage.NextPresence(t, master, "one", lectern.StateOnline)
		open := s.User().Creates("open", "bob")
		require.NoError(t, master.SetDoor(stage.Within(t), lectern.DoorKnock))
		many := s.Raw()
		waits := func(ref int, channel, username string) {
			many.Send(fmt.Sprintf(`{"type":"join","ref":%d,"channel":%q,"username":%q,"wait":true}`, ref, channel, username))
			_, err := many.Read()
			require.NoError(t, err)
		}
		others := func(round int) {
			began := time.Now()
			_, err := s.User().Join(stage.Within(t), "none", "eve")
			require.ErrorIs(t, err, lectern.ErrNoSuchChannel)
			name := fmt.Sprint("guest ", round)
			slave := s.User().Joins("open", name)
			stage.NextPresence(t, open, name, lectern.StateOnline)
			stage.Say(t, slave, "hello")
			stage.NextText(t, open, "hello")
			require.NoError(t, slave.Leave())
			stage.NextPresence(t, open, name, lectern.StateGone)
			require.NoError(t, s.User().Creates(name, "eve").Close())
			stage.Say(t, one, "still here")
			stage.NextText(t, master, "still here")
			require.Equal(t, began, time.Now(), "somebody was held up")
			inside.Plug().Cut()
			stage.NextPresence(t, master, "one", lectern.StateAway)
			stage.NextPresence(t, master, "one", lectern.StateOnline)
		}

		// At one door.
		var at []*stage.Raw
		for i := range 256 {
			peer := s.Raw()
			peer.Send(fmt.Sprintf(`{"type":"join","ref":1,"channel":"abc123","username":"n%d"}`, i))
			peer.Expect(`{"type":"waiting","ref":1,"channel":"abc123","master":{"username":"alice","state":"online"},"for":"door"}`)
			knocks(t, master, fmt.Sprint("n", i))
			at = append(at, peer)
		}
		_, err := s.User().Join(stage.Within(t), "abc123", "more")
		require.ErrorIs(t, err, lectern.ErrBusy)
		others(1)
		require.NoError(t, open.SetDoor(stage.Within(t), lectern.DoorKnock))
		elsewhere := joins(t, s.User(), "open", "somebody")
		knock := knocks(t, open, "somebody")
		require.NoError(t, open.Admit(stage.Within(t), knock.Number))
		elsewhere.in()
		over(t, open, knock)
		stage.NextPresence(t, open, "somebody", lectern.StateOnline)
		require.NoError(t, open.SetDoor(stage.Within(t), lectern.DoorOpen))

		// At the hub.
		for i := range 10_000 - 256 {
			waits(i+1, fmt.Sprint("c", i), "bob")
		}
		_, err = s.User().Join(stage.Within(t), "late", "more", lectern.WithWait())
		require.ErrorIs(t, err, lectern.ErrBusy)
		others(2)
		require.NoError(t, open.SetDoor(stage.Within(t), lectern.DoorKnock))
		_, err = s.User().Join(stage.Within(t), "open", "more")
		require.ErrorIs(t, err, lectern.ErrBusy)
		waits(20_000, "c7", "bob") // it waits already
		require.Equal(t, 256, shot(t, s).Waiting)

		// Whoever is let in, or goes, makes room for one.
		require.NoError(t, master.Admit(stage.Within(t), 1))
		at[0].Expect(`{"type":"joined","ref":1,"channel":"abc123","username":"n0","resume":"*","epoch":1,"master":{"username":"alice","state":"online"},"master_timeout_ms":30000}`)
		late := joins(t, s.User(), "late", "more", lectern.WithWait())
		late.waits(lectern.WaitingForMaster)
		_, err = s.User().Join(stage.Within(t), "later", "more", lectern.WithWait())
		require.ErrorIs(t, err, lectern.ErrBusy)
		many.Plug.Cut()
		synctest.Wait()
		later := joins(t, s.User(), "later", "more", lectern.WithWait())
		later.waits(lectern.WaitingForMaster)
	})
}

// What a connection waits for counts among its memberships, but that one switches.
func TestWaitsCountAmongTheMemberships(t *testing.T) {
	stage.InBubble(t, lectern.Policy{MaxChannelsPerConnection: 2}, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		s.User().Creates("open", "alice")
		peer := s.Raw()
		peer.Send(`{"type":"join","ref":1,"channel":"abc123","username":"bob"}`)
		peer.Expect(`{"type":"waiting","ref":1,"channel":"abc123","master":{"username":"alice","state":"online"},"for":"door"}`)
		peer.Send(`{"type":"join","ref":2,"channel":"none","username":"bob","wait":true}`)
		peer.Expect(`{"type":"waiting","ref":2,"channel":"none","for":"master"}`)
		peer.Refused(`{"type":"join","ref":3,"channel":"open","username":"bob"}`, lectern.ErrTooManyChannels)
		peer.Refused(`{"type":"join","ref":4,"channel":"other","username":"bob","wait":true}`, lectern.ErrTooManyChannels)
		peer.Send(`{"type":"leave","ref":5,"channel":"abc123"}`)
		peer.Expect(`{"type":"left","ref":1,"channel":"abc123"}`, `{"type":"left","ref":5,"channel":"abc123"}`)
		peer.Send(`{"type":"join","ref":6,"channel":"open","username":"bob"}`)
		_, err := peer.Read()
		require.NoError(t, err)
		peer.Refused(`{"type":"join","ref":7,"channel":"abc123","username":"bob"}`, lectern.ErrTooManyChannels)
		peer.Send(`{"type":"join","ref":8,"channel":"abc123","username":"bob","from":"open"}`)
		peer.Expect(`{"type":"waiting","ref":8,"channel":"abc123","master":{"username":"alice","state":"online"},"for":"door"}`)
	})
}

// Every field of what is about the door is wrong once, and is refused by its name.
func TestWhatIsWrongIsNamed(t *testing.T) {
	deep := strings.Repeat("[", 61) + strings.Repeat("]", 61)
	tests := []struct{ frame, code, names string }{
		{`{"type":"door","ref":%d,"channel":"abc123"}`, "bad_frame", "door: required"},
		{`{"type":"door","ref":%d,"channel":"abc123","door":"ajar"}`, "bad_frame", "door: none of"},
		{`{"type":"door","ref":%d,"door":"open"}`, "bad_frame", "channel: required"},
		{`{"type":"admit","ref":%d,"channel":"abc123"}`, "bad_frame", "knock: required"},
		{`{"type":"admit","ref":%d,"channel":"abc123","knock":0}`, "bad_frame", "knock: not a whole number from 1"},
		{`{"type":"admit","ref":%d,"channel":"abc123","knock":7}`, "no_such_slave", "number 7"},
		{`{"type":"deny","ref":%d,"channel":"abc123","knock":7}`, "no_such_slave", "number 7"},
		{`{"type":"deny","ref":%d,"channel":"abc123","knock":1,"reason":7}`, "bad_frame", "reason: not a string"},
		{`{"type":"create","ref":%d,"channel":"new","username":"two","door":7}`, "bad_frame", "door: none of"},
		{`{"type":"join","ref":%d,"channel":"abc123","username":"two","wait":"yes"}`, "bad_frame", "wait: neither"},
		{`{"type":"join","ref":%d,"channel":"abc123","username":"two","attributes":{"k":{"data":` + deep + `}}}`, "bad_frame", "attributes: "},
		{`{"type":"waiting","ref":%d,"channel":"abc123","for":"door"}`, "bad_frame", "sent by hubs alone"},
		{`{"type":"knock","ref":%d,"channel":"abc123","username":"x","knock":1,"on":true}`, "bad_frame", "sent by hubs alone"},
	}
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		alice.Send(`{"type":"door","ref":1000,"channel":"abc123","door":"knock"}`)
		alice.Expect(`{"type":"ack","ref":1000}`)
		two := s.Raw()
		for i, test := range tests {
			peer := alice
			if strings.Contains(test.frame, `"username"`) {
				peer = two
			}
			got := peer.Answer(fmt.Sprintf(test.frame, i+2))
			require.Contains(t, got, fmt.Sprintf(`{"type":"error","ref":%d,`, i+2), test.frame)
			require.Contains(t, got, `"code":"`+test.code+`"`, "%s: %s", test.frame, got)
			require.Contains(t, got, test.names, test.frame)
			peer.Send(fmt.Sprintf(`{"type":"ping","ref":%d}`, i+2))
			peer.Expect(fmt.Sprintf(`{"type":"pong","ref":%d}`, i+2))
		}
		for _, frame := range []string{`{"type":"door","ref":5,"channel":"abc123","door":"open"}`, `{"type":"admit","ref":6,"channel":"abc123","knock":1}`, `{"type":"deny","ref":7,"channel":"abc123","knock":1}`} {
			one.Refused(frame, lectern.ErrForbidden)
		}
	})
}
