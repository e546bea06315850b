package servers

import (
	"bufio"
	"net"
	"sync"
)

// newBatched is a limit: whatever has been read of the master already goes to
// each receiver in one write, and members' messages to the master are collected
// while a write to it is under way. It has no bounds either.
func newBatched() (Server, error) {
	var s star[*batch]
	return serveRaw(func(number int, conn net.Conn, r *bufio.Reader) {
		own := &batch{conn: conn}
		s.enter(number, own)
		defer s.leave(number)
		if number < 0 {
			serveMasterOf(&s, r)
			return
		}
		for buf := make([]byte, maxRaw); ; {
			message, err := nextMessage(r, buf)
			if err != nil {
				return
			}
			s.mu.RLock()
			master := s.master
			s.mu.RUnlock()
			master.send(message)
		}
	}, s.count)
}

// batch is what waits to be written on a connection.
type batch struct {
	conn    net.Conn
	mu      sync.Mutex
	writing bool
	waiting []byte
	spare   []byte
}

// send queues a message. Whoever comes first writes, also what comes meanwhile.
func (b *batch) send(message []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = appendFrame(b.waiting, message)
	if b.writing {
		return
	}
	b.writing = true
	for len(b.waiting) > 0 {
		frames := b.waiting
		b.waiting = b.spare[:0]
		b.mu.Unlock()
		_, _ = b.conn.Write(frames)
		b.mu.Lock()
		b.spare = frames
	}
	b.writing = false
}

func serveMasterOf(s *star[*batch], r *bufio.Reader) {
	buf := make([]byte, maxRaw)
	var common []byte
	var touched []*batch
	for {
		common, touched = common[:0], touched[:0]
		for {
			message, err := nextMessage(r, buf)
			if err != nil {
				return
			}
			if message[0] == ToAll {
				common = appendFrame(common, message)
			} else {
				s.mu.RLock()
				member := s.members[recipient(message)]
				s.mu.RUnlock()
				if len(member.waiting) == 0 {
					touched = append(touched, member)
				}
				member.waiting = appendFrame(member.waiting, message)
			}
			if r.Buffered() == 0 {
				break
			}
		}
		for _, member := range touched {
			_, _ = member.conn.Write(member.waiting)
			member.waiting = member.waiting[:0]
		}
		if len(common) > 0 {
			s.mu.RLock()
			for _, member := range s.members {
				if member != nil {
					_, _ = member.conn.Write(common)
				}
			}
			s.mu.RUnlock()
		}
	}
}
