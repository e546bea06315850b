package star

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

var changeWords = map[ChangeKind]string{
	Created: "created", SlaveJoined: "joined", ConnectionLost: "lost", DeclaredAway: "declared away", GrantExpired: "expired",
	DeclaredBack: "declared back", Resumed: "resumed", TakenOver: "taken over", EnteredAgain: "entered again", Granted: "granted",
	SlaveLeft: "left", Knocked: "knocked", Ended: "ended",
}

// changed does something and expects these changes, numbered one after the other.
func (c *table) changed(transition func() error, changes ...string) {
	c.t.Helper()
	c.effects = nil
	number := c.changes
	require.NoError(c.t, c.do(transition))
	var got []string
	for _, e := range c.effects {
		if e.Kind != Changed && e.Kind != Forget {
			continue
		}
		change := e.Change()
		number++
		require.Equal(c.t, number, change.Number)
		words := []string{changeWords[change.Kind]}
		if change.Kind != Ended {
			words = append(words, fmt.Sprintf("%s#%d.%d", change.Username, change.Membership, change.Epoch), strings.Replace(stateWords[change.State], "left", "gone", 1))
			require.Equal(c.t, change.Username == "alice", change.Role == wire.Master)
			require.Equal(c.t, change.Username, e.Subject())
		}
		if !change.Deadline.IsZero() {
			words = append(words, "until "+change.Deadline.Sub(noon).String())
		}
		if change.Data != nil {
			words = append(words, "data "+string(change.Data))
		}
		if change.Why != "" {
			words = append(words, "("+strings.TrimSuffix(string(change.Why)+": "+change.Text, ": ")+")")
		}
		got = append(got, strings.Join(words, " "))
	}
	c.effects = nil
	require.Equal(c.t, changes, got)
	if r, exists := c.Report(); exists {
		require.Equal(c.t, number, r.Changes, "a report has the number of what it contains")
	}
}

func TestChanges(t *testing.T) {
	c := newTable(t, Limits{HandshakeTimeout: time.Minute})
	a, u1, u2 := c.on("a"), c.on("u1"), c.on("u2")
	first := Entry{Ref: 1, Instance: HashOf("one"), Secret: c.fresh("user_1"), Grant: Grant{Asked: true, Data: []byte("seven")}}
	c.changed(func() error { return c.create(c.now, a, 1, "alice", 0) }, "created alice#0.1 online")
	c.changed(func() error { return c.Join(c.now, u1, first, "user_1", "") }, "joined user_1#1.1 online data seven")
	c.changed(func() error { return c.join(c.now, u2, 1, "user_2", "") }, "joined user_2#2.1 online")

	// What changes nothing is told to nobody.
	c.changed(func() error { return c.again(c.now, u2, 1) })
	c.changed(func() error { return c.Refresh(u2, 2, Grant{}) })
	c.changed(func() error { return c.Send(u2, textMessage(3, "x")) })
	c.changed(func() error { return c.Back(c.now, a, 3) })

	again := first
	again.Ref = 2
	b1 := c.on("b1")
	c.changed(func() error { return c.Join(c.now, b1, again, "user_1", "") }, "entered again user_1#1.2 online data seven")
	c.changed(c.lostBy(u1)) // it is not its connection any more
	c.changed(c.lostBy(b1), "lost user_1#1.2 away until 20s data seven")
	seize := Entry{Ref: 9, Secret: given("another"), Grant: Grant{Asked: true, TakeOver: true, Data: []byte("eight")}}
	d1 := c.on("d1")
	c.changed(func() error { return c.Join(c.now, d1, seize, "user_1", "") }, "taken over user_1#1.3 online data eight")
	c.changed(func() error { return c.Refresh(d1, 10, Grant{Asked: true, Data: []byte("nine")}) }, "granted user_1#1.3 online data nine")
	d2 := c.on("d2")
	c.changed(func() error { return c.resume(c.now, d2, 1, "user_2", c.secret("user_2"), 0) }, "resumed user_2#2.2 online")

	c.changed(func() error { return c.Away(c.now, a, 4) }, "declared away alice#0.1 away until 30s")
	c.changed(func() error { return c.Away(c.now, a, 5) })
	c.changed(func() error { return c.Refresh(a, 6, Grant{Asked: true, Data: []byte("m")}) }, "granted alice#0.1 away until 30s data m")
	c.changed(func() error { return c.Back(c.now, a, 7) }, "declared back alice#0.1 online data m")
	c.changed(func() error { return c.Away(c.now, a, 8) }, "declared away alice#0.1 away until 30s data m")
	c.changed(c.lostBy(a), "lost alice#0.1 away until 30s data m")
	b := c.on("b")
	c.changed(func() error { return c.resume(c.now, b, 1, "alice", c.secret("alice"), 0) }, "resumed alice#0.2 online data m")

	c.changed(func() error { return c.Kick(b, 2, "user_1", false, "too loud") }, "left user_1#1.3 gone data nine (kicked: too loud)")
	c.changed(func() error { return c.Remove("user_2", true, "") }, "left user_2#2.2 gone (banned: kicked)")
	u3, u4, u5 := c.on("u3"), c.on("u4"), c.on("u5")
	c.changed(func() error { return c.join(c.now, u3, 1, "user_1", "") }, "joined user_1#3.1 online")
	c.changed(func() error { return c.Leave(c.now, u3, 2) }, "left user_1#3.1 gone (left: left)")
	require.NoError(t, c.join(c.now, u4, 1, "user_4", ""))
	c.changed(c.lostBy(u4), "lost user_4#4.1 away until 20s")
	leased := Entry{Secret: given("x"), Grant: Grant{Asked: true, Expires: noon.Add(25 * time.Second)}}
	require.NoError(t, c.Join(c.now, u5, leased, "user_5", ""))
	c.now = noon.Add(20 * time.Second)
	c.changed(func() error { return nil }, "left user_4#4.1 gone (timeout: timeout)")
	c.changed(func() error { return c.Refresh(b, 3, Grant{Asked: true, Expires: noon.Add(26 * time.Second)}) }, "granted alice#0.2 online")
	c.now = noon.Add(26 * time.Second)
	c.changed(func() error { return nil }, "left user_5#5.1 gone (expired: expired)", "expired alice#0.2 away until 56s")
	c.now = noon.Add(time.Minute)
	c.changed(func() error { return nil }, "ended (master_down: the master was away for 30s)")
}

func TestChangesAtEnds(t *testing.T) {
	for want, end := range map[string]func(c *table, a *Attachment) error{
		"ended (master_left)":                 func(c *table, a *Attachment) error { return c.Leave(c.now, a, 0) },
		"ended (channel_closed: maintenance)": func(c *table, _ *Attachment) error { c.Close("maintenance"); return nil },
		"ended (shutdown)":                    func(c *table, _ *Attachment) error { c.Retire(); return nil },
	} {
		c, a, _ := openTable(t, Limits{}, 2)
		c.changed(func() error { return end(c, a) }, want)
	}
	// A master that may not be away ends its channel by being it.
	c, a, _ := openTable(t, Limits{MasterTimeout: -1}, 1)
	c.changed(c.lostBy(a), "lost alice#0.1 away until 0s", "ended (master_down: the master was away for 0s)")
}
