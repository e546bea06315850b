package star

import (
	"encoding/binary"
	"hash/crc32"
	"iter"
	"slices"

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
	ref uint64
	seq uint64
	// slaves is the number of slaves, and content the sum of what was sent (contentOf).
	// They have 32 bits each because every member has many answers.
	slaves  uint32
	content uint32
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

// upTo are the latest answers, no more than the limit, for a membership that goes on with them.
func (a *answers) upTo(limit int32) answers {
	kept := slices.Collect(a.oldestFirst())
	return answers{limit: limit, highest: a.highest, kept: kept[max(len(kept)-int(limit), 0):]}
}

func (a answer) ack() *wire.Frame {
	return &wire.Frame{Type: wire.Ack, Ref: a.ref, Seq: a.seq, Slaves: uint64(a.slaves)}
}

// castagnoli is the polynomial for which processors have an instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// contentOf is a checksum of a message: its payload, its address, its topic, how long it is worth
// something, and what it asks or answers. It tells another message under the same ref from the same one sent again. It
// stays the same over a snapshot.
func contentOf(msg *Message) uint32 {
	var head [20]byte
	binary.LittleEndian.PutUint64(head[:], msg.ReplyTo)
	binary.LittleEndian.PutUint64(head[8:], uint64(len(msg.To)))
	head[16] = byte(msg.Payload.Kind)
	if msg.HasTo {
		head[17] = 1
	}
	if msg.Asks {
		head[18] = 1
	}
	sum := crc32.Update(0, castagnoli, head[:])
	sum = crc32.Update(sum, castagnoli, []byte(msg.To))
	// Without these the sum is as it was before there were any, and in files is still.
	if msg.Topic != "" || msg.Expires != 0 {
		aside := binary.LittleEndian.AppendUint64([]byte("aside "), uint64(msg.Expires))
		sum = crc32.Update(sum, castagnoli, append(aside, msg.Topic...))
	}
	return crc32.Update(sum, castagnoli, msg.Payload.Data)
}
