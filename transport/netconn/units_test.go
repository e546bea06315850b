package netconn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
)

// bubble runs a test in a testing/synctest bubble, with a connection and the
// bare other end of it.
func bubble(t *testing.T, options transport.ConnOptions, test func(t *testing.T, c *conn, peer *memnet.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe()
		c := newConn(near, options.WithDefaults(nil))
		t.Cleanup(func() {
			_ = far.Close()
			_ = c.Close(transport.Reason{Code: transport.Left})
		})
		test(t, c, far)
	})
}

// send writes as a peer would.
func send(t *testing.T, peer net.Conn, b []byte) {
	_, err := peer.Write(b)
	require.NoError(t, err)
}

// receive reads exactly so many bytes as a peer would.
func receive(t *testing.T, peer net.Conn, size int) string {
	b := make([]byte, size)
	_, err := io.ReadFull(peer, b)
	require.NoError(t, err)
	return string(b)
}

func unit(kind byte, content string) []byte {
	return append(appendHeader(nil, kind, len(content)), content...)
}

func TestUnitsOnTheWire(t *testing.T) {
	bubble(t, transport.ConnOptions{}, func(t *testing.T, c *conn, peer *memnet.Conn) {
		require.NoError(t, c.Write([]byte("hello"), nil, []byte("!")))
		go c.Close(transport.Reason{Code: transport.MasterLeft, Text: "bye"})
		require.Equal(t,
			"\x00\x00\x00\x00\x05hello"+"\x00\x00\x00\x00\x00"+"\x00\x00\x00\x00\x01!"+"\x03\x00\x00\x00\x05\x0f\xa1bye",
			receive(t, peer, 10+5+6+10))
		_, err := peer.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err, "nothing follows a close unit")
	})
}

// story is what a peer might send, and what has to be read of it.
func story() (sent []byte, read []string) {
	large, huge := strings.Repeat("large", 400), strings.Repeat("huge!", 4000)
	for _, u := range [][]byte{
		unit(kindMessage, "hello"), unit(kindProbe, ""), unit(kindMessage, ""), unit(kindAnswer, "sixteen bytes..."),
		unit(kindMessage, large), unit(kindProbe, strings.Repeat("p", 125)), unit(kindMessage, huge), unit(kindMessage, "end"),
		appendClose(nil, transport.Reason{Code: transport.Kicked, Text: "löschen"}), unit(kindMessage, "ignored"),
	} {
		sent = append(sent, u...)
	}
	return sent, []string{"hello", "", large, huge, "end"}
}

func requireStory(t *testing.T, c *conn, want []string) {
	for _, message := range want {
		got, err := c.Read()
		require.NoError(t, err)
		require.Equal(t, message, string(got))
	}
	_, err := c.Read()
	require.Equal(t, &transport.CloseError{Reason: transport.Reason{Code: transport.Kicked, Text: "löschen"}}, err)
}

// A unit split at every offset where something begins or a buffer ends, and at
// some of those in between.
func TestSplitAnywhere(t *testing.T) { t.Run("B17 split at any byte", testSplitAnywhere) }

func testSplitAnywhere(t *testing.T) {
	sent, want := story()
	edges := []int{idleBufferSize, bufferSize}
	for at := 0; at < len(sent); at += headerSize + int(binary.BigEndian.Uint32(sent[at+1:])) {
		edges = append(edges, at, at+headerSize+firstPiece)
	}
	for at := range len(sent) {
		near := func(edge int) bool { return at > edge-12 && at < edge+12 }
		if at%97 != 0 && !slices.ContainsFunc(edges, near) {
			continue
		}
		bubble(t, transport.ConnOptions{}, func(t *testing.T, c *conn, peer *memnet.Conn) {
			var sending sync.WaitGroup
			sending.Go(func() {
				_, _ = peer.Write(sent[:at])
				time.Sleep(time.Second) // passes once everybody waits
				_, _ = peer.Write(sent[at:])
			})
			requireStory(t, c, want)
			sending.Wait()
		})
	}
}

func TestByteByByte(t *testing.T) {
	sent, want := story()
	bubble(t, transport.ConnOptions{MessageTimeout: -1}, func(t *testing.T, c *conn, peer *memnet.Conn) {
		var sending sync.WaitGroup
		sending.Go(func() {
			for i := range sent {
				time.Sleep(time.Millisecond)
				if _, err := peer.Write(sent[i : i+1]); err != nil {
					return
				}
			}
		})
		requireStory(t, c, want)
		sending.Wait()
	})
}

func TestRefusedUnits(t *testing.T) {
	for _, c := range []struct {
		name string
		sent []byte
		err  error
		code transport.CloseCode
	}{
		{"B3 unknown kind", unit(4, ""), transport.ErrProtocol, transport.ProtocolError},
		{"B3 text", []byte("GET / HTTP/1.1\r\n\r\n"), transport.ErrProtocol, transport.ProtocolError},
		{"B3 TLS", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), transport.ErrProtocol, transport.ProtocolError},
		{"B9 one over the limit", []byte("\x00\x00\x00\x03\xe9"), transport.ErrMessageTooLarge, transport.TooLarge},
		{"B9 length of 2^32-1", []byte("\x00\xff\xff\xff\xff"), transport.ErrMessageTooLarge, transport.TooLarge},
		{"B3 the last kind", unit(255, ""), transport.ErrProtocol, transport.ProtocolError},
		{"B5 probe of 2^32-1", []byte("\x01\xff\xff\xff\xff"), transport.ErrProtocol, transport.ProtocolError},
		{"B6 close without a code", unit(kindClose, ""), transport.ErrProtocol, transport.ProtocolError},
		{"B8 close of 2^32-1", []byte("\x03\xff\xff\xff\xff"), transport.ErrProtocol, transport.ProtocolError},
		{"B9 length of 2^31", []byte("\x00\x80\x00\x00\x00"), transport.ErrMessageTooLarge, transport.TooLarge},
		{"B5 long probe", []byte("\x01\x00\x00\x00\x7e"), transport.ErrProtocol, transport.ProtocolError},
		{"B5 answer of 2^32-1", []byte("\x02\xff\xff\xff\xff"), transport.ErrProtocol, transport.ProtocolError},
		{"B6 close with half a code", unit(kindClose, "x"), transport.ErrProtocol, transport.ProtocolError},
		{"B8 close with a long text", unit(kindClose, strings.Repeat("x", 126)), transport.ErrProtocol, transport.ProtocolError},
		{"B8 close with no text but bytes", unit(kindClose, "\x0f\xa1\xff\xfe"), transport.ErrProtocol, transport.ProtocolError},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, transport.ConnOptions{MaxFrameBytes: 1000}, func(t *testing.T, conn *conn, peer *memnet.Conn) {
				send(t, peer, append(unit(kindMessage, "before"), c.sent...))
				message, err := conn.Read()
				require.NoError(t, err)
				require.Equal(t, "before", string(message))

				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err = conn.Read()
				runtime.ReadMemStats(&after)
				require.ErrorIs(t, err, c.err)
				require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10), "nothing is allocated for what was announced")

				header := receive(t, peer, headerSize+codeSize)
				require.Equal(t, string(kindClose), header[:1])
				require.Equal(t, c.code, transport.CloseCode(header[5])<<8|transport.CloseCode(header[6]))
				for range 2000 { // row B21
					_, again := conn.Read()
					require.Equal(t, err, again)
				}
				require.Error(t, conn.Write([]byte("anything")))
			})
		})
	}
}

// What a peer announces is not what it gets.
func TestAllocationFollowsWhatArrives(t *testing.T) {
	t.Run("B9 D3 length without a body", testAllocationFollowsWhatArrives)
}

func testAllocationFollowsWhatArrives(t *testing.T) {
	const limit = 64 << 20
	bubble(t, transport.ConnOptions{MaxFrameBytes: limit}, func(t *testing.T, c *conn, peer *memnet.Conn) {
		read := make(chan []byte)
		go func() {
			message, _ := c.Read()
			read <- message
		}()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		send(t, peer, appendHeader(nil, kindMessage, limit))
		sent := 0
		for _, size := range []int{1, 1000, 20_000, 200_000} {
			send(t, peer, make([]byte, size))
			sent += size
			synctest.Wait()
			runtime.ReadMemStats(&after)
			// All the pieces that have been outgrown are in this, and the
			// buffers of the network.
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<10+8*sent))
		}
		peer.Cut()
		require.Nil(t, <-read)
	})
}

// What ends in the midst of a unit, or without a close unit, was lost.
func TestLossAnywhere(t *testing.T) {
	message := unit(kindMessage, strings.Repeat("m", 5000))
	offsets := []int{4095, 4096, 4097, 4999, 5004, len(message)}
	for at := range 40 { // each of the header, and some more
		offsets = append(offsets, at)
	}
	for name, end := range map[string]func(*memnet.Conn){
		"B18 reset":      (*memnet.Conn).Cut,
		"B18 closed":     func(peer *memnet.Conn) { _ = peer.Close() },
		"B18 half-close": func(peer *memnet.Conn) { _ = peer.CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			for _, at := range offsets {
				bubble(t, transport.ConnOptions{}, func(t *testing.T, c *conn, peer *memnet.Conn) {
					go func() {
						_, _ = peer.Write(message[:at])
						synctest.Wait()
						end(peer)
					}()
					if at == len(message) {
						got, err := c.Read()
						require.NoError(t, err)
						require.Equal(t, message[headerSize:], got)
					}
					_, err := c.Read()
					require.Error(t, err)
					var closed *transport.CloseError
					require.False(t, errors.As(err, &closed) || errors.Is(err, net.ErrClosed), "after %d bytes: %v", at, err)
					if name != "B18 reset" {
						require.ErrorIs(t, err, io.ErrUnexpectedEOF)
					}
					start := time.Now()
					_ = c.Close(transport.Reason{Code: transport.Left})
					require.Zero(t, time.Since(start), "there is nobody to wait for")
				})
			}
		})
	}
}

// Somebody who closes the net.Conn behind our back is not our Close.
func TestClosedBehindOurBack(t *testing.T) {
	bubble(t, transport.ConnOptions{}, func(t *testing.T, c *conn, _ *memnet.Conn) {
		_ = c.raw.Close()
		_, err := c.Read()
		require.Error(t, err)
		require.NotErrorIs(t, err, net.ErrClosed)
		err = c.Write([]byte("x"))
		require.Error(t, err)
		require.NotErrorIs(t, err, net.ErrClosed)
		require.Error(t, c.Close(transport.Reason{Code: transport.Left}))
		_, err = c.Read()
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

// The batches of every shape, over a connection that takes one buffer at a time
// and one that takes several.
func TestBatches(t *testing.T) {
	var shapes [][]int
	for _, size := range []int{0, 1, copyLimit, copyLimit + 1, batchSize - headerSize - 1, batchSize - headerSize, batchSize, 2*batchSize + 1, 100_000} {
		shapes = append(shapes, []int{size}, []int{3, size, 5}, []int{size, size, size}, []int{batchSize - 2*headerSize - 3, 3, size})
	}
	many := make([]int, 100)
	for i := range many {
		many[i] = copyLimit + 1 // more pieces than fit into one write
	}
	shapes = append(shapes, many, make([]int, 5000))
	for _, sizes := range shapes {
		var messages [][]byte
		for i, size := range sizes {
			messages = append(messages, bytes.Repeat([]byte{byte(i)}, size))
		}
		for name, pair := range map[string]func() (net.Conn, net.Conn){"memory": memoryConns, "TCP": func() (net.Conn, net.Conn) { return tcpConns(t) }} {
			near, far := pair()
			a, b := New(near, transport.ConnOptions{}), New(far, transport.ConnOptions{})
			written := make(chan error, 1)
			go func() { written <- a.Write(messages...) }()
			for i := range messages {
				got, err := b.Read()
				require.NoError(t, err)
				require.Equal(t, messages[i], append([]byte{}, got...), "%s: %v", name, sizes)
			}
			require.NoError(t, <-written)
			closed := make(chan error, 1)
			go func() { closed <- a.Close(transport.Reason{Code: transport.Left}) }()
			_, err := b.Read()
			require.Error(t, err)
			require.NoError(t, b.Close(transport.Reason{Code: transport.Left}))
			require.NoError(t, <-closed)
		}
	}
}

func memoryConns() (net.Conn, net.Conn) { return memnet.Pipe() }

func tcpConns(t testing.TB) (net.Conn, net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	near, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	far, err := listener.Accept()
	require.NoError(t, err)
	return near, far
}
