package star

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// Attachments are of one member where that is the same one, or stands at two hubs for the same membership of a slave. Two masters of
// one name need not be the same.
func TestIsOf(t *testing.T) {
	at := func(name string, role wire.Role, number uint64) *Attachment {
		return &Attachment{who: &member{name: name, role: role, number: number}}
	}
	bob := at("bob", wire.Slave, 3)
	require.True(t, bob.IsOf(&Attachment{who: bob.who}))
	require.True(t, bob.IsOf(at("bob", wire.Slave, 3)))
	for _, other := range []*Attachment{at("eve", wire.Slave, 3), at("bob", wire.Slave, 4), at("bob", wire.Master, 3), at("eve", wire.Slave, 4)} {
		require.False(t, bob.IsOf(other))
	}
	alice := at("alice", wire.Master, 0)
	require.True(t, alice.IsOf(&Attachment{who: alice.who}))
	require.False(t, alice.IsOf(at("alice", wire.Master, 0)))
}

// An entry that has the ref of the one before is late, unless the hub that sends it cannot know what has become of that.
func TestAnEntryThatComesAgain(t *testing.T) {
	c := newTable(t, Limits{})
	a := c.on("a")
	m := &member{role: wire.Slave, holder: holder{instance: HashOf("A"), ref: 5}}
	for _, test := range []struct {
		ref         uint64
		again, late bool
	}{{4, false, true}, {4, true, true}, {5, false, true}, {5, true, false}, {6, false, false}, {6, true, false}} {
		require.Equal(t, test.late, m.isLate(a, Entry{Instance: HashOf("A"), Ref: test.ref, Again: test.again}), "%+v", test)
	}
}

// A record of a message that cannot be read is for nobody.
func TestADamagedMessageIsForNobody(t *testing.T) {
	require.False(t, Record([]byte{recordDown}).IsForAll())
	require.False(t, Record([]byte{recordUp}).IsForAll())
}

// Those who wait at the door are told in their order, for as long as somebody wants to hear.
func TestAtDoor(t *testing.T) {
	c, _, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
	one, two := c.on("u"), c.on("v")
	c.did0(c.knock(one, c.entry(1, "bob", ""), "bob"))
	c.did0(c.knock(two, c.entry(1, "eve", ""), "eve"))
	var there []*Attachment
	for a := range c.AtDoor {
		there = append(there, a)
	}
	require.Equal(t, []*Attachment{one, two}, there)
	for a := range c.AtDoor {
		require.Same(t, one, a)
		break
	}
}
