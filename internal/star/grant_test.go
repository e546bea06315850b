package star

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// until is a grant until so many seconds after noon.
func until(seconds int) Grant {
	return Grant{Asked: true, Expires: noon.Add(time.Duration(seconds) * time.Second)}
}

func (c *table) at(seconds int) { c.now = noon.Add(time.Duration(seconds) * time.Second) }

// passes lets the time pass, and what is due happen.
func (c *table) passes(seconds int, effects ...string) {
	c.t.Helper()
	c.at(seconds)
	c.did(func() error { return nil }, effects...)
}

// granted is the entry of an instance, with what the service has said of it.
func (c *table) granted(instance string, ref, epoch uint64, secret string, g Grant) Entry {
	e := c.shows(instance, ref, epoch, secret)
	e.Grant = g
	return e
}

// A slave whose grant expires is out at that instant: what waits for it is dropped, it is
// told why, and its master too.
func TestASlaveExpires(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 0)
	u := c.on("u")
	c.did0(c.joinsAs(u, c.granted("A", 1, 0, "s1", until(10))))
	c.did0(func() error { return c.Send(a, asking(0, "ada")) })
	c.at(9)
	due, ok := c.Due()
	require.True(t, ok)
	require.Equal(t, noon.Add(10*time.Second), due)
	c.did(c.says(a, "x"), "* < message seq=2 alice: x")
	c.passes(10, "-u", "a < presence ada left (expired)", "u x", "u ! expired: what the service has granted has expired")
	require.Empty(t, c.requests)
	c.refused(wire.ErrNotAMember, c.hears(u))
	c.refused(wire.ErrResumeFailed, c.resumes(c.on("u'"), c.granted("A", 2, 1, "s1", until(99))))
	_, ok = c.Due()
	require.False(t, ok)

	// Also one that is away, or is catching up.
	c.did0(c.joinsAs(c.on("v"), c.granted("A", 3, 0, "s2", until(20))))
	c.did0(c.lostBy(c.slaves["ada"].attachment))
	c.passes(20, "a < presence ada left (expired)")
}

// What waits on the former connection of one whose grant expires is dropped when another one
// takes the membership over: it could be written after the grant has expired.
func TestNothingWaitsOnAFormerConnection(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 1)
	u := c.on("u")
	c.did0(c.joinsAs(u, c.granted("A", 1, 0, "s1", until(10))))
	c.did(c.resumes(c.on("v"), c.granted("A", 2, 1, "s1", until(10))), "-u", "u x",
		"u ! replaced: the membership was taken over by a newer connection", "+v", "v < joined alice=online ref=2")
}

// At the same instant the expiry is before anything else: a resume and a refresh come too
// late, and so does the end of the time to come back.
func TestExpiryWinsATie(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 0)
	u := c.on("u")
	c.did0(c.joinsAs(u, c.granted("A", 1, 0, "s1", until(20))))
	c.at(20)
	require.ErrorIs(t, c.do(func() error { return c.Refresh(u, 2, until(40)) }), wire.ErrNotAMember)

	c, _, _ = openTable(t, Limits{}, 0)
	u = c.on("u")
	c.did0(c.joinsAs(u, c.granted("A", 1, 0, "s1", until(20))))
	c.did0(c.lostBy(u)) // until 20 s, too
	c.passes(20, "a < presence ada left (expired)")
}

// A refresh moves the instant, to either side, and takes it away.
func TestRefresh(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 0)
	u := c.on("u")
	c.did0(c.joinsAs(u, c.granted("A", 1, 0, "s1", until(10))))
	c.did(func() error { return c.Refresh(u, 2, until(30)) }, "u < ack ref=2")
	c.passes(10)
	c.did(func() error { return c.Refresh(u, 3, until(20)) }, "u < ack ref=3")
	c.did(func() error { return c.Refresh(u, 4, Grant{Asked: true, Data: []byte("kept")}) }, "u < ack ref=4")
	c.passes(30)
	name, g, err := c.Granted(u)
	require.NoError(t, err)
	require.Equal(t, "ada", name)
	require.Equal(t, "kept", string(g.Data))
	c.did(func() error { return c.Refresh(u, 5, Grant{}) }, "u < ack ref=5") // nobody was asked
	require.Equal(t, "kept", string(c.slaves["ada"].granted().Data))
	c.did(func() error { return c.Refresh(u, 0, until(40)) })
	c.passes(40, "-u", "a < presence ada left (expired)", "u x", "u ! expired: what the service has granted has expired")
	c.refused(wire.ErrNotAMember, func() error { return c.Refresh(u, 6, until(50)) })
	_, _, err = c.Granted(u)
	require.ErrorIs(t, err, wire.ErrNotAMember)
}

// A master whose grant expires loses its connection and is away: it comes back with a fresh
// grant, and with that alone, until its timeout is over.
func TestAMasterExpires(t *testing.T) {
	begin := func(t *testing.T) *table {
		c := newTable(t, Limits{})
		require.NoError(t, c.Create(c.now, c.on("a"), c.granted("A", 1, 0, "s1", until(10)), "alice", 0))
		require.NoError(t, c.join(c.now, c.on("u"), 1, "user_1", ""))
		c.effects = nil
		c.passes(10, "a x", "a !! unauthorized: what the service has granted has expired: come back with a fresh token",
			"* < presence alice away left=30000ms")
		return c
	}
	resumes := func(c *table, ref uint64, g Grant) func() error {
		return func() error { return c.Resume(c.now, c.on("b"), c.granted("A", ref, 1, "s1", g), "alice", 0, 0) }
	}
	t.Run("and is back", func(t *testing.T) {
		c := begin(t)
		c.passes(39)
		_, fresh, err := c.Resumable(c.now, c.on("x"), c.shows("A", 2, 1, "s1"), "alice")
		require.NoError(t, err)
		require.True(t, fresh)
		c.refused(wire.ErrUnauthorized, resumes(c, 2, Grant{}))
		c.did(resumes(c, 3, until(60)), "b << created ref=3 epoch=2 [user_1=online]", "* < presence alice online")
		c.passes(60, "b x", "b !! unauthorized: what the service has granted has expired: come back with a fresh token",
			"* < presence alice away left=30000ms")
	})
	t.Run("and is not", func(t *testing.T) {
		c := begin(t)
		c.passes(40, "* ! master_down: the master was away for 30s", "forget")
	})
	t.Run("at once", func(t *testing.T) {
		c := newTable(t, Limits{MasterTimeout: -1})
		require.NoError(t, c.Create(c.now, c.on("a"), c.granted("A", 1, 0, "s1", until(10)), "alice", 0))
		c.effects = nil
		c.passes(10, "a x", "a !! unauthorized: what the service has granted has expired: come back with a fresh token",
			"* ! master_down: the master was away for 0s", "forget")
	})
	t.Run("while it is away", func(t *testing.T) {
		c := newTable(t, Limits{})
		a := c.on("a")
		require.NoError(t, c.Create(c.now, a, c.granted("A", 1, 0, "s1", until(10)), "alice", 0))
		c.did0(c.lostBy(a))
		c.passes(10)
		c.refused(wire.ErrUnauthorized, resumes(c, 2, Grant{}))
		c.passes(30, "* ! master_down: the master was away for 30s", "forget")
	})
}

// The service does not let a member back: that ends the membership of the client that
// holds it, and of nobody else.
func TestRevoked(t *testing.T) {
	c, _, u := heldTable(t)
	c.did0(c.hears(u))
	revoke := func(e Entry) bool { return c.Revoke(c.on("u'"), e, "ada", "not any more") }
	require.False(t, revoke(c.shows("B", 1, 1, "s1")))
	require.False(t, revoke(c.shows("", 1, 1, "s1")))
	require.False(t, revoke(c.shows("A", 2, 1, "s2")))
	require.Empty(t, c.effects)
	require.True(t, revoke(c.shows("A", 2, 1, "s1")))
	c.expect("-u", "a < presence ada left (revoked)", "u x", "u ! revoked: not any more")
	require.False(t, revoke(c.shows("A", 3, 1, "s1")))

	// By hand nobody can be told from another one.
	c.did0(c.joinsAs(c.on("v"), Entry{Ref: 1, Secret: given("s3")}))
	require.False(t, revoke(Entry{Ref: 2, Secret: given("s3")}))

	m := newTable(t, Limits{})
	a := m.on("a")
	require.NoError(t, m.Create(m.now, a, m.shows("A", 1, 0, "s1"), "alice", 0))
	require.NoError(t, m.join(m.now, m.on("u"), 1, "user_1", ""))
	m.effects = nil
	require.True(t, m.Revoke(m.on("a'"), m.shows("A", 2, 1, "s1"), "alice", ""))
	m.expect("a ! revoked", "* ! master_down: the service does not let the master back", "forget")
	require.False(t, m.Revoke(m.on("a'"), m.shows("A", 2, 1, "s1"), "alice", ""))
}

// The service gives a seat to the user that it knows: from whoever has it, in its role, with
// what was sent since the member has entered.
func TestRule7TakeOver(t *testing.T) {
	over := Grant{Asked: true, TakeOver: true}
	c, a, u := heldTable(t)
	c.did0(c.says(a, "early"))
	c.did0(func() error { return c.Send(u, asking(2, "")) })
	b := c.on("b")
	c.did(c.joinsAs(b, c.granted("B", 1, 0, "s2", over)),
		"-u", "u ! replaced: the membership was taken over by a newer connection",
		"+b", "b < joined alice=online ref=1", "b << message seq=1 alice: early")
	require.Empty(t, c.slaves["ada"].openRequests)
	c.refused(wire.ErrResumeFailed, c.resumes(c.on("x"), c.shows("A", 3, 1, "s1")))
	c.refused(wire.ErrReplaced, c.resumes(c.on("x"), c.shows("A", 3, 1, "s2")))
	c.did(c.sends(b, 2, "mine"), "a < message seq=2 ada: mine", "b < ack ref=2 seq=2")
	c.did0(c.resumes(c.on("b'"), c.shows("B", 3, 2, "s2")))

	// What the member was not a member for is not replayed, and a ban is no seat.
	late := c.on("late")
	c.did0(c.enters(late, "bob"))
	takes := func(expect string) func() error {
		return func() error { return c.Join(c.now, c.on("late'"), c.granted("C", 1, 0, "s3", over), "bob", expect) }
	}
	c.refused(wire.ErrWrongMaster, takes("another master"))
	c.did(takes("alice"),
		"-late", "late ! replaced: the membership was taken over by a newer connection", "+late'", "late' < joined alice=online ref=1")
	require.NoError(t, c.Remove("bob", true, ""))
	c.effects = nil
	c.refused(wire.ErrBanned, func() error { return c.Join(c.now, c.on("x"), c.granted("C", 2, 0, "s4", over), "bob", "") })

	// A frame that was overtaken changes nothing.
	c.refused(wire.ErrNameTaken, c.joinsAs(c.on("x"), c.granted("B", 2, 0, "s5", over)))
	// Where nobody has the name it is an ordinary join.
	c.did0(func() error { return c.Join(c.now, c.on("eve"), c.granted("E", 1, 0, "s6", over), "eve", "") })
	require.Contains(t, c.slaves, "eve")

	// The master's seat, by a create and by a join, and its timeout as it was.
	for i, take := range []func(at *Attachment, e Entry) error{
		func(at *Attachment, e Entry) error { return c.Create(c.now, at, e, "alice", time.Second) },
		func(at *Attachment, e Entry) error { return c.Join(c.now, at, e, "alice", "") },
	} {
		m := c.on(fmt.Sprint("m", i))
		require.NoError(t, take(m, c.granted(fmt.Sprint("M", i), 1, 0, "s7", over)))
		require.Same(t, m, c.Master())
		require.Equal(t, wire.Master, m.Role())
		require.Equal(t, xMaster, c.timeout)
		c.effects = nil
	}
	c.refused(wire.ErrReplaced, c.hears(a))
	// A slave's seat by a create.
	s := c.on("s")
	require.NoError(t, c.Create(c.now, s, c.granted("S", 1, 0, "s8", over), "eve", 0))
	require.Equal(t, wire.Slave, s.Role())
}

// The heap of instants against a plain list, through joins, leaves and refreshes, and it
// does not grow with what is over.
func TestExpiriesRandomly(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 5))
		c, _, _ := openTable(t, Limits{}, 0)
		c.effects = nil
		at := map[string]*Attachment{}
		ends := map[string]int{}
		now := 0
		for range 300 {
			name := fmt.Sprint("user_", random.IntN(8))
			end := now + 1 + random.IntN(30)
			switch u := at[name]; {
			case u == nil:
				u = c.on(name)
				require.NoError(t, c.do(func() error { return c.Join(c.now, u, c.granted("", 0, 0, name, until(end)), name, "") }))
				at[name], ends[name] = u, end
			case random.IntN(6) == 0:
				require.NoError(t, c.do(c.leaves(u)))
				delete(at, name)
			default:
				require.NoError(t, c.do(func() error { return c.Refresh(u, 0, until(end)) }))
				ends[name] = end
			}
			if random.IntN(3) == 0 {
				now += random.IntN(10)
				c.at(now)
				require.NoError(t, c.do(func() error { return nil }))
			}
			earliest := 1 << 30
			for name, end := range ends {
				if at[name] != nil && end <= now {
					delete(at, name)
				}
				_, there := c.slaves[name]
				require.Equal(t, at[name] != nil, there, "seed %d: %s until %d at %d", seed, name, end, now)
				if there {
					earliest = min(earliest, end)
				}
			}
			due, ok := c.Due()
			require.Equal(t, len(at) > 0, ok)
			if ok {
				require.Equal(t, noon.Add(time.Duration(earliest)*time.Second), due)
			}
			require.LessOrEqual(t, len(c.expiries), 2*8+17)
			c.effects = nil
		}
	}
}

// A client that shows the same token again and again, which is good until the same instant
// each time, or two of them in turn, is kept once.
func TestTheSameInstantAgainAndAgain(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 0)
	u := c.on("u")
	c.did0(c.joinsAs(u, c.granted("A", 1, 0, "s1", until(10))))
	for i := range 1000 {
		c.did0(func() error { return c.Refresh(u, 0, until(10+i%2)) })
		require.LessOrEqual(t, len(c.expiries), 2+17)
	}
	c.passes(10)
	c.passes(11, "-u", "a < presence ada left (expired)", "u x", "u ! expired: what the service has granted has expired")

	m := newTable(t, Limits{})
	a := m.on("a")
	require.NoError(t, m.Create(m.now, a, m.granted("M", 1, 0, "s1", until(10)), "alice", 0))
	for range 1000 {
		m.did0(func() error { return m.Refresh(a, 0, until(10)) })
		require.LessOrEqual(t, len(m.expiries), 17)
	}
	m.passes(10, "a x", "a !! unauthorized: what the service has granted has expired: come back with a fresh token", "* < presence alice away left=30000ms")
	m.passes(39)
}

// A resume that another one of the same client has overtaken is refused late, by what its
// token was worth: the client that is back by the later one stays.
func TestALateRefusalRevokesNothing(t *testing.T) {
	c, _, u := heldTable(t)
	c.did0(c.hears(u))
	c.did0(c.lostBy(u))
	slow, back := c.on("slow"), c.on("back")
	overtaken := c.shows("A", 2, 1, "s1")
	_, _, err := c.Resumable(c.now, slow, overtaken, "ada")
	require.NoError(t, err)
	c.did0(c.resumes(back, c.shows("A", 3, 1, "s1")))
	require.False(t, c.Revoke(slow, overtaken, "ada", "the token is too old"))
	require.Empty(t, c.effects)
	c.refused(nil, c.hears(back))
}

// However a member comes back, the same messages are not sent to it again and again: by a
// seat that is taken over, nor by a join that is repeated.
func TestTakingOverAndRepeatingHaveARate(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 0)
	over := Grant{Asked: true, TakeOver: true}
	c.did0(c.joinsAs(c.on("u"), c.granted("A", 1, 0, "s", Grant{Asked: true})))
	for range 32 {
		c.did0(c.says(a, large)) // in all Replay.Bytes
	}
	ref := uint64(1)
	enters := func(g Grant) func() error {
		return func() error {
			ref++
			at := c.on("again")
			if err := c.Join(c.now, at, c.granted("A", ref, 0, "s", g), "ada", ""); err != nil {
				return err
			}
			for at.catchingUp {
				c.Drained(at)
			}
			return nil
		}
	}
	for range againBurst {
		c.did0(enters(Grant{Asked: true}))
	}
	c.refused(wire.ErrRateLimited, enters(Grant{Asked: true}))
	c.refused(wire.ErrRateLimited, enters(over))
	c.now = c.now.Add(againTime)
	c.did0(enters(over))
	c.refused(wire.ErrRateLimited, enters(over))

	// A master's seat too.
	c.master.needExtras().repaid = c.now.Add(againBurst * againTime).UnixMilli()
	c.refused(wire.ErrRateLimited, func() error { return c.Create(c.now, c.on("b"), c.granted("B", 1, 0, "s2", over), "alice", 0) })
	m := newTable(t, Limits{})
	require.NoError(t, m.Create(m.now, m.on("a"), m.shows("M", 1, 0, "s1"), "alice", 0))
	m.effects = nil
	m.master.needExtras().repaid = m.now.Add(againBurst * againTime).UnixMilli()
	m.refused(wire.ErrRateLimited, func() error { return m.Create(m.now, m.on("b"), m.shows("M", 2, 0, "s2"), "alice", 0) })
}
