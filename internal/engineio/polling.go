package engineio

import (
	"bytes"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/internal/websocket"
	"github.com/lectern-go/lectern/transport"
)

// polling carries a session by polled requests: a GET fetches what there is for the client, or
// waits for it, and a POST brings what the client has to say. What Write is given waits alone
// for the next GET, so that no more than that is kept here: the rest waits before Write.
//
// It also knows where what is written goes while the session changes to a WebSocket.
type polling struct {
	session *Session
	address string        // of who has begun the session
	taken   atomic.Uint64 // bytes that were given to polls

	mu    sync.Mutex
	state pollingState
	// packets wait for a poll, behind small ones of the engine.
	packets [][]byte
	small   [][]byte
	// last is the packet of the engine that ends a session that closes.
	last string
	// room is closed when the packets have been taken, or the state changes. It is nil where
	// nobody waits for that.
	room chan struct{}
	// news is closed when there is something for the GET that waits, nil where none does.
	news chan struct{}
	// getting and posting: a request of the kind is under way.
	getting, posting bool
	// probe is the WebSocket to which the client may want to change, nil where there is none.
	probe *probe
	// asked: the client has asked whether the WebSocket works, and is about to change.
	asked bool
	// ending: what moves to the WebSocket is the last.
	ending bool
	// over is closed when nothing is left to be fetched of a session that closes.
	over chan struct{}
}

type pollingState uint8

const (
	unopened pollingState = iota // nobody has accepted the session yet
	polled                       // GETs fetch what is written
	moving                       // what no GET has fetched is being written to the WebSocket
	moved                        // the WebSocket carries the session
	closing                      // a last GET, or two, may fetch what is left
	closed
)

func newPolling(s *Session, address string) *polling {
	return &polling{session: s, address: address, last: string(packetClose), over: make(chan struct{})}
}

// offer is put where that need not wait.
func (p *polling) offer(packets [][]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state > polled || len(p.packets) > 0 {
		return false
	}
	p.packets = append(p.packets, packets...)
	p.notify()
	return true
}

// put has the packets wait for the next poll. Where others do, it returns a channel that is
// closed when it is to be tried again; the session's carrier may be another one then.
func (p *polling) put(packets [][]byte) (room <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.state == closing || p.state == closed:
		return nil, errClosed
	case p.state <= polled && len(p.packets) == 0:
		p.packets = append(p.packets, packets...)
		p.notify()
		return nil, nil
	case p.room == nil:
		p.room = make(chan struct{})
	}
	return p.room, nil
}

// interject has a small packet be fetched, and reports whether a GET waits for it. It returns
// the WebSocket where that is the carrier by now. There are few such packets: more than a few
// are dropped, since nobody fetches them.
func (p *polling) interject(packet []byte) (ws *websocket.Conn, sent bool) {
	const most = 8
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == moved {
		return p.session.ws.Load(), true
	}
	if p.state <= moving && len(p.small) < most {
		p.small = append(p.small, packet)
		sent = p.news != nil
		p.notify()
	}
	return nil, sent
}

// notify wakes the GET that waits. The lock is held.
func (p *polling) notify() {
	if p.news != nil {
		close(p.news)
		p.news = nil
	}
}

// roomy wakes who waits for room. The lock is held.
func (p *polling) roomy() {
	if p.room != nil {
		close(p.room)
		p.room = nil
	}
}

// get answers a GET, and waits where there is nothing yet.
func (p *polling) get(w http.ResponseWriter, r *http.Request) {
	if p.session.endpoint.beats.late(p.session) {
		p.session.fail(transport.ErrSilent)
		refuse(w, http.StatusBadRequest, codeUnknownID)
		return
	}
	if !p.begin(&p.getting) {
		refuse(w, http.StatusBadRequest, codeBadRequest)
		return
	}
	packets, ok := p.wait(r)
	if !ok {
		refuse(w, http.StatusBadRequest, codeUnknownID)
		return
	}
	answer(w, encodePayload(nil, packets, p.session.version))
}

// begin reports whether a request of the kind may be answered. Two at once end the session.
func (p *polling) begin(kind *bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if *kind {
		p.session.fail(errOverlap)
		return false
	}
	*kind = true
	return true
}

func (p *polling) finish(kind *bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*kind = false
}

// wait returns what there is for the GET. It reports false where the session is over, or is
// carried by a WebSocket.
func (p *polling) wait(r *http.Request) (packets [][]byte, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() { p.getting = false }()
	told := false // that the client is about to change
	for {
		if packets := p.take(); len(packets) > 0 {
			return packets, true
		}
		if p.state != polled {
			return nil, false
		}
		if p.asked && told {
			return [][]byte{engine(string(packetNoop))}, true
		}
		news := make(chan struct{})
		p.news = news
		var due <-chan time.Time
		told = p.asked // this one waits, where one that waited before goes at once
		if told {
			timer := time.NewTimer(upgradePoll)
			defer timer.Stop()
			due = timer.C
		}
		p.mu.Unlock()
		gone := false
		select {
		case <-news:
		case <-due:
		case <-r.Context().Done():
			gone = true
		}
		p.mu.Lock()
		if p.news == news {
			p.news = nil
		}
		told = told || p.asked
		if gone {
			p.session.fail(errGone)
			return nil, false
		}
	}
}

// take takes what there is for a GET. What closes the session comes behind all else, in an
// answer of its own: clients throw away what comes with it. The lock is held.
func (p *polling) take() [][]byte {
	if p.state != polled && p.state != closing {
		return nil
	}
	packets := append(p.small, p.packets...)
	for _, packet := range p.small {
		if bytes.Equal(packet, engine(string(packetPing))) {
			p.session.endpoint.beats.handed(p.session)
		}
	}
	size := 0
	for _, packet := range packets {
		size += len(packet)
	}
	p.small, p.packets = nil, nil
	if p.state == closing {
		if len(packets) == 0 {
			packets = [][]byte{engine(p.last)}
			p.state = closed
			close(p.over)
		}
	}
	p.taken.Add(uint64(size))
	p.roomy()
	return packets
}

// open is called when the session was accepted.
func (p *polling) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == unopened {
		p.state = polled
	}
}

// gone notes that the client has closed the session: it may still fetch an answer, since its
// requests can overtake each other.
func (p *polling) gone() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = string(packetNoop)
	p.packets, p.small = nil, nil
}
