//go:build unix

package direct_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/direct"
)

func TestWriteAll(t *testing.T) {
	near, far := pair(t)
	data := bytes.Repeat([]byte("0123456789"), 300<<10)
	var taken atomic.Uint64
	written := make(chan error, 1)
	go func() { written <- direct.WriteAll(direct.Of(near), data, &taken) }()
	got := make([]byte, len(data))
	_, err := io.ReadFull(far, got)
	require.NoError(t, err)
	require.NoError(t, <-written)
	require.True(t, bytes.Equal(data, got))
	require.EqualValues(t, len(data), taken.Load())
}

// What it has taken before its deadline is told, to the byte.
func TestWriteAllToAFullSocket(t *testing.T) {
	near, far := pair(t)
	require.NoError(t, near.SetWriteDeadline(time.Now().Add(10*time.Millisecond)))
	var taken atomic.Uint64
	err := direct.WriteAll(direct.Of(near), make([]byte, 64<<20), &taken)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, near.CloseWrite())
	got, err := io.ReadAll(far)
	require.NoError(t, err)
	require.EqualValues(t, len(got), taken.Load())

	require.ErrorIs(t, direct.WriteAll(direct.Of(near), []byte("x"), &taken), os.ErrDeadlineExceeded)
	require.NoError(t, near.Close())
	require.ErrorIs(t, direct.WriteAll(direct.Of(near), []byte("x"), &taken), net.ErrClosed)
}

func TestAcked(t *testing.T) {
	near, far := pair(t)
	if !direct.TellsAcked(near) {
		_, _, ok := direct.Acked(near)
		require.False(t, ok)
		require.False(t, runtime.GOOS == "linux" && runtime.GOARCH != "386" && runtime.GOARCH != "s390x")
		return
	}
	secure := tls.Client(near, &tls.Config{InsecureSkipVerify: true})
	require.True(t, direct.TellsAcked(secure))
	_, err := near.Write(make([]byte, 1000))
	require.NoError(t, err)
	_, err = io.ReadFull(far, make([]byte, 1000))
	require.NoError(t, err)
	before := acked(t, near)

	// Nobody reads: what waits is what the peer's system does not take.
	for n := 1; n > 0; {
		n, err = direct.Write(direct.Of(near), make([]byte, 1<<20))
		require.NoError(t, err)
	}
	stuck, waiting, ok := direct.Acked(near)
	require.True(t, ok)
	require.GreaterOrEqual(t, stuck, before)
	require.Positive(t, waiting)
	require.NoError(t, near.CloseWrite())
	_, err = io.Copy(io.Discard, far)
	require.NoError(t, err)
	require.Greater(t, acked(t, secure), stuck)
}

// A paced is a connection whose bytes take their time.
type paced struct {
	net.Conn
	perByte time.Duration
	writes  []int
}

func (p *paced) Write(b []byte) (int, error) {
	p.writes = append(p.writes, len(b))
	time.Sleep(time.Duration(len(b)) * p.perByte)
	return len(b), nil
}

// A slow connection is written to in pieces of which none takes long, a fast one in as
// many as it is given, also after it has been slow.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pace direct.Pace
		var taken atomic.Uint64
		c := &paced{}
		total := 0
		write := func(size int) []int {
			c.writes = nil
			require.NoError(t, pace.Write(c, make([]byte, size), &taken))
			total += size
			require.EqualValues(t, total, taken.Load())
			return c.writes
		}
		require.Equal(t, []int{1 << 20}, write(1<<20))
		c.perByte = time.Millisecond
		require.Equal(t, []int{30}, write(30))
		for _, n := range write(60_000) {
			require.LessOrEqual(t, n, 1000)
		}
		c.perByte = time.Second / 45_000
		pieces := write(200_000)
		for _, n := range pieces[10 : len(pieces)-1] {
			require.Greater(t, n, 8000)
			require.LessOrEqual(t, n, 45_000/4)
		}
		c.perByte = 0
		write(2 << 20)
		require.Equal(t, []int{1 << 20}, write(1<<20))
		require.Empty(t, write(0))
	})
}

func acked(t *testing.T, c net.Conn) uint64 {
	t.Helper()
	n, _, ok := direct.Acked(c)
	require.True(t, ok)
	return n
}

func TestAckedOfOthers(t *testing.T) {
	piped, _ := net.Pipe()
	require.False(t, direct.TellsAcked(piped))
	_, _, ok := direct.Acked(piped)
	require.False(t, ok)
	near, _ := pair(t)
	require.NoError(t, near.Close())
	_, _, ok = direct.Acked(near)
	require.False(t, ok)
}
