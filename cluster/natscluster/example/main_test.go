package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProcess) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

func TestAHubIsKilled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	err := run(ctx, []string{"-check", "-scenes", "kill", "-classes", "4", "-slaves", "2", "-dir", t.TempDir()}, &out, io.Discard)
	require.NoError(t, err, out.String())
	require.Contains(t, out.String(), "is killed and started again")
	require.Contains(t, out.String(), "lost 0, doubled 0, out of order 0, evicted 0")
}

func TestRounds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var out bytes.Buffer
	err := run(ctx, []string{"-rounds", "1", "-classes", "3", "-slaves", "2", "-dir", t.TempDir()}, &out, io.Discard)
	require.NoError(t, err, out.String())
	require.Contains(t, out.String(), "3 hubs, 3 nodes of NATS")
	require.Contains(t, out.String(), "lost 0, doubled 0, out of order 0, evicted 0, positions without their owner 0, else 0")
	require.ErrorIs(t, run(ctx, []string{"-rounds", "1", "-check"}, &out, io.Discard), errUsage)
}

func TestVerdict(t *testing.T) {
	var all tally
	require.NoError(t, all.verdict(io.Discard))
	c := &class{tally: &all, name: "a class"}
	m := c.newMember("student", nil)
	m.hear("teacher", "1", time.Now())
	m.hear("teacher", "1", time.Now())
	var out bytes.Buffer
	require.ErrorIs(t, all.verdict(&out), errFailed)
	require.Contains(t, out.String(), "student of a class hears 1 of teacher again")
}

// What is on its way when a relay is cut passes when it is mended.
func TestRelay(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	r, err := startRelay("127.0.0.1:0", func() (net.Conn, error) { return net.Dial("tcp", listener.Addr().String()) })
	require.NoError(t, err)
	defer r.Close()
	from, err := net.Dial("tcp", r.Addr())
	require.NoError(t, err)
	defer from.Close()
	to, err := listener.Accept()
	require.NoError(t, err)
	defer to.Close()
	receive := func() string {
		b := make([]byte, 1)
		_, err := io.ReadFull(to, b)
		require.NoError(t, err)
		return string(b)
	}
	_, err = from.Write([]byte("a"))
	require.NoError(t, err)
	require.Equal(t, "a", receive())
	r.Cut()
	require.True(t, r.IsCut())
	_, err = from.Write([]byte("b"))
	require.NoError(t, err)
	require.NoError(t, to.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = to.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, to.SetReadDeadline(time.Time{}))
	r.Mend()
	require.Equal(t, "b", receive())
}
