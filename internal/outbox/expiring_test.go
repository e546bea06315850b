package outbox_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// perishable is a message of a stream that expires at its end, and says when it was written.
type perishable struct {
	text  string
	began time.Time
	end   time.Time
}

func (p perishable) Stream() outbox.Stream { return stream(p.text[:1]) }

func (p perishable) At(now time.Time) []byte {
	if !now.Before(p.end) {
		return nil
	}
	return fmt.Appendf(nil, "%s@%v", p.text, now.Sub(p.began))
}

func (p perishable) Expired(count uint64) []byte { return fmt.Appendf(nil, "%s!%d", p.text, count) }

// pushes pushes words: a letter and a number is a message of that stream, with the seconds
// after which it expires behind a colon, a capital letter a notice.
func pushes(t *testing.T, q *outbox.Queue, kind outbox.Kind, words string) {
	t.Helper()
	for _, word := range strings.Fields(words) {
		text, seconds, expires := strings.Cut(word, ":")
		switch {
		case expires:
			d, err := time.ParseDuration(seconds + "s")
			require.NoError(t, err)
			require.NoError(t, q.PushExpiring(kind, []byte(text), perishable{text, time.Now(), time.Now().Add(d)}))
		case text[0] < 'a':
			require.NoError(t, q.PushNotice([]byte(text)))
		case kind == outbox.Streamed:
			require.NoError(t, q.PushStream([]byte(text), stream(text[:1])))
		default:
			require.NoError(t, q.PushAccepted([]byte(text)))
		}
	}
	q.Start()
}

// What waits is decided when it is written, 3 seconds later here: what is left of its time, or
// that it has expired. A message that expires at that very instant has expired.
func TestExpiringWhileItWaits(t *testing.T) {
	for _, test := range []struct {
		overflow        outbox.Overflow
		pushed, written string
		dropped         uint64
	}{
		{outbox.Refuse, "a1:4 a2", "a1@3s a2", 0},
		{outbox.Refuse, "a1:3 a2", "a1!1 a2", 0},
		{outbox.Refuse, "a1 a2:2 a3", "a1 a2!1 a3", 0},
		{outbox.Refuse, "a1:2 a2:1 a3:2", "a3!3", 0},
		{outbox.Refuse, "a1:2 a2 a3:2", "a1!1 a2 a3!1", 0},
		{outbox.Refuse, "a1:2 P a3:2", "a1!1 P a3!1", 0},
		{outbox.Refuse, "a1:2 b1:2 a2:2", "a1!1 b1!1 a2!1", 0},
		{outbox.Refuse, "a1:2 a2:4 a3:2", "a1!1 a2@3s a3!1", 0},
		{outbox.DropOldest, "a1:4 a2:4 a3:2 a4:4", "a-1 a2@3s a3!1 a4@3s", 1},
		{outbox.DropOldest, "a1:4 a2 a3:4 a4:2 a5:4 a6", "a-3 a4!1 a5@3s a6", 3},
		{outbox.DropOldest, "a1:4 P a2 a3:4 a4 a5:2 a6:4", "a-3 P a4 a5!1 a6@3s", 3},
		{outbox.DropOldest, "b1:4 a1:4 a2 a3:4 b2:2 a4:4", "b-1 a-2 a3@3s b2!1 a4@3s", 3},
		{outbox.DropNewest, "a1:4 a2:2 a3 a4:4 a5:4 P", "a1@3s a2!1 a3 a-2 P", 2},
	} {
		t.Run(fmt.Sprint(test.overflow, " ", test.pushed), func(t *testing.T) {
			inBubble(t, func(t *testing.T, near, far *memory.Conn) {
				q := outbox.New(near, &outbox.Limits{Messages: 3, Bytes: 1000, Overflow: test.overflow})
				push(t, q, "x", "y") // one on its way, one with which the writer is stuck
				synctest.Wait()
				kind := outbox.Streamed
				if test.overflow == outbox.Refuse {
					kind = outbox.Accepted
				}
				pushes(t, q, kind, test.pushed)
				time.Sleep(3 * time.Second)
				q.Close(left)
				read(t, far, append([]string{"x", "y"}, strings.Fields(test.written)...)...)
				readClose(t, far, transport.Left)
				require.Equal(t, test.dropped, q.TakeDropped())
				q.Wait()
			})
		})
	}
}

// What expires goes by the rules of what does not.
func TestExpiringByEachRule(t *testing.T) {
	inBubble(t, func(t *testing.T, near, far *memory.Conn) {
		q := outbox.New(near, &outbox.Limits{Messages: 1, Bytes: 1000})
		for _, text := range []string{"x", "y"} {
			push(t, q, text)
			synctest.Wait()
		}
		one := perishable{"a1", time.Now(), time.Now().Add(time.Hour)}
		require.NoError(t, q.PushExpiring(outbox.Limited, []byte("a1"), one))
		require.ErrorIs(t, q.PushExpiring(outbox.Limited, []byte("a1"), one), outbox.ErrFull)
		require.NoError(t, q.PushExpiring(outbox.Accepted, []byte("a1"), one))
		require.NoError(t, q.PushExpiring(outbox.Exempt, []byte("a1"), one))
		require.Equal(t, 4, q.Unwritten()) // y among them
		q.Drop(func(frame []byte) (match, message bool) { return string(frame) == "a1", true })
		pushes(t, q, outbox.Accepted, "a2 b1:1 b2:9")
		q.Drop(func(frame []byte) (match, message bool) { return string(frame) == "a2", true })
		pushes(t, q, outbox.Accepted, "b3:9 a3:9 a4")
		q.Drop(func(frame []byte) (match, message bool) { return string(frame) == "b2", true })
		time.Sleep(time.Second)
		q.Close(left)
		for _, kind := range []outbox.Kind{outbox.Limited, outbox.Streamed, outbox.Accepted, outbox.Exempt} {
			require.ErrorIs(t, q.PushExpiring(kind, []byte("a1"), one), outbox.ErrClosed)
		}
		read(t, far, "x", "y", "b1!1", "b3@1s", "a3@1s", "a4")
		q.Wait()
	})
}

// slowly is a connection that takes a write in a second, and tells nothing of how far it is.
type slowly struct {
	transport.Conn
	wrote []string
}

func (s *slowly) Write(messages ...[]byte) error {
	var words []string
	for _, message := range messages {
		words = append(words, strings.TrimRight(string(message), "."))
	}
	s.wrote = append(s.wrote, strings.Join(words, " "))
	time.Sleep(time.Second)
	return nil
}

func (s *slowly) Close(transport.Reason) error { return nil }

// Behind 16 KiB in one batch it is decided anew what is left, and so on.
func TestALongBatchIsDecidedInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := &slowly{}
		q := outbox.New(conn, &outbox.Limits{Messages: 100, Bytes: 1 << 20})
		push(t, q, "x")
		synctest.Wait()
		dots := strings.Repeat(".", 10<<10)
		for _, text := range []string{"a1", "a2", "a3", "a4", "a5"} {
			p := perishable{text, time.Now(), time.Now().Add(3500 * time.Millisecond)}
			require.NoError(t, q.PushExpiring(outbox.Limited, []byte(text+dots), p))
			require.NoError(t, q.Push([]byte(text+"'")))
		}
		q.Start()
		q.Close(left)
		q.Wait()
		require.Equal(t, []string{"x", "a1@1s a1'", "a2@2s a2'", "a3@3s a3'", "a4!1 a4'", "a5!1 a5'"}, conn.wrote)
	})
}

// trying is a sink that takes what can be taken without waiting.
type trying struct {
	slowly
	full bool
}

func (s *trying) TryWrite(messages ...[]byte) bool {
	if s.full {
		return false
	}
	for _, message := range messages {
		s.wrote = append(s.wrote, string(message))
	}
	return true
}

// Who writes without waiting decides it too. What could not be written is written as it was
// tried, since a part of it may be on its way.
func TestExpiringWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := &trying{}
		q := outbox.New(conn, &outbox.Limits{Messages: 100, Bytes: 1 << 20})
		push := func(text string, end time.Duration) {
			require.NoError(t, q.PushExpiring(outbox.Limited, []byte(text), perishable{text, time.Now(), time.Now().Add(end)}))
		}
		push("a1", time.Second)
		push("a2", 0)
		require.False(t, q.Flush())
		require.Equal(t, []string{"a1@0s", "a2!1"}, conn.wrote)
		conn.full = true
		push("a3", time.Second)
		require.True(t, q.Flush())
		q.Close(left)
		q.Wait()
		require.Equal(t, []string{"a1@0s", "a2!1", "a3@0s"}, conn.wrote)
	})
}

// Of what was tried and not written every message counts as unwritten, though fewer frames tell of
// those that have expired.
func TestWhatHasExpiredIsUnwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := &trying{full: true}
		q := outbox.New(conn, &outbox.Limits{Messages: 100, Bytes: 1 << 20})
		require.NoError(t, q.PushAccepted([]byte("b1")))
		for _, text := range []string{"a1", "a2", "a3"} {
			require.NoError(t, q.PushExpiring(outbox.Accepted, []byte(text), perishable{text, time.Now(), time.Now()}))
		}
		require.Equal(t, 4, q.Unwritten())
		require.True(t, q.Flush())
		require.Equal(t, 4, q.Unwritten())
		synctest.Wait()
		require.Equal(t, 4, q.Unwritten(), "it is being written")
		q.Close(left)
		q.Wait()
		require.Zero(t, q.Unwritten())
		require.Equal(t, []string{"b1 a3!3"}, conn.wrote)
	})
}
