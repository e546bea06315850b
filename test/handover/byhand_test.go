package handover

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// In the text form, as a person types it: what each of the two is told, and what is refused.
func TestHandOverByHand(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		one.Refused(`{"type":"hand_over","ref":5,"channel":"abc123","to":"alice"}`, lectern.ErrForbidden)
		alice.Refused(`{"type":"hand_over","ref":5,"channel":"abc123","to":"nobody"}`, lectern.ErrNoSuchSlave)
		alice.Refused(`{"type":"hand_over","ref":6,"channel":"abc124","to":"user_one"}`, lectern.ErrNotAMember)
		alice.Send(`{"type":"hand_over","ref":6,"channel":"abc123"}`)
		alice.Expect(`{"type":"error","ref":6,"code":"bad_frame","message":"to: required, and missing"}`)
		alice.Answer(`{"type":"ping","ref":6}`)
		alice.Send(`{"type":"hand_over","ref":7,"channel":"abc123","to":"user_one","stay":true}`)
		alice.Expect(
			`{"type":"joined","channel":"abc123","username":"alice","resume":"*","epoch":2,"master":{"username":"user_one","state":"online"},"master_timeout_ms":30000}`,
			`{"type":"ack","ref":7}`)
		one.Expect(`{"type":"created","channel":"abc123","username":"user_one","resume":"*","epoch":2,"master_timeout_ms":30000,"members":[{"username":"alice","state":"online","number":2}]}`)

		// What was typed before they knew of it.
		for _, peer := range []*stage.Raw{alice, one} {
			for _, frame := range []string{
				`{"type":"send","ref":20,"channel":"abc123","text":"for the other"}`, `{"type":"leave","ref":21,"channel":"abc123"}`,
				`{"type":"away","ref":22,"channel":"abc123"}`, `{"type":"members","ref":23,"channel":"abc123"}`,
				`{"type":"hand_over","ref":24,"channel":"abc123","to":"user_one"}`, `{"type":"set","ref":25,"channel":"abc123","key":"k"}`,
				`{"type":"ping","ref":26,"channel":"abc123","seen":0}`, `{"type":"ping","ref":27,"channel":"abc123","epoch":1}`,
			} {
				peer.Refused(frame, lectern.ErrRoleChanged)
			}
			peer.Refused(`{"type":"ping","ref":28,"channel":"abc123","epoch":3}`, lectern.ErrBadFrame)
			peer.Send(`{"type":"ping","ref":29,"channel":"abc123","epoch":2}`)
			peer.Expect(`{"type":"pong","ref":29}`)
		}
		one.Send(`{"type":"send","ref":30,"channel":"abc123","text":"welcome"}`)
		alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"welcome"}`)
		one.Expect(`{"type":"ack","ref":30,"seq":1,"slaves":1}`)
		alice.Send(`{"type":"send","ref":30,"channel":"abc123","text":"thanks"}`)
		alice.Expect(`{"type":"ack","ref":30,"seq":1}`)
		one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"thanks"}`)

		// The first frame that shows the epoch can be any.
		one.Send(`{"type":"hand_over","ref":31,"channel":"abc123","to":"alice"}`)
		one.Expect(`{"type":"ack","ref":31}`, `{"type":"closed","channel":"abc123","code":"handed_over","reason":"\"alice\" is the master now"}`)
		one.Closed(transport.HandedOver)
		alice.Expect(`{"type":"created","channel":"abc123","username":"alice","resume":"*","epoch":3,"master_timeout_ms":30000,"members":[]}`)
		alice.Send(`{"type":"leave","ref":32,"channel":"abc123","epoch":3}`)
		alice.Expect(`{"type":"left","ref":32,"channel":"abc123"}`)
	})
}

// A hand-over that is sent again may say what it said at first: what has arrived, and the epoch.
func TestARepeatedHandOverSaysWhatHasArrived(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, secret := typed(s, `{"type":"create","ref":1,"channel":"abc123","username":"alice","instance":"A"}`)
		one := s.Raw()
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		alice.Expect(stage.OneOnline)
		one.Send(`{"type":"send","channel":"abc123","text":"x"}`)
		alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"x"}`)
		alice.Send(`{"type":"hand_over","ref":7,"channel":"abc123","to":"user_one","seen":1,"epoch":1,"stay":true}`)
		alice.Expect(
			`{"type":"joined","channel":"abc123","username":"alice","resume":"*","epoch":2,"master":{"username":"user_one","state":"online"},"master_timeout_ms":30000}`,
			`{"type":"ack","ref":7}`)
		alice.Plug.Cut()
		again := s.Raw()
		again.Send(`{"type":"hand_over","ref":7,"channel":"abc123","username":"alice","resume":"` + secret + `","to":"user_one","instance":"A","seen":1,"epoch":1,"stay":true}`)
		again.Expect(
			`{"type":"joined","channel":"abc123","username":"alice","resume":"*","epoch":3,"master":{"username":"user_one","state":"online"},"master_timeout_ms":30000}`,
			`{"type":"ack","ref":7}`)
	})
}

// typed is a peer that shows an instance, of which only its secret matters.
func typed(s *stage.Stage, frame string) (peer *stage.Raw, secret string) {
	peer = s.Raw()
	answer := peer.Answer(frame)
	found := regexp.MustCompile(`"resume":"([^"]+)"`).FindStringSubmatch(answer)
	require.NotNil(s.T, found, answer)
	return peer, found[1]
}

// A successor that has not got the answer to its join joins again, and is told that, and that it is the master.
func TestASuccessorJoinsAgain(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.Raw()
		alice.Send(stage.AliceCreates)
		alice.Expect(stage.AliceCreated)
		typed(s, `{"type":"join","ref":1,"channel":"abc123","username":"user_one","master":"alice","instance":"B"}`)
		alice.Expect(stage.OneOnline)
		alice.Send(`{"type":"hand_over","ref":7,"channel":"abc123","to":"user_one"}`)
		alice.Expect(`{"type":"ack","ref":7}`)
		one := s.Raw()
		one.Send(`{"type":"join","ref":2,"channel":"abc123","username":"user_one","master":"alice","instance":"B"}`)
		one.Expect(
			`{"type":"joined","ref":2,"channel":"abc123","username":"user_one","resume":"*","epoch":1,"master":{"username":"alice","state":"online"},"master_timeout_ms":30000}`)
		joined := one.Secret
		one.Expect(`{"type":"created","channel":"abc123","username":"user_one","resume":"*","epoch":3,"master_timeout_ms":30000,"members":[],"confirm_messages":128,"confirm_bytes":524288}`)
		require.NotEqual(t, joined, one.Secret)
		one.Refused(`{"type":"leave","ref":3,"channel":"abc123"}`, lectern.ErrRoleChanged)
		one.Send(`{"type":"leave","ref":4,"channel":"abc123","epoch":3}`)
		one.Expect(`{"type":"left","ref":4,"channel":"abc123"}`)
	})
}

// One who has handed over and stays is made the master again before it was told anything: it sends its
// hand-over again, and is told both.
func TestAFormerMasterIsTheMasterAgain(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, secret := typed(s, `{"type":"create","ref":1,"channel":"abc123","username":"alice","instance":"A"}`)
		one := s.Raw()
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		alice.Expect(stage.OneOnline)
		alice.Send(`{"type":"hand_over","ref":7,"channel":"abc123","to":"user_one","stay":true}`)
		one.Expect(`{"type":"created","channel":"abc123","username":"user_one","resume":"*","epoch":2,"master_timeout_ms":30000,"members":[{"username":"alice","state":"online","number":2}]}`)
		one.Send(`{"type":"hand_over","ref":8,"channel":"abc123","epoch":2,"to":"alice"}`)
		one.Expect(`{"type":"ack","ref":8}`)
		again := s.Raw()
		again.Send(`{"type":"hand_over","ref":7,"channel":"abc123","username":"alice","resume":"` + secret + `","to":"user_one","instance":"A","stay":true}`)
		again.Expect(
			`{"type":"joined","channel":"abc123","username":"alice","resume":"*","epoch":2,"master":{"username":"user_one","state":"online"},"master_timeout_ms":30000}`,
			`{"type":"ack","ref":7}`)
		joined := again.Secret
		again.Expect(`{"type":"created","channel":"abc123","username":"alice","resume":"*","epoch":4,"master_timeout_ms":30000,"members":[],"confirm_messages":128,"confirm_bytes":524288}`)
		require.NotEqual(t, joined, again.Secret)
		again.Send(`{"type":"leave","ref":9,"channel":"abc123","epoch":4}`)
		again.Expect(`{"type":"left","ref":9,"channel":"abc123"}`)
	})
}
