//go:build unix

package direct_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/direct"
)

// pair is a connection of TCP on loopback, with both its ends.
func pair(t *testing.T) (near, far *net.TCPConn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	dialled, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	accepted, err := listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() {
		dialled.Close()
		accepted.Close()
	})
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}

func TestWrite(t *testing.T) {
	near, far := pair(t)
	socket := direct.Of(near)
	require.NotNil(t, socket)
	n, err := direct.Write(socket, []byte("hello"))
	require.NoError(t, err)
	require.Equal(t, 5, n)
	got := make([]byte, 5)
	_, err = io.ReadFull(far, got)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
}

// Nobody reads: what is taken is what arrives, to the byte, and then nothing is
// taken, which is no error.
func TestWriteToAFullSocket(t *testing.T) {
	near, far := pair(t)
	socket := direct.Of(near)
	data := bytes.Repeat([]byte("0123456789"), 20<<10)
	var sent []byte
	for {
		n, err := direct.Write(socket, data)
		require.NoError(t, err)
		sent = append(sent, data[:n]...)
		if n == 0 {
			break
		}
	}
	require.NoError(t, near.CloseWrite())
	got, err := io.ReadAll(far)
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got))
}

func TestWriteErrors(t *testing.T) {
	near, _ := pair(t)
	socket := direct.Of(near)
	require.NoError(t, near.SetWriteDeadline(time.Unix(1, 0)))
	_, err := direct.Write(socket, []byte("the deadline is another's"))
	require.NoError(t, err)
	require.NoError(t, near.CloseWrite())
	_, err = direct.Write(socket, []byte("ended"))
	require.ErrorIs(t, err, syscall.EPIPE)
	near.Close()
	_, err = direct.Write(socket, []byte("closed"))
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestWriteAllocatesNothing(t *testing.T) {
	near, far := pair(t)
	socket := direct.Of(near)
	go io.Copy(io.Discard, far)
	data := make([]byte, 100)
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() { direct.Write(socket, data) }), 0.1) // a pool may be emptied
}

func TestOnlyTheSystemsOwn(t *testing.T) {
	near, _ := pair(t)
	require.Nil(t, direct.Of(tls.Client(near, &tls.Config{InsecureSkipVerify: true})))
	piped, _ := net.Pipe()
	require.Nil(t, direct.Of(piped))
}

func TestReceive(t *testing.T) {
	near, far := pair(t)
	socket := direct.Of(near)
	p := make([]byte, 10)
	require.NoError(t, socket.Control(func(fd uintptr) {
		n, arrived, err := direct.Receive(fd, p)
		require.NoError(t, err)
		require.False(t, arrived)
		require.Zero(t, n)
	}))

	_, err := far.Write([]byte("hello"))
	require.NoError(t, err)
	n, err := receive(t, socket, p)
	require.NoError(t, err)
	require.Equal(t, "hello", string(p[:n]))

	require.NoError(t, far.CloseWrite())
	n, err = receive(t, socket, p)
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestReceiveFromOneThatHasReset(t *testing.T) {
	near, far := pair(t)
	require.NoError(t, far.SetLinger(0))
	require.NoError(t, far.Close())
	_, err := receive(t, direct.Of(near), make([]byte, 10))
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// receive waits until something has arrived.
func receive(t *testing.T, socket syscall.RawConn, p []byte) (n int, err error) {
	t.Helper()
	require.NoError(t, socket.Read(func(fd uintptr) (arrived bool) {
		n, arrived, err = direct.Receive(fd, p)
		return arrived
	}))
	return n, err
}

// What is written so arrives though nothing follows, and is one piece with the end
// where that does.
func TestWriteMore(t *testing.T) {
	for _, ends := range []bool{false, true} {
		near, far := pair(t)
		n, err := direct.WriteMore(direct.Of(near), []byte("hello"))
		require.NoError(t, err)
		require.Equal(t, 5, n)
		if ends {
			require.NoError(t, near.CloseWrite())
		}
		got := make([]byte, 5)
		_, err = io.ReadFull(far, got)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
	}
}

// What was done before the writing has been done for who has read, as with the net
// package: the race detector is to know it, in the tests of services too.
func TestWhatIsWrittenOrders(t *testing.T) {
	near, far := pair(t)
	sender, receiver := direct.Of(near), direct.Of(far)
	p := make([]byte, 1)
	for _, step := range []struct {
		name  string
		write func() error
		read  func() error
	}{
		{
			"written by us",
			func() error { _, err := direct.Write(sender, []byte("x")); return err },
			func() error { _, err := io.ReadFull(far, p); return err },
		},
		{
			"read by us",
			func() error { _, err := near.Write([]byte("x")); return err },
			func() error { _, err := receive(t, receiver, p); return err },
		},
	} {
		t.Run(step.name, func(t *testing.T) {
			done := false
			failed := make(chan error, 1)
			go func() {
				done = true
				failed <- step.write()
			}()
			require.NoError(t, step.read())
			require.True(t, done)
			require.NoError(t, <-failed)
		})
	}
}
