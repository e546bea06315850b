package socketio

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The acknowledgement of a request is the answer, or why there is none.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		master bool
		emit   string
		frames []string
		want   []string
	}{
		"a slave's": {false, `25["request","why?"]`,
			[]string{`{"type":"message","channel":"c","from":"alice","seq":9,"private":true,"reply":7,"text":"so"}`},
			[]string{`35[{"ok":true,"from":"alice","data":"so"}]`}},
		"bytes": {false, `25["request","why?"]`,
			[]string{`{"type":"message","channel":"c","from":"alice","seq":9,"private":true,"reply":7,"base64":"AP8="}`},
			[]string{`61-5[{"ok":true,"from":"alice","data":{"_placeholder":true,"num":0}}]`, "#00ff"}},
		"no": {false, `25["request","why?"]`,
			[]string{`{"type":"message","channel":"c","from":"alice","seq":9,"private":true,"reply":7,"failed":{"code":"secret","message":"never"}}`},
			[]string{`35[{"ok":false,"from":"alice","error":"secret","message":"never"}]`}},
		"the channel is over": {false, `25["request","why?"]`,
			[]string{`{"type":"closed","channel":"c","code":"master_left"}`},
			[]string{`35[{"ok":false,"error":"gone","message":"who was asked does not answer any more","channel":"c"}]`, `2["closed",{"channel":"c","code":"master_left"}]`}},
		"to a slave that leaves": {true, `25["request","why?",{"to":"bob"}]`,
			[]string{`{"type":"presence","channel":"c","username":"bob","role":"slave","state":"left"}`},
			[]string{`2["presence",{"channel":"c","username":"bob","role":"slave","state":"left"}]`, `35[{"ok":false,"error":"gone","message":"who was asked does not answer any more","channel":"c"}]`}},
		"whose time is over": {true, `25["request","why?",{"to":"bob","expires_ms":5}]`,
			[]string{`{"type":"awaiting","channel":"c","request":7,"code":"too_late","members":[]}`},
			[]string{`35[{"ok":false,"error":"too_late","message":"who was asked does not answer any more","channel":"c"}]`}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := newFakeHub()
				s := newSite(t, hub, Options{})
				near, far := member(t, hub, s, "websocket", c.master)
				near.say(c.emit)
				<-far.frames
				far.say(t, `{"type":"ack","ref":21,"seq":7}`)
				far.say(t, c.frames...)
				near.hear(c.want...)
			})
		})
	}
}

// A refused request is answered by the refusal.
func TestRefusedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newFakeHub()
		s := newSite(t, hub, Options{})
		near, far := member(t, hub, s, "websocket", false)
		near.say(`25["request","why?"]`)
		<-far.frames
		far.say(t, `{"type":"error","ref":21,"channel":"c","code":"busy","message":"later"}`,
			`{"type":"message","channel":"c","from":"alice","seq":9,"private":true,"reply":7,"text":"not for it"}`)
		near.hear(`35[{"ok":false,"error":"busy","message":"later","channel":"c"}]`)
		near.hearEvent("message")
	})
}

// A gather ends when all have answered or left, and at its time.
func TestGathering(t *testing.T) {
	begin := func(t *testing.T) (near *client, far *fakeConn, awaiting string) {
		hub := newFakeHub()
		s := newSite(t, hub, Options{})
		near, far = member(t, hub, s, "websocket", true)
		near.say(`25["gather",{"q":1},{"timeout":4000}]`)
		require.Equal(t, `{"type":"send","ref":21,"channel":"c","request":true,"data":{"q":1}}`, <-far.frames)
		far.say(t, `{"type":"ack","ref":21,"seq":7,"slaves":3}`)
		frame := <-far.frames
		require.Regexp(t, `^\{"type":"awaiting","ref":\d+,"channel":"c","request":7\}$`, frame)
		return near, far, strings.TrimSuffix(frame, "}") + `,"members":[`
	}
	t.Run("answered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			near, far, awaiting := begin(t)
			far.say(t, `{"type":"message","channel":"c","from":"bob","seq":1,"reply":7,"text":"one"}`,
				awaiting+`{"username":"carol","state":"online"},{"username":"dan","state":"away"},{"username":"eve","state":"online"}]}`,
				`{"type":"message","channel":"c","from":"carol","seq":2,"reply":7,"base64":"AA=="}`,
				`{"type":"presence","channel":"c","username":"dan","role":"slave","state":"left"}`,
				`{"type":"message","channel":"c","from":"eve","seq":3,"reply":7,"failed":{"code":"no"}}`)
			near.hearEvent("presence")
			near.hear(`35[{"ok":true,"answers":[{"from":"bob","data":"one"},{"from":"carol","base64":"AA=="},` +
				`{"from":"dan","error":"gone"},{"ok":false,"from":"eve","error":"no","message":""}]}]`)
		})
	})
	t.Run("nobody there", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			near, far, awaiting := begin(t)
			far.say(t, awaiting+`]}`)
			near.hear(`35[{"ok":true,"answers":[]}]`)
		})
	})
	t.Run("its time is up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			near, far, awaiting := begin(t)
			begun := time.Now()
			far.say(t, awaiting+`{"username":"bob","state":"online"},{"username":"carol","state":"online"}]}`)
			frame := <-far.frames
			require.Equal(t, 4*time.Second, time.Since(begun))
			require.Regexp(t, `^\{"type":"withdraw","ref":\d+,"channel":"c","request":7\}$`, frame)
			// What comes before the hub has withdrawn it counts.
			far.say(t, `{"type":"message","channel":"c","from":"carol","seq":2,"reply":7,"text":"just in time"}`)
			ref, _, _ := strings.Cut(strings.TrimPrefix(frame, `{"type":"withdraw","ref":`), ",")
			far.say(t, `{"type":"ack","ref":`+ref+`}`)
			near.hear(`35[{"ok":true,"answers":[{"from":"carol","data":"just in time"},{"from":"bob","error":"timeout"}]}]`)
		})
	})
	t.Run("a list in the place of changes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			near, far, awaiting := begin(t)
			far.say(t, awaiting+`{"username":"bob","state":"online"},{"username":"carol","state":"online"}]}`,
				`{"type":"members","channel":"c","members":[{"username":"bob","state":"online","number":1}]}`)
			near.hearEvent("members")
			again := <-far.frames
			require.Contains(t, again, `"awaiting"`)
			far.say(t, strings.TrimSuffix(again, "}")+`,"members":[{"username":"bob","state":"online"}]}`,
				`{"type":"message","channel":"c","from":"bob","seq":2,"reply":7,"text":"x"}`)
			near.hear(`35[{"ok":true,"answers":[{"from":"carol","error":"gone"},{"from":"bob","data":"x"}]}]`)
		})
	})
	t.Run("too much", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			near, far, awaiting := begin(t)
			far.say(t, awaiting+`{"username":"bob","state":"online"},{"username":"carol","state":"online"}]}`)
			large := strings.Repeat("x", 60_000)
			for range 18 {
				far.say(t, `{"type":"message","channel":"c","from":"bob","seq":2,"reply":7,"text":"`+large+`"}`)
			}
			require.Contains(t, near.next(), `35[{"ok":true,"answers":[`)
			require.Contains(t, <-far.frames, `"withdraw"`)
		})
	})
}

// A master's answer goes to who has asked, and one that is not known to nobody.
func TestAnswersOfAMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newFakeHub()
		s := newSite(t, hub, Options{})
		near, far := member(t, hub, s, "websocket", true)
		far.say(t, `{"type":"message","channel":"c","from":"bob","seq":3,"request":3,"text":"?"}`,
			`{"type":"message","channel":"c","from":"carol","seq":4,"request":4,"text":"?"}`)
		near.hear(`23["request","?",{"from":"bob","seq":3,"channel":"c"}]`, `24["request","?",{"from":"carol","seq":4,"channel":"c"}]`)
		near.say(`399["nobody's"]`, `34[{"a":1}]`, `61-3[{"_placeholder":true,"num":0}]`, `#00ff`)
		require.Equal(t, `{"type":"send","channel":"c","to":"carol","reply":4,"data":{"a":1}}`, <-far.frames)
		require.Equal(t, `{"type":"send","channel":"c","to":"bob","reply":3,"base64":"AP8="}`, <-far.frames)
	})
}

// Of what a client was asked and has not answered, the oldest make way.
func TestAskedIsBounded(t *testing.T) {
	var s state
	for i := range 2 * maxAsked {
		s.ask(&translation{request: uint64(i + 1), channel: "c", from: "bob"}, true)
	}
	require.Len(t, s.asked.all, maxAsked)
	_, ok := s.asked.take(1)
	require.False(t, ok)
	found, ok := s.asked.take(2 * maxAsked)
	require.True(t, ok)
	require.Equal(t, "bob", found.from)
	s.asked.forget("c")
	require.Empty(t, s.asked.all)
}
