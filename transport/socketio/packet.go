package socketio

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/lectern-go/lectern/internal/engineio"
	"github.com/lectern-go/lectern/transport"
)

// The types of Socket.IO's packets, which each one begins with.
const (
	packetConnect      = '0'
	packetDisconnect   = '1'
	packetEvent        = '2'
	packetAck          = '3'
	packetConnectError = '4'
	packetBinaryEvent  = '5'
	packetBinaryAck    = '6'
)

// maxAttachments is how many binary attachments one event may have.
const maxAttachments = 10

// maxID is the highest number of an acknowledgement that is taken. A stock client counts from 0.
const maxID = 1 << 52

// A packet is one of Socket.IO, as text has it: type, number of attachments, namespace, number of
// the acknowledgement, and JSON.
type packet struct {
	kind        byte
	attachments int
	namespace   []byte // empty for the main one
	id          uint64 // of an acknowledgement
	hasID       bool
	data        []byte
}

func badPacket(what string) error {
	return fmt.Errorf("%w: a packet of Socket.IO with %s", transport.ErrProtocol, what)
}

// parsePacket reads a packet. What is in it lies in the text.
func parsePacket(text []byte) (p packet, err error) {
	if len(text) == 0 || text[0] < packetConnect || text[0] > packetBinaryAck {
		return p, badPacket("an unknown type")
	}
	p.kind, text = text[0], text[1:]
	if p.kind == packetBinaryEvent || p.kind == packetBinaryAck {
		digits, rest, ok := bytes.Cut(text, []byte{'-'})
		n, isNumber := number(digits)
		if !ok || !isNumber || n > maxAttachments {
			return p, badPacket("a number of attachments that is none, or is over 10")
		}
		p.attachments, text = int(n), rest
	}
	if len(text) > 0 && text[0] == '/' {
		name, rest, _ := bytes.Cut(text, []byte{','})
		name, _, _ = bytes.Cut(name, []byte{'?'}) // with its query, as protocol 4 has it
		if len(name) > 1 {
			p.namespace = name
		}
		text = rest
	}
	digits := 0
	for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		digits++
	}
	if digits > 0 && p.kind != packetConnect && p.kind != packetConnectError {
		if p.id, p.hasID = number(text[:digits]); !p.hasID || p.id > maxID {
			return p, badPacket("a number of an acknowledgement that is too high")
		}
		text = text[digits:]
	}
	p.data = text
	return p, nil
}

// number reads digits, and nothing else.
func number(digits []byte) (n uint64, ok bool) {
	if len(digits) == 0 || len(digits) > 16 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// text begins a packet of the main namespace.
func text(kind byte) []byte { return append(engineio.Text(make([]byte, 0, 256)), kind) }

// beginEvent begins an event, whose arguments and a closing bracket are to follow.
func beginEvent(name string) []byte {
	return append(append(append(text(packetEvent), `["`...), name...), '"')
}

// beginAck begins an acknowledgement, whose one argument and a closing bracket are to follow.
func beginAck(id uint64) []byte {
	return append(strconv.AppendUint(text(packetAck), id, 10), '[')
}

// disconnect is the packet that ends a socket for good.
var disconnect = text(packetDisconnect)
