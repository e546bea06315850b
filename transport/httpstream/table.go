package httpstream

import (
	"github.com/lectern-go/lectern/internal/linked"
	"github.com/lectern-go/lectern/transport"
)

// This file keeps the table of a handler's connections.

// maxUnclaimed is how many connections there may be for which no stream or poll has come yet.
// Opening one costs a client nothing but a request, and not even a socket. When there are more, the
// oldest of them makes room: so who floods a handler with them closes its own, and whoever asks for
// its events within the time that the flood takes to open so many does not notice.
const maxUnclaimed = 4096

// A claim is a place in the list of the connections for which nobody has come.
type claim struct {
	conn  *conn // nil where it is in no list
	links linked.Links[*claim]
}

// Links makes claims elements of a list.
func (c *claim) Links() *linked.Links[*claim] { return &c.links }

// enter has the connection found by its secret.
func (h *handler) enter(c *conn) {
	h.mu.Lock()
	h.conns[c.secret] = c
	h.lives.add(c)
	c.claim.conn = c
	h.unclaimed.Append(&c.claim)
	var oldest *conn
	if h.unclaimedCount++; h.unclaimedCount > maxUnclaimed {
		oldest = h.unclaimed.First().conn
		h.unlist(oldest)
	}
	h.mu.Unlock()
	if oldest != nil {
		oldest.mu.Lock()
		oldest.left = true // or has never been there
		oldest.mu.Unlock()
		oldest.tell(transport.Reason{Code: transport.RateLimited, Text: "too many connections are opened and not used"})
		oldest.endReading(transport.ErrFlood)
	}
}

// claimed is told that a stream or a poll has come for the connection.
func (h *handler) claimed(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unlist(c)
}

// unlist is called under the lock.
func (h *handler) unlist(c *conn) {
	if c.claim.conn != nil {
		h.unclaimed.Remove(&c.claim)
		h.unclaimedCount--
		c.claim.conn = nil
	}
}

// forget takes the connection out of those that are found.
func (h *handler) forget(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conns[c.secret] == c {
		delete(h.conns, c.secret)
		h.lives.remove(c)
		h.unlist(c)
	}
}

// heard is told that the client has given a sign of life.
func (h *handler) heard(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lives.heard(c)
}

// letBe has nobody watch over the client's silence any more.
func (h *handler) letBe(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lives.remove(c)
}
