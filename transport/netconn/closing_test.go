package netconn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
)

var goodbye = transport.Reason{Code: transport.MasterLeft, Text: "goodbye"}

// closing starts a Close, whose end is told with the time that it took.
func closing(c transport.Conn) <-chan outcome {
	start, done := time.Now(), make(chan outcome, 1)
	go func() {
		err := c.Close(goodbye)
		done <- outcome{"", err, time.Since(start)}
	}()
	return done
}

func TestCloseWithAReadingPeerTakesNoTime(t *testing.T) {
	certificate()
	for name, newPair := range map[string]func() (net.Conn, net.Conn){"plain": memoryConns, "TLS": memoryTLSConns} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newPair()
				one, two := newConn(a, transport.ConnOptions{}.WithDefaults(nil)), newConn(b, transport.ConnOptions{}.WithDefaults(nil))
				read := reading(two)
				require.Equal(t, outcome{}, <-closing(one), "the peer answers by reading alone")
				require.Equal(t, &transport.CloseError{Reason: goodbye}, (<-read).err)
				require.Equal(t, (<-reading(two)).err, two.Write([]byte("late")), "Write tells the reason too")
				require.Equal(t, outcome{}, <-closing(two))
			})
		})
	}
}

func memoryTLSConns() (net.Conn, net.Conn) {
	a, b := memnet.Pipe()
	serverConfig, clientConfig := certificate()
	client, server := tls.Client(a, clientConfig), tls.Server(b, serverConfig)
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-shaken); err != nil {
		panic(err)
	}
	return client, server
}

// The Write in progress may finish, and the reason follows it.
func TestCloseBehindAWrite(t *testing.T) {
	bubble(t, transport.ConnOptions{}, func(t *testing.T, c *conn, peer *memnet.Conn) {
		size := memnet.BufferSize + 1000
		written := make(chan error, 1)
		go func() { written <- c.Write(make([]byte, size)) }()
		synctest.Wait()
		closed := closing(c)
		synctest.Wait()
		require.ErrorIs(t, (<-reading(c)).err, net.ErrClosed, "Close counts at once")
		time.Sleep(closeWait / 2)
		receive(t, peer, headerSize+size)
		require.NoError(t, <-written)
		require.Equal(t, string(appendClose(nil, goodbye)), receive(t, peer, headerSize+codeSize+len(goodbye.Text)))
		require.NoError(t, peer.Close())
		require.Equal(t, outcome{"", nil, closeWait / 2}, <-closed)
	})
}

func TestCloseIsBounded(t *testing.T) {
	t.Run("B19 idle peer", func(t *testing.T) {
		bubble(t, transport.ConnOptions{}, func(t *testing.T, c *conn, _ *memnet.Conn) {
			require.Equal(t, outcome{"", nil, closeWait}, <-closing(c))
		})
	})
	t.Run("B19 stuck Write", func(t *testing.T) {
		bubble(t, transport.ConnOptions{}, func(t *testing.T, c *conn, _ *memnet.Conn) {
			written := make(chan error, 1)
			go func() { written <- c.Write(make([]byte, 10*memnet.BufferSize)) }()
			synctest.Wait()
			closed, again := closing(c), closing(c)
			end := <-closed
			require.Error(t, end.err, "the peer could not be told")
			require.Equal(t, closeWait, end.after)
			require.Equal(t, end, <-again)
			require.ErrorIs(t, <-written, net.ErrClosed)
		})
	})
	t.Run("no room for the reason", func(t *testing.T) {
		bubble(t, transport.ConnOptions{}, func(t *testing.T, c *conn, _ *memnet.Conn) {
			require.NoError(t, c.Write(make([]byte, memnet.BufferSize-headerSize)))
			end := <-closing(c)
			require.Error(t, end.err)
			require.Equal(t, closeWait, end.after)
		})
	})
	t.Run("B19 a peer that sends all the time", func(t *testing.T) {
		bubble(t, transport.ConnOptions{}, func(t *testing.T, c *conn, peer *memnet.Conn) {
			var flood sync.WaitGroup
			flood.Go(func() {
				for {
					if _, err := peer.Write([]byte("more")); err != nil {
						return
					}
					time.Sleep(time.Millisecond)
				}
			})
			require.Equal(t, outcome{"", nil, closeWait}, <-closing(c))
			flood.Wait()
		})
	})
	t.Run("no room for the end of TLS", func(t *testing.T) {
		certificate()
		synctest.Test(t, func(t *testing.T) {
			a, b := memnet.Pipe()
			serverConfig, clientConfig := certificate()
			pipe := clog(t, a)
			client, server := tls.Client(pipe, clientConfig), tls.Server(b, serverConfig)
			go server.Handshake()
			require.NoError(t, client.Handshake())
			synctest.Wait()
			c := newConn(client, transport.ConnOptions{}.WithDefaults(nil))
			pipe.passing = 1 // the reason
			require.Equal(t, 2*closeWait, (<-closing(c)).after)
			require.NoError(t, b.Close())
		})
	})
	t.Run("no deadlines", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := memnet.Pipe()
			c := newConn(timeless{a}, transport.ConnOptions{}.WithDefaults(nil))
			read := reading(c)
			synctest.Wait()
			require.Equal(t, 2*closeWait, (<-closing(c)).after)
			require.ErrorIs(t, (<-read).err, net.ErrClosed)
			require.NoError(t, b.Close())
		})
	})
}

// clogged is a net.Conn that, after so many writes, has no room for another.
type clogged struct {
	*memnet.Conn
	full    *memnet.Conn
	passing int
}

func clog(t *testing.T, c *memnet.Conn) *clogged {
	full, _ := memnet.Pipe()
	send(t, full, make([]byte, memnet.BufferSize))
	return &clogged{Conn: c, full: full, passing: 1 << 30}
}

func (c *clogged) Write(p []byte) (int, error) {
	if c.passing == 0 {
		return c.full.Write(p)
	}
	c.passing--
	return c.Conn.Write(p)
}

func (c *clogged) SetWriteDeadline(t time.Time) error {
	_ = c.full.SetWriteDeadline(t)
	return c.Conn.SetWriteDeadline(t)
}

func (c *clogged) Close() error {
	_ = c.full.Close()
	return c.Conn.Close()
}

// timeless is a net.Conn that knows no deadlines.
type timeless struct{ *memnet.Conn }

func (timeless) SetDeadline(time.Time) error      { return nil }
func (timeless) SetReadDeadline(time.Time) error  { return nil }
func (timeless) SetWriteDeadline(time.Time) error { return nil }

// What follows the close unit is ignored, and the one who sends it may do nothing
// more.
func TestPeerThatOnlySaysGoodbye(t *testing.T) {
	t.Run("B19 B20 data behind the close unit", testPeerThatOnlySaysGoodbye)
}

func testPeerThatOnlySaysGoodbye(t *testing.T) {
	bubble(t, transport.ConnOptions{}, func(t *testing.T, c *conn, peer *memnet.Conn) {
		send(t, peer, append(appendClose(nil, goodbye), strings.Repeat("junk", 100)...))
		require.Equal(t, &transport.CloseError{Reason: goodbye}, (<-reading(c)).err)
		_, err := peer.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err, "we say no more")
		require.Equal(t, outcome{}, <-closing(c))
	})
}

// A pipe has no buffer and no half-close, and still is a net.Conn.
func TestOverNetPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		one, two := newConn(a, patient.WithDefaults(nil)), newConn(b, patient.WithDefaults(nil))
		readOne, readTwo := reading(one), reading(two)
		time.Sleep(59 * time.Second) // probes and answers
		require.NoError(t, one.Write([]byte("hello"), []byte("there")))
		require.Equal(t, "hello", (<-readTwo).message)
		require.Equal(t, "there", (<-reading(two)).message)
		readTwo = reading(two)
		closed := closing(one)
		require.Equal(t, &transport.CloseError{Reason: goodbye}, (<-readTwo).err)
		require.ErrorIs(t, (<-readOne).err, net.ErrClosed)
		require.NoError(t, two.Close(goodbye))
		require.Equal(t, outcome{}, <-closed)
	})
}

// The handshake of a tls.Conn may still be to do.
func TestHandshakeOnTheWay(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe()
		serverConfig, clientConfig := certificate()
		one := newConn(tls.Client(a, clientConfig), transport.ConnOptions{}.WithDefaults(nil))
		two := newConn(tls.Server(b, serverConfig), transport.ConnOptions{}.WithDefaults(nil))
		read := reading(two)
		require.NoError(t, one.Write([]byte("hello")))
		require.Equal(t, "hello", (<-read).message)
		read = reading(two)
		require.NoError(t, (<-closing(one)).err)
		require.Error(t, (<-read).err)
		require.NoError(t, two.Close(goodbye))
	})
}
