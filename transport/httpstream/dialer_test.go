package httpstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/httpstream"
)

// ways are those that HTTP may be spoken.
var ways = map[string]way{
	"stream": {}, "polls": {polls: true}, "TLS": {secure: true}, "HTTP/2": {secure: true, http2: true}, "HTTP/2 and polls": {secure: true, http2: true, polls: true},
}

// talk has both ends send messages at random times, and expects that each comes once, in order.
func talk(t *testing.T, client, server transport.Conn, count int) {
	t.Helper()
	var talking sync.WaitGroup
	ends := []transport.Conn{client, server}
	for i, end := range ends {
		random := rand.New(rand.NewPCG(uint64(i), 1))
		message := func(number int) []byte {
			if number%3 == 0 {
				return fmt.Appendf(nil, `{"number":%d}`, number)
			}
			return append(fmt.Appendf(nil, "%d:", number), bytes.Repeat([]byte{byte(number)}, number*97%2000)...)
		}
		talking.Go(func() {
			for number := range count {
				if err := end.Write(message(number)); err != nil {
					t.Errorf("message %d is not written: %v", number, err)
					return
				}
				time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
			}
		})
		talking.Go(func() {
			for number := range count {
				got, err := ends[1-i].Read()
				if err != nil || !bytes.Equal(got, message(number)) {
					t.Errorf("in the place of message %d: %.20q %v", number, got, err)
					return
				}
			}
		})
	}
	talking.Wait()
}

// The connections beneath are cut all the time, and some are dead: nothing is lost, and nothing comes
// twice.
func TestOverManyCuts(t *testing.T) {
	memnet.TLS()
	for name, w := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, w, httpstream.Options{})
				l := s.link()
				client, server := s.connect(t, l.dialer(t, w, transport.ConnOptions{}))
				over := make(chan struct{})
				var cutting sync.WaitGroup
				cutting.Go(func() {
					random := rand.New(rand.NewPCG(3, 1))
					for {
						select {
						case <-over:
							return
						case <-time.After(time.Duration(random.IntN(1500)) * time.Millisecond):
							l.cut()
						}
					}
				})
				talk(t, client, server.Conn, 300)
				close(over)
				cutting.Wait()
				closeBoth(t, client, server.Conn)
			})
		})
	}
}

// closeBoth closes the client, and expects that the server is told.
func closeBoth(t *testing.T, client, server transport.Conn) {
	t.Helper()
	reading := make(chan error, 1)
	go func() {
		_, err := server.Read()
		reading <- err
		server.Close(goodbye)
	}()
	require.NoError(t, client.Close(goodbye))
	var closed *transport.CloseError
	require.ErrorAs(t, <-reading, &closed)
	require.Equal(t, goodbye, closed.Reason)
}

// A losing is an http.RoundTripper that loses answers.
type losing struct {
	http.RoundTripper
	mu     sync.Mutex
	random *rand.Rand
}

func (l *losing) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(r)
	if err != nil || path.Base(r.URL.Path) == "open" {
		return response, err
	}
	l.mu.Lock()
	loses, fails := l.random.IntN(3) == 0, l.random.IntN(2) == 0
	l.mu.Unlock()
	if !loses {
		return response, nil
	}
	_, _ = io.ReadAll(io.LimitReader(response.Body, 1)) // it has come so far
	response.Body.Close()
	if fails {
		return nil, errors.New("the answer is lost")
	}
	return &http.Response{StatusCode: http.StatusBadGateway, Body: http.NoBody, Header: http.Header{}}, nil
}

// Answers are lost, of POSTs too, which are repeated then.
func TestLostAnswers(t *testing.T) {
	for _, polls := range []bool{false, true} {
		t.Run(fmt.Sprint("polls: ", polls), func(t *testing.T) {
			bubble(t, httpstream.Options{}, func(t *testing.T, s *site) {
				d := s.link().dialer(t, way{polls: polls}, transport.ConnOptions{})
				d.HTTPClient.Transport = &losing{RoundTripper: d.HTTPClient.Transport, random: rand.New(rand.NewPCG(1, 2))}
				client, server := s.connect(t, d)
				talk(t, client, server.Conn, 200)
				client.Close(goodbye)
			})
		})
	}
}

// proxied returns a site that is reached through a proxy, which may change what it passes on.
func proxied(t *testing.T, change func(proxy *httputil.ReverseProxy) http.Handler) (*site, httpstream.Dialer, *requests) {
	s := newSite(t, way{}, httpstream.Options{})
	counted := &requests{}
	behind := &http.Transport{DialContext: s.listener.DialContext}
	t.Cleanup(behind.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{
		Transport:     behind,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "lectern.test"})
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	listener := memnet.Listen()
	serve(t, way{}, listener, counted.count(change(proxy)))
	front := &http.Transport{DialContext: listener.DialContext}
	t.Cleanup(front.CloseIdleConnections)
	return s, httpstream.Dialer{URL: "http://proxy.test/class", HTTPClient: &http.Client{Transport: front}}, counted
}

// requests counts those of each endpoint.
type requests struct {
	mu    sync.Mutex
	times map[string]int
}

func (r *requests) count(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.mu.Lock()
		if r.times == nil {
			r.times = make(map[string]int)
		}
		r.times[path.Base(request.URL.Path)]++
		r.mu.Unlock()
		handler.ServeHTTP(w, request)
	})
}

func (r *requests) of(endpoint string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.times[endpoint]
}

// A proxy that passes an answer on when all of it is there has the messages polled for, after two
// seconds.
func TestBehindABufferingProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d, requests := proxied(t, func(proxy *httputil.ReverseProxy) http.Handler {
			proxy.ModifyResponse = func(response *http.Response) error {
				all, err := io.ReadAll(response.Body)
				response.Body.Close()
				response.Body = io.NopCloser(bytes.NewReader(all))
				return err
			}
			return proxy
		})
		began := time.Now()
		client, server := s.connect(t, d)
		require.NoError(t, server.Write([]byte("{1}")))
		got, err := client.Read()
		require.NoError(t, err)
		require.Equal(t, "{1}", string(got))
		require.Equal(t, 2*time.Second, time.Since(began).Truncate(100*time.Millisecond))
		talk(t, client, server.Conn, 100)
		require.Equal(t, 1, requests.of("stream"))
		require.Positive(t, requests.of("poll"))
		closeBoth(t, client, server.Conn)
	})
}

// A proxy that ends each answer after some time costs nothing but requests.
func TestBehindACuttingProxy(t *testing.T) {
	for _, after := range []time.Duration{300 * time.Millisecond, 3 * time.Second, time.Minute} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d, requests := proxied(t, func(proxy *httputil.ReverseProxy) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						ctx, cancel := context.WithTimeout(r.Context(), after)
						defer cancel()
						defer func() { _ = recover() }() // the proxy panics where it has begun to answer
						proxy.ServeHTTP(w, r.WithContext(ctx))
					})
				})
				client, server := s.connect(t, d)
				talk(t, client, server.Conn, 1500)
				require.Greater(t, requests.of("stream"), 1)
				require.Zero(t, requests.of("poll"))
				closeBoth(t, client, server.Conn)
			})
		})
	}
}

// A proxy on which streams begin and then bring nothing has the messages polled for.
func TestBehindAProxyThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d, requests := proxied(t, func(proxy *httputil.ReverseProxy) http.Handler {
			proxy.ModifyResponse = func(response *http.Response) error {
				if path.Base(response.Request.URL.Path) == "stream" {
					response.Body = stalling{response.Body, io.LimitReader(response.Body, 40), response.Request.Context()}
				}
				return nil
			}
			return proxy
		})
		client, server := s.connect(t, d)
		for i := range 100 {
			require.NoError(t, server.Write(fmt.Appendf(nil, "{%d}", i)))
		}
		for i := range 100 {
			got, err := client.Read()
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("{%d}", i), string(got))
		}
		require.LessOrEqual(t, requests.of("stream"), 3)
		require.Positive(t, requests.of("poll"))
		closeBoth(t, client, server.Conn)
	})
}

// A stalling body brings some bytes and then nothing.
type stalling struct {
	io.ReadCloser
	some io.Reader
	ctx  context.Context
}

func (s stalling) Read(p []byte) (int, error) {
	n, err := s.some.Read(p)
	if err == io.EOF {
		<-s.ctx.Done()
		return 0, s.ctx.Err()
	}
	return n, err
}

// What a server may answer that opens no connection.
func TestDialRefused(t *testing.T) {
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		refused *httpstream.RefusedError
		text    string
	}{
		"404": {func(w http.ResponseWriter, r *http.Request) { http.Error(w, "nothing here\nat all", 404) }, &httpstream.RefusedError{StatusCode: 404, Text: "nothing here"}, `refused with status 404 Not Found: "nothing here"`},
		"403": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) }, &httpstream.RefusedError{StatusCode: 403}, "refused with status 403 Forbidden"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		}, &httpstream.RefusedError{StatusCode: 307}, "307"},
		"no JSON":       {func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") }, nil, "the answer cannot be read"},
		"no connection": {func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}") }, nil, "the answer names no connection"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.answer)
			defer server.Close()
			_, err := httpstream.Dialer{URL: server.URL + "/class?token=secret"}.Dial(t.Context())
			require.ErrorContains(t, err, c.text)
			require.NotContains(t, err.Error(), "secret")
			if c.refused != nil {
				var refused *httpstream.RefusedError
				require.ErrorAs(t, err, &refused)
				require.Equal(t, c.refused, refused)
			}
		})
	}
	for _, text := range []string{"ws://lectern.test", "lectern.test", "http://", "http://user:secret@lectern.test", "http://lectern.test/#x", "http://[::1"} {
		_, err := httpstream.Dialer{URL: text}.Dial(t.Context())
		require.ErrorContains(t, err, "httpstream: the URL ")
		require.NotContains(t, err.Error(), "secret")
	}
	_, err := httpstream.Dialer{URL: "http://lectern.test", Conn: transport.ConnOptions{ProbeAfter: 20}}.Dial(t.Context())
	require.ErrorContains(t, err, "was a unit forgotten?")
	_, err = httpstream.Dialer{URL: "http://127.0.0.1:1/class?token=secret"}.Dial(t.Context())
	require.ErrorContains(t, err, "httpstream: dial http://127.0.0.1:1/class: ")
	require.NotContains(t, err.Error(), "secret")
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("no more")
	cancel(cause)
	_, err = httpstream.Dialer{URL: "http://127.0.0.1:1/class"}.Dial(ctx)
	require.ErrorIs(t, err, cause)
}

// A server that is full has made a connection that is closed, as over WebSocket.
func TestDialRefusedWithAReason(t *testing.T) {
	handler := httpstream.NewHandler(full{}, httpstream.Options{})
	server := httptest.NewServer(handler)
	defer server.Close()
	began := time.Now()
	conn, sent, err := httpstream.Dialer{URL: server.URL}.DialFirst(t.Context(), []byte("{1}"))
	require.NoError(t, err)
	require.True(t, sent)
	_, err = conn.Read()
	var closed *transport.CloseError
	require.ErrorAs(t, err, &closed)
	require.Equal(t, transport.Reason{Code: transport.RateLimited, Text: "full"}, closed.Reason)
	require.Error(t, conn.Write([]byte("{2}")))
	require.NoError(t, conn.Close(goodbye))
	require.Less(t, time.Since(began), time.Minute)
}

type full struct{}

func (full) Serve(context.Context, transport.Conn) error { panic("it is an Acceptor") }

func (full) Accept(_ context.Context, conn transport.Conn) (transport.Receiver, error) {
	_ = conn.Close(transport.Reason{Code: transport.RateLimited, Text: "full"})
	return nil, errors.New("full")
}

// Each request has the header and the query that the Dialer has.
func TestDialerHeader(t *testing.T) {
	bubble(t, httpstream.Options{}, func(t *testing.T, s *site) {
		var mu sync.Mutex
		seen := map[string]bool{}
		listener := memnet.Listen()
		handler := httpstream.NewHandler(s.service, httpstream.Options{})
		serve(t, way{}, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			seen[fmt.Sprint(r.URL.Path, " ", r.Header.Get("Authorization"), " ", r.Host, " ", r.URL.Query().Get("room"))] = true
			mu.Unlock()
			handler.ServeHTTP(w, r)
		}))
		client := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return listener.DialContext(ctx, network, address)
		}}
		defer client.CloseIdleConnections()
		conn, server := s.connect(t, httpstream.Dialer{
			URL:        "http://lectern.test/class/?room=1",
			Header:     http.Header{"Authorization": {"Bearer x"}, "Host": {"other.test"}},
			HTTPClient: &http.Client{Transport: client, Timeout: time.Millisecond},
		})
		r, ok := httpstream.RequestFromContext(server.ctx)
		require.True(t, ok)
		require.Equal(t, "Bearer x", r.Header.Get("Authorization"))
		require.Equal(t, "/class/open", r.URL.Path)
		time.Sleep(time.Minute) // the client's Timeout is not used
		require.NoError(t, conn.Write([]byte("{1}")))
		message, err := server.Read()
		require.NoError(t, err)
		require.Equal(t, "{1}", string(message))
		closeBoth(t, conn, server.Conn)
		require.Equal(t, map[string]bool{
			"/class/open Bearer x other.test 1": true, "/class/stream Bearer x other.test 1": true, "/class/send Bearer x other.test 1": true,
		}, seen)
	})
}

// The first message is there with the connection.
func TestDialFirst(t *testing.T) {
	for _, message := range []string{"{1}", "", "\x00\xff", "{\n}"} {
		bubble(t, httpstream.Options{}, func(t *testing.T, s *site) {
			d := s.link().dialer(t, way{}, transport.ConnOptions{})
			require.True(t, d.FirstMayHoldToken())
			conn, sent, err := d.DialFirst(t.Context(), []byte(message))
			require.NoError(t, err)
			require.True(t, sent)
			server := s.service.accept(t)
			require.NoError(t, conn.Write([]byte("{2}")))
			for _, want := range []string{message, "{2}"} {
				got, err := server.Read()
				require.NoError(t, err)
				require.Equal(t, want, string(got))
			}
			closeBoth(t, conn, server.Conn)
		})
	}
}
