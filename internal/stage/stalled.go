package stage

import (
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// Bulk is a large payload: the buffers of the networks hold only a few of it.
var Bulk = strings.Repeat("x", 10_000)

// Stalled returns a slave that does not read until the test calls its methods.
func (s *Stage) Stalled(master *lectern.Master) *Raw {
	s.T.Helper()
	slow := s.Raw()
	slow.Send(OneJoins)
	slow.Expect(OneJoined)
	NextPresence(s.T, master, "user_one", lectern.StateOnline)
	return slow
}

// Told reads until the message of that number, and returns what the slave got until then:
// "7" for the message 7, "-3" for a gap of three messages, "presence" for a presence.
func (r *Raw) Told(last int) (told []string) {
	r.T.Helper()
	for {
		frame, err := r.Read()
		require.NoError(r.T, err)
		var seq, missed int
		if _, err := fmt.Sscanf(frame, `{"type":"message","channel":"abc123","from":"alice","seq":%d,`, &seq); err == nil {
			told = append(told, fmt.Sprint(seq))
		} else if _, err := fmt.Sscanf(frame, `{"type":"gap","channel":"abc123","missed":%d}`, &missed); err == nil {
			told = append(told, fmt.Sprint(-missed))
		} else {
			require.Contains(r.T, frame, `"type":"presence"`)
			told = append(told, "presence")
		}
		if seq == last {
			return told
		}
	}
}
