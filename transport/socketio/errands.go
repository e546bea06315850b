package socketio

import (
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// errands are what the adapter itself wants of the hub: frames that no client has sent, and
// answers that the hub does not give but keeps the order and the rates of.
type errands struct {
	// behind is what is written as the hub answers the frame of that ref.
	behind map[uint64]pending
	// lastRef is the highest ref of them.
	lastRef uint64
	// todo is what is to be done in the receiver's turn, by a goroutine where doing is set.
	todo  []func() error
	doing bool
}

// A pending is a packet that waits for the hub's answer, or the end of a question.
type pending struct {
	packet   []byte
	question *question
}

// maxErrands is how many of a socket's errands the hub has not answered yet. What comes beyond
// is a flood.
const maxErrands = 1024

// needErrands returns the errands, and makes them first where there were none. The lock is held.
func (s *state) needErrands() *errands {
	if s.errands == nil {
		s.errands = &errands{behind: make(map[uint64]pending)}
	}
	return s.errands
}

// ref returns the ref for a frame whose answer is to be followed by what is pending. It reports
// false where there are too many. The lock is held.
func (s *state) ref(p pending) (ref uint64, ok bool) {
	e := s.needErrands()
	if len(e.behind) >= maxErrands {
		return 0, false
	}
	e.lastRef = max(e.lastRef+1, firstErrand)
	e.behind[e.lastRef] = p
	return e.lastRef, true
}

// answerBehind has the packet written in the order of the hub's answers, and counted against its
// rates: behind the answer to a ping. It is called in the receiver's turn.
func (c *conn) answerBehind(packet []byte) error {
	c.mu.Lock()
	ref, ok := c.ref(pending{packet: packet})
	c.mu.Unlock()
	if !ok {
		return transport.ErrFlood
	}
	return c.give(&wire.Frame{Type: wire.Ping, Ref: ref})
}

// later has f called in the receiver's turn, by a goroutine: who writes finds that something is
// to be asked of the hub, and must not wait for who reads. The lock is held.
func (c *conn) later(f func() error) {
	e := c.needErrands()
	e.todo = append(e.todo, f)
	if !e.doing {
		e.doing = true
		c.session.GoInTurn(c.doErrands)
	}
}

// giveLater is later for a frame. The lock is held.
func (c *conn) giveLater(frame wire.Frame) { c.later(func() error { return c.give(&frame) }) }

func (c *conn) doErrands() error {
	for {
		c.mu.Lock()
		e := c.errands
		todo := e.todo
		e.todo = nil
		if e.doing = len(todo) > 0; !e.doing {
			c.mu.Unlock()
			return nil
		}
		c.mu.Unlock()
		for _, f := range todo {
			if err := f(); err != nil {
				return err
			}
		}
		c.hub.Pause()
	}
}

// pended appends what has waited for the answer of that ref. The lock is held.
func (c *conn) pended(packets [][]byte, ref uint64) [][]byte {
	if c.errands == nil {
		return packets
	}
	p, ok := c.errands.behind[ref]
	if !ok {
		return packets
	}
	delete(c.errands.behind, ref)
	if p.question != nil {
		return append(packets, c.finish(p.question, "timeout")...)
	}
	if p.packet == nil {
		return packets
	}
	return append(packets, p.packet)
}
