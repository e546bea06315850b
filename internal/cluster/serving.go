package cluster

import (
	"sync"
	"sync/atomic"

	"github.com/lectern-go/lectern/cluster"
)

// KindCalls is the kind of requests with calls to the owner of a channel. A kind is the first byte of a
// request from hub to hub; it stands for the form of the rest too, so that another form is
// another kind.
const KindCalls byte = 1

// Serving takes the requests to one hub and hands them on by their kinds.
type Serving struct {
	self    cluster.HubID
	dropped atomic.Uint64
	stop    func()

	mu       sync.RWMutex
	handlers [256]Handler
}

// Handler answers requests of one kind. It is called by one goroutine at a time, with the request
// without its kind, and must return soon. reply may be called at any time, as often as the two
// have agreed on.
type Handler func(from cluster.HubID, request []byte, reply func(b []byte) error)

// NewServing takes the requests to hub self from now on, until Stop. One whose kind nobody handles
// is dropped: whoever asks has to ask again.
func NewServing(bus cluster.Bus, self cluster.HubID) (*Serving, error) {
	s := &Serving{self: self}
	stop, err := bus.Serve(self, s.serve)
	if err != nil {
		return nil, err
	}
	s.stop = stop
	return s, nil
}

// Handle hands requests of this kind to h from now on; nil: to nobody.
func (s *Serving) Handle(kind byte, h Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[kind] = h
}

// HandleCalls hands requests of KindCalls to what find finds for their channel, which is what has its
// Answering. Where that is nil, the hub does not own the channel; next is who does, so far as it
// is known, with a zero Hub if not: the edge is told. Where next is the very owner
// that the edge asks for, it is told to ask again: this hub is about to begin.
func (s *Serving) HandleCalls(find func(key cluster.Key) (take func(from cluster.HubID, r Request, reply func(b []byte) error), next Owner)) {
	s.Handle(KindCalls, func(from cluster.HubID, request []byte, reply func(b []byte) error) {
		r, err := ParseRequest(request)
		if err != nil {
			s.Drop()
			return
		}
		take, next := find(r.Key)
		if take != nil {
			take(from, r, reply)
			return
		}
		if len(r.Calls) == 0 {
			return
		}
		asked := Owner{s.self, r.Epoch, r.Incarnation}
		switch {
		case next.Hub == cluster.HubID{}, next.Incarnation != r.Incarnation, next.Epoch < r.Epoch:
			say(one(refusal(s.self, r, Unknown, Owner{})), reply)
		case next == asked:
			say(one(refusal(s.self, r, Busy, Owner{})), reply)
		default:
			say(one(refusal(s.self, r, Moved, next)), reply)
		}
	})
}

func (s *Serving) serve(from cluster.HubID, request []byte, reply func(b []byte) error) {
	var h Handler
	if len(request) > 0 {
		s.mu.RLock()
		h = s.handlers[request[0]]
		s.mu.RUnlock()
	}
	if h == nil {
		s.Drop()
		return
	}
	h(from, request[1:], reply)
}

// Drop counts a request that a handler cannot read.
func (s *Serving) Drop() { s.dropped.Add(1) }

// Dropped is how many requests were dropped.
func (s *Serving) Dropped() uint64 { return s.dropped.Load() }

// Stop ends it: no handler is running when it returns, and none will be called again. It must not be called
// by a handler.
func (s *Serving) Stop() { s.stop() }
