package star

import (
	"iter"

	"github.com/lectern-go/lectern/internal/wire"
)

// answers remembers how a member's latest sends were answered, so that one that
// is sent again after a resume is answered as the first time and has no second
// effect. Refs rise, so a send whose ref is neither remembered nor higher than
// all before is one too old to know.
type answers struct {
	limit   int32
	next    int32 // where to write once kept has grown to limit, and is a ring
	highest uint64
	kept    []answer
}

// answer is how a send was answered: numbered and queued to so many slaves, or
// refused.
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

// oldestFirst yields what is remembered.
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
