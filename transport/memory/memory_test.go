package memory_test

import (
	"bytes"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
	"github.com/lectern-go/lectern/transport/transporttest"
)

func newPair(_ testing.TB, s transporttest.Settings) transporttest.Pair {
	a, b := memory.Pipe(memory.Options{MaxFrameBytes: s.MaxFrameBytes, ProbeAfter: s.ProbeAfter, GiveUp: s.GiveUp})
	return transporttest.Pair{A: a, B: b, Cut: a.Cut, Silence: b.Silence}
}

func TestConformance(t *testing.T) { transporttest.TestConn(t, newPair) }

func TestConformanceInBubble(t *testing.T) { transporttest.TestConnInBubble(t, newPair) }

// writeUntilStuck writes messages one by one, and returns how many were taken
// before one had to wait. The waiting ends when the connection does.
func writeUntilStuck(c *memory.Conn, message []byte) int {
	taken := make(chan int, 1000)
	go func() {
		for i := 1; c.Write(message) == nil; i++ {
			taken <- i
		}
	}()
	synctest.Wait()
	return len(taken)
}

func TestBounds(t *testing.T) {
	for _, c := range []struct {
		name    string
		options memory.Options
		size    int
		taken   int
	}{
		{"messages", memory.Options{}, 0, memory.DefaultQueueMessages},
		{"bytes", memory.Options{}, 10_000, memory.DefaultQueueBytes / 10_000},
		{"exactly the bytes", memory.Options{}, memory.DefaultQueueBytes / 4, 4},
		{"a single one over the bytes", memory.Options{}, memory.DefaultQueueBytes + 1, 1},
		{"other messages", memory.Options{QueueMessages: 3}, 10, 3},
		{"other bytes", memory.Options{QueueBytes: 100}, 10, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := memory.Pipe(c.options)
				require.Equal(t, c.taken, writeUntilStuck(a, make([]byte, c.size)))
				// The other direction has bounds of its own.
				require.Equal(t, c.taken, writeUntilStuck(b, make([]byte, c.size)))
				require.NoError(t, a.Close(transport.Reason{Code: transport.Left}))
				require.NoError(t, b.Close(transport.Reason{Code: transport.Left}))
			})
		})
	}
}

// Room is made by reading, one message for one.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memory.Pipe(memory.Options{QueueMessages: 2})
		written := make(chan error, 1)
		go func() { written <- a.Write([]byte("1"), []byte("2"), []byte("3"), []byte("4")) }()
		for _, want := range []string{"1", "2", "3", "4"} {
			synctest.Wait()
			require.Equal(t, want < "3", len(written) == 0)
			got, err := b.Read()
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		}
		require.NoError(t, <-written)
	})
}

func TestDefaultLimit(t *testing.T) {
	a, b := memory.Pipe(memory.Options{})
	require.NoError(t, a.Write(make([]byte, transport.DefaultMaxFrameBytes)))
	_, err := b.Read()
	require.NoError(t, err)
	require.NoError(t, a.Write(make([]byte, transport.DefaultMaxFrameBytes+1)))
	_, err = b.Read()
	require.ErrorIs(t, err, transport.ErrMessageTooLarge)
	require.ErrorIs(t, b.Write([]byte("x")), transport.ErrMessageTooLarge, "nothing follows what the peer was told")
	_, err = a.Read()
	require.EqualError(t, err, "transport: closed by the peer: too_large: the limit is 4194304 bytes")
	require.Equal(t, err, a.Write([]byte("x")))
}

func TestSilenceUnnoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memory.Pipe(memory.Options{ProbeAfter: -1})
		a.Silence()
		read := make(chan error, 1)
		go func() {
			_, err := b.Read()
			read <- err
		}()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		require.Empty(t, read)
		require.NoError(t, a.Close(transport.Reason{Code: transport.Left}))
		synctest.Wait()
		require.Empty(t, read, "a dead link carries no reason")
		require.NoError(t, b.Close(transport.Reason{Code: transport.Left}))
		require.ErrorIs(t, <-read, net.ErrClosed)
	})
}

func TestSilenceByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memory.Pipe(memory.Options{})
		start := time.Now()
		a.Silence()
		time.Sleep(time.Second)
		a.Silence() // changes nothing
		for _, c := range []*memory.Conn{a, b} {
			_, err := c.Read()
			require.ErrorIs(t, err, transport.ErrSilent)
			require.Equal(t, transport.DefaultProbeAfter+transport.DefaultGiveUp, time.Since(start))
		}
	})
}

// A pair may be made outside of a bubble.
func TestMadeOutside(t *testing.T) {
	a, b := memory.Pipe(memory.Options{})
	synctest.Test(t, func(t *testing.T) {
		read := make(chan string, 1)
		go func() {
			message, _ := b.Read()
			read <- string(message)
		}()
		time.Sleep(time.Hour) // which passes only because the Read waits durably
		require.NoError(t, a.Write([]byte("hello")))
		require.Equal(t, "hello", <-read)
		b.Silence()
		_, err := a.Read()
		require.ErrorIs(t, err, transport.ErrSilent)
	})
}

// Buffers are used again, and never while somebody may use them.
func TestBuffersAreTheirReaders(t *testing.T) {
	a, b := memory.Pipe(memory.Options{MaxFrameBytes: 1 << 20})
	for _, size := range []int{0, 1, 63, 64, 65, 1000, 1 << 12, 1<<12 + 1, 1 << 18, 1<<18 + 1, 1 << 20} {
		first, second := bytes.Repeat([]byte{1}, size), bytes.Repeat([]byte{2}, size)
		require.NoError(t, a.Write(first))
		got, err := b.Read()
		require.NoError(t, err)
		require.NoError(t, b.Write(second))
		require.NoError(t, a.Write(second))
		require.True(t, bytes.Equal(first, got), "until the next Read it is ours")
		_, err = b.Read()
		require.NoError(t, err)
		other, err := a.Read()
		require.NoError(t, err)
		require.True(t, bytes.Equal(second, other))
	}
}

// An idle pair holds no goroutine, and little memory.
func TestIdleCost(t *testing.T) {
	const count = 5000
	pairs := make([][2]*memory.Conn, count)
	before, goroutines := heap(), runtime.NumGoroutine()
	for i := range pairs {
		a, b := memory.Pipe(memory.Options{})
		require.NoError(t, a.Write(make([]byte, 100)))
		_, err := b.Read()
		require.NoError(t, err)
		pairs[i] = [2]*memory.Conn{a, b}
	}
	// Others may come and go meanwhile, but not as many as there are of these.
	require.Less(t, runtime.NumGoroutine(), goroutines+100)
	each := (heap() - before) / (2 * count)
	t.Logf("%d bytes an end", each)
	require.Less(t, each, uint64(512))
	runtime.KeepAlive(pairs)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func BenchmarkRoundTrip(b *testing.B) {
	one, two := memory.Pipe(memory.Options{})
	go func() {
		for {
			message, err := two.Read()
			if err != nil || two.Write(message) != nil {
				return
			}
		}
	}()
	message := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		if err := one.Write(message); err != nil {
			b.Fatal(err)
		}
		if _, err := one.Read(); err != nil {
			b.Fatal(err)
		}
	}
	_ = one.Close(transport.Reason{Code: transport.Left})
}
