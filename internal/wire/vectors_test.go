package wire_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// vectors is testdata/vectors.json; its comment describes it.
type vectors struct {
	Comment  []string
	Frames   []vector
	Readings []vector
	Refused  []refusal
}

type vector struct {
	Name   string
	Frame  neutral
	Text   string
	Binary string
}

type refusal struct {
	Name   string
	Text   string
	Hex    string
	Code   string
	Ref    uint64
	NoForm bool `json:"no_form"`
}

func (r refusal) input(t testing.TB) []byte {
	if r.Text != "" {
		return []byte(r.Text)
	}
	return unhex(t, r.Hex)
}

// neutral is a frame as the vectors spell it, in neither form.
type neutral struct {
	Type          string
	Ref           uint64
	Channel       string
	Username      string
	Expect        string
	Token         string
	Secret        string
	Epoch         uint64
	From          string
	To            *string
	Last          uint64
	Instance      string
	Seen          *uint64
	Confirm       uint64 `json:"confirm_messages"`
	ConfirmBytes  uint64 `json:"confirm_bytes"`
	Seq           uint64
	Slaves        uint64
	Private       bool
	Asks          bool
	Request       uint64
	Reply         uint64
	Exists        *bool
	Role          string
	State         string
	Master        neutralMember
	MasterTimeout *uint64 `json:"master_timeout_ms"`
	Timeout       *uint64 `json:"timeout_ms"`
	Gap           bool
	Code          string
	Missed        uint64
	Reason        string
	Ban           bool
	Members       *[]neutralMember
	Number        uint64
	Topic         string
	Expires       uint64 `json:"expires_ms"`
	Joined        bool
	On            *bool
	Muted         bool
	Stay          bool
	Failed        *struct{ Code, Message string }
	Key           string
	Attributes    []neutralAttribute
	Door          string
	Wait          bool
	For           string
	Knock         uint64
	Knocks        []struct {
		Knock      uint64
		Username   string
		Attributes []neutralAttribute
	}
	Roster                     string
	More                       bool
	Online, Away, After, Limit uint64
	Payload                    neutralPayload
}

type neutralAttribute struct {
	Key     string
	Payload neutralPayload
}

type neutralPayload struct{ Kind, UTF8, Hex string }

func (n neutralPayload) payload(t testing.TB) (p wire.Payload) {
	p.Kind = kinds[n.Kind]
	switch {
	case n.Hex != "":
		p.Data = unhex(t, n.Hex)
	case n.Kind != "":
		p.Data = []byte(n.UTF8)
	}
	return p
}

type neutralMember struct {
	Username, State string
	Number          uint64
}

var (
	roles  = map[string]wire.Role{"master": wire.Master, "slave": wire.Slave}
	states = map[string]wire.State{"online": wire.StateOnline, "away": wire.StateAway, "left": wire.StateLeft}
	kinds  = map[string]wire.PayloadKind{"text": wire.TextPayload, "data": wire.DataPayload, "bytes": wire.BytesPayload}
	types  = map[string]wire.Type{
		"create": wire.Create, "join": wire.Join, "resume": wire.Resume, "send": wire.Send,
		"leave": wire.Leave, "away": wire.Away, "back": wire.Back, "kick": wire.Kick,
		"status": wire.Status, "members": wire.Members, "ping": wire.Ping,
		"withdraw": wire.Withdraw, "awaiting": wire.Awaiting, "refresh": wire.Refresh, "set": wire.Set,
		"created": wire.Created, "joined": wire.Joined, "message": wire.Message,
		"presence": wire.Presence, "closed": wire.Closed, "gap": wire.Gap, "ack": wire.Ack,
		"left": wire.Left, "pong": wire.Pong, "error": wire.Error, "shutdown": wire.Shutdown,
		"attribute": wire.Attribute, "reset": wire.Reset, "asked": wire.Asked, "mute": wire.Mute, "muted": wire.Muted,
		"door": wire.SetDoor, "admit": wire.Admit, "deny": wire.Deny, "waiting": wire.Waiting, "knock": wire.Knock, "hand_over": wire.HandOver,
	}
)

func (m neutralMember) member() wire.Member {
	return wire.Member{Username: m.Username, State: states[m.State], Number: m.Number}
}

// value returns what p points to, and whether it points to anything.
func value[T any](p *T) (v T, given bool) {
	if p != nil {
		return *p, true
	}
	return v, false
}

func (n neutral) frame(t testing.TB) wire.Frame {
	frame := wire.Frame{
		Type: types[n.Type], Ref: n.Ref, Channel: n.Channel, Username: n.Username, Token: n.Token,
		Secret: n.Secret, Expect: n.Expect, From: n.From, Last: n.Last, Seq: n.Seq, Asks: n.Asks,
		Request: n.Request, Reply: n.Reply, Private: n.Private, Ban: n.Ban || n.Stay, Code: n.Code,
		Reason: n.Reason, Role: roles[n.Role], State: states[n.State], Epoch: n.Epoch, Gap: n.Gap,
		Missed: n.Missed, Slaves: n.Slaves, Number: n.Number, Joined: n.Joined, Master: n.Master.member(),
		Instance: n.Instance, ConfirmMessages: n.Confirm, ConfirmBytes: n.ConfirmBytes,
	}
	if n.Topic != "" {
		frame.SetTopic(n.Topic)
	}
	if n.Expires != 0 {
		frame.SetExpires(n.Expires)
	}
	if frame.Muted = n.Muted; n.On != nil {
		frame.Muted = *n.On
	}
	frame.To, frame.HasTo = value(n.To)
	frame.Seen, frame.HasSeen = value(n.Seen)
	frame.Exists, frame.HasExists = value(n.Exists)
	frame.MasterTimeout, frame.HasMasterTimeout = value(n.MasterTimeout)
	frame.Timeout, frame.HasTimeout = value(n.Timeout)
	members, given := value(n.Members)
	frame.HasMembers = given
	for _, m := range members {
		frame.Members = append(frame.Members, m.member())
	}
	frame.Payload = n.Payload.payload(t)
	if n.Failed != nil {
		var wrong string
		frame.Payload, wrong = wire.NewFailure(n.Failed.Code, n.Failed.Message)
		require.Empty(t, wrong)
	}
	if n.Key != "" {
		frame.Code = n.Key
	}
	frame.SetAttributes(attributesOf(t, n.Attributes))
	n.enter(t, &frame)
	return frame
}

// enter gives the frame what it has of how somebody comes in.
func (n neutral) enter(t testing.TB, frame *wire.Frame) {
	if n.Knock != 0 {
		frame.Number = n.Knock
	}
	if l := (wire.Listing{
		Roster: map[string]wire.Roster{"pages": wire.RosterPages, "count": wire.RosterCount}[n.Roster], More: n.More,
		Online: n.Online, Away: n.Away, After: n.After, Limit: n.Limit,
	}); l != (wire.Listing{}) {
		*frame.NeedListing() = l
	}
	if n.Door+n.For == "" && !n.Wait && n.Knocks == nil {
		return
	}
	e := frame.NeedEntering()
	e.Door, e.Wait, e.For = wire.DoorOf(n.Door), n.Wait, map[string]wire.WaitingFor{"master": wire.ForMaster, "door": wire.ForDoor}[n.For]
	var knocks wire.Knocks
	for _, k := range n.Knocks {
		knocks = append(knocks, wire.Knocking{Number: k.Knock, Username: k.Username, Attributes: attributesOf(t, k.Attributes)})
	}
	if knocks != nil {
		e.Knocks = &knocks
	}
}

func attributesOf(t testing.TB, all []neutralAttribute) *wire.Attributes {
	var attributes wire.Attributes
	for _, a := range all {
		attributes = append(attributes, wire.KeyValue{Key: a.Key, Value: a.Payload.payload(t)})
	}
	return attributes.Sorted()
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

func readVectors(t testing.TB) vectors {
	data, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var v vectors
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&v))
	require.NotEmpty(t, v.Frames)
	require.NotEmpty(t, v.Readings)
	require.NotEmpty(t, v.Refused)
	return v
}

// inputs returns every input of the vectors, good and bad.
func (v vectors) inputs(t testing.TB) [][]byte {
	var inputs [][]byte
	for _, each := range append(v.Frames, v.Readings...) {
		if each.Text != "" {
			inputs = append(inputs, []byte(each.Text))
		}
		if each.Binary != "" {
			inputs = append(inputs, unhex(t, each.Binary))
		}
	}
	for _, each := range v.Refused {
		inputs = append(inputs, each.input(t))
	}
	return inputs
}

func TestVectorsAreReadAndWritten(t *testing.T) {
	seen := map[wire.Type]bool{}
	for _, v := range readVectors(t).Frames {
		t.Run(v.Name, func(t *testing.T) {
			frame := v.Frame.frame(t)
			seen[frame.Type] = true
			binary := unhex(t, v.Binary)

			require.Equal(t, v.Text, string(wire.Append(nil, wire.Text, &frame)))
			require.Equal(t, v.Binary, hex.EncodeToString(wire.Append(nil, wire.Binary, &frame)))
			require.Equal(t, wire.Text, wire.FormOf([]byte(v.Text)))
			require.Equal(t, wire.Binary, wire.FormOf(binary))

			fromText, err := wire.Decode([]byte(v.Text))
			require.NoError(t, err)
			require.Equal(t, frame, fromText)
			fromBinary, err := wire.Decode(binary)
			require.NoError(t, err)
			require.Equal(t, frame, fromBinary)
		})
	}
	for word, frameType := range types {
		require.True(t, seen[frameType], "no vector for %s", word)
	}
}

func TestVectorsAreRead(t *testing.T) {
	for _, v := range readVectors(t).Readings {
		t.Run(v.Name, func(t *testing.T) {
			input := []byte(v.Text)
			if v.Text == "" {
				input = unhex(t, v.Binary)
			}
			frame, err := wire.Decode(input)
			require.NoError(t, err)
			require.Equal(t, v.Frame.frame(t), frame)
		})
	}
}

func TestVectorsAreRefused(t *testing.T) {
	for _, v := range readVectors(t).Refused {
		t.Run(v.Name, func(t *testing.T) {
			frame, err := wire.Decode(v.input(t))
			require.Equal(t, wire.Frame{}, frame)
			var decodeErr *wire.DecodeError
			require.ErrorAs(t, err, &decodeErr)
			require.Equal(t, v.Code, decodeErr.Code, decodeErr)
			require.Equal(t, v.Ref, decodeErr.Ref, decodeErr)
			require.Equal(t, v.NoForm, decodeErr.NoForm, decodeErr)
			require.NotEmpty(t, decodeErr.Detail)
			require.Equal(t, err, wire.DecodeFromClient(new(wire.Frame), v.input(t)), "what is not kept is refused all the same")
		})
	}
}
