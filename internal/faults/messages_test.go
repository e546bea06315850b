package faults

import (
	"bytes"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
	"github.com/lectern-go/lectern/transport/transporttest"
)

const liveness = 15 * time.Second

func overMessages(t *testing.T, plan Plan, test func(t *testing.T, dialled transport.Conn, accepted *memory.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := New(liveness, nil)
		far, accepted := memory.Pipe(memory.Options{})
		dialled := network.Wrap(far, plan)
		test(t, dialled, accepted)
		_, _ = dialled.Close(transport.Reason{Code: transport.Left}), accepted.Close(transport.Reason{Code: transport.Left})
		network.Close()
	})
}

func send(t *testing.T, c transport.Conn, messages ...string) {
	t.Helper()
	for _, m := range messages {
		require.NoError(t, c.Write([]byte(m)))
	}
}

func receive(t *testing.T, c transport.Conn, messages ...string) {
	t.Helper()
	for _, m := range messages {
		data, err := c.Read()
		require.NoError(t, err)
		require.Equal(t, m, string(data))
	}
}

// lostConn expects the end of a connection that was lost.
func lostConn(t *testing.T, c transport.Conn) {
	t.Helper()
	_, err := c.Read()
	require.Error(t, err)
	require.NotErrorIs(t, err, net.ErrClosed)
	var closed *transport.CloseError
	require.NotErrorAs(t, err, &closed)
}

func TestMessagesWithoutFaults(t *testing.T) {
	overMessages(t, nil, func(t *testing.T, dialled transport.Conn, accepted *memory.Conn) {
		send(t, dialled, "one", "", "three")
		receive(t, accepted, "one", "", "three")
		send(t, accepted, "back")
		require.NoError(t, accepted.Close(transport.Reason{Code: transport.MasterLeft, Text: "bye"}))
		receive(t, dialled, "back")
		_, err := dialled.Read()
		var closed *transport.CloseError
		require.ErrorAs(t, err, &closed)
		require.Equal(t, transport.Reason{Code: transport.MasterLeft, Text: "bye"}, closed.Reason)
	})
}

// A network without faults changes nothing of what a Conn has promised.
func TestConformance(t *testing.T) {
	transporttest.TestConnInBubble(t, func(t testing.TB, s transporttest.Settings) transporttest.Pair {
		network := New(s.ProbeAfter+s.GiveUp, nil)
		t.Cleanup(network.Close)
		far, b := memory.Pipe(memory.Options{MaxFrameBytes: s.MaxFrameBytes, ProbeAfter: s.ProbeAfter, GiveUp: s.GiveUp})
		return transporttest.Pair{A: network.Wrap(far, nil), B: b, Cut: far.Cut}
	})
}

func TestMessagesCut(t *testing.T) {
	overMessages(t, Plan{{Kind: Cut, Direction: Up, After: 5}}, func(t *testing.T, dialled transport.Conn, accepted *memory.Conn) {
		send(t, dialled, "1234")
		receive(t, accepted, "1234")
		send(t, dialled, "5678")
		lostConn(t, accepted)
		lostConn(t, dialled)
	})
}

func TestMessagesEndByTime(t *testing.T) {
	overMessages(t, Plan{{Kind: End, At: time.Second}}, func(t *testing.T, dialled transport.Conn, accepted *memory.Conn) {
		began := time.Now()
		lostConn(t, accepted)
		lostConn(t, dialled)
		require.Equal(t, began.Add(time.Second), time.Now())
	})
}

func TestMessagesStallAndDelay(t *testing.T) {
	plan := Plan{{Kind: Stall, Direction: Down, After: 2, For: time.Minute}, {Kind: Delay, Direction: Up, For: time.Second}}
	overMessages(t, plan, func(t *testing.T, dialled transport.Conn, accepted *memory.Conn) {
		began := time.Now()
		send(t, accepted, "1", "23", "4")
		receive(t, dialled, "1")
		require.Equal(t, began, time.Now())
		send(t, dialled, "up")
		receive(t, accepted, "up")
		require.Equal(t, began.Add(time.Second), time.Now())
		receive(t, dialled, "23", "4")
		require.Equal(t, began.Add(time.Minute), time.Now())
	})
}

// A silence is noticed by both ends, and until then nobody is told anything.
func TestMessagesSilence(t *testing.T) {
	overMessages(t, Plan{{Kind: Silence, Direction: Up, After: 3}}, func(t *testing.T, dialled transport.Conn, accepted *memory.Conn) {
		began := time.Now()
		send(t, dialled, "123", "lost")
		receive(t, accepted, "123")
		send(t, accepted, "works")
		receive(t, dialled, "works")
		require.NoError(t, dialled.Close(transport.Reason{Code: transport.Left}))
		lostConn(t, accepted)
		require.Equal(t, began.Add(liveness), time.Now())
	})
	overMessages(t, Plan{{Kind: Silence, Direction: Down, At: time.Second}}, func(t *testing.T, dialled transport.Conn, accepted *memory.Conn) {
		began := time.Now()
		time.Sleep(2 * time.Second)
		require.NoError(t, accepted.Close(transport.Reason{Code: transport.Left}))
		send(t, dialled, "into the void")
		lostConn(t, dialled)
		require.Equal(t, began.Add(time.Second+liveness), time.Now())
	})
}

func TestMessagesFailWrite(t *testing.T) {
	overMessages(t, Plan{{Kind: FailWrite, After: 3}}, func(t *testing.T, dialled transport.Conn, accepted *memory.Conn) {
		require.ErrorIs(t, dialled.Write([]byte("12"), []byte("34"), []byte("56")), ErrWrite)
		require.ErrorIs(t, dialled.Write([]byte("7")), ErrWrite)
		receive(t, accepted, "12")
		send(t, accepted, "reading goes on")
		receive(t, dialled, "reading goes on")
	})
}

// The same seed makes the same plans, of all kinds and of no other than allowed.
func TestRandom(t *testing.T) {
	var all bytes.Buffer
	var seen [kinds]bool
	for _, random := range []*rand.Rand{rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(1, 2))} {
		var text bytes.Buffer
		for range 200 {
			plan := Random(random, time.Second, func(k Kind) bool { return k != Stall })
			for _, f := range plan {
				seen[f.Kind] = true
				require.True(t, f.After > 0 || f.At > 0)
			}
			text.WriteString(plan.String())
		}
		if all.Len() > 0 {
			require.Equal(t, all.String(), text.String())
		}
		all = text
	}
	for k, is := range seen {
		require.Equal(t, Kind(k) != Stall, is, Kind(k).String())
	}
}
