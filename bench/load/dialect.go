//go:build linux

package load

import (
	"encoding/binary"
	"strconv"

	"github.com/lectern-go/lectern/bench/servers"
)

// Dialect is how the clients of one server speak. Members' messages are to the
// master. What a method returns is valid until the next call.
type Dialect interface {
	// Target is the target of the HTTP request.
	Target(number int) string
	// Enter is what a connection sends to join, nil where connecting is enough.
	Enter(number int) []byte
	// Along: what Enter returns is sent along with the handshake of WebSocket.
	Along() bool
	ToAll(ref int, payload []byte) []byte
	ToOne(ref, member int, payload []byte) []byte
	ToMaster(ref, member int, payload []byte) []byte
	// Read looks at what a server sends.
	Read(message []byte) Heard
}

// Heard is what a message of a server says.
type Heard struct {
	// Messages are the deliveries in it.
	Messages int
	// Entered: the connection has joined.
	Entered bool
	// Answer is what keeps the connection alive, or nil.
	Answer []byte
	// Refusal is what the server did not want, or empty.
	Refusal string
}

// Plain is the dialect of the servers that follow the convention of the package
// servers. Every message is a delivery.
type Plain struct{ buf []byte }

// Target names the role.
func (p *Plain) Target(number int) string {
	if number < 0 {
		return servers.MasterTarget
	}
	return servers.MemberTarget + strconv.Itoa(number)
}

// Enter is nothing.
func (p *Plain) Enter(int) []byte { return nil }

// Along is not.
func (p *Plain) Along() bool { return false }

// ToAll begins with the letter for it, in the place of the payload's first byte.
func (p *Plain) ToAll(_ int, payload []byte) []byte {
	p.buf = append(p.buf[:0], payload...)
	p.buf[0] = servers.ToAll
	return p.buf
}

// ToOne has the member's number in the place of the payload's first bytes.
func (p *Plain) ToOne(_, member int, payload []byte) []byte {
	p.buf = append(p.buf[:0], payload...)
	p.buf[0] = servers.ToOne
	binary.BigEndian.PutUint32(p.buf[1:], uint32(member))
	return p.buf
}

// ToMaster is the payload.
func (p *Plain) ToMaster(_, _ int, payload []byte) []byte { return payload }

// Read counts one.
func (p *Plain) Read([]byte) Heard { return Heard{Messages: 1} }

// Joining is Plain for members that have joined when the server has answered that.
type Joining struct{ Plain }

// Enter asks to join. Connecting is enough for the master.
func (*Joining) Enter(number int) []byte {
	if number < 0 {
		return nil
	}
	return []byte(servers.Join)
}

// Read looks for the answer.
func (j *Joining) Read(message []byte) Heard {
	if string(message) == servers.Join {
		return Heard{Entered: true}
	}
	return j.Plain.Read(message)
}
