package outbox_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/transport/memory"
)

// about is a mark of a key, or of all of a member: "m/key", "m/".
func about(text string) outbox.Mark {
	member, key, _ := strings.Cut(text, "/")
	return outbox.Mark{Channel: "c", Member: member, Key: key}
}

// mark pushes the message of what it is about.
func mark(t *testing.T, q *outbox.Queue, of, message string) {
	t.Helper()
	require.NoError(t, q.QueueMark([]byte(message), about(of), time.Now()))
}

// stuck is a queue whose writer is stuck with one message, one more is on its way.
func stuck(t *testing.T, near *memory.Conn, limits outbox.Limits) *outbox.Queue {
	q := outbox.New(near, &limits)
	push(t, q, "x", "y")
	q.Start()
	synctest.Wait()
	return q
}

// A message takes the place of the one about the same that waits, at the end. Others stay in
// their order.
func TestMarksAreReplaced(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := stuck(t, near, outbox.Limits{Messages: 100, Bytes: 1000})
		for n := range 1000 {
			mark(t, q, "a/k", fmt.Sprint("k", n))
			if n%100 == 0 {
				push(t, q, fmt.Sprint("p", n))
				mark(t, q, fmt.Sprint("b/", n), fmt.Sprint("b", n))
			}
		}
		mark(t, q, "a/other", "other")
		messages, bytes := q.Waiting()
		require.Equal(t, 22, messages)
		depth, depthBytes := q.Depth()
		require.Equal(t, 10, depth)
		require.Less(t, depthBytes, bytes)
		notices, counted := q.Notices()
		require.Zero(t, notices)
		require.Equal(t, depthBytes, counted)
		require.NotZero(t, q.Unwritten())
		q.Unmark(about("b/"))
		q.Close(left)
		read(t, far, "x", "y", "p0", "p100", "p200", "p300", "p400", "p500", "p600", "p700", "p800", "p900", "k999", "other")
		q.Wait()
		require.ErrorIs(t, q.QueueMark([]byte("late"), about("a/k"), time.Now()), outbox.ErrClosed)
		_, err := q.PushMark([]byte("late"), about("a/k"), time.Now())
		require.ErrorIs(t, err, outbox.ErrClosed)
	})
}

// One that has waited for a second stays, and one more waits behind it: never a third.
func TestAMarkThatHasWaitedStays(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := stuck(t, near, outbox.Limits{Messages: 100, Bytes: 1000})
		for n := range 100 {
			mark(t, q, "a/k", fmt.Sprint("k", n))
			time.Sleep(100 * time.Millisecond)
			messages, _ := q.Waiting()
			require.LessOrEqual(t, messages, 2)
		}
		read(t, far, "x", "y", "k9", "k99")
		mark(t, q, "a/k", "next")
		q.Close(left)
		read(t, far, "next")
		q.Wait()
	})
}

// What waits of marks counts in no limit, and is never a reason to refuse anything or to drop it.
func TestMarksCountInNoLimit(t *testing.T) {
	for _, overflow := range []outbox.Overflow{outbox.Refuse, outbox.DropOldest, outbox.DropNewest} {
		t.Run(fmt.Sprint(overflow), func(t *testing.T) {
			inBubble(t, func(t *testing.T, near, far *memory.Conn) {
				q := stuck(t, near, outbox.Limits{Messages: 2, Bytes: 200, Overflow: overflow})
				for n := range 300 {
					mark(t, q, fmt.Sprint("a/", n), strings.Repeat("x", 100))
				}
				require.False(t, q.Full(10, 0, 0))
				require.False(t, q.NoticeFull(10))
				require.NoError(t, q.PushNotice([]byte("notice")))
				s := stream("s")
				require.NoError(t, q.PushStream([]byte("s1"), s))
				mark(t, q, "a/0", "last 0")
				require.NoError(t, q.PushStream([]byte("s2"), s))
				err := q.PushStream([]byte("s3"), s)
				mark(t, q, "a/1", "last 1")
				mark(t, q, "a/2", "last 2")
				q.Unmark(about("b/"))
				mark(t, q, "a/", "reset")
				mark(t, q, "a/1", "new 1")
				q.Close(left)
				switch overflow {
				case outbox.Refuse:
					require.ErrorIs(t, err, outbox.ErrFull)
					read(t, far, "x", "y", "notice", "s1", "s2", "reset", "new 1")
				case outbox.DropOldest:
					read(t, far, "x", "y", "notice", "s-1", "s2", "s3", "reset", "new 1")
				default:
					read(t, far, "x", "y", "notice", "s1", "s2", "s-1", "reset", "new 1")
				}
				q.Wait()
			})
		})
	}
}

// Where nothing waits, it is written at once, and nothing is kept of it.
func TestAMarkThatNeedNotWait(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 2, Bytes: 200})
		_, err := q.PushMark([]byte("a"), about("a/k"), time.Now())
		require.NoError(t, err)
		read(t, far, "a")
		synctest.Wait()
		require.Zero(t, q.Unwritten())
		_, err = q.PushMark([]byte("b"), about("a/k"), time.Now())
		require.NoError(t, err)
		_, err = q.PushMark([]byte("c"), about("a/k"), time.Now())
		require.NoError(t, err)
		_, err = q.PushMark([]byte("d"), about("a/k"), time.Now())
		require.NoError(t, err)
		q.Close(left)
		for frame, err := far.Read(); err == nil; frame, err = far.Read() {
			if string(frame) == "d" {
				break
			}
		}
		q.Wait()
	})
}

// What is dropped by a match is dropped with its mark; a queue of which all was taken out is
// empty.
func TestDropBesideMarks(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := stuck(t, near, outbox.Limits{Messages: 100, Bytes: 1000})
		mark(t, q, "a/k", "b1")
		push(t, q, "a1")
		mark(t, q, "a/k", "b2")
		mark(t, q, "a/l", "c1")
		q.Drop(of("b"))
		mark(t, q, "a/k", "b3")
		mark(t, q, "a/l", "c2")
		q.Drop(of("a"))
		messages, bytes := q.Waiting()
		require.Equal(t, []int{2, 4}, []int{messages, bytes})
		room := q.Room()
		q.Unmark(about("a/"))
		<-room
		messages, bytes = q.Waiting()
		require.Zero(t, messages+bytes)
		push(t, q, "a4")
		q.Close(left)
		read(t, far, "x", "y", "a4")
		q.Wait()
	})
}
