package outbox_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// What waits takes its bytes, and for each message what doc.go says under "Bounds".
func TestWhatWaitsTakesWhatIsSaid(t *testing.T) {
	for _, size := range []int{25, 1000, 64 << 10} {
		near, far := memory.Pipe(memory.Options{QueueMessages: 1})
		limits := &outbox.Limits{Messages: 1 << 20, Bytes: 1 << 20}
		q := outbox.New(near, limits)
		heap := func() int {
			runtime.GC()
			runtime.GC() // what is in a sync.Pool survives the first
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int(m.HeapAlloc)
		}
		before, count := heap(), 0
		for q.Push(make([]byte, size)) == nil {
			count++
		}
		require.Less(t, heap()-before, limits.Bytes+128*count+8<<10, "%d messages of %d bytes", count, size)
		require.Greater(t, count, 10)
		q.Abort(transport.Reason{Code: transport.Slow})
		q.Wait()
		require.NoError(t, far.Close(transport.Reason{}))
	}
}
