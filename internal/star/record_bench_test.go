package star

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkRecords measures what the records of some transitions take: their bytes, with the id of a
// hub where they have one, and the time and allocations of the transitions with recording off and on, and
// with each record applied to another channel.
func BenchmarkRecords(b *testing.B) {
	payload := strings.Repeat("x", 100)
	hub := &Hub{1}
	for name, transitions := range map[string][]func(c *Channel, a, u *Attachment, i uint64){
		"down 100 B": {func(c *Channel, a, _ *Attachment, i uint64) { _ = c.Send(a, textMessage(i, payload)) }},
		"up 100 B":   {func(c *Channel, _, u *Attachment, i uint64) { _ = c.Send(u, textMessage(i, payload)) }},
		"join, leave": {
			func(c *Channel, a, _ *Attachment, _ uint64) {
				at := &Attachment{Line: a.Line, Hub: hub}
				_ = c.Join(noon, at, Entry{Ref: 1, Instance: HashOf("A"), Secret: Secret{Hash: HashOf("s")}}, "user_1234", "")
			},
			func(c *Channel, _, _ *Attachment, _ uint64) { _ = c.Leave(noon, c.slaves["user_1234"].attachment, 2) },
		},
		"lost, attached": {
			func(c *Channel, _, _ *Attachment, _ uint64) { c.Lose(noon, c.slaves["user_3"].attachment) },
			func(c *Channel, a, _ *Attachment, i uint64) {
				m := c.slaves["user_3"]
				e := Entry{Ref: i, Instance: m.holder.instance, Secret: Secret{Hash: m.hash}}
				_ = c.Resume(noon, &Attachment{Line: a.Line, Hub: hub}, e, "user_3", c.down.newest, c.down.newest)
			},
		},
		"confirm": {func(c *Channel, a, _ *Attachment, _ uint64) {
			_, _, _ = c.Speak(messageTo(0, "teacher", ""))
			_, _ = c.Confirm(a, c.up.newest)
		}},
	} {
		for _, mode := range []string{"off", "on", "applied"} {
			b.Run(name+"/"+mode, func(b *testing.B) { benchRecords(b, mode, hub, transitions) })
		}
	}
}

func benchRecords(b *testing.B, mode string, hub *Hub, transitions []func(c *Channel, a, u *Attachment, i uint64)) {
	c, a, u := benchTable(b, hub)
	copied, err := Restore(c.Snapshot(), c.limits, noon, nil)
	require.NoError(b, err)
	c.Record(mode != "off")
	var effects []Effect
	bytes := make([]int, len(transitions))
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		for t, transition := range transitions {
			c.Expire(noon)
			transition(c, a, u, i+10)
			effects = c.TakeEffects(effects[:0])
			for _, e := range effects {
				if e.Kind != Keep {
					continue
				}
				bytes[t] += len(e.Text)
				if mode == "applied" && copied.Apply(e.Record()) != nil {
					b.Fatal("it does not apply")
				}
			}
		}
	}
	for t, n := range bytes {
		if mode == "on" {
			b.ReportMetric(float64(n)/float64(b.N), fmt.Sprint("B/", t+1))
		}
	}
}

func benchTable(b *testing.B, hub *Hub) (c *Channel, a, u *Attachment) {
	b.Helper()
	limits := &Limits{MasterTimeout: xMaster, SlaveTimeout: xSlave, MaxSlaves: 1000, Replay: Bound{256, 1 << 20}, Outbox: Bound{1 << 20, 1 << 30}}
	c = New("abc123", limits)
	out := func(i int) *Attachment {
		return &Attachment{Line: &line{connection: uint64(i), room: -1, notices: -1, mark: -1}, Hub: hub}
	}
	a = out(0)
	require.NoError(b, c.Create(noon, a, Entry{Ref: 1, Instance: HashOf("M"), Secret: given("m")}, "teacher", 0))
	for i := range 30 {
		at := out(i + 1)
		require.NoError(b, c.Join(noon, at, Entry{Ref: 1, Instance: HashOf(fmt.Sprint(i)), Secret: given("s")}, fmt.Sprint("user_", i), ""))
		if i == 1 {
			u = at
		}
	}
	c.TakeEffects(nil)
	return c, a, u
}
