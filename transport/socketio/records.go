package socketio

import (
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/engineio"
	"github.com/lectern-go/lectern/internal/linked"
)

// records have what it takes to come back to the seats of a socket, by the pid or the session
// that its client knows. The socket that comes back takes the seats along, and the one before has none from then
// on, whether it has noticed that it is lost or not: two would throw each other out.
//
// Its lock is taken under that of a socket, and nothing is called under it.
//
// A record lasts as long as its socket, and for a while after its loss where there are seats.
// Those of lost sockets are dropped when a further one comes or goes.
type records struct {
	lasting time.Duration // none where not positive
	started time.Time     // times are counted from here

	mu        sync.Mutex
	byPID     map[string]*record
	bySession map[string]*record
	lost      linked.List[*record] // in the order of their loss
	count     int                  // of lost
}

// maxLost is how many records of lost sockets there are at most. The oldest one makes way.
const maxLost = 100_000

// A record is one socket's; the lock of the records covers it.
type record struct {
	pid     string // the word of Socket.IO's recovery
	session string // that of a client without recovery, empty where it has none
	owner   *conn  // nil once the socket is lost
	// seats are those of a lost socket.
	seats []seat
	since time.Duration
	links linked.Links[*record]
}

// Links makes records elements of the list.
func (r *record) Links() *linked.Links[*record] { return &r.links }

func newRecords(lasting time.Duration) *records {
	return &records{lasting: lasting, started: time.Now(), byPID: make(map[string]*record), bySession: make(map[string]*record)}
}

// begin makes a record for a socket that is known by the words, of which either may be empty.
func (r *records) begin(owner *conn, pid, session string) *record {
	if pid == "" {
		pid = engineio.NewID()
	}
	made := &record{pid: pid, session: session, owner: owner}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.purge()
	if r.lasting <= 0 {
		return made
	}
	for _, before := range []*record{r.byPID[pid], r.bySession[session]} {
		if before != nil {
			r.remove(before)
		}
	}
	r.byPID[pid] = made
	if session != "" {
		r.bySession[session] = made
	}
	return made
}

// claim takes the seats of the socket that is known by the word, and its record away.
func (r *records) claim(pid, session string) (seats []seat, found *record) {
	found, owner := r.take(pid, session)
	switch {
	case found == nil:
		return nil, nil
	case owner != nil:
		return owner.yield(), found
	}
	return found.seats, found
}

// take drops the record of the word, and returns it with the socket that still has it.
func (r *records) take(pid, session string) (found *record, owner *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.purge()
	if found = r.byPID[pid]; found == nil {
		found = r.bySession[session]
	}
	if found == nil {
		return nil, nil
	}
	r.remove(found)
	return found, found.owner
}

// lose is told that the socket is over. Its record stays for a while where it has seats.
func (r *records) lose(c *conn) {
	c.mu.Lock()
	lost := c.record
	seats := c.seats
	c.mu.Unlock()
	if lost == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byPID[lost.pid] != lost {
		return // another socket has come back by it
	}
	if len(seats) == 0 {
		r.remove(lost)
		return
	}
	lost.owner, lost.seats, lost.since = nil, seats, time.Since(r.started)
	r.lost.Append(lost)
	if r.count++; r.count > maxLost {
		r.remove(r.lost.First())
	}
	r.purge()
}

// purge drops what has lasted long enough. The lock is held.
func (r *records) purge() {
	now := time.Since(r.started)
	for first := r.lost.First(); first != nil && now-first.since >= r.lasting; first = r.lost.First() {
		r.remove(first)
	}
}

// remove drops a record. The lock is held.
func (r *records) remove(gone *record) {
	if r.byPID[gone.pid] == gone {
		delete(r.byPID, gone.pid)
	}
	if r.bySession[gone.session] == gone {
		delete(r.bySession, gone.session)
	}
	if gone.owner == nil && r.lost.Has(gone) {
		r.lost.Remove(gone)
		r.count--
	}
}

// yield gives the seats of a socket to the one that has come back in its place.
func (c *conn) yield() []seat {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.record = nil
	return append([]seat(nil), c.seats...)
}
