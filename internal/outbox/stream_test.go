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
// message of that stream, anything else must not be dropped, and "!" means that
// the push before is refused.
func TestOverflow(t *testing.T) {
	tests := []struct {
		overflow outbox.Overflow
		pushed   string
		written  string
		dropped  uint64
	}{
		{outbox.Refuse, "a1 a2 a3 a4!", "a1 a2 a3", 0},
		{outbox.DropOldest, "a1 a2 a3", "a1 a2 a3", 0},
		{outbox.DropOldest, "a1 a2 a3 a4", "a-1 a2 a3 a4", 1},
		{outbox.DropOldest, "a1 a2 a3 a4 a5 a6 a7", "a-4 a5 a6 a7", 4},
		{outbox.DropOldest, "P a1 b1 a2 b2", "P a-1 b-1 a2 b2", 2},
		{outbox.DropOldest, "a1 P a2 a3 a4", "a-2 P a3 a4", 2},
		{outbox.DropOldest, "a1 b1 a2 P", "a-1 b1 a2 P", 1},
		{outbox.DropOldest, "P Q a1 a2", "P Q a-1 a2", 1},
		{outbox.DropOldest, "P Q R a1! S!", "P Q R", 0},
		{outbox.DropNewest, "a1 a2 a3 a4", "a1 a2 a3 a-1", 1},
		{outbox.DropNewest, "a1 a2 a3 a4 b1 a5 b2", "a1 a2 a3 a-2 b-2", 4},
		{outbox.DropNewest, "a1 a2 a3 a4 P", "a-1 a2 a3 a-1 P", 2},
		{outbox.DropNewest, "a1 P a2 a3 b1 P a4", "a-1 P a2 a-1 b-1 P a-1", 4},
		{outbox.DropNewest, "P Q R a1 S!", "P Q R a-1", 1},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.overflow, " ", test.pushed), func(t *testing.T) {
			inBubble(t, func(t *testing.T, near, far *memory.Conn) {
				q := outbox.New(near, outbox.Limits{Messages: 3, Bytes: 100, Overflow: test.overflow})
				push(t, q, "x", "y") // one on its way, one with which the writer is stuck
				synctest.Wait()
				pushed := strings.Fields(test.pushed)
				for i, text := range pushed {
					text, full := strings.CutSuffix(text, "!")
					var err error
					if text[0] >= 'a' {
						err = q.PushStream([]byte(text), stream(text[:1]))
					} else {
						err = q.Push([]byte(text))
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
		q := outbox.New(near, outbox.Limits{Messages: 100, Bytes: 30, Overflow: outbox.DropOldest})
		push(t, q, "x", "y")
		synctest.Wait()
		for i := range 5 {
			require.NoError(t, q.PushStream([]byte(fmt.Sprint("aaaaaaaa", i)), stream("a")))
		}
		require.Equal(t, uint64(2), q.TakeDropped()) // 30 bytes, the marker included
		require.NoError(t, q.PushStream([]byte(strings.Repeat("b", 100)), stream("a"))) // alone it is always taken
		require.Equal(t, uint64(3), q.TakeDropped())
		q.Close(left)
		read(t, far, "x", "y", "a-5", strings.Repeat("b", 100))
	})
}

func TestRoom(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, outbox.Limits{Messages: 3, Bytes: 100})
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
