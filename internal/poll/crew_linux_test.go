package poll

import (
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"

	"time"

	"github.com/stretchr/testify/require"
)

// A reader is a connection of which nothing is to be read.
type reader struct{}

func (*reader) Raw() syscall.RawConn { return nil }
func (*reader) IsClosing() bool      { return true }
func (*reader) RunNow()              {}
func (*reader) Probe(time.Time)      {}
func (*reader) GiveUp()              {}

// A crew is not settled before those that have been started have begun, also where
// another one has to be woken so that it ends.
func TestStopWaitsForEachOfTheCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		polling := make(chan struct{})
		c := newCrew(func() ([]*Entry[*reader], error) {
			<-polling
			return nil, net.ErrClosed
		})
		c.add(&Entry[*reader]{waiter: &reader{}})
		synctest.Wait()
		require.NotNil(t, c.spare)

		c.mu.Lock()
		c.starting++ // for an add at which nobody stayed yet
		c.mu.Unlock()
		stopped := make(chan error)
		go func() {
			c.stop()
			stopped <- io.EOF
		}()
		close(polling)
		synctest.Wait()
		select {
		case <-stopped:
			t.Error("one has not begun")
		default:
		}
		c.mu.Lock()
		c.begun()
		c.mu.Unlock()
		<-stopped
	})
}
