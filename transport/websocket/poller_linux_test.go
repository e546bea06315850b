package websocket_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/transporttest"
	"github.com/lectern-go/lectern/transport/websocket"
)

// An acceptor is a server that is given the messages, and has them read from its
// connections all the same.
type acceptor struct {
	accepted chan *started
	ended    sync.WaitGroup
}

// Serve is for nobody who knows better.
func (s *acceptor) Serve(context.Context, transport.Conn) error { panic("served") }

func (s *acceptor) Accept(_ context.Context, conn transport.Conn) (transport.Receiver, error) {
	c := &started{Conn: conn, server: s, messages: make(chan []byte), pauses: make(chan struct{}, 1), closing: make(chan struct{}), ended: make(chan struct{})}
	s.ended.Add(1)
	s.accepted <- c
	return c, nil
}

// A started is both a receiver and the transport.Conn that it is the receiver of.
type started struct {
	transport.Conn
	server   *acceptor
	messages chan []byte
	once     sync.Once
	pauses   chan struct{}
	closing  chan struct{}
	ended    chan struct{}
	err      error
}

func (c *started) Receive(message []byte) error {
	select {
	case c.messages <- append([]byte{}, message...):
		return nil
	case <-c.closing:
		return net.ErrClosed
	}
}

// Pause does not block where nobody listens.
func (c *started) Pause() {
	select {
	case c.pauses <- struct{}{}:
	default:
	}
}

func (c *started) End(err error) error {
	c.err = err
	close(c.ended)
	<-c.closing
	c.Conn.Close(goodbye)
	c.server.ended.Done()
	return err
}

func (c *started) Read() ([]byte, error) {
	select {
	case <-c.closing:
		return nil, net.ErrClosed
	default:
	}
	select {
	case message := <-c.messages:
		return message, nil
	case <-c.ended:
		return nil, c.err
	}
}

func (c *started) Close(reason transport.Reason) error {
	err := c.Conn.Close(reason)
	c.once.Do(func() { close(c.closing) })
	return err
}

// A polledSite is an http.Server on a real network, with an acceptor.
type polledSite struct {
	*acceptor
	handler  http.Handler
	listener net.Listener
}

func newPolledSite(t testing.TB, network string, options websocket.Options, edit func(*polledSite, *http.Server)) *polledSite {
	s := &polledSite{acceptor: &acceptor{accepted: make(chan *started, 2000)}}
	s.handler = websocket.NewHandler(s.acceptor, options)
	address := "127.0.0.1:0"
	if network == "unix" {
		address = t.TempDir() + "/socket"
	}
	var err error
	s.listener, err = net.Listen(network, address)
	require.NoError(t, err)
	server := &http.Server{Handler: s.handler, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	if edit != nil {
		edit(s, server)
	}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(s.listener) })
	t.Cleanup(func() {
		server.Close()
		serving.Wait()
		s.ended.Wait()
		_, running := websocket.Polled(s.handler)
		require.False(t, running, "the poller ends with its last connection")
	})
	return s
}

func (s *polledSite) accept(t testing.TB) *started {
	t.Helper()
	select {
	case c := <-s.accepted:
		return c
	case <-time.After(20 * time.Second):
		t.Fatal("the handler has not served the connection")
		return nil
	}
}

func (s *polledSite) dial(t testing.TB) net.Conn {
	c, err := net.Dial(s.listener.Addr().Network(), s.listener.Addr().String())
	require.NoError(t, err)
	return c
}

// connect returns a client that is no more than a socket.
func (s *polledSite) connect(t testing.TB) (*bufio.ReadWriter, net.Conn, *started) {
	t.Helper()
	c := s.dial(t)
	rw := bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c))
	_, err := io.WriteString(c, handshake+"\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(rw.Reader, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	return rw, c, s.accept(t)
}

func TestConformancePolled(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			transporttest.TestConn(t, func(t testing.TB, settings transporttest.Settings) transporttest.Pair {
				return polledPair(t, network, settings, nil)
			})
		})
	}
}

// The same where the first message has come along with the handshake.
func TestConformancePolledAfterTheFirst(t *testing.T) {
	t.Parallel()
	transporttest.TestConn(t, func(t testing.TB, settings transporttest.Settings) transporttest.Pair {
		pair := newPolledPair(t, "tcp", settings, nil, func(ctx context.Context, d websocket.Dialer) (transport.Conn, error) {
			client, sent, err := d.DialFirst(ctx, []byte("{}"))
			require.True(t, sent)
			return client, err
		})
		message, err := pair.B.Read()
		require.NoError(t, err)
		require.Equal(t, "{}", string(message))
		return pair
	})
}

// The same without a poller: what cannot be polled is read by goroutines.
func TestConformanceNotPolled(t *testing.T) {
	certificate()
	for name, edit := range map[string]func(*polledSite, *http.Server){
		"no epoll": func(s *polledSite, _ *http.Server) { websocket.WithoutEpoll(s.handler) },
		"wrapped":  func(s *polledSite, _ *http.Server) { s.listener = wrapping{s.listener} },
		"TLS": func(s *polledSite, _ *http.Server) {
			s.listener = tls.NewListener(s.listener, certificate().server)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transporttest.TestConn(t, func(t testing.TB, settings transporttest.Settings) transporttest.Pair {
				return polledPair(t, "tcp", settings, edit)
			})
		})
	}
}

// wrapping is a listener whose connections are more than sockets.
type wrapping struct{ net.Listener }

func (l wrapping) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &memnet.Socket{TCPConn: c.(*net.TCPConn)}, nil
}

func polledPair(t testing.TB, network string, settings transporttest.Settings, edit func(*polledSite, *http.Server)) transporttest.Pair {
	return newPolledPair(t, network, settings, edit, func(ctx context.Context, d websocket.Dialer) (transport.Conn, error) {
		return d.Dial(ctx)
	})
}

// newPolledPair has dial make the connection.
func newPolledPair(t testing.TB, network string, settings transporttest.Settings, edit func(*polledSite, *http.Server),
	dial func(context.Context, websocket.Dialer) (transport.Conn, error)) transporttest.Pair {
	s := newPolledSite(t, network, handlerOptions(settings), edit)
	var raw *plugged
	dialer := websocket.Dialer{
		URL: "ws://127.0.0.1/ws",
		NetDialContext: func(context.Context, string, string) (net.Conn, error) {
			raw = &plugged{Conn: s.dial(t)}
			sized := raw.Conn.(interface {
				SetReadBuffer(int) error
				SetWriteBuffer(int) error
			})
			_ = sized.SetReadBuffer(64 << 10)
			_ = sized.SetWriteBuffer(64 << 10)
			return raw, nil
		},
		Conn: connOptions(settings),
	}
	if _, plain := s.listener.(*net.TCPListener); !plain && network == "tcp" {
		if _, wrapped := s.listener.(wrapping); !wrapped {
			dialer.URL, dialer.TLSConfig = "wss://127.0.0.1/ws", certificate().client
		}
	}
	client, err := dial(t.Context(), dialer)
	require.NoError(t, err)
	server := s.accept(t)
	t.Cleanup(func() {
		client.Close(goodbye)
		server.Close(goodbye)
	})
	return transporttest.Pair{A: client, B: server, Cut: raw.cut, Silence: func() { raw.silent.Store(true) }}
}

// A plugged is a connection of any network with a plug to pull.
type plugged struct {
	net.Conn
	silent atomic.Bool
}

func (c *plugged) cut() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0) // so that the peer gets a reset
	}
	c.Close()
}

func (c *plugged) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.silent.Load() {
			return n, err
		}
	}
}

func (c *plugged) Write(p []byte) (int, error) {
	if c.silent.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *plugged) CloseWrite() error {
	if c.silent.Load() {
		return nil
	}
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// A returner is an acceptor that reads no context, which the handler cannot know
// before.
type returner struct{ *acceptor }

func (s returner) Accept(ctx context.Context, conn transport.Conn) (transport.Receiver, error) {
	transport.ReturnContext(ctx)
	return s.acceptor.Accept(ctx, conn)
}

// A connection that waits has no goroutine, whatever it has had before.
func TestIdleConnectionsHaveNoGoroutine(t *testing.T) {
	const count = 300
	s := newPolledSite(t, "tcp", websocket.Options{}, func(s *polledSite, server *http.Server) {
		s.handler = websocket.NewHandler(returner{s.acceptor}, websocket.Options{})
		server.Handler = s.handler
	})
	_, first, server := s.connect(t)
	require.NoError(t, first.Close())
	_, err := server.Read()
	require.Error(t, err)
	before := runtime.NumGoroutine()
	var clients []net.Conn
	var servers []*started
	for range count {
		_, client, server := s.connect(t)
		clients, servers = append(clients, client), append(servers, server)
	}
	idle := func() int {
		connections, _ := websocket.Polled(s.handler)
		require.Equal(t, count, connections)
		return runtime.NumGoroutine() - before
	}
	for i, client := range clients {
		_, err := client.Write(append(frame(fin|opPing, "x"), frame(fin|opText, "{}")...))
		require.NoError(t, err)
		message, err := servers[i].Read()
		require.NoError(t, err)
		require.Equal(t, "{}", string(message))
	}
	for idle() >= 20 {
		runtime.Gosched() // whoever has read a message is about to end still
	}
	for i, client := range clients {
		client.Close()
		_, err := servers[i].Read()
		require.Error(t, err)
		servers[i].Close(goodbye)
	}
	server.Close(goodbye)
}

// Silence is noticed without a goroutine or a deadline that waits for it.
func TestSilencePolled(t *testing.T) {
	// This one answers.
	s := newPolledSite(t, "tcp", websocket.Options{Conn: transport.ConnOptions{ProbeAfter: 20 * time.Millisecond, GiveUp: time.Minute}}, nil)
	lively, client, lasting := s.connect(t)
	answered := make(chan error, 1)
	pings := make(chan struct{}, 1000)
	go func() {
		for {
			head, err := lively.ReadByte()
			if err != nil || head != fin|opPing {
				answered <- err
				return
			}
			lively.ReadByte()
			if _, err := client.Write(frame(fin|opPong, "")); err != nil {
				answered <- err
				return
			}
			pings <- struct{}{}
		}
	}()
	const probeAfter, giveUp = 50 * time.Millisecond, 100 * time.Millisecond
	impatient := newPolledSite(t, "tcp", websocket.Options{Conn: transport.ConnOptions{ProbeAfter: probeAfter, GiveUp: giveUp}}, nil)
	for range 3 {
		began := time.Now()
		received, client, server := impatient.connect(t)
		_, err := server.Read()
		require.ErrorIs(t, err, transport.ErrSilent)
		require.GreaterOrEqual(t, time.Since(began), probeAfter+giveUp)
		head, err := received.ReadByte()
		require.NoError(t, err)
		require.Equal(t, byte(fin|opPing), head)
		server.Close(goodbye)
		client.Close()
	}
	for range 5 {
		<-pings
	}
	_, err := client.Write(frame(fin|opText, "{}"))
	require.NoError(t, err)
	message, err := lasting.Read()
	require.NoError(t, err)
	require.Equal(t, "{}", string(message))
	client.Close()
	<-answered
	lasting.Close(goodbye)
}

// Frames that come in pieces are whole messages in the end, or the end.
func TestPiecesPolled(t *testing.T) {
	s := newPolledSite(t, "tcp", websocket.Options{}, nil)
	sent := append(frame(opText, "{"), frame(fin|opPing, "ping")...)
	sent = append(sent, frame(fin|opContinuation, "}")...)
	sent = append(sent, frame(fin|opPong, "")...)
	sent = append(sent, frame(fin|opBinary, strings.Repeat("x", 300))...)
	for at := 1; at < len(sent); at += 3 {
		_, client, server := s.connect(t)
		_, err := client.Write(sent[:at])
		require.NoError(t, err)
		runtime.Gosched()
		_, err = client.Write(sent[at:])
		require.NoError(t, err)
		for _, want := range []string{"{}", strings.Repeat("x", 300)} {
			got, err := server.Read()
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		}
		_, err = client.Write(sent[:at])
		require.NoError(t, err)
		client.(*net.TCPConn).CloseWrite()
		for err == nil {
			_, err = server.Read()
		}
		require.NotErrorIs(t, err, net.ErrClosed)
		server.Close(goodbye)
		client.Close()
	}
	// What never ends is given up.
	s = newPolledSite(t, "tcp", websocket.Options{Conn: transport.ConnOptions{MessageTimeout: 100 * time.Millisecond}}, nil)
	_, client, server := s.connect(t)
	_, err := client.Write(frame(opText, "{"))
	require.NoError(t, err)
	_, err = server.Read()
	require.ErrorIs(t, err, transport.ErrSlow)
	server.Close(goodbye)
	client.Close()
}

// Many connections come and go at once, each way of going with the others.
func TestComingAndGoingPolled(t *testing.T) {
	const workers, rounds = 20, 50
	s := newPolledSite(t, "tcp", websocket.Options{}, nil)
	var servers, clients sync.WaitGroup
	servers.Go(func() {
		for i := range workers * rounds {
			c := s.accept(t)
			servers.Go(func() {
				defer c.Close(goodbye)
				if i%5 == 0 {
					c.Close(goodbye)
				}
				for {
					message, err := c.Read()
					if err != nil {
						return
					}
					if err := c.Write(message); err != nil {
						return
					}
				}
			})
		}
	})
	for range workers {
		clients.Go(func() {
			for i := range rounds {
				client, err := websocket.Dialer{URL: "ws://" + s.listener.Addr().String()}.Dial(context.Background())
				if err != nil {
					t.Errorf("dial: %v", err)
					return
				}
				text := fmt.Sprintf(`{"round":%d}`, i)
				if client.Write([]byte(text)) == nil {
					got, err := client.Read()
					var closed *transport.CloseError
					if err == nil && string(got) != text || err != nil && !errors.As(err, &closed) {
						t.Errorf("read %q: %v", got, err)
					}
				}
				client.Close(goodbye)
			}
		})
	}
	clients.Wait()
	servers.Wait()
}
