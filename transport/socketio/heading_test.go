package socketio

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// What is emitted in a row is for the channel that was asked for last, though the hub has not
// answered yet; and where the answer is no, for the one before.
func TestEmitsInARow(t *testing.T) {
	for name, c := range map[string]struct{ answer, channel string }{
		"yes":            {`{"type":"joined","ref":21,"channel":"d","username":"bob","resume":"s2","epoch":1,"master":{"username":"carol","state":"online"},"master_timeout_ms":30000}`, "d"},
		"another name":   {`{"type":"joined","ref":21,"channel":"D","username":"bob","resume":"s2","epoch":1,"master":{"username":"carol","state":"online"},"master_timeout_ms":30000}`, "D"},
		"no":             {`{"type":"error","ref":21,"channel":"d","code":"no_such_channel","message":"no"}`, "c"},
		"it waits":       {`{"type":"waiting","ref":21,"channel":"d","for":"master"}`, "c"},
		"of another one": {`{"type":"error","ref":20,"channel":"d","code":"busy","message":"no"}`, "d"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := newFakeHub()
				s := newSite(t, hub, Options{})
				near, far := member(t, hub, s, "websocket", false)
				near.say(`25["channel","d"]`, `2["message","to d"]`)
				require.Contains(t, <-far.frames, `"type":"join","ref":21,"channel":"d"`)
				require.Equal(t, `{"type":"send","channel":"d","text":"to d"}`, <-far.frames)
				far.say(t, c.answer)
				synctest.Wait()
				near.say(`2["message","hello"]`)
				require.Equal(t, `{"type":"send","channel":"`+c.channel+`","text":"hello"}`, <-far.frames)
			})
		})
	}
}
