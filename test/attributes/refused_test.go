package attributes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// Every field of what is about attributes is wrong once, and is refused by its name; then nothing
// has changed.
func TestWhatIsWrongIsNamed(t *testing.T) {
	long, deep := strings.Repeat("x", 65), strings.Repeat("[", 65)+strings.Repeat("]", 65)
	tests := []struct{ frame, code, names string }{
		{`{"type":"set","ref":%d,"channel":"abc123","text":"x"}`, "bad_frame", "key: required"},
		{`{"type":"set","ref":%d,"channel":"abc123","key":7,"text":"x"}`, "bad_frame", "key: not a string"},
		{`{"type":"set","ref":%d,"channel":"abc123","key":"","text":"x"}`, "bad_frame", "key: it is empty"},
		{`{"type":"set","ref":%d,"channel":"abc123","key":" x","text":"x"}`, "bad_frame", "key: its character 1"},
		{`{"type":"set","ref":%d,"channel":"abc123","key":"` + long + `","text":"x"}`, "bad_frame", "key: it has 65 bytes"},
		{`{"type":"set","ref":%d,"channel":"abc123","key":"` + long + `"}`, "bad_frame", "key: it has 65 bytes"},
		{`{"type":"set","ref":%d,"key":"k","text":"x"}`, "bad_frame", "channel: required"},
		{`{"type":"set","ref":%d,"channel":"other","key":"k","text":"x"}`, "not_a_member", "other"},
		{`{"type":"set","ref":%d,"channel":"abc123","key":"k","text":7}`, "bad_frame", "text: not a string"},
		{`{"type":"set","ref":%d,"channel":"abc123","key":"k","data":` + deep + `}`, "bad_frame", "64 arrays"},
		{`{"type":"set","ref":%d,"channel":"abc123","key":"k","base64":"x"}`, "bad_frame", "base64: not"},
		{`{"type":"set","ref":%d,"channel":"abc123","key":"k","text":"x","data":1}`, "bad_frame", "only one of"},
		{`{"type":"set","ref":%d,"channel":"abc123","key":"k","seen":9,"text":"x"}`, "bad_frame", "seen: "},
		{`{"type":"set","ref":%d,"channel":"abc123","key":"k","text":"` + strings.Repeat("x", 200) + `"}`, "too_large", "100 bytes"},
		{`{"type":"join","ref":%d,"channel":"abc123","username":"two","attributes":[]}`, "bad_frame", "attributes: not an object"},
		{`{"type":"join","ref":%d,"channel":"abc123","username":"two","attributes":{"k":"x"}}`, "bad_frame", "attributes: not an object"},
		{`{"type":"join","ref":%d,"channel":"abc123","username":"two","attributes":{"k":{}}}`, "bad_frame", "attributes: one of text"},
		{`{"type":"join","ref":%d,"channel":"abc123","username":"two","attributes":{"k":{"text":"x","data":1}}}`, "bad_frame", "attributes: only one"},
		{`{"type":"join","ref":%d,"channel":"abc123","username":"two","attributes":{"":{"text":"x"}}}`, "bad_frame", "attributes: a key: it is empty"},
		{`{"type":"join","ref":%d,"channel":"abc123","username":"two","attributes":{"` + long + `":{"text":"x"}}}`, "bad_frame", "attributes: a key: it has 65 bytes"},
		{`{"type":"join","ref":%d,"channel":"abc123","username":"two","attributes":{"k":{"text":"x"},"k":{"text":"y"}}}`, "bad_frame", "attributes: given twice"},
		{`{"type":"join","ref":%d,"channel":"abc123","username":"two","attributes":{"k":{"text":"` + strings.Repeat("x", 200) + `"}}}`, "too_large", "100 bytes"},
		{`{"type":"join","ref":%d,"channel":"abc123","username":"two","attributes":{` + keys(9) + `}}`, "attributes_full", "at most 8"},
		{`{"type":"join","ref":%d,"channel":"abc123","username":"two","attributes":{` + keys(65) + `}}`, "bad_frame", "attributes: more than 64 keys"},
		{`{"type":"create","ref":%d,"channel":"new","username":"two","attributes":{"k":null}}`, "bad_frame", "attributes: not an object"},
		{`{"type":"create","ref":%d,"channel":"new","username":"two","attributes":{"":{"text":"x"}}}`, "bad_frame", "attributes: a key"},
		{`{"type":"attribute","ref":%d,"channel":"abc123","from":"alice","seq":1,"key":"k","text":"x"}`, "bad_frame", "sent by hubs alone"},
		{`{"type":"reset","ref":%d,"channel":"abc123"}`, "bad_frame", "sent by hubs alone"},
		{`{"type":"resume","ref":%d,"channel":"abc123","username":"one","resume":"x","seq":-1}`, "bad_frame", "seq: "},
	}
	stage.InBubble(t, lectern.Policy{MaxMessageBytes: 100, MaxHandshakeBytes: 1 << 20}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		two := s.Raw()
		for i, test := range tests {
			peer := one
			switch {
			case strings.Contains(test.frame, `"username"`):
				peer = two
			case i%2 == 1:
				peer = alice
			}
			got := peer.Answer(fmt.Sprintf(test.frame, i+2))
			require.Contains(t, got, fmt.Sprintf(`{"type":"error","ref":%d,`, i+2), test.frame)
			require.Contains(t, got, `"code":"`+test.code+`"`, "%s: %s", test.frame, got)
			require.Contains(t, got, test.names, test.frame)
			peer.Send(fmt.Sprintf(`{"type":"ping","ref":%d}`, i+2))
			peer.Expect(fmt.Sprintf(`{"type":"pong","ref":%d}`, i+2))
		}
		one.Send(`{"type":"set","ref":100,"channel":"abc123","key":"hand","text":"up"}`)
		one.Expect(`{"type":"ack","ref":100,"seq":1}`)
		alice.Expect(`{"type":"attribute","channel":"abc123","from":"user_one","seq":1,"key":"hand","text":"up"}`)
		// It has one answer, and no other change goes under its ref.
		one.Send(`{"type":"set","ref":100,"channel":"abc123","key":"hand","text":"up"}`)
		one.Expect(`{"type":"ack","ref":100,"seq":1}`)
		one.Refused(`{"type":"set","ref":100,"channel":"abc123","key":"hand","text":"down"}`, lectern.ErrBadFrame)
		one.Refused(`{"type":"set","ref":99,"channel":"abc123","key":"hand","text":"down"}`, lectern.ErrBadFrame)
	})
}

// keys are n attributes of a text form.
func keys(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"%d":{"text":"x"}`, i))
	}
	return strings.Join(all, ",")
}
