package client

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func changed(from, key string, seq uint64, deleted bool) Attribute {
	return Attribute{From: from, Key: key, Seq: seq, Deleted: deleted}
}

// Of an attribute the newest change waits, in its place, and in front of it at most that a value
// which was taken is gone.
func TestWhatWaitsOfAnAttribute(t *testing.T) {
	b := anyInbox(QueueLimit{Messages: 9, Bytes: 1 << 20})
	b.put(changed("alice", "a", 1, false))
	b.put(numberedMessage(2, 0))
	b.put(changed("alice", "b", 3, false))
	b.put(changed("alice", "a", 4, false))
	require.Equal(t, []any{numberedMessage(2, 0), changed("alice", "b", 3, false), changed("alice", "a", 4, false)}, b.takeAll())

	b.put(changed("alice", "a", 5, true))
	b.put(changed("alice", "a", 6, false))
	b.put(changed("alice", "a", 7, true))
	b.put(changed("alice", "a", 8, false))
	b.put(changed("alice", "c", 9, false))
	b.put(changed("alice", "c", 10, true))
	require.Equal(t, []any{changed("alice", "a", 5, true), changed("alice", "a", 8, false)}, b.takeAll(), "what was never told is not told to be gone")
	b.put(changed("alice", "a", 11, true))
	b.put(changed("alice", "b", 12, true))
	require.Len(t, b.takeAll(), 2)
	require.Empty(t, b.changes.members)
}

// Where messages are dropped, changes in front of them stay.
func TestChangesAreNotDropped(t *testing.T) {
	b := anyInbox(QueueLimit{Messages: 2, Bytes: 1 << 20})
	b.put(changed("alice", "a", 1, false))
	for seq := range uint64(5) {
		b.put(numberedMessage(seq+2, 0))
	}
	require.Equal(t, []any{gap{3}, changed("alice", "a", 1, false), numberedMessage(5, 0), numberedMessage(6, 0)}, b.takeAll())
}

// Whatever keys and names come and go while nobody takes anything, what waits is bounded.
func TestChangesAreBounded(t *testing.T) {
	b := anyInbox(QueueLimit{Messages: 2, Bytes: 1 << 20})
	seq := uint64(0)
	put := func(from, key string, deleted bool) {
		seq++
		b.put(changed(from, key, seq, deleted))
		require.LessOrEqual(t, len(b.changes.queue), 80)
	}
	for range 10_000 {
		put("alice", "a", false)
		put("alice", "b", false)
	}
	for n := range 10_000 {
		put("alice", fmt.Sprint("key ", n), false)
		put("alice", fmt.Sprint("key ", n), true)
	}
	for n := range 10_000 {
		name := fmt.Sprint("user_", n)
		put(name, "hand", false)
		b.forget(name)
	}
	require.Equal(t, []any{changed("alice", "a", 19_999, false), changed("alice", "b", 20_000, false)}, b.takeAll())
}

// A list that is kept from what is taken has what there is whenever all was taken.
func TestChangesThatAreTakenAreExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		b := anyInbox(QueueLimit{Messages: 3, Bytes: 1 << 20})
		there, kept := map[attributeOf]uint64{}, map[attributeOf]uint64{}
		take := func() bool {
			e, ok := b.tryTake()
			if a, is := e.(Attribute); is {
				of := attributeOf{a.From, a.Key}
				if a.Deleted {
					require.Contains(t, kept, of)
					delete(kept, of)
				} else {
					kept[of] = a.Seq
				}
			}
			return ok
		}
		for seq := range uint64(200) {
			of := attributeOf{fmt.Sprint("user_", random.IntN(3)), fmt.Sprint("key ", random.IntN(3))}
			_, is := there[of]
			switch random.IntN(6) {
			case 0:
				b.put(numberedMessage(seq+1, 0))
			case 1:
				take()
			case 2:
				if is {
					delete(there, of)
					b.put(changed(of.from, of.key, seq+1, true))
				}
			default:
				there[of] = seq + 1
				b.put(changed(of.from, of.key, seq+1, false))
			}
			if b.changes != nil {
				require.LessOrEqual(t, len(b.changes.queue)-b.changes.head-b.changes.followed, 18)
			}
		}
		for take() {
		}
		require.Equal(t, there, kept)
	}
}
