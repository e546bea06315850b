package websocket

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	gorilla "github.com/gorilla/websocket"

	"github.com/lectern-go/lectern/internal/websocket"
	"github.com/lectern-go/lectern/transport"
)

// A Dialer connects to a handler of this package, or to another WebSocket
// server. It is a transport.Dialer. Its fields must not be changed once it is
// in use.
type Dialer struct {
	// URL is where to connect to: ws://host/path, or wss://host/path for TLS,
	// either with a port where it is not the default one, and with a query where
	// the server wants one. A query is left out of errors, since it may be
	// secret.
	URL string

	// Header is sent with the handshake: a token or a cookie, an Origin where
	// the server demands one. "Host" replaces the host of the URL in the
	// request. Those of the handshake itself must not be in it.
	Header http.Header

	// TLSConfig is for wss. Nil is the default configuration. An empty
	// ServerName is the URL's host, without a zone.
	TLSConfig *tls.Config

	// NetDialContext makes the connections beneath WebSocket and TLS, for
	// instance through a proxy: none is used otherwise. Nil dials the network
	// with a net.Dialer.
	NetDialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// PlainHandshake keeps DialFirst from sending a message along, for where something
	// on the way does not let such a handshake pass.
	PlainHandshake bool

	// TokenInHandshake lets a client's first message go along with the handshake where it
	// has a token for the service in it too. Otherwise such a message is sent after
	// it, at the cost of a round trip: headers of requests are often written to logs, by
	// servers and by proxies on the way.
	TokenInHandshake bool

	// Conn sets up the connections. SendBufferBytes in it is not used: the buffer
	// is left to the system.
	Conn transport.ConnOptions
}

var (
	_ transport.Dialer      = Dialer{}
	_ transport.FirstDialer = Dialer{}

	_ transport.FirstTokenDialer = Dialer{}
)

// RefusedError is the error of a Dial to which a server has answered, but not by
// opening a connection.
type RefusedError struct {
	// StatusCode is the status of its answer, for instance 403. It is 101
	// where the server did switch protocols, but not as WebSocket demands it.
	StatusCode int
	// Text is the first line of its answer, for people. It is what the server
	// says, at most 200 bytes of it.
	Text string
}

func (e *RefusedError) Error() string {
	if e.StatusCode == http.StatusSwitchingProtocols {
		return fmt.Sprintf("the server's handshake is not that of WebSocket: %s", e.Text)
	}
	message := fmt.Sprintf("refused with status %d %s", e.StatusCode, http.StatusText(e.StatusCode))
	if e.Text != "" {
		message += fmt.Sprintf(": %q", e.Text)
	}
	return message
}

// Dial connects, bounded by the context alone. Where a server has answered and
// refused, the error matches a *RefusedError.
func (d Dialer) Dial(ctx context.Context) (transport.Conn, error) {
	conn, _, err := d.dialOffering(ctx, []string{Subprotocol})
	return conn, err
}

// DialFirst is that of transport.FirstDialer. A message of at most 2,048 bytes goes
// along as a subprotocol, in base64, where the server is a handler of this package.
// It is in the header of the request then, which some servers write to a log.
func (d Dialer) DialFirst(ctx context.Context, message []byte) (conn transport.Conn, sent bool, err error) {
	offered := []string{Subprotocol}
	if len(message) <= websocket.MaxFirst && !d.PlainHandshake {
		offered = []string{Subprotocol, FirstSubprotocol, websocket.FirstProtocol(FirstSubprotocol, message)}
	}
	conn, chosen, err := d.dialOffering(ctx, offered)
	return conn, chosen == FirstSubprotocol, err
}

// FirstMayHoldToken is that of transport.FirstTokenDialer: TokenInHandshake.
func (d Dialer) FirstMayHoldToken() bool { return d.TokenInHandshake }

func (d Dialer) dialOffering(ctx context.Context, offered []string) (_ transport.Conn, chosen string, err error) {
	if err := d.Conn.Check(); err != nil {
		return nil, "", err
	}
	u, err := parseURL(d.URL)
	if err != nil {
		return nil, "", fmt.Errorf("websocket: %w", err)
	}
	conn, chosen, err := d.dial(ctx, u, offered)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // whatever it looks like from below
		}
		return nil, "", fmt.Errorf("websocket: dial %s://%s%s: %w", u.Scheme, u.Host, u.EscapedPath(), err)
	}
	return conn, chosen, nil
}

func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err // without the URL
		}
		return nil, fmt.Errorf("the URL cannot be read: %w", err)
	}
	switch {
	case u.Scheme != "ws" && u.Scheme != "wss":
		return nil, fmt.Errorf("the URL has to begin with ws:// or wss://, not with %q", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("the URL names no host")
	case u.User != nil:
		return nil, errors.New("the URL must not hold a user: use the Authorization header")
	case u.Fragment != "":
		return nil, errors.New("the URL must not have a fragment")
	}
	return u, nil
}

func (d Dialer) dial(ctx context.Context, u *url.URL, offered []string) (_ transport.Conn, chosen string, err error) {
	var (
		s    *websocket.Socket
		stop func() bool
	)
	connect := func(_ context.Context, network, address string) (net.Conn, error) {
		c, err := d.connect(ctx, network, address, u)
		if err != nil {
			return nil, err
		}
		s = websocket.NewSocket(c)
		stop = context.AfterFunc(ctx, func() { s.Cut() })
		return s, nil
	}
	dialer := gorilla.Dialer{
		NetDialContext:    connect,
		NetDialTLSContext: connect,
		Subprotocols:      offered,
		WriteBufferPool:   websocket.NoBuffers{},
	}
	// The library minds a context's deadline, but not its cancellation, and not
	// in the same instant either. So it gets neither.
	_, response, err := dialer.DialContext(context.WithoutCancel(ctx), u.String(), d.Header)
	if err == nil {
		chosen, err = checkResponse(response, offered)
	}
	if stop != nil && !stop() && err == nil {
		err = context.Cause(ctx) // and the connection is cut
	}
	if err != nil {
		if s != nil {
			s.Cut()
		}
		if errors.Is(err, gorilla.ErrBadHandshake) {
			err = refused(response)
		}
		return nil, "", err
	}
	options := d.Conn.WithDefaults(nil)
	return websocket.NewConn(s, true, &options), chosen, nil
}

// connect makes the connection that WebSocket is spoken on.
func (d Dialer) connect(ctx context.Context, network, address string, u *url.URL) (net.Conn, error) {
	dial := d.NetDialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	c, err := dial(ctx, network, address)
	if err != nil || u.Scheme != "wss" {
		return c, err
	}
	config := d.TLSConfig.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	config.ServerName = cmp.Or(config.ServerName, certified(u.Hostname()))
	config.NextProtos = []string{"http/1.1"} // there is no WebSocket of this kind over HTTP/2
	secure := tls.Client(c, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return secure, nil
}

// certified is the host as certificates name it: a zone says which of this machine's
// interfaces leads to an address, and is no part of it.
func certified(host string) string {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.WithZone("").String()
	}
	return host
}

// checkResponse refuses what was not offered: the library takes compression
// all the same. It returns the subprotocol that was chosen, or none.
func checkResponse(response *http.Response, offered []string) (chosen string, err error) {
	if len(response.Header.Values("Sec-Websocket-Extensions")) > 0 {
		return "", &RefusedError{StatusCode: response.StatusCode, Text: "it chose an extension that was not offered"}
	}
	switch all := response.Header[websocket.ProtocolHeader]; {
	case len(all) == 0:
		return "", nil
	case len(all) == 1 && slices.Contains(offered, all[0]):
		return all[0], nil
	}
	return "", &RefusedError{StatusCode: response.StatusCode, Text: "it chose a subprotocol that was not offered"}
}

func refused(response *http.Response) error {
	e := &RefusedError{StatusCode: response.StatusCode}
	if e.StatusCode == http.StatusSwitchingProtocols {
		e.Text = "it does not prove that it has read the request"
		return e
	}
	start, _ := io.ReadAll(io.LimitReader(response.Body, 200))
	e.Text, _, _ = strings.Cut(strings.TrimSpace(string(start)), "\n")
	e.Text = strings.ToValidUTF8(strings.TrimSpace(e.Text), "")
	return e
}
