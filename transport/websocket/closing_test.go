package websocket_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

func TestCloseCode(t *testing.T) {
	for _, c := range []struct {
		name string
		code transport.CloseCode
		want int
	}{
		{"master down", transport.MasterDown, 4002},
		{"shutdown", transport.Shutdown, 4106},
		{"too large", transport.TooLarge, 1009},
		{"internal error", 1011, 1011},
		{"registered", 3000, 3000},
		{"none", 0, 1000},
		{"no frame may carry it", 1005, 1000},
		{"unknown", 2000, 1000},
		{"too high", 5000, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := connectRaw(t, websocket.Options{})
				go server.Close(transport.Reason{Code: c.code, Text: "why"})
				client.expect(fin|opClose, closePayload(c.want, "why"))
			})
		})
	}
}

// A code that one end sends is taken by the other, every one of them.
func TestCloseCodesThatAreSentAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, websocket.Options{}, nil)
		for code := transport.CloseCode(900); code < 5100; code++ {
			if code == 1016 {
				code = 2998 // nothing is different between
			}
			client, server := s.connect(t, s.dialer())
			go server.Close(transport.Reason{Code: code, Text: "why"})
			_, err := client.Read()
			var closed *transport.CloseError
			require.ErrorAs(t, err, &closed, "%d", code)
			require.Contains(t, []transport.CloseCode{code, 1000}, closed.Reason.Code)
			require.NoError(t, client.Close(goodbye))
		}
	})
}

// What a peer does after it has read the close frame, and how long Close takes
// then.
func TestCloseWaits(t *testing.T) {
	for _, c := range []struct {
		name string
		peer func(client *rawClient)
		want time.Duration
	}{
		{"B19 nothing", func(*rawClient) {}, time.Second},
		{"answers", func(c *rawClient) { c.Write(frame(fin|opClose, closePayload(4005, ""))) }, 0},
		{"answers after others", func(c *rawClient) {
			c.Write(frame(fin|opText, "{}"))
			c.Write(frame(fin|opPing, ""))
			c.Write(frame(fin|opClose, ""))
		}, 0},
		{"closes", func(c *rawClient) { c.Close() }, 0},
		{"ends its sending", func(c *rawClient) { c.CloseWrite() }, 0},
		{"answers late", func(c *rawClient) {
			time.Sleep(700 * time.Millisecond)
			c.Write(frame(fin|opClose, ""))
		}, 700 * time.Millisecond},
		{"goes on sending", func(c *rawClient) {
			for err := error(nil); err == nil; time.Sleep(time.Millisecond) {
				_, err = c.Write(frame(fin|opText, "{}"))
			}
		}, time.Second},
		{"sends what is no frame", func(c *rawClient) {
			for err := error(nil); err == nil; time.Sleep(time.Millisecond) {
				_, err = c.Write([]byte("what?"))
			}
		}, time.Second},
		{"answers with a message that is too large, and behind that", func(c *rawClient) {
			c.Write(frame(fin|opText, strings.Repeat("x", 2000)))
			time.Sleep(300 * time.Millisecond)
			c.Close()
		}, 300 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := connectRaw(t, websocket.Options{Conn: transport.ConnOptions{MaxFrameBytes: 1000}})
				start := time.Now()
				var peer sync.WaitGroup
				peer.Go(func() {
					if frame, _ := client.receive(); frame.first == fin|opClose {
						c.peer(client)
					}
				})
				reading := make(chan error)
				go func() {
					_, err := server.Read()
					reading <- err
				}()
				synctest.Wait()
				require.NoError(t, server.Close(goodbye))
				require.Equal(t, c.want, time.Since(start))
				require.ErrorIs(t, <-reading, net.ErrClosed)
				peer.Wait()
			})
		})
	}
}

// A peer that sends without end does not keep a processor busy for a second.
func TestCloseUnderFlood(t *testing.T) { // row B19
	synctest.Test(t, func(t *testing.T) {
		client, server := connectRaw(t, websocket.Options{})
		sent := make(chan int)
		go func() {
			total, message := 0, frame(fin|opBinary, strings.Repeat("x", 10_000))
			for {
				n, err := client.Write(message)
				total += n
				if err != nil {
					sent <- total
					return
				}
			}
		}()
		start := time.Now()
		require.NoError(t, server.Close(goodbye))
		require.Equal(t, time.Second, time.Since(start))
		require.Less(t, <-sent, 5<<20)
	})
}

// A peer that does not read has a second to take what is being written to it.
func TestCloseOnStuckWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server := connectRaw(t, websocket.Options{})
		writing := make(chan error)
		go func() { writing <- server.Write(make([]byte, 1<<20)) }()
		synctest.Wait()
		start := time.Now()
		require.Error(t, server.Close(goodbye), "the peer could not be told")
		require.Equal(t, time.Second, time.Since(start))
		require.ErrorIs(t, <-writing, net.ErrClosed)
	})
}

func TestCloseBehindSlowWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connectRaw(t, websocket.Options{})
		first, second := strings.Repeat("1", 200_000), strings.Repeat("2", 200_000)
		writing := make(chan error)
		go func() { writing <- server.Write([]byte(first), []byte(second)) }()
		synctest.Wait()
		go func() {
			time.Sleep(900 * time.Millisecond)
			client.expect(fin|opBinary, first)
			client.expect(fin|opBinary, second)
			client.expect(fin|opClose, closePayload(4005, "goodbye"))
			client.Close()
		}()
		start := time.Now()
		require.NoError(t, server.Close(goodbye))
		require.Equal(t, 900*time.Millisecond, time.Since(start))
		require.NoError(t, <-writing)
	})
}

// stubborn never gets to the end of its sending, as TLS may not.
type stubborn struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (s *stubborn) CloseWrite() error {
	<-s.closed
	return nil
}

func (s *stubborn) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Conn.Close()
}

func TestCloseThatCannotHalfClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, websocket.Options{}, nil)
		dialer := s.dialer()
		dialer.NetDialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := s.listener.Dial(ctx)
			return &stubborn{Conn: c, closed: make(chan struct{})}, err
		}
		client, server := s.connect(t, dialer)
		start := time.Now()
		client.Close(goodbye)
		require.Equal(t, 2*time.Second, time.Since(start))
		server.Close(goodbye)
	})
}

func TestDataBehindCloseFrame(t *testing.T) {
	t.Run("B20 message, and no frame, behind the close frame", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, server := connectRaw(t, websocket.Options{})
			client.send(frame(fin|opClose, closePayload(1000, "")), frame(fin|opText, "{}"), []byte("no frame"))
			for range 3 {
				_, err := server.Read()
				requireClosed(t, err, 1000, "")
			}
			client.expectClose(1000)
			require.NoError(t, server.Close(goodbye))
		})
	})
}

// A connection that ends without a close frame is lost, wherever.
func TestLossMidFrame(t *testing.T) {
	whole := bytes.Join([][]byte{frame(opText, "{"), frame(fin|opPing, "p"), frame(fin|opContinuation, "}")}, nil)
	for name, lose := range map[string]func(*rawClient){
		"B18 reset":      func(c *rawClient) { c.Cut() },
		"B18 end":        func(c *rawClient) { c.Close() },
		"B18 half-close": func(c *rawClient) { c.CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			for at := range len(whole) {
				synctest.Test(t, func(t *testing.T) {
					client, server := connectRaw(t, websocket.Options{})
					client.send(whole[:at])
					go func() {
						synctest.Wait()
						lose(client)
					}()
					_, err := server.Read()
					require.Error(t, err)
					require.NotErrorIs(t, err, net.ErrClosed)
					require.NotErrorIs(t, err, transport.ErrProtocol)
					require.NotErrorIs(t, err, transport.ErrSilent)
					require.NotErrorAs(t, err, new(*transport.CloseError))
					if name == "B18 half-close" { // otherwise a pong may meet nobody, and be reset
						require.ErrorIs(t, err, io.ErrUnexpectedEOF)
					}
					start := time.Now()
					server.Close(goodbye)
					require.Zero(t, time.Since(start), "there is nothing to wait for")
				})
			}
		})
	}
}

// A client that has ended its sending can still be told why the connection ends.
func TestHalfClosedPeerIsTold(t *testing.T) { // row B18
	synctest.Test(t, func(t *testing.T) {
		client, server := connectRaw(t, websocket.Options{})
		require.NoError(t, client.CloseWrite())
		_, err := server.Read()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.NoError(t, server.Close(goodbye))
		client.expect(fin|opClose, closePayload(4005, "goodbye"))
		client.expectEnd()
	})
}
