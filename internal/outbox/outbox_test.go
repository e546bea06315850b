package outbox_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// inBubble gives the test a connection whose sending end takes one message until
// somebody reads.
func inBubble(t *testing.T, test func(t *testing.T, near, far *memory.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memory.Pipe(memory.Options{QueueMessages: 1})
		defer near.Close(transport.Reason{})
		defer far.Close(transport.Reason{})
		test(t, near, far)
	})
}

func read(t *testing.T, conn *memory.Conn, texts ...string) {
	t.Helper()
	for _, text := range texts {
		got, err := conn.Read()
		require.NoError(t, err)
		require.Equal(t, text, string(got))
	}
}

func readClose(t *testing.T, conn *memory.Conn, code transport.CloseCode) {
	t.Helper()
	_, err := conn.Read()
	var closed *transport.CloseError
	require.True(t, errors.As(err, &closed), "%v", err)
	require.Equal(t, code, closed.Reason.Code)
}

func push(t *testing.T, q *outbox.Queue, texts ...string) {
	t.Helper()
	for _, text := range texts {
		require.NoError(t, q.Push([]byte(text)))
	}
	q.Start()
}

var left = transport.Reason{Code: transport.Left}

func TestInOrderThenClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 10, Bytes: 100})
		push(t, q, "a", "b", "c")
		synctest.Wait()
		push(t, q, "d")
		q.Close(left)
		q.Close(transport.Reason{Code: transport.Kicked}) // the first counts
		require.ErrorIs(t, q.Push([]byte("e")), outbox.ErrClosed)
		require.ErrorIs(t, q.PushExempt([]byte("e")), outbox.ErrClosed)
		read(t, far, "a", "b", "c", "d")
		readClose(t, far, transport.Left)
		q.Wait()
	})
}

func TestCloseWithNothingToWrite(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 10, Bytes: 100})
		q.Close(left)
		q.Wait()
		readClose(t, far, transport.Left)
		q.Abort(transport.Reason{Code: transport.Slow})
		q.Wait()
	})
}

func TestLimits(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 3, Bytes: 10})
		push(t, q, "in the pipe")
		synctest.Wait()
		push(t, q, "being written")
		synctest.Wait()

		require.False(t, q.Full(1000, 0, 0), "one into an empty queue is always taken")
		push(t, q, "much more than ten bytes")
		require.True(t, q.Full(1, 0, 0))
		require.ErrorIs(t, q.Push([]byte("x")), outbox.ErrFull)
		read(t, far, "in the pipe", "being written", "much more than ten bytes")
		synctest.Wait()

		push(t, q, "1")
		synctest.Wait()
		push(t, q, "2")
		synctest.Wait()
		push(t, q, "3", "4", "5")
		require.True(t, q.Full(1, 0, 0))
		require.ErrorIs(t, q.Push([]byte("6")), outbox.ErrFull)
		read(t, far, "1", "2", "3", "4", "5")
		synctest.Wait()

		// What was refused has left no trace.
		push(t, q, "7")
		read(t, far, "7")
		q.Close(left)
		readClose(t, far, transport.Left)
		q.Wait()
	})
}

// What is exempt takes no room from what is not.
func TestExempt(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 2, Bytes: 1000})
		push(t, q, "in the pipe")
		synctest.Wait()
		push(t, q, "being written")
		synctest.Wait()
		for i := range 20 {
			require.NoError(t, q.PushExempt(fmt.Append(nil, "replay ", i)))
			q.Start()
		}
		push(t, q, "a", "b")
		require.ErrorIs(t, q.Push([]byte("c")), outbox.ErrFull)
		read(t, far, "in the pipe", "being written")
		for i := range 20 {
			read(t, far, fmt.Sprint("replay ", i))
		}
		read(t, far, "a", "b")
		q.Close(left)
		q.Wait()
	})
}

// A notice that was accepted before is not refused, and counts in the limits. Notices are
// told apart from messages, and from what does not count.
func TestAcceptedNotices(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 10, Bytes: 100})
		waits := func(notices, bytes int) {
			t.Helper()
			n, b := q.Notices()
			require.Equal(t, []int{notices, bytes}, []int{n, b})
		}
		waits(0, 0)
		require.NoError(t, q.PushExempt([]byte("as long as it may be")))
		waits(0, 0)
		require.NoError(t, q.Push([]byte("a")))
		waits(0, 1)
		require.NoError(t, q.PushNotice([]byte("bc")))
		waits(1, 3+outbox.NoticeOverhead)
		require.Equal(t, outbox.ErrFull, q.PushNotice([]byte("d")))
		require.NoError(t, q.PushAcceptedNotice([]byte("de")))
		waits(2, 5+2*outbox.NoticeOverhead)
		require.Equal(t, outbox.ErrFull, q.Push(make([]byte, 1000)))
		q.Start()
		read(t, far, "as long as it may be", "a", "bc", "de")
		synctest.Wait()
		waits(0, 0)
		q.Abort(left)
		require.Equal(t, outbox.ErrClosed, q.PushAcceptedNotice([]byte("x")))
	})
}

func TestAbortDropsWhatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 10, Bytes: 1000})
		push(t, q, "in the pipe")
		synctest.Wait()
		push(t, q, "being written")
		synctest.Wait()
		push(t, q, "waiting")
		q.Close(left)
		synctest.Wait()
		q.Abort(transport.Reason{Code: transport.Slow}) // hurries it on
		q.Wait()
		read(t, far, "in the pipe")
		readClose(t, far, transport.Left)
	})
}

func TestWriteTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 10, Bytes: 1000, WriteTimeout: time.Second})
		began := time.Now()
		for range 5 { // each write has its own time
			push(t, q, "a", "b")
			time.Sleep(time.Second - time.Nanosecond)
			read(t, far, "a", "b")
			synctest.Wait()
		}
		require.Less(t, time.Since(began), 5*time.Second)

		began = time.Now()
		push(t, q, "in the pipe", "too slow")
		synctest.Wait()
		_, err := near.Read()
		require.Error(t, err)
		require.Equal(t, began.Add(time.Second), time.Now())
		q.Wait()
		read(t, far, "in the pipe")
		readClose(t, far, transport.Slow)
		require.ErrorIs(t, q.Push([]byte("x")), outbox.ErrClosed)
	})
}

// When the peer has closed, what it has sent before must still reach the reader,
// however early the writer finds out.
func TestPeerHasClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 10, Bytes: 1000})
		require.NoError(t, far.Write([]byte("goodbye")))
		require.NoError(t, far.Close(transport.Reason{Code: transport.Kicked}))
		push(t, q, "a")
		synctest.Wait()
		require.ErrorIs(t, q.Push([]byte("b")), outbox.ErrClosed)
		read(t, near, "goodbye")
		readClose(t, near, transport.Kicked)
		q.Abort(left)
		q.Wait()
	})
}

// A connection that cannot be written to is closed, though its reader does not
// find out.
func TestLost(t *testing.T) {
	inBubble(t, func(t *testing.T, near, _ *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 10, Bytes: 1000})
		near.Cut()
		began := time.Now()
		push(t, q, "a")
		q.Wait()
		require.Equal(t, began.Add(time.Second), time.Now())
		require.ErrorIs(t, q.Push([]byte("b")), outbox.ErrClosed)
		q.Abort(left)
		q.Close(left)
		q.Wait()
	})
}

func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memory.Pipe(memory.Options{})
		q := outbox.New(near, &outbox.Limits{Messages: 1000, Bytes: 1 << 20, WriteTimeout: time.Second})
		var pushing sync.WaitGroup
		for range 8 {
			pushing.Go(func() {
				for range 100 {
					if err := q.Push([]byte("x")); err != nil {
						t.Errorf("Push: %v", err)
					}
					q.Start()
				}
			})
		}
		for range 800 {
			_, err := far.Read()
			require.NoError(t, err)
		}
		pushing.Wait()
		var closing sync.WaitGroup
		for i := range 8 {
			closing.Go(func() {
				if i%2 == 0 {
					q.Close(left)
				} else {
					q.Abort(left)
				}
			})
		}
		closing.Wait()
		q.Wait()
		readClose(t, far, transport.Left)
		far.Close(transport.Reason{})
	})
}
