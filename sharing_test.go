package lectern_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// An audience so large that several processors share it out: each slave has every
// message once and in order, however slow slaves are treated, in both forms.
func TestLargeAudience(t *testing.T) {
	const slaves, messages = 850, 30
	for _, slow := range []lectern.Slow{lectern.SlowDisconnect, lectern.SlowDropOldest} {
		t.Run(fmt.Sprint(slow), func(t *testing.T) {
			inBubble(t, lectern.Policy{Slow: slow}, func(t *testing.T, s *stage) {
				master := s.user().create("abc123", "alice")
				binary := make([]*lectern.Slave, slaves)
				for i := range binary {
					var err error
					binary[i], err = s.hub.Join(within(t), "abc123", fmt.Sprint("user", i))
					require.NoError(t, err)
				}
				text := s.raw()
				text.send(oneJoins)
				text.expect(oneJoined)
				for i := range messages {
					broadcast(t, master, fmt.Sprint("message ", i))
					synctest.Wait() // so that each is a delivery
				}
				for i := range messages {
					want := fmt.Sprint("message ", i)
					for _, slave := range binary {
						receive(t, slave, want)
					}
					text.expect(fmt.Sprintf(`{"type":"message","channel":"abc123","from":"alice","seq":%d,"text":%q}`, i+1, want))
				}
			})
		})
	}
}
