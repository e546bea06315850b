package handover

import (
	"context"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// Who waits to leave the channel for another one is not made its master, also where it has resumed here since: it would
// have switched, and be thrown out of the other one.
func TestWhoHasResumedWhileItWaitsToSwitch(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		other := s.User().Creates("second", "carol", lectern.WithDoor(lectern.DoorKnock))
		one := s.Raw()
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		one.Send(`{"type":"join","ref":2,"channel":"second","username":"user_one","from":"abc123"}`)
		one.Expect(`{"type":"waiting","ref":2,"channel":"second","master":{"username":"carol","state":"online"},"for":"door"}`)
		one.Send(`{"type":"resume","ref":3,"channel":"abc123","username":"user_one","resume":"` + one.Secret + `"}`)
		one.Expect(stage.OneResumed(3))
		channel, _ := s.Hub.Channel("abc123")
		require.ErrorIs(t, channel.SetMaster(stage.Within(t), "user_one"), lectern.ErrBusy)
		require.NoError(t, other.Admit(stage.Within(t), 1))
		one.Expect(`{"type":"joined","ref":2,"channel":"second","username":"user_one","resume":"*","epoch":1,"master":{"username":"carol","state":"online"},"master_timeout_ms":30000}`,
			`{"type":"left","channel":"abc123"}`)
		synctest.Wait()
		shot, _ := channel.Snapshot()
		require.Empty(t, shot.Slaves)
	})
}

// A hand-over that is repeated right behind a resume that is refused is answered, whatever it says of the
// membership that is not there.
func TestRepeatedBehindAResume(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.Raw()
		alice.Send(`{"type":"create","ref":1,"channel":"abc123","username":"alice","instance":"i"}`)
		frame, err := alice.Read()
		require.NoError(t, err)
		secret := regexp.MustCompile(`"resume":"([^"]*)"`).FindStringSubmatch(frame)[1]
		one := s.Raw()
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		handOver := `{"type":"hand_over","ref":2,"channel":"abc123","username":"alice","resume":"` + secret + `","epoch":1,"to":"user_one","instance":"i"}`
		alice.Send(handOver)
		alice.ClosedAfter(transport.HandedOver)
		back := s.Raw()
		for range 20 {
			back.Send(`{"type":"resume","ref":3,"channel":"abc123","username":"alice","resume":"`+secret+`","epoch":1,"instance":"i"}`, handOver)
			for _, want := range []string{`{"type":"error","ref":3,`, `{"type":"ack","ref":2}`} {
				frame, err := back.Read()
				require.NoError(t, err)
				require.Contains(t, frame, want)
			}
		}
	})
}

// Who is made the master while the service is asked whether it may resume, on the connection on which it is, is the
// master, and there.
func TestSetMasterWhileItResumesOnItsConnection(t *testing.T) {
	policy := lectern.Policy{Reauthorize: []lectern.Operation{lectern.OpResume}, Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		if r.Operation == lectern.OpResume {
			time.Sleep(time.Second)
		}
		return lectern.Identity{AsAsked: true}, nil
	}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		one := s.Raw()
		one.Send(`{"type":"join","ref":1,"channel":"abc123","username":"user_one","instance":"i"}`)
		one.Expect(stage.OneJoined)
		one.Send(`{"type":"resume","ref":2,"channel":"abc123","username":"user_one","instance":"i","resume":"` + one.Secret + `"}`)
		synctest.Wait()
		channel, _ := s.Hub.Channel("abc123")
		require.NoError(t, channel.SetMaster(stage.Within(t), "user_one"))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		shot, _ := channel.Snapshot()
		require.Equal(t, "user_one", shot.Master.Username)
		require.Equal(t, lectern.StateOnline, shot.Master.State)
	})
}
