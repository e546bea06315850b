package client

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// A list of slaves costs a client little more than what it keeps of it, and one in which
// nothing has changed costs it nothing.
func TestListsOfSlavesCostLittle(t *testing.T) {
	const count = 20_000
	list := wire.Frame{Type: wire.Members, Channel: "abc123", HasMembers: true}
	for i := range count {
		list.Members = append(list.Members, wire.Member{Username: fmt.Sprintf("user_%05d", i), State: wire.StateOnline, Number: uint64(i + 1)})
	}
	size := uint64(len(wire.Append(nil, wire.Binary, &list)))
	c := New(nowhere{t}, Options{PublicError: func(why *wire.Cause) error { return why }})
	defer c.Close()
	m := newMembership(c, wire.Master, "abc123", anyInbox(QueueLimit{Messages: 10, Bytes: 1 << 10}))
	costs := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	require.Less(t, costs(func() { m.onRoster(&list, time.Now()) }), 20*size)
	require.Len(t, m.Slaves(), count)
	for range 3 {
		require.Less(t, costs(func() { m.onRoster(&list, time.Now()) }), size/2)
	}
	require.Less(t, costs(func() { m.Slaves() }), 8*size)

	// It is still known who has left and who is new.
	list.Members = append(list.Members[1:], wire.Member{Username: "new", State: wire.StateAway, Number: count + 1})
	m.onRoster(&list, time.Now())
	names := make(map[string]wire.State)
	for _, p := range m.Slaves() {
		names[p.Username] = p.State
	}
	require.Len(t, names, count)
	require.NotContains(t, names, "user_00000")
	require.Equal(t, wire.StateAway, names["new"])
}
