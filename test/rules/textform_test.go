package rules

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

func TestTextFormSession(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Raw(), s.Raw()

		one.Send(`{"type":"status","ref":1,"channel":"abc123"}`)
		one.Expect(`{"type":"status","ref":1,"channel":"abc123","exists":false}`)
		one.Send(`{"type":"ping","ref":2}`, `{"type":"ping"}`)
		one.Expect(`{"type":"pong","ref":2}`, `{"type":"pong"}`)

		alice.Send(`{"type":"create","ref":1,"channel":"abc123","username":"alice","token":"…","master_timeout_ms":20000}`)
		alice.Expect(`{"type":"created","ref":1,"channel":"abc123","username":"alice","resume":"*","epoch":1,"master_timeout_ms":20000}`)
		one.Send(`{"type":"status","ref":3,"channel":"abc123"}`)
		one.Expect(`{"type":"status","ref":3,"channel":"abc123","exists":true,"master":{"username":"alice","state":"online"}}`)
		one.Send(`{"type":"join","ref":4,"channel":"abc123","username":"user_one","master":"alice","token":"…"}`)
		one.Expect(`{"type":"joined","ref":4,"channel":"abc123","username":"user_one","resume":"*","epoch":1,"master":{"username":"alice","state":"online"},"master_timeout_ms":20000}`)
		alice.Expect(stage.OneOnline)

		one.Send(`{"type":"send","ref":5,"channel":"abc123","text":"what is going on?"}`)
		one.Expect(`{"type":"ack","ref":5,"seq":1}`)
		alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"what is going on?"}`)
		alice.Send(`{"type":"send","ref":2,"channel":"abc123","to":"user_one","data":{"a" : [1, 2e5]}}`)
		alice.Expect(`{"type":"ack","ref":2,"seq":1,"slaves":1}`)
		one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"private":true,"data":{"a" : [1, 2e5]}}`)
		alice.Send(`{"type":"send","channel":"abc123","base64":"AP8Q"}`)
		one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":2,"base64":"AP8Q"}`)

		alice.Send(`{"type":"send","ref":3,"channel":"abc123","request":true,"text":"ready?"}`)
		alice.Expect(`{"type":"ack","ref":3,"seq":3,"slaves":1}`)
		one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":3,"request":3,"text":"ready?"}`)
		one.Send(`{"type":"send","ref":6,"channel":"abc123","reply":3,"text":"I am"}`)
		one.Expect(`{"type":"ack","ref":6,"seq":2}`)
		alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":2,"reply":3,"text":"I am"}`)

		alice.Send(`{"type":"members","ref":4,"channel":"abc123"}`)
		alice.Expect(`{"type":"members","ref":4,"channel":"abc123","members":[{"username":"user_one","state":"online","number":1}]}`)
		alice.Send(`{"type":"back","ref":5,"channel":"abc123"}`)
		alice.Expect(`{"type":"ack","ref":5}`)

		one.Send(`{"type":"leave","ref":7,"channel":"abc123"}`)
		one.Expect(`{"type":"left","ref":7,"channel":"abc123"}`)
		alice.Expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"left"}`)
		one.Send(`{"type":"join","ref":8,"channel":"abc123","username":"user_one"}`)
		one.Expect(`{"type":"joined","ref":8,"channel":"abc123","username":"user_one","resume":"*","epoch":1,"master":{"username":"alice","state":"online"},"master_timeout_ms":20000}`)
		alice.Expect(stage.Online("user_one", 2))

		alice.Send(`{"type":"kick","ref":6,"channel":"abc123","to":"user_one","reason":"too loud","ban":true}`)
		alice.Expect(`{"type":"ack","ref":6}`,
			`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"too loud"}`)
		one.Expect(`{"type":"closed","channel":"abc123","code":"kicked","reason":"too loud"}`)
		one.Closed(transport.Kicked)
		one = s.Raw()
		one.Send(stage.OneJoins)
		one.Expect(`{"type":"error","ref":1,"channel":"abc123","code":"banned","message":"the master of \"abc123\" does not let \"user_one\" in any more"}`)

		one.Send(`{"type":"join","ref":2,"channel":"abc123","username":"user_two"}`)
		one.Expect(`{"type":"joined","ref":2,"channel":"abc123","username":"user_two","resume":"*","epoch":1,"master":{"username":"alice","state":"online"},"master_timeout_ms":20000}`)
		alice.Expect(`{"type":"presence","channel":"abc123","username":"user_two","role":"slave","state":"online","number":3,"joined":true}`)
		alice.Send(`{"type":"leave","ref":7,"channel":"abc123"}`)
		alice.Expect(`{"type":"left","ref":7,"channel":"abc123"}`)
		one.Expect(`{"type":"closed","channel":"abc123","code":"master_left"}`)
		one.Closed(transport.MasterLeft)
	})
}

// What carries times is exact in virtual time.
func TestTextFormAwayAndBack(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		alice.Send(`{"type":"away","ref":2,"channel":"abc123"}`)
		alice.Expect(`{"type":"ack","ref":2}`)
		one.Expect(`{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"away","timeout_ms":30000}`)
		time.Sleep(5 * time.Second)
		one.Send(`{"type":"status","ref":2,"channel":"abc123"}`)
		one.Expect(`{"type":"status","ref":2,"channel":"abc123","exists":true,"master":{"username":"alice","state":"away"},"timeout_ms":25000}`)
		two := s.Raw()
		two.Send(`{"type":"join","ref":1,"channel":"abc123","username":"user_two"}`)
		two.Expect(`{"type":"joined","ref":1,"channel":"abc123","username":"user_two","resume":"*","epoch":1,"master":{"username":"alice","state":"away"},"master_timeout_ms":30000}`,
			`{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"away","timeout_ms":25000}`)
		alice.Send(`{"type":"back","ref":3,"channel":"abc123"}`)
		back := `{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"online"}`
		one.Expect(back)
		two.Expect(back)

		alice.Plug.Cut()
		one.Expect(`{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"away","timeout_ms":30000}`)
		one.Send(`{"type":"send","ref":3,"channel":"abc123","text":"are you there?"}`)
		one.Expect(`{"type":"ack","ref":3,"seq":1}`)
		again := s.Raw()
		again.Send(`{"type":"resume","ref":4,"channel":"abc123","username":"alice","resume":"` + alice.Secret + `"}`)
		again.Expect(
			`{"type":"created","ref":4,"channel":"abc123","username":"alice","resume":"*","epoch":2,"seq":1,"master_timeout_ms":30000,"members":[{"username":"user_one","state":"online","number":1},{"username":"user_two","state":"online","number":2}]}`,
			`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"are you there?"}`)
		one.Expect(back)

		lost := time.Now()
		again.Plug.Cut()
		one.Expect(`{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"away","timeout_ms":30000}`,
			`{"type":"closed","channel":"abc123","code":"master_down","reason":"the master was away for 30s"}`)
		one.Closed(transport.MasterDown)
		require.Equal(t, lost.Add(30*time.Second), time.Now())
	})
}

func TestTextFormReplaced(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		again := s.Raw()
		again.Send(`{"type":"resume","ref":2,"channel":"abc123","username":"alice","resume":"` + alice.Secret + `"}`)
		again.Expect(`{"type":"created","ref":2,"channel":"abc123","username":"alice","resume":"*","epoch":2,"master_timeout_ms":30000,"members":[{"username":"user_one","state":"online","number":1}]}`)
		require.Equal(t, alice.Secret, again.Secret)
		alice.Expect(`{"type":"closed","channel":"abc123","code":"replaced","reason":"the membership was taken over by a newer connection"}`)
		alice.Closed(transport.Replaced)
		require.EqualValues(t, 4102, transport.Replaced)
		again.Send(`{"type":"send","ref":3,"channel":"abc123","text":"hello"}`)
		one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"hello"}`)
	})
}

// Somebody who has the binary form and somebody who has the text form get the
// same.
func TestTextFormMeetsBinaryForm(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		one := s.Raw()
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		two := s.User().Joins("abc123", "user_two")
		for _, payload := range []lectern.Payload{lectern.Text("hi"), lectern.JSON([]int{1}), lectern.Bytes([]byte{0, 255, 16})} {
			_, err := master.Broadcast(stage.Within(t), payload)
			require.NoError(t, err)
			got, err := two.Receive(stage.Within(t))
			require.NoError(t, err)
			require.Equal(t, payload, got.Payload)
		}
		one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"hi"}`,
			`{"type":"message","channel":"abc123","from":"alice","seq":2,"data":[1]}`,
			`{"type":"message","channel":"abc123","from":"alice","seq":3,"base64":"AP8Q"}`)
	})
}
