package outbox_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// unmetered is a connection that does not tell how far a write is.
type unmetered struct{ transport.Conn }

// A peer that takes what is written, be it slowly, has as long as it needs; one at less
// than the floor, or that stops, is closed.
func TestProgressPutsTheWriteTimeoutOff(t *testing.T) {
	const timeout = 10 * time.Second
	for _, c := range []struct {
		name  string
		every time.Duration // a message of 500 bytes is read
		stops time.Duration // nothing is read any more; zero for never
		ended time.Duration // when it is closed, at latest; zero for not at all
	}{
		{"45 KB/s", 11 * time.Millisecond, 0, 0},
		{"just above the floor", 480 * time.Millisecond, 0, 0},
		{"half the floor", time.Second, 0, 3 * timeout},
		{"a tenth of it", 5 * time.Second, 0, timeout + 2*time.Second},
		{"a message each nine seconds", 9 * time.Second, 0, timeout + 2*time.Second},
		{"stops", 100 * time.Millisecond, 30 * time.Second, 30*time.Second + timeout*9/8},
		{"never begins", time.Hour, 0, timeout},
	} {
		for kind, wrap := range map[string]func(transport.Conn) transport.Conn{
			"":            func(conn transport.Conn) transport.Conn { return conn },
			", unmetered": func(conn transport.Conn) transport.Conn { return unmetered{conn} },
		} {
			if kind != "" && c.ended != 0 && c.every < time.Hour && c.stops == 0 {
				continue // each piece has its time there
			}
			t.Run(c.name+kind, func(t *testing.T) {
				inBubble(t, func(t *testing.T, near, far *memory.Conn) {
					q := outbox.New(wrap(near), &outbox.Limits{Messages: 10_000, Bytes: 10 << 20, WriteTimeout: timeout})
					const count = 1800 // 900 KB
					for range count {
						require.NoError(t, q.Push(make([]byte, 500)))
					}
					start := time.Now()
					q.Start()
					closed := make(chan time.Duration, 1)
					go func() {
						_, err := near.Read()
						require.Error(t, err)
						closed <- time.Since(start)
					}()
					for i := range count {
						if c.stops > 0 && time.Since(start) >= c.stops {
							break
						}
						time.Sleep(c.every)
						if len(closed) > 0 {
							break
						}
						_, err := far.Read()
						require.NoError(t, err, "message %d, after %v", i, time.Since(start))
					}
					if c.ended == 0 {
						synctest.Wait()
						require.Empty(t, closed)
						q.Close(left)
						q.Wait()
						readClose(t, far, transport.Left)
						return
					}
					ended := <-closed
					require.LessOrEqual(t, ended, c.ended)
					require.GreaterOrEqual(t, ended, timeout)
					q.Wait()
				})
			})
		}
	}
}

// Once a queue closes, its peer has WriteTimeout, however it goes on.
func TestProgressPutsNothingOffOnceTheQueueCloses(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 10_000, Bytes: 10 << 20, WriteTimeout: time.Second})
		for range 1000 {
			require.NoError(t, q.Push(make([]byte, 500)))
		}
		q.Start()
		reading := make(chan struct{})
		go func() {
			defer close(reading)
			for {
				if _, err := far.Read(); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}()
		time.Sleep(5 * time.Second)
		start := time.Now()
		q.Close(left)
		q.Wait()
		require.LessOrEqual(t, time.Since(start), time.Second)
		<-reading
	})
}

// stalled is a connection whose process stands still: for as long, no timer fires.
type stalled struct {
	*memory.Conn
	taken uint64
}

func (s *stalled) Taken() uint64 {
	time.Sleep(time.Minute) // it stands still here, as it might anywhere
	return s.taken
}

// Where the process has stood still, the peer has its time all the same.
func TestWriteTimeoutIsNotUpWhenAllStoodStill(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(&stalled{Conn: near}, &outbox.Limits{Messages: 10, Bytes: 1000, WriteTimeout: 10 * time.Second})
		push(t, q, "a", "b", "c")
		time.Sleep(30 * time.Second)
		read(t, far, "a", "b", "c")
		q.Close(left)
		q.Wait()
		readClose(t, far, transport.Left)
	})
}

// A look at a write that is over does not count for the next one.
func TestLooksAtWritesThatAreOver(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		conn := &slowMeter{Conn: near, looking: make(chan struct{}), look: make(chan struct{})}
		q := outbox.New(conn, &outbox.Limits{Messages: 10, Bytes: 1000, WriteTimeout: time.Second})
		push(t, q, "a", "b")
		<-conn.looking // at the write of b
		push(t, q, "c", "d")
		read(t, far, "a", "b") // and d is being written
		synctest.Wait()
		close(conn.look)
		start := time.Now()
		_, err := near.Read()
		require.Error(t, err)
		require.Equal(t, time.Second, time.Since(start))
		q.Wait()
	})
}

// slowMeter waits at its first Taken.
type slowMeter struct {
	*memory.Conn
	looking, look chan struct{}
	once          bool
}

func (s *slowMeter) Taken() uint64 {
	if !s.once {
		s.once = true
		s.looking <- struct{}{}
		<-s.look
	}
	return s.Conn.Taken()
}
