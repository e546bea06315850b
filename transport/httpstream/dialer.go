package httpstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/lectern-go/lectern/transport"
)

// A Dialer connects to a handler of this package. It is a transport.Dialer. Its fields must
// not be changed once it is in use.
type Dialer struct {
	// URL is where the handler is: http://host/path, or https://host/path for TLS, without
	// the open, stream, poll or send behind it; with a query where the server wants one, which
	// goes along with each request. A query is left out of errors, since it may be secret.
	URL string

	// Header is sent with each request: a token or a cookie, an Origin where the
	// server demands one. "Host" replaces the host of the URL in the requests.
	Header http.Header

	// HTTPClient makes the requests; its Timeout is not used, and no redirect is followed. Nil
	// means a client of the connection's own, like http.DefaultClient, whose connections are
	// closed with it.
	HTTPClient *http.Client

	// Polls has the messages fetched by polls from the beginning. Otherwise that is done where
	// something on the way holds streams back.
	Polls bool

	// Conn sets up the connections. SendBufferBytes, MessageTimeout and ControlFramesPerSecond
	// in it are not used.
	Conn transport.ConnOptions
}

var (
	_ transport.Dialer      = Dialer{}
	_ transport.FirstDialer = Dialer{}

	_ transport.FirstTokenDialer = Dialer{}
)

// RefusedError is the error of a Dial to which a server has answered, but not by
// opening a connection, and of a Read where it has refused to go on with one.
type RefusedError struct {
	// StatusCode is the status of its answer, for instance 503.
	StatusCode int
	// Text is the first line of its answer, for people. It is what the server
	// says, at most 200 bytes of it.
	Text string
}

func (e *RefusedError) Error() string {
	message := fmt.Sprintf("refused with status %d %s", e.StatusCode, http.StatusText(e.StatusCode))
	if e.Text != "" {
		message += fmt.Sprintf(": %q", e.Text)
	}
	return message
}

// Dial connects, bounded by the context alone. Where a server has answered and
// refused, the error matches a *RefusedError; one that has given the reason for which it would close
// the connection, as a hub does that has too many of them, has made one that is closed.
func (d Dialer) Dial(ctx context.Context) (transport.Conn, error) { return d.dial(ctx, nil) }

// DialFirst is that of transport.FirstDialer. The message goes along in the body of the open,
// and is always sent.
func (d Dialer) DialFirst(ctx context.Context, message []byte) (conn transport.Conn, sent bool, err error) {
	conn, err = d.dial(ctx, appendLine(nil, message))
	return conn, err == nil, err
}

// FirstMayHoldToken is that of transport.FirstTokenDialer: true, since bodies of requests are
// not written to logs.
func (d Dialer) FirstMayHoldToken() bool { return true }

func (d Dialer) dial(ctx context.Context, body []byte) (transport.Conn, error) {
	if err := d.Conn.Check(); err != nil {
		return nil, err
	}
	u, err := parseURL(d.URL)
	if err != nil {
		return nil, fmt.Errorf("httpstream: %w", err)
	}
	c := newDialled(d, u)
	if err = c.open(ctx, body); err != nil {
		c.letGo()
		if ctx.Err() != nil {
			err = context.Cause(ctx) // whatever it looks like from below
		}
		return nil, fmt.Errorf("httpstream: dial %s://%s%s: %w", u.Scheme, u.Host, u.EscapedPath(), withoutURL(err))
	}
	if c.readErr == nil {
		c.start()
	}
	return c, nil
}

// withoutURL is the error of a request without the URL, whose query may be secret.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("the URL cannot be read: %w", withoutURL(err))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("the URL has to begin with http:// or https://, not with %q", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("the URL names no host")
	case u.User != nil:
		return nil, errors.New("the URL must not hold a user: use the Authorization header")
	case u.Fragment != "":
		return nil, errors.New("the URL must not have a fragment")
	}
	return u, nil
}

// client is what makes the requests, and what closes its connections, or nil.
func (d Dialer) client() (client *http.Client, own *owned) {
	client = new(http.Client)
	if d.HTTPClient != nil {
		*client = *d.HTTPClient
	} else {
		own = newOwned()
		client.Transport = own.transport
	}
	client.Timeout = 0
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client, own
}

// open makes the connection.
func (c *dialled) open(ctx context.Context, body []byte) error {
	request, err := c.request(ctx, http.MethodPost, "open", body)
	if err != nil {
		return err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var o opened
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxOpened))
	if response.StatusCode != http.StatusOK {
		if f, ok := farewellIn(response, answer); ok {
			c.closedByServer(f)
			return nil
		}
		return refusal(response.StatusCode, answer)
	}
	if err == nil {
		err = json.Unmarshal(answer, &o)
	}
	if err != nil {
		return fmt.Errorf("the answer cannot be read: %w", err)
	}
	if _, ok := parseSecret(o.Connection); !ok {
		return errors.New("the answer names no connection")
	}
	c.secret, c.opened = o.Connection, o
	return nil
}

// maxOpened bounds the answer to an open.
const maxOpened = 4 << 10

// request makes one of the connection.
func (c *dialled) request(ctx context.Context, method, endpoint string, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.url.JoinPath(endpoint).String(), nil)
	if err != nil {
		return nil, err
	}
	for name, values := range c.header {
		r.Header[name] = values
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
		r.Header.Del("Host")
	}
	if method == http.MethodPost {
		r.ContentLength = int64(len(body))
		r.GetBody = func() (io.ReadCloser, error) { return c.counted(body), nil }
		r.Body = c.counted(body)
		r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	return r, nil
}

// counted is a body that tells how much of it has been taken.
func (c *dialled) counted(body []byte) io.ReadCloser {
	if len(body) == 0 {
		return http.NoBody
	}
	return io.NopCloser(&countedBody{bytes.NewReader(body), c})
}

type countedBody struct {
	*bytes.Reader
	conn *dialled
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.conn.took.Add(uint64(n))
	return n, err
}

// WriteTo would keep what is taken from being counted.
func (b *countedBody) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{b})
}

// farewellIn reports whether the answer says why the connection is closed.
func farewellIn(response *http.Response, answer []byte) (farewell, bool) {
	if response.Header.Get("Content-Type") != "application/json" {
		return farewell{}, false
	}
	return parseFarewell(answer)
}

// refusal is the error of an answer with that status, whose body begins so.
func refusal(status int, start []byte) error {
	text, _, _ := strings.Cut(strings.TrimSpace(string(start[:min(len(start), 200)])), "\n")
	return &RefusedError{StatusCode: status, Text: strings.ToValidUTF8(strings.TrimSpace(text), "")}
}
