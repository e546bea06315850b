package websocket_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

func TestControlFloods(t *testing.T) {
	ping := func(h *hostile) []byte { return h.frame(fin|opPing, "") }
	pong := func(h *hostile) []byte { return h.frame(fin|opPong, "") }
	times := func(n int, frames ...func(h *hostile) []byte) func(h *hostile) []byte {
		return func(h *hostile) (b []byte) {
			for range n {
				for _, frame := range frames {
					b = append(b, frame(h)...)
				}
			}
			return b
		}
	}
	for _, c := range []struct {
		name    string
		options websocket.Options
		sent    func(h *hostile) []byte // as much as may come
		behind  func(h *hostile) []byte // what is too much
	}{
		{"B14 pings", websocket.Options{}, times(20, ping), ping},
		{"B14 long pings", websocket.Options{}, times(20, func(h *hostile) []byte { return h.frame(fin|opPing, strings.Repeat("x", 125)) }), ping},
		{"B14 pings among messages", websocket.Options{}, times(20, ping, func(h *hostile) []byte { return h.frame(fin|opText, "{}") }), ping},
		{"B14 pings within a message", websocket.Options{}, func(h *hostile) []byte {
			return bytes.Join([][]byte{h.frame(opText, "{"), times(20, ping)(h), h.frame(fin|opContinuation, "}")}, nil)
		}, func(h *hostile) []byte { return append(h.frame(opText, "{"), ping(h)...) }},
		{"B14 another rate", websocket.Options{Conn: transport.ConnOptions{ControlFramesPerSecond: 50}}, times(100, ping), ping},
		{"B14 the rate of one who probes as often", websocket.Options{Conn: transport.ConnOptions{ProbeAfter: 20 * time.Millisecond}}, times(200, ping), ping},
		{"B15 pongs that nobody asked for", websocket.Options{}, times(20, pong), pong},
		{"B15 pings and pongs", websocket.Options{}, times(10, ping, pong), pong},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachSide(t, c.options, func(t *testing.T, conn transport.Conn, peer *hostile) {
				peer.send(c.sent(peer), peer.frame(fin|opText, "still here"))
				for {
					message, err := conn.Read()
					require.NoError(t, err)
					if string(message) == "still here" {
						break
					}
				}
				start := time.Now()
				peer.send(c.behind(peer), bytes.Repeat(ping(peer), 1000))
				_, err := conn.Read()
				require.Zero(t, time.Since(start))
				requireEnded(t, conn, peer, err, transport.ErrFlood, transport.RateLimited)
			})
		})
	}
}

// Row B14: a flood without an end, by a peer that reads nothing either.
func TestEndlessFlood(t *testing.T) {
	t.Run("B14 endless", func(t *testing.T) {
		eachSide(t, websocket.Options{}, func(t *testing.T, conn transport.Conn, peer *hostile) {
			sent := make(chan int, 1)
			peer.during(func() {
				total, piece := 0, bytes.Repeat(peer.frame(fin|opPing, "x"), 1000)
				for err := error(nil); err == nil && total < endless; {
					var n int
					n, err = peer.Write(piece)
					total += n
				}
				sent <- total
			})
			start := time.Now()
			_, err := conn.Read()
			require.ErrorIs(t, err, transport.ErrFlood)
			require.Zero(t, time.Since(start))
			require.NoError(t, conn.Close(goodbye))
			require.Equal(t, time.Second, time.Since(start))
			require.Less(t, <-sent, 5<<20, "it is held up")
		})
	})
}

// At the rate itself a peer may go on for ever, and answers to pings are free.
func TestControlFramesInTime(t *testing.T) {
	t.Run("B14 as many as allowed", func(t *testing.T) {
		eachSide(t, websocket.Options{}, func(t *testing.T, conn transport.Conn, peer *hostile) {
			peer.during(func() {
				for range 1000 {
					peer.Write(peer.frame(fin|opPing, ""))
					time.Sleep(time.Second / transport.DefaultControlFramesPerSecond)
				}
				peer.Write(peer.frame(fin|opText, "{}"))
			})
			_, err := conn.Read()
			require.NoError(t, err)
		})
	})
	t.Run("B15 pongs for pings", func(t *testing.T) {
		options := websocket.Options{Conn: transport.ConnOptions{ProbeAfter: time.Millisecond, GiveUp: time.Second, ControlFramesPerSecond: 1}}
		eachSide(t, options, func(t *testing.T, conn transport.Conn, peer *hostile) {
			peer.during(func() {
				for range 1000 {
					first, payload := peer.receive()
					if first != fin|opPing {
						return // and no message follows
					}
					peer.Write(peer.frame(fin|opPong, payload))
				}
				peer.Write(peer.frame(fin|opText, "{}"))
			})
			_, err := conn.Read()
			require.NoError(t, err)
		})
	})
	t.Run("B15 one pong for one ping", func(t *testing.T) {
		options := websocket.Options{Conn: transport.ConnOptions{ProbeAfter: time.Minute, ControlFramesPerSecond: 1}}
		eachSide(t, options, func(t *testing.T, conn transport.Conn, peer *hostile) {
			peer.during(func() {
				time.Sleep(61 * time.Second)
				peer.Write(bytes.Repeat(peer.frame(fin|opPong, ""), 4)) // one free, two of the burst
			})
			_, err := conn.Read()
			requireEnded(t, conn, peer, err, transport.ErrFlood, transport.RateLimited)
		})
	})
}
