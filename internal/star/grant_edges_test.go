package star

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// A grant that neither ends nor has data takes the place of the one before, and no room.
func TestAGrantOfNothing(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 0)
	u := c.on("u")
	nothing := Grant{Asked: true}
	c.did0(c.joinsAs(u, c.granted("A", 1, 0, "s1", nothing)))
	require.Nil(t, c.slaves["ada"].extras)
	for _, before := range []Grant{until(10), {Asked: true, Data: []byte("kept")}} {
		c.did0(func() error { return c.Refresh(u, 0, before) })
		c.did0(func() error { return c.Refresh(u, 0, nothing) })
		_, g, err := c.Granted(u)
		require.NoError(t, err)
		require.Equal(t, Grant{}, g)
		_, due := c.Due()
		require.False(t, due)
	}
	c.passes(10)
}

// A resume needs a new grant where the one before has expired, and only there.
func TestWhoNeedsAFreshGrant(t *testing.T) {
	c := newTable(t, Limits{})
	a := c.on("a")
	require.NoError(t, c.Create(c.now, a, c.shows("A", 1, 0, "s1"), "alice", 0))
	for _, test := range []struct {
		what  string
		given Grant
		fresh bool
	}{
		{"not asked", Grant{}, false},
		{"without an end", Grant{Asked: true, Data: []byte("kept")}, false},
		{"ends later", until(10), false},
		{"has ended", until(5), true},
	} {
		c.did0(func() error { return c.Refresh(a, 0, test.given) })
		c.at(5)
		g, fresh, err := c.Resumable(c.now, c.on("b"), c.shows("A", 2, 1, "s1"), "alice")
		require.NoError(t, err, test.what)
		require.Equal(t, test.given, g, test.what)
		require.Equal(t, test.fresh, fresh, test.what)
		c.now = noon
	}
}

// The service is not asked of a resume that is refused anyway (rule 7).
func TestRule7WhatIsNotResumable(t *testing.T) {
	c, _, _ := heldTable(t)
	for _, test := range []struct {
		shown Entry
		name  string
		why   error
	}{
		{c.shows("A", 2, 1, "another"), "ada", wire.ErrResumeFailed},
		{c.shows("A", 2, 1, "s1"), "nobody", wire.ErrResumeFailed},
		{c.shows("", 2, 1, "s1"), "ada", wire.ErrResumeFailed},
		{c.shows("B", 1, 0, "s1"), "ada", wire.ErrReplaced},
	} {
		c.refused(test.why, func() error {
			_, _, err := c.Resumable(c.now, c.on("x"), test.shown, test.name)
			return err
		})
	}
}

// What a master was granted expires once, also where the hub starts again after it (rule 3).
func TestRule3RestoredAfterTheMasterExpired(t *testing.T) {
	c := newTable(t, Limits{})
	require.NoError(t, c.Create(c.now, c.on("a"), c.granted("A", 1, 0, "s1", until(10)), "alice", 0))
	c.effects = nil
	c.at(10)
	c.did0(func() error { return nil })
	c.at(15)
	restored, err := Restore(c.Snapshot(), c.limits, c.now, func(wire.Role, string) *Attachment { return nil })
	require.NoError(t, err)
	due, ok := restored.Due()
	require.True(t, ok)
	require.Equal(t, noon.Add(10*time.Second+xMaster), due)
}

// The heap of instants is made anew when it is longer than its bound, and not sooner.
func TestWhenTheInstantsAreMadeAnew(t *testing.T) {
	for slaves := range 3 {
		c, a, _ := openTable(t, Limits{}, slaves)
		bound := 2*slaves + 16
		for i := range bound + 1 {
			c.did0(func() error { return c.Refresh(a, 0, until(1000-i)) })
			require.Len(t, c.expiries, i+1)
		}
		c.did0(func() error { return c.Refresh(a, 0, until(2000)) })
		require.Len(t, c.expiries, 1)
		due, ok := c.Due()
		require.True(t, ok)
		require.Equal(t, noon.Add(2000*time.Second), due)
	}
}

// The heap made anew has nobody whose grant does not expire, or has expired already.
func TestInstantsMadeAnewAreOfWhatExpires(t *testing.T) {
	for what, begin := range map[string]Grant{
		"the master's grant has no end": {Asked: true, Data: []byte("kept")},
		"the master's grant has ended":  until(10),
		"the master was not asked for":  {},
	} {
		t.Run(what, func(t *testing.T) {
			c := newTable(t, Limits{})
			require.NoError(t, c.Create(c.now, c.on("a"), c.granted("M", 1, 0, "s1", begin), "alice", 0))
			u := c.on("u")
			c.did0(c.joinsAs(u, c.granted("A", 1, 0, "s2", until(20))))
			c.at(10)
			c.did0(func() error { return nil })
			state := c.master.state
			for range 19 { // the bound, and one more
				c.did0(func() error { return c.Refresh(u, 0, until(20)) })
			}
			require.Len(t, c.expiries, 1)
			require.Same(t, u.member, c.expiries[0].m)
			c.passes(11)
			require.Equal(t, state, c.master.state)
		})
	}
}

// Grants that expire at the same instant do so in the order in which the members have come,
// also where the hub starts again between.
func TestGrantsOfOneInstant(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		c, a, _ := openTable(t, Limits{}, 0)
		names := []string{"cc", "bb", "aa", "dd", "ee"}
		on := map[string]*Attachment{"alice": a}
		nameOf := map[*Attachment]string{}
		for _, name := range names {
			at := c.on(name)
			on[name], nameOf[at] = at, name
			c.did0(func() error { return c.Join(c.now, at, c.granted(name, 1, 0, name, until(10)), name, "") })
		}
		channel := c.Channel
		if restarted {
			var err error
			channel, err = Restore(c.Snapshot(), c.limits, c.now, func(_ wire.Role, name string) *Attachment { return on[name] })
			require.NoError(t, err)
		}
		channel.effects = nil
		channel.Expire(noon.Add(10 * time.Second))
		var gone []string
		for _, e := range channel.effects {
			if e.Kind == Release {
				gone = append(gone, nameOf[e.To])
			}
		}
		require.Equal(t, names, gone)
	}
}
