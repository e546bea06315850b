package engineio

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	gorilla "github.com/gorilla/websocket"

	"github.com/lectern-go/lectern/internal/websocket"
	"github.com/lectern-go/lectern/transport"
)

// A refusal is what a request is refused with, as the reference has it.
type refusal int

const (
	codeUnknownTransport refusal = iota
	codeUnknownID
	codeBadMethod
	codeBadRequest
	codeForbidden
	codeBadVersion
	codeTooLarge
	codeTooSlow
	codeBusy
)

var refusalTexts = [...]string{
	codeUnknownTransport: "Transport unknown: it is polling or websocket",
	codeUnknownID:        "Session ID unknown: the session is over, or is one of another server (behind several, a balancer must keep a session's requests together)",
	codeBadMethod:        "Bad handshake method: a session begins with a GET",
	codeBadRequest:       "Bad request",
	codeForbidden:        "Forbidden",
	codeBadVersion:       "Unsupported protocol version",
	codeTooLarge:         "The payload is over the limit",
	codeTooSlow:          "The payload took too long to arrive",
	codeBusy:             "No further session is possible at present",
}

func refuse(w http.ResponseWriter, status int, code refusal) {
	refuseWith(w, status, code, refusalTexts[code])
}

func refuseWith(w http.ResponseWriter, status int, code refusal, text string) {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(transport.DefaultMessageTimeout))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"code":` + strconv.Itoa(int(code)) + `,"message":` + strconv.QuoteToASCII(text) + `}`))
	_ = control.Flush()
	_ = control.SetWriteDeadline(time.Time{})
}

// answer writes what a polled request is answered with. A client that does not take it in the
// time that its size allows is cut off.
func answer(w http.ResponseWriter, body []byte) {
	control := http.NewResponseController(w)
	patience := transport.DefaultMessageTimeout + time.Duration(len(body)/transport.MinBytesPerSecond)*time.Second
	_ = control.SetWriteDeadline(time.Now().Add(patience))
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=UTF-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
	_ = control.Flush()
	_ = control.SetWriteDeadline(time.Time{})
}

func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := e.config.Origins.Refuses(r); err != nil {
		refuseWith(w, http.StatusForbidden, codeForbidden, err.Error())
		return
	}
	if last := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]; strings.HasSuffix(last, ".js") || strings.HasSuffix(last, ".map") {
		http.Error(w, "socketio: the client's script is not served here: take it from npm's socket.io-client, or from a CDN", http.StatusNotFound)
		return
	}
	if r.Method == http.MethodOptions {
		e.config.Origins.Preflight(w, r, []string{http.MethodGet, http.MethodPost}, []string{"Content-Type"})
		return
	}
	e.config.Origins.Allow(w.Header(), r)
	query := r.URL.Query()
	version, ok := e.version(query.Get("EIO"))
	switch carrier := query.Get("transport"); {
	case !ok:
		refuse(w, http.StatusBadRequest, codeBadVersion)
	case carrier == "polling":
		e.servePolling(w, r, query.Get("sid"), version)
	case carrier == "websocket":
		e.serveWebSocket(w, r, query.Get("sid"), version)
	default:
		refuse(w, http.StatusBadRequest, codeUnknownTransport)
	}
}

func (e *Endpoint) version(asked string) (version int, ok bool) {
	switch asked {
	case "4":
		return 4, true
	case "3":
		return 3, e.config.Version3
	}
	return 0, false
}

func (e *Endpoint) servePolling(w http.ResponseWriter, r *http.Request, id string, version int) {
	if id == "" {
		if r.Method != http.MethodGet {
			refuse(w, http.StatusBadRequest, codeBadMethod)
			return
		}
		e.begin(w, r, version)
		return
	}
	s := e.find(id)
	switch {
	case s == nil || s.version != version:
		refuse(w, http.StatusBadRequest, codeUnknownID)
	case r.Method == http.MethodGet:
		// The times of the http.Server are for requests that are answered at once.
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Time{})
		_ = control.SetWriteDeadline(time.Time{})
		s.polling.get(w, r)
	case r.Method == http.MethodPost:
		s.polling.post(w, r)
	default:
		refuse(w, http.StatusBadRequest, codeBadRequest)
	}
}

// begin makes a session that is polled.
func (e *Endpoint) begin(w http.ResponseWriter, r *http.Request, version int) {
	s := e.newSession(version)
	s.polling = newPolling(s, r.RemoteAddr)
	ctx := context.Background()
	if transport.ReadsContext(e.config.Server) {
		ctx = e.config.Context(r)
	}
	e.add(s)
	if !e.accept(ctx, s, r.URL.RawQuery) {
		refuse(w, http.StatusServiceUnavailable, codeBusy)
		return
	}
	answer(w, encodePayload(nil, [][]byte{s.open(`"websocket"`)}, version))
}

// accept has the session accepted, and begins with its heartbeats.
func (e *Endpoint) accept(ctx context.Context, s *Session, query string) bool {
	s.turn.Take()
	defer s.leave()
	receiver, err := e.config.Accept(ctx, s, query)
	if err != nil {
		s.ended = true
		e.remove(s)
		return false
	}
	s.receiver = receiver
	if s.polling != nil {
		s.polling.open()
	}
	e.beats.add(s)
	if err := receiver.Start(); err != nil {
		s.fail(err)
	}
	return true
}

func (e *Endpoint) serveWebSocket(w http.ResponseWriter, r *http.Request, id string, version int) {
	if !gorilla.IsWebSocketUpgrade(r) {
		refuse(w, http.StatusBadRequest, codeBadRequest)
		return
	}
	if id == "" {
		e.upgrader.Serve(w, r, &beginning{endpoint: e, version: version, query: r.URL.RawQuery})
		return
	}
	// One that comes for a session which has changed already is taken, and closed: a refusal
	// is an error to clients that they do not expect.
	s := e.find(id)
	if s != nil && s.version != version {
		s = nil
	}
	e.upgrader.Serve(w, r, &probe{session: s})
}

// A beginning is the server of the WebSocket with which a session begins.
type beginning struct {
	endpoint *Endpoint
	version  int
	query    string
}

func (b *beginning) Serve(ctx context.Context, conn transport.Conn) error {
	receiver, err := b.Accept(ctx, conn)
	if err != nil {
		return err
	}
	return serve(conn, receiver)
}

func (b *beginning) Accept(ctx context.Context, conn transport.Conn) (transport.Receiver, error) {
	s := b.endpoint.newSession(b.version)
	ws := conn.(*websocket.Conn)
	s.ws.Store(ws)
	ws.Interject(s.open(""))
	if !b.endpoint.accept(ctx, s, b.query) {
		_ = ws.Close(transport.Reason{Code: transport.RateLimited})
		return nil, errClosed
	}
	return (*carried)(s), nil
}

// LogFault is that of transport.FaultLogger.
func (b *beginning) LogFault(err error) { transport.LogFault(b.endpoint.config.Server, err) }

// serve reads for a receiver where nobody else does.
func serve(conn transport.Conn, receiver transport.Receiver) error {
	for {
		message, err := conn.Read()
		if err == nil {
			err = receiver.Receive(message)
			receiver.Pause()
		}
		if err != nil {
			return receiver.End(err)
		}
	}
}

// carried is a session as the receiver of the WebSocket that carries it.
type carried Session

func (c *carried) Receive(message []byte) error {
	s := (*Session)(c)
	if !s.enter() {
		return errClosed
	}
	defer s.leave()
	if s.ws.Load().ReadText() {
		return s.receive(message)
	}
	return s.receiveBinary(message)
}

func (c *carried) Pause() {
	s := (*Session)(c)
	if s.enter() {
		defer s.leave()
		s.receiver.Pause()
	}
}

func (c *carried) End(err error) error {
	s := (*Session)(c)
	s.end(err)
	return err
}
