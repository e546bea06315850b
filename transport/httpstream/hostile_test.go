package httpstream_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/httpstream"
)

// bubble runs a test in a bubble, with a site.
func bubble(t *testing.T, options httpstream.Options, test func(t *testing.T, s *site)) {
	t.Helper()
	memnet.TLS()
	synctest.Test(t, func(t *testing.T) { test(t, newSite(t, way{}, options)) })
}

const limit = 1000

// What breaks the protocol ends the connection: the answer says why, and so do the stream and the
// error of Read. What was sent before arrives, and nothing behind it.
func TestOffences(t *testing.T) {
	large := strings.Repeat("x", limit-1)
	for _, c := range []struct {
		name    string
		last    string
		headers []string
		body    string
		status  int
		code    transport.CloseCode
		err     error
		before  int // messages that arrive all the same
	}{
		{"D1 garbage", "", nil, "{1}\nhello\n", 400, transport.ProtocolError, transport.ErrProtocol, 1},
		{"D1 an empty line", "", nil, "{1}\n\n{2}\n", 400, transport.ProtocolError, transport.ErrProtocol, 1},
		{"D1 an array", "", nil, "[1]\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
		{"D4 text that is not UTF-8", "", nil, "{\xff}\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
		{"base64 without padding", "", nil, "=AAA\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
		{"base64 with unused bits", "", nil, "=AP9=\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
		{"base64 with a return", "", nil, "=AP8Q\r\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
		{"base64url", "", nil, "=-_-_\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
		{"a close without a reason", "", nil, "{1}\n!\n", 400, transport.ProtocolError, transport.ErrProtocol, 1},
		{"B7 a close with 999", "", nil, "!{\"code\":999}\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
		{"B7 a close with 5000", "", nil, "!{\"code\":5000}\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
		{"B7 a close with -1", "", nil, "!{\"code\":-1}\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
		{"B20 a line behind a close", "", nil, "!{\"code\":4005}\n{1}\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
		{"D9 a message over the limit", "", nil, "{1}\n{" + large + "}\n{2}\n", 413, transport.TooLarge, transport.ErrMessageTooLarge, 1},
		{"D9 one in base64", "", nil, "{1}\n=" + base64.StdEncoding.EncodeToString(make([]byte, limit+1)) + "\n", 413, transport.TooLarge, transport.ErrMessageTooLarge, 1},
		{"D3 a line without an end", "", nil, "{1}\n=" + strings.Repeat("A", 20*limit), 413, transport.TooLarge, transport.ErrMessageTooLarge, 1},
		{"a close of 10,000 bytes", "", nil, "!{\"code\":4005,\"reason\":\"" + strings.Repeat("x", 10_000) + "\"}\n", 413, transport.TooLarge, transport.ErrMessageTooLarge, 0},
		{"many lines", "", nil, strings.Repeat("{}\n", 30_000), 413, transport.TooLarge, transport.ErrMessageTooLarge, 0},
		{"G6 Last-Event-ID in the future", "1", nil, "{1}\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
		{"G6 Last-Event-ID of 2^64", "18446744073709551616", nil, "{1}\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
		{"G6 Last-Event-ID is negative", "-1", nil, "{1}\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
		{"G6 Last-Event-ID is no number", "one", nil, "{1}\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
		{"the POST 0", "", []string{"Lectern-Number: 0"}, "{1}\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
		{"the POST one", "", []string{"Lectern-Number: one"}, "{1}\n", 400, transport.ProtocolError, transport.ErrProtocol, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, httpstream.Options{Conn: transport.ConnOptions{MaxFrameBytes: limit}}, func(t *testing.T, s *site) {
				b, server := s.byHand(t, "")
				other, served := s.byHand(t, "")
				otherStream := other.stream("")
				stream := b.stream("")
				status, text := b.do("POST", "send", c.last, c.body, c.headers)
				require.Equal(t, c.status, status, text)
				require.Equal(t, c.code, reason(t, text))
				stream.expect(fmt.Sprintf("event: close\ndata: {\"code\":%d,", c.code))
				for range c.before {
					message, err := server.Read()
					require.NoError(t, err)
					require.Equal(t, "{1}", string(message))
				}
				for range 2000 { // row B21
					_, err := server.Read()
					require.ErrorIs(t, err, c.err)
				}
				require.Error(t, server.Write([]byte("{}")))
				status, text = b.send("", "{3}\n")
				require.Equal(t, http.StatusGone, status, "until the server has closed it")
				require.Equal(t, c.code, reason(t, text))
				require.NoError(t, server.Close(goodbye))
				status, _ = b.send("", "{3}\n")
				require.Equal(t, http.StatusMisdirectedRequest, status)

				// Nobody else notices.
				status, _ = other.send("", "{x}\n")
				require.Equal(t, http.StatusNoContent, status)
				message, err := served.Read()
				require.NoError(t, err)
				require.Equal(t, "{x}", string(message))
				require.NoError(t, served.Write([]byte("{y}")))
				otherStream.expect("id: 1\ndata: {y}\n\n")
			})
		})
	}
}

// Such an open makes no connection.
func TestOffencesInOpen(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		status int
		code   transport.CloseCode
	}{
		"garbage":                  {"hello\n", 400, transport.ProtocolError},
		"a message over the limit": {"{" + strings.Repeat("x", limit) + "}\n", 413, transport.TooLarge},
		"more than messages are":   {strings.Repeat("{}\n", 100_000), 413, transport.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, httpstream.Options{Conn: transport.ConnOptions{MaxFrameBytes: limit}}, func(t *testing.T, s *site) {
				status, text := s.unopened(t).do("POST", "open", "", c.body, nil)
				require.Equal(t, c.status, status)
				require.Equal(t, c.code, reason(t, text))
			})
		})
	}
}

// A body that is announced to be larger than any is refused before it is read.
func TestAnnouncedBodies(t *testing.T) {
	for _, endpoint := range []string{"open", "send"} {
		t.Run("D3 "+endpoint, func(t *testing.T) {
			bubble(t, httpstream.Options{}, func(t *testing.T, s *site) {
				b := s.unopened(t)
				if endpoint == "send" {
					b, _ = s.byHand(t, "")
				}
				conn, err := s.listener.Dial(t.Context())
				require.NoError(t, err)
				defer conn.Close()
				fmt.Fprintf(conn, "POST /class/%s HTTP/1.1\r\nHost: a\r\nLectern-Connection: %s\r\nContent-Length: 100000000\r\n\r\n{", endpoint, b.secret)
				answer, err := io.ReadAll(conn) // it ends
				require.NoError(t, err)
				require.Contains(t, string(answer), "HTTP/1.1 413 ")
				require.Contains(t, string(answer), `{"code":1009,`)
			})
		})
	}
}

// Only the secret leads to a connection.
func TestGuessedSecrets(t *testing.T) {
	bubble(t, httpstream.Options{}, func(t *testing.T, s *site) {
		b, server := s.byHand(t, "")
		right := b.secret
		for _, guess := range []string{"", "x", right[:21], right + "A", right[:21] + "!", strings.ToLower(right), strings.Repeat("A", 22), strings.Repeat("A", 10_000), right[:10] + "\t" + right[11:]} {
			if guess == right {
				continue
			}
			b.secret = guess
			for _, of := range []struct{ method, endpoint string }{{"POST", "send"}, {"GET", "stream"}, {"GET", "poll"}} {
				status, text := b.do(of.method, of.endpoint, "", "", nil)
				require.Equal(t, http.StatusMisdirectedRequest, status)
				require.Contains(t, text, "this hub does not know the connection")
				require.NotContains(t, text, right)
			}
		}
		b.secret = right
		require.NoError(t, server.Write([]byte("{1}")))
		require.Equal(t, "id: 1\ndata: {1}\n\n", b.poll(""), "the connection is as it was")
		b.secret = ""
		status, text := b.do("GET", "poll?connection="+right+"&last=0", "", "", nil)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "id: 1\ndata: {1}\n\n", text, "it may be in the query")
	})
}

// Every way in is one for POST or for GET, and nothing else is there.
func TestWaysIn(t *testing.T) {
	bubble(t, httpstream.Options{}, func(t *testing.T, s *site) {
		b := s.unopened(t)
		for _, c := range []struct {
			method, endpoint string
			status           int
		}{
			{"GET", "open", 405}, {"GET", "send", 405}, {"POST", "stream", 405}, {"POST", "poll", 405}, {"PUT", "send", 405}, {"HEAD", "stream", 405},
			{"GET", "", 404}, {"GET", "other", 404}, {"POST", "open/x", 404}, {"GET", "stream", 421},
		} {
			status, text := b.do(c.method, c.endpoint, "", "", nil)
			require.Equal(t, c.status, status, "%s %s", c.method, c.endpoint)
			if c.status == 404 {
				require.Contains(t, text, "POST open, GET stream, GET poll and POST send")
			}
		}
	})
}

// Rows A7 and A8: who may not connect may do nothing.
func TestForeignOrigins(t *testing.T) {
	foreign := []string{"https://evil.test", "null", "http://lectern.test.evil.test", "http://lectern.test:81", ""}
	listed := httpstream.Options{Origins: []string{"https://good.test"}, Hosts: []string{"lectern.test"}}
	for name, options := range map[string]httpstream.Options{"its own": {}, "listed": listed} {
		t.Run(name, func(t *testing.T) {
			bubble(t, options, func(t *testing.T, s *site) {
				b, _ := s.byHand(t, "")
				for _, from := range foreign {
					for _, of := range []struct{ method, endpoint string }{{"POST", "open"}, {"POST", "send"}, {"GET", "stream"}, {"GET", "poll"}, {"OPTIONS", "send"}} {
						status, _ := b.do(of.method, of.endpoint, "", "", []string{"Origin: " + from})
						require.Equal(t, http.StatusForbidden, status, "%s to %s", from, of.endpoint)
					}
				}
			})
		})
	}
	t.Run("preflight", func(t *testing.T) {
		bubble(t, listed, func(t *testing.T, s *site) {
			b := s.unopened(t)
			response, err := b.client.Do(b.request("OPTIONS", "send", "", nil, []string{"Origin: https://good.test", "Access-Control-Request-Method: POST"}))
			require.NoError(t, err)
			defer response.Body.Close()
			require.Equal(t, http.StatusNoContent, response.StatusCode)
			require.Equal(t, "https://good.test", response.Header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, "true", response.Header.Get("Access-Control-Allow-Credentials"))
			require.Equal(t, "POST", response.Header.Get("Access-Control-Allow-Methods"))
			require.Equal(t, "Lectern-Connection, Lectern-Number, Last-Event-Id, Content-Type", response.Header.Get("Access-Control-Allow-Headers"))
			// And the answer to what it has asked for.
			response, err = b.client.Do(b.request("POST", "open", "", nil, []string{"Origin: https://good.test"}))
			require.NoError(t, err)
			defer response.Body.Close()
			require.Equal(t, http.StatusOK, response.StatusCode)
			require.Equal(t, "https://good.test", response.Header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, "no-store, no-transform", response.Header.Get("Cache-Control"))
		})
	})
}

// Bodies that come slowly.
func TestSlowBodies(t *testing.T) {
	for _, c := range []struct {
		name  string
		every time.Duration // from one piece to the next
		piece int           // bytes
		body  string
		slow  bool
	}{
		{"B13 a byte a second", time.Second, 1, "{1}\n{" + strings.Repeat("x", 500) + "}\n", true},
		{"nothing behind the start", 20 * time.Second, 6, "{1}\n{x", true},
		{"1,100 bytes a second", time.Second, 1100, "{1}\n{" + strings.Repeat("x", 30_000) + "}\n", false},
		{"a short line in 5 seconds each", 5 * time.Second, 4, strings.Repeat("{1}\n", 10), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, httpstream.Options{}, func(t *testing.T, s *site) {
				b, server := s.byHand(t, "")
				began := time.Now()
				reader, writer := io.Pipe()
				var writing sync.WaitGroup
				defer writing.Wait()
				writing.Go(func() {
					for body := c.body; body != ""; {
						n := min(c.piece, len(body))
						if _, err := writer.Write([]byte(body[:n])); err != nil {
							return
						}
						body = body[n:]
						time.Sleep(c.every)
					}
					writer.Close()
				})
				r := b.request("POST", "send", "", reader, []string{"Lectern-Number: 1"})
				response, err := b.client.Do(r)
				if !c.slow {
					require.NoError(t, err)
					require.Equal(t, http.StatusNoContent, response.StatusCode)
					return
				}
				if err == nil { // it may be lost where the body is still being sent
					text, _ := io.ReadAll(response.Body)
					response.Body.Close()
					require.Equal(t, http.StatusRequestTimeout, response.StatusCode)
					require.Equal(t, transport.Slow, reason(t, string(text)))
				}
				message, err := server.Read()
				require.NoError(t, err)
				require.Equal(t, "{1}", string(message))
				_, err = server.Read()
				require.ErrorIs(t, err, transport.ErrSlow)
				require.InDelta(t, 10.25, time.Since(began).Seconds(), 4, "from the last line on")
				reader.Close()
			})
		})
	}
}

// POSTs that come again, too early, and at once have the effect of each once, in order.
func TestPostsOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		s := &site{listener: memnet.Listen()}
		serve(t, way{}, s.listener, httpstream.NewHandler(r, httpstream.Options{}))
		b := s.unopened(t)
		status, text := b.do("POST", "open", "", "{0}\n", nil)
		require.Equal(t, http.StatusOK, status)
		b.secret = strings.Split(text, `"`)[3]
		require.Equal(t, []string{"{0}"}, r.got())
		for _, c := range []struct {
			number, body string
			status       int
			text         string
			got          []string
		}{
			{"2", "{b}\n", 409, "{\"expected\":1}\n", nil},
			{"1", "{a}\n=AP8Q\n", 204, "", []string{"{a}", "\x00\xff\x10"}},
			{"1", "{a}\n=AP8Q\n", 204, "", nil},
			{"1", "{what it says does not matter}\n", 204, "", nil},
			{"2", "{b}", 204, "", []string{"{b}"}}, // the last line needs no end
			{"", "{c}\n", 204, "", []string{"{c}"}},
			{"3", "{d}\n", 204, "", nil}, // that was the third
			{"18446744073709551615", "{e}\n", 409, "{\"expected\":4}\n", nil},
			{"4", "", 204, "", nil},
			{"5", "{f}\n", 204, "", []string{"{f}"}},
		} {
			status, text := b.send(c.number, c.body)
			require.Equal(t, c.status, status, c.number)
			require.Equal(t, c.text, text)
			require.Equal(t, c.got, r.got())
		}

		// At once, while the server holds the first.
		r.hold = make(chan struct{})
		answers := make(chan int, 20)
		post := func(number string) {
			go func() {
				status, _ := b.send(number, "{g}\n{h}\n")
				answers <- status
			}()
			synctest.Wait()
		}
		post("6")
		require.Equal(t, []string{"{g}"}, r.got())
		post("7")
		require.Equal(t, 409, <-answers, "it is ahead")
		for range 10 {
			post("6")
		}
		for range 9 {
			require.Equal(t, 409, <-answers, "of those that wait only the newest does")
		}
		close(r.hold)
		synctest.Wait()
		require.Equal(t, []string{"{h}"}, r.got(), "each of the lines came once")
		got := map[int]int{<-answers: 1}
		got[<-answers]++
		require.Positive(t, got[204])
		status, _ = b.send("7", "{i}\n")
		require.Equal(t, 204, status)
		require.Equal(t, []string{"{i}"}, r.got())
		status, _ = b.send("8", "!{\"code\":4005,\"reason\":\"left\"}")
		require.Equal(t, 204, status)
		var closed *transport.CloseError
		require.ErrorAs(t, <-r.ended, &closed)
		require.Equal(t, transport.Reason{Code: transport.Left, Text: "left"}, closed.Reason)
		status, _ = b.send("9", "{j}\n")
		require.Equal(t, 421, status, "who has closed it is told when it is over")
	})
}

// A body that is cut off in the middle is gone on with by its repetition, from the line on that has
// not come.
func TestBodiesCutOff(t *testing.T) {
	const body = "{1}\n{2}\n{3}\n{4}\n"
	for cut := 1; cut < len(body); cut++ {
		for _, how := range []string{"reset", "half"} {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver()
				s := &site{listener: memnet.Listen()}
				serve(t, way{}, s.listener, httpstream.NewHandler(r, httpstream.Options{}))
				b := s.unopened(t)
				_, text := b.do("POST", "open", "", "", nil)
				b.secret = strings.Split(text, `"`)[3]
				conn, err := s.listener.Dial(t.Context())
				require.NoError(t, err)
				defer conn.Close()
				fmt.Fprintf(conn, "POST /send HTTP/1.1\r\nHost: a\r\nLectern-Connection: %s\r\nLectern-Number: 1\r\nContent-Length: %d\r\n\r\n%s", b.secret, len(body), body[:cut])
				synctest.Wait()
				if how == "reset" {
					conn.Cut()
					synctest.Wait()
				} // else the server does not know yet
				status, _ := b.send("1", body)
				require.Equal(t, http.StatusNoContent, status)
				require.Equal(t, []string{"{1}", "{2}", "{3}", "{4}"}, r.got())
				status, _ = b.send("2", "!{\"code\":4005}")
				require.Equal(t, http.StatusNoContent, status)
				require.Error(t, <-r.ended)
			})
		}
	}
}

// Requests that bring nothing are bounded in number; answers to probes are not.
func TestFloods(t *testing.T) {
	for name, flood := range map[string]func(b *byHand) (int, string){
		"B14 empty POSTs": func(b *byHand) (int, string) { return b.send("", "") },
		"streams":         func(b *byHand) (int, string) { b.client.Timeout = time.Millisecond; return b.try("stream") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, httpstream.Options{}, func(t *testing.T, s *site) {
				b, server := s.byHand(t, "")
				status, text, count := 0, "", 0
				for status != http.StatusTooManyRequests {
					status, text = flood(b)
					count++
					require.LessOrEqual(t, count, 100)
				}
				require.GreaterOrEqual(t, count, 20)
				require.Equal(t, transport.RateLimited, reason(t, text))
				_, err := server.Read()
				require.ErrorIs(t, err, transport.ErrFlood)
			})
		})
	}
	t.Run("B15 answers to probes", func(t *testing.T) {
		bubble(t, httpstream.Options{Conn: transport.ConnOptions{ProbeAfter: 10 * time.Second, ControlFramesPerSecond: 1}}, func(t *testing.T, s *site) {
			b, server := s.byHand(t, "")
			stream := b.stream("")
			for range 20 {
				stream.expect("event: probe\ndata: {}\n\n")
				status, _ := b.send("", "")
				require.Equal(t, http.StatusNoContent, status)
			}
			require.NoError(t, server.Write([]byte("{1}")))
			stream.expect("id: 1\ndata: {1}\n\n")
		})
	})
}

// try makes a GET whose answer may not end.
func (b *byHand) try(endpoint string) (status int, text string) {
	response, err := b.client.Do(b.request("GET", endpoint, "", nil, nil))
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	data, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(data)
}

// Connections that are opened and not used make room for others, and disturb none that is used.
func TestOpenFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver()
		r.ended = make(chan error, 100_000)
		s := &site{listener: memnet.Listen()}
		serve(t, way{}, s.listener, httpstream.NewHandler(r, httpstream.Options{}))
		used, first := s.unopened(t), s.unopened(t)
		_, text := used.do("POST", "open", "", "", nil)
		used.secret = strings.Split(text, `"`)[3]
		stream := used.stream("")
		conn := r.conn
		_, text = first.do("POST", "open", "", "", nil)
		first.secret = strings.Split(text, `"`)[3]
		for range httpstream.MaxUnclaimed {
			status, _ := s.opens(t)
			require.Equal(t, http.StatusOK, status, "others get in")
		}
		require.ErrorIs(t, <-r.ended, transport.ErrFlood)
		require.Empty(t, r.ended)
		status, _ := first.try("poll")
		require.Equal(t, http.StatusMisdirectedRequest, status)
		require.NoError(t, conn.Write([]byte("{1}")))
		stream.expect("id: 1\ndata: {1}\n\n")
		for range httpstream.MaxUnclaimed { // nobody comes for them
			require.True(t, errors.Is(<-r.ended, transport.ErrSilent))
		}
	})
}

// opens opens a connection without an HTTP client.
func (s *site) opens(t testing.TB) (status int, answer string) {
	conn, err := s.listener.Dial(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "POST /open HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	_, err = fmt.Sscanf(string(text), "HTTP/1.1 %d", &status)
	require.NoError(t, err)
	return status, string(text)
}
