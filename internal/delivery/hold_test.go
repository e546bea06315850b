package delivery

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// Who is slow is remembered for a sender that waits for it, and for nobody else:
// where nobody ever waits, the list would only grow.
func TestNobodyIsRememberedWhereNobodyWaits(t *testing.T) {
	for _, test := range []struct {
		slow     Slow
		observed bool
	}{
		{SlowDropOldest, true},
		{SlowDisconnect, true},
	} {
		t.Run(fmt.Sprint(uint8(test.slow)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newChannel(t, test.slow, test.observed)
				master := c.enter("alice", wire.Master, takesAll{})
				stuck := newStuckConn()
				defer stuck.release()
				c.enter("slow", wire.Slave, stuck)
				for range 200 { // more than half of what may wait, and not all of it
					c.send(master, strings.Repeat("x", 4000))
				}
				synctest.Wait()
				require.Empty(t, c.crowd.take())
				messages, _ := c.lines[1].out.Waiting()
				require.Greater(t, messages, 128, "it was slow")
			})
		})
	}
}

// channel is a Channel and the lines to its members, without a hub.
type channel struct {
	*Channel
	t     testing.TB
	lines []*Line
}

func newChannel(t testing.TB, slow Slow, observed bool) *channel {
	goroutines := new(sync.WaitGroup)
	config := &Config{
		Limits: star.Limits{
			MasterTimeout: time.Minute, MaxSlaves: 1 << 20, Replay: star.Bound{Messages: 256, Bytes: 1 << 20}, Counted: observed,
		},
		Outbox: outbox.Limits{Messages: 256, Bytes: 1 << 20, Overflow: slow.Overflow()},
		Slow:   slow, HoldTime: time.Second, Started: time.Now(),
		Observer: nobody{}, Observed: observed, Logger: slog.New(slog.DiscardHandler),
		Goroutines: goroutines, Forget: func(*Channel) {},
	}
	c := &channel{Channel: New("abc123", config), t: t}
	t.Cleanup(func() {
		c.Stop()
		c.Flush()
		for _, l := range c.lines {
			l.out.Abort(transport.Reason{Code: transport.Shutdown})
			l.out.Wait()
		}
		c.End()
		goroutines.Wait()
	})
	return c
}

// enter makes a member on a line to the connection.
func (c *channel) enter(name string, role wire.Role, conn transport.Conn) *Seat {
	l := new(Line)
	l.Init(c.config, conn, unreleased{}, uint64(len(c.lines)+1))
	c.lines = append(c.lines, l)
	seat := new(Seat)
	seat.Init(l, c.Channel)
	c.Decide(func(rules *star.Channel, now time.Time) {
		var err error
		if role == wire.Master {
			err = rules.Create(now, &seat.Attachment, 1, name, star.Secret{}, 0)
		} else {
			err = rules.Join(now, &seat.Attachment, 1, name, "", star.Secret{})
		}
		require.NoError(c.t, err)
	})
	c.Flush()
	return seat
}

func (c *channel) send(from *Seat, text string) {
	msg := star.Message{Payload: wire.Payload{Kind: wire.TextPayload, Data: []byte(text)}}
	c.Decide(func(rules *star.Channel, _ time.Time) { require.NoError(c.t, rules.Send(&from.Attachment, msg)) })
}

// nobody observes.
type nobody struct{}

func (nobody) Add(star.Metric, string, int64) {}
func (nobody) Observe(star.Metric, float64)   {}

// unreleased owns lines on which no membership ends.
type unreleased struct{}

func (unreleased) Release(*Seat, *wire.Packet, *wire.Cause) {}

// takesAll is a connection that takes everything.
type takesAll struct{ transport.Conn }

func (takesAll) Write(...[]byte) error        { return nil }
func (takesAll) TryWrite(...[]byte) bool      { return true }
func (takesAll) Close(transport.Reason) error { return nil }

// stuckConn takes nothing until it is closed.
type stuckConn struct {
	transport.Conn
	end     chan struct{}
	release func()
}

func newStuckConn() *stuckConn {
	c := &stuckConn{end: make(chan struct{})}
	c.release = sync.OnceFunc(func() { close(c.end) })
	return c
}

func (c *stuckConn) Write(...[]byte) error {
	<-c.end
	return transport.ErrSlow
}

func (c *stuckConn) Close(transport.Reason) error {
	c.release()
	return nil
}
