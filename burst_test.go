package lectern_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// barrier is an Observer that holds up who delivers, once it is closed.
type barrier struct{ closed, open chan struct{} }

func (g *barrier) Observe(lectern.Metric, float64) {}

func (g *barrier) Add(metric lectern.Metric, label string, _ int64) {
	if metric != lectern.MessagesSent || label != "slave" {
		return
	}
	select {
	case <-g.closed:
		<-g.open
	default:
	}
}

// Nobody is slow who was given no chance to take what came before: what is
// decided while the delivery is busy is more than an outbox holds.
func TestBurst(t *testing.T) {
	const burst = 30
	for _, slow := range []lectern.Slow{lectern.SlowDisconnect, lectern.SlowDropOldest, lectern.SlowDropNewest, lectern.SlowHold} {
		for _, to := range []string{`,"to":"user_one"`, ""} {
			t.Run(fmt.Sprint(slow, to), func(t *testing.T) {
				g := new(barrier)
				policy := lectern.Policy{Slow: slow, Outbox: lectern.Bound{Messages: 8}, Observer: g}
				inBubble(t, policy, func(t *testing.T, s *stage) {
					g.closed, g.open = make(chan struct{}), make(chan struct{}) // of the bubble
					alice, one := s.raw(), s.raw()
					alice.send(aliceCreates)
					alice.expect(aliceCreated)
					one.send(oneJoins)
					one.expect(oneJoined)
					synctest.Wait()
					close(g.closed)
					for i := range burst {
						alice.send(fmt.Sprintf(`{"type":"send","channel":"abc123","ref":%d,"text":"x"%s}`, i+10, to))
					}
					synctest.Wait()
					close(g.open)
					require.Zero(t, account(t, one.told(burst), burst))
				})
			})
		}
	}
}
