package outbox_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/transport/memory"
)

// of matches the frames that begin with the letter. A small letter is a message.
func of(letter string) func(frame []byte) (match, message bool) {
	return func(frame []byte) (match, message bool) { return string(frame[:1]) == letter, frame[0] >= 'a' }
}

// What matches is dropped and counts no more. What is being written stays.
func TestDrop(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 3, Bytes: 1000})
		push(t, q, "a1", "a2") // one on its way, one with which the writer is stuck
		synctest.Wait()
		push(t, q, "a3", "b1", "a4")
		require.NoError(t, q.PushNotice([]byte("A")))
		require.NoError(t, q.PushNotice([]byte("B")))
		require.ErrorIs(t, q.Push([]byte("a5")), outbox.ErrFull)
		q.Drop(of("a"))
		q.Drop(of("A"))
		messages, bytes := q.Waiting()
		require.Equal(t, 2, messages)
		require.Equal(t, len("b1B")+outbox.NoticeOverhead, bytes)
		push(t, q, "b2", "b3")
		require.ErrorIs(t, q.Push([]byte("b4")), outbox.ErrFull)
		room := q.Room()
		q.Drop(of("b"))
		q.Drop(of("B"))
		<-room
		messages, bytes = q.Waiting()
		require.Zero(t, messages+bytes)
		push(t, q, "c1")
		read(t, far, "a1", "a2", "c1")
		q.Close(left)
		q.Wait()
	})
}

// Where messages may be dropped for room, what is known of each stays with it.
func TestDropBesideStreams(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 2, Bytes: 1000, Overflow: outbox.DropOldest})
		push(t, q, "x", "y")
		synctest.Wait()
		stream := func(letter string, from, to int) {
			for i := from; i <= to; i++ {
				require.NoError(t, q.PushStream(fmt.Appendf(nil, "%s%d", letter, i), stream(letter)))
			}
		}
		stream("a", 1, 3) // of which the first becomes a gap
		stream("b", 1, 1)
		q.Drop(of("a"))
		stream("b", 2, 3)
		q.Start()
		q.Close(left)
		read(t, far, "x", "y", "b-1", "b2", "b3")
		q.Wait()
	})
}
