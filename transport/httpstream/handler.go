package httpstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"sync"

	"github.com/lectern-go/lectern/internal/linked"
	"github.com/lectern-go/lectern/internal/origin"
	"github.com/lectern-go/lectern/internal/poll"
	"github.com/lectern-go/lectern/transport"
)

// Options are what a handler may be told. The zero value is good for pages that
// are served by the same host.
type Options struct {
	// Origins are the origins of the web pages that may connect, and Hosts the hosts under
	// which pages may reach this server, by the same rules as those of a WebSocket handler
	// (websocket.Options). They hold for every request. A page of another origin that is
	// listed by name may read the answers, with cookies too; where "*" has let it in, without
	// them.
	Origins, Hosts []string

	// Conn sets up the connections. MessageTimeout is for each line of a POST, and
	// ControlFramesPerSecond for POSTs without a message, which answers to probes are not counted in.
	Conn transport.ConnOptions
}

type handler struct {
	server  transport.Server
	options transport.ConnOptions
	shares  bool // what transport.SharesMessages says of the server
	// readsContext is what transport.ReadsContext says of it.
	readsContext bool
	origins      *origin.Policy
	poller       *poll.Poller[*rawStream]

	mu    sync.Mutex
	conns map[secret]*conn
	lives lives
	// unclaimed are those for which no stream or poll has come, the oldest first.
	unclaimed      linked.List[*claim]
	unclaimedCount int
}

// NewHandler returns a handler that makes each open a connection, and has it served by
// server. It looks at the last part of a request's path alone: open, stream, poll or send. It
// panics where options.Origins or Hosts has an entry that no browser ever sends, or a time in the options
// makes no sense.
//
// It works with any router and middleware. Where they leave http.Hijacker reachable, be it through
// Unwrap, streams over HTTP/1.1 need no goroutine; http.Flusher must be reachable, and should
// be the deadlines of http.ResponseController.
//
// The context that the server gets is that of no single request: it has the open's request (see
// [RequestFromContext]), and while the server handles what a request has brought, the open or a POST, the
// values of that request's context, all of which have passed the same router and middleware. So an
// Authorize finds what middleware has put there for the request at hand, and values that a router uses again are not
// read once its request is over. Nothing ends it: end the connections by what serves them, such as the
// hub. A server that is a transport.ContextReader and reads none gets no values.
//
// What the server's Serve returns is dropped: a server that wants it logged has it before. A panic of the server
// ends the connection; one in what a request has brought goes on to the http.Server.
func NewHandler(server transport.Server, options Options) http.Handler {
	if err := options.Conn.Check(); err != nil {
		panic(err)
	}
	h := &handler{
		server:  server,
		options: options.Conn.WithDefaults(server),
		shares:  transport.SharesMessages(server),
		conns:   make(map[secret]*conn),

		readsContext: transport.ReadsContext(server),
		origins:      origin.NewPolicy("httpstream", options.Origins, options.Hosts),
		poller:       poll.New[*rawStream](-1, 0),
	}
	h.lives.init(h)
	return h
}

// endpoints are what a path may end with.
var endpoints = map[string]struct {
	method string
	serve  func(h *handler, w http.ResponseWriter, r *http.Request)
}{
	"open":   {http.MethodPost, (*handler).open},
	"stream": {http.MethodGet, (*handler).stream},
	"poll":   {http.MethodGet, (*handler).poll},
	"send":   {http.MethodPost, (*handler).send},
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store, no-transform")
	if err := h.origins.Refuses(r); err != nil {
		refuse(w, r, http.StatusForbidden, err)
		return
	}
	endpoint, ok := endpoints[path.Base(r.URL.Path)]
	switch {
	case !ok:
		refuse(w, r, http.StatusNotFound, errors.New("httpstream: there are POST open, GET stream, GET poll and POST send here"))
	case r.Method == http.MethodOptions:
		h.origins.Preflight(w, r, []string{endpoint.method}, []string{ConnectionHeader, NumberHeader, lastEventHeader, "Content-Type"})
	case r.Method != endpoint.method:
		header.Set("Allow", endpoint.method)
		refuse(w, r, http.StatusMethodNotAllowed, fmt.Errorf("httpstream: this is for %s", endpoint.method))
	default:
		h.origins.Allow(header, r)
		endpoint.serve(h, w, r)
	}
}

var errUnknown = errors.New("httpstream: this hub does not know the connection: open a new one and resume " +
	"(behind several hubs a balancer must keep a connection's requests together)")

// find returns the connection that the request belongs to, after it has given a sign of life
// and told up to which number messages have arrived; news reports whether that was not known.
// Where there is none it has answered, and returns nil.
func (h *handler) find(w http.ResponseWriter, r *http.Request) (c *conn, last uint64, news bool) {
	text := r.Header.Get(ConnectionHeader)
	query := url.Values{}
	if r.URL.RawQuery != "" {
		query = r.URL.Query()
	}
	if text == "" {
		text = query.Get(connectionParameter)
	}
	if id, ok := parseSecret(text); ok {
		h.mu.Lock()
		if c = h.conns[id]; c != nil {
			h.lives.heard(c)
		}
		h.mu.Unlock()
	}
	if c == nil {
		refuse(w, r, http.StatusMisdirectedRequest, errUnknown)
		return nil, 0, false
	}
	if text = r.Header.Get(lastEventHeader); text == "" {
		text = query.Get(lastParameter)
	}
	if text == "" {
		return c, 0, false
	}
	last, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		err = offence("Last-Event-ID is no number")
	} else if news, ok := c.acknowledge(last); ok {
		return c, last, news
	} else {
		err = offence("Last-Event-ID is above all that was sent")
	}
	c.fail(err)
	answerFailed(w, r, err)
	return nil, 0, false
}

// findForEvents is find for a GET, which asks for what is behind the last message that has arrived.
func (h *handler) findForEvents(w http.ResponseWriter, r *http.Request) (c *conn, last uint64) {
	c, last, _ = h.find(w, r)
	if c != nil && !c.fetches(last) {
		c.fail(transport.ErrFlood)
		answerFailed(w, r, transport.ErrFlood)
		return nil, 0
	}
	if c != nil {
		h.claimed(c)
	}
	return c, last
}

// refuse answers a request that has no effect. The reasons quote nothing of the request.
func refuse(w http.ResponseWriter, r *http.Request, status int, reason error) {
	leaveBody(w, r)
	http.Error(w, reason.Error(), status)
}

// leaveBody sees to it that nobody waits for a body that is not read.
func leaveBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}

// answerFailed answers a request that has ended its connection by what is wrong with it, with
// the reason for which it has ended.
func answerFailed(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusBadRequest
	switch {
	case errors.Is(err, transport.ErrMessageTooLarge):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, transport.ErrSlow):
		status = http.StatusRequestTimeout
	case errors.Is(err, transport.ErrFlood):
		status = http.StatusTooManyRequests
	}
	leaveBody(w, r)
	answerReason(w, status, farewellOf(reasonFor(err)))
}

func answerReason(w http.ResponseWriter, status int, f farewell) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(f.json(), '\n'))
}

var errEnding = errors.New("httpstream: the connection is about to be closed")

// answerOver answers a request of a connection that is about to be closed.
func (c *conn) answerOver(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	f := c.farewell
	c.mu.Unlock()
	if f == nil { // the server is about to say why
		refuse(w, r, http.StatusServiceUnavailable, errEnding)
		return
	}
	leaveBody(w, r)
	answerReason(w, http.StatusGone, *f)
}

// send is POST send.
func (h *handler) send(w http.ResponseWriter, r *http.Request) {
	c, _, news := h.find(w, r)
	if c == nil {
		return
	}
	number, numbered := uint64(0), false
	if text := r.Header.Get(NumberHeader); text != "" {
		var err error
		if number, err = strconv.ParseUint(text, 10, 64); err != nil || number == 0 {
			err = offence(NumberHeader + " is no number from 1 on")
			c.fail(err)
			answerFailed(w, r, err)
			return
		}
		numbered = true
	}
	if r.ContentLength > maxBody(h.options.MaxFrameBytes) {
		c.fail(errBodyTooLarge)
		answerFailed(w, r, errBodyTooLarge)
		return
	}
	p := c.newPost(w, r)
	switch err := c.begin(r.Context(), p, number, numbered); err {
	case nil:
	case errRepeated:
		c.keepUp()
		leaveBody(w, r)
		w.WriteHeader(http.StatusNoContent)
		return
	case errAhead, errSupplant:
		c.answerAhead(w, r)
		return
	case errAbandoned:
		return
	default:
		c.answerOver(w, r)
		return
	}
	err := c.run(p, news)
	if c.hasLeft() {
		// Who has closed a connection may count on that it has ended.
		c.awaitEnd(r.Context())
	}
	c.answerPost(w, r, err)
}

// answerPost answers a POST that has had its turn.
func (c *conn) answerPost(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case err == errBodyEnded:
		c.answerAhead(w, r)
	case isFailure(err):
		answerFailed(w, r, err)
	default:
		c.answerOver(w, r)
	}
}

// answerAhead answers a POST that is not taken, with the number of the one that is.
func (c *conn) answerAhead(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	expected := c.expected
	c.mu.Unlock()
	leaveBody(w, r)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusConflict)
	_ = json.NewEncoder(w).Encode(struct {
		Expected uint64 `json:"expected"`
	}{expected})
}
