package engineio

import (
	"time"

	"github.com/lectern-go/lectern/transport"
)

// Close is that of transport.Conn. The last packets, which are small, are sent before the end
// where that is possible. A client that polls has up to a second to fetch what was written, and
// that the session is over; one that is about to change to a WebSocket, to get it there.
func (s *Session) Close(reason transport.Reason, last ...[]byte) error {
	if ws := s.ws.Load(); ws != nil {
		for _, packet := range last {
			ws.Interject(packet)
		}
	}
	if s.polling == nil {
		return s.ws.Load().Close(reason)
	}
	defer s.endpoint.remove(s)
	probe := s.polling.close(last)
	s.fail(errClosed)
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-s.polling.over:
	case <-timer.C:
		s.polling.cut()
	}
	if probe != nil {
		_ = probe.ws.Close(reason)
	}
	return nil
}

// close begins with the end. It returns the WebSocket that is there, which is to be closed.
func (p *polling) close(last [][]byte) *probe {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.state {
	case polled:
		p.state = closing
		p.packets = append(p.packets, last...)
		p.notify()
	case moving:
		p.ending = true
		p.small = append(p.small, last...)
	case unopened, moved:
		p.state = closed
		close(p.over)
	}
	p.roomy()
	return p.probe
}

// cut ends a session whose client is not expected to fetch anything any more.
func (p *polling) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == polled || p.state == closing || p.state == moving && p.ending {
		p.state = closed
		close(p.over)
	}
	p.packets, p.small = nil, nil
	p.notify()
	p.roomy()
}
