package client

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// gap is the event of so many messages that are missing.
type gap struct{ missed uint64 }

// anyInbox keeps messages, presences and gaps as they are.
func anyInbox(bound QueueLimit) *Inbox[any] {
	return NewInbox(bound, 0, Constructors[any]{
		Message:   func(m Message) any { return m },
		Presence:  func(p Presence) any { return p },
		Attribute: func(a Attribute) any { return a },
		Promoted:  func(next *Membership) any { return next },
		Gap:       func(missed uint64) any { return gap{missed} },
	})
}

func numberedMessage(seq uint64, size int) Message {
	return Message{Payload: wire.Payload{Data: make([]byte, size)}, Seq: seq}
}

// put adds an event of any kind.
func (b *Inbox[E]) put(e any) {
	switch e := e.(type) {
	case Message:
		b.message(e)
	case Presence:
		b.presence(e)
	case Attribute:
		b.attribute(e)
	case gap:
		b.gap(e.missed, 0)
	}
}

// takeAll takes what there is.
func (b *Inbox[E]) takeAll() []E {
	events := []E{}
	for e, ok := b.tryTake(); ok; e, ok = b.tryTake() {
		events = append(events, e)
	}
	return events
}

func TestInboxDropsTheOldest(t *testing.T) {
	m := numberedMessage
	p := Presence{Username: "alice", State: wire.StateAway}
	const message = eventOverhead + 10
	tests := []struct {
		what  string
		bound QueueLimit
		added []any
		taken []any
	}{
		{"nothing", QueueLimit{3, 1 << 10}, nil, []any{}},
		{"in order", QueueLimit{3, 1 << 10}, []any{m(1, 1), p, m(2, 1)}, []any{m(1, 1), p, m(2, 1)}},
		{"one too many", QueueLimit{2, 1 << 10}, []any{m(1, 1), m(2, 1), m(3, 1)}, []any{gap{1}, m(2, 1), m(3, 1)}},
		{"two too many", QueueLimit{1, 1 << 10}, []any{m(1, 1), m(2, 1), m(3, 1)}, []any{gap{2}, m(3, 1)}},
		{"a presence is lost too", QueueLimit{1, 1 << 10}, []any{p, m(1, 1)}, []any{gap{}, m(1, 1)}},
		{"a gap within the loss", QueueLimit{1, 1 << 10}, []any{m(1, 1), gap{5}, m(7, 1)}, []any{gap{6}, m(7, 1)}},
		{"as many bytes", QueueLimit{9, 2 * message}, []any{m(1, 10), m(2, 10)}, []any{m(1, 10), m(2, 10)}},
		{"a byte too many", QueueLimit{9, 2 * message}, []any{m(1, 10), m(2, 11)}, []any{gap{1}, m(2, 11)}},
		{"a single one is always let in", QueueLimit{9, 1}, []any{m(1, 10)}, []any{m(1, 10)}},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			b := anyInbox(test.bound)
			for _, e := range test.added {
				b.put(e)
			}
			require.Equal(t, test.taken, b.takeAll())
			require.Zero(t, b.bytes)
			require.Empty(t, b.takeAll())
		})
	}
}

func TestInboxSeenIsWhatWasTaken(t *testing.T) {
	b := anyInbox(QueueLimit{9, 1 << 10})
	b.put(numberedMessage(3, 0))
	b.put(Presence{})
	b.put(numberedMessage(5, 0))
	for _, seen := range []uint64{3, 3, 5} {
		b.tryTake()
		require.Equal(t, seen, b.Last())
	}
}

func TestInboxOverManyRounds(t *testing.T) {
	b := anyInbox(QueueLimit{200, 1 << 20})
	next, added := uint64(1), uint64(0)
	for round := range 300 {
		for range round % 7 {
			added++
			b.put(numberedMessage(added, 1))
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
		b := anyInbox(QueueLimit{9, 1 << 10})

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := b.Take(ctx, ended)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		b.put(numberedMessage(1, 0))
		_, _, err = b.Take(ctx, ended)
		require.ErrorIs(t, err, context.DeadlineExceeded, "a context that is over takes nothing")

		// Each of several takers gets one, though they were all waiting before.
		taken := make(chan any, 3)
		for range 3 {
			go func() {
				e, _, _ := b.Take(t.Context(), ended)
				taken <- e
			}()
		}
		synctest.Wait()
		b.put(numberedMessage(2, 0))
		b.put(numberedMessage(3, 0))
		synctest.Wait()
		require.Len(t, taken, 3)

		// What was there at the end is still to be had, then it is over.
		b.put(numberedMessage(4, 0))
		close(ended)
		e, ok, err := b.Take(t.Context(), ended)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, uint64(4), e.(Message).Seq)
		_, ok, err = b.Take(t.Context(), ended)
		require.NoError(t, err)
		require.False(t, ok)
	})
}
