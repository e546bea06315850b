package netconn

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
)

var patient = transport.ConnOptions{ProbeAfter: 10 * time.Second, GiveUp: 5 * time.Second}

// reading starts a Read, whose end is told with the time that it took.
func reading(c *conn) <-chan outcome {
	start, done := time.Now(), make(chan outcome, 1)
	go func() {
		message, err := c.Read()
		done <- outcome{string(message), err, time.Since(start)}
	}()
	return done
}

type outcome struct {
	message string
	err     error
	after   time.Duration
}

var (
	probe  = string(unit(kindProbe, ""))
	answer = string(unit(kindAnswer, ""))
)

func TestProbesOnTheWire(t *testing.T) {
	bubble(t, patient, func(t *testing.T, c *conn, peer *memnet.Conn) {
		read, start := reading(c), time.Now()
		for i := range 5 {
			require.Equal(t, probe, receive(t, peer, headerSize))
			require.Equal(t, time.Duration(i+1)*12*time.Second-2*time.Second, time.Since(start))
			time.Sleep(2 * time.Second)
			send(t, peer, unit(kindAnswer, "with content")) // which means nothing
		}
		require.Equal(t, probe, receive(t, peer, headerSize))
		require.Equal(t, outcome{"", transport.ErrSilent, 5*12*time.Second + 15*time.Second}, <-read)
		require.NoError(t, peer.SetReadDeadline(time.Now()))
		n, _ := peer.Read(make([]byte, 1))
		require.Zero(t, n, "one probe for one silence")
	})
}

// Any byte is a sign of life, also one that completes nothing.
func TestAnyByteIsASignOfLife(t *testing.T) {
	options := patient
	options.MessageTimeout = -1 // not what this is about
	bubble(t, options, func(t *testing.T, c *conn, peer *memnet.Conn) {
		read := reading(c)
		for _, b := range unit(kindMessage, "") {
			time.Sleep(14 * time.Second)
			send(t, peer, []byte{b})
			require.Equal(t, probe, receive(t, peer, headerSize))
			synctest.Wait()
		}
		require.Equal(t, outcome{"", nil, 5 * 14 * time.Second}, <-read)
	})
}

// Silence is not counted while nobody listens for a sign of life.
func TestLateReader(t *testing.T) {
	bubble(t, patient, func(t *testing.T, c *conn, peer *memnet.Conn) {
		send(t, peer, unit(kindMessage, "first"))
		require.Equal(t, "first", (<-reading(c)).message)
		send(t, peer, unit(kindMessage, "second"))
		time.Sleep(time.Hour) // the reader has much to think about
		require.Equal(t, outcome{"second", nil, 0}, <-reading(c))
		time.Sleep(time.Hour)
		require.Equal(t, outcome{"", transport.ErrSilent, 15 * time.Second}, <-reading(c))
	})
}

func TestNoProbing(t *testing.T) {
	bubble(t, transport.ConnOptions{ProbeAfter: -1}, func(t *testing.T, c *conn, peer *memnet.Conn) {
		read := reading(c)
		time.Sleep(24 * time.Hour)
		send(t, peer, unit(kindMessage, "at last"))
		require.Equal(t, outcome{"at last", nil, 24 * time.Hour}, <-read)
		require.NoError(t, peer.SetReadDeadline(time.Now()))
		n, _ := peer.Read(make([]byte, 1))
		require.Zero(t, n)
	})
}

// A message that never ends, in small pieces.
func TestMessageTimeout(t *testing.T) {
	for name, options := range map[string]transport.ConnOptions{
		"B13 probing":    {MessageTimeout: 30 * time.Second},
		"B13 no probing": {MessageTimeout: 30 * time.Second, ProbeAfter: -1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, options, func(t *testing.T, c *conn, peer *memnet.Conn) {
				read := reading(c)
				time.Sleep(9 * time.Second) // no message, no limit
				send(t, peer, appendHeader(nil, kindMessage, 10_000))
				for range 5 {
					time.Sleep(7 * time.Second)
					_, _ = peer.Write([]byte("x"))
				}
				end := <-read
				require.ErrorIs(t, end.err, transport.ErrSlow)
				require.Equal(t, 39*time.Second, end.after)
				requireTold(t, peer, transport.Slow)
			})
		})
	}
}

func TestMessagesInTimeForEver(t *testing.T) {
	bubble(t, transport.ConnOptions{MessageTimeout: 3 * time.Second}, func(t *testing.T, c *conn, peer *memnet.Conn) {
		for range 20 {
			read := reading(c)
			send(t, peer, appendHeader(nil, kindMessage, 2))
			time.Sleep(2 * time.Second)
			send(t, peer, []byte("ok"))
			require.Equal(t, outcome{"ok", nil, 2 * time.Second}, <-read)
		}
	})
}

// The answer to a probe waits for the Write in progress, and the reader does
// not wait for it.
func TestAnswerBehindStuckWrite(t *testing.T) {
	bubble(t, transport.ConnOptions{}, func(t *testing.T, c *conn, peer *memnet.Conn) {
		size := memnet.BufferSize + 1000
		written := make(chan error, 1)
		go func() { written <- c.Write(make([]byte, size)) }()
		synctest.Wait()
		send(t, peer, []byte(probe+probe+string(unit(kindMessage, "behind the probes"))))
		require.Equal(t, outcome{"behind the probes", nil, 0}, <-reading(c))
		receive(t, peer, headerSize+size)
		require.NoError(t, <-written)
		require.Equal(t, answer, receive(t, peer, headerSize))
	})
}

// Probes come from both sides and cross.
func TestProbesCross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe()
		one, two := newConn(a, patient.WithDefaults(nil)), newConn(b, patient.WithDefaults(nil))
		readOne, readTwo := reading(one), reading(two)
		time.Sleep(time.Hour)
		closed := make(chan error, 1)
		go func() { closed <- one.Close(transport.Reason{Code: transport.Left}) }()
		require.ErrorContains(t, (<-readTwo).err, "left")
		require.Error(t, (<-readOne).err)
		require.NoError(t, two.Close(transport.Reason{Code: transport.Left}))
		require.NoError(t, <-closed)
		require.Equal(t, time.Hour, time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
	})
}

// A connection that has had much to read gives the larger buffer back once it is
// idle.
func TestIdleBuffer(t *testing.T) {
	options := patient
	options.MessageTimeout = time.Minute // not what this is about
	bubble(t, options, func(t *testing.T, c *conn, peer *memnet.Conn) {
		go func() {
			for range 10 {
				_, _ = peer.Write(unit(kindMessage, strings.Repeat("x", 1000)))
			}
		}()
		for range 10 {
			_, err := c.Read()
			require.NoError(t, err)
		}
		read := reading(c)
		synctest.Wait()
		require.NotNil(t, c.input.large)
		require.Equal(t, probe, receive(t, peer, headerSize))
		synctest.Wait()
		require.Nil(t, c.input.large)
		send(t, peer, unit(kindMessage, "after"))
		require.Equal(t, "after", (<-read).message)

		// A message that is half there is not lost with it.
		read = reading(c)
		large := unit(kindMessage, strings.Repeat("y", 3000))
		send(t, peer, large[:2000])
		require.Equal(t, probe, receive(t, peer, headerSize))
		send(t, peer, large[2000:])
		require.Equal(t, string(large[headerSize:]), (<-read).message)
	})
}

// What a peer sent before it closed is read though the answers to its probes
// can no longer be written.
func TestProbesOfOneWhoHasLeft(t *testing.T) {
	bubble(t, transport.ConnOptions{}, func(t *testing.T, c *conn, peer *memnet.Conn) {
		send(t, peer, []byte(probe+string(unit(kindMessage, "one"))))
		require.NoError(t, peer.CloseWrite())
		require.Equal(t, "one", (<-reading(c)).message)
		require.ErrorIs(t, (<-reading(c)).err, io.ErrUnexpectedEOF)
	})
}

// A peer that takes what it is sent is not silent, though the probe and its answer wait
// for that; it is once nothing moves any more.
func TestWhatMovesIsASignOfLife(t *testing.T) {
	bubble(t, patient, func(t *testing.T, c *conn, peer *memnet.Conn) {
		read := reading(c)
		writing := make(chan error, 1)
		go func() { writing <- c.Write(make([]byte, 200_000)) }()
		for range 100 {
			time.Sleep(time.Second)
			receive(t, peer, 1000)
		}
		synctest.Wait()
		require.Empty(t, read)
		start := time.Now()
		require.ErrorIs(t, (<-read).err, transport.ErrSilent)
		require.LessOrEqual(t, time.Since(start), 2*15*time.Second)
		closed := closing(c)
		require.Error(t, <-writing)
		<-closed
	})
}
