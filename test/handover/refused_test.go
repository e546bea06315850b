package handover

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// What a slave sends while it is made the master, and what is refused because of that, reaches nobody: not the
// former master either, whichever hub has decided it.
func TestWhatIsRefusedForAHandOverReachesNobody(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{SlaveMessageRate: lectern.RateLimit{PerSecond: -1}}, func(t *testing.T, s *stage.Stage) {
		for round := range 30 {
			channel := fmt.Sprint("class ", round)
			master := s.User().Creates(channel, "alice")
			slave := s.User().Joins(channel, "bob")
			stage.NextPresence(t, master, "bob", lectern.StateOnline)
			var refused []string
			var sending sync.WaitGroup
			sending.Go(func() {
				for i := 0; ; i++ {
					text := fmt.Sprint(i)
					_, err := slave.Send(stage.Within(t), lectern.Text(text))
					if err != nil && !errors.Is(err, lectern.ErrSendUnknown) {
						refused = append(refused, text)
					}
					if err != nil {
						return
					}
				}
			})
			got := map[string]bool{}
			for len(got) < round%7 {
				got[stage.Next(t, master).(lectern.Message).Text()] = true
			}
			_, err := master.HandOver(stage.Within(t), "bob", round%2 == 0)
			require.NoError(t, err)
			sending.Wait()
			for event, err := range master.Events(stage.Within(t)) {
				if err != nil {
					break
				}
				if m, is := event.(lectern.Message); is {
					got[m.Text()] = true
				}
			}
			for _, text := range refused {
				require.NotContains(t, got, text, "in round %d", round)
			}
		}
	})
}
