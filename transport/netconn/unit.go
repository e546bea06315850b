package netconn

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/lectern-go/lectern/transport"
)

// The kinds of units.
const (
	kindMessage byte = iota
	kindProbe
	kindAnswer
	kindClose
)

const (
	headerSize = 5
	// codeSize is the size of the code in a close unit.
	codeSize = 2
	// controlLimit is the largest length of a unit that is not a message.
	controlLimit = codeSize + transport.MaxReasonText
)

func appendHeader(b []byte, kind byte, length int) []byte {
	return binary.BigEndian.AppendUint32(append(b, kind), uint32(length))
}

// checkHeader returns the length of the unit that begins with header, or what
// is wrong with it.
func checkHeader(header []byte, limit int) (length int, err error) {
	kind, announced := header[0], binary.BigEndian.Uint32(header[1:headerSize])
	switch {
	case kind == kindMessage && uint64(announced) > uint64(limit):
		return 0, transport.ErrMessageTooLarge
	case kind > kindClose:
		return 0, fmt.Errorf("%w: a unit of the unknown kind %d", transport.ErrProtocol, kind)
	case kind != kindMessage && announced > controlLimit, kind == kindClose && announced < codeSize:
		return 0, fmt.Errorf("%w: a unit of kind %d and %d bytes", transport.ErrProtocol, kind, announced)
	}
	return int(announced), nil
}

func appendClose(b []byte, reason transport.Reason) []byte {
	text := reason.ClippedText()
	b = appendHeader(b, kindClose, codeSize+len(text))
	b = binary.BigEndian.AppendUint16(b, uint16(reason.Code))
	return append(b, text...)
}

// parseClose reads what is in a close unit, which checkHeader has let pass.
func parseClose(b []byte) (transport.Reason, error) {
	code, text := transport.CloseCode(binary.BigEndian.Uint16(b)), b[codeSize:]
	if !utf8.Valid(text) {
		return transport.Reason{}, fmt.Errorf("%w: a reason that is not UTF-8", transport.ErrProtocol)
	}
	return transport.Reason{Code: code, Text: string(text)}, nil
}
