package transporttest

import (
	"errors"
	"io"
	"time"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// onSilence makes an end's Read do something else when silence is noticed.
func onSilence(b *broken, do func() error) {
	b.read = func() ([]byte, error) {
		message, err := b.Conn.Read()
		if errors.Is(err, transport.ErrSilent) {
			err = do()
		}
		return message, err
	}
}

var livenessFlaws = []flaw{
	{name: "never notices", found: "Silence", says: "is given up", change: func(o *memory.Options) { o.ProbeAfter = -1 }},
	{name: "is impatient", found: "Silence", says: "from its last sign of life", change: func(o *memory.Options) { o.GiveUp -= time.Millisecond }},
	{name: "is late", found: "Silence", says: "it had to do so after", change: func(o *memory.Options) { o.GiveUp += time.Millisecond }},
	{name: "calls it by another name", found: "Silence", says: "want transport.ErrSilent", end: func(b *broken) {
		onSilence(b, func() error { return io.ErrUnexpectedEOF })
	}},
	{name: "notices at one end only", found: "Silence", says: "Read of B has not returned", end: func(b *broken) {
		b.room.Lock()
		defer b.room.Unlock()
		if b.peer.n++; b.n == 0 {
			return // A, which is broken first
		}
		onSilence(b, func() error { b.room.hang(); return transport.ErrSilent })
	}},
	{name: "stops probing after a while", found: "SilenceWhileIdle", says: "is given up", end: func(b *broken) {
		made := time.Now()
		onSilence(b, func() error {
			if s := b.room.settings; time.Since(made) > 3*(s.ProbeAfter+s.GiveUp) {
				b.room.hang()
			}
			return transport.ErrSilent
		})
	}},
	{name: "takes its own writing for a sign of life", found: "SilenceUnderWrites", says: "is given up", end: func(b *broken) {
		var last time.Time
		b.write = func(messages ...[]byte) error {
			b.room.Lock()
			last = time.Now()
			b.room.Unlock()
			return b.Conn.Write(messages...)
		}
		onSilence(b, func() error {
			for {
				b.room.Lock()
				left := b.room.settings.ProbeAfter + b.room.settings.GiveUp - time.Since(last)
				b.room.Unlock()
				if left <= 0 {
					return transport.ErrSilent
				}
				time.Sleep(left)
			}
		})
	}},
	{name: "waits for a stuck Write", found: "SilenceOnStuckWrite", says: "is given up", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			b.writing <- struct{}{}
			defer func() { <-b.writing }()
			return b.Conn.Write(messages...)
		}
		onSilence(b, func() error {
			select {
			case b.writing <- struct{}{}:
				<-b.writing
			case <-b.room.released:
			}
			return transport.ErrSilent
		})
	}},
	{name: "gives up a peer that has nothing to say", found: "Idle", says: "on an idle connection", end: func(b *broken) {
		b.read = func() ([]byte, error) {
			timer := time.AfterFunc(b.room.settings.ProbeAfter+b.room.settings.GiveUp, b.Cut)
			defer timer.Stop()
			message, err := b.Conn.Read()
			if err != nil {
				err = transport.ErrSilent
			}
			return message, err
		}
	}},
	{name: "loses what comes after an idle time", found: "Idle", says: whole, end: func(b *broken) {
		b.read = func() ([]byte, error) {
			message, err := b.Conn.Read()
			return message[:min(len(message), 4)], err
		}
	}},
	{name: "wants an answer to what it writes", found: "OneWay", says: "failed on a healthy connection", end: func(b *broken) {
		b.write = func(messages ...[]byte) error {
			if b.n++; b.n == 1 {
				time.AfterFunc(b.room.settings.ProbeAfter+b.room.settings.GiveUp, b.Cut)
			}
			return b.Conn.Write(messages...)
		}
	}},
	{name: "gives up a peer that it need not probe", found: "OneWay", says: "failed on a healthy connection", end: func(b *broken) {
		// While the case lets time pass, not as it writes.
		time.AfterFunc(5*b.room.settings.ProbeAfter+b.room.settings.ProbeAfter/4, b.Cut)
	}},
}
