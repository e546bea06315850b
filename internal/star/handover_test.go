package star

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// handing is a hand-over to the slave of that name, with attachments "n" and "o" of the two.
func (c *table) handing(to string, stay bool, ref uint64) HandOver {
	h := HandOver{To: to, Secret: given("master " + to), Ref: ref}
	next := func(tag string, before *Attachment) *Attachment {
		a := &Attachment{Line: before.Line}
		c.tags[a] = tag
		return a
	}
	h.New = new(Attachment)
	if m := c.slaves[to]; m != nil && m.attachment != nil {
		h.From, h.New = m.attachment, next("n", m.attachment)
	}
	if stay {
		h.Stays, h.StaysSecret = next("o", c.master.attachment), given("slave "+c.master.name)
	}
	return h
}

// handsOver is a hand-over by the member of the attachment, or by the service.
func (c *table) handsOver(a *Attachment, h HandOver) func() error {
	return func() error { return c.HandOver(c.now, a, h) }
}

// handed is a channel that alice has handed to user_1, on n, and stays in, on o.
func handedTable(t *testing.T, limits Limits, slaves int) (c *table, n, o *Attachment, u []*Attachment) {
	c, a, u := openTable(t, limits, slaves)
	h := c.handing("user_1", true, 7)
	require.NoError(t, c.do(c.handsOver(a, h)))
	c.effects = nil
	c.secrets["user_1"], c.secrets["alice"] = h.Secret.Text, h.StaysSecret.Text
	return c, h.New, h.Stays, u
}

func TestRule7TheMasterHandsOverAndStays(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.did(c.handsOver(a, c.handing("user_1", true, 7)),
		"-u1",
		"* < presence user_1 online",
		"n << created epoch=2 [alice=online user_2=online]",
		"+o", "o < joined user_1=online", "o < ack ref=7")
	require.Equal(t, "user_1", c.master.name)
	require.Len(t, c.slaves, 2)
	require.EqualValues(t, 3, c.slaves["alice"].number, "it has come in anew")
	_ = u
}

func TestRule7TheMasterHandsOverAndLeaves(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 2)
	c.did(c.handsOver(a, c.handing("user_1", false, 7)),
		"-u1",
		"* < presence user_1 online",
		"n << created epoch=2 [user_2=online]",
		`a < ack ref=7`, `a ! handed_over: "user_1" is the master now`)
	require.Len(t, c.slaves, 1)
	b := c.on("b")
	c.refused(wire.ErrChannelExists, func() error { return c.create(c.now, b, 9, "alice", 0) })
	require.NoError(t, c.join(c.now, b, 10, "alice", ""), "the name is free")
}

// Also while the master is away, and X stops then.
func TestRule7TheServiceSetsAMaster(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 2)
	c.now = c.now.Add(time.Second)
	c.did(c.lostBy(a), "* < presence alice away left=30000ms")
	c.now = c.now.Add(xMaster - 1)
	c.did(c.handsOver(nil, c.handing("user_1", false, 0)),
		"-u1", "* < presence user_1 online", "n << created epoch=2 [user_2=online]")
	_, due := c.Due()
	require.False(t, due)
	c.now = c.now.Add(xMaster)
	c.did(func() error { return nil })

	c, a, _ = openTable(t, Limits{}, 2)
	h := c.handing("user_1", false, 0)
	c.did(c.handsOver(nil, h), "-u1", "* < presence user_1 online", "n << created epoch=2 [user_2=online]",
		`a ! handed_over: "user_1" is the master now`)
	require.Empty(t, c.givenOver, "it is no hand-over of the master's")
	require.Equal(t, wire.ErrNotAMember, c.Hear(a))
	c.refused(wire.ErrNoSuchChannel, func() error { _, _, err := New("none", c.limits).Successor(nil, "user_1"); return err })
}

// X begins anew where the new master is lost at once, and ends the channel as ever (rule 3).
func TestRule3ANewMasterThatIsLostAtOnce(t *testing.T) {
	c, n, _, _ := handedTable(t, Limits{}, 2)
	c.now = c.now.Add(time.Second)
	c.did(c.lostBy(n), "* < presence user_1 away left=30000ms")
	c.now = c.now.Add(xMaster - 1)
	c.did(func() error { return nil })
	c.now = c.now.Add(1)
	c.did(func() error { return nil }, "* ! master_down: the master was away for 30s", "forget")
}

func TestHandOversThatAreRefused(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 3)
	c.did(c.lostBy(u[3]), "-u3", "a < presence user_3 away")
	for _, by := range []*Attachment{a, nil} {
		c.refused(errSuccessorIsMaster, c.handsOver(by, c.handing("alice", true, 7)))
		c.refused(wire.ErrNoSuchSlave, c.handsOver(by, c.handing("nobody", true, 7)))
		c.refused(errSuccessorAway, c.handsOver(by, c.handing("user_3", true, 7)))
		moved := c.handing("user_1", true, 7)
		moved.From = u[2]
		c.refused(ErrMoved, c.handsOver(by, moved))
	}
	c.refused(wire.ErrForbidden, c.handsOver(u[1], c.handing("user_2", true, 7)))
	full := c.handing("user_1", true, 7)
	full.Grant = Grant{Asked: true}
	for i := range masterKeys + 1 {
		full.Grant.Attributes = append(full.Grant.Attributes, wire.KeyValue{Key: fmt.Sprint(i), Value: textMessage(0, "x").Payload})
	}
	c.refused(wire.ErrAttributesFull, c.handsOver(a, full))
	u[1].catchingUp = true
	c.refused(errSuccessorBehind, c.handsOver(a, c.handing("user_1", true, 7)))
	u[1].catchingUp = false
	c.Stop(c.now)
	c.refused(wire.ErrShuttingDown, c.handsOver(a, c.handing("user_1", true, 7)))
	c.refused(wire.ErrShuttingDown, c.handsOver(nil, c.handing("user_1", true, 7)))
	c.Close("")
	c.effects = nil
	require.ErrorIs(t, c.handsOver(a, HandOver{To: "user_1"})(), wire.ErrNotAMember)
	require.ErrorIs(t, c.handsOver(nil, HandOver{To: "user_1"})(), wire.ErrNoSuchChannel)
}

// What either of the two has sent before it knew of it is refused, whatever it is, until a frame
// shows the new epoch: a message to the master alone never is one to all, and a slave's leave
// does not end the channel (rules 5 and 6).
// A send that was accepted before is known when it comes again, and is no other one.
// A slave remembers fewer answers than a master: the latest.
// The new master gets what the old one has not confirmed, but for its own, and each receiver
// sees a message once.
func TestANewMasterGetsWhatTheOldOneHasNotConfirmed(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	for i, at := range []*Attachment{u[1], u[2], u[1], u[2], u[1]} {
		require.NoError(t, c.Send(at, textMessage(0, fmt.Sprint(i+1))))
	}
	_, err := c.Confirm(a, 2)
	require.NoError(t, err)
	c.effects = nil
	h := c.handing("user_1", false, 7)
	c.did(c.handsOver(a, h), "-u1", "* < presence user_1 online",
		"n << created epoch=2 seq=4 [user_2=online]", "n << message seq=4 user_2: 4",
		"a < ack ref=7", `a ! handed_over: "user_1" is the master now`)
	require.EqualValues(t, 3, c.up.confirmed, "its own are passed over")
	require.Equal(t, Load{2, 2 + 2*entryOverhead}, c.up.unconfirmed)

	// And again, where it does not say that it has got it, with no message of before.
	c.did(c.lostBy(h.New), "* < presence user_1 away left=30000ms")
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 9, "user_1", h.Secret.Text, 0) },
		"b << created ref=9 epoch=3 seq=4 [user_2=online]", "* < presence user_1 online", "b << message seq=4 user_2: 4")
	_, err = c.Confirm(b, 4)
	require.NoError(t, err)
	require.EqualValues(t, 5, c.up.confirmed)
	require.Zero(t, c.up.unconfirmed)
}

// What a slave of the successor's name has sent that has left since is not its own.
func TestANameThatIsUsedAgain(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	require.NoError(t, c.Send(u[1], textMessage(0, "before")))
	require.NoError(t, c.Leave(c.now, u[1], 0))
	again := c.on("u1'")
	require.NoError(t, c.join(c.now, again, 1, "user_1", ""))
	require.NoError(t, c.Send(again, textMessage(0, "own")))
	_, err := c.Confirm(a, 0)
	require.NoError(t, err)
	c.effects = nil
	c.did(c.handsOver(a, c.handing("user_1", false, 0)), "-u1'", "* < presence user_1 online",
		"n << created epoch=2 seq=1 []", "n << message seq=1 user_1: before", `a ! handed_over: "user_1" is the master now`)
}

// A hub that keeps nothing hands nothing on.
func TestAHandOverWhereNothingIsKept(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: -1}}, 2)
	require.NoError(t, c.Send(u[2], textMessage(0, "x")))
	c.effects = nil
	h := c.handing("user_1", false, 0)
	c.did(c.handsOver(a, h), "-u1", "* < presence user_1 online", "n << created epoch=2 [user_2=online]", `a ! handed_over: "user_1" is the master now`)
	c.did(c.lostBy(h.New), "* < presence user_1 away left=30000ms")
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 9, "user_1", h.Secret.Text, 0) },
		"b << created ref=9 epoch=3 [user_2=online]", "* < presence user_1 online")
}

// Slaves' open requests go on to the new master, those too that the old one has confirmed. All
// others are over.
func TestOpenRequestsAfterAHandOver(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 3)
	require.NoError(t, c.Send(u[2], asking(1, "")))
	require.NoError(t, c.Send(u[3], asking(1, "")))
	require.NoError(t, c.Send(u[1], asking(1, "")))
	require.NoError(t, c.Send(a, replying("user_3", 2)))
	require.NoError(t, c.Send(a, asking(1, "")))
	require.NoError(t, c.Send(a, asking(2, "user_2")))
	_, err := c.Confirm(a, 3)
	require.NoError(t, err)
	c.effects = nil
	h := c.handing("user_1", true, 7)
	c.did(c.handsOver(a, h), "-u1", "* < presence user_1 online",
		"n << created epoch=2 asking [alice=online user_2=online user_3=online]", "n << message seq=1 user_2: well? request=1", "n < asked",
		"+o", "o < joined user_1=online", "o < ack ref=7")
	require.NoError(t, c.Show(h.New, 2))
	require.NoError(t, c.Show(h.Stays, 2))
	c.did(func() error { return c.Send(h.New, replying("user_2", 1)) }, "u2 < message seq=4 user_1: yes (private) reply=1")
	c.refused(wire.ErrNoSuchRequest, func() error { return c.Send(u[2], replying("", 2)) })
	c.refused(wire.ErrNoSuchRequest, func() error { return c.Send(u[3], replying("", 2)) })
	c.refused(wire.ErrNoSuchRequest, func() error { return c.Withdraw(h.Stays, 9, 2) })
	c.refused(wire.ErrNoSuchRequest, func() error { return c.Withdraw(h.New, 9, 3) })
	require.Empty(t, c.requests)
}

// The attributes of the mastership stay with it, but for those that the service had given the old
// master. What the successor had as a slave is gone, and those of the slaves are the new master's.
func TestAttributesAfterAHandOver(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	set := func(at *Attachment, key, value string) {
		require.NoError(t, c.Set(at, AttributeChange{Key: key, Value: textMessage(0, value).Payload}))
	}
	set(a, "slide", "1")
	set(u[1], "hand", "up")
	set(u[2], "hand", "down")
	require.NoError(t, c.Refresh(a, 0, Grant{Asked: true, Attributes: wire.Attributes{{Key: "rank", Value: textMessage(0, "professor").Payload}}}))
	c.effects = nil
	h := c.handing("user_1", true, 7)
	h.Grant = Grant{Asked: true, Attributes: wire.Attributes{{Key: "title", Value: textMessage(0, "tutor").Payload}}}
	c.did(c.handsOver(a, h), "-u1", "* < presence user_1 online",
		"* ~ attribute user_1 rank seq=3", "* ~ attribute user_1 title seq=4 = tutor",
		"n << created epoch=2 seq=2 [alice=online user_2=online] slide = 1", "n ~ attribute user_2 hand seq=2 = down",
		"+o", "o < joined user_1=online", "o < ack ref=7",
		"o ~ attribute user_1 slide seq=1 = 1", "o ~ attribute user_1 rank seq=3", "o ~ attribute user_1 title seq=4 = tutor")
	require.Equal(t, len("hand")+len("down"), c.slavesBytes)
	require.Empty(t, c.slaves["alice"].attributes())
	require.NoError(t, c.Show(h.New, 2))
	c.refused(wire.ErrForbidden, func() error {
		return c.Set(h.New, AttributeChange{Key: "title", Value: textMessage(0, "king").Payload})
	})
	c.effects = nil
	set(h.New, "slide", "2")
	c.expect("* ~ attribute user_1 slide seq=5 = 2")
}

// What the service has granted each goes on with it, and expires when it did.
func TestGrantsAfterAHandOver(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	require.NoError(t, c.Refresh(a, 0, Grant{Asked: true, Expires: noon.Add(10 * time.Second), Data: []byte("a")}))
	require.NoError(t, c.Refresh(u[1], 0, Grant{Asked: true, Expires: noon.Add(5 * time.Second), Data: []byte("u")}))
	c.effects = nil
	h := c.handing("user_1", true, 7)
	require.NoError(t, c.do(c.handsOver(a, h)))
	require.Equal(t, []byte("u"), c.master.granted().Data)
	require.Equal(t, []byte("a"), c.slaves["alice"].granted().Data)
	c.effects = nil
	c.now = noon.Add(5 * time.Second)
	c.did(func() error { return nil }, "n x", "n !! unauthorized: what the service has granted has expired: come back with a fresh token", "* < presence user_1 away left=30000ms")
	c.now = noon.Add(10 * time.Second)
	c.did(func() error { return nil }, "-o", "o x", "o ! expired: what the service has granted has expired")

	// Of a master that has expired, nothing is left to the next one.
	c, a, _ = openTable(t, Limits{}, 2)
	require.NoError(t, c.Refresh(a, 0, Grant{Asked: true, Expires: noon.Add(time.Second)}))
	c.now = noon.Add(time.Second)
	c.Expire(c.now)
	require.True(t, c.masterExpired)
	h = c.handing("user_1", false, 0)
	h.Grant = Grant{Asked: true, Expires: noon.Add(3 * time.Second)}
	require.NoError(t, c.do(c.handsOver(nil, h)))
	require.False(t, c.masterExpired)
	due, ok := c.Due()
	require.True(t, ok)
	require.Equal(t, noon.Add(3*time.Second), due)
}

// A successor that has not been told, since its connection was lost, is told when it comes back
// by the secret of the slave that it was: it gets what it has missed as that, and is the master.
// The new secret shows that it was told, too.
// What a successor has missed as a slave and is not kept any more it is told by a gap, and what
// has expired too.
// The secret of the former master is worth nothing from the hand-over on, whatever comes after.
// A hand-over whose answer was lost is repeated by the same client, with the same ref, and what
// it has become is told once more.
// Who has left since, or is another one of the name, is not told anything.
// The service can give the seat of the new master to another client, from which nothing is on
// its way.
// A client that has taken the slave's membership over and was not heard of is the one that is
// told, and so it is the one that is the master.
func TestASuccessorThatWasNotHeard(t *testing.T) {
	c, a, u := heldTable(t)
	require.NoError(t, c.Hear(u))
	require.NoError(t, c.Send(u, textMessage(5, "x")))
	b := c.on("b")
	require.NoError(t, c.resumes(b, c.shows("B", 3, 1, "s1"))())
	require.NoError(t, c.do(c.handsOver(a, c.handing("ada", false, 7))))
	require.Equal(t, holder{HashOf("B"), 3}, c.master.holder)
	require.Zero(t, c.master.answers.highest, "the other one's refs are not its own")
	require.EqualValues(t, wire.MasterAnswers, c.master.answers.limit)
}

// Hand-overs to and fro are bounded by what they send.
func TestHandOversHaveARate(t *testing.T) {
	c, a, _ := openTable(t, Limits{MaxSlaves: 30000}, 20000)
	at, n := a, 0
	for ; n < 1000; n++ {
		h := c.handing([]string{"user_1", "alice"}[n%2], true, 0)
		err := c.HandOver(c.now, at, h)
		c.effects = nil
		if err != nil {
			require.ErrorIs(t, err, wire.ErrRateLimited)
			break
		}
		require.NoError(t, c.Show(h.New, h.New.epoch))
		require.NoError(t, c.Show(h.Stays, h.Stays.epoch))
		at = h.New
	}
	require.Less(t, n, 100)
	require.NoError(t, c.HandOver(c.now, nil, c.handing([]string{"user_1", "alice"}[n%2], false, 0)), "the service may")
}

// What is counted, and what the service is told.
func TestWhatIsToldOfAHandOver(t *testing.T) {
	for stay, want := range map[bool][]string{
		true:  {"leaves handed_over 1", "slaves -1", "handed_over user_1 master epoch=2 online", "joined alice slave epoch=2 online", "joins 1", "slaves 1"},
		false: {"leaves handed_over 1", "slaves -1", "handed_over user_1 master epoch=2 online"},
	} {
		c, a, _ := openTable(t, Limits{Counted: true}, 2)
		require.NoError(t, c.do(c.handsOver(a, c.handing("user_1", stay, 7))))
		var told []string
		for _, e := range c.effects {
			switch {
			case e.Kind == Changed:
				change := e.Change()
				kind := map[ChangeKind]string{HandedOver: "handed_over", SlaveJoined: "joined"}[change.Kind]
				told = append(told, fmt.Sprintf("%s %s %s epoch=%d %s", kind, change.Username, change.Role, change.Epoch, change.State))
				require.Equal(t, change.Kind == HandedOver, change.Text == byMaster)
			case e.Kind == Count:
				told = append(told, fmt.Sprint(map[Metric]string{Leaves: "leaves " + e.Text, Slaves: "slaves", Joins: "joins"}[e.Metric], " ", e.Delta))
			}
		}
		require.Equal(t, want, told)
	}
}

// Whatever falls into one instant, there is one master at each moment, who is nobody else's
// slave, and only the holder of its secret comes back as it (rule 7).
func TestRule7InOneInstant(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 15))
		c, a, u := openTable(t, Limits{HandshakeTimeout: time.Second}, 4)
		c.now = c.now.Add(xMaster)
		if seed%2 == 0 { // X is over at this instant
			c.now = noon
			c.Lose(c.now, a)
			c.now = noon.Add(xMaster)
		} else {
			require.NoError(t, c.Refresh(a, 0, Grant{Asked: true, Expires: c.now}))
			require.NoError(t, c.Refresh(u[1], 0, Grant{Asked: true, Expires: c.now}))
		}
		former := map[string]bool{} // secrets that are worth nothing any more
		epoch, master := c.master.epoch, c.master
		for step := range 40 {
			if random.IntN(8) == 0 {
				c.now = c.now.Add(time.Duration(random.IntN(3)) * 10 * time.Second)
			}
			names := []string{"alice", "user_1", "user_2", "user_3", "user_4"}
			name := names[random.IntN(len(names))]
			before := c.master.hash
			b := c.on("b")
			e := Entry{Ref: uint64(step + 100), Secret: given(c.secrets[name]), Fresh: given(fmt.Sprint("fresh ", step))}
			c.Expire(c.now)
			if c.life != open {
				break
			}
			at := c.master.attachment
			m := c.slaves[name]
			switch random.IntN(7) {
			case 0, 1:
				if m == nil || m.attachment == nil {
					break
				}
				if random.IntN(2) == 0 {
					at = nil
				}
				h := c.handing(name, at != nil && random.IntN(2) == 0, uint64(step))
				h.Secret, h.StaysSecret = given(fmt.Sprint("master ", step)), given(fmt.Sprint("slave ", step))
				was := c.secrets[c.master.name]
				if at != nil && c.Show(at, at.epoch) == nil && c.HandOver(c.now, at, h) == nil || at == nil && c.HandOver(c.now, nil, h) == nil {
					former[was] = true
					c.secrets[name] = h.Secret.Text
					require.False(t, c.master.matches(before))
				}
			case 2:
				if c.Resume(c.now, b, e, name, 0, 0) == nil && name == c.master.name && c.master.matches(e.Fresh.Hash) {
					c.secrets[name] = e.Fresh.Text
				}
			case 3:
				e.Grant = Grant{Asked: true, TakeOver: true}
				e.Secret = e.Fresh
				if c.Join(c.now, b, e, name, "") == nil {
					c.secrets[name] = e.Fresh.Text
				}
			case 4:
				if at != nil {
					c.Lose(c.now, at)
				}
			case 5:
				for secret := range former {
					require.Error(t, c.Resume(c.now, b, Entry{Ref: e.Ref, Secret: given(secret)}, name, 0, 0))
				}
			case 6:
				if m != nil && m.attachment != nil {
					c.Lose(c.now, m.attachment)
				}
			}
			c.effects = nil
			if c.life != open {
				break
			}
			require.NotContains(t, c.slaves, c.master.name)
			require.GreaterOrEqual(t, c.master.epoch, epoch, "another master has a higher epoch")
			if c.master != master {
				require.Greater(t, c.master.epoch, epoch)
			}
			epoch, master = c.master.epoch, c.master
			attached := 0
			for tagged := range c.tags {
				if tagged.current() && tagged.Role() == wire.Master {
					attached++
				}
			}
			require.LessOrEqual(t, attached, 1)
			away := c.master.state == wire.StateAway
			require.Equal(t, away, !c.master.deadline.IsZero())
			require.Equal(t, away, attached == 0)
			require.True(t, slices.ContainsFunc([]life{open}, func(l life) bool { return l == c.life }))
		}
	}
}
