package servers

import (
	"context"
	"errors"
	"net"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/httpstream"
	"github.com/lectern-go/lectern/transport/netconn"
	"github.com/lectern-go/lectern/transport/socketio"
	"github.com/lectern-go/lectern/transport/websocket"
)

// policy is the default one, but that the load is not refused for its rate.
var policy = lectern.Policy{FrameRate: lectern.RateLimit{PerSecond: -1}, SlaveMessageRate: lectern.RateLimit{PerSecond: -1}, MembershipRate: lectern.RateLimit{PerSecond: -1}}

// newLectern is Lectern over WebSocket, as the README has it. Which form of the
// protocol it speaks is the client's to choose.
func newLectern() (Server, error) { return newLecternOn(listen) }

// newLecternWrapped is the same on connections that something has been put around,
// as one that counts bytes: so they are no sockets to Lectern.
func newLecternWrapped() (Server, error) {
	return newLecternOn(func() (net.Listener, error) {
		listener, err := listen()
		return wrapping{listener}, err
	})
}

// newLecternHTTPStream is Lectern over plain HTTP: streams over HTTP/1.1, and POSTs.
func newLecternHTTPStream() (Server, error) {
	hub, err := lectern.NewHub(policy)
	if err != nil {
		return nil, err
	}
	// The bench's connections share those for POSTs, and do not have their own bounds.
	options := httpstream.Options{Conn: transport.ConnOptions{ControlFramesPerSecond: -1}}
	return serveHTTPOn(listen, httpstream.NewHandler(hub, options), told, hub.Close)
}

func newLecternOn(listen func() (net.Listener, error)) (Server, error) {
	hub, err := lectern.NewHub(policy)
	if err != nil {
		return nil, err
	}
	return serveHTTPOn(listen, websocket.NewHandler(hub, websocket.Options{}), told, hub.Close)
}

// newLecternSocketIO is Lectern for socket.io's clients.
func newLecternSocketIO() (Server, error) {
	hub, err := lectern.NewHub(policy)
	if err != nil {
		return nil, err
	}
	return serveHTTPOn(listen, socketio.NewHandler(hub, socketio.Options{}), told, hub.Close)
}

type wrapping struct{ net.Listener }

func (w wrapping) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return struct{ net.Conn }{c}, nil
}

// told: members know by the answer that they have joined.
func told() int { return -1 }

type netconnServer struct {
	listener net.Listener
	hub      *lectern.Hub
	stop     context.CancelFunc
	served   chan error
}

// newLecternNetconn is Lectern over TCP.
func newLecternNetconn() (Server, error) {
	hub, err := lectern.NewHub(policy)
	if err != nil {
		return nil, err
	}
	listener, err := listen()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &netconnServer{listener: listener, hub: hub, stop: cancel, served: make(chan error, 1)}
	go func() { s.served <- netconn.Serve(ctx, listener, hub, netconn.Options{}) }()
	return s, nil
}

func (s *netconnServer) Addr() net.Addr { return s.listener.Addr() }
func (s *netconnServer) Members() int   { return told() }

func (s *netconnServer) Close() error {
	err := s.hub.Close()
	s.stop()
	return errors.Join(err, <-s.served)
}
