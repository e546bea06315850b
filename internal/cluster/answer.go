package cluster

import (
	"encoding/binary"
	"errors"

	"github.com/lectern-go/lectern/cluster"
)

const (
	// MaxAnswer is the size in bytes of the largest body of an answer.
	MaxAnswer = 32 << 20

	// What stands in front of what a message of an answer has: always, and for one whose calls
	// were carried out.
	answerHeader = 1 + 16 + 16 + 8 + 8 + 8
	doneHeader   = answerHeader + 8 + 8 + 4 + 4

	// chunkSize is how much of a body goes in one message. It is the same for all versions.
	chunkSize = cluster.MaxMessage - doneHeader
)

// errAnswer is what bytes fail with that are no message of an answer.
var errAnswer = errors.New("cluster: not an answer")

// Outcome is what has become of a request.
type Outcome byte

// The outcomes. But for Done, none of the calls is answered: they wait further.
const (
	// Done: the calls were carried out, and that is committed.
	Done Outcome = 1 + iota
	// Moved: somebody else owns the channel, or the same hub in another epoch.
	Moved
	// Unknown: the hub that was asked does not own the channel, and does not know who does.
	Unknown
	// Busy: the owner takes nothing now.
	Busy
	// Forgotten: the calls were carried out, but the answer is not kept any more, as the asking
	// hub was lost meanwhile, or there was too much to keep. They are asked again in
	// a new request, as at another owner.
	Forgotten
	// Nobody: the hub that is asked is not there. This is noticed at the edge.
	Nobody
)

// Answer is what an edge hears about a request.
type Answer struct {
	Outcome Outcome
	Owner   Owner // who was asked
	N       uint64

	// Of what is Done: the position of the group in which the calls took effect, that of the last
	// Shared group at that time, and what the owner has to say. The Body may not be written to.
	Position, Shared cluster.Position
	Body             []byte

	// Next is who owns the channel, of Moved.
	Next Owner

	// Calls are those that are answered, in their order.
	Calls [][]byte
}

// answerMessage is one message of an answer. Of what is Done there are as many as the chunks
// of the body, each with the whole header; all but the last are of the largest size.
type answerMessage struct {
	key cluster.Key
	Answer
	total, offset int
	chunk         []byte
}

// appendAnswer appends the message's bytes.
func appendAnswer(b []byte, m answerMessage) []byte {
	b = append(b, byte(m.Outcome))
	b = append(b, m.key[:]...)
	b = append(b, m.Owner.Hub[:]...)
	b = binary.BigEndian.AppendUint64(b, m.Owner.Epoch)
	b = append(b, m.Owner.Incarnation[:]...)
	b = binary.BigEndian.AppendUint64(b, m.N)
	switch m.Outcome {
	case Done:
		b = binary.BigEndian.AppendUint64(b, uint64(m.Position))
		b = binary.BigEndian.AppendUint64(b, uint64(m.Shared))
		b = binary.BigEndian.AppendUint32(b, uint32(m.total))
		b = binary.BigEndian.AppendUint32(b, uint32(m.offset))
		b = append(b, m.chunk...)
	case Moved:
		b = append(b, m.Next.Hub[:]...)
		b = binary.BigEndian.AppendUint64(b, m.Next.Epoch)
	}
	return b
}

// parseAnswer reads what appendAnswer has written, and nothing else. The chunk shares b.
func parseAnswer(b []byte) (m answerMessage, err error) {
	if len(b) < answerHeader {
		return answerMessage{}, errAnswer
	}
	m.Outcome = Outcome(b[0])
	m.key = cluster.Key(b[1:])
	m.Owner = Owner{cluster.HubID(b[17:]), binary.BigEndian.Uint64(b[33:]), cluster.Nonce(b[41:])}
	m.N = binary.BigEndian.Uint64(b[49:])
	ok := false
	switch rest := b[answerHeader:]; m.Outcome {
	case Done:
		ok = m.parseDone(rest)
	case Moved:
		if ok = len(rest) == 16+8; ok {
			m.Next = Owner{cluster.HubID(rest), binary.BigEndian.Uint64(rest[16:]), m.Owner.Incarnation}
		}
	case Unknown, Busy, Forgotten:
		ok = len(rest) == 0
	}
	if !ok {
		return answerMessage{}, errAnswer
	}
	return m, nil
}

func (m *answerMessage) parseDone(b []byte) bool {
	if len(b) < doneHeader-answerHeader {
		return false
	}
	m.Position = cluster.Position(binary.BigEndian.Uint64(b))
	m.Shared = cluster.Position(binary.BigEndian.Uint64(b[8:]))
	total, offset := binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:])
	if total > MaxAnswer || offset > total || offset > 0 && offset == total || offset%chunkSize != 0 {
		return false
	}
	m.total, m.offset = int(total), int(offset)
	m.chunk = b[24:]
	return len(m.chunk) == min(chunkSize, m.total-m.offset)
}

// messages are those of an answer that is Done.
func messages(key cluster.Key, a Answer) (all [][]byte) {
	m := answerMessage{key: key, Answer: a, total: len(a.Body)}
	for {
		end := min(m.offset+chunkSize, m.total)
		m.chunk = a.Body[m.offset:end]
		all = append(all, appendAnswer(make([]byte, 0, doneHeader+len(m.chunk)), m))
		if m.offset = end; end == m.total {
			return all
		}
	}
}

// chunks is as much of a body as has arrived, whichever of the owner's replies brought it: the
// owner says the same each time.
type chunks struct {
	head    answerMessage // without chunk and offset
	have    [][]byte
	missing int
}

// add takes a message of what is Done. fresh: it has brought something.
func (c *chunks) add(m answerMessage) (fresh bool) {
	i := m.offset / chunkSize
	if c.have == nil || m.Position != c.head.Position || m.Shared != c.head.Shared || m.total != c.head.total {
		*c = chunks{head: m, missing: max(1, (m.total+chunkSize-1)/chunkSize)}
		c.have = make([][]byte, c.missing)
	}
	if c.have[i] != nil {
		return false
	}
	c.missing--
	c.have[i] = m.chunk
	return true
}

// answer is the whole, when nothing is missing.
func (c *chunks) answer() (a Answer, whole bool) {
	if c.have == nil || c.missing > 0 {
		return Answer{}, false
	}
	a = c.head.Answer
	if len(c.have) == 1 {
		a.Body = c.have[0]
		return a, true
	}
	a.Body = make([]byte, 0, c.head.total)
	for _, chunk := range c.have {
		a.Body = append(a.Body, chunk...)
	}
	return a, true
}
