package socketio

import (
	"net"
	"sync"

	"github.com/lectern-go/lectern/transport"
)

// Read is that of transport.Conn. Nobody calls it: what arrives goes to the hub's receiver.
func (c *conn) Read() ([]byte, error) { return nil, net.ErrClosed }

// PeerAddress is that of transport.Addressed.
func (c *conn) PeerAddress() string { return c.session.PeerAddress() }

// SetMaxFrameBytes is that of transport.FrameLimitSetter. It bounds packets, which take about as
// much as frames.
func (c *conn) SetMaxFrameBytes(bytes int) { c.session.SetMaxFrameBytes(bytes) }

// Taken is that of transport.WriteMeter.
func (c *conn) Taken() uint64 { return c.session.Taken() }

// TryWrite is that of transport.TryWriter.
func (c *conn) TryWrite(messages ...[]byte) bool {
	batch := batches.Get().(*[batchSize][]byte)
	packets := c.packets(batch[:0], messages)
	if len(packets) > 0 && !c.session.TryWrite(packets...) {
		c.tried = packets // and the batch with it
		return false
	}
	giveBack(batch, len(packets))
	return true
}

// Write is that of transport.Conn.
func (c *conn) Write(messages ...[]byte) error {
	packets := c.tried
	if c.tried = nil; packets == nil {
		if packets = c.packets(nil, messages); len(packets) == 0 {
			return nil
		}
	}
	return c.session.Write(packets...)
}

// WriteLast is that of transport.LastWriter.
func (c *conn) WriteLast(reason transport.Reason, messages ...[]byte) error {
	packets := c.tried
	if c.tried = nil; packets == nil {
		packets = c.packets(nil, messages)
	}
	return c.session.WriteLast(reason, append(packets, c.farewell(reason)...)...)
}

// Close is that of transport.Conn.
func (c *conn) Close(reason transport.Reason) error {
	return c.session.Close(reason, c.farewell(reason)...)
}

// packets appends what the hub's messages are to the client. It is called once for each message,
// since it also notes what they change.
func (c *conn) packets(packets [][]byte, messages [][]byte) [][]byte {
	for _, message := range messages {
		packets = c.translate(packets, message)
	}
	return packets
}

// batchSize is how many packets a batch from the pool has room for.
const batchSize = 16

var batches = sync.Pool{New: func() any { return new([batchSize][]byte) }}

// giveBack gives a batch back whose packets were written.
func giveBack(batch *[batchSize][]byte, used int) {
	clear(batch[:min(used, batchSize)])
	batches.Put(batch)
}
