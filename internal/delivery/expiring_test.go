package delivery

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// lateConn is a connection that takes nothing until it is opened, and keeps then what it takes.
type lateConn struct {
	recorder
	open chan struct{}
	once sync.Once
}

func (g *lateConn) Write(messages ...[]byte) error {
	<-g.open
	return g.recorder.Write(messages...)
}

func (g *lateConn) TryWrite(...[]byte) bool { return false }

func (g *lateConn) Close(transport.Reason) error {
	g.once.Do(func() { close(g.open) })
	return nil
}

// what is a frame in words, with what is left of it and the numbers of a gap.
func what(t *testing.T, frames []string) []string {
	words := []string{}
	for _, data := range frames {
		frame, err := wire.Decode([]byte(data))
		require.NoError(t, err)
		switch frame.Type {
		case wire.Message:
			words = append(words, strings.TrimSuffix(fmt.Sprintf("%d %s/%d", frame.Seq, frame.Payload.Data, frame.Expires()), "/0"))
		case wire.Gap:
			words = append(words, fmt.Sprintf("gap %d-%d", frame.Missed, frame.Seq))
		}
	}
	return words
}

func (r *recorder) frames() (frames []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, batch := range r.batches {
		frames = append(frames, batch...)
	}
	return frames
}

func (c *channel) sendFor(from *Seat, text string, d time.Duration) {
	msg := star.Message{Payload: wire.Payload{Kind: wire.TextPayload, Data: []byte(text)}}
	c.Decide(func(rules *star.Channel, now time.Time) {
		if d > 0 {
			msg.Expires, msg.End = d, now.Add(d)
		}
		require.NoError(c.t, rules.Send(&from.Attachment, msg))
	})
}

// counter counts what was dropped, by the label.
type counter struct {
	nobody
	mu      sync.Mutex
	dropped map[string]int64
}

func (c *counter) Add(metric star.Metric, label string, delta int64) {
	if metric == star.MessagesDropped {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.dropped[label] += delta
	}
}

// A slave and a master whose connections have taken nothing for 2 seconds get what is still
// worth something, with what is left of it, and a gap in the place of the rest.
func TestWhatExpiresOnASlowConnection(t *testing.T) {
	for _, slow := range []Slow{SlowDisconnect, SlowDropOldest, SlowDropNewest, SlowHold} {
		for _, up := range []bool{false, true} {
			t.Run(fmt.Sprint(slow, " ", up), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newChannel(t, slow, true)
					counts := &counter{dropped: map[string]int64{}}
					c.config.Observer = counts
					slowOne, other := &lateConn{open: make(chan struct{})}, new(recorder)
					masters, slaves := transport.Conn(other), transport.Conn(slowOne)
					if up {
						masters, slaves = slaves, masters
					}
					alice, bob := c.enter("alice", wire.Master, masters), c.enter("bob", wire.Slave, slaves)
					from := alice
					if up {
						from = bob
					}
					synctest.Wait() // the writer is stuck with what came before
					for _, d := range []time.Duration{2, 1, 0, 3, 2, 9} {
						c.sendFor(from, "x", d*time.Second)
					}
					require.NoError(t, c.Flush(t.Context()))
					time.Sleep(2 * time.Second)
					require.NoError(t, slowOne.Close(transport.Reason{}))
					synctest.Wait()
					require.Equal(t, []string{"gap 2-2", "3 x", "4 x/1000", "gap 1-5", "6 x/7000"}, what(t, slowOne.frames()))
					require.Equal(t, map[string]int64{star.LabelExpired: 3}, counts.dropped)
				})
			})
		}
	}
}

// Who takes what comes is told what was given, and everybody the same: it is encoded once.
func TestWhatExpiresOnFastConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChannel(t, SlowDisconnect, true)
		alice := c.enter("alice", wire.Master, new(recorder))
		var slaves []*recorder
		for i := range 100 {
			slaves = append(slaves, new(recorder))
			c.enter(fmt.Sprint("user_", i), wire.Slave, slaves[i])
		}
		c.sendFor(alice, "a", time.Second)
		c.sendFor(alice, "b", 0)
		require.NoError(t, c.Flush(t.Context()))
		for _, slave := range slaves {
			require.Equal(t, []string{"1 a/1000", "2 b"}, what(t, slave.frames()))
		}
	})
}
