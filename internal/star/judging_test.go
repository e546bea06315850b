package star

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// The service is asked about a message that Send would number, and no other one.
func TestUnjudged(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	asked := func(a *Attachment, msg Message) bool {
		_, unjudged := c.Unjudged(a, &msg)
		return unjudged
	}
	require.True(t, asked(u[1], textMessage(2, "x")))
	require.True(t, asked(u[1], textMessage(2, "x")), "nothing is remembered of having asked")
	require.True(t, asked(u[1], textMessage(0, "x")))
	require.NoError(t, c.Send(u[1], textMessage(2, "x")))
	require.False(t, asked(u[1], textMessage(2, "x")), "it was accepted before")
	refused := textMessage(4, "y")
	refused.Refusal = wire.ErrUnauthorized
	require.Error(t, c.Send(u[1], refused))
	require.False(t, asked(u[1], textMessage(4, "y")), "it was refused before")
	require.False(t, asked(u[1], textMessage(3, "z")), "its ref is too low")
	require.True(t, asked(u[1], textMessage(5, "z")))

	require.False(t, asked(u[1], messageTo(6, "alice", "x")), "rule 5")
	require.False(t, asked(a, messageTo(2, "nobody", "x")), "rule 6")
	require.True(t, asked(a, messageTo(2, "user_2", "x")))
	answers := textMessage(6, "x")
	answers.ReplyTo = 7
	require.False(t, asked(u[1], answers), "there is no such request")

	require.NoError(t, c.Refresh(u[2], 2, Grant{Asked: true, Data: []byte("seven")}))
	msg := textMessage(3, "x")
	data, unjudged := c.Unjudged(u[2], &msg)
	require.True(t, unjudged)
	require.Equal(t, "seven", string(data))

	b := c.on("b")
	require.NoError(t, c.resume(c.now, b, 1, "user_2", c.secret("user_2"), 0))
	require.False(t, asked(u[2], textMessage(4, "x")), "another connection has the membership")
	require.True(t, asked(b, textMessage(4, "x")))
	c.Stop(c.now)
	require.False(t, asked(b, textMessage(5, "x")))
}

// So it is of the change of an attribute.
func TestUnjudgedChange(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	asked := func(a *Attachment, ref uint64, key, text string) bool {
		_, unjudged := c.UnjudgedChange(a, &AttributeChange{Ref: ref, Key: key, Value: textMessage(0, text).Payload})
		return unjudged
	}
	require.True(t, asked(u[1], 2, "hand", "up"))
	require.True(t, asked(u[1], 0, "hand", "up"))
	require.NoError(t, c.Set(u[1], AttributeChange{Ref: 2, Key: "hand", Value: textMessage(0, "up").Payload}))
	require.False(t, asked(u[1], 2, "hand", "up"), "it was accepted before")
	require.False(t, asked(u[1], 1, "hand", "up"), "its ref is too low")
	require.True(t, asked(u[1], 3, "hand", "down"))
	require.True(t, asked(a, 2, "slide", "1"))
	require.False(t, asked(a, 2, "", "1"), "it has no key")
	require.False(t, asked(u[1], 3, "photo", strings.Repeat("x", slaveBytes)), "it is too much")
	require.NoError(t, c.Refresh(u[1], 4, Grant{Asked: true, Data: []byte("seven"), Attributes: withAttributes("role", "guest")}))
	require.False(t, asked(u[1], 5, "role", "admin"), "it is the service's")
	data, unjudged := c.UnjudgedChange(u[1], &AttributeChange{Ref: 5, Key: "hand"})
	require.True(t, unjudged)
	require.Equal(t, "seven", string(data))
	c.Lose(c.now, u[1])
	require.False(t, asked(u[1], 5, "hand", "up"), "it has no connection")
	c.Stop(c.now)
	require.False(t, asked(a, 2, "slide", "1"))
}

// What is known of the refs of one client is not known of those of the next one, from its first
// frame on, which may be a send.
func TestUnjudgedOfANewcomer(t *testing.T) {
	c := newTable(t, Limits{})
	require.NoError(t, c.create(c.now, c.on("a"), 1, "alice", 0))
	u, v := c.on("u"), c.on("v")
	secret := given("s")
	require.NoError(t, c.Join(c.now, u, Entry{Ref: 1, Instance: HashOf("one"), Secret: secret}, "user_1", ""))
	require.NoError(t, c.Send(u, textMessage(5, "of the first")))
	require.NoError(t, c.Resume(c.now, v, Entry{Ref: 1, Instance: HashOf("two"), Epoch: 1, Secret: secret}, "user_1", 0, 0))
	msg := textMessage(5, "of the second")
	_, unjudged := c.Unjudged(v, &msg)
	require.True(t, unjudged)
}
