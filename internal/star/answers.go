package star

import (
	"iter"

	"github.com/lectern-go/lectern/internal/wire"
)

// answers makes sends idempotent. It remembers how the latest sends of a member
// were answered. A send that is retransmitted after a resume gets the same answer
// as the first time, and has no second effect.
//
// Refs rise. So a ref that is not remembered and not higher than all earlier refs
// belongs to a send that is too old to be known.
type answers struct {
	limit   int32
	next    int32 // the next index to overwrite, once kept is full: a ring buffer
	highest uint64
	kept    []answer
}

// answer is how one send was answered: with its number and the number of slaves
// that it was queued to, or with a refusal.
type answer struct {
	ref     uint64
	seq     uint64
	slaves  uint64
	refusal *wire.Cause
}

func (a *answers) add(given answer) {
	a.highest = given.ref
	if len(a.kept) < int(a.limit) {
		a.kept = append(a.kept, given)
		return
	}
	a.kept[a.next] = given
	a.next = (a.next + 1) % a.limit
}

func (a *answers) find(ref uint64) (answer, bool) {
	if ref > a.highest {
		return answer{}, false
	}
	for _, known := range a.kept {
		if known.ref == ref {
			return known, true
		}
	}
	return answer{}, false
}

// oldestFirst yields all answers that are remembered, in the order of their refs.
func (a *answers) oldestFirst() iter.Seq[answer] {
	return func(yield func(answer) bool) {
		for i := range a.kept {
			if !yield(a.kept[(int(a.next)+i)%len(a.kept)]) {
				return
			}
		}
	}
}

func (a answer) ack() *wire.Frame {
	return &wire.Frame{Type: wire.Ack, Ref: a.ref, Seq: a.seq, Slaves: a.slaves}
}
