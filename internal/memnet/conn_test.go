package memnet

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// bubble runs a test in a testing/synctest bubble, with a connection.
func bubble(t *testing.T, test func(t *testing.T, a, b *Conn)) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		t.Cleanup(func() { _, _ = a.Close(), b.Close() })
		test(t, a, b)
	})
}

func write(t *testing.T, c *Conn, text string) {
	n, err := c.Write([]byte(text))
	require.NoError(t, err)
	require.Equal(t, len(text), n)
}

func read(t *testing.T, c *Conn, want string) {
	b := make([]byte, len(want))
	_, err := io.ReadFull(c, b)
	require.NoError(t, err)
	require.Equal(t, want, string(b))
}

func readError(t *testing.T, c *Conn) error {
	n, err := c.Read(make([]byte, 1))
	require.Zero(t, n)
	require.Error(t, err)
	return err
}

func TestBuffer(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *Conn) {
		write(t, a, "forth")
		write(t, b, "back")
		read(t, b, "fo")
		read(t, b, "rth")
		read(t, a, "back")

		// The buffer takes so much, and the rest waits for room.
		sent := bytes.Repeat([]byte("0123456789"), BufferSize/4)
		written := make(chan int, 1)
		go func() {
			n, _ := a.Write(sent)
			written <- n
		}()
		synctest.Wait()
		require.Empty(t, written)
		require.Equal(t, BufferSize, b.in.data.Len())
		got := make([]byte, len(sent))
		_, err := io.ReadFull(b, got)
		require.NoError(t, err)
		require.Equal(t, sent, got)
		require.Equal(t, len(sent), <-written)
	})
}

func TestWritesDoNotMix(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *Conn) {
		const size = 3 * BufferSize
		var writing sync.WaitGroup
		for i := range 5 {
			writing.Go(func() { _, _ = a.Write(bytes.Repeat([]byte{byte(i)}, size)) })
		}
		for range 5 {
			got := make([]byte, size)
			_, err := io.ReadFull(b, got)
			require.NoError(t, err)
			require.Equal(t, size, bytes.Count(got, got[:1]))
		}
		writing.Wait()
	})
}

func TestHalfClose(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *Conn) {
		write(t, a, "last words")
		require.NoError(t, a.CloseWrite())
		require.NoError(t, a.CloseWrite())
		_, err := a.Write([]byte("more"))
		require.ErrorIs(t, err, errBrokenPipe)
		read(t, b, "last words")
		require.Equal(t, io.EOF, readError(t, b))
		write(t, b, "answer")
		read(t, a, "answer")
		require.NoError(t, a.Close())
		require.Equal(t, io.EOF, readError(t, b))
		require.Error(t, a.CloseWrite())
	})
}

func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *Conn) {
		write(t, a, "last words")
		stuck := make(chan error, 2)
		go func() {
			_, err := a.Read(make([]byte, 1))
			stuck <- err
		}()
		go func() {
			_, err := a.Write(make([]byte, BufferSize))
			stuck <- err
		}()
		synctest.Wait()
		require.NoError(t, a.Close())
		require.ErrorIs(t, <-stuck, net.ErrClosed)
		require.ErrorIs(t, <-stuck, net.ErrClosed)
		require.ErrorIs(t, a.Close(), net.ErrClosed)
		require.ErrorIs(t, a.SetDeadline(time.Now()), net.ErrClosed)
		read(t, b, "last words")
	})
}

// What the harshest of systems do: what was left unread costs the peer what it
// has not read.
func TestCloseWithUnreadData(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *Conn) {
		write(t, a, "never read")
		write(t, b, "unread")
		require.NoError(t, a.Close())
		require.ErrorIs(t, readError(t, b), errReset)
		_, err := b.Write([]byte("more"))
		require.ErrorIs(t, err, errReset)
	})
}

func TestWriteAfterPeerHasClosed(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *Conn) {
		write(t, a, "read in part")
		require.NoError(t, a.Close())
		read(t, b, "read")
		_, err := b.Write([]byte("more"))
		require.ErrorIs(t, err, errReset)
		require.ErrorIs(t, readError(t, b), errReset)
	})
}

func TestCut(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *Conn) {
		write(t, a, "lost")
		stuck := make(chan error, 1)
		go func() {
			_, err := a.Read(make([]byte, 1))
			stuck <- err
		}()
		synctest.Wait()
		b.Cut()
		require.ErrorIs(t, <-stuck, errReset)
		for _, c := range []*Conn{a, b} {
			err := readError(t, c)
			require.ErrorIs(t, err, errReset)
			require.NotErrorIs(t, err, net.ErrClosed)
			_, err = c.Write([]byte("x"))
			require.ErrorIs(t, err, errReset)
			require.NoError(t, c.Close())
		}
	})
}

func TestSilence(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *Conn) {
		write(t, a, "arrived")
		b.Silence()
		write(t, a, "lost")
		read(t, b, "arrived")
		n, err := 0, a.SetWriteDeadline(time.Now().Add(time.Hour))
		require.NoError(t, err)
		n, err = a.Write(make([]byte, 2*BufferSize))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, BufferSize-len("lost"), n, "nothing leaves the buffer any more")
		require.NoError(t, a.CloseWrite())
		require.NoError(t, a.Close())
		require.NoError(t, b.SetReadDeadline(time.Now().Add(time.Hour)))
		require.ErrorIs(t, readError(t, b), os.ErrDeadlineExceeded)
		write(t, b, "into the void")
	})
}

func TestReadDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *Conn) {
		start := time.Now()
		require.NoError(t, a.SetReadDeadline(start.Add(3*time.Second)))
		for range 2 { // it stays
			err := readError(t, a)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			var timeout net.Error
			require.ErrorAs(t, err, &timeout)
			require.True(t, timeout.Timeout())
			require.Equal(t, 3*time.Second, time.Since(start))
		}
		write(t, b, "late")
		require.ErrorIs(t, readError(t, a), os.ErrDeadlineExceeded, "as on a socket, also where there is something")
		require.NoError(t, a.SetReadDeadline(time.Time{}))
		read(t, a, "late")

		// It counts for a Read in progress, and can be moved.
		failed := make(chan error, 1)
		go func() {
			_, err := a.Read(make([]byte, 1))
			failed <- err
		}()
		require.NoError(t, a.SetReadDeadline(time.Now().Add(time.Second)))
		require.NoError(t, a.SetReadDeadline(time.Now().Add(time.Hour)))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, failed)
		require.NoError(t, a.SetReadDeadline(time.Unix(1, 0)))
		require.ErrorIs(t, <-failed, os.ErrDeadlineExceeded)
		write(t, a, "not concerned")
	})
}

// What arrives while an end stands still lies there, and its deadline has passed.
func TestStandStill(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *Conn) {
		start := time.Now()
		require.NoError(t, a.SetReadDeadline(start.Add(3*time.Second)))
		failed, written := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := a.Read(make([]byte, 1))
			failed <- err
		}()
		go func() {
			time.Sleep(time.Second)
			_, err := a.Write([]byte("from a"))
			written <- err
		}()
		go a.StandStill(time.Minute)
		time.Sleep(time.Second)
		write(t, b, "meanwhile")
		require.ErrorIs(t, <-failed, os.ErrDeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))
		require.NoError(t, <-written)
		require.NoError(t, a.SetReadDeadline(time.Time{}))
		read(t, a, "meanwhile")
		read(t, b, "from a")
	})
}

func TestWriteDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *Conn) {
		start := time.Now()
		require.NoError(t, a.SetWriteDeadline(start.Add(3*time.Second)))
		n, err := a.Write(make([]byte, BufferSize+1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, BufferSize, n)
		require.Equal(t, 3*time.Second, time.Since(start))
		read(t, b, string(make([]byte, BufferSize)))
		_, err = a.Write([]byte("x"))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, a.SetDeadline(time.Now().Add(time.Second)))
		write(t, a, "again")
	})
}
