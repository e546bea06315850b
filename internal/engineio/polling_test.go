package engineio

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

func TestPolledSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		status, body := s.do(t, http.MethodGet, address("", "polling", "4"), "")
		require.Equal(t, http.StatusOK, status)
		o := readOpen(t, body)
		require.Equal(t, []string{"websocket"}, o.Upgrades)
		require.Equal(t, 10_000, o.PingInterval)
		require.Equal(t, 5_000, o.PingTimeout)
		require.Equal(t, 10_000, o.MaxPayload)

		require.Equal(t, http.StatusOK, s.post(t, o.SID, "4one"))
		_, body = s.get(t, o.SID)
		require.Equal(t, "4one", body)
		// What is written while an answer is ready waits in Write, and so does the POST.
		answered := make(chan int)
		go func() { answered <- s.post(t, o.SID, textOf("4two", "4ü€😀", "bAP8Q")) }()
		for _, want := range []string{"4two", "4ü€😀", "bAP8Q"} {
			_, body = s.get(t, o.SID)
			require.Equal(t, want, body)
		}
		require.Equal(t, http.StatusOK, <-answered)
	})
}

// A poll that comes when there is nothing waits for it.
func TestPollWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		id, e := s.poll(t)
		begun := time.Now()
		go func() {
			time.Sleep(3 * time.Second)
			require.True(t, e.session.TryWrite(append(Text(nil), "late"...), append(Binary(nil, 4), 1)))
		}()
		_, body := s.get(t, id)
		require.Equal(t, textOf("4late", "bAQ=="), body)
		require.Equal(t, 3*time.Second, time.Since(begun))
	})
}

// One answer is ready at the most: what is written beyond waits.
func TestOneAnswerIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		id, e := s.poll(t)
		require.True(t, e.session.TryWrite(append(Text(nil), '1')))
		require.False(t, e.session.TryWrite(append(Text(nil), '2')))
		written := make(chan error, 1)
		go func() { written <- e.session.Write(append(Text(nil), '2')) }()
		synctest.Wait()
		require.Empty(t, written)
		_, body := s.get(t, id)
		require.Equal(t, "41", body)
		require.NoError(t, <-written)
		_, body = s.get(t, id)
		require.Equal(t, "42", body)
	})
}

func TestRequestsAtOnce(t *testing.T) {
	t.Run("polls", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, nil)
			id, e := s.poll(t)
			first := make(chan string)
			go func() {
				_, body := s.get(t, id)
				first <- body
			}()
			synctest.Wait()
			status, _ := s.get(t, id)
			require.Equal(t, http.StatusBadRequest, status)
			require.Equal(t, "1", <-first)
			require.ErrorIs(t, <-e.ended, transport.ErrProtocol)
			status, _ = s.get(t, id)
			require.Equal(t, http.StatusBadRequest, status)
		})
	})
	t.Run("posts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, nil)
			id, e := s.poll(t)
			e.hold = make(chan struct{})
			first := make(chan int)
			go func() { first <- s.post(t, id, "4one") }()
			synctest.Wait()
			require.Equal(t, http.StatusBadRequest, s.post(t, id, "4two"))
			close(e.hold)
			<-first
			require.ErrorIs(t, <-e.ended, transport.ErrProtocol)
		})
	})
}

// A request may come right behind the answer to the one before, on another connection.
func TestRequestsBehindEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		id, _ := s.poll(t)
		for range 500 {
			status, _ := s.do(t, http.MethodPost, address(id, "polling", "4"), "4x", "Connection", "close")
			require.Equal(t, http.StatusOK, status)
			status, body := s.do(t, http.MethodGet, address(id, "polling", "4"), "", "Connection", "close")
			require.Equal(t, http.StatusOK, status)
			require.Equal(t, "4x", body)
		}
	})
}

// Clients of 2.x disconnect their socket, and close the session right behind the answer to that. It is the first that counts: who
// leaves is not lost.
func TestASessionIsClosedBehindTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		for range 500 {
			id, e := s.poll(t)
			e.leaves = true
			status, body := s.do(t, http.MethodPost, address(id, "polling", "4"), "41", "Connection", "close")
			require.Equal(t, http.StatusOK, status)
			require.Equal(t, "ok", body)
			_, _ = s.do(t, http.MethodPost, address(id, "polling", "4"), "1", "Connection", "close")
			var left *transport.CloseError
			require.ErrorAs(t, <-e.ended, &left)
		}
	})
}

// A receiver that panics costs its session alone.
func TestReceiverPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		id, e := s.poll(t)
		other, _ := s.poll(t)
		e.panics = true
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://lectern.test"+address(id, "polling", "4"), strings.NewReader("4x"))
		require.NoError(t, err)
		_, err = s.client.Do(request)
		require.Error(t, err)
		require.Equal(t, errPanicked, <-e.ended)
		<-e.over
		require.Equal(t, http.StatusBadRequest, s.post(t, id, "4x"))
		require.Equal(t, http.StatusOK, s.post(t, other, "4x"))
	})
}

// A client that gives a poll up is gone.
func TestPollThatIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		id, e := s.poll(t)
		ctx, cancel := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://lectern.test"+address(id, "polling", "4"), nil)
		require.NoError(t, err)
		go func() {
			synctest.Wait()
			cancel()
		}()
		_, err = s.client.Do(request)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, errGone, <-e.ended)
		<-e.over
		require.Equal(t, http.StatusBadRequest, s.post(t, id, "4x"))
	})
}

// What a client posts is bounded, in size and in time, and a session whose client breaks the
// bounds ends with what is told of it.
func TestPostsOutOfBounds(t *testing.T) {
	for _, c := range []struct {
		name   string
		length int    // announced, where it is not that of the body
		header string // in its place
		body   string
		status int
		ends   error
	}{
		{"no packet", 0, "", "", 400, transport.ErrProtocol},
		{"an unknown type", 0, "", "abc", 400, transport.ErrProtocol},
		{"an open packet", 0, "", "0{}", 400, transport.ErrProtocol},
		{"a ping", 0, "", "2", 400, transport.ErrProtocol},
		{"a change", 0, "", "5", 400, transport.ErrProtocol},
		{"not UTF-8", 0, "", "4\xff", 400, transport.ErrProtocol},
		{"not base64", 0, "", "b!", 400, transport.ErrProtocol},
		{"an empty packet behind another", 0, "", textOf("6", ""), 400, transport.ErrProtocol},
		{"a message over the limit", 0, "", "4" + strings.Repeat("x", 10_001), 413, transport.ErrMessageTooLarge},
		{"too much in all", 0, "", textOf("4"+strings.Repeat("x", 9000), "4"+strings.Repeat("x", 9000)), 413, transport.ErrMessageTooLarge},
		{"100 MB announced", 100 << 20, "", "4", 413, transport.ErrMessageTooLarge},
		{"without an announced end", 0, "Transfer-Encoding: chunked", "4e20\r\n4" + strings.Repeat("x", 19_999) + "\r\n", 413, transport.ErrMessageTooLarge},
		{"a body that stands still", 100, "", "4", 408, transport.ErrSlow},
		{"pongs that nobody has asked for", 0, "", textOf(strings.Split(strings.Repeat("3", 30), "")...), 400, transport.ErrFlood},
		{"packets that say nothing", 0, "", textOf(strings.Split(strings.Repeat("6", 30), "")...), 400, transport.ErrFlood},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, func(config *Config) { config.Conn.ProbeAfter = time.Hour })
				id, e := s.poll(t)
				header := c.header
				if header == "" {
					header = fmt.Sprint("Content-Length: ", max(c.length, len(c.body)))
				}
				conn, err := s.listener.Dial(t.Context())
				require.NoError(t, err)
				defer conn.Close()
				go func() {
					_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: lectern.test\r\n%s\r\n\r\n%s", address(id, "polling", "4"), header, c.body)
				}()
				begun := time.Now()
				response, err := http.ReadResponse(bufio.NewReader(conn), nil)
				require.NoError(t, err)
				require.Equal(t, c.status, response.StatusCode)
				require.ErrorIs(t, <-e.ended, c.ends)
				if c.ends == transport.ErrSlow {
					require.Equal(t, transport.DefaultMessageTimeout, time.Since(begun))
				} else {
					require.Less(t, time.Since(begun), time.Second)
				}
			})
		})
	}
}
