// Package engineio is Engine.IO, protocols 4 and 3: what lies beneath Socket.IO, and carries its
// packets as messages that are text or binary, over WebSocket or over polled requests of HTTP,
// with the change from the second to the first. It knows nothing of what is in them.
//
// A [Session] is one client. It has one carrier at a time, and what is written to it stays in
// one order over the change. A client is pinged by the server (protocol 4), or pings it (3);
// one that is silent is given up.
package engineio

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/origin"
	"github.com/lectern-go/lectern/internal/websocket"
	"github.com/lectern-go/lectern/transport"
)

// Config is how an Endpoint is set up.
type Config struct {
	// Server is told what is wrong with the program around (transport.FaultLogger), and says
	// whether the contexts' values matter (transport.ContextReader). It serves nothing.
	Server transport.Server
	// Accept is called for each session, before anything is received, with the query of the
	// request that has begun it. After an error the session is closed, and there is nothing to
	// end.
	Accept func(ctx context.Context, s *Session, query string) (Receiver, error)
	// Origins are asked for each request.
	Origins *origin.Policy
	// Conn sets up the sessions, with a default where one is asked for. ProbeAfter is the
	// interval of the pings, and GiveUp how long an answer may take.
	Conn transport.ConnOptions
	// HandshakeTimeout bounds the writing of the answer to a WebSocket handshake.
	HandshakeTimeout time.Duration
	// Version3 lets clients of protocol 3 in.
	Version3 bool
	// Context is the context of a session that a polled request has begun, whose handler returns
	// before anything else comes.
	Context func(r *http.Request) context.Context
}

// A Receiver takes the messages of one session, as a transport.Receiver does: one goroutine at
// a time calls it, not always the same one.
type Receiver interface {
	// Start is called once, before Receive.
	Start() error
	// Receive takes a message, which it does not keep. It may block. An error ends the
	// session.
	Receive(message []byte, text bool) error
	// Pause is called when nothing else has arrived.
	Pause()
	// End is called once, with what has ended the receiving, and nothing after it. It closes
	// the session and returns when that has ended.
	End(err error) error
}

// An Endpoint is the http.Handler of all sessions.
type Endpoint struct {
	config   Config
	upgrader *websocket.Upgrader
	beats    heartbeats

	mu sync.Mutex
	// polled are the sessions that have begun with a polled request, by their ids.
	polled map[string]*Session
}

// NewEndpoint returns an Endpoint without sessions.
func NewEndpoint(config Config) *Endpoint {
	conn := config.Conn
	conn.ProbeAfter = -1 // the pings of Engine.IO tell
	e := &Endpoint{
		config: config,
		polled: make(map[string]*Session),
		upgrader: websocket.NewUpgrader(websocket.Config{
			Conn:             conn,
			HandshakeTimeout: config.HandshakeTimeout,
			Typed:            true,
			ReadsContext:     transport.ReadsContext(config.Server),
		}),
	}
	e.beats.init(config.Conn)
	return e
}

// Sessions is how many sessions have begun with a polled request and have not ended. It is for
// tests.
func (e *Endpoint) Sessions() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.polled)
}

// find returns the session of the id, nil where there is none.
func (e *Endpoint) find(id string) *Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.polled[id]
}

func (e *Endpoint) add(s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.polled[s.id] = s
}

func (e *Endpoint) remove(s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.polled, s.id)
}

const (
	// closeWait bounds how long a session that closes waits for its client to fetch what is
	// left.
	closeWait = time.Second
	// upgradeWait is how long a client may take from the handshake of a WebSocket to its
	// change to that.
	upgradeWait = 10 * time.Second
	// upgradePoll is how long a poll waits that comes while a change is under way.
	upgradePoll = 50 * time.Millisecond
)
