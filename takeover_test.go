package lectern_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// Whoever comes back by a ticket counts its refs anew. What it sends must not be
// taken for what was sent before, and answered as that: it would be lost though
// its sender was told that it was accepted.
func TestSendsAfterResumeByTicket(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master, slave := s.user().create("abc123", "alice"), s.user().join("abc123", "user_one")
		for _, text := range []string{"1", "2", "3"} {
			broadcast(t, master, text)
			say(t, slave, text)
		}
		receive(t, slave, "1", "2", "3")
		nextPresence(t, master, "user_one", lectern.Online)
		for _, text := range []string{"1", "2", "3"} {
			nextText(t, master, text)
		}

		again, err := s.user().ResumeMaster(within(t), master.Ticket())
		require.NoError(t, err)
		for _, text := range []string{"4", "5", "6"} {
			broadcast(t, again, text)
		}
		receive(t, slave, "4", "5", "6")

		nextPresence(t, again, "user_one", lectern.Online)
		other, err := s.user().ResumeSlave(within(t), slave.Ticket())
		require.NoError(t, err)
		for _, text := range []string{"4", "5", "6"} {
			say(t, other, text)
			nextText(t, again, text)
		}
	})
}
