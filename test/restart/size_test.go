package restart

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// aPart is what Export and Restore may need beside the hub: the buffer of the file, a part of a
// channel and its frame, with room.
const aPart = 512 << 10

// large is a policy under which a client enters many channels, and everybody stays.
var large = lectern.Policy{
	MasterTimeout: time.Hour, SlaveTimeout: time.Hour, MaxChannelsPerConnection: -1,
	FrameRate: lectern.RateLimit{PerSecond: -1}, MembershipRate: lectern.RateLimit{PerSecond: -1},
}

// filled is a hub with many channels, each with a master, slaves and messages, all of them away.
// It is shut down.
func filled(t *testing.T, channels, slaves int) *lectern.Hub {
	hub, err := lectern.NewHub(large)
	require.NoError(t, err)
	t.Cleanup(func() { _ = hub.Close() })
	ctx := t.Context()
	options := lectern.ClientOptions{Inbox: lectern.QueueLimit{Messages: 1}}
	masters := lectern.NewClient(hub, options)
	var all []*lectern.Master
	for i := range channels {
		master, err := masters.Create(ctx, fmt.Sprint("channel ", i), "alice")
		require.NoError(t, err)
		all = append(all, master)
	}
	for k := range slaves {
		client := lectern.NewClient(hub, options)
		for i := range channels {
			_, err := client.Join(ctx, fmt.Sprint("channel ", i), fmt.Sprint("slave ", k))
			require.NoError(t, err)
		}
		_, err := client.Detach(ctx)
		require.NoError(t, err)
	}
	payload := lectern.Text(strings.Repeat("x", 1000))
	for _, master := range all {
		for range 10 {
			_, err := master.Broadcast(ctx, payload)
			require.NoError(t, err)
		}
	}
	_, err = masters.Detach(ctx)
	require.NoError(t, err)
	require.NoError(t, hub.Shutdown(ctx))
	return hub
}

// alive is what is on the heap, and asked what was asked for so far.
func alive() int64 {
	runtime.GC()
	runtime.GC() // what a sync.Pool holds survives the first
	return measured("/memory/classes/heap/objects:bytes")
}

func asked() int64 { return measured("/gc/heap/allocs:bytes") }

func measured(name string) int64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// watched notes the most that is alive while something is written or read through it. It looks
// each time that another 256 KiB have passed.
type watched struct {
	w           io.Writer
	r           io.Reader
	passed, due int
	most        int64
}

func (w *watched) look(n int) {
	if w.passed += n; w.passed >= w.due {
		w.due = w.passed + 256<<10
		w.most = max(w.most, alive())
	}
}

func (w *watched) Write(p []byte) (int, error) {
	w.look(len(p))
	return w.w.Write(p)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.look(n)
	return n, err
}

// A hub with many channels is exported and restored a part at a time: neither takes memory for
// another one.
func TestExportAndRestoreTakeAPartAtATime(t *testing.T) {
	for _, size := range []struct{ channels, slaves int }{{200, 3}, {1, 1500}} {
		before := alive()
		hub := filled(t, size.channels, size.slaves)
		idle := alive()
		held := idle - before
		out := &watched{w: io.Discard}
		begun := asked()
		require.NoError(t, hub.Export(out))
		require.Less(t, out.most, idle+aPart, "of %d bytes", held)
		begun = asked() - begun

		var state bytes.Buffer
		require.NoError(t, hub.Export(&state))
		t.Logf("%d channels with %d slaves: %d KiB on the heap, export %d KiB at a time, %d in all, for %d", size.channels, size.slaves,
			held>>10, (out.most-idle)>>10, begun>>10, state.Len()>>10)

		restored, err := lectern.NewHub(large)
		require.NoError(t, err)
		in := &watched{r: bytes.NewReader(state.Bytes())}
		empty := alive()
		require.NoError(t, restored.Restore(in))
		after := alive()
		require.Less(t, in.most, after+aPart)
		t.Logf("restore %d KiB at the most, %d in the end", (in.most-empty)>>10, (after-empty)>>10)
		runtime.KeepAlive(hub)
		require.NoError(t, restored.Close())
	}
}

// What is exported is written into one buffer, however many channels there are.
func TestExportAsksForLittle(t *testing.T) {
	hub := filled(t, 200, 3)
	var state bytes.Buffer
	require.NoError(t, hub.Export(&state))
	before := asked()
	require.NoError(t, hub.Export(io.Discard))
	require.Less(t, asked()-before, int64(state.Len()/2), "of %d bytes", state.Len())
}
