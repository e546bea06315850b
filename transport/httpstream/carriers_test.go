package httpstream_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/httpstream"
)

// What an event looks like.
func TestEvents(t *testing.T) {
	bubble(t, httpstream.Options{}, func(t *testing.T, s *site) {
		b, server := s.byHand(t, "")
		stream := b.stream("")
		require.Equal(t, "text/event-stream", stream.response.Header.Get("Content-Type"))
		require.Equal(t, "no-store, no-transform", stream.response.Header.Get("Cache-Control"))
		require.Equal(t, "no", stream.response.Header.Get("X-Accel-Buffering"))
		for i, c := range []struct{ message, event string }{
			{`{"type":"pong"}`, "data: {\"type\":\"pong\"}"},
			{"{\x00ü}", "data: {\x00ü}"},
			{"\x04\x01", "event: binary\ndata: BAE="},
			{"", "event: binary\ndata: "},
			{"{\n}", "event: binary\ndata: ewp9"},
			{"{\r}", "event: binary\ndata: ew19"},
			{"{\xff}", "event: binary\ndata: e/99"},
			{"[]", "event: binary\ndata: W10="},
			{strings.Repeat("{", 60_000), "data: " + strings.Repeat("{", 60_000)},
			{strings.Repeat("\x00", 45_000), "event: binary\ndata: " + strings.Repeat("A", 60_000)},
		} {
			require.NoError(t, server.Write([]byte(c.message)))
			stream.expect(fmt.Sprintf("id: %d\n%s\n\n", i+1, c.event))
			status, _ := b.do("POST", "send", strconv.Itoa(i+1), "", nil)
			require.Equal(t, 204, status)
		}
		require.NoError(t, server.Close(transport.Reason{Code: transport.MasterLeft, Text: "say \"ü\" \n"}))
		stream.expect("event: close\ndata: {\"code\":4001,\"reason\":\"say \\\"ü\\\" \\n\"}\n\n")
		stream.ended()
	})
}

// A client that asks again gets what it has not got, by whichever way it asks.
func TestWhatIsBehind(t *testing.T) {
	bubble(t, httpstream.Options{}, func(t *testing.T, s *site) {
		b, server := s.byHand(t, "")
		for i := range 5 {
			require.NoError(t, server.Write(fmt.Appendf(nil, "{%d}", i+1)))
		}
		events := func(from, to int) (all string) {
			for i := from; i <= to; i++ {
				all += fmt.Sprintf("id: %d\ndata: {%d}\n\n", i, i)
			}
			return all
		}
		require.Equal(t, events(1, 5), b.poll(""))
		require.Equal(t, events(1, 5), b.poll("0"), "nothing was acknowledged")
		require.Equal(t, events(3, 5), b.poll("2"))
		require.Equal(t, events(3, 5), b.poll("1"), "what was acknowledged before does not come again")
		stream := b.stream("3")
		stream.expect(events(4, 5))
		stream.close()
		status, _ := b.do("POST", "send", "4", "", nil)
		require.Equal(t, 204, status)
		stream = b.stream("")
		stream.expect(events(5, 5))
		require.NoError(t, server.Write([]byte("{6}")))
		stream.expect(events(6, 6))
		b.link.cut() // and not in order
		synctest.Wait()
		require.NoError(t, server.Write([]byte("{7}")))
		stream = b.stream("5")
		stream.expect(events(6, 7))
	})
}

// Of two streams or polls the newer one has the events.
func TestASecondCarrier(t *testing.T) {
	bubble(t, httpstream.Options{}, func(t *testing.T, s *site) {
		b, server := s.byHand(t, "")
		answers := make(chan string, 10)
		poll := func() {
			go func() { answers <- b.poll("") }()
			synctest.Wait()
		}
		poll()
		poll()
		require.Equal(t, ": nothing yet\n\n", <-answers, "the older one just ends")
		stream := b.stream("")
		require.Equal(t, ": nothing yet\n\n", <-answers)
		second := b.stream("")
		stream.ended()
		require.NoError(t, server.Write([]byte("{1}")))
		second.expect("id: 1\ndata: {1}\n\n")
		poll()
		require.Equal(t, "id: 1\ndata: {1}\n\n", <-answers, "it was not acknowledged")
		second.ended()
		began := time.Now()
		require.Equal(t, ": nothing yet\n\n", b.poll("1"))
		require.Equal(t, transport.DefaultProbeAfter, time.Since(began))
	})
}

// A client that reads nothing, or acknowledges nothing, holds so much and no more, and nobody else
// notices.
func TestNeverReads(t *testing.T) {
	for name, attach := range map[string]func(b *byHand){
		"H1 no stream":                  func(*byHand) {},
		"H1 a stream that nobody reads": func(b *byHand) { b.stream("") },
		"H1 a stream that acknowledges nothing": func(b *byHand) {
			stream := b.stream("")
			go func() {
				for {
					if _, err := stream.reader.ReadByte(); err != nil {
						return
					}
				}
			}()
		},
	} {
		for _, size := range []int{1, 100, 10_000, 1_000_000} {
			t.Run(fmt.Sprint(name, ", messages of ", size), func(t *testing.T) {
				bubble(t, httpstream.Options{}, func(t *testing.T, s *site) {
					b, server := s.byHand(t, "")
					other, served := s.byHand(t, "")
					attach(b)
					writer := server.Conn.(transport.TryWriter)
					count := 0
					for writer.TryWrite(make([]byte, size)) {
						count++
						require.LessOrEqual(t, count, 1024)
						require.LessOrEqual(t, count*size, max(128<<10, size))
					}
					written := make(chan error, 1)
					go func() { written <- server.Write(make([]byte, size)) }()
					synctest.Wait()
					require.Empty(t, written)
					require.NoError(t, served.Write([]byte("{1}")))
					require.Equal(t, "id: 1\ndata: {1}\n\n", other.poll(""))
					began := time.Now()
					_ = server.Close(goodbye)
					require.ErrorContains(t, <-written, "use of closed")
					require.LessOrEqual(t, time.Since(began), 3*time.Second)
				})
			})
		}
	}
}

// Clients that vanish, by whichever way they had asked, are given up; until then nothing is lost.
func TestClientsThatVanish(t *testing.T) {
	options := httpstream.Options{Conn: transport.ConnOptions{ProbeAfter: 7 * time.Second, GiveUp: 3 * time.Second}}
	for name, ask := range map[string]func(b *byHand){
		"H4 before it has asked":          func(b *byHand) {},
		"H4 of a poll":                    func(b *byHand) { go b.try("poll"); synctest.Wait(); b.link.cut() },
		"H4 of a poll, without a word":    func(b *byHand) { go b.try("poll"); synctest.Wait(); b.link.silence() },
		"H4 of a stream":                  func(b *byHand) { b.stream(""); b.link.cut() },
		"H4 of a stream, without a word":  func(b *byHand) { b.stream(""); b.link.silence() },
		"H4 between two polls":            func(b *byHand) { b.t.(*testing.T).Context(); b.poll("") },
		"a stream that answers no probes": func(b *byHand) { b.stream("") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, options, func(t *testing.T, s *site) {
				b, server := s.byHand(t, "")
				if name == "H4 between two polls" {
					require.NoError(t, server.Write([]byte("{1}")))
				}
				ask(b)
				began := time.Now()
				_, err := server.Read()
				require.ErrorIs(t, err, transport.ErrSilent)
				require.Equal(t, 10*time.Second, time.Since(began))
				began = time.Now()
				_ = server.Close(transport.Reason{Code: transport.Idle})
				require.Zero(t, time.Since(began), "there is nobody to wait for")
			})
		})
	}
	t.Run("it comes back in time", func(t *testing.T) {
		bubble(t, options, func(t *testing.T, s *site) {
			b, server := s.byHand(t, "")
			b.stream("")
			b.link.cut()
			require.NoError(t, server.Write([]byte("{1}")))
			time.Sleep(9 * time.Second)
			require.Equal(t, "id: 1\ndata: {1}\n\n", b.poll(""))
			time.Sleep(9 * time.Second)
			status, _ := b.send("1", "{2}\n")
			require.Equal(t, http.StatusNoContent, status)
			message, err := server.Read()
			require.NoError(t, err)
			require.Equal(t, "{2}", string(message))
		})
	})
}

// A client that polls is told the reason by its next poll.
func TestCloseBetweenPolls(t *testing.T) {
	bubble(t, httpstream.Options{}, func(t *testing.T, s *site) {
		b, server := s.byHand(t, "")
		require.NoError(t, server.Write([]byte("{1}")))
		require.Equal(t, "id: 1\ndata: {1}\n\n", b.poll(""))
		closed := make(chan error, 1)
		go func() { closed <- server.Close(goodbye) }()
		time.Sleep(900 * time.Millisecond)
		require.Empty(t, closed)
		require.Equal(t, "event: close\ndata: {\"code\":4005,\"reason\":\"goodbye\"}\n\n", b.poll("1"))
		require.NoError(t, <-closed)
		status, _ := b.try("poll")
		require.Equal(t, http.StatusMisdirectedRequest, status)
	})
}

// A stream is never silent for longer than a client waits, also where the client sends and so is
// not asked for a sign of life.
func TestQuietStreams(t *testing.T) {
	options := httpstream.Options{Conn: transport.ConnOptions{ProbeAfter: 8 * time.Second, GiveUp: 4 * time.Second}}
	for every := time.Second; every < 12*time.Second; every += 700 * time.Millisecond {
		bubble(t, options, func(t *testing.T, s *site) {
			b, _ := s.byHand(t, "")
			stream := b.stream("")
			events := make(chan time.Time, 100)
			go func() {
				for {
					line, err := stream.reader.ReadString('\n')
					if err != nil {
						return
					}
					if strings.HasPrefix(line, "event: probe") {
						events <- time.Now()
						if every >= 8*time.Second { // else what it sends is an answer
							b.send("", "")
						}
					}
				}
			}()
			last := time.Now()
			for number := range 20 {
				time.Sleep(every)
				status, _ := b.send(strconv.Itoa(number+1), "")
				if every >= 8*time.Second {
					continue
				}
				require.Equal(t, 204, status)
			}
			synctest.Wait()
			stream.close()
			for len(events) > 0 {
				at := <-events
				require.LessOrEqual(t, at.Sub(last), 12*time.Second, "a POST every %v", every)
				last = at
			}
		})
	}
}

// A stream that is cut off in the middle of an event does not look as if it had come to its end.
func TestCutInTheMiddle(t *testing.T) {
	bubble(t, httpstream.Options{}, func(t *testing.T, s *site) {
		b, server := s.byHand(t, "")
		stream := b.stream("") // nobody reads it
		for range 6 {
			require.NoError(t, server.Write([]byte(strings.Repeat("\x00", 20_000)))) // more than fits in between
		}
		synctest.Wait()
		second := b.stream("")
		rest, err := io.ReadAll(stream.reader)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		for event := range strings.SplitSeq(strings.ReplaceAll(string(rest), "\r\n", "\n"), "\n\n") {
			if lines := strings.Split(event, "\n"); len(lines) == 3 {
				require.Equal(t, "data: ", strings.TrimRight(lines[2], "A=")[:6])
				require.Empty(t, strings.TrimLeft(lines[2][6:], "A="))
			}
		}
		second.expect("id: 1\nevent: binary\ndata: " + base64.StdEncoding.EncodeToString(make([]byte, 20_000)) + "\n\n")
	})
}
