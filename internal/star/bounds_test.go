package star

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// These tests measure what doc.go says under "Bounds" of a channel and of a slave.

// heap is how many bytes are in use.
func heap() int {
	runtime.GC()
	runtime.GC() // what is in a sync.Pool survives the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// quotes is the longest name, of characters that the text form escapes.
var quotes = strings.Repeat(`"`, 128)

// A slave with the longest name, with every answer that is remembered a refusal of its own,
// with as many open requests as it may have, and with its entry in a list.
func TestASlaveTakesLittle(t *testing.T) {
	for _, instance := range []string{"", "I"} {
		for what, send := range map[string]func(ref uint64) Message{
			"acks":     func(ref uint64) Message { return textMessage(ref, "x") },
			"refusals": func(ref uint64) Message { return messageTo(ref, "nobody", "x") },
			"requests": func(ref uint64) Message { m := textMessage(ref, "x"); m.Asks = true; return m },
		} {
			t.Run(what+instance, func(t *testing.T) {
				const slaves = 1000
				c, _, _ := openTable(t, Limits{MaxSlaves: slaves, Replay: Bound{Messages: 1}}, 0)
				out := &line{room: -1, notices: -1, mark: -1}
				before := heap()
				for i := range slaves {
					a := &Attachment{Line: out}
					name := fmt.Sprintf("%s%04d", quotes[:124], i)
					e := c.shows("", 1, 0, "secret")
					if instance != "" {
						e = c.shows(fmt.Sprint(instance, i), 1, 0, "secret")
					}
					require.NoError(t, c.Join(c.now, a, e, name, ""))
					for ref := range uint64(2 * wire.SlaveAnswers) {
						_ = c.Send(a, send(ref+2))
						c.effects = nil
					}
				}
				list := c.entries(nil)
				each := (heap() - before) / slaves
				require.Less(t, each, 4<<10)
				require.Greater(t, each, 1<<10, "it was measured")
				runtime.KeepAlive(list)
				runtime.KeepAlive(c)
			})
		}
	}
}

// Names of nobody, as long as can be, that are banned, or exceptions of who is muted.
func TestNamesTakeLittle(t *testing.T) {
	for what, remember := range map[string]func(c *table, a *Attachment, name string){
		"banned": func(c *table, a *Attachment, name string) {
			require.NoError(t, c.Kick(a, 0, name, true, ""))
		},
		"muted": func(c *table, a *Attachment, name string) {
			u := &Attachment{Line: &line{room: -1, notices: -1, mark: -1}}
			require.NoError(t, c.Join(c.now, u, c.shows("", 1, 0, "secret"), name, ""))
			require.NoError(t, c.Mute(a, 0, name, true, true))
			require.NoError(t, c.Leave(c.now, u, 0))
		},
	} {
		t.Run(what, func(t *testing.T) {
			const names = 1000
			c, a, _ := openTable(t, Limits{MaxSlaves: names}, 0)
			before := heap()
			for i := range names {
				remember(c, a, fmt.Sprintf("%s%04d", quotes[:124], i))
				c.effects = nil
			}
			require.Len(t, c.voice.inOrder(), names-len(c.banned))
			each := (heap() - before) / names
			t.Logf("%d bytes for each", each)
			require.Less(t, each, 256)
			require.Greater(t, each, 128, "it was measured")
			runtime.KeepAlive(c)
		})
	}
}

// What is kept of large messages, and of many small ones, in both forms and under the
// longest names.
func TestAReplayTakesWhatIsSaid(t *testing.T) {
	for _, test := range []struct {
		what   string
		replay Bound
		text   string
	}{
		{"large", Bound{256, 1 << 20}, strings.Repeat("x", 60_000)},
		{"large, escaped", Bound{256, 1 << 20}, strings.Repeat(`"`, 60_000)},
		{"small", Bound{256, 1 << 20}, "x"},
		{"many small ones", Bound{1 << 20, 1 << 20}, "x"},
		{"many small ones, escaped", Bound{1 << 20, 1 << 20}, `"`},
	} {
		t.Run(test.what, func(t *testing.T) {
			limits := Limits{MasterTimeout: xMaster, MaxSlaves: 1, Replay: test.replay}
			c := &table{Channel: New(quotes, &limits), t: t, now: noon, tags: map[*Attachment]string{}, secrets: map[string]string{}}
			a := c.on("a")
			require.NoError(t, c.create(c.now, a, 1, quotes, 0))
			c.effects = nil
			before := heap()
			for range min(2*test.replay.Messages, 2*test.replay.Bytes/(entryOverhead+len(test.text))) {
				require.NoError(t, c.Send(a, textMessage(0, strings.Clone(test.text))))
				for _, e := range c.effects {
					if e.Packet != nil {
						_, _ = e.Packet.Bytes(wire.Binary), e.Packet.Bytes(wire.Text)
					}
				}
				c.effects = nil
			}
			taken, kept := heap()-before, c.down.kept()
			times := 4
			if strings.Contains(test.what, "escaped") {
				times = 8
			}
			require.LessOrEqual(t, kept, min(test.replay.Messages, test.replay.Bytes/entryOverhead))
			require.Less(t, taken, times*test.replay.Bytes+2<<10*kept+64<<10)
			t.Logf("%d bytes for %d messages: %d each", taken, kept, taken/kept)
			runtime.KeepAlive(c)
		})
	}
}
