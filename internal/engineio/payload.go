package engineio

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/lectern-go/lectern/internal/websocket"
	"github.com/lectern-go/lectern/transport"
)

// A payload is what one polled request carries: packets one after the other. In protocol 4 they
// are separated by a byte; in protocol 3 each has its length in front, in units of UTF-16, and a
// client may send a binary form. Binary messages are in base64 in both.

const separator = 0x1e

var errPayload = fmt.Errorf("%w: a payload that is none", transport.ErrProtocol)

// encodePayload appends the packets as the answer to a poll.
func encodePayload(dst []byte, packets [][]byte, version int) []byte {
	for i, packet := range packets {
		if version == 3 {
			dst = appendSized(dst, packet)
			continue
		}
		if i > 0 {
			dst = append(dst, separator)
		}
		if packet[0] == websocket.TextMessage {
			dst = append(dst, packet[1:]...)
			continue
		}
		dst = append(dst, 'b')
		dst = base64.StdEncoding.AppendEncode(dst, packet[1:])
	}
	return dst
}

// appendSized appends a packet as protocol 3 has it.
func appendSized(dst, packet []byte) []byte {
	if packet[0] == websocket.TextMessage {
		dst = strconv.AppendInt(dst, int64(utf16Length(packet[1:])), 10)
		dst = append(dst, ':')
		return append(dst, packet[1:]...)
	}
	content := packet[2:] // behind the type of the message, and of the packet
	dst = strconv.AppendInt(dst, int64(2+base64.StdEncoding.EncodedLen(len(content))), 10)
	dst = append(dst, ':', 'b', packetMessage)
	return base64.StdEncoding.AppendEncode(dst, content)
}

// utf16Length is the length of a text as JavaScript counts it.
func utf16Length(text []byte) int {
	n := 0
	for _, c := range text {
		if c&0xc0 != 0x80 {
			n++
		}
		if c >= 0xf0 {
			n++ // two halves of a pair
		}
	}
	return n
}

// decodePayload calls take for each packet: with a packet that is text, or with the bytes of a
// binary message.
func decodePayload(body []byte, version int, binary bool, take func(packet []byte, text bool) error) error {
	switch {
	case binary && version == 3:
		return decodeBinaryPayload(body, take)
	case !utf8.Valid(body):
		return errPayload
	case version == 3:
		return decodeSizedPayload(body, take)
	}
	for {
		packet, rest, more := bytes.Cut(body, []byte{separator})
		if err := takeText(packet, "b", take); err != nil {
			return err
		}
		if !more {
			return nil
		}
		body = rest
	}
}

// takeText hands on a packet as text has it: a binary message in base64, behind a mark.
func takeText(packet []byte, mark string, take func(packet []byte, text bool) error) error {
	encoded, isBinary := bytes.CutPrefix(packet, []byte(mark))
	if !isBinary {
		return take(packet, true)
	}
	content := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Decode(content, encoded)
	if err != nil {
		return errPayload
	}
	return take(content[:n], false)
}

// decodeSizedPayload reads what protocol 3 sends as text.
func decodeSizedPayload(body []byte, take func(packet []byte, text bool) error) error {
	for len(body) > 0 {
		digits, rest, ok := bytes.Cut(body, []byte{':'})
		units, err := strconv.ParseUint(string(digits[:min(len(digits), 12)]), 10, 40)
		if !ok || err != nil || len(digits) > 12 {
			return errPayload
		}
		size, ok := utf16Cut(rest, units)
		if !ok {
			return errPayload
		}
		if err := takeText(rest[:size], "b4", take); err != nil {
			return err
		}
		body = rest[size:]
	}
	return nil
}

// utf16Cut is how many bytes of the text have so many units of UTF-16.
func utf16Cut(text []byte, units uint64) (size int, ok bool) {
	for units > 0 && size < len(text) {
		r, n := utf8.DecodeRune(text[size:])
		size += n
		if units--; r > 0xffff {
			if units == 0 {
				return 0, false
			}
			units--
		}
	}
	return size, units == 0
}

// decodeBinaryPayload reads what protocol 3 sends as bytes: of each packet whether it is text (0)
// or binary (1), the digits of its length, one to a byte, 255, and the packet.
func decodeBinaryPayload(body []byte, take func(packet []byte, text bool) error) error {
	for len(body) > 0 {
		isText := body[0] == 0
		end := bytes.IndexByte(body, 255)
		if body[0] > 1 || end < 2 || end > 12 {
			return errPayload
		}
		size := 0
		for _, digit := range body[1:end] {
			if digit > 9 {
				return errPayload
			}
			size = size*10 + int(digit)
		}
		body = body[end+1:]
		if size == 0 || size > len(body) {
			return errPayload
		}
		packet := body[:size]
		body = body[size:]
		var err error
		switch {
		case isText && utf8.Valid(packet):
			err = take(packet, true)
		case !isText && packet[0] == packetMessage-'0':
			err = take(packet[1:], false)
		default:
			err = errPayload
		}
		if err != nil {
			return err
		}
	}
	return nil
}
