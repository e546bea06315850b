package voice

import (
	"testing"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// In the text form, as a person types it, each wrong field is named.
func TestVoiceByHand(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		alice.Send(`{"type":"mute","ref":5,"channel":"abc123","to":"user_one","on":true}`)
		alice.Expect(`{"type":"ack","ref":5}`)
		one.Expect(`{"type":"muted","channel":"abc123","on":true}`)
		one.Refused(`{"type":"send","ref":5,"channel":"abc123","text":"x"}`, lectern.ErrMuted)
		one.Send(`{"type":"send","ref":5,"channel":"abc123","text":"x"}`)
		one.Expect(`{"type":"error","ref":5,"channel":"abc123","code":"muted","message":"the master of \"abc123\" does not let you speak at present: answer what you are asked, and wait for the rest"}`)
		one.Refused(`{"type":"mute","ref":6,"channel":"abc123","to":"user_one","on":false}`, lectern.ErrForbidden)
		one.Refused(`{"type":"mute","ref":7,"channel":"abc123","on":false}`, lectern.ErrForbidden)
		one.Refused(`{"type":"mute","ref":8,"channel":"abc124","on":false}`, lectern.ErrNotAMember)
		alice.Refused(`{"type":"mute","ref":6,"channel":"abc123","to":"nobody","on":true}`, lectern.ErrNoSuchSlave)
		alice.Refused(`{"type":"mute","ref":7,"channel":"abc123","to":"","on":true}`, lectern.ErrNoSuchSlave)
		alice.Send(`{"type":"mute","ref":8,"channel":"abc123","to":"user_one"}`)
		alice.Expect(`{"type":"error","ref":8,"code":"bad_frame","message":"on: required, and missing"}`)
		alice.Send(`{"type":"mute","ref":9,"channel":"abc123","on":"yes"}`)
		alice.Expect(`{"type":"error","ref":9,"code":"bad_frame","message":"on: neither true nor false"}`)
		alice.Answer(`{"type":"ping","ref":10}`) // too many of these in a row would end the connection
		alice.Send(`{"type":"muted","ref":10,"channel":"abc123","on":true}`)
		alice.Expect(`{"type":"error","ref":10,"channel":"abc123","code":"bad_frame","message":"type: muted is sent by hubs alone"}`)
		alice.Send(`{"type":"mute","channel":"abc123","on":false}`, `{"type":"ping","ref":11}`)
		alice.Expect(`{"type":"pong","ref":11}`)
		one.Expect(`{"type":"muted","channel":"abc123","on":false}`)
		one.Send(`{"type":"send","ref":9,"channel":"abc123","text":"x"}`)
		one.Expect(`{"type":"ack","ref":9,"seq":1}`)
		alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"x"}`)
	})
}
