package star

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// What the service has granted may expire while somebody waits for the channel: then one is not in, not
// even for an instant, and not at the door.
func TestDoorGrantThatExpiresBeforeThereIsAChannel(t *testing.T) {
	for _, mode := range []wire.Door{wire.DoorOpen, wire.DoorKnock} {
		c, _, _ := doorTable(t, mode, Limits{}, 0)
		arrives := func(name string, expires time.Time) func() error {
			e := c.entry(1, name, name)
			e.Grant, e.Since = Grant{Asked: true, Expires: expires}, c.now.Add(-time.Minute)
			return func() error { c.Arrive(c.now, c.on(name), e, name, ""); return nil }
		}
		const why = " out: unauthorized: what the service has granted has expired: show a fresh token"
		c.did(arrives("bob", c.now.Add(-time.Second)), "bob"+why)
		c.did(arrives("eve", c.now), "eve"+why)
		require.NoError(t, arrives("kim", c.now.Add(1))())
		require.Len(t, c.slaves, map[wire.Door]int{wire.DoorOpen: 1}[mode])
		require.Len(t, c.atDoor(), map[wire.Door]int{wire.DoorKnock: 1}[mode])
		require.Zero(t, c.slaves["bob"])
	}
}

// One that keeps its place has what it was granted last, and has waited since it has knocked first.
func TestDoorGrantOfOneThatKeepsItsPlace(t *testing.T) {
	c, _, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
	knocks := func(ref uint64, expires time.Time) {
		e := c.entry(ref, "bob", "i")
		e.Grant, e.Since = Grant{Asked: true, Expires: expires}, c.now
		require.NoError(t, c.Knock(c.now, c.on("u"), e, "bob", ""))
	}
	due := func() time.Time {
		due, ok := c.Due()
		require.True(t, ok)
		return due
	}
	knocks(1, noon.Add(time.Minute))
	require.Equal(t, noon.Add(time.Minute), due())
	c.now = c.now.Add(time.Second)
	knocks(2, noon.Add(time.Hour))
	require.Equal(t, noon.Add(xWait), due(), "the time to wait has not begun anew")
	knocks(3, noon.Add(2*time.Second))
	require.Equal(t, noon.Add(2*time.Second), due())
	c.effects, c.now = nil, due()
	c.did(func() error { return nil }, "u out: unauthorized: what the service has granted has expired: show a fresh token", "a < knock 1 bob on=false")
	knocks(4, time.Time{})
	knocks(5, time.Time{})
	require.Equal(t, c.now.Add(xWait), due())
}
