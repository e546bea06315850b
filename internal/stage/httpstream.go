package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/httpstream"
)

const httpURL = "http://lectern.test/class"

func overHTTPStream(t *testing.T, hub *lectern.Hub, p port, polls bool) DialFunc {
	server := &http.Server{
		Handler:           httpstream.NewHandler(hub, httpstream.Options{}),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(p.listener) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
		time.Sleep(time.Second) // in which the http.Server gives its answers time to arrive
	})
	return func(ctx context.Context, first []byte) (transport.Conn, Plug, bool, error) {
		network := &httpNetwork{dial: p.dial}
		network.transport.DialContext = network.connect
		t.Cleanup(network.transport.CloseIdleConnections)
		dialer := httpstream.Dialer{URL: httpURL, HTTPClient: &http.Client{Transport: network}, Polls: polls}
		var conn transport.Conn
		var err error
		if first == nil {
			conn, err = dialer.Dial(ctx)
		} else {
			conn, _, err = dialer.DialFirst(ctx, first)
		}
		if err != nil {
			return nil, nil, false, err
		}
		cut := &cutConn{Conn: conn, network: network}
		return cut, cut, first != nil, nil
	}
}

// A cutConn is a connection of httpstream with a plug. It outlives those of TCP beneath it, and
// nobody but its two ends knows that it is over. So where it is cut, both are told.
type cutConn struct {
	transport.Conn
	network *httpNetwork
	isCut   atomic.Bool
}

var errCut = errors.New("the connection was cut")

// Read is that of the connection.
func (c *cutConn) Read() ([]byte, error) {
	message, err := c.Conn.Read()
	if err != nil && c.isCut.Load() {
		return nil, errCut
	}
	return message, err
}

// Cut is that of Plug. What is on its way is lost.
func (c *cutConn) Cut() {
	if c.isCut.Swap(true) {
		return
	}
	c.network.cut()
	go func() { _ = c.Conn.Close(transport.Reason{Code: transport.Idle}) }()
	go c.network.tellServer()
}

// Close is that of the connection. Where it is cut, nobody waits for what cannot be told.
func (c *cutConn) Close(reason transport.Reason) error {
	if c.isCut.Load() {
		return errCut
	}
	return c.Conn.Close(reason)
}

// Silence is that of Plug.
func (c *cutConn) Silence() { c.network.silence() }

// An httpNetwork has all connections of one client. Once it is cut, or silent, so is each that is
// made later.
type httpNetwork struct {
	dial      func(ctx context.Context) (pluggedConn, error)
	transport http.Transport

	mu        sync.Mutex
	conns     []pluggedConn
	isCut     bool
	silent    bool
	requested http.Header // of a request of the connection
}

// RoundTrip makes a request, and takes note of whose it is.
func (n *httpNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := n.transport.RoundTrip(r)
	if err != nil || path.Base(r.URL.Path) != "open" {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var opened struct{ Connection string }
	if json.Unmarshal(body, &opened) == nil {
		n.mu.Lock()
		n.requested = http.Header{httpstream.ConnectionHeader: {opened.Connection}}
		n.mu.Unlock()
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func (n *httpNetwork) connect(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.isCut {
		return nil, errCut
	}
	conn, err := n.dial(ctx)
	if err != nil {
		return nil, err
	}
	n.conns = append(n.conns, conn)
	if n.silent {
		conn.Silence()
	}
	return conn, nil
}

// cut breaks all connections.
func (n *httpNetwork) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isCut = true
	for _, conn := range n.conns {
		conn.Cut()
	}
}

// tellServer has the server find that the connection is broken.
func (n *httpNetwork) tellServer() {
	n.mu.Lock()
	header := n.requested
	n.mu.Unlock()
	another := http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return n.dial(ctx) }}
	defer another.CloseIdleConnections()
	r, err := http.NewRequest(http.MethodPost, httpURL+"/send", strings.NewReader("what is none of the protocol"))
	if err != nil {
		panic(err)
	}
	r.Header = header
	if response, err := another.RoundTrip(r); err == nil {
		_ = response.Body.Close()
	}
}

func (n *httpNetwork) silence() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent = true
	for _, conn := range n.conns {
		conn.Silence()
	}
}
