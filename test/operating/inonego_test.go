package operating

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// told expects that these frames come next, each by its type, its code where it has one, its ref and
// its channel. Those of one channel come in this order.
func told(r *stage.Raw, lines ...string) {
	r.T.Helper()
	expected, got := map[string][]string{}, map[string][]string{}
	for _, line := range lines {
		message, err := r.Read()
		require.NoError(r.T, err, "%d of %d, such as %s", len(got), len(lines), line)
		var frame struct {
			Type, Code, Channel string
			Ref                 json.Number
		}
		require.NoError(r.T, json.Unmarshal([]byte(message), &frame))
		words := strings.Fields(strings.Join([]string{frame.Type, frame.Code, frame.Ref.String(), frame.Channel}, " "))
		got[frame.Channel] = append(got[frame.Channel], strings.Join(words, " "))
		channel := line[strings.LastIndexByte(line, ' ')+1:]
		if _, err := strconv.Atoi(channel); err == nil {
			channel = ""
		}
		expected[channel] = append(expected[channel], line)
	}
	require.Equal(r.T, expected, got)
}

// What a peer sends for one channel without waiting for answers is answered in its order, whichever part of the hub
// refuses it.
func TestFramesInOneGo(t *testing.T) {
	policy := lectern.Policy{MaxChannelsPerConnection: 1}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		s.User().Creates("second", "carol")
		s.User().Joins("abc123", "bob")
		one := s.Raw()
		one.Send(
			`{"type":"join","ref":1,"channel":"abc123","username":"bob"}`,
			`{"type":"send","ref":2,"channel":"abc123","text":"psst"}`,
			`{"type":"join","ref":3,"channel":"abc123","username":"dave"}`,
			`{"type":"leave","ref":4,"channel":"abc123"}`,
			`{"type":"leave","ref":5,"channel":"abc123"}`,
			`{"type":"join","ref":6,"channel":"second","username":"dave"}`,
			`{"type":"leave","ref":7,"channel":"second"}`,
		)
		told(one, "error name_taken 1 abc123", "error not_a_member 2 abc123", "joined 3 abc123", "left 4 abc123",
			"error not_a_member 5 abc123", "joined 6 second", "left 7 second")
	})
}

// What comes behind a switch for the channel that it leaves is for nobody any more.
func TestAMessageBehindASwitch(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		s.User().Creates("second", "carol")
		one := s.Raw()
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		one.Send(
			`{"type":"join","ref":2,"channel":"second","username":"user_one","from":"abc123"}`,
			`{"type":"send","ref":3,"channel":"abc123","text":"psst"}`,
			`{"type":"join","ref":4,"channel":"abc123","username":"user_one"}`,
		)
		told(one, "joined 2 second", "left abc123", "error not_a_member 3 abc123", "joined 4 abc123")
		channel, _ := s.Hub.Channel("abc123")
		shot, _ := channel.Snapshot()
		require.Zero(t, shot.SlaveMessages)
	})
}

// Only malformed frames that come in a row end a connection, also where a channel finds them
// malformed after later ones have been read.
func TestMalformedInARow(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		one := s.Raw()
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		good := `{"type":"send","ref":9,"channel":"abc123","text":"psst"}`
		again := `{"type":"send","ref":9,"channel":"abc123","text":"something else"}`
		one.Send(good, again, again, good, again, again, good)
		told(one, "ack 9", "error bad_frame 9 abc123", "error bad_frame 9 abc123", "ack 9", "error bad_frame 9 abc123", "error bad_frame 9 abc123", "ack 9")
		one.Send(again, again, again)
		told(one, "error bad_frame 9 abc123", "error bad_frame 9 abc123", "error bad_frame 9 abc123")
		one.Closed(transport.ProtocolError)
	})
}
