package lectern

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func numberedMessage(seq uint64, size int) Message {
	return Message{Payload: Bytes(make([]byte, size)), Seq: seq}
}

// takeAll takes what there is.
func (b *inbox) takeAll() []Event {
	events := []Event{}
	for e, ok := b.tryTake(); ok; e, ok = b.tryTake() {
		events = append(events, e)
	}
	return events
}

func TestInboxDropsTheOldest(t *testing.T) {
	m := numberedMessage
	p := Presence{Username: "alice", State: Away}
	const message = entryOverhead + 10
	tests := []struct {
		what  string
		bound Bound
		added []Event
		taken []Event
	}{
		{"nothing", Bound{3, 1 << 10}, nil, []Event{}},
		{"in order", Bound{3, 1 << 10}, []Event{m(1, 1), p, m(2, 1)}, []Event{m(1, 1), p, m(2, 1)}},
		{"one too many", Bound{2, 1 << 10}, []Event{m(1, 1), m(2, 1), m(3, 1)}, []Event{Gap{1}, m(2, 1), m(3, 1)}},
		{"two too many", Bound{1, 1 << 10}, []Event{m(1, 1), m(2, 1), m(3, 1)}, []Event{Gap{2}, m(3, 1)}},
		{"a presence is lost too", Bound{1, 1 << 10}, []Event{p, m(1, 1)}, []Event{Gap{}, m(1, 1)}},
		{"a gap within the loss", Bound{1, 1 << 10}, []Event{m(1, 1), Gap{5}, m(7, 1)}, []Event{Gap{6}, m(7, 1)}},
		{"as many bytes", Bound{9, 2 * message}, []Event{m(1, 10), m(2, 10)}, []Event{m(1, 10), m(2, 10)}},
		{"a byte too many", Bound{9, 2 * message}, []Event{m(1, 10), m(2, 11)}, []Event{Gap{1}, m(2, 11)}},
		{"a single one is always let in", Bound{9, 1}, []Event{m(1, 10)}, []Event{m(1, 10)}},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			b := newInbox(test.bound, nil)
			for _, e := range test.added {
				b.add(e)
			}
			require.Equal(t, test.taken, b.takeAll())
			require.Zero(t, b.bytes)
			require.Empty(t, b.takeAll())
		})
	}
}

func TestInboxSeenIsWhatWasTaken(t *testing.T) {
	b := newInbox(Bound{9, 1 << 10}, nil)
	b.add(numberedMessage(3, 0))
	b.add(Presence{})
	b.add(numberedMessage(5, 0))
	for _, seen := range []uint64{3, 3, 5} {
		b.tryTake()
		require.Equal(t, seen, b.seen())
	}
}

func TestInboxOverManyRounds(t *testing.T) {
	b := newInbox(Bound{200, 1 << 20}, nil)
	next, added := uint64(1), uint64(0)
	for round := range 300 {
		for range round % 7 {
			added++
			b.add(numberedMessage(added, 1))
		}
		for range round % 5 {
			if e, ok := b.tryTake(); ok {
				require.Equal(t, next, e.(Message).Seq)
				next++
			}
		}
		require.LessOrEqual(t, len(b.events), 2*200+33, "what was taken is let go")
		if len(b.events)-b.head > 190 {
			next += uint64(len(b.takeAll()))
		}
	}
	require.Equal(t, int(added-next+1), len(b.takeAll()))
}

func TestInboxTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		b := newInbox(Bound{9, 1 << 10}, ended)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := b.take(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		b.add(numberedMessage(1, 0))
		_, _, err = b.take(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded, "a context that is over takes nothing")

		// Each of several takers gets one, though they were all waiting before.
		taken := make(chan Event, 3)
		for range 3 {
			go func() {
				e, _, _ := b.take(t.Context())
				taken <- e
			}()
		}
		synctest.Wait()
		b.add(numberedMessage(2, 0))
		b.add(numberedMessage(3, 0))
		synctest.Wait()
		require.Len(t, taken, 3)

		// What was there at the end is still to be had, then it is over.
		b.add(numberedMessage(4, 0))
		close(ended)
		e, ok, err := b.take(t.Context())
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, uint64(4), e.(Message).Seq)
		_, ok, err = b.take(t.Context())
		require.NoError(t, err)
		require.False(t, ok)
	})
}
