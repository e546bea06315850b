package websocket_test

import (
	"context"
	"crypto/tls"
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
	"github.com/lectern-go/lectern/transport/websocket"
)

// A service is a transport.Server that hands out its connections to the test.
type service struct {
	accepted chan served
	done     chan struct{} // lets every Serve return
}

type served struct {
	transport.Conn
	ctx context.Context
}

func newService() *service {
	return &service{accepted: make(chan served, 16), done: make(chan struct{})}
}

func (s *service) Serve(ctx context.Context, conn transport.Conn) error {
	s.accepted <- served{conn, ctx}
	<-s.done
	return nil
}

func (s *service) accept(t testing.TB) served {
	t.Helper()
	select {
	case conn := <-s.accepted:
		return conn
	case <-time.After(20 * time.Second):
		t.Fatal("the handler has not served the connection")
		return served{}
	}
}

// A site is an http.Server on a network in memory.
type site struct {
	service  *service
	listener *memnet.Listener
	server   *http.Server
}

// newSite serves until the test ends. Edit may be nil.
func newSite(t testing.TB, options websocket.Options, edit func(*http.Server)) *site {
	return newSiteBehind(t, nil, options, edit)
}

// newSiteBehind has wrap make the listener, where it is not nil.
func newSiteBehind(t testing.TB, wrap func(net.Listener) net.Listener, options websocket.Options, edit func(*http.Server)) *site {
	s := &site{service: newService(), listener: memnet.Listen()}
	s.server = &http.Server{
		Handler:  websocket.NewHandler(s.service, options),
		ErrorLog: log.New(io.Discard, "", 0),
		// As the package's documentation recommends.
		ReadHeaderTimeout: 5 * time.Second,
		MaxHeaderBytes:    16 << 10,
		IdleTimeout:       time.Minute,
	}
	if edit != nil {
		edit(s.server)
	}
	var listener net.Listener = s.listener
	if wrap != nil {
		listener = wrap(listener)
	}
	var serving sync.WaitGroup
	serving.Go(func() { s.server.Serve(listener) })
	t.Cleanup(func() {
		close(s.service.done)
		s.server.Close()
		serving.Wait()
	})
	return s
}

func (s *site) dialer() websocket.Dialer {
	return websocket.Dialer{
		URL:            "ws://lectern.test/ws",
		NetDialContext: s.listener.DialContext,
		Conn:           transport.ConnOptions{ProbeAfter: -1},
	}
}

// connect dials the site and returns both ends.
func (s *site) connect(t testing.TB, d websocket.Dialer) (client transport.Conn, server served) {
	t.Helper()
	client, err := d.Dial(t.Context())
	require.NoError(t, err)
	return client, s.service.accept(t)
}

// overTLS is for newSiteBehind.
func overTLS(l net.Listener) net.Listener { return tls.NewListener(l, certificate().server) }

type tlsConfigs struct{ server, client *tls.Config }

// certificate is memnet.TLS for a web server, which also offers HTTP/2.
var certificate = sync.OnceValue(func() tlsConfigs {
	server, client := memnet.TLS()
	server = server.Clone()
	server.NextProtos = []string{"h2", "http/1.1"}
	return tlsConfigs{server, client}
})
