package socketio

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

const (
	joinedFrame  = `{"type":"joined","ref":1,"channel":"c","username":"bob","resume":"s","epoch":1,"master":{"username":"alice","state":"online"},"master_timeout_ms":30000}`
	joinedEvent  = `2["joined",{"channel":"c","username":"bob","resume":"s","epoch":1,"master":{"username":"alice","state":"online"},"master_timeout_ms":30000}]`
	createdFrame = `{"type":"created","ref":1,"channel":"c","username":"alice","resume":"s","epoch":1,"master_timeout_ms":30000}`
)

// member is a client whose socket is connected, as master or slave of the channel c.
func member(t *testing.T, hub *fakeHub, s *site, way string, master bool) (*client, *fakeConn) {
	t.Helper()
	c := s.dial(t, way, "4", "")
	role, frame, name, event := "slave", joinedFrame, "bob", "joined"
	if master {
		role, frame, name, event = "master", createdFrame, "alice", "created"
	}
	c.say(`0{"channel":"c","username":"` + name + `","role":"` + role + `","token":"t"}`)
	far := <-hub.conns
	<-far.frames
	far.say(t, frame)
	require.True(t, strings.HasPrefix(c.next(), `0{"sid"`))
	c.hearEvent(event)
	return c, far
}

// Each event becomes the frame that it stands for.
func TestEmitsBecomeFrames(t *testing.T) {
	for _, c := range []struct{ packet, frame string }{
		{`2["create","d"]`, `{"type":"create","channel":"d","username":"bob","token":"t"}`},
		{`27["create",{"channel":"d","username":"x","token":"u","master_timeout_ms":5,"door":"knock","roster":"pages","instance":"i"}]`,
			`{"type":"create","ref":23,"channel":"d","username":"x","token":"u","master_timeout_ms":5,"instance":"i","door":"knock","roster":"pages"}`},
		{`2["create","d",{"attributes":{"hand":{"text":"up"}}}]`, `{"type":"create","channel":"d","username":"bob","token":"t","attributes":{"hand":{"text":"up"}}}`},
		{`2["channel","d"]`, `{"type":"join","channel":"d","username":"bob","token":"t"}`},
		{`20["join",{"channel":"d","master":"alice","wait":true}]`, `{"type":"join","ref":16,"channel":"d","username":"bob","master":"alice","token":"t","wait":true}`},
		{`2["room","d"]`, `{"type":"join","channel":"d","username":"bob","token":"t","from":"c"}`},
		{`2["resume",{"channel":"d","username":"bob","resume":"s","last":5,"seq":3,"epoch":2}]`,
			`{"type":"resume","channel":"d","username":"bob","token":"t","resume":"s","epoch":2,"last":5,"seq":3}`},
		{`2["leave"]`, `{"type":"leave","channel":"c"}`},
		{`21["leave","d"]`, `{"type":"leave","ref":17,"channel":"d"}`},
		{`2["message","hi \"you\" ü"]`, `{"type":"send","channel":"c","text":"hi \"you\" ü"}`},
		{`2["message",{"a": [1, null]}]`, `{"type":"send","channel":"c","data":{"a": [1, null]}}`},
		{`2["message",null]`, `{"type":"send","channel":"c","data":null}`},
		{`22["message",5,{"to":"x","topic":"slide","expires_ms":100,"channel":"d","seen":4,"epoch":2}]`,
			`{"type":"send","ref":18,"channel":"d","to":"x","topic":"slide","expires_ms":100,"epoch":2,"seen":4,"data":5}`},
		{`23["request","why?"]`, `{"type":"send","ref":19,"channel":"c","request":true,"text":"why?"}`},
		{`24["gather",1,{"timeout":5000}]`, `{"type":"send","ref":20,"channel":"c","request":true,"data":1}`},
		{`2["reply",7,"yes",{"to":"x"}]`, `{"type":"send","channel":"c","to":"x","reply":7,"text":"yes"}`},
		{`2["decline",7,{"code":"no","message":"later"}]`, `{"type":"send","channel":"c","reply":7,"failed":{"code":"no","message":"later"}}`},
		{`2["withdraw",7]`, `{"type":"withdraw","channel":"c","request":7}`},
		{`2["awaiting",7,{"limit":10}]`, `{"type":"awaiting","channel":"c","request":7,"limit":10}`},
		{`2["set","slide",{"page":2}]`, `{"type":"set","channel":"c","key":"slide","data":{"page":2}}`},
		{`2["set","slide"]`, `{"type":"set","channel":"c","key":"slide"}`},
		{`2["set","slide","x",{"channel":"d"}]`, `{"type":"set","channel":"d","key":"slide","text":"x"}`},
		{`2["refresh","u"]`, `{"type":"refresh","channel":"c","token":"u"}`},
		{`2["confirm",5]`, `{"type":"ping","channel":"c","seen":5}`},
		{`2["confirm",{"channel":"c","epoch":4}]`, `{"type":"ping","channel":"c","epoch":4}`},
		{`2["status","d"]`, `{"type":"status","channel":"d"}`},
		{`2["members"]`, `{"type":"members","channel":"c"}`},
		{`2["members",{"limit":10,"after":5}]`, `{"type":"members","channel":"c","after":5,"limit":10}`},
		{`2["away"]`, `{"type":"away","channel":"c"}`},
		{`2["back"]`, `{"type":"back","channel":"c"}`},
		{`2["kick","x",{"reason":"loud","ban":true}]`, `{"type":"kick","channel":"c","to":"x","reason":"loud","ban":true}`},
		{`2["mute"]`, `{"type":"mute","channel":"c","on":true}`},
		{`2["unmute","x"]`, `{"type":"mute","channel":"c","to":"x","on":false}`},
		{`2["door","locked"]`, `{"type":"door","channel":"c","door":"locked"}`},
		{`2["admit",17]`, `{"type":"admit","channel":"c","knock":17}`},
		{`2["deny",17,{"reason":"who?"}]`, `{"type":"deny","channel":"c","reason":"who?","knock":17}`},
		{`2["handover","x",{"stay":true}]`, `{"type":"hand_over","channel":"c","to":"x","stay":true}`},
		{`2/,["message","in the main namespace"]`, `{"type":"send","channel":"c","text":"in the main namespace"}`},
	} {
		t.Run(c.packet, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := newFakeHub()
				s := newSite(t, hub, Options{})
				near, far := member(t, hub, s, "websocket", false)
				near.say(c.packet)
				require.Equal(t, canonical(t, c.frame), <-far.frames)
			})
		})
	}
}

// canonical is the frame as it is written.
func canonical(t *testing.T, text string) string {
	frame, err := wire.Decode([]byte(text))
	require.NoError(t, err)
	return string(wire.Append(nil, wire.Text, &frame))
}

func canonicalBinary(t *testing.T, text string) []byte {
	frame, err := wire.Decode([]byte(text))
	require.NoError(t, err)
	return wire.Append(nil, wire.Binary, &frame)
}

// Every type of frame that a client can send is reached by some event, or by the life of a socket.
func TestEveryFrameIsReached(t *testing.T) {
	reached := map[string]bool{"ping": true}
	for _, spec := range emissions {
		reached[spec.frame] = true
	}
	for _, frameType := range []wire.Type{
		wire.Create, wire.Join, wire.Resume, wire.Send, wire.Leave, wire.Away, wire.Back, wire.Kick, wire.Status, wire.Members, wire.Ping,
		wire.Withdraw, wire.Awaiting, wire.Refresh, wire.Set, wire.Mute, wire.SetDoor, wire.Admit, wire.Deny, wire.HandOver,
	} {
		require.True(t, reached[frameType.String()], frameType)
	}
}

// Each frame of a hub becomes the event that it stands for.
func TestFramesBecomeEvents(t *testing.T) {
	for _, c := range []struct {
		frame   string
		packets []string
	}{
		{`{"type":"message","channel":"c","from":"alice","seq":7,"text":"hi"}`, []string{`2["message","hi",{"from":"alice","seq":7,"channel":"c"},"7@c"]`}},
		{`{"type":"message","channel":"c","from":"","seq":8,"private":true,"topic":"t","expires_ms":5,"data":{"a": 1}}`,
			[]string{`2["message",{"a": 1},{"from":"","seq":8,"channel":"c","private":true,"topic":"t","expires_ms":5},"8@c"]`}},
		{`{"type":"message","channel":"c","from":"alice","seq":9,"base64":"AP8Q"}`,
			[]string{`51-["message",{"_placeholder":true,"num":0},{"from":"alice","seq":9,"channel":"c"},"9@c"]`, "#00ff10"}},
		{`{"type":"message","channel":"c","from":"alice","seq":10,"request":10,"text":"?"}`, []string{`210["request","?",{"from":"alice","seq":10,"channel":"c"}]`}},
		{`{"type":"message","channel":"c","from":"alice","seq":11,"private":true,"reply":3,"failed":{"code":"no","message":"never"}}`,
			[]string{`2["message",null,{"from":"alice","seq":11,"channel":"c","private":true,"reply":3,"failed":{"code":"no","message":"never"}},"11@c"]`}},
		{`{"type":"presence","channel":"c","username":"alice","role":"master","state":"away","timeout_ms":30000}`,
			[]string{`2["presence",{"channel":"c","username":"alice","role":"master","state":"away","timeout_ms":30000}]`}},
		{`{"type":"presence","channel":"c","username":"x","seq":9,"role":"slave","state":"online","number":4,"joined":true,"attributes":{"hand":{"text":"up"}}}`,
			[]string{`2["presence",{"channel":"c","username":"x","seq":9,"role":"slave","state":"online","number":4,"joined":true,"attributes":{"hand":{"text":"up"}}},"9@c"]`}},
		{`{"type":"gap","channel":"c","missed":12}`, []string{`2["gap",{"channel":"c","missed":12}]`}},
		{`{"type":"gap","channel":"c","seq":46,"missed":2}`, []string{`2["gap",{"channel":"c","seq":46,"missed":2},"46@c"]`}},
		{`{"type":"ack","ref":16,"seq":42,"slaves":3}`, []string{`30[{"ok":true,"seq":42,"slaves":3}]`}},
		{`{"type":"ack","ref":17}`, []string{`31[{"ok":true}]`}},
		{`{"type":"left","channel":"c"}`, []string{`2["left",{"channel":"c"}]`}},
		{`{"type":"left","ref":20,"channel":"c"}`, []string{`34[{"ok":true,"channel":"c"}]`}},
		{`{"type":"closed","channel":"c","code":"kicked","reason":"loud"}`, []string{`2["closed",{"channel":"c","code":"kicked","reason":"loud"}]`}},
		{`{"type":"closed","ref":20,"channel":"d","code":"master_left"}`, []string{`34[{"ok":false,"error":"master_left","message":"","channel":"d"}]`}},
		{`{"type":"status","ref":16,"channel":"c","exists":false}`, []string{`30[{"ok":true,"channel":"c","exists":false}]`}},
		{`{"type":"members","ref":16,"channel":"c","members":[{"username":"x","state":"away","number":2}],"more":true}`,
			[]string{`30[{"ok":true,"channel":"c","members":[{"username":"x","state":"away","number":2}],"more":true}]`}},
		{`{"type":"members","channel":"c","online":3}`, []string{`2["members",{"channel":"c","online":3}]`}},
		{`{"type":"awaiting","ref":16,"channel":"c","request":4,"members":[]}`, []string{`30[{"ok":true,"channel":"c","request":4,"members":[]}]`}},
		{`{"type":"awaiting","channel":"c","request":4,"code":"too_late","members":[]}`, []string{`2["awaiting",{"channel":"c","request":4,"code":"too_late","members":[]}]`}},
		{`{"type":"pong","ref":16}`, []string{`30[{"ok":true}]`}},
		{`{"type":"waiting","ref":18,"channel":"d","for":"master"}`, []string{`2["waiting",{"channel":"d","for":"master"}]`}},
		{`{"type":"knock","channel":"c","username":"x","knock":18,"on":true}`, []string{`2["knock",{"channel":"c","username":"x","knock":18,"on":true}]`}},
		{`{"type":"shutdown","timeout_ms":30000}`, []string{`2["shutdown",{"timeout_ms":30000}]`}},
		{`{"type":"attribute","channel":"c","from":"alice","seq":43,"key":"slide","data":{"page": 2}}`,
			[]string{`2["attribute","slide",{"page": 2},{"channel":"c","from":"alice","seq":43,"key":"slide"},"43@c"]`}},
		{`{"type":"attribute","channel":"c","from":"alice","seq":44,"key":"slide"}`,
			[]string{`2["attribute","slide",null,{"deleted":true,"channel":"c","from":"alice","seq":44,"key":"slide"},"44@c"]`}},
		{`{"type":"attribute","channel":"c","from":"alice","seq":45,"key":"slide","base64":"AA=="}`,
			[]string{`51-["attribute","slide",{"_placeholder":true,"num":0},{"channel":"c","from":"alice","seq":45,"key":"slide"},"45@c"]`, "#00"}},
		{`{"type":"reset","channel":"c"}`, []string{`2["reset",{"channel":"c"}]`}},
		{`{"type":"asked","channel":"c"}`, []string{`2["asked",{"channel":"c"}]`}},
		{`{"type":"muted","channel":"c","on":true}`, []string{`2["muted",{"channel":"c","on":true}]`}},
		{`{"type":"error","channel":"c","code":"busy","message":"later"}`, []string{`2["refused",{"code":"busy","message":"later","channel":"c"}]`}},
		{`{"type":"error","ref":16,"code":"busy","message":"later"}`, []string{`30[{"ok":false,"error":"busy","message":"later"}]`}},
		{strings.Replace(joinedFrame, `"ref":1`, `"ref":16`, 1), []string{`30[{"ok":true,"channel":"c","username":"bob","resume":"s","epoch":1,"master":{"username":"alice","state":"online"},"master_timeout_ms":30000}]`, joinedEvent}},
		{`{"type":"created","channel":"c","username":"bob","resume":"s2","epoch":5,"master_timeout_ms":30000,"members":[]}`,
			[]string{`2["created",{"channel":"c","username":"bob","resume":"s2","epoch":5,"master_timeout_ms":30000,"members":[]}]`}},
	} {
		t.Run(c.frame, func(t *testing.T) {
			for _, way := range []string{"websocket", "polling"} {
				synctest.Test(t, func(t *testing.T) {
					hub := newFakeHub()
					s := newSite(t, hub, Options{})
					near, far := member(t, hub, s, way, false)
					far.say(t, c.frame)
					near.hear(c.packets...)
				})
			}
		})
	}
}
