package outbox_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/transport/memory"
)

type stream string

func (s stream) Gap(missed uint64) []byte { return fmt.Appendf(nil, "%s-%d", s, missed) }

// TestOverflow pushes while the writer is stuck: a small letter and number is a
// message of that stream, a capital one a notice, and "!" means that the push is
// refused.
func TestOverflow(t *testing.T) {
	tests := []struct {
		overflow outbox.Overflow
		pushed   string
		written  string
		dropped  uint64
	}{
		{outbox.Refuse, "a1 a2 P a3 a4! Q", "a1 a2 P a3 Q", 0},
		{outbox.DropOldest, "a1 a2 a3", "a1 a2 a3", 0},
		{outbox.DropOldest, "a1 a2 a3 a4", "a-1 a2 a3 a4", 1},
		{outbox.DropOldest, "a1 a2 a3 a4 a5 a6 a7", "a-4 a5 a6 a7", 4},
		{outbox.DropOldest, "P a1 b1 a2 b2", "P a-1 b1 a2 b2", 1},
		{outbox.DropOldest, "a1 P a2 a3 a4 a5", "a-2 P a3 a4 a5", 2},
		{outbox.DropOldest, "a1 b1 a2 b2 a3 b3", "a-2 b-1 b2 a3 b3", 3},
		{outbox.DropNewest, "a1 a2 a3 a4", "a1 a2 a3 a-1", 1},
		{outbox.DropNewest, "a1 a2 a3 a4 b1 a5 b2", "a1 a2 a3 a-2 b-2", 4},
		{outbox.DropNewest, "a1 a2 a3 a4 P", "a1 a2 a3 a-1 P", 1},
		{outbox.DropNewest, "a1 P a2 a3 b1 P a4", "a1 P a2 a3 b-1 P a-1", 2},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.overflow, " ", test.pushed), func(t *testing.T) {
			inBubble(t, func(t *testing.T, near, far *memory.Conn) {
				q := outbox.New(near, &outbox.Limits{Messages: 3, Bytes: 1000, Overflow: test.overflow})
				push(t, q, "x", "y") // one on its way, one with which the writer is stuck
				synctest.Wait()
				pushed := strings.Fields(test.pushed)
				for i, text := range pushed {
					text, full := strings.CutSuffix(text, "!")
					var err error
					if text[0] >= 'a' {
						err = q.PushStream([]byte(text), stream(text[:1]))
					} else {
						err = q.PushNotice([]byte(text))
					}
					if full {
						require.ErrorIs(t, err, outbox.ErrFull)
					} else {
						require.NoError(t, err, "%d: %s", i, text)
					}
				}
				q.Close(left)
				for _, text := range append([]string{"x", "y"}, strings.Fields(test.written)...) {
					read(t, far, text)
				}
				require.Equal(t, test.dropped, q.TakeDropped())
				require.Zero(t, q.TakeDropped())
				q.Wait()
				require.ErrorIs(t, q.PushStream([]byte("a"), stream("a")), outbox.ErrClosed)
			})
		})
	}
}

func TestOverflowByBytes(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 100, Bytes: 30, Overflow: outbox.DropOldest})
		push(t, q, "x", "y")
		synctest.Wait()
		for i := range 5 {
			require.NoError(t, q.PushStream([]byte(fmt.Sprint("aaaaaaaa", i)), stream("a")))
		}
		require.Equal(t, uint64(2), q.TakeDropped())                                    // 30 bytes, the marker included
		require.NoError(t, q.PushStream([]byte(strings.Repeat("b", 100)), stream("a"))) // alone it is always taken
		require.Equal(t, uint64(3), q.TakeDropped())
		q.Close(left)
		read(t, far, "x", "y", "a-5", strings.Repeat("b", 100))
	})
}

func TestNoticesAreBoundedByBytes(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 1, Bytes: 3*(outbox.NoticeOverhead+1) + 1})
		push(t, q, "x")
		synctest.Wait()
		push(t, q, "y")
		synctest.Wait()
		for range 3 {
			require.NoError(t, q.PushNotice([]byte("P")))
		}
		require.ErrorIs(t, q.PushNotice([]byte("Q")), outbox.ErrFull)
		require.NoError(t, q.Push([]byte("a"))) // they do not take its place
		require.ErrorIs(t, q.Push([]byte("b")), outbox.ErrFull)
		require.NoError(t, q.PushAccepted([]byte("c")))
		q.Close(left)
		read(t, far, "x", "y", "P", "P", "P", "a", "c")
		require.ErrorIs(t, q.PushNotice([]byte("P")), outbox.ErrClosed)
		require.ErrorIs(t, q.PushAccepted([]byte("P")), outbox.ErrClosed)
	})
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 10, Bytes: 100, Overflow: outbox.DropNewest})
		push(t, q, "x", "y")
		synctest.Wait()
		for range 3 {
			require.NoError(t, q.PushStream([]byte(strings.Repeat("a", 30)), stream("a")))
		}
		require.NoError(t, q.PushNotice([]byte("P"))) // streams make way
		require.Equal(t, uint64(2), q.TakeDropped())
		q.Close(left)
		read(t, far, "x", "y", "a-2", strings.Repeat("a", 30), "P")
	})
}

func TestRoom(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 3, Bytes: 100})
		require.Nil(t, q.Room())
		push(t, q, "x", "y")
		synctest.Wait()
		push(t, q, "a", "b")
		messages, bytes := q.Waiting()
		require.Equal(t, []int{2, 2}, []int{messages, bytes})
		room := q.Room()
		require.NotNil(t, room)
		synctest.Wait()
		select {
		case <-room:
			require.Fail(t, "room, though nobody reads")
		default:
		}
		read(t, far, "x", "y")
		<-room
		require.Nil(t, q.Room())
		read(t, far, "a", "b")

		push(t, q, "c", "d")
		synctest.Wait()
		push(t, q, "f")
		room = q.Room()
		q.Abort(left)
		<-room
		q.Wait()
	})
}
