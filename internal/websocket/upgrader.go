package websocket

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	gorilla "github.com/gorilla/websocket"

	"github.com/lectern-go/lectern/internal/direct"
	"github.com/lectern-go/lectern/internal/poll"
	"github.com/lectern-go/lectern/transport"
)

// Config is how an Upgrader is set up.
type Config struct {
	// Conn sets up the connections, with a default where one is asked for.
	Conn transport.ConnOptions
	// HandshakeTimeout bounds the writing of the answer to a handshake.
	HandshakeTimeout time.Duration
	// Subprotocols are those that it selects, the first one of them that is offered.
	Subprotocols []string
	// First is that of them by which a client's first message comes along with the
	// handshake; empty where none does.
	First string
	// Typed has each message that is written begin with its type, which is not sent. Else the
	// type is that of Lectern's messages.
	Typed bool
	// ReadsContext is what transport.ReadsContext says of the server.
	ReadsContext bool
}

// An Upgrader makes requests connections, and has these served.
type Upgrader struct {
	config  Config
	library gorilla.Upgrader
	poller  *poll.Poller[*serving]
}

// NewUpgrader returns one for connections that a single poller waits for.
func NewUpgrader(config Config) *Upgrader {
	return &Upgrader{
		config: config,
		poller: poll.New[*serving](config.Conn.ProbeAfter, config.Conn.GiveUp),
		library: gorilla.Upgrader{
			HandshakeTimeout: config.HandshakeTimeout,
			Subprotocols:     config.Subprotocols,
			WriteBufferPool:  NoBuffers{},
			Error:            Refuse,
			// The policy of origins is for the caller.
			CheckOrigin: func(*http.Request) bool { return true },
		},
	}
}

// Polled is for how many connections the poller waits, and whether the system does so for
// it. It is for tests.
func (u *Upgrader) Polled() (connections int, waiting bool) { return u.poller.Len() }

// StarvePoller has every further connection be waited for by a goroutine. It is for tests.
func (u *Upgrader) StarvePoller() { u.poller.Starve() }

// Serve makes the request a connection and has it served by server, or answers why not.
// It returns as NewHandler of transport/websocket says: with the handler of the request,
// or with the end of the connection.
func (u *Upgrader) Serve(w http.ResponseWriter, r *http.Request, server transport.Server) {
	if status, err := checkVersion(r); err != nil {
		Refuse(w, r, status, err)
		return
	}
	first, err := takeFirst(r, u.config.First)
	if err != nil {
		Refuse(w, r, http.StatusBadRequest, err)
		return
	}
	hijacked := &hijacker{ResponseWriter: w, first: first}
	if _, err := u.library.Upgrade(hijacked, r, answerHeader(w.Header())); err != nil {
		// The library has answered.
		if hijacked.fault != nil {
			transport.LogFault(server, hijacked.fault)
		}
		return
	}
	direct.SetSendBuffer(hijacked.socket.Conn, u.config.Conn.SendBufferBytes)
	conn := NewConn(hijacked.socket, false, &u.config.Conn)
	conn.typed = u.config.Typed
	u.serve(r, conn, server)
}

var (
	errUpgrade = errors.New("websocket: this address speaks WebSocket, and the request asks for no upgrade to it")
	errHTTP    = errors.New("websocket: the handshake has to be HTTP/1.1")
	errVersion = errors.New("websocket: the version has to be 13")
	errBody    = errors.New("websocket: the handshake must not have a body")
)

// checkVersion looks at what the upgrader is lax about.
func checkVersion(r *http.Request) (int, error) {
	switch version := r.Header.Values("Sec-Websocket-Version"); {
	case r.ProtoMajor != 1 || r.ProtoMinor != 1:
		return http.StatusBadRequest, errHTTP
	case r.Method == http.MethodGet && !gorilla.IsWebSocketUpgrade(r):
		return http.StatusUpgradeRequired, errUpgrade
	case len(version) != 1 || version[0] != "13":
		return http.StatusBadRequest, errVersion
	case r.Method == http.MethodGet && r.ContentLength != 0:
		return http.StatusBadRequest, errBody // it would be read as frames
	}
	return 0, nil
}

// Refuse answers a request that does not become a connection. The reasons quote
// nothing of the request but its host.
func Refuse(w http.ResponseWriter, r *http.Request, status int, reason error) {
	header := w.Header()
	header.Set("Sec-Websocket-Version", "13")
	if r.ContentLength != 0 {
		// The http.Server would wait for the body before it answers, without end.
		header.Set("Connection", "close")
	}
	switch status {
	case http.StatusUpgradeRequired:
		header.Set("Upgrade", "websocket")
		header.Add("Connection", "Upgrade")
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodGet)
	}
	http.Error(w, reason.Error(), status)
}

// A hijacker puts the socket between the upgrader and the connection.
type hijacker struct {
	http.ResponseWriter
	first  []byte // the frame that has come along, or nil
	socket *Socket
	fault  error // why the socket is not to be had
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, buffers, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		h.fault = fmt.Errorf("websocket: the connection of a handshake is not to be had from %T: "+
			"what wraps the http.ResponseWriter has to have a method Unwrap, or http.Hijacker: %w", h.ResponseWriter, err)
		return nil, nil, err
	}
	h.socket = NewSocket(c)
	if h.first == nil {
		return h.socket, buffers, nil
	}
	h.socket.ahead.data, h.socket.ahead.empty = h.first, true
	return deferring{h.socket}, buffers, nil
}

// NoBuffers keeps the framing library, in a handshake of either side, from holding a buffer for messages to be
// written, of which it writes none.
type NoBuffers struct{}

// Get returns none.
func (NoBuffers) Get() any { return nil }

// Put keeps none.
func (NoBuffers) Put(any) {}
