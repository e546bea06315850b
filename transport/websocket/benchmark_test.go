package websocket_test

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkWrite is what a batch costs above the connection beneath.
func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct{ count, size int }{{1, 200}, {1, 64 << 10}, {64, 200}} {
		batch := make([][]byte, c.count)
		for i := range batch {
			batch[i] = bytes.Repeat([]byte("{"), c.size)
		}
		for _, side := range []string{"server", "client"} {
			b.Run(fmt.Sprintf("%s/%dx%d", side, c.count, c.size), func(b *testing.B) {
				client, server := countedPair(b)
				from := map[string]end{"client": client, "server": server}[side]
				from.beneath.deaf.Store(true)
				b.ReportAllocs()
				b.SetBytes(int64(c.count * c.size))
				for b.Loop() {
					if err := from.Write(batch...); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(from.beneath.writes.Load())/float64(b.N), "writes/op")
				client.beneath.Close()
				server.Close(goodbye)
				client.Close(goodbye)
			})
		}
	}
}

// BenchmarkExchange is a message there and back, on a network in memory.
func BenchmarkExchange(b *testing.B) {
	for _, size := range []int{200, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			client, server := countedPair(b)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					message, err := server.Read()
					if err != nil || server.Write(message) != nil {
						return
					}
				}
			}()
			message := [][]byte{bytes.Repeat([]byte("{"), size)}
			b.ReportAllocs()
			for b.Loop() {
				if err := client.Write(message...); err != nil {
					b.Fatal(err)
				}
				if _, err := client.Read(); err != nil {
					b.Fatal(err)
				}
			}
			client.Close(goodbye)
			<-done
			server.Close(goodbye)
		})
	}
}
