//go:build linux

package main

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lectern-go/lectern/cluster"
)

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestRows(t *testing.T) {
	chosen, err := rowsNamed("kill,latency")
	require.NoError(t, err)
	require.Equal(t, "kill", chosen[0].name)
	require.Equal(t, "latency", chosen[1].name)
	_, err = rowsNamed("kill,")
	require.ErrorContains(t, err, `no row ""`)
	require.Error(t, command(context.Background(), []string{"what"}, io.Discard))
}

// What was measured is in a table, and what was missed is told.
func TestReport(t *testing.T) {
	r := newReport(false)
	r.judged("a thing", "≤ 1 s", "2 s", false)
	r.judged("another", "≤ 1 s", "0.5 s", true)
	r.told("a third", "3")
	table := r.markdown([]string{"-rows", "x"})
	require.Contains(t, table, "| a thing | ≤ 1 s | 2 s | **missed** | 0 % |\n| another | ≤ 1 s | 0.5 s | met | 0 % |\n| a third |  | 3 |  | 0 % |\n")
	require.NotContains(t, table, "A short run")
	short := newReport(true)
	short.judged("a thing", "≤ 1 s", "2 s", false)
	require.Contains(t, short.markdown(nil), "A short run")
	require.NotContains(t, short.markdown(nil), "missed")
}

func TestNumbers(t *testing.T) {
	var all times
	for i := range 100 {
		all = append(all, time.Duration(100-i)*time.Millisecond)
	}
	require.Equal(t, 51*time.Millisecond, all.at(.5))
	require.Equal(t, 100*time.Millisecond, all.max())
	require.Zero(t, times(nil).max())
	require.Equal(t, "0.25 ms", ms(250*time.Microsecond))
	require.Equal(t, "250 ms", ms(250*time.Millisecond))
	require.Equal(t, "2.50 s", ms(2500*time.Millisecond))
	require.Equal(t, "1,234,567", thousands(1234567))
	require.Equal(t, "999", thousands(999))
}

// A row that fails is in the table too.
func TestARowThatFails(t *testing.T) {
	r := newReport(false)
	err := r.measure(t.Context(), row{"broken", func(context.Context, *report) error { return io.ErrUnexpectedEOF }})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Contains(t, r.markdown(nil), "| broken |  | not measured")
}

// A listener tells what is lost, what comes twice and what comes late.
func TestListener(t *testing.T) {
	for _, c := range []struct {
		numbers                 string
		missed, twice, disorder uint64
	}{
		{"1234", 0, 0, 0}, {"124", 1, 0, 0}, {"1243", 0, 0, 1}, {"1223", 0, 1, 0},
	} {
		l := listener{next: 1}
		for _, n := range strings.Split(c.numbers, "") {
			l.number(uint64(n[0]-'0'), time.Now())
		}
		require.Equal(t, []uint64{c.missed, c.twice, c.disorder}, []uint64{l.missed, l.twice, l.disorder}, c.numbers)
	}
	require.True(t, sums{away: 3}.clean())
	require.False(t, sums{twice: 1}.clean())
}

func TestNames(t *testing.T) {
	r := newReport(true)
	require.NotEqual(t, r.name(), r.name())
	require.Equal(t, 3, cluster.KeyOf(r.nameIn(3)).Shard(shards))
}
