package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

func TestAppendKeepsWhatIsThere(t *testing.T) {
	ping := &wire.Frame{Type: wire.Ping, Ref: 7}
	require.Equal(t, `before{"type":"ping","ref":7}`, string(wire.Append([]byte("before"), wire.Text, ping)))
	require.Equal(t, "before\x0b\x01\x01\x07", string(wire.Append([]byte("before"), wire.Binary, ping)))
}

// What is no field of the frame's type is not written, whatever is in it.
func TestAppendWritesTheTypesOwnFields(t *testing.T) {
	full := wire.Frame{
		Ref: 1, Channel: "c", Username: "u", Token: "t", Secret: "s", Expect: "e", From: "f", To: "o", HasTo: true,
		Instance: "i", Last: 2, Seen: 14, HasSeen: true, Seq: 3, ConfirmMessages: 15, ConfirmBytes: 16, Asks: true, Request: 4, Reply: 5, Private: true,
		Payload:       wire.Payload{Kind: wire.TextPayload, Data: []byte("p")},
		MasterTimeout: 6, HasMasterTimeout: true, Timeout: 7, HasTimeout: true, Ban: true, Code: "d", Reason: "r",
		Role: wire.Slave, State: wire.StateAway, Epoch: 8, Gap: true, Missed: 9, Slaves: 10, Exists: true, HasExists: true,
		Master:  wire.Member{Username: "m", State: wire.StateOnline, Number: 13},
		Members: []wire.Member{{Username: "n", State: wire.StateAway, Number: 11}}, HasMembers: true, Number: 12, Muted: true,
		Aside: &wire.Aside{
			Topic: "a", Expires: 17,
			Entering: &wire.Entering{
				Attributes: &wire.Attributes{{Key: "k", Value: wire.Payload{Kind: wire.TextPayload, Data: []byte("v")}}},
				Knocks:     &wire.Knocks{{Number: 18, Username: "w"}},
				Door:       wire.DoorLocked, For: wire.ForDoor, Wait: true,
			},
		},
	}
	for want, frameType := range map[string]wire.Type{
		`{"type":"create","ref":1,"channel":"c","username":"u","token":"t","master_timeout_ms":6,"instance":"i","attributes":{"k":{"text":"v"}},"door":"locked"}`: wire.Create,
		`{"type":"join","ref":1,"channel":"c","username":"u","master":"e","token":"t","from":"f","instance":"i","attributes":{"k":{"text":"v"}},"wait":true}`:     wire.Join,
		`{"type":"resume","ref":1,"channel":"c","username":"u","token":"t","resume":"s","epoch":8,"last":2,"seq":3,"instance":"i"}`:                               wire.Resume,
		`{"type":"send","ref":1,"channel":"c","epoch":8,"to":"o","request":true,"reply":5,"seen":14,"topic":"a","expires_ms":17,"text":"p"}`:                      wire.Send,
		`{"type":"leave","ref":1,"channel":"c","epoch":8,"seen":14}`:                                                                                              wire.Leave,
		`{"type":"kick","ref":1,"channel":"c","epoch":8,"to":"o","reason":"r","ban":true,"seen":14}`:                                                              wire.Kick,
		`{"type":"status","ref":1,"channel":"c","exists":true,"master":{"username":"m","state":"online"},"timeout_ms":7}`:                                         wire.Status,
		`{"type":"members","ref":1,"channel":"c","epoch":8,"members":[{"username":"n","state":"away","number":11}],"seen":14}`:                                    wire.Members,
		`{"type":"ping","ref":1,"channel":"c","epoch":8,"seen":14}`:                                                                                               wire.Ping,
		`{"type":"refresh","ref":1,"channel":"c","token":"t","epoch":8,"seen":14}`:                                                                                wire.Refresh,
		`{"type":"set","ref":1,"channel":"c","epoch":8,"seen":14,"key":"d","text":"p"}`:                                                                           wire.Set,
		`{"type":"attribute","ref":1,"channel":"c","from":"f","seq":3,"key":"d","text":"p"}`:                                                                      wire.Attribute,
		`{"type":"asked","ref":1,"channel":"c"}`:                                                                                                                  wire.Asked,
		`{"type":"reset","ref":1,"channel":"c","from":"f","seq":3}`:                                                                                               wire.Reset,
		`{"type":"created","ref":1,"channel":"c","username":"u","resume":"s","epoch":8,"seq":3,"request":true,"master_timeout_ms":6,"gap":true,"members":[{"username":"n","state":"away","number":11}],"confirm_messages":15,"confirm_bytes":16,"attributes":{"k":{"text":"v"}},"door":"locked","muted":true,"knocks":[{"knock":18,"username":"w"}]}`: wire.Created,
		`{"type":"joined","ref":1,"channel":"c","username":"u","resume":"s","epoch":8,"request":true,"master":{"username":"m","state":"online"},"master_timeout_ms":6,"attributes":{"k":{"text":"v"}},"muted":true}`:                                                                                                                                  wire.Joined,
		`{"type":"message","ref":1,"channel":"c","from":"f","seq":3,"private":true,"request":4,"reply":5,"topic":"a","expires_ms":17,"text":"p"}`:                                                                                                                                                                                                     wire.Message,
		`{"type":"presence","ref":1,"channel":"c","username":"u","seq":3,"role":"slave","state":"away","timeout_ms":7,"reason":"r","number":12,"attributes":{"k":{"text":"v"}}}`:                                                                                                                                                                      wire.Presence,
		`{"type":"closed","ref":1,"channel":"c","code":"d","reason":"r"}`:                                                                            wire.Closed,
		`{"type":"gap","ref":1,"channel":"c","seq":3,"missed":9}`:                                                                                    wire.Gap,
		`{"type":"ack","ref":1,"seq":3,"slaves":10}`:                                                                                                 wire.Ack,
		`{"type":"error","ref":1,"channel":"c","code":"d","message":"r"}`:                                                                            wire.Error,
		`{"type":"door","ref":1,"channel":"c","epoch":8,"seen":14,"door":"locked"}`:                                                                  wire.SetDoor,
		`{"type":"admit","ref":1,"channel":"c","epoch":8,"seen":14,"knock":12}`:                                                                      wire.Admit,
		`{"type":"deny","ref":1,"channel":"c","epoch":8,"reason":"r","seen":14,"knock":12}`:                                                          wire.Deny,
		`{"type":"waiting","ref":1,"channel":"c","master":{"username":"m","state":"online"},"timeout_ms":7,"for":"door"}`:                            wire.Waiting,
		`{"type":"knock","ref":1,"channel":"c","username":"u","attributes":{"k":{"text":"v"}},"knock":12,"on":true}`:                                 wire.Knock,
		`{"type":"hand_over","ref":1,"channel":"c","username":"u","token":"t","resume":"s","epoch":8,"to":"o","instance":"i","seen":14,"stay":true}`: wire.HandOver,
		`{"type":"mute","ref":1,"channel":"c","epoch":8,"to":"o","seen":14,"on":true}`:                                                               wire.Mute,
		`{"type":"muted","ref":1,"channel":"c","on":true}`:                                                                                           wire.Muted,
	} {
		t.Run(frameType.String(), func(t *testing.T) {
			full.Type = frameType
			require.Equal(t, want, string(wire.Append(nil, wire.Text, &full)))
			fromText, err := wire.Decode([]byte(want))
			require.NoError(t, err)
			fromBinary, err := wire.Decode(wire.Append(nil, wire.Binary, &full))
			require.NoError(t, err)
			require.Equal(t, fromText, fromBinary)
		})
	}
}

// A zero that means something, and a value whose flag was forgotten, are
// written; a zero that means nothing is not.
func TestAppendTellsZeroFromNone(t *testing.T) {
	tests := []struct {
		frame wire.Frame
		want  string
	}{
		{wire.Frame{Type: wire.Create, HasMasterTimeout: true}, `{"type":"create","channel":"","username":"","master_timeout_ms":0}`},
		{wire.Frame{Type: wire.Create, MasterTimeout: 5}, `{"type":"create","channel":"","username":"","master_timeout_ms":5}`},
		{wire.Frame{Type: wire.Kick}, `{"type":"kick","channel":"","to":""}`},
		{wire.Frame{Type: wire.Status}, `{"type":"status","channel":""}`},
		{wire.Frame{Type: wire.Status, HasExists: true}, `{"type":"status","channel":"","exists":false}`},
		{wire.Frame{Type: wire.Status, Exists: true}, `{"type":"status","channel":"","exists":true}`},
		{wire.Frame{Type: wire.Members}, `{"type":"members","channel":""}`},
		{wire.Frame{Type: wire.Members, HasMembers: true}, `{"type":"members","channel":"","members":[]}`},
		{wire.Frame{Type: wire.Gap}, `{"type":"gap","channel":"","missed":0}`},
		{wire.Frame{Type: wire.Ack}, `{"type":"ack"}`},
		{wire.Frame{Type: wire.Mute}, `{"type":"mute","channel":"","on":false}`},
		{wire.Frame{Type: wire.Joined, Master: wire.Member{State: wire.StateAway}}, `{"type":"joined","channel":"","username":"","resume":"","master":{"username":"","state":"away"}}`},
		{wire.Frame{Type: wire.Ping, Channel: "c", HasSeen: true}, `{"type":"ping","channel":"c","seen":0}`},
	}
	for _, test := range tests {
		require.Equal(t, test.want, string(wire.Append(nil, wire.Text, &test.frame)))
		fromText, err := wire.Decode([]byte(test.want))
		require.NoError(t, err)
		fromBinary, err := wire.Decode(wire.Append(nil, wire.Binary, &test.frame))
		require.NoError(t, err)
		require.Equal(t, fromText, fromBinary)
	}
}

// Strings that are not UTF-8 would cost the receiver its whole connection.
func TestAppendReplacesWhatIsNotUTF8(t *testing.T) {
	frame := &wire.Frame{
		Type: wire.Members, Channel: "a\xffb", HasMembers: true,
		Members: []wire.Member{{Username: "\xed\xa0\x80", State: wire.StateAway}},
	}
	want := *frame
	want.Channel = "a\ufffdb"
	want.Members = []wire.Member{{Username: "\ufffd", State: wire.StateAway}}
	for _, form := range forms {
		got, err := wire.Decode(wire.Append(nil, form, frame))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, form := range forms {
		frame := &wire.Frame{Type: wire.Send, Payload: wire.Payload{Kind: wire.TextPayload, Data: []byte("a\xff")}}
		got, err := wire.Decode(wire.Append(nil, form, frame))
		require.NoError(t, err)
		require.Equal(t, "a\ufffd", string(got.Payload.Data))
	}
}

func TestAppendTrimsData(t *testing.T) {
	frame := &wire.Frame{Type: wire.Send, Payload: wire.Payload{Kind: wire.DataPayload, Data: []byte(" [ 1 ]\r\n\t")}}
	require.Equal(t, `{"type":"send","channel":"","data":[ 1 ]}`, string(wire.Append(nil, wire.Text, frame)))
	require.Equal(t, "\x04\x02\x00\x7e\x05[ 1 ]", string(wire.Append(nil, wire.Binary, frame)))
}

func TestAppendPanicsWithoutAType(t *testing.T) {
	for _, form := range forms {
		for _, frameType := range []wire.Type{0, 0x1f, 0x2f, 0x3e, 0x3f, 0x40, '{', 0xff} {
			require.Panics(t, func() { wire.Append(nil, form, &wire.Frame{Type: frameType}) })
		}
	}
}

func TestWords(t *testing.T) {
	require.Equal(t, "send", wire.Send.String())
	require.Equal(t, "type 31", wire.Type(31).String())
	require.Equal(t, "type 255", wire.Type(255).String())
	require.Equal(t, "slave", wire.Slave.String())
	require.Equal(t, "role 3", wire.Role(3).String())
	require.Equal(t, "left", wire.StateLeft.String())
	require.Equal(t, "state 4", wire.State(4).String())
}

func TestDecodeErrorText(t *testing.T) {
	_, err := wire.Decode(nil)
	require.EqualError(t, err, "wire: bad_frame: no frame: one in the text form begins with {")
}
