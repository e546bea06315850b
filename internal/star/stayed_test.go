package star

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// stayedTable is a channel whose former master alice has stayed, on a connection that is lost, by a
// hand-over to ada that it can repeat by the entry.
func stayedTable(t *testing.T) (c *table, h HandOver, e Entry) {
	c = newTable(t, Limits{HandshakeTimeout: 10 * time.Second})
	a, u := c.on("a"), c.on("u")
	require.NoError(t, c.Create(c.now, a, c.shows("A", 1, 0, "s1"), "alice", 0))
	require.NoError(t, c.Join(c.now, u, c.shows("B", 1, 0, "u1"), "ada", ""))
	require.NoError(t, c.Hear(a))
	require.NoError(t, c.Refresh(a, 2, Grant{Asked: true, Data: []byte("alice's")}))
	h = c.handing("ada", true, 7)
	require.NoError(t, c.do(c.handsOver(a, h)))
	require.NoError(t, c.Show(h.New, 2))
	require.NoError(t, c.do(c.lostBy(h.Stays)))
	c.effects = nil
	e = c.shows("A", 7, 1, "s1")
	e.Fresh = given("fresh")
	return c, h, e
}

// The service is asked about who repeats its hand-over as about who resumes, and what it grants then counts.
func TestWhoHasStayedIsAskedAbout(t *testing.T) {
	c, _, e := stayedTable(t)
	b := c.on("b")
	g, fresh, err := c.StayedOn(c.now, b, e, "alice", "ada")
	require.NoError(t, err)
	require.False(t, fresh)
	require.Equal(t, "alice's", string(g.Data))
	for _, other := range []Entry{c.shows("A", 8, 1, "s1"), c.shows("B", 7, 1, "s1"), c.shows("A", 7, 1, "s2")} {
		_, _, err := c.StayedOn(c.now, b, other, "alice", "ada")
		require.ErrorIs(t, err, wire.ErrNotAMember)
		require.False(t, c.RevokeStayed(b, other, "alice", "ada", "no"))
	}
	require.Empty(t, c.effects)

	full := e
	full.Grant = Grant{Asked: true, Attributes: wire.Attributes{{Key: "k", Value: textMessage(0, string(make([]byte, slaveBytes))).Payload}}}
	c.refused(wire.ErrAttributesFull, c.repeatsHandOver(b, full, "alice", "ada", true))
	e.Grant = Grant{Asked: true, Data: []byte("anew"), Attributes: wire.Attributes{{Key: "k", Value: textMessage(0, "v").Payload}}}
	c.did(c.repeatsHandOver(b, e, "alice", "ada", true), "n ~ attribute alice k seq=1 = v", "+b", "b < joined ada=online", "n < presence alice online", "b < ack ref=7")
	g, _, err = c.StayedOn(c.now, b, e, "alice", "ada")
	require.NoError(t, err)
	require.Equal(t, "anew", string(g.Data))
}

// Whom the service does not let back by it is out, if it shows the client that it is.
func TestWhoHasStayedIsRevoked(t *testing.T) {
	c, _, e := stayedTable(t)
	require.True(t, c.RevokeStayed(c.on("b"), e, "alice", "ada", "no"))
	c.expect("n < presence alice left (revoked)")
	require.NotContains(t, c.slaves, "alice")
	require.False(t, c.RevokeStayed(c.on("b"), e, "alice", "ada", "no"))

	c, _, o, _ := handedTable(t, Limits{}, 1)
	c.Lose(c.now, o)
	c.effects = nil
	byHand := Entry{Ref: 7, Secret: given("secret 1 of alice")}
	_, _, err := c.StayedOn(c.now, c.on("b"), byHand, "alice", "user_1")
	require.NoError(t, err)
	require.False(t, c.RevokeStayed(c.on("b"), byHand, "alice", "user_1", "no"), "who shows no instance may be anybody with the secret")
	require.Empty(t, c.effects)
}

// Of one that has become the master again it is the mastership, which needs a fresh grant where the one that
// it had has expired.
func TestWhoHasStayedAndIsTheMasterAgain(t *testing.T) {
	again := func(g Grant) (*table, Entry) {
		c, h, e := stayedTable(t)
		b := c.on("b")
		require.NoError(t, c.do(c.repeatsHandOver(b, e, "alice", "ada", true)))
		back := c.handing("alice", true, 8)
		back.Grant = g
		require.NoError(t, c.do(c.handsOver(h.New, back)))
		require.NoError(t, c.do(c.lostBy(back.New)))
		c.effects = nil
		return c, e
	}
	c, e := again(Grant{Asked: true, Expires: noon.Add(time.Second)})
	_, fresh, err := c.StayedOn(c.now, c.on("d"), e, "alice", "ada")
	require.NoError(t, err)
	require.False(t, fresh)
	c.now = c.now.Add(time.Second)
	_, fresh, err = c.StayedOn(c.now, c.on("d"), e, "alice", "ada")
	require.NoError(t, err)
	require.True(t, fresh)
	c.refused(wire.ErrUnauthorized, c.repeatsHandOver(c.on("d"), e, "alice", "ada", true))
	e.Grant = Grant{Asked: true, Data: []byte("anew")}
	require.NoError(t, c.do(c.repeatsHandOver(c.on("d"), e, "alice", "ada", true)))
	require.Equal(t, "anew", string(c.master.granted().Data))

	c, e = again(Grant{Asked: true})
	require.True(t, c.RevokeStayed(c.on("d"), e, "alice", "ada", "no"))
	require.True(t, c.Ended())
}
