package servers

import (
	"bufio"
	"net"
)

// newOneWrite is a limit: one write(2) of a frame that is made once, for each
// receiver, and nothing else. It has no queues and no bounds.
func newOneWrite() (Server, error) {
	var s star[net.Conn]
	return serveRaw(func(number int, conn net.Conn, r *bufio.Reader) {
		s.enter(number, conn)
		defer s.leave(number)
		buf, frame := make([]byte, maxRaw), []byte(nil)
		for {
			message, err := nextMessage(r, buf)
			if err != nil {
				return
			}
			frame = appendFrame(frame[:0], message)
			s.mu.RLock()
			switch {
			case number >= 0:
				_, _ = s.master.Write(frame)
			case message[0] == ToOne:
				_, _ = s.members[recipient(message)].Write(frame)
			default:
				for _, member := range s.members {
					if member != nil {
						_, _ = member.Write(frame)
					}
				}
			}
			s.mu.RUnlock()
		}
	}, s.count)
}
