package stage

import (
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// Bulk is a payload of which the networks hold only a few.
var Bulk = strings.Repeat("x", 10_000)

// Stalled is a slave that does not read until it is told to.
func (s *Stage) Stalled(master *lectern.Master) *Raw {
	s.T.Helper()
	slow := s.Raw()
	slow.Send(OneJoins)
	slow.Expect(OneJoined)
	NextPresence(s.T, master, "user_one", lectern.StateOnline)
	return slow
}

// Told reads until the message of that number, and returns what a slave is told
// up to then: "7" for a message, "-3" for a gap of three.
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
