package httpstream

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fenced returns the block of PROTOCOL.md with that info string, of which there is one.
func fenced(t *testing.T, info string) string {
	data, err := os.ReadFile("../../PROTOCOL.md")
	require.NoError(t, err)
	found := regexp.MustCompile("(?s)```"+info+"\n(.*?)```\n").FindAllStringSubmatch(string(data), -1)
	require.Len(t, found, 1)
	return found[0][1]
}

// The examples of PROTOCOL.md are what is written.
func TestProtocolExamples(t *testing.T) {
	var o opened
	require.NoError(t, json.Unmarshal([]byte(fenced(t, "text answer")), &o))
	answer, err := json.Marshal(o)
	require.NoError(t, err)
	require.Equal(t, fenced(t, "text answer"), string(answer)+"\n")
	_, ok := parseSecret(o.Connection)
	require.True(t, ok)
	require.Contains(t, fenced(t, "text shell"), string(answer))
	require.Equal(t, 2, strings.Count(fenced(t, "text shell"), ConnectionHeader+": "+o.Connection))

	events, written := newEventReader(strings.NewReader(fenced(t, "text events")), 1000), ""
	for range 5 {
		e, err := events.next()
		require.NoError(t, err)
		message, is, err := e.message()
		require.NoError(t, err)
		switch {
		case is:
			w := window{acked: e.id - 1}
			w.add(message)
			at := w.cursorAt(e.id - 1)
			written += string(w.fill(make([]byte, 0, 1000), &at))
		case e.kind == kindOpen:
			written += openEvent
		case e.kind == kindProbe:
			written += probeEvent
		default:
			f, ok := parseFarewell(e.data)
			require.True(t, ok)
			written += closeEvent(f)
		}
	}
	require.Equal(t, fenced(t, "text events"), written)
}
