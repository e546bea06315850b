package netconn

import (
	"sync"
	"testing"

	"github.com/lectern-go/lectern/transport/transporttest"
)

func TestConformance(t *testing.T) { transporttest.TestConnInBubble(t, memoryPair) }

func TestConformanceTLS(t *testing.T) {
	certificate() // outside of the bubbles
	transporttest.TestConnInBubble(t, memoryTLSPair)
}

func TestConformanceOnSockets(t *testing.T) {
	var running sync.WaitGroup
	for _, c := range []struct {
		name, network string
		secure        bool
	}{{"TCP", "tcp", false}, {"TLS", "tcp", true}, {"Unix", "unix", false}} {
		running.Go(func() {
			t.Run(c.name, func(t *testing.T) {
				transporttest.TestConn(t, func(t testing.TB, s transporttest.Settings) transporttest.Pair {
					return realPair(t, c.network, c.secure, s)
				})
			})
		})
	}
	running.Wait()
}
