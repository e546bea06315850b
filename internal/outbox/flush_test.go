package outbox_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// counted counts by which way it is written to.
type counted struct {
	*memory.Conn
	tried, failed, written int
	during                 func() // called in TryWrite
}

func (c *counted) TryWrite(messages ...[]byte) bool {
	c.tried++
	if c.during != nil {
		c.during()
	}
	done := c.Conn.TryWrite(messages...)
	if !done {
		c.failed++
	}
	return done
}

func (c *counted) Write(messages ...[]byte) error {
	c.written++
	return c.Conn.Write(messages...)
}

// inCountedBubble gives the test a connection that takes three messages until
// somebody reads.
func inCountedBubble(t *testing.T, test func(t *testing.T, near *counted, far *memory.Conn, q *outbox.Queue)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memory.Pipe(memory.Options{QueueMessages: 3})
		conn := &counted{Conn: near}
		q := outbox.New(conn, &outbox.Limits{Messages: 10, Bytes: 1000})
		test(t, conn, far, q)
		q.Abort(left)
		q.Wait()
		far.Close(left)
	})
}

func messages(texts ...string) (all [][]byte) {
	for _, text := range texts {
		all = append(all, []byte(text))
	}
	return all
}

// What the connection takes at once is written by whoever flushes.
func TestFlushByItself(t *testing.T) {
	inCountedBubble(t, func(t *testing.T, near *counted, far *memory.Conn, q *outbox.Queue) {
		for _, text := range []string{"a", "b"} {
			require.NoError(t, q.Push([]byte(text)))
		}
		require.Zero(t, near.tried, "what was pushed waits for a Flush")
		q.Flush()
		q.Flush() // of nothing
		taken, _, err := q.PushAll(messages("c"))
		require.NoError(t, err)
		require.Equal(t, 1, taken)
		require.Equal(t, 2, near.tried)
		require.Zero(t, near.written)
		waiting, _ := q.Waiting()
		require.Zero(t, waiting)
		read(t, far, "a", "b", "c")
	})
}

// What it does not take is left to a goroutine, which goes on in the middle.
func TestFlushOfTooMuch(t *testing.T) {
	for name, all := range map[string]func(q *outbox.Queue, texts ...string) error{
		"Flush": func(q *outbox.Queue, texts ...string) error {
			defer q.Flush()
			for _, text := range texts {
				if err := q.Push([]byte(text)); err != nil {
					return err
				}
			}
			return nil
		},
		"PushAll": func(q *outbox.Queue, texts ...string) error {
			given := messages(texts...)
			_, _, err := q.PushAll(given)
			clear(given) // the slice is the caller's
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inCountedBubble(t, func(t *testing.T, near *counted, far *memory.Conn, q *outbox.Queue) {
				require.NoError(t, all(q, "a", "b"))
				require.NoError(t, all(q, "c", "d", "e"))
				require.Equal(t, 1, near.failed)
				require.NoError(t, all(q, "f"))
				require.NoError(t, all(q, "g", "h"))
				synctest.Wait()
				require.Equal(t, 2, near.tried, "nobody tries while a goroutine writes")
				require.Equal(t, 1, near.written)
				read(t, far, "a", "b", "c", "d", "e", "f", "g", "h")
				synctest.Wait()
				require.NoError(t, all(q, "i"))
				require.Equal(t, 3, near.tried, "and somebody does again after that")
				read(t, far, "i")
			})
		})
	}
}

// Whoever flushes knows whether a goroutine has something to do.
func TestFlushTellsWhatIsLeft(t *testing.T) {
	inCountedBubble(t, func(t *testing.T, near *counted, far *memory.Conn, q *outbox.Queue) {
		_, leaves, err := q.PushAll(messages("a", "b"))
		require.NoError(t, err)
		require.False(t, leaves)
		require.NoError(t, q.Push([]byte("c")))
		require.False(t, q.Flush())
		_, leaves, err = q.PushAll(messages("d"))
		require.NoError(t, err)
		require.True(t, leaves)
		require.NoError(t, q.Push([]byte("e")))
		require.True(t, q.Flush(), "it is still at it")
		read(t, far, "a", "b", "c", "d", "e")
		synctest.Wait()
		require.False(t, q.Flush())
	})
}

// What waits already goes first.
func TestPushAllBehindWhatWaits(t *testing.T) {
	inCountedBubble(t, func(t *testing.T, near *counted, far *memory.Conn, q *outbox.Queue) {
		require.NoError(t, q.Push([]byte("a")))
		taken, _, err := q.PushAll(messages("b", "c"))
		require.NoError(t, err)
		require.Equal(t, 2, taken)
		require.Equal(t, 1, near.tried)
		read(t, far, "a", "b", "c")
	})
}

func TestPushAllRefused(t *testing.T) {
	inCountedBubble(t, func(t *testing.T, near *counted, far *memory.Conn, q *outbox.Queue) {
		taken, _, err := q.PushAll(messages("1", "2", "3", "being written"))
		require.NoError(t, err)
		require.Equal(t, 4, taken)
		synctest.Wait()
		texts := messages("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l")
		taken, _, err = q.PushAll(texts)
		require.ErrorIs(t, err, outbox.ErrFull)
		require.Equal(t, 10, taken, "the limit")
		read(t, far, "1", "2", "3", "being written", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j")
		q.Close(left)
		taken, _, err = q.PushAll(texts)
		require.ErrorIs(t, err, outbox.ErrClosed)
		require.Zero(t, taken)
	})
}

// What happens while somebody writes by itself is taken up when it is done.
func TestDuringAFlush(t *testing.T) {
	for _, test := range []struct {
		name   string
		during func(q *outbox.Queue)
		read   []string
		ends   bool
	}{
		{"Push", func(q *outbox.Queue) { _ = q.Push([]byte("b")); q.Start() }, []string{"a", "b"}, false},
		{"PushAll", func(q *outbox.Queue) { _, _, _ = q.PushAll(messages("b")) }, []string{"a", "b"}, false},
		{"Flush", func(q *outbox.Queue) { q.Flush() }, []string{"a"}, false},
		{"Close", func(q *outbox.Queue) { _ = q.Push([]byte("b")); q.Close(left) }, []string{"a", "b"}, true},
		{"Abort", func(q *outbox.Queue) { q.Abort(left); synctest.Wait() }, nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			inCountedBubble(t, func(t *testing.T, near *counted, far *memory.Conn, q *outbox.Queue) {
				near.during = func() {
					near.during = nil
					test.during(q)
				}
				_, _, err := q.PushAll(messages("a"))
				require.NoError(t, err)
				read(t, far, test.read...)
				if test.ends {
					readClose(t, far, transport.Left)
				}
			})
		})
	}
}

// ending is a connection that ends along with its last messages.
type ending struct {
	*memory.Conn
	last [][]byte
}

func (e *ending) WriteLast(reason transport.Reason, messages ...[]byte) error {
	for _, message := range messages {
		e.last = append(e.last, append([]byte(nil), message...))
	}
	err := e.Conn.Write(messages...)
	_ = e.Conn.Close(reason)
	return err
}

func TestTheEndGoesAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memory.Pipe(memory.Options{})
		conn := &ending{Conn: near}
		q := outbox.New(conn, &outbox.Limits{Messages: 10, Bytes: 1000})
		push(t, q, "a")
		synctest.Wait()
		require.NoError(t, q.Push([]byte("b")))
		require.NoError(t, q.PushNotice([]byte("c")))
		q.Close(left)
		q.Wait()
		require.Equal(t, messages("b", "c"), conn.last)
		read(t, far, "a", "b", "c")
		readClose(t, far, transport.Left)
		far.Close(left)
	})
}

// plain can do no more than a connection must.
type plain struct{ transport.Conn }

// What was flushed is in nobody's way, though the goroutine that is to write it
// has not begun; nor is a run that finds nothing before it.
func TestFlushMakesRoom(t *testing.T) {
	for name, wrap := range map[string]func(*memory.Conn) transport.Conn{
		"TryWriter": func(c *memory.Conn) transport.Conn { return c },
		"plain":     func(c *memory.Conn) transport.Conn { return plain{c} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memory.Pipe(memory.Options{})
				q := outbox.New(wrap(near), &outbox.Limits{Messages: 2, Bytes: 1000})
				require.NoError(t, q.Push([]byte("a")))
				require.NoError(t, q.Push([]byte("b")))
				require.ErrorIs(t, q.Push([]byte("c")), outbox.ErrFull)
				q.Flush()
				require.NoError(t, q.Push([]byte("c")))
				q.Flush()
				synctest.Wait()
				taken, _, err := q.PushAll(messages("d", "e", "f"))
				require.NoError(t, err)
				require.Equal(t, 3, taken)
				read(t, far, "a", "b", "c", "d", "e", "f")
				synctest.Wait()

				// What waits unflushed makes room for a run behind it.
				require.NoError(t, q.Push([]byte("g")))
				taken, _, err = q.PushAll(messages("h", "i"))
				require.NoError(t, err)
				require.Equal(t, 2, taken)
				read(t, far, "g", "h", "i")
				q.Close(left)
				readClose(t, far, transport.Left)
				q.Wait()
				far.Close(left)
			})
		})
	}
}
