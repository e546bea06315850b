//go:build linux

package load

import (
	"encoding/binary"
	"fmt"
)

// Centrifuge is the Protobuf form of centrifuge's client protocol. A WebSocket
// message has one or more replies, each with its length before it.
type Centrifuge struct {
	Plain
	request, command, frame []byte
}

// The fields of the protocol's client.proto that are used here, as Protobuf
// writes their numbers and types (2 is bytes, 0 a varint).
const (
	commandID      = 1 << 3
	commandConnect = 4<<3 | 2
	commandSend    = 12<<3 | 2
	sendData       = 1<<3 | 2
	replyID        = 1 << 3
	replyError     = 2<<3 | 2
	replyPush      = 4<<3 | 2
)

func (c *Centrifuge) send(data []byte) []byte {
	c.request = appendField(c.request[:0], sendData, data)
	c.command = appendField(c.command[:0], commandSend, c.request)
	return c.whole()
}

func (c *Centrifuge) whole() []byte {
	c.frame = append(binary.AppendUvarint(c.frame[:0], uint64(len(c.command))), c.command...)
	return c.frame
}

// Target asks for Protobuf.
func (c *Centrifuge) Target(number int) string {
	return c.Plain.Target(number) + "?cf_protocol=protobuf"
}

// Enter is the command that must come first.
func (c *Centrifuge) Enter(int) []byte {
	c.command = append(c.command[:0], commandID, 1, commandConnect, 0)
	return c.whole()
}

// ToAll is a message to the server, which publishes it.
func (c *Centrifuge) ToAll(ref int, payload []byte) []byte {
	return c.send(c.Plain.ToAll(ref, payload))
}

// ToOne is a message to the server.
func (c *Centrifuge) ToOne(ref, member int, payload []byte) []byte {
	return c.send(c.Plain.ToOne(ref, member, payload))
}

// ToMaster is a message to the server.
func (c *Centrifuge) ToMaster(_, _ int, payload []byte) []byte { return c.send(payload) }

// Read counts pushes. An empty reply is a ping, which an empty command answers.
func (c *Centrifuge) Read(message []byte) Heard {
	var heard Heard
	for len(message) > 0 {
		size, n := binary.Uvarint(message)
		if n <= 0 || int(size) > len(message)-n {
			return Heard{Refusal: fmt.Sprintf("what is no reply: %q", message)}
		}
		reply := message[n : n+int(size)]
		message = message[n+int(size):]
		switch {
		case len(reply) == 0:
			heard.Answer = []byte{0}
		case reply[0] == replyPush:
			heard.Messages++
		case reply[0] == replyID && len(reply) > 2 && reply[2] == replyError:
			heard.Refusal = fmt.Sprintf("%q", reply)
		case reply[0] == replyID:
			heard.Entered = true
		}
	}
	return heard
}
