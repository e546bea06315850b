package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/transporttest"
	"github.com/lectern-go/lectern/transport/websocket"
)

// A hostile is the bare other end of a connection, on whichever side.
type hostile struct {
	net.Conn
	t      *testing.T
	reader *bufio.Reader
	masks  bool // as a client has to
}

// eachSide runs a test in a bubble for each side of the connection: a hostile
// client with what the handler serves, and a hostile server with what a Dialer
// has dialled. Options are those that both sides have.
func eachSide(t *testing.T, options websocket.Options, test func(t *testing.T, conn transport.Conn, peer *hostile)) {
	t.Run("serving", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, server := connectRaw(t, options)
			test(t, server, &hostile{Conn: client.Conn, t: t, reader: client.reader, masks: true})
		})
	})
	t.Run("dialling", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			conn, peer := dialHostile(t, options)
			test(t, conn, peer)
		})
	})
}

// dialHostile dials a server that does the handshake, and nothing else.
func dialHostile(t *testing.T, options websocket.Options) (transport.Conn, *hostile) {
	conn, peer, _ := dialHostileOver(t, options)
	return conn, peer
}

// dialHostileOver also returns what the connection is over.
func dialHostileOver(t *testing.T, options websocket.Options) (transport.Conn, *hostile, *memnet.Conn) {
	peers, done := make(chan net.Conn, 1), make(chan struct{})
	s := newSite(t, websocket.Options{}, func(server *http.Server) {
		server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
				"Sec-WebSocket-Accept: "+acceptKey(r)+"\r\n\r\n")
			peers <- c
			<-done
		})
	})
	dialer := s.dialer()
	dialer.Conn = options.Conn
	var over *memnet.Conn
	dialer.NetDialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		var err error
		over, err = s.listener.Dial(ctx)
		return over, err
	}
	conn, err := dialer.Dial(t.Context())
	require.NoError(t, err)
	peer := <-peers
	t.Cleanup(func() {
		peer.Close()
		conn.Close(goodbye)
		close(done)
	})
	return conn, &hostile{Conn: peer, t: t, reader: bufio.NewReader(peer)}, over
}

// frame builds a frame as this side has to send it.
func (h *hostile) frame(first byte, payload string) []byte {
	if h.masks {
		return frame(first, payload)
	}
	return append(header(first, 0, len(payload)), payload...)
}

func (h *hostile) send(data ...[]byte) {
	h.t.Helper()
	_, err := h.Write(bytes.Join(data, nil))
	require.NoError(h.t, err)
}

// during runs f in a goroutine, which ends, at the latest, by the end of the
// connection as the test ends.
func (h *hostile) during(f func()) {
	var running sync.WaitGroup
	running.Go(f)
	h.t.Cleanup(func() {
		h.Close()
		running.Wait()
	})
}

// drip sends bytes one at a time, one in each interval, until that fails.
func (h *hostile) drip(b []byte, interval time.Duration) {
	for i := range b {
		if _, err := h.Write(b[i : i+1]); err != nil {
			return
		}
		time.Sleep(interval)
	}
}

// receive reads a small frame.
func (h *hostile) receive() (first byte, payload string) {
	h.t.Helper()
	head := make([]byte, 2)
	_, err := io.ReadFull(h.reader, head)
	require.NoError(h.t, err)
	require.Equal(h.t, h.masks, head[1]&maskBit == 0, "who masks")
	size := int(head[1] &^ maskBit)
	require.LessOrEqual(h.t, size, 125)
	key := make([]byte, 4)
	if !h.masks {
		_, err = io.ReadFull(h.reader, key)
		require.NoError(h.t, err)
	}
	b := make([]byte, size)
	_, err = io.ReadFull(h.reader, b)
	require.NoError(h.t, err)
	for i := range b {
		b[i] ^= key[i%4]
	}
	return head[0], string(b)
}

// expectTold reads what this side was sent, to its end: any number of pings and
// pongs, and the close frame with the code.
func (h *hostile) expectTold(code transport.CloseCode) {
	h.t.Helper()
	for {
		switch first, payload := h.receive(); first {
		case fin | opPing, fin | opPong:
		default:
			require.Equal(h.t, byte(fin|opClose), first)
			require.Equal(h.t, code, transport.CloseCode(binary.BigEndian.Uint16([]byte(payload))))
			return
		}
	}
}

// requireEnded checks that a Read ended with err, for good, and told the peer.
func requireEnded(t *testing.T, conn transport.Conn, peer *hostile, err, want error, code transport.CloseCode) {
	t.Helper()
	require.ErrorIs(t, err, want)
	peer.expectTold(code)
	for range 2000 { // row B21
		_, again := conn.Read()
		require.Equal(t, err, again)
	}
	require.Error(t, conn.Write([]byte("{}")), "nothing may follow the close frame")
}

// A message that does not come to its end ends the connection, though each byte
// of it is a sign of life.
func TestSlowMessages(t *testing.T) {
	probed := websocket.Options{Conn: transport.ConnOptions{ProbeAfter: 700 * time.Millisecond, GiveUp: time.Second}}
	long := strings.Repeat("x", 50_000)
	for _, c := range []struct {
		name    string
		options websocket.Options
		send    func(h *hostile) // from half a second on
		slow    time.Duration
	}{
		{"B12 endless empty continuations", websocket.Options{}, func(h *hostile) {
			h.Write(h.frame(opText, "{"))
			for err := error(nil); err == nil; time.Sleep(10 * time.Millisecond) {
				_, err = h.Write(h.frame(opContinuation, ""))
			}
		}, 10 * time.Second},
		{"B12 of an empty message", websocket.Options{}, func(h *hostile) {
			h.Write(h.frame(opText, ""))
			for err := error(nil); err == nil; time.Sleep(time.Second) {
				_, err = h.Write(h.frame(opContinuation, ""))
			}
		}, 10 * time.Second},
		{"B13 a fragment now and then, and pings", websocket.Options{}, func(h *hostile) {
			h.Write(h.frame(opText, "{"))
			for err := error(nil); err == nil; time.Sleep(time.Second) {
				h.Write(h.frame(fin|opPing, "still here"))
				h.Write(h.frame(fin|opPong, "still here"))
				_, err = h.Write(h.frame(opContinuation, "x"))
			}
		}, 10 * time.Second},
		{"B13 pings alone", websocket.Options{}, func(h *hostile) {
			h.Write(h.frame(opText, "{"))
			for err := error(nil); err == nil; time.Sleep(time.Second) {
				_, err = h.Write(h.frame(fin|opPing, "still here"))
			}
		}, 10 * time.Second},
		{"B13 nothing but pongs for our pings", probed, func(h *hostile) {
			h.Write(h.frame(opText, "{"))
			for err := error(nil); err == nil; time.Sleep(time.Second) {
				_, err = h.Write(h.frame(fin|opPong, ""))
			}
		}, 10 * time.Second},
		{"B13 a byte a second", websocket.Options{}, func(h *hostile) { h.drip(h.frame(fin|opText, long), time.Second) }, 10 * time.Second},
		{"B13 a byte a second, no probing", websocket.Options{Conn: transport.ConnOptions{ProbeAfter: -1}}, func(h *hostile) { h.drip(h.frame(fin|opText, long), time.Second) }, 10 * time.Second},
		{"B13 a byte a second, over many probes", probed, func(h *hostile) { h.drip(h.frame(fin|opText, long), time.Second) }, 10 * time.Second},
		{"B13 the rest of much", websocket.Options{}, func(h *hostile) {
			b := h.frame(fin|opText, long)
			h.Write(b[:49_000])
			h.drip(b[49_000:], time.Second)
		}, 10 * time.Second},
		{"B13 a byte each three seconds, of the header", websocket.Options{}, func(h *hostile) {
			h.drip(h.frame(fin|opText, long), 3*time.Second)
		}, 10 * time.Second},
		{"B13 the header behind a ping", websocket.Options{}, func(h *hostile) {
			b := append(h.frame(fin|opPing, ""), h.frame(fin|opText, long)...)
			h.Write(b[:len(b)-len(long)-1])
			time.Sleep(6 * time.Second)
			h.drip(b[len(b)-len(long)-1:], 6*time.Second)
		}, 16 * time.Second}, // a part of a header alone is not noticed
		{"B13 a slow ping", websocket.Options{}, func(h *hostile) { h.drip(h.frame(fin|opPing, long[:100]), time.Second) }, 10 * time.Second},
		{"B13 a slow close", websocket.Options{}, func(h *hostile) {
			h.drip(h.frame(fin|opClose, closePayload(4005, long[:100])), time.Second)
		}, 10 * time.Second},
		{"B13 another timeout", websocket.Options{Conn: transport.ConnOptions{MessageTimeout: 3 * time.Second}}, func(h *hostile) {
			h.drip(h.frame(fin|opText, long), time.Second)
		}, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachSide(t, c.options, func(t *testing.T, conn transport.Conn, peer *hostile) {
				start := time.Now()
				peer.during(func() {
					time.Sleep(500 * time.Millisecond) // no message, no limit
					c.send(peer)
				})
				_, err := conn.Read()
				require.Equal(t, c.slow, time.Since(start)-500*time.Millisecond)
				requireEnded(t, conn, peer, err, transport.ErrSlow, transport.Slow)
			})
		})
	}
}

// The time runs from when the reading has to wait for the rest of a message,
// and each message has its own.
func TestMessagesInTime(t *testing.T) {
	for _, c := range []struct {
		name    string
		options websocket.Options
		send    func(h *hostile)
		want    int // messages
	}{
		{"each in time", websocket.Options{}, func(h *hostile) {
			for range 20 {
				b := h.frame(fin|opText, "{}")
				h.Write(b[:1])
				time.Sleep(9 * time.Second)
				h.Write(b[1:])
			}
		}, 20},
		{"each begun with the one before", websocket.Options{}, func(h *hostile) {
			b := bytes.Repeat(h.frame(fin|opText, "{}"), 20)
			for at := 1; at < len(b); at += len(b) / 20 {
				h.Write(b[max(at-len(b)/20, 0):at])
				time.Sleep(9 * time.Second)
			}
			h.Write(b[len(b)-len(b)/20+1:])
		}, 20},
		{"fragments", websocket.Options{}, func(h *hostile) {
			h.Write(h.frame(opText, "{"))
			for range 9 {
				time.Sleep(time.Second)
				h.Write(h.frame(opContinuation, "x"))
			}
			h.Write(h.frame(fin|opContinuation, "}"))
		}, 1},
		// No message is on its way, though half a frame always is.
		{"pings that never end at the end of a piece", websocket.Options{}, func(h *hostile) {
			b := bytes.Repeat(h.frame(fin|opPing, "here"), 20)
			for at := 3; at < len(b); at += len(b) / 20 {
				h.Write(b[max(at-len(b)/20, 0):at])
				time.Sleep(4 * time.Second)
			}
			h.Write(b[len(b)-len(b)/20+3:])
			h.Write(h.frame(fin|opText, "{}"))
		}, 1},
		{"no timeout", websocket.Options{Conn: transport.ConnOptions{MessageTimeout: -1}}, func(h *hostile) {
			h.Write(h.frame(opText, "{"))
			for range 3600 {
				time.Sleep(time.Second)
				h.Write(h.frame(opContinuation, ""))
			}
			h.Write(h.frame(fin|opContinuation, "}"))
		}, 1},
		{"after a day without one", websocket.Options{Conn: transport.ConnOptions{ProbeAfter: -1}}, func(h *hostile) {
			time.Sleep(24 * time.Hour)
			h.drip(h.frame(fin|opText, "{}"), time.Second)
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachSide(t, c.options, func(t *testing.T, conn transport.Conn, peer *hostile) {
				peer.during(func() { c.send(peer) })
				for range c.want {
					got, err := conn.Read()
					require.NoError(t, err)
					require.Equal(t, "{", string(got[:1]))
				}
			})
		})
	}
}

// endless is more bytes than anybody may take of a flood. In a bubble no time
// passes for as long as one goes on.
const endless = 64 << 20

// Row B12, as fast as it goes: no time passes, and the bytes are counted.
func TestFramesThatCarryNothing(t *testing.T) {
	t.Run("B12 endless empty continuations at once", func(t *testing.T) {
		eachSide(t, websocket.Options{Conn: transport.ConnOptions{MaxFrameBytes: 10_000}}, func(t *testing.T, conn transport.Conn, peer *hostile) {
			sent := make(chan int, 1)
			peer.during(func() {
				total, piece := 0, bytes.Repeat(peer.frame(opContinuation, ""), 100)
				_, err := peer.Write(peer.frame(opText, "{"))
				for err == nil && total < endless {
					var n int
					n, err = peer.Write(piece)
					total += n
				}
				sent <- total
			})
			start := time.Now()
			_, err := conn.Read()
			require.ErrorIs(t, err, transport.ErrSlow)
			require.Zero(t, time.Since(start))
			peer.expectTold(transport.Slow)
			require.NoError(t, conn.Close(goodbye))
			require.Equal(t, time.Second, time.Since(start))
			require.Less(t, <-sent, 5<<20, "it is held up")
		})
	})
	// A message of exactly the limit, in the most wasteful way there is.
	t.Run("B11 fragments of one byte up to the limit", func(t *testing.T) {
		eachSide(t, websocket.Options{Conn: transport.ConnOptions{MaxFrameBytes: 100_000}}, func(t *testing.T, conn transport.Conn, peer *hostile) {
			peer.during(func() {
				b := append(peer.frame(opBinary, "x"), bytes.Repeat(peer.frame(opContinuation, "x"), 99_998)...)
				peer.Write(append(b, peer.frame(fin|opContinuation, "x")...))
			})
			got, err := conn.Read()
			require.NoError(t, err)
			require.Len(t, got, 100_000)
		})
	})
}

// What counts is that the write is complete, not that some of it gets through.
func TestReaderOfAByteASecond(t *testing.T) {
	t.Run("H3 a byte a second", func(t *testing.T) {
		eachSide(t, websocket.Options{}, func(t *testing.T, conn transport.Conn, peer *hostile) {
			queue := outbox.New(conn, &outbox.Limits{Messages: 256, Bytes: 1 << 20, WriteTimeout: 10 * time.Second})
			peer.during(func() {
				for err := error(nil); err == nil; time.Sleep(time.Second) {
					_, err = peer.reader.ReadByte()
					peer.Write(peer.frame(fin|opPong, "")) // it is alive
				}
			})
			start := time.Now()
			for range 4 {
				require.NoError(t, queue.Push(make([]byte, 200<<10)))
				queue.Start()
			}
			_, err := conn.Read()
			require.ErrorIs(t, err, net.ErrClosed)
			require.GreaterOrEqual(t, time.Since(start), 10*time.Second)
			require.ErrorIs(t, queue.Push(nil), outbox.ErrClosed)
			queue.Wait()
			require.LessOrEqual(t, time.Since(start), 12*time.Second)
		})
	})
}

// A link that goes down without a word is noticed by both ends.
func TestHalfOpen(t *testing.T) {
	t.Run("H4 no FIN", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			pair := pairInMemory(t, nil, transporttest.Settings{})
			start := time.Now()
			pair.Silence()
			for _, conn := range []transport.Conn{pair.A, pair.B} {
				at, err := readError(conn, start)
				require.ErrorIs(t, err, transport.ErrSilent)
				require.LessOrEqual(t, at, 2*(transport.DefaultProbeAfter+transport.DefaultGiveUp), "the second begins to listen late")
				conn.Close(goodbye)
			}
		})
	})
}
