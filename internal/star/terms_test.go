package star

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// underTerms is a channel of which the service has said something.
func underTerms(t *testing.T, limits Limits, terms Terms, asked time.Duration) (*table, *Attachment) {
	c := newTable(t, limits)
	a := c.on("a")
	require.NoError(t, c.Create(c.now, a, Entry{Ref: 1, Secret: c.fresh("alice"), Terms: &terms}, "alice", asked))
	c.effects = nil
	return c, a
}

// What the service says of a channel counts in the place of the limits, in both directions.
func TestTerms(t *testing.T) {
	for _, test := range []struct {
		terms   Terms
		asked   time.Duration
		timeout time.Duration
		slaves  int
	}{
		{Terms{}, 0, xMaster, 3},
		{Terms{MasterTimeout: time.Hour, HasMasterTimeout: true}, 0, time.Hour, 3},
		{Terms{MasterTimeout: time.Hour, HasMasterTimeout: true}, time.Minute, time.Minute, 3},
		{Terms{MasterTimeout: time.Second, HasMasterTimeout: true}, 0, time.Second, 3},
		{Terms{MasterTimeout: time.Second, HasMasterTimeout: true}, 2 * time.Second, time.Second, 3},
		{Terms{HasMasterTimeout: true}, 2 * time.Second, 0, 3},
		{Terms{MaxSlaves: 1}, 0, xMaster, 1},
		{Terms{MaxSlaves: 5}, 0, xMaster, 5},
		{Terms{MaxSlaves: math.MaxInt}, 0, xMaster, math.MaxInt},
	} {
		c, a := underTerms(t, Limits{MaxSlaves: 3}, test.terms, test.asked)
		r, _ := c.Report()
		require.Equal(t, test.timeout, r.MasterTimeout)
		require.Equal(t, test.slaves, r.MaxSlaves)
		for i := range min(test.slaves, 6) {
			require.NoError(t, c.join(c.now, c.on(fmt.Sprint("u", i)), 1, fmt.Sprint("user_", i), ""))
			require.NoError(t, c.Kick(a, 0, fmt.Sprint("nobody_", i), true, ""))
		}
		if test.slaves < 6 {
			c.refused(wire.ErrChannelFull, func() error { return c.join(c.now, c.on("x"), 1, "one more", "") })
			c.refused(wire.ErrChannelFull, func() error { return c.Kick(a, 0, "one more", true, "") })
		}
		c.Lose(c.now, a)
		require.Equal(t, test.timeout > 0, c.Exists())
		if test.timeout > 0 {
			due, _ := c.Due()
			require.Equal(t, min(test.timeout, xSlave+test.timeout), due.Sub(c.now))
		}
	}
}

// What the service has said goes on under the limits of another hub, and what it has not said
// does not.
func TestTermsOutliveTheirHub(t *testing.T) {
	strict := Limits{MasterTimeout: time.Second, SlaveTimeout: xSlave, MaxSlaves: 1, Replay: Bound{Messages: 256, Bytes: 1 << 20}}
	for terms, want := range map[Terms]Report{
		{}:                       {MasterTimeout: time.Second, MaxSlaves: 1},
		{MaxSlaves: 2}:           {MasterTimeout: time.Second, MaxSlaves: 2},
		{MaxSlaves: math.MaxInt}: {MasterTimeout: time.Second, MaxSlaves: math.MaxInt},
		{HasMasterTimeout: true, MasterTimeout: time.Hour}: {MasterTimeout: time.Hour, MaxSlaves: 1},
	} {
		c, a := underTerms(t, Limits{}, terms, 0)
		require.NoError(t, c.join(c.now, c.on("u"), 1, "user_1", ""))
		require.NoError(t, c.Kick(a, 0, "nobody", true, ""))
		c.ends()
		restored, err := imported(&strict, c.parts()...)
		require.NoError(t, err)
		r, _ := restored.Report()
		require.Equal(t, want.MasterTimeout, r.MasterTimeout)
		require.Equal(t, want.MaxSlaves, r.MaxSlaves)
		require.Equal(t, terms, restored.Snapshot().Terms)
	}

	// A channel that may have two slaves, and has three of before, is over what it may have.
	c, _ := underTerms(t, Limits{}, Terms{MaxSlaves: 2}, 0)
	require.NoError(t, c.join(c.now, c.on("u1"), 1, "user_1", ""))
	require.NoError(t, c.join(c.now, c.on("u2"), 1, "user_2", ""))
	c.ends()
	c.terms.MaxSlaves = 1
	_, err := imported(&strict, c.parts()...)
	require.ErrorContains(t, err, "has 2 slaves, and MaxSlaves is 1")
}

func TestImportsOfTermsThatCannotBe(t *testing.T) {
	c, _ := underTerms(t, Limits{}, Terms{MaxSlaves: 2, HasMasterTimeout: true, MasterTimeout: time.Hour}, 0)
	c.ends()
	whole := c.parts()[0]
	require.EqualValues(t, pieceTerms, whole[0])
	for n := range 12 {
		_, err := imported(c.limits, whole[:n])
		require.Error(t, err)
		for _, b := range []byte{0, 1, 2, 0x7f, 0x80, 0xff} {
			tryImport(c.limits, append(append(append([]byte(nil), whole[:n]...), b), whole[n+1:]...))
		}
	}
	terms := Terms{MaxSlaves: 2}
	p := pieces{}
	p.terms(terms)
	for what, part := range map[string][]byte{
		"nothing":             {pieceTerms, 0, 0, 0},
		"a flag":              {pieceTerms, 2, 0, 1},
		"a time without flag": {pieceTerms, 0, 4, 1},
		"a negative time":     {pieceTerms, 1, 1, 1},
	} {
		_, err := imported(c.limits, append(part, whole...))
		require.ErrorContains(t, err, "not known here", what)
	}
	_, err := imported(c.limits, append(p.part, whole...))
	require.ErrorIs(t, err, errNoHead, "said twice")
	_, err = imported(c.limits, append(append([]byte(nil), whole...), p.part...))
	require.ErrorContains(t, err, "kind 12", "said too late")
	plain, _ := underTerms(t, Limits{}, Terms{}, 0)
	plain.ends()
	_, err = imported(c.limits, append(append([]byte(nil), plain.parts()[0]...), p.part...))
	require.ErrorContains(t, err, "kind 12", "said too late, and not before")
	_, err = imported(c.limits, p.part)
	require.ErrorIs(t, err, errNoHead)
}
