package cluster

import (
	"sync"

	"github.com/lectern-go/lectern/cluster"
)

const (
	// maxEdges is how many edges of a channel the owner knows.
	maxEdges = 1024

	// maxKept bounds the bytes of all answers that an owner keeps for a channel.
	maxKept = 64 << 20
)

// Answering is what the owner of a channel, in one epoch, has for the edges: which of their
// requests are to be carried out, and the last answer to each of them, which is given again
// where the request is repeated. All methods may be called at once.
type Answering struct {
	key   cluster.Key
	owner Owner

	mu     sync.Mutex
	edges  map[cluster.HubID]*edge
	kept   int    // bytes of all answers
	events uint64 // counts what has made a state of an edge, to tell which is older
}

// edge is a hub that has asked.
type edge struct {
	n     uint64 // of its latest request
	state edgeState
	at    uint64               // the event at which the answer was kept, or the hub lost
	lost  bool                 // nothing has come since Forget
	reply func(b []byte) error // of the latest message with that request, while it is under way
	kept  [][]byte             // the messages of the answer
	size  int                  // of all of them
	has   uint64               // the hub has the answers to its requests up to that, as far as it is known
}

type edgeState uint8

const (
	underWay  edgeState = iota // its calls are being carried out
	refused                    // they were not, and will be if it is repeated
	answered                   // and the answer is kept
	forgotten                  // answered, but the answer is not kept any more
)

// NewAnswering makes the Answering of hub self, the owner in this epoch of the incarnation.
func NewAnswering(key cluster.Key, self cluster.HubID, epoch uint64, incarnation cluster.Nonce) *Answering {
	return &Answering{key: key, owner: Owner{self, epoch, incarnation}, edges: make(map[cluster.HubID]*edge)}
}

// Request takes a request that came from a hub. fresh: its calls are to be carried out, after those of
// that hub's requests before, and Reply or Refuse is to be called when that is committed. Otherwise
// there is nothing to do: it is a repetition, which was answered again or waits for its
// answer, it is older than one that came before, or it is for another owner, and that was replied.
//
// A number that is higher than that of the request before makes a new request, whatever lies
// between: an edge asks one thing at a time, and gives up what it does not ask any more.
// reply may be kept and called until the next request of the hub; the calls share what r was read from.
func (a *Answering) Request(from cluster.HubID, r Request, reply func(b []byte) error) (calls [][]byte, fresh bool) {
	again, fresh := a.judge(from, r, reply)
	say(again, reply)
	if fresh {
		return r.Calls, true
	}
	return nil, false
}

// judge is Request, but for what it replies.
func (a *Answering) judge(from cluster.HubID, r Request, reply func(b []byte) error) (again [][]byte, fresh bool) {
	if len(r.Calls) == 0 {
		a.thanked(from, r)
		return nil, false
	}
	switch {
	case r.Incarnation != a.owner.Incarnation:
		return one(refusal(a.owner.Hub, r, Unknown, Owner{})), false
	case r.Epoch < a.owner.Epoch:
		return one(refusal(a.owner.Hub, r, Moved, a.owner)), false
	case r.Epoch > a.owner.Epoch: // this hub has yet to learn what the edge knows
		return one(refusal(a.owner.Hub, r, Busy, Owner{})), false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.edges[from]
	if e == nil {
		if len(a.edges) == maxEdges && !a.evict() {
			return one(refusal(a.owner.Hub, r, Busy, Owner{})), false
		}
		e = new(edge)
		a.edges[from] = e
	}
	if r.N < e.n {
		return nil, false
	}
	e.lost = false
	switch {
	case r.N > e.n, e.state == refused:
		if e.state == answered {
			e.has = e.n // it asks one thing at a time
		}
		a.drop(e)
		e.n, e.state, e.reply = r.N, underWay, reply
		return nil, true
	case e.state == underWay:
		e.reply = reply
		return nil, false
	case e.state == answered:
		return e.kept, false
	default:
		return one(refusal(a.owner.Hub, r, Forgotten, Owner{})), false
	}
}

// Reply answers request n of a hub: its calls took effect in the group at position, when the last
// Shared group was at shared, and that is committed. It does nothing where that request is not under
// way any more. A body larger than MaxAnswer fails with cluster.ErrTooLarge, and the request
// is still to be answered; the body is copied.
func (a *Answering) Reply(to cluster.HubID, n uint64, position, shared cluster.Position, body []byte) error {
	if len(body) > MaxAnswer {
		return cluster.ErrTooLarge
	}
	all := messages(a.key, Answer{Outcome: Done, Owner: a.owner, N: n, Position: position, Shared: shared, Body: body})
	say(all, a.keep(to, n, all))
	return nil
}

// keep keeps the answer, and returns how it is replied; nil: it is not.
func (a *Answering) keep(to cluster.HubID, n uint64, all [][]byte) (reply func(b []byte) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.edges[to]
	switch {
	case e == nil || e.n != n || e.state != underWay:
		return nil
	case e.lost:
		e.state = forgotten
		return nil
	}
	e.state, e.kept, e.at = answered, all, a.event()
	for _, b := range all {
		e.size += len(b)
	}
	for a.kept += e.size; a.kept > maxKept; {
		a.drop(a.oldest(func(other *edge) bool { return other.state == answered }))
	}
	reply, e.reply = e.reply, nil
	return reply
}

// Refuse says that the calls of request n of a hub were not carried out and will not be: the
// hub is told that the owner is busy, and asks again.
func (a *Answering) Refuse(to cluster.HubID, n uint64) {
	a.mu.Lock()
	var reply func([]byte) error
	if e := a.edges[to]; e != nil && e.n == n && e.state == underWay {
		reply, e.reply, e.state = e.reply, nil, refused
	}
	a.mu.Unlock()
	r := Request{Key: a.key, Epoch: a.owner.Epoch, Incarnation: a.owner.Incarnation, N: n}
	say(one(refusal(a.owner.Hub, r, Busy, Owner{})), reply)
}

// Forget says that a hub is lost: nothing is kept for it but the number of its last request. Should it
// come back and repeat that one, it is told that its calls may have been carried out, and makes
// a new request of them. Where there are too many edges, the numbers of lost ones are let go,
// and then their last requests can be carried out twice.
func (a *Answering) Forget(hub cluster.HubID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.edges[hub]; e != nil {
		a.drop(e)
		e.lost, e.reply, e.at = true, nil, a.event()
	}
}

// thanked: the hub has the answer.
func (a *Answering) thanked(from cluster.HubID, r Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := Owner{a.owner.Hub, r.Epoch, r.Incarnation}
	if e := a.edges[from]; e != nil && asked == a.owner && e.n == r.N {
		e.has = e.n
		a.drop(e)
	}
}

// Has is the number of the latest request of a hub of which it is known that the hub has its answer, or zero.
func (a *Answering) Has(hub cluster.HubID) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.edges[hub]; e != nil {
		return e.has
	}
	return 0
}

// drop lets the answer go that is kept for an edge. The caller has the lock.
func (a *Answering) drop(e *edge) {
	if e.state == answered {
		a.kept -= e.size
		e.state, e.kept, e.size = forgotten, nil, 0
	}
}

// evict makes room for an edge where one is lost. The caller has the lock.
func (a *Answering) evict() bool {
	lost := a.oldest(func(e *edge) bool { return e.lost })
	for hub, e := range a.edges {
		if e == lost {
			delete(a.edges, hub)
			return true
		}
	}
	return false
}

// oldest is the edge of those whose event was first; nil: there is none. The caller has the lock.
func (a *Answering) oldest(of func(*edge) bool) (oldest *edge) {
	for _, e := range a.edges {
		if of(e) && (oldest == nil || e.at < oldest.at) {
			oldest = e
		}
	}
	return oldest
}

func (a *Answering) event() uint64 {
	a.events++
	return a.events
}

// refusal is the message that hub self answers a request with whose calls it does not carry out.
func refusal(self cluster.HubID, r Request, outcome Outcome, next Owner) []byte {
	return appendAnswer(nil, answerMessage{key: r.Key, Answer: Answer{
		Outcome: outcome, Owner: Owner{self, r.Epoch, r.Incarnation}, N: r.N, Next: next,
	}})
}

func one(message []byte) [][]byte { return [][]byte{message} }

// say replies with the messages, if there is somebody to reply to. What does not leave is asked for again.
func say(messages [][]byte, reply func(b []byte) error) {
	for _, b := range messages {
		if reply == nil || reply(b) != nil {
			return
		}
	}
}
