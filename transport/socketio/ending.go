package socketio

import (
	"github.com/lectern-go/lectern/internal/jsontext"
	"github.com/lectern-go/lectern/transport"
)

// farewell is what a client is sent before the session ends with the reason. A client that gets
// a packet of disconnection does not come back by itself; any other does, and resumes. It is
// called once for each end, or twice with the same result.
func (c *conn) farewell(reason transport.Reason) [][]byte {
	if !ends(reason.Code) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost || c.stage != connected {
		return nil
	}
	var packets [][]byte
	if !c.told {
		c.told = true
		packets = append(packets, closedEvent(reason))
	}
	c.stage = unconnected // it is disconnected once
	return append(packets, disconnect)
}

// ends reports whether coming back makes no sense to the socket.
func ends(code transport.CloseCode) bool {
	switch code {
	case transport.Replaced, transport.ProtocolError, transport.TooLarge, transport.Idle:
		return true
	}
	return code.Final()
}

// closedEvent tells the end of a socket that no channel has ended with.
func closedEvent(reason transport.Reason) []byte {
	packet := append(beginEvent("closed"), `,{"code":`...)
	packet = jsontext.AppendQuoted(packet, reason.Code.String())
	if text := reason.ClippedText(); text != "" {
		packet = append(packet, `,"reason":`...)
		packet = jsontext.AppendQuoted(packet, text)
	}
	return append(packet, `}]`...)
}
