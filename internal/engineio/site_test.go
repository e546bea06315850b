package engineio

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/internal/origin"
	"github.com/lectern-go/lectern/transport"
)

// A site is an endpoint behind an http.Server on a network in memory, whose sessions echo what
// they receive.
type site struct {
	endpoint *Endpoint
	listener *memnet.Listener
	client   *http.Client
	echoes   chan *echo

	mu  sync.Mutex
	all []*echo
}

// An echo is the receiver of a session.
type echo struct {
	session *Session
	ended   chan error
	over    chan struct{} // closed as End returns
	hold    chan struct{} // where it is not nil, Receive waits for it
	panics  bool
	leaves  bool // at the next message
}

func (e *echo) Start() error { return nil }
func (e *echo) Pause()       {}

func (e *echo) Receive(message []byte, text bool) error {
	if e.hold != nil {
		<-e.hold
	}
	if e.panics {
		panic(http.ErrAbortHandler)
	}
	if e.leaves {
		return &transport.CloseError{Reason: transport.Reason{Code: transport.Left}}
	}
	packet := Binary(nil, e.session.Version())
	if text {
		packet = Text(nil)
	}
	return e.session.Write(append(packet, message...))
}

func (e *echo) End(err error) error {
	defer close(e.over)
	e.ended <- err
	return e.session.Close(transport.Reason{Code: transport.Idle})
}

func newSite(t *testing.T, edit func(*Config)) *site {
	s := &site{listener: memnet.Listen(), echoes: make(chan *echo, 4096)}
	config := Config{
		Origins:          origin.NewPolicy("test", nil, nil),
		Conn:             transport.ConnOptions{MaxFrameBytes: 10_000},
		HandshakeTimeout: time.Second,
		Version3:         true,
		Context:          func(*http.Request) context.Context { return context.Background() },
		Accept: func(_ context.Context, session *Session, _ string) (Receiver, error) {
			e := &echo{session: session, ended: make(chan error, 1), over: make(chan struct{})}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.all = append(s.all, e)
			s.echoes <- e
			return e, nil
		},
	}
	if edit != nil {
		edit(&config)
	}
	config.Conn = config.Conn.WithDefaults(nil)
	s.endpoint = NewEndpoint(config)
	server := &http.Server{Handler: s.endpoint, ReadTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(s.listener)
	}()
	s.client = &http.Client{Transport: &http.Transport{DialContext: s.listener.DialContext}}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		_ = server.Close()
		<-served
		synctest.Wait() // for those that are just being accepted
		s.mu.Lock()
		all := s.all
		s.mu.Unlock()
		for _, e := range all {
			_ = e.session.Close(transport.Reason{Code: transport.Shutdown})
			<-e.over
		}
	})
	return s
}

// address is that of a request of the session, or of a first one.
func address(id, transport, version string) string {
	a := "/socket.io/?EIO=" + version + "&transport=" + transport
	if id != "" {
		a += "&sid=" + id
	}
	return a
}

// do sends a request, and returns the status and the body.
func (s *site) do(t *testing.T, method, target, body string, header ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://lectern.test"+target, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := s.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(content)
}

// opened is what a session begins with.
type opened struct {
	SID          string
	Upgrades     []string
	PingInterval int
	PingTimeout  int
	MaxPayload   int
}

func readOpen(t *testing.T, packet string) (o opened) {
	t.Helper()
	require.True(t, strings.HasPrefix(packet, "0"), "%q", packet)
	require.NoError(t, json.Unmarshal([]byte(packet[1:]), &o))
	require.Len(t, o.SID, 20)
	return o
}

// poll begins a session that is polled.
func (s *site) poll(t *testing.T) (id string, e *echo) {
	t.Helper()
	status, body := s.do(t, http.MethodGet, address("", "polling", "4"), "")
	require.Equal(t, http.StatusOK, status)
	return readOpen(t, body).SID, <-s.echoes
}

// get and post are the requests of a session.
func (s *site) get(t *testing.T, id string) (int, string) {
	t.Helper()
	return s.do(t, http.MethodGet, address(id, "polling", "4"), "")
}

func (s *site) post(t *testing.T, id, body string) int {
	t.Helper()
	status, _ := s.do(t, http.MethodPost, address(id, "polling", "4"), body)
	return status
}

// dial opens a WebSocket, of a session where there is an id.
func (s *site) dial(t *testing.T, id, version string) *gorilla.Conn {
	t.Helper()
	dialer := gorilla.Dialer{NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return s.listener.DialContext(ctx, network, address)
	}}
	c, response, err := dialer.DialContext(t.Context(), "ws://lectern.test"+address(id, "websocket", version), nil)
	require.NoError(t, err)
	_ = response.Body.Close()
	return c
}

func say(t *testing.T, c *gorilla.Conn, packets ...string) {
	t.Helper()
	for _, packet := range packets {
		require.NoError(t, c.WriteMessage(gorilla.TextMessage, []byte(packet)))
	}
}

// hear reads text messages.
func hear(t *testing.T, c *gorilla.Conn, want ...string) {
	t.Helper()
	for _, packet := range want {
		kind, got, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, gorilla.TextMessage, kind)
		require.Equal(t, packet, string(got))
	}
}

// hearEnd reads until the connection has ended.
func hearEnd(c *gorilla.Conn) {
	for {
		if _, _, err := c.ReadMessage(); err != nil {
			_ = c.Close()
			return
		}
	}
}

func textOf(packets ...string) string { return strings.Join(packets, string(rune(separator))) }
