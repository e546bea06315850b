package netconn

import (
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
)

func benchmarkPairs(b *testing.B, run func(b *testing.B, one, two transport.Conn)) {
	for name, pair := range map[string]func() (net.Conn, net.Conn){
		"TCP": func() (net.Conn, net.Conn) { return tcpConns(b) },
		"TLS": memoryTLSConns,
	} {
		b.Run(name, func(b *testing.B) {
			near, far := pair()
			one, two := New(near, transport.ConnOptions{}), New(far, transport.ConnOptions{})
			defer two.Close(transport.Reason{Code: transport.Left})
			defer one.Close(transport.Reason{Code: transport.Left})
			b.ReportAllocs()
			run(b, one, two)
		})
	}
}

// BenchmarkRoundTrip is a message of 100 bytes each way.
func BenchmarkRoundTrip(b *testing.B) {
	benchmarkPairs(b, func(b *testing.B, one, two transport.Conn) {
		go func() {
			for {
				message, err := two.Read()
				if err != nil || two.Write(message) != nil {
					return
				}
			}
		}()
		message := make([]byte, 100)
		for b.Loop() {
			if err := one.Write(message); err != nil {
				b.Fatal(err)
			}
			if _, err := one.Read(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkBatch is a Write of 100 messages of 100 bytes, and their reading.
func BenchmarkBatch(b *testing.B) {
	benchmarkPairs(b, func(b *testing.B, one, two transport.Conn) {
		go func() {
			for i := 1; ; i++ {
				if _, err := two.Read(); err != nil {
					return
				}
				if i%100 == 0 && two.Write(nil) != nil {
					return
				}
			}
		}()
		batch := make([][]byte, 100)
		for i := range batch {
			batch[i] = make([]byte, 100)
		}
		for b.Loop() {
			if err := one.Write(batch...); err != nil {
				b.Fatal(err)
			}
			if _, err := one.Read(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestIdleCost measures what a connection holds while nothing happens, and that
// it is no goroutine.
func TestIdleCost(t *testing.T) {
	const count = 2000
	conns := make([]transport.Conn, 0, count)
	raw := make([]net.Conn, 0, count)
	for range count {
		a, _ := memnet.Pipe()
		raw = append(raw, a)
	}
	before, goroutines := heap(), runtime.NumGoroutine()
	for _, a := range raw {
		conns = append(conns, New(a, transport.ConnOptions{}))
	}
	// Others may come and go meanwhile, but not as many as there are of these.
	require.Less(t, runtime.NumGoroutine(), goroutines+100)
	each := (heap() - before) / count
	t.Logf("%d bytes each", each)
	require.Less(t, each, uint64(1200))
	for i, conn := range conns {
		_ = raw[i].Close()
		_ = conn.Close(transport.Reason{Code: transport.Left})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// TestOldDeadlines gives a net.Conn whose deadlines have passed to a Conn.
func TestOldDeadlines(t *testing.T) {
	a, b := memnet.Pipe()
	require.NoError(t, a.SetReadDeadline(time.Unix(1, 0)))
	one, two := New(a, transport.ConnOptions{}), New(b, transport.ConnOptions{})
	require.NoError(t, two.Write([]byte("hello")))
	message, err := one.Read()
	require.NoError(t, err)
	require.Equal(t, "hello", string(message))
	closed := make(chan error, 1)
	go func() { closed <- one.Close(transport.Reason{Code: transport.Left}) }()
	_, err = two.Read()
	require.Error(t, err)
	require.NoError(t, two.Close(transport.Reason{Code: transport.Left}))
	require.NoError(t, <-closed)
}
