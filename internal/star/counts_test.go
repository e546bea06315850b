package star

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

var metricWords = map[Metric]string{
	Channels: "channels", Slaves: "slaves", MessagesReceived: "messages", BytesReceived: "bytes", MessagesDropped: "dropped",
	MessagesByTopic: "topics", Joins: "joins", Leaves: "leaves", Resumes: "resumes", ConnectionsLost: "lost",
}

// counted runs a transition and returns what it counts.
func (c *table) counted(transition func() error) []string {
	c.t.Helper()
	require.NoError(c.t, c.do(transition))
	lines := []string{}
	for _, e := range c.TakeEffects(nil) {
		if e.Kind == Count {
			lines = append(lines, fmt.Sprintf("%s %s %+d", metricWords[e.Metric], e.Text, e.Delta))
		}
	}
	return lines
}

func TestWhatIsCounted(t *testing.T) {
	c := newTable(t, Limits{Counted: true, Replay: Bound{Messages: 1}})
	a, u, v := c.on("a"), c.on("u"), c.on("v")
	count := func(transition func() error, lines ...string) {
		t.Helper()
		require.Equal(t, append([]string{}, lines...), c.counted(transition))
	}
	count(func() error { return c.create(c.now, a, 1, "alice", 0) }, "channels  +1")
	count(func() error { return c.join(c.now, u, 1, "user_1", "") }, "joins  +1", "slaves  +1")
	count(func() error { return c.join(c.now, v, 1, "user_2", "") }, "joins  +1", "slaves  +1")
	count(func() error { return c.Send(a, textMessage(2, "four")) }, "messages master +1", "bytes master +4")
	count(func() error { return c.Send(u, textMessage(2, "")) }, "messages slave +1") // no bytes, no count of them
	count(c.lostBy(u), "lost slave +1")
	count(func() error { return c.Send(a, textMessage(0, "x")) }, "messages master +1", "bytes master +1")
	count(func() error { return c.Send(a, textMessage(0, "y")) }, "messages master +1", "bytes master +1")
	count(func() error { return c.resume(c.now, c.on("u'"), 9, "user_1", c.secret("user_1"), 1) },
		"resumes slave +1", "dropped replay +1")
	count(c.lostBy(a), "lost master +1")
	b := c.on("b")
	count(func() error { return c.resume(c.now, b, 9, "alice", c.secret("alice"), 0) }, "resumes master +1")
	count(func() error { return c.Leave(c.now, v, 0) }, "leaves left +1", "slaves  -1")
	count(func() error { return c.Kick(b, 0, "user_1", false, "a name that anybody chose") }, "leaves kicked +1", "slaves  -1")
	w := c.on("w")
	require.NoError(t, c.join(c.now, w, 1, "user_3", ""))
	c.effects = nil
	count(c.lostBy(w), "lost slave +1")
	c.now = c.now.Add(xSlave)
	count(func() error { return nil }, "leaves timeout +1", "slaves  -1")
	require.NoError(t, c.join(c.now, c.on("z"), 1, "user_4", ""))
	c.effects = nil
	count(func() error { return c.Leave(c.now, b, 0) }, "leaves master_left +1", "slaves  -1", "channels  -1")

	// A refusal counts nothing, and a message that is sent again counts once.
	c, a, u2 := openTable(t, Limits{Counted: true}, 1)
	require.ErrorIs(t, c.Send(u2[1], messageTo(2, "user_1", "psst")), wire.ErrForbidden)
	require.Empty(t, c.effects)
	count(func() error { return c.Send(a, textMessage(2, "x")) }, "messages master +1", "bytes master +1")
	count(func() error { return c.Send(a, textMessage(2, "x")) })

	// Where nobody counts, there is nothing to carry out for it.
	c, a, _ = openTable(t, Limits{}, 1)
	require.Empty(t, c.counted(func() error { return c.Send(a, textMessage(2, "x")) }))
	require.Empty(t, c.counted(func() error { return c.Leave(c.now, a, 0) }))
}
