package handover

import (
	"testing"

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
		alice.Expect(`{"type":"created","channel":"abc123","username":"alice","resume":"*","epoch":3,"seq":1,"master_timeout_ms":30000,"members":[]}`)
		alice.Send(`{"type":"leave","ref":32,"channel":"abc123","epoch":3}`)
		alice.Expect(`{"type":"left","ref":32,"channel":"abc123"}`)
	})
}
