package memnet

import (
	"net"
	"sync/atomic"
)

// A Socket is a TCP connection of the operating system with a plug to pull, as a Conn has one.
type Socket struct {
	*net.TCPConn
	silent atomic.Bool
}

// Cut closes the connection so that the peer gets a reset.
func (s *Socket) Cut() {
	_ = s.SetLinger(0)
	_ = s.TCPConn.Close()
}

// Silence drops what is read and written from now on.
func (s *Socket) Silence() { s.silent.Store(true) }

// Read reads past what comes on a silent connection.
func (s *Socket) Read(p []byte) (int, error) {
	for {
		n, err := s.TCPConn.Read(p)
		if err != nil || !s.silent.Load() {
			return n, err
		}
	}
}

// Write drops what is written to a silent connection.
func (s *Socket) Write(p []byte) (int, error) {
	if s.silent.Load() {
		return len(p), nil
	}
	return s.TCPConn.Write(p)
}

// CloseWrite ends the sending, of which nobody is told on a silent connection.
func (s *Socket) CloseWrite() error {
	if s.silent.Load() {
		return nil
	}
	return s.TCPConn.CloseWrite()
}
