package httpstream_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// A byHand makes the requests of a client one by one, each over a connection of its own where the
// test does not say otherwise.
type byHand struct {
	t      testing.TB
	link   *link
	client *http.Client
	secret string
}

// byHand opens a connection. The lines are the body of the open.
func (s *site) byHand(t testing.TB, lines string) (*byHand, served) {
	t.Helper()
	b := s.unopened(t)
	status, text := b.do("POST", "open", "", lines, nil)
	require.Equal(t, http.StatusOK, status, text)
	var opened struct{ Connection string }
	require.NoError(t, json.Unmarshal([]byte(text), &opened))
	b.secret = opened.Connection
	return b, s.service.accept(t)
}

func (s *site) unopened(t testing.TB) *byHand {
	l := s.link()
	client := &http.Transport{DialContext: l.connect, MaxIdleConnsPerHost: 10}
	t.Cleanup(l.close)
	t.Cleanup(client.CloseIdleConnections)
	return &byHand{t: t, link: l, client: &http.Client{Transport: client}}
}

// request makes a request with these headers, each "Name: value".
func (b *byHand) request(method, endpoint, last string, body io.Reader, headers []string) *http.Request {
	r, err := http.NewRequest(method, "http://lectern.test/class/"+endpoint, body)
	require.NoError(b.t, err)
	if b.secret != "" {
		r.Header.Set("Lectern-Connection", b.secret)
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func (b *byHand) do(method, endpoint, last, body string, headers []string) (status int, text string) {
	b.t.Helper()
	response, err := b.client.Do(b.request(method, endpoint, last, strings.NewReader(body), headers))
	require.NoError(b.t, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)
	return response.StatusCode, string(data)
}

// send sends the lines as the POST of the number, without one where it is empty.
func (b *byHand) send(number, lines string) (status int, text string) {
	b.t.Helper()
	var headers []string
	if number != "" {
		headers = []string{"Lectern-Number: " + number}
	}
	return b.do("POST", "send", "", lines, headers)
}

func (b *byHand) poll(last string) string {
	b.t.Helper()
	status, text := b.do("GET", "poll", last, "", nil)
	require.Equal(b.t, http.StatusOK, status)
	return text
}

// A handStream is a stream that is read by hand.
type handStream struct {
	t        testing.TB
	response *http.Response
	reader   *bufio.Reader
	cancel   context.CancelFunc
}

func (b *byHand) stream(last string) *handStream {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	response, err := b.client.Do(b.request("GET", "stream", last, nil, nil).WithContext(ctx))
	require.NoError(b.t, err)
	require.Equal(b.t, http.StatusOK, response.StatusCode)
	s := &handStream{b.t, response, bufio.NewReader(response.Body), cancel}
	b.t.Cleanup(s.close)
	s.expect("event: open\ndata: {}\n\n")
	return s
}

// expect reads so much, and compares it.
func (s *handStream) expect(want string) {
	s.t.Helper()
	got := make([]byte, len(want))
	_, err := io.ReadFull(s.reader, got)
	require.NoError(s.t, err)
	require.Equal(s.t, want, string(got))
}

// ended expects that nothing more comes.
func (s *handStream) ended() {
	s.t.Helper()
	rest, _ := io.ReadAll(s.reader)
	require.Empty(s.t, string(rest))
}

func (s *handStream) close() {
	s.cancel()
	s.response.Body.Close()
}

// reason is the reason in an answer.
func reason(t testing.TB, text string) transport.CloseCode {
	t.Helper()
	var f struct{ Code transport.CloseCode }
	require.NoError(t, json.Unmarshal([]byte(text), &f), text)
	return f.Code
}

// A receiver is a transport.Acceptor that is given the messages, and gives them to a test.
type receiver struct {
	mu       sync.Mutex
	messages []string
	conn     transport.Conn
	ctx      context.Context
	ended    chan error
	hold     chan struct{} // not nil: Receive waits for it
	fails    error
}

func newReceiver() *receiver { return &receiver{ended: make(chan error, 1)} }

func (r *receiver) Serve(context.Context, transport.Conn) error { panic("it is an Acceptor") }

func (r *receiver) Accept(ctx context.Context, conn transport.Conn) (transport.Receiver, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conn, r.ctx = conn, ctx
	return accepted{r, conn}, nil
}

// An accepted is the receiver of one connection.
type accepted struct {
	*receiver
	conn transport.Conn
}

func (r *receiver) Receive(message []byte) error {
	r.mu.Lock()
	r.messages = append(r.messages, string(message))
	hold, fails := r.hold, r.fails
	r.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return fails
}

func (r *receiver) Pause() {}

func (r accepted) End(err error) error {
	_ = r.conn.Close(transport.Reason{Code: transport.Shutdown, Text: "the end"})
	r.ended <- err
	return err
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.messages
	r.messages = nil
	return got
}
