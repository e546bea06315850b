package netconn

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/transport"
)

// requireTold reads what a peer was sent, to its end: any number of probes and
// answers, and the close unit with the code.
func requireTold(t *testing.T, peer net.Conn, code transport.CloseCode) {
	t.Helper()
	for {
		header := receive(t, peer, headerSize)
		content := receive(t, peer, int(binary.BigEndian.Uint32([]byte(header[1:]))))
		if header[0] == kindClose {
			require.Equal(t, code, transport.CloseCode(binary.BigEndian.Uint16([]byte(content))))
			return
		}
		require.Contains(t, []byte{kindProbe, kindAnswer}, header[0])
		require.Empty(t, content)
	}
}

// during runs f in a goroutine, which ends, at the latest, by the peer's end as
// the test ends.
func during(t *testing.T, peer net.Conn, f func()) {
	var running sync.WaitGroup
	running.Go(f)
	t.Cleanup(func() {
		_ = peer.Close()
		running.Wait()
	})
}

// drip sends bytes one at a time, one in each interval, until that fails.
func drip(peer net.Conn, b []byte, interval time.Duration) {
	for i := range b {
		if _, err := peer.Write(b[i : i+1]); err != nil {
			return
		}
		time.Sleep(interval)
	}
}

// Slow units, B12 and B13 of a stream: each byte is a sign of life, and the unit
// is over its time all the same.
func TestSlowUnits(t *testing.T) {
	probed := transport.ConnOptions{ProbeAfter: 700 * time.Millisecond, GiveUp: time.Second}
	for _, c := range []struct {
		name     string
		options  transport.ConnOptions
		before   string // at once
		sent     []byte // a byte a second
		slow     time.Duration
		complete bool // in time
	}{
		{"B13 a byte a second", transport.ConnOptions{}, "", unit(kindMessage, strings.Repeat("x", 100)), 10 * time.Second, false},
		{"B13 a byte a second, over many probes", probed, "", unit(kindMessage, strings.Repeat("x", 100)), 10 * time.Second, false},
		{"B13 a byte a second, no probing", transport.ConnOptions{ProbeAfter: -1}, "", unit(kindMessage, strings.Repeat("x", 100)), 10 * time.Second, false},
		{"B13 a byte a second of many bytes", transport.ConnOptions{}, "", unit(kindMessage, strings.Repeat("x", 50_000)), 10 * time.Second, false},
		{"B13 the rest of much", transport.ConnOptions{}, string(unit(kindMessage, strings.Repeat("x", 50_000))[:49_000]), []byte(strings.Repeat("x", 1000)), 10 * time.Second, false},
		{"B13 behind a probe", transport.ConnOptions{}, probe, unit(kindMessage, strings.Repeat("x", 100)), 10 * time.Second, false},
		{"B13 a part of the header behind a probe", transport.ConnOptions{}, probe + "\x00", []byte("\x00\x00\x00\x64" + strings.Repeat("x", 100)), 10 * time.Second, false},
		{"B13 a slow probe", transport.ConnOptions{}, "", unit(kindProbe, strings.Repeat("x", 100)), 10 * time.Second, false},
		{"B13 a slow end", transport.ConnOptions{}, "", unit(kindClose, strings.Repeat("x", 100)), 10 * time.Second, false},
		{"B13 another timeout", transport.ConnOptions{MessageTimeout: 3 * time.Second}, "", unit(kindMessage, strings.Repeat("x", 100)), 3 * time.Second, false},
		{"B13 in time", transport.ConnOptions{}, "", unit(kindMessage, "12345"), 0, true},
		{"B13 no timeout", transport.ConnOptions{MessageTimeout: -1}, "", unit(kindMessage, strings.Repeat("x", 100)), 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, c.options, func(t *testing.T, conn *conn, peer *memnet.Conn) {
				read := reading(conn)
				time.Sleep(500 * time.Millisecond) // no message, no limit
				during(t, peer, func() {
					_, _ = peer.Write([]byte(c.before))
					drip(peer, c.sent, time.Second)
				})
				end := <-read
				if c.complete {
					require.NoError(t, end.err)
					return
				}
				require.ErrorIs(t, end.err, transport.ErrSlow)
				require.Equal(t, c.slow+500*time.Millisecond, end.after)
				requireTold(t, peer, transport.Slow)
				_, again := conn.Read()
				require.Equal(t, end.err, again)
				require.Error(t, conn.Write([]byte("x")), "the peer was told the end")
			})
		})
	}
}

// dripping is a net.Conn that, once it is slow, takes a second for each byte.
type dripping struct {
	net.Conn
	slow atomic.Bool
}

func (d *dripping) Write(p []byte) (int, error) {
	if !d.slow.Load() {
		return d.Conn.Write(p)
	}
	drip(d.Conn, p, time.Second)
	return len(p), nil
}

// A record of TLS is read as a whole, or not at all.
func TestSlowRecords(t *testing.T) {
	serverConfig, clientConfig := certificate()
	for _, c := range []struct {
		name   string
		before int // bytes of the message that come in a record of their own
		err    error
		after  time.Duration
	}{
		{"B13 a byte a second of a record", 0, transport.ErrSilent, transport.DefaultProbeAfter + transport.DefaultGiveUp},
		{"B13 a byte a second of a record within a message", 10, transport.ErrSlow, transport.DefaultMessageTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := memnet.Pipe()
				beneath := &dripping{Conn: a}
				client, server := tls.Client(beneath, clientConfig), tls.Server(b, serverConfig)
				shaken := make(chan error, 1)
				go func() { shaken <- server.Handshake() }()
				require.NoError(t, client.Handshake())
				require.NoError(t, <-shaken)
				conn := newConn(server, transport.ConnOptions{}.WithDefaults(nil))
				message := unit(kindMessage, strings.Repeat("x", 100))
				send(t, client, message[:c.before])
				beneath.slow.Store(true)
				during(t, a, func() { _, _ = client.Write(message[c.before:]) })
				end := <-reading(conn)
				require.ErrorIs(t, end.err, c.err)
				require.Equal(t, c.after, end.after)
				_ = conn.Close(goodbye)
			})
		})
	}
}

// Both sides have the bound, and by default.
func TestSlowUnitsOfEitherSide(t *testing.T) {
	slow := func(t *testing.T, c transport.Conn, peer net.Conn) {
		during(t, peer, func() { drip(peer, unit(kindMessage, strings.Repeat("x", 100)), time.Second) })
		start := time.Now()
		_, err := c.Read()
		require.ErrorIs(t, err, transport.ErrSlow)
		require.Equal(t, transport.DefaultMessageTimeout, time.Since(start))
		requireTold(t, peer, transport.Slow)
		require.NoError(t, peer.Close())
		_ = c.Close(goodbye)
	}
	t.Run("B13 serving", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			listener, server := memnet.Listen(), newHandOver()
			end := serving(t, listener, server, Options{})
			peer, err := listener.Dial(t.Context())
			require.NoError(t, err)
			slow(t, (<-server.conns).Conn, peer)
			close(server.done)
			require.NoError(t, end())
		})
	})
	t.Run("B13 dialling", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			listener := memnet.Listen()
			c := dialMemory(t, listener)
			peer, err := listener.Accept()
			require.NoError(t, err)
			slow(t, c, peer)
			require.NoError(t, listener.Close())
		})
	})
}

func TestControlFloods(t *testing.T) {
	empty := string(unit(kindMessage, ""))
	for _, c := range []struct {
		name    string
		options transport.ConnOptions
		sent    string // as long as it may go on
		behind  string // what is too much
	}{
		{"B14 probes", transport.ConnOptions{}, strings.Repeat(probe, 20), probe},
		{"B14 probes with content", transport.ConnOptions{}, strings.Repeat(string(unit(kindProbe, "what?")), 20), probe},
		{"B14 probes among messages", transport.ConnOptions{}, strings.Repeat(empty+probe, 20), probe},
		{"B14 another rate", transport.ConnOptions{ControlFramesPerSecond: 50}, strings.Repeat(probe, 100), probe},
		{"B14 the rate of one who probes as often", transport.ConnOptions{ProbeAfter: 20 * time.Millisecond}, strings.Repeat(probe, 200), probe},
		{"B15 answers to no probe", transport.ConnOptions{}, strings.Repeat(answer, 20), answer},
		{"B15 answers and probes", transport.ConnOptions{}, strings.Repeat(answer+probe, 10), answer},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, c.options, func(t *testing.T, conn *conn, peer *memnet.Conn) {
				send(t, peer, []byte(c.sent+string(unit(kindMessage, "still here"))))
				for {
					message, err := conn.Read()
					require.NoError(t, err)
					if len(message) > 0 {
						break
					}
				}
				send(t, peer, []byte(c.behind+strings.Repeat(probe, 1000)))
				read := reading(conn)
				end := <-read
				require.ErrorIs(t, end.err, transport.ErrFlood)
				require.Zero(t, end.after)
				requireTold(t, peer, transport.RateLimited)
				_, again := conn.Read()
				require.Equal(t, end.err, again)
			})
		})
	}
}

// B14: a flood without an end, by a peer that reads nothing either.
func TestEndlessFlood(t *testing.T) {
	bubble(t, transport.ConnOptions{}, func(t *testing.T, c *conn, peer *memnet.Conn) {
		flood, sent := []byte(strings.Repeat(probe, 10_000)), make(chan int)
		go func() {
			total := 0
			for err := error(nil); err == nil && total < 64<<20; {
				var n int
				n, err = peer.Write(flood)
				total += n
			}
			sent <- total
		}()
		require.Equal(t, outcome{"", transport.ErrFlood, 0}, <-reading(c))
		require.Equal(t, outcome{"", nil, closeWait}, <-closing(c))
		require.Less(t, <-sent, maxLinger+1<<20, "it is held up")
	})
}

// At the rate itself a peer may go on for ever, and answers to probes are free.
func TestControlFramesInTime(t *testing.T) {
	t.Run("B14 as many as allowed", func(t *testing.T) {
		bubble(t, patient, func(t *testing.T, c *conn, peer *memnet.Conn) {
			read := reading(c)
			for range 1000 {
				send(t, peer, []byte(probe))
				require.Equal(t, answer, receive(t, peer, headerSize))
				time.Sleep(time.Second / transport.DefaultControlFramesPerSecond)
			}
			send(t, peer, unit(kindMessage, "still here"))
			require.Equal(t, "still here", (<-read).message)
		})
	})
	t.Run("B15 answers to probes", func(t *testing.T) {
		options := transport.ConnOptions{ProbeAfter: time.Millisecond, GiveUp: time.Second, ControlFramesPerSecond: 1}
		bubble(t, options, func(t *testing.T, c *conn, peer *memnet.Conn) {
			read := reading(c)
			for range 1000 {
				require.Equal(t, probe, receive(t, peer, headerSize))
				send(t, peer, []byte(answer))
			}
			send(t, peer, unit(kindMessage, "still here"))
			require.Equal(t, "still here", (<-read).message)
		})
	})
	t.Run("B15 one answer for one probe", func(t *testing.T) {
		options := transport.ConnOptions{ProbeAfter: time.Minute, ControlFramesPerSecond: 1}
		bubble(t, options, func(t *testing.T, c *conn, peer *memnet.Conn) {
			read := reading(c)
			require.Equal(t, probe, receive(t, peer, headerSize))
			send(t, peer, []byte(strings.Repeat(answer, 4))) // one free, two of the burst
			require.ErrorIs(t, (<-read).err, transport.ErrFlood)
		})
	})
	// An answer to nothing puts the end off by one interval, as any byte does.
	t.Run("B15 answers extend nothing", func(t *testing.T) {
		bubble(t, patient, func(t *testing.T, c *conn, peer *memnet.Conn) {
			read := reading(c)
			time.Sleep(9 * time.Second)
			send(t, peer, []byte(strings.Repeat(answer, 10)))
			require.Equal(t, outcome{"", transport.ErrSilent, 24 * time.Second}, <-read)
		})
	})
}

// H3: what counts is that the write makes way at the floor, not that some of it gets
// through.
func TestReaderOfAByteASecond(t *testing.T) {
	t.Run("H3 a byte a second", func(t *testing.T) {
		bubble(t, patient, func(t *testing.T, c *conn, peer *memnet.Conn) {
			queue := outbox.New(c, &outbox.Limits{Messages: 256, Bytes: 1 << 20, WriteTimeout: 10 * time.Second})
			read := reading(c)
			during(t, peer, func() { drip(peer, []byte(strings.Repeat(answer, 10)), time.Second) }) // it is alive
			during(t, peer, func() {
				for {
					if _, err := peer.Read(make([]byte, 1)); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			})
			for range 4 {
				require.NoError(t, queue.Push(make([]byte, 200<<10)))
				queue.Start()
			}
			end := <-read
			require.ErrorIs(t, end.err, net.ErrClosed)
			require.Equal(t, 10*time.Second, end.after)
			require.ErrorIs(t, queue.Push(nil), outbox.ErrClosed)
			start := time.Now()
			queue.Wait()
			require.LessOrEqual(t, time.Since(start), 2*closeWait)
		})
	})
}

// H4: a link that goes down without a word is noticed by both ends.
func TestHalfOpen(t *testing.T) {
	t.Run("H4 no FIN", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := memnet.Pipe()
			one, two := newConn(a, transport.ConnOptions{}.WithDefaults(nil)), newConn(b, transport.ConnOptions{}.WithDefaults(nil))
			readOne, readTwo := reading(one), reading(two)
			a.Silence()
			want := outcome{"", transport.ErrSilent, transport.DefaultProbeAfter + transport.DefaultGiveUp}
			require.Equal(t, want, <-readOne)
			require.Equal(t, want, <-readTwo)
			require.Zero(t, (<-closing(one)).after, "there is nobody to wait for")
			require.Zero(t, (<-closing(two)).after)
		})
	})
}

// A peer may go on after it has ended its sending without a close unit: it is
// told why the connection ends all the same.
func TestHalfClosedPeerIsTold(t *testing.T) {
	t.Run("B18 half-close", func(t *testing.T) {
		bubble(t, transport.ConnOptions{}, func(t *testing.T, c *conn, peer *memnet.Conn) {
			require.NoError(t, peer.CloseWrite())
			require.Error(t, (<-reading(c)).err)
			require.NoError(t, (<-closing(c)).err)
			requireTold(t, peer, goodbye.Code)
		})
	})
}

// The server hears of no connection that it does not have to, and is told what
// its peers did by the errors of Read.
func TestHostilePeersOfServe(t *testing.T) {
	for _, c := range []struct {
		name string
		sent string
		err  error
	}{
		{"B3 unknown kind", "\x04\x00\x00\x00\x00", transport.ErrProtocol},
		{"B9 length of 4 GiB", "\x00\xff\xff\xff\xff", transport.ErrMessageTooLarge},
		{"B14 probes", strings.Repeat(probe, 100), transport.ErrFlood},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener, server := memnet.Listen(), &sorry{}
				end := serving(t, listener, server, Options{})
				peer, err := listener.Dial(t.Context())
				require.NoError(t, err)
				bystander, err := Dialer{NetDialContext: listener.DialContext}.Dial(t.Context())
				require.NoError(t, err)
				send(t, peer, []byte(c.sent))
				synctest.Wait()
				require.NoError(t, peer.Close())
				requireEcho(t, bystander)
				require.NoError(t, bystander.Close(goodbye))
				require.NoError(t, end())
				require.ErrorIs(t, server.first, c.err)
			})
		})
	}
}

// sorry is an echo that keeps the first error that does not come of a close.
type sorry struct {
	echo
	first error
}

func (s *sorry) Serve(ctx context.Context, conn transport.Conn) error {
	return s.echo.Serve(ctx, &watched{conn, s})
}

type watched struct {
	transport.Conn
	server *sorry
}

func (w *watched) Read() ([]byte, error) {
	message, err := w.Conn.Read()
	if closed := (*transport.CloseError)(nil); err != nil && !errors.As(err, &closed) {
		w.server.mu.Lock()
		defer w.server.mu.Unlock()
		if w.server.first == nil {
			w.server.first = err
		}
	}
	return message, err
}
