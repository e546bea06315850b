package lectern_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// Two that switch the same handle at the same time: one of them does.
func TestSwitchesAtTheSameTime(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice := s.user()
		for _, channel := range []string{"first", "second", "third"} {
			alice.create(channel, "alice")
		}
		for range 20 {
			slave, err := s.hub.Join(within(t), "first", "user_one")
			require.NoError(t, err)
			next := make([]*lectern.Slave, 2)
			var switching sync.WaitGroup
			for i, channel := range []string{"second", "third"} {
				switching.Go(func() { next[i], _ = slave.Switch(within(t), channel) })
			}
			switching.Wait()
			require.NotEqual(t, next[0] == nil, next[1] == nil)
			for _, slave := range next {
				if slave != nil {
					require.NoError(t, slave.Close())
				}
			}
		}
	})
}
