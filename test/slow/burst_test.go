package slow

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// barrier is an Observer that holds up who delivers, once it is closed.
type barrier struct{ closed, open chan struct{} }

func (g *barrier) Observe(lectern.Metric, float64) {}

func (g *barrier) Add(metric lectern.Metric, label string, _ int64) {
	if metric != lectern.MetricMessagesSent || label != "slave" {
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
				policy := lectern.Policy{Slow: slow, Outbox: lectern.QueueLimit{Messages: 8}, Observer: g}
				stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
					g.closed, g.open = make(chan struct{}), make(chan struct{}) // of the bubble
					alice, one := s.Raw(), s.Raw()
					alice.Send(stage.AliceCreates)
					alice.Expect(stage.AliceCreated)
					one.Send(stage.OneJoins)
					one.Expect(stage.OneJoined)
					synctest.Wait()
					close(g.closed)
					for i := range burst {
						alice.Send(fmt.Sprintf(`{"type":"send","channel":"abc123","ref":%d,"text":"x"%s}`, i+10, to))
					}
					synctest.Wait()
					close(g.open)
					require.Zero(t, account(t, one.Told(burst), burst))
				})
			})
		}
	}
}

// turnstile is an Observer that lets who delivers pass once for each token, from
// when there are tokens.
type turnstile struct{ tokens atomic.Pointer[chan struct{}] }

func (g *turnstile) Observe(lectern.Metric, float64) {}

func (g *turnstile) Add(metric lectern.Metric, _ string, _ int64) {
	if tokens := g.tokens.Load(); tokens != nil && metric == lectern.MetricMessagesSent {
		<-*tokens
	}
}

// A reader that has ended a silence delivers by itself what it has decided, and not
// what others have decided meanwhile: its peer would have to wait for them.
func TestReaderDeliversItsOwn(t *testing.T) {
	g := new(turnstile)
	stage.InVirtualTime(t, lectern.Policy{Observer: g}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		time.Sleep(time.Second)
		tokens := make(chan struct{})
		defer close(tokens)
		g.tokens.Store(&tokens)
		alice.Send(`{"type":"send","channel":"abc123","text":"a"}`)
		synctest.Wait()
		one.Send(`{"type":"send","channel":"abc123","text":"b"}`, `{"type":"ping","ref":7}`)
		one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"a"}`, `{"type":"pong","ref":7}`)
		tokens <- struct{}{} // for a; b is queued then, and whoever does that is held up
		synctest.Wait()
		alice.Send(`{"type":"ping","ref":8}`)
		alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"b"}`, `{"type":"pong","ref":8}`)
	})
}
