package transporttest

import (
	"errors"
	"net"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/transport"
)

var powerFlaws = []flaw{
	{name: "closes without the last messages", found: "WriteLast", says: "failed on a healthy connection", end: func(b *broken) {
		b.last = func(reason transport.Reason, _ ...[]byte) error { return b.Close(reason) }
	}},
	{name: "leaves the last messages hanging", found: "WriteLastStuck", says: "Close unblocks what is being written", end: func(b *broken) {
		b.last = func(_ transport.Reason, messages ...[]byte) error {
			err := b.Conn.Write(messages...)
			if errors.Is(err, net.ErrClosed) {
				b.room.hang()
			}
			return err
		}
	}},
	{name: "takes the clock for progress", found: "Taken", says: takenStays, end: func(b *broken) {
		start := time.Now()
		b.taken = func() uint64 { return b.Conn.Taken() + uint64(time.Since(start)) }
	}},
	{name: "counts a Write when it is over", found: "Taken", says: takenRises, end: func(b *broken) {
		var written atomic.Uint64
		b.taken = written.Load
		b.write = func(messages ...[]byte) error {
			messages = slices.Repeat(messages, 2000) // one Write takes all that the case reads
			err := b.Conn.Write(messages...)
			if err == nil {
				written.Add(uint64(len(messages)))
			}
			return err
		}
	}},
	{name: "counts what is on its way", found: "Taken", says: takenFalls, end: func(b *broken) {
		most := b.Conn.Taken() + 1<<40
		b.taken = func() uint64 { return most - b.Conn.Taken() }
	}},
	{name: "writes what it was asked", found: "TakenBesideWrites", says: whole, end: func(b *broken) {
		b.taken = func() uint64 {
			b.Conn.TryWrite([]byte("how much has it taken?"))
			return b.Conn.Taken()
		}
	}},
	{name: "waits for the Write", found: "TakenBesideWrites", says: "Taken does not wait", end: func(b *broken) {
		b.taken = func() uint64 {
			b.room.hang()
			runtime.Goexit()
			return 0
		}
	}},
	{name: "begins anew after what was tried", found: "BatchByTryWrite", says: "a message of its own, in order", end: func(b *broken) {
		b.try = func(messages ...[]byte) bool {
			_ = b.Conn.Write(messages[:len(messages)/2]...)
			return false
		}
	}},
	{name: "forgets what could not be written at once", found: "LoadByTryWrite", says: whole, end: func(b *broken) {
		b.try = func(messages ...[]byte) bool {
			if b.n++; b.n%100 == 0 {
				return true
			}
			return false
		}
	}},
}
