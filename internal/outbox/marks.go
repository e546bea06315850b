package outbox

import "time"

// Mark is what a replaceable message is about. A later message about the same takes its place.
type Mark struct {
	// Channel is anything comparable that tells one channel from another, Member is whose
	// it is, and Key what of the member. An empty key stands for all of the member.
	Channel     any
	Member, Key string
}

// pinAfter is how long a message that may be replaced waits until the next one about the same
// leaves it in the queue, so that something that changes all the time still arrives.
const pinAfter = time.Second

// mark is what the queue knows about the messages with one Mark.
type mark struct {
	of Mark
	// since is when the first of them was queued, of those that wait.
	since time.Time
	// pinned and newest are their indexes in pending, or -1: at most two wait.
	pinned, newest int
}

// PushMark queues a message in the place of one about the same, which is taken out, unless
// that has waited for a second: then it stays, and only the one after it is taken out, so that
// at most two wait. Where the key of the mark is empty, all messages about its member are
// taken out. It does not count in the limits. Where nothing waits, it is written at once, as by
// PushAll. The error is nil or ErrClosed.
func (q *Queue) PushMark(message []byte, of Mark, now time.Time) (writing bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		return q.writing, ErrClosed
	}
	if !q.writing && len(q.pending) == 0 {
		q.pushIdle([][]byte{message})
		return q.writing, nil
	}
	q.addMark(message, of, now)
	q.flush()
	return q.writing, nil
}

// QueueMark is PushMark without writing: the message is written after the next call of Flush
// or Start.
func (q *Queue) QueueMark(message []byte, of Mark, now time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		return ErrClosed
	}
	q.addMark(message, of, now)
	return nil
}

// Unmark takes out all messages about the member of the mark.
func (q *Queue) Unmark(of Mark) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unmark(of)
	if len(q.pending) > 0 && q.extra != nil && q.extra.holes == len(q.pending) {
		putBatch(q.pending)
		q.reset()
	}
}

func (q *Queue) unmark(of Mark) {
	if q.extra == nil {
		return
	}
	for _, m := range q.extra.marks {
		if m.of.Channel == of.Channel && m.of.Member == of.Member {
			q.takeOut(m.pinned)
			q.takeOut(m.newest)
			delete(q.extra.marks, m.of)
		}
	}
}

// addMark appends a message with a mark.
func (q *Queue) addMark(message []byte, of Mark, now time.Time) {
	extra := q.needExtra()
	if extra.infos == nil {
		extra.infos = make([]messageInfo, len(q.pending), cap(q.pending)+1)
	}
	if of.Key == "" {
		q.unmark(of)
	}
	m := extra.marks[of]
	switch {
	case m == nil:
		if extra.marks == nil {
			extra.marks = make(map[Mark]*mark)
		}
		m = &mark{of: of, since: now, pinned: -1}
		extra.marks[of] = m
	case m.pinned < 0 && now.Sub(m.since) >= pinAfter:
		m.pinned = m.newest
	default:
		q.takeOut(m.newest)
	}
	m.newest = len(q.pending)
	extra.marked++
	extra.exempt.bytes += len(message)
	extra.markedBytes += len(message)
	q.add(message, messageInfo{mark: m})
	if extra.holes > 16 && extra.holes*2 > len(q.pending) {
		q.closeHoles()
	}
}

// takeOut leaves a hole in the place of a message with a mark. A negative index is none.
func (q *Queue) takeOut(i int) {
	if i < 0 {
		return
	}
	extra := q.extra
	q.bytes -= len(q.pending[i])
	extra.exempt.bytes -= len(q.pending[i])
	extra.markedBytes -= len(q.pending[i])
	extra.marked--
	extra.holes++
	q.pending[i], extra.infos[i] = nil, messageInfo{}
}

// closeHoles moves what waits together.
func (q *Queue) closeHoles() {
	if q.extra == nil || q.extra.holes == 0 {
		return
	}
	infos, expiring, n := q.extra.infos, q.extra.expiring, 0
	for i, message := range q.pending {
		if message == nil {
			continue
		}
		if len(expiring) > 0 && expiring[0].index == i {
			expiring[0].index = n
			expiring = expiring[1:]
		}
		q.pending[n], infos[n] = message, infos[i]
		n++
	}
	clear(q.pending[n:])
	clear(infos[n:])
	q.pending, q.extra.infos, q.extra.holes = q.pending[:n], infos[:n], 0
	q.findMarks()
}

// findMarks notes where the messages with marks are, after others have moved.
func (q *Queue) findMarks() {
	if q.extra == nil || len(q.extra.marks) == 0 {
		return
	}
	for _, m := range q.extra.marks {
		m.pinned, m.newest = -1, -1
	}
	for i := range q.extra.infos {
		if m := q.extra.infos[i].mark; m != nil {
			m.pinned, m.newest = m.newest, i
		}
	}
}

// marked is how many messages with marks wait, and holes how many places in the queue are
// empty.
func (q *Queue) marked() (marked, holes int) {
	if q.extra == nil {
		return 0, 0
	}
	return q.extra.marked, q.extra.holes
}
