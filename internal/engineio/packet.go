package engineio

import (
	"strconv"

	"github.com/lectern-go/lectern/internal/websocket"
)

// The types of packets.
const (
	packetOpen    = '0'
	packetClose   = '1'
	packetPing    = '2'
	packetPong    = '3'
	packetMessage = '4'
	packetUpgrade = '5'
	packetNoop    = '6'
)

// A packet that waits to be sent is the WebSocket message that carries it, behind the type of
// that. The payloads of polls are made of them.

// Text begins a packet with a text message, to which the text is to be appended.
func Text(dst []byte) []byte { return append(dst, websocket.TextMessage, packetMessage) }

// Binary begins a packet with a binary message, to which its bytes are to be appended.
func Binary(dst []byte, version int) []byte {
	dst = append(dst, websocket.BinaryMessage)
	if version == 3 {
		dst = append(dst, packetMessage-'0')
	}
	return dst
}

// engine is a packet of the engine itself.
func engine(content string) []byte {
	return append([]byte{websocket.TextMessage}, content...)
}

// open is the first packet of a session.
func (s *Session) open(upgrades string) []byte {
	c := &s.endpoint.config.Conn
	packet := append([]byte{websocket.TextMessage, packetOpen}, `{"sid":"`...)
	packet = append(packet, s.id...)
	packet = append(packet, `","upgrades":[`...)
	packet = append(packet, upgrades...)
	packet = append(packet, `],"pingInterval":`...)
	packet = strconv.AppendInt(packet, s.endpoint.beats.interval.Milliseconds(), 10)
	packet = append(packet, `,"pingTimeout":`...)
	packet = strconv.AppendInt(packet, s.endpoint.beats.timeout.Milliseconds(), 10)
	packet = append(packet, `,"maxPayload":`...)
	packet = strconv.AppendInt(packet, int64(c.MaxFrameBytes), 10)
	return append(packet, '}')
}
