//go:build linux

package load

import (
	"bytes"
	"fmt"
	"strconv"
)

// SocketIO is the protocol of socket.io, of which there is one form: the packet
// types of engine.io and then of socket.io in front, and an event with its name.
type SocketIO struct{ buf []byte }

// The beginnings of packets.
const (
	ioPing    = "2"
	ioPong    = "3"
	ioConnect = "40"
	ioEvent   = "42"
	ioError   = "44"
)

// Target asks for WebSocket alone.
func (s *SocketIO) Target(int) string { return "/socket.io/?EIO=4&transport=websocket" }

// Enter connects to the namespace.
func (s *SocketIO) Enter(number int) []byte {
	return fmt.Appendf(s.buf[:0], `%s{"number":%d}`, ioConnect, number)
}

// Along is not.
func (s *SocketIO) Along() bool { return false }

// ToAll is the event "all".
func (s *SocketIO) ToAll(_ int, payload []byte) []byte { return s.event(`"all"`, payload) }

// ToOne is the event "one".
func (s *SocketIO) ToOne(_, member int, payload []byte) []byte {
	return s.event(`"one",`+strconv.Itoa(member), payload)
}

// ToMaster is the event "master".
func (s *SocketIO) ToMaster(_, _ int, payload []byte) []byte { return s.event(`"master"`, payload) }

func (s *SocketIO) event(head string, payload []byte) []byte {
	s.buf = append(append(s.buf[:0], ioEvent+"["...), head...)
	s.buf = append(append(append(s.buf, `,"`...), payload...), `"]`...)
	return s.buf
}

// Read goes by the beginning.
func (s *SocketIO) Read(message []byte) Heard {
	switch {
	case bytes.HasPrefix(message, []byte(ioEvent)):
		return Heard{Messages: 1}
	case bytes.HasPrefix(message, []byte(ioConnect)):
		return Heard{Entered: true}
	case bytes.HasPrefix(message, []byte(ioError)):
		return Heard{Refusal: string(message)}
	case string(message) == ioPing:
		return Heard{Answer: []byte(ioPong)}
	}
	return Heard{}
}
