package netconn

import (
	"fmt"
	"math"
	"net"
	"sync"

	"github.com/lectern-go/lectern/internal/direct"
)

// Write is Write of transport.Conn.
func (c *conn) Write(messages ...[]byte) error {
	for _, message := range messages {
		if uint64(len(message)) > math.MaxUint32 {
			return fmt.Errorf("netconn: a message of %d bytes has no place in a unit", len(message))
		}
	}
	if len(messages) == 0 {
		return nil
	}
	begun, err := c.beginWriting()
	if err != nil {
		return err
	}
	return c.endWriting(c.writeMessages(messages, begun))
}

// beginWriting waits for the right to write. What TryWrite has begun goes on;
// beginWriting returns how many bytes of it were written already.
func (c *conn) beginWriting() (begun int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tried {
		c.tried = false
		return c.begun, nil
	}
	for c.writing {
		c.freed.Wait()
	}
	if err := c.refusal(); err != nil {
		return 0, err
	}
	c.writing = true
	return 0, nil
}

// TryWrite is that of transport.TryWriter, for what fits into one batch, on a
// connection of TCP or of the Unix domain without TLS. Where not all of it goes,
// it keeps the right to write for the Write that follows.
func (c *conn) TryWrite(messages ...[]byte) bool {
	size := 0
	for _, message := range messages {
		size += headerSize + len(message)
	}
	if size > batchSize || c.system == nil || !c.tryWriting() {
		return false
	}
	b := batches.Get().(*batch)
	for _, message := range messages {
		b.used = len(append(appendHeader(b.buffer[:b.used], kindMessage, len(message)), message...))
	}
	n, err := direct.Write(c.system, b.buffer[:size])
	b.reset()
	batches.Put(b)
	if err == nil && n < size {
		c.mu.Lock()
		c.tried, c.begun = true, n
		c.mu.Unlock()
		return false
	}
	return c.endTrying(err)
}

// endTrying is endWriting without waiting: a goroutine sends what is owed.
func (c *conn) endTrying(err error) bool {
	if err != nil {
		return c.endWriting(err) == nil // which sends nothing more
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owed != 0 || c.peerClosed != nil {
		go c.endWriting(nil)
		return true
	}
	c.writing = false
	c.freed.Broadcast()
	return true
}

// tryWriting takes the right to write where it is free.
func (c *conn) tryWriting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing || c.refusal() != nil {
		return false
	}
	c.writing = true
	return true
}

// refusal is why nothing may be written any more, nil where it may. The caller
// holds mu.
func (c *conn) refusal() error {
	switch {
	case c.closing:
		return errClosed
	case c.peerClosed != nil:
		return c.peerClosed
	case c.telling || c.told:
		return errEnded
	}
	return c.writeErr
}

// owe has an empty unit of that kind sent, one for however many were asked for
// until then. It does not wait: a reader that waited for a peer to read could
// keep the two of them waiting for each other.
func (c *conn) owe(kind byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owed |= 1 << kind
	if !c.writing && c.refusal() == nil {
		c.writing = true
		go c.endWriting(nil)
	}
}

// endWriting gives up the right to write, after it has sent what became owed in
// the meantime. err is what the writing has ended with; endWriting returns it in
// the form in which it is for Write to return.
func (c *conn) endWriting(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		err = c.writeFailed(err)
	}
	for c.owed != 0 && c.refusal() == nil {
		owed := c.owed
		c.owed = 0
		c.mu.Unlock()
		failed := c.writeEmpty(owed)
		c.mu.Lock()
		if failed != nil {
			_ = c.writeFailed(failed) // the messages before it got through
		}
	}
	if c.peerClosed != nil && !c.halfClosed {
		c.halfClosed = true
		c.mu.Unlock()
		c.endSending()
		c.mu.Lock()
	}
	c.writing = false
	c.freed.Broadcast()
	return err
}

// writeFailed notes that writing has failed. The caller holds mu.
func (c *conn) writeFailed(err error) error {
	err = lostError(err)
	if c.writeErr == nil {
		c.writeErr = err
	}
	switch {
	case c.closing:
		return errClosed
	case c.peerClosed != nil:
		return c.peerClosed
	}
	return err
}

// send writes p, and counts in taken as it goes on where nobody else tells.
func (c *conn) send(p []byte) error {
	switch {
	case c.tells:
		_, err := c.net.Write(p)
		return err
	case c.system != nil:
		return direct.WriteAll(c.system, p, &c.taken)
	}
	return c.pace.Write(c.net, p, &c.taken)
}

// Taken is that of transport.WriteMeter.
func (c *conn) Taken() uint64 {
	if acked, _, ok := direct.Acked(c.net); ok {
		return acked
	}
	return c.taken.Load()
}

// underway reports whether something that was written, or is owed, is still on its way
// to the peer, as far as this side can tell.
func (c *conn) underway() bool {
	c.mu.Lock()
	held := c.writing || c.owed != 0
	c.mu.Unlock()
	_, waiting, _ := direct.Acked(c.net)
	return held || waiting > 0
}

// endSending answers the peer's close unit, so that its Close need not wait for
// ours. The TLS layer is left out: its own end is a record, which a peer that
// does not read could keep from being written.
func (c *conn) endSending() {
	if half, ok := c.raw.(halfCloser); ok {
		_ = half.CloseWrite()
	}
}

// writeEmpty sends an empty unit of each kind that has its bit in kinds.
func (c *conn) writeEmpty(kinds uint8) error {
	var units []byte
	for kind := kindMessage; kind <= kindClose; kind++ {
		if kinds&(1<<kind) != 0 {
			units = appendHeader(units, kind, 0)
		}
	}
	_, err := c.net.Write(units)
	return err
}

const (
	// batchSize is how much is gathered for one write: what fits into one
	// record of TLS.
	batchSize = 16 << 10
	// copyLimit is the largest message that is copied into a batch where the
	// net.Conn can write it from where it is.
	copyLimit = 4 << 10
	// batchPieces bounds how many of those go into one write. The net.Conn
	// keeps a table of that size.
	batchPieces = 32
)

// batch gathers units for one write. It never outlives a call of Write.
type batch struct {
	buffer [batchSize]byte
	used   int // of buffer
	sealed int // of that, how much is in pieces
	begun  int // how much of the buffer was written before
	pieces net.Buffers
	out    net.Buffers // what is left of pieces while they are being written
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// writeMessages writes the messages, but for the bytes that have been written
// already, which are of the first batch.
func (c *conn) writeMessages(messages [][]byte, begun int) error {
	b := batches.Get().(*batch)
	b.begun = begun
	defer func() {
		b.reset()
		batches.Put(b)
	}()
	for _, message := range messages {
		if batchSize-b.used < headerSize || len(b.pieces) >= batchPieces {
			if err := b.flush(c); err != nil {
				return err
			}
		}
		b.used = len(appendHeader(b.buffer[:b.used], kindMessage, len(message)))
		if err := b.add(c, message); err != nil {
			return err
		}
	}
	return b.flush(c)
}

func (b *batch) add(c *conn, message []byte) error {
	if c.vectored && len(message) > copyLimit && b.begun == 0 {
		b.seal()
		b.pieces = append(b.pieces, message)
		return nil
	}
	for {
		n := copy(b.buffer[b.used:], message)
		b.used += n
		if message = message[n:]; len(message) == 0 {
			return nil
		}
		if err := b.flush(c); err != nil {
			return err
		}
		if len(message) > batchSize {
			return c.send(message)
		}
	}
}

// seal makes what was put into the buffer since the last time a piece.
func (b *batch) seal() {
	b.sealed, b.begun = b.sealed+b.begun, 0
	if b.used > b.sealed {
		b.pieces = append(b.pieces, b.buffer[b.sealed:b.used])
		b.sealed = b.used
	}
}

func (b *batch) flush(c *conn) (err error) {
	b.seal()
	switch len(b.pieces) {
	case 0:
	case 1:
		err = c.send(b.pieces[0])
	default:
		b.out = b.pieces
		_, err = b.out.WriteTo(c.net)
	}
	b.reset()
	return err
}

// reset empties the batch, and forgets the messages.
func (b *batch) reset() {
	clear(b.pieces)
	b.pieces, b.out = b.pieces[:0], nil
	b.used, b.sealed, b.begun = 0, 0, 0
}
