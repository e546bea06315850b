//go:build linux

package load

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// Framing is how messages are put on the wire.
type Framing uint8

const (
	// Binary and Text are WebSocket's two kinds of message.
	Binary Framing = iota
	Text
	// Units are those of Lectern on TCP. There is no handshake.
	Units
	// Events are those of httpstream, over HTTP/1.1. What is sent is POSTed.
	Events
)

// upgradeRequest is the handshake. Lectern's clients send their first message along
// with it, as PROTOCOL.md, section 2, has it; first is that, nil for other servers.
func upgradeRequest(target string, first []byte) []byte {
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", target)
	if first != nil {
		request = append(request, "Sec-WebSocket-Protocol: lectern.v1.first, lectern.v1, lectern.v1.first."...)
		request = append(base64.RawURLEncoding.AppendEncode(request, first), "\r\n"...)
	}
	return append(request, "\r\n"...)
}

type kind uint8

const (
	other kind = iota
	message
	fragment // a part of a message but the last one
	ending   // that
	probe
	farewell
)

type frame struct {
	kind kind
	body []byte
}

// cut returns the first frame of the data and its size, or 0 where it has not
// come whole.
func (f Framing) cut(data []byte) (frame, int) {
	if len(data) < 2 {
		return frame{}, 0
	}
	header, size := 2, 0
	var is kind
	if f == Units {
		header = 5
		if len(data) < header {
			return frame{}, 0
		}
		size = int(binary.BigEndian.Uint32(data[1:]))
		is = [4]kind{message, probe, other, farewell}[data[0]&3]
	} else {
		switch size = int(data[1]); size {
		case 126:
			header = 4
		case 127:
			header = 10
		}
		if len(data) < header {
			return frame{}, 0
		}
		switch header {
		case 4:
			size = int(binary.BigEndian.Uint16(data[2:]))
		case 10:
			size = int(binary.BigEndian.Uint64(data[2:]))
		}
		const fin = 0x80
		switch data[0] & 0x0f {
		case 0, 1, 2:
			switch {
			case data[0]&fin == 0:
				is = fragment
			case data[0]&0x0f == 0:
				is = ending
			default:
				is = message
			}
		case 8:
			is = farewell
		case 9:
			is = probe
		}
	}
	if len(data) < header+size {
		return frame{}, 0
	}
	return frame{is, data[header : header+size]}, header + size
}

// appendFrame appends a message. On WebSocket its mask is zero.
func (f Framing) appendFrame(data, message []byte) []byte {
	switch f {
	case Units:
		return append(binary.BigEndian.AppendUint32(append(data, 0), uint32(len(message))), message...)
	case Text:
		return appendMasked(data, 0x81, message)
	default:
		return appendMasked(data, 0x82, message)
	}
}

// appendAnswer appends the answer to a probe.
func (f Framing) appendAnswer(data, body []byte) []byte {
	if f == Units {
		return append(data, 2, 0, 0, 0, 0)
	}
	return appendMasked(data, 0x8a, body)
}

func appendMasked(data []byte, first byte, body []byte) []byte {
	if len(body) < 126 {
		data = append(data, first, 0x80|byte(len(body)))
	} else {
		data = binary.BigEndian.AppendUint16(append(data, first, 0x80|126), uint16(len(body)))
	}
	return append(append(data, 0, 0, 0, 0), body...)
}
