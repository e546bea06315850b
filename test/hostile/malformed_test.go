package hostile

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// bystanders are a master and a slave of a channel of their own. They must not
// notice what others do.
type bystanders struct {
	t     *testing.T
	s     *lectern.Slave
	m     *lectern.Master
	count int
}

func newBystanders(s *stage.Stage) *bystanders {
	b := &bystanders{t: s.T, m: s.User().Creates("quiet", "carol"), s: s.User().Joins("quiet", "dave")}
	stage.NextPresence(s.T, b.m, "dave", lectern.StateOnline)
	return b
}

// unharmed expects that nothing has happened to them but what they do.
func (b *bystanders) unharmed() {
	b.t.Helper()
	b.count++
	stage.Broadcast(b.t, b.m, "ping")
	message := stage.NextText(b.t, b.s, "ping")
	require.EqualValues(b.t, b.count, message.Seq)
	stage.Say(b.t, b.s, "pong")
	message = stage.NextText(b.t, b.m, "pong")
	require.EqualValues(b.t, b.count, message.Seq)
}

// malformed are frames that begin like the text form or the binary form and are
// neither.
var malformed = []struct{ name, frame string }{
	{"D1 empty object", `{}`},
	{"D1 not closed", `{"type":"ping"`},
	{"D1 something behind", `{"type":"ping"} {"type":"ping"}`},
	{"D1 type of another kind", `{"type":7}`},
	{"D2 too deep", `{"type":"ping","x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`},
	{"D2 too deep in data", `{"type":"send","channel":"abc123","data":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `}`},
	{"D2 many keys", `{"type":"ping"` + strings.Repeat(`,"x":1`, 10_000) + `}`},
	{"D2 duplicate keys", `{"type":"send","channel":"abc123","channel":"quiet","text":"psst"}`},
	{"D2 duplicate keys, one escaped", `{"type":"send","channel":"abc123","ch\u0061nnel":"quiet","text":"psst"}`},
	{"D2 a number that is none", `{"type":"ping","ref":1e400}`},
	{"D2 2^53+1", `{"type":"ping","ref":9007199254740993}`},
	{"D2 lone surrogate", `{"type":"send","channel":"abc123","text":"\ud800"}`},
	{"D2 lone surrogate in a name", `{"type":"status","channel":"\udc00"}`},
	{"D2 lone surrogate in data", `{"type":"send","channel":"abc123","data":"\ud800"}`},
	{"D3 length beyond the end", "\x04\x01\x01\x02\x02\xff\x7fabc123"},
	{"D3 length without end", "\x04\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
	{"D3 members without members", "\x0a\x02\x01a\x1c\x05\xff\xff\xff\xff\x07"},
	{"D4 invalid UTF-8 in binary", "\x04\x02\x06abc123\x7d\x01\xff"},
	{"D4 invalid UTF-8 in a binary name", "\x09\x02\x01\xff"},
	{"D8 created", `{"type":"created","ref":1,"channel":"abc123","username":"user_one","resume":"x","epoch":9}`},
	{"D8 joined", `{"type":"joined","ref":1,"channel":"abc123","username":"user_one","resume":"x","master":{"username":"alice","state":"online"}}`},
	{"D8 message", `{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"psst"}`},
	{"D8 presence", `{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"away"}`},
	{"D8 closed", `{"type":"closed","channel":"abc123","code":"master_left"}`},
	{"D8 ack", `{"type":"ack","ref":1}`},
	{"D8 error", `{"type":"error","ref":1,"code":"busy"}`},
	{"D10 ref 0", `{"type":"ping","ref":0}`},
	{"D10 negative ref", `{"type":"ping","ref":-1}`},
	{"D10 ref in words", `{"type":"ping","ref":"1"}`},
	{"D10 reply 0", `{"type":"send","channel":"abc123","reply":0,"text":"x"}`},
	{"two payloads", `{"type":"send","channel":"abc123","text":"a","data":1}`},
	{"no payload", `{"type":"send","channel":"abc123"}`},
	{"base64 without padding", `{"type":"send","channel":"abc123","base64":"AP8"}`},
	{"no channel", `{"type":"send","text":"a"}`},
	{"to is null", `{"type":"send","channel":"abc123","to":null,"text":"a"}`},
}

// Each is answered, the third in a row ends the connection, and neither its own
// channel nor another one is harmed.
func TestMalformedFrames(t *testing.T) {
	for _, bad := range malformed {
		t.Run(bad.name, func(t *testing.T) {
			stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
				quiet := newBystanders(s)
				alice, one := s.Pair()
				one.Refused(bad.frame, lectern.ErrBadFrame)
				one.Refused(bad.frame, lectern.ErrBadFrame)
				one.Send(`{"type":"ping","ref":9}`) // what can be read starts the count anew
				one.Expect(`{"type":"pong","ref":9}`)
				one.Refused(bad.frame, lectern.ErrBadFrame)
				one.Refused(bad.frame, lectern.ErrBadFrame)
				one.Send(bad.frame)
				one.Closed(transport.ProtocolError)
				alice.Expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"away"}`)
				quiet.unharmed()

				// The membership outlives it.
				again := s.Raw()
				again.Send(`{"type":"resume","ref":1,"channel":"abc123","username":"user_one","resume":"` + one.Secret + `"}`)
				again.Expect(stage.OneResumed(1))
				alice.Expect(stage.OneBack)
			})
		})
	}
}

// What is of neither form, as the first frame, leaves no form to answer in.
func TestNeitherForm(t *testing.T) {
	for _, bad := range []struct{ name, frame string }{
		{"D1 empty", ""},
		{"D1 null", "null"},
		{"D1 array", "[]"},
		{"D1 number", "7"},
		{"D1 string", `"ping"`},
		{"D12 byte order mark", "\ufeff" + `{"type":"ping","ref":1}`},
		{"space in front", ` {"type":"ping"}`},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n"},
		{"TLS", "\x80\x03\x01"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
				quiet := newBystanders(s)
				peer := s.Raw()
				peer.Send(bad.frame)
				_, err := peer.Read()
				require.Error(t, err, "answered in a form that it has not spoken")
				peer.Closed(transport.ProtocolError)

				// Later it is a malformed frame like others.
				peer = s.Raw()
				peer.Send(`{"type":"ping","ref":1}`)
				peer.Expect(`{"type":"pong","ref":1}`)
				peer.Refused(bad.frame, lectern.ErrBadFrame)
				peer.Refused(bad.frame, lectern.ErrBadFrame)
				peer.Send(bad.frame)
				peer.Closed(transport.ProtocolError)
				quiet.unharmed()
			})
		})
	}
}

// Rows D5 and D6: what is not known is told or passed over, for a later version's
// sake, and costs nothing.
func TestUnknownFrames(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		for range 20 {
			one.Refused(`{"type":"dance","ref":2,"channel":"abc123"}`, lectern.ErrUnsupported)
		}
		one.Refused("\x04\x02\x06abc123\x7d\x01a\x80\x00", lectern.ErrUnsupported) // a field that must be understood
		one.Send(`{"type":"send","ref":3,"channel":"abc123","colour":{"red":[1]},"text":"hi"}`)
		one.Expect(`{"type":"ack","ref":3,"seq":1}`)
		alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"hi"}`)

		// Also as the first frame.
		peer := s.Raw()
		peer.Refused(`{"type":"dance","ref":1}`, lectern.ErrUnsupported)
		peer.Send(`{"type":"ping","ref":2}`)
		peer.Expect(`{"type":"pong","ref":2}`)
	})
}

// Row D4 on WebSocket: text that is no UTF-8 may end the connection in
// WebSocket's own way, and harms nobody.
func TestInvalidUTF8InTheTextForm(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		quiet := newBystanders(s)
		alice, one := s.Pair()
		one.Send("{\"type\":\"send\",\"channel\":\"abc123\",\"text\":\"\xff\"}")
		answer, err := one.Read()
		if err == nil {
			require.Contains(t, answer, `"code":"bad_frame"`)
			one.Plug.Cut()
		}
		alice.Expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"away"}`)
		quiet.unharmed()
	})
}

// Row D9: the largest payload passes, a larger one is refused, and a frame that
// cannot be one any more ends the connection.
func TestLargePayloads(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{MaxMessageBytes: 1000}, func(t *testing.T, s *stage.Stage) {
		quiet := newBystanders(s)
		alice, one := s.Pair()
		send := func(ref, text string) string {
			return `{"type":"send","ref":` + ref + `,"channel":"abc123","text":"` + text + `"}`
		}
		text := strings.Repeat("x", 1000)
		one.Send(send("2", text))
		one.Expect(`{"type":"ack","ref":2,"seq":1}`)
		alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"` + text + `"}`)
		one.Refused(send("3", text+"x"), lectern.ErrTooLarge)
		one.Send(send("4", strings.Repeat("\\n", 1000))) // counted as it is, not as it is written
		one.Expect(`{"type":"ack","ref":4,"seq":2}`)
		_, err := alice.Read()
		require.NoError(t, err)

		_ = one.Conn.Write([]byte(send("5", strings.Repeat("x", 10_000))))
		one.Closed(transport.TooLarge)
		alice.Expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"away"}`)
		quiet.unharmed()
	})
}
