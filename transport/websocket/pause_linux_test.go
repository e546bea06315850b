package websocket_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport/websocket"
)

// What follows on a message may be late, or be only a part: there is a pause before
// it is waited for, and none between what has come together.
func TestPausePolled(t *testing.T) {
	s := newPolledSite(t, "tcp", websocket.Options{}, nil)
	for name, rest := range map[string]string{
		"nothing":          "",
		"half a header":    string(frame(fin|opBinary, "later")[:1]),
		"half a message":   string(frame(fin|opBinary, "later")[:8]),
		"half of fragment": string(frame(opBinary, "la")) + string(frame(fin|opContinuation, "ter")[:3]),
	} {
		t.Run(name, func(t *testing.T) {
			_, client, server := s.connect(t)
			sent := append(frame(fin|opBinary, "one"), frame(fin|opBinary, "two")...)
			_, err := client.Write(append(sent, rest...))
			require.NoError(t, err)
			for _, want := range []string{"one", "two"} {
				require.Empty(t, server.pauses, "before %s", want)
				got, err := server.Read()
				require.NoError(t, err)
				require.Equal(t, want, string(got))
			}
			<-server.pauses // and the test does not end without
			server.Close(goodbye)
			client.Close()
		})
	}
}
