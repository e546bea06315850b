package websocket_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// What is here holds for the http.Server with the settings that the package's
// documentation recommends.

// Requests that are never complete end in time, however many there are, and
// hold up nobody.
func TestSlowRequests(t *testing.T) {
	certificate()
	for _, c := range []struct {
		name  string
		wrap  func(net.Listener) net.Listener
		count int
		send  func(c *rawClient)
		ends  time.Duration
	}{
		{"A3 half a request line", nil, 1000, func(c *rawClient) { c.Write([]byte("GET /w")) }, 5 * time.Second},
		{"A3 nothing", nil, 100, func(*rawClient) {}, 5 * time.Second},
		{"A3 a header without an end", nil, 100, func(c *rawClient) { c.Write([]byte(handshake)) }, 5 * time.Second},
		{"A3 nothing of TLS", overTLS, 100, func(*rawClient) {}, 5 * time.Second},
		{"A3 half of TLS", overTLS, 100, func(c *rawClient) { c.Write([]byte("\x16\x03\x01\x02\x00\x01")) }, 5 * time.Second},
		{"A3 refused, and no other request", nil, 100, func(c *rawClient) {
			c.Write([]byte("GET /ws HTTP/1.1\r\nHost: lectern.test\r\n\r\n"))
		}, time.Minute},
		{"A4 a byte a second", nil, 100, func(c *rawClient) {
			for i := range len(handshake) {
				if _, err := c.Write([]byte(handshake)[i : i+1]); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSiteBehind(t, c.wrap, websocket.Options{Conn: transport.ConnOptions{ProbeAfter: -1}}, nil)
				start, ends := time.Now(), make(chan time.Duration, c.count)
				var clients sync.WaitGroup
				for range c.count {
					client := s.dialRaw(t)
					clients.Go(func() { c.send(client) })
					clients.Go(func() {
						io.Copy(io.Discard, client)
						ends <- time.Since(start)
						client.Close()
					})
				}
				time.Sleep(2 * time.Second)
				dialer := s.dialer()
				if c.wrap != nil {
					dialer.URL, dialer.TLSConfig = "wss://lectern.test/ws", certificate().client
				}
				client, server := s.connect(t, dialer)
				exchange(t, client, server)
				require.Equal(t, 2*time.Second, time.Since(start), "others do not wait for them")
				for range c.count {
					require.Equal(t, c.ends, <-ends)
				}
				clients.Wait()
				exchange(t, client, server)
				closeBoth(t, client, server)
			})
		})
	}
}

// A request whose header is too large is refused when it is, and not read on.
func TestLargeRequests(t *testing.T) {
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "X-Header-%d: value\r\n", i)
	}
	for name, header := range map[string]string{
		"A5 ten thousand headers": many.String(),
		"A5 a header of 1 MiB":    "X-Header: " + strings.Repeat("x", 1<<20) + "\r\n",
		"A5 a name of 1 MiB":      strings.Repeat("x", 1<<20) + ": value\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, websocket.Options{}, nil)
				client := s.dialRaw(t)
				sent := make(chan int, 1)
				go func() {
					n, _ := client.Write([]byte(handshake + header + "\r\n"))
					sent <- n
				}()
				require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, client.response().StatusCode)
				client.Close()
				require.LessOrEqual(t, <-sent, memnet.BufferSize+32<<10)
				require.Empty(t, s.service.accepted)
				time.Sleep(time.Second) // in which the http.Server gives the answer time to arrive
			})
		})
	}
}

// exhausted is a listener whose process has run out of file descriptors for the
// first so many times.
type exhausted struct {
	*memnet.Listener
	failures int
	calls    chan time.Time
}

func (l *exhausted) Accept() (net.Conn, error) {
	l.calls <- time.Now()
	if l.failures > 0 {
		l.failures--
		return nil, &net.OpError{Op: "accept", Net: "memory", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// The http.Server's own behaviour, on which we rely.
func TestAcceptRecovers(t *testing.T) {
	t.Run("A16 out of file descriptors", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			listener := &exhausted{failures: 10, calls: make(chan time.Time, 100)}
			s := newSiteBehind(t, func(l net.Listener) net.Listener {
				listener.Listener = l.(*memnet.Listener)
				return listener
			}, websocket.Options{}, nil)
			client, server := s.connect(t, s.dialer())
			exchange(t, client, server)
			closeBoth(t, client, server)
			before := <-listener.calls
			for _, pause := range []int{5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000} {
				at := <-listener.calls
				require.Equal(t, time.Duration(pause)*time.Millisecond, at.Sub(before))
				before = at
			}
		})
	})
}

// Nothing here believes what a request says of where it comes from.
func TestForwardedFor(t *testing.T) {
	t.Run("A11 spoofed address", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, websocket.Options{}, nil)
			dialer := s.dialer()
			dialer.Header = http.Header{"X-Forwarded-For": {"10.0.0.1"}, "Forwarded": {"for=10.0.0.1"}, "X-Real-Ip": {"10.0.0.1"}}
			client, server := s.connect(t, dialer)
			r, ok := websocket.RequestFromContext(server.ctx)
			require.True(t, ok)
			require.Equal(t, "memory", r.RemoteAddr)
			closeBoth(t, client, server)
		})
	})
}

// sized is a connection whose send buffer can be set.
type sized struct {
	net.Conn
	sizes chan int
}

func (s *sized) SetWriteBuffer(bytes int) error {
	s.sizes <- bytes
	return nil
}

type sizedListener struct {
	net.Listener
	sizes chan int
}

func (l sizedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &sized{c, l.sizes}, nil
}

func TestSendBuffer(t *testing.T) {
	certificate()
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		for asked, want := range map[int][]int{0: {transport.DefaultSendBufferBytes}, 4096: {4096}, -1: nil} {
			t.Run(fmt.Sprintf("H2 %s, %d", name, asked), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sizes := make(chan int, 16)
					s := newSiteBehind(t, func(l net.Listener) net.Listener {
						l = sizedListener{l, sizes}
						if secure {
							l = overTLS(l)
						}
						return l
					}, websocket.Options{Conn: transport.ConnOptions{SendBufferBytes: asked}}, nil)
					dialer := s.dialer()
					if secure {
						dialer.URL, dialer.TLSConfig = "wss://lectern.test/ws", certificate().client
					}
					client, server := s.connect(t, dialer)
					exchange(t, client, server)
					closeBoth(t, client, server)
					close(sizes)
					var got []int
					for size := range sizes {
						got = append(got, size)
					}
					require.Equal(t, want, got)
				})
			})
		}
	}
}
