package httpstream_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/httpstream"
)

var goodbye = transport.Reason{Code: transport.Left, Text: "goodbye"}

// A service is a transport.Server that hands out its connections.
type service struct {
	accepted chan served
	done     chan struct{} // closed as the test ends
}

type served struct {
	transport.Conn
	ctx context.Context
}

func newService() *service {
	return &service{accepted: make(chan served, 1000), done: make(chan struct{})}
}

func (s *service) Serve(ctx context.Context, conn transport.Conn) error {
	s.accepted <- served{conn, ctx}
	<-s.done
	return conn.Close(transport.Reason{Code: transport.Shutdown})
}

func (s *service) accept(t testing.TB) served {
	t.Helper()
	select {
	case conn := <-s.accepted:
		return conn
	case <-time.After(time.Minute):
		require.FailNow(t, "no connection was accepted")
		return served{}
	}
}

// A way is how HTTP is spoken.
type way struct {
	secure, http2, polls bool
}

// A plugged is a connection that can be broken.
type plugged interface {
	net.Conn
	Cut()
	Silence()
}

// A link has all connections of one client.
type link struct {
	dial func(ctx context.Context) (plugged, error)

	mu     sync.Mutex
	conns  []plugged
	silent bool
}

func (l *link) connect(ctx context.Context, _, _ string) (net.Conn, error) {
	conn, err := l.dial(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, conn)
	if l.silent {
		conn.Silence()
	}
	return conn, nil
}

// silence makes the link go dead, for connections that are made later too.
func (l *link) silence() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent = true
	for _, conn := range l.conns {
		conn.Silence()
	}
}

// cut breaks all connections that there are.
func (l *link) cut() {
	l.mu.Lock()
	conns := l.conns
	l.conns = nil
	l.mu.Unlock()
	for _, conn := range conns {
		conn.Cut()
	}
}

// close closes what is left: a connection of HTTP/2 that waits for an answer is not idle.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.conns {
		_ = conn.Close()
	}
}

// dialer has a client of its own, which is closed as the test ends.
func (l *link) dialer(t testing.TB, w way, conn transport.ConnOptions) httpstream.Dialer {
	t.Helper()
	d := httpstream.Dialer{URL: "http://lectern.test/class", Polls: w.polls, Conn: conn}
	client := &http.Transport{DialContext: l.connect}
	if w.secure {
		d.URL = "https://lectern.test/class"
		_, config := memnet.TLS()
		client.TLSClientConfig = config.Clone()
		if w.http2 {
			client.ForceAttemptHTTP2 = true
		} else {
			client.TLSClientConfig.NextProtos = []string{"http/1.1"}
		}
	}
	d.HTTPClient = &http.Client{Transport: client}
	t.Cleanup(l.close)
	t.Cleanup(client.CloseIdleConnections)
	return d
}

// serve has the handler served on the listener until the test ends, with the settings that the
// package's documentation recommends.
func serve(t testing.TB, w way, listener net.Listener, handler http.Handler) {
	t.Helper()
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0),
		Protocols:         new(http.Protocols),
	}
	server.Protocols.SetHTTP1(!w.http2)
	server.Protocols.SetHTTP2(w.http2)
	var serving sync.WaitGroup
	serving.Go(func() {
		if w.secure {
			config, _ := memnet.TLS()
			server.TLSConfig = config.Clone()
			_ = server.ServeTLS(listener, "", "")
			return
		}
		_ = server.Serve(listener)
	})
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
		if _, inMemory := listener.(*memnet.Listener); inMemory {
			time.Sleep(5 * time.Second) // in which what closes has its time, and the answers of the http.Server
		}
	})
}

// A site is a handler on a network in memory.
type site struct {
	service  *service
	listener *memnet.Listener
	way      way
}

func newSite(t testing.TB, w way, options httpstream.Options) *site {
	t.Helper()
	s := &site{service: newService(), listener: memnet.Listen(), way: w}
	serve(t, w, s.listener, httpstream.NewHandler(s.service, options))
	t.Cleanup(func() { close(s.service.done) })
	return s
}

func (s *site) link() *link {
	return &link{dial: func(ctx context.Context) (plugged, error) {
		conn, err := s.listener.Dial(ctx)
		if err != nil {
			return nil, err
		}
		return conn, nil
	}}
}

// connect makes a connection, and returns both its ends.
func (s *site) connect(t testing.TB, d httpstream.Dialer) (transport.Conn, served) {
	t.Helper()
	client, err := d.Dial(t.Context())
	require.NoError(t, err)
	return client, s.service.accept(t)
}
