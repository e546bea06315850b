package faults

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
)

// overBytes runs a test with a connection that the plan is for: the end that has
// dialled, and the one that was accepted.
func overBytes(t *testing.T, plan Plan, test func(t *testing.T, dialled, accepted net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		listener := memnet.Listen()
		network := New(0, func() Plan { return plan })
		dialled, err := network.NetDial(listener.Dial)(t.Context(), "", "")
		require.NoError(t, err)
		accepted, err := listener.Accept()
		require.NoError(t, err)
		test(t, dialled, accepted)
		_, _ = dialled.Close(), accepted.Close()
		require.NoError(t, listener.Close())
		network.Close()
	})
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := c.Write([]byte(text))
	require.NoError(t, err)
}

func read(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	_, err := io.ReadFull(c, b)
	require.NoError(t, err)
	require.Equal(t, want, string(b))
}

// silentFor expects that nothing comes for so long.
func silentFor(t *testing.T, c net.Conn, d time.Duration) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(d)))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, c.SetReadDeadline(time.Time{}))
}

func lost(t *testing.T, c net.Conn) {
	t.Helper()
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, io.EOF)
	require.NotErrorIs(t, err, net.ErrClosed)
}

func TestBytesWithoutFaults(t *testing.T) {
	overBytes(t, nil, func(t *testing.T, dialled, accepted net.Conn) {
		began := time.Now()
		sent := make([]byte, 3*memnet.BufferSize)
		for i := range sent {
			sent[i] = byte(i / 7)
		}
		for _, c := range [][2]net.Conn{{dialled, accepted}, {accepted, dialled}} {
			go func() { _, _ = c[0].Write(sent) }()
			got := make([]byte, len(sent))
			_, err := io.ReadFull(c[1], got)
			require.NoError(t, err)
			require.Equal(t, sent, got)
		}
		write(t, dialled, "last words")
		require.NoError(t, dialled.Close())
		read(t, accepted, "last words")
		_, err := accepted.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		require.Equal(t, began, time.Now())
	})
}

func TestBytesCutWithinAMessage(t *testing.T) {
	for _, d := range []Direction{Up, Down} {
		t.Run(d.String(), func(t *testing.T) {
			overBytes(t, Plan{{Kind: Cut, Direction: d, After: 5}}, func(t *testing.T, dialled, accepted net.Conn) {
				from, to := dialled, accepted
				if d == Down {
					from, to = accepted, dialled
				}
				write(t, to, "any number of bytes the other way")
				read(t, from, "any number of bytes the other way")
				write(t, from, "1234")
				read(t, to, "1234")
				write(t, from, "56")
				synctest.Wait() // or the fifth byte may be read before the reset
				lost(t, to)
				lost(t, from)
			})
		})
	}
}

func TestBytesCutByTime(t *testing.T) {
	overBytes(t, Plan{{Kind: Cut, At: 3 * time.Second}}, func(t *testing.T, dialled, accepted net.Conn) {
		began := time.Now()
		lost(t, accepted)
		lost(t, dialled)
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

func TestBytesEndWithinAMessage(t *testing.T) {
	overBytes(t, Plan{{Kind: End, Direction: Up, After: 5}}, func(t *testing.T, dialled, accepted net.Conn) {
		write(t, dialled, "123456")
		read(t, accepted, "12345")
		for _, c := range []net.Conn{accepted, dialled} {
			_, err := c.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err)
		}
	})
}

func TestBytesStall(t *testing.T) {
	overBytes(t, Plan{{Kind: Stall, Direction: Up, After: 5, For: time.Minute}}, func(t *testing.T, dialled, accepted net.Conn) {
		began := time.Now()
		write(t, dialled, "1234567890")
		read(t, accepted, "12345")
		write(t, accepted, "the other way")
		read(t, dialled, "the other way")
		silentFor(t, accepted, 59*time.Second)
		read(t, accepted, "67890")
		require.Equal(t, time.Minute, time.Since(began))
		write(t, dialled, "and on")
		read(t, accepted, "and on")
		require.Equal(t, time.Minute, time.Since(began))
	})
}

func TestBytesDelay(t *testing.T) {
	overBytes(t, Plan{{Kind: Delay, Direction: Down, After: 2, For: time.Second}}, func(t *testing.T, dialled, accepted net.Conn) {
		began := time.Now()
		write(t, accepted, "1")
		read(t, dialled, "1")
		require.Equal(t, began, time.Now())
		write(t, accepted, "2")
		read(t, dialled, "2")
		write(t, accepted, "3")
		read(t, dialled, "3")
		require.Equal(t, began.Add(time.Second), time.Now())
		write(t, dialled, "at once")
		read(t, accepted, "at once")
		require.Equal(t, began.Add(time.Second), time.Now())
	})
}

func TestBytesSilence(t *testing.T) {
	overBytes(t, Plan{{Kind: Silence, Direction: Up, At: time.Second}}, func(t *testing.T, dialled, accepted net.Conn) {
		write(t, dialled, "arrives")
		read(t, accepted, "arrives")
		time.Sleep(2 * time.Second)
		write(t, dialled, "lost")
		write(t, accepted, "works")
		read(t, dialled, "works")
		silentFor(t, accepted, time.Hour)
		// Neither end's Close, nor what it would be answered by, gets through.
		require.NoError(t, dialled.Close())
		silentFor(t, accepted, time.Hour)
	})
}

// What a closed end answers goes the silent way too.
func TestBytesSilenceLosesTheReset(t *testing.T) {
	overBytes(t, Plan{{Kind: Silence, Direction: Down, After: 1}}, func(t *testing.T, dialled, accepted net.Conn) {
		write(t, accepted, "1")
		read(t, dialled, "1")
		synctest.Wait()
		require.NoError(t, accepted.Close())
		write(t, dialled, "into the void")
		silentFor(t, dialled, time.Hour)
		write(t, dialled, "into the void")
	})
}

func TestBytesFailWrite(t *testing.T) {
	overBytes(t, Plan{{Kind: FailWrite, After: 5}}, func(t *testing.T, dialled, accepted net.Conn) {
		write(t, dialled, "1234")
		n, err := dialled.Write([]byte("5678"))
		require.ErrorIs(t, err, ErrWrite)
		require.Equal(t, 1, n)
		n, err = dialled.Write([]byte("9"))
		require.ErrorIs(t, err, ErrWrite)
		require.Zero(t, n)
		read(t, accepted, "12345")
		silentFor(t, accepted, time.Hour)
		write(t, accepted, "reading goes on")
		read(t, dialled, "reading goes on")
	})
}

func TestRefuse(t *testing.T) {
	network := New(0, func() Plan { return Plan{{Kind: Refuse}} })
	_, err := network.NetDial(func(context.Context) (*memnet.Conn, error) { return nil, errors.New("dialled") })(t.Context(), "", "")
	require.ErrorIs(t, err, ErrRefused)
	_, err = network.Dialer(nil).Dial(t.Context())
	require.ErrorIs(t, err, ErrRefused)
}

// Calm cuts what is or would become faulty, and nothing else.
func TestCalm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := memnet.Listen()
		plans := []Plan{{{Kind: Cut, Direction: Up, After: 5}}, nil, {{Kind: Silence, At: 1}}, {{Kind: FailWrite, After: 9}}}
		network := New(0, func() Plan {
			plan := plans[0]
			plans = plans[1:]
			return plan
		})
		dial := func() (net.Conn, net.Conn) {
			dialled, err := network.NetDial(listener.Dial)(t.Context(), "", "")
			require.NoError(t, err)
			accepted, err := listener.Accept()
			require.NoError(t, err)
			t.Cleanup(func() { _, _ = dialled.Close(), accepted.Close() })
			return dialled, accepted
		}
		first, _ := dial()
		second, accepted := dial()
		third, _ := dial()
		fourth, _ := dial()
		time.Sleep(time.Second)
		network.Calm()
		lost(t, first)
		lost(t, third)
		lost(t, fourth)
		write(t, second, "as ever")
		read(t, accepted, "as ever")
		fifth, _ := dial()
		write(t, fifth, "no plan any more")
		network.Close()
		lost(t, second)
	})
}
