package attributes

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// nextAttribute expects that the handle's next event is that change.
func nextAttribute(t *testing.T, h stage.Handle, from, key, value string) lectern.Attribute {
	t.Helper()
	event := stage.Next(t, h)
	attribute, ok := event.(lectern.Attribute)
	require.True(t, ok, "instead of %s: %#v", key, event)
	require.Equal(t, []any{from, key, value, value == ""}, []any{attribute.From, attribute.Key, attribute.Value.Text(), attribute.Deleted})
	return attribute
}

// texts are the texts of attributes.
func texts(attributes map[string]lectern.Payload) map[string]string {
	all := make(map[string]string, len(attributes))
	for key, value := range attributes {
		all[key] = value.Text()
	}
	return all
}

type words = map[string]string

func TestAttributes(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		with := lectern.WithAttributes(map[string]lectern.Payload{"subject": lectern.Text("physics")})
		master := s.User().Creates("abc123", "alice", with)
		require.NoError(t, master.SetAttribute(stage.Within(t), "slide", lectern.JSON(1)))

		hand := lectern.WithAttributes(map[string]lectern.Payload{"hand": lectern.Text("up"), "photo": lectern.Bytes([]byte("x"))})
		slave := s.User().Joins("abc123", "user_one", hand)
		nextAttribute(t, slave, "alice", "subject", "physics")
		nextAttribute(t, slave, "alice", "slide", "1")
		require.Equal(t, words{"slide": "1", "subject": "physics"}, texts(slave.MasterAttributes()))
		require.Equal(t, words{"hand": "up", "photo": "x"}, texts(slave.Attributes()))
		require.True(t, stage.NextPresence(t, master, "user_one", lectern.StateOnline).Joined)
		nextAttribute(t, master, "user_one", "hand", "up")
		require.Equal(t, lectern.KindBytes, nextAttribute(t, master, "user_one", "photo", "x").Value.Kind())
		require.Equal(t, words{"hand": "up", "photo": "x"}, texts(master.AttributesOf("user_one")))
		require.Equal(t, words{"slide": "1", "subject": "physics"}, texts(master.Attributes()))

		// Changes and messages have one order, and one row of numbers.
		require.NoError(t, master.SetAttribute(stage.Within(t), "slide", lectern.JSON(2)))
		receipt, err := master.Broadcast(stage.Within(t), lectern.Text("look"))
		require.NoError(t, err)
		changed := nextAttribute(t, slave, "alice", "slide", "2")
		require.Equal(t, changed.Seq+1, receipt.Seq)
		require.NoError(t, master.DeleteAttribute(stage.Within(t), "slide"))
		require.NoError(t, master.DeleteAttribute(stage.Within(t), "never there"))
		require.Equal(t, receipt.Seq, stage.NextText(t, slave, "look").Seq)
		require.Equal(t, receipt.Seq+1, nextAttribute(t, slave, "alice", "slide", "").Seq)
		require.Equal(t, words{"subject": "physics"}, texts(slave.MasterAttributes()))
		require.Equal(t, words{"subject": "physics"}, texts(master.Attributes()))

		require.NoError(t, slave.SetAttribute(stage.Within(t), "hand", lectern.Text("down")))
		require.NoError(t, slave.DeleteAttribute(stage.Within(t), "photo"))
		nextAttribute(t, master, "user_one", "hand", "down")
		nextAttribute(t, master, "user_one", "photo", "")
		require.Equal(t, words{"hand": "down"}, texts(master.AttributesOf("user_one")))
		require.Equal(t, words{"hand": "down"}, texts(slave.Attributes()))

		// They end with the membership.
		require.NoError(t, slave.Leave())
		stage.NextPresence(t, master, "user_one", lectern.StateGone)
		require.Empty(t, master.AttributesOf("user_one"))
		again := s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		require.Empty(t, master.AttributesOf("user_one"))
		nextAttribute(t, again, "alice", "subject", "physics")
	})
}

// Who is away while attributes are set, changed and deleted has exactly what there is when it
// is back, and is told what has changed.
func TestAttributesOverALostConnection(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		u, v := s.User(), s.User()
		master := u.Creates("abc123", "alice")
		for _, key := range []string{"a", "b", "c"} {
			require.NoError(t, master.SetAttribute(stage.Within(t), key, lectern.Text("1")))
		}
		slave := v.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		for _, key := range []string{"a", "b", "c"} {
			nextAttribute(t, slave, "alice", key, "1")
		}
		v.CutOff()
		stage.NextPresence(t, slave, "alice", lectern.StateUnknown)
		stage.NextPresence(t, master, "user_one", lectern.StateAway)
		require.NoError(t, master.SetAttribute(stage.Within(t), "a", lectern.Text("2")))
		require.NoError(t, master.DeleteAttribute(stage.Within(t), "b"))
		stage.Broadcast(t, master, "meanwhile")
		require.NoError(t, master.SetAttribute(stage.Within(t), "d", lectern.Text("1")))
		for n := range 300 { // more than Replay keeps, but no message
			require.NoError(t, master.SetAttribute(stage.Within(t), "tick", lectern.JSON(n)))
		}
		v.Bar(false)
		stage.NextPresence(t, slave, "alice", lectern.StateOnline)
		nextAttribute(t, slave, "alice", "a", "2")
		nextAttribute(t, slave, "alice", "b", "")
		stage.NextText(t, slave, "meanwhile")
		nextAttribute(t, slave, "alice", "d", "1")
		nextAttribute(t, slave, "alice", "tick", "299")
		require.Equal(t, words{"a": "2", "c": "1", "d": "1", "tick": "299"}, texts(slave.MasterAttributes()))

		// A master too; a slave sets while it is away, which is never busy.
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		u.CutOff()
		stage.NextPresence(t, slave, "alice", lectern.StateAway)
		stage.NextPresence(t, master, "alice", lectern.StateUnknown)
		require.NoError(t, slave.SetAttribute(stage.Within(t), "hand", lectern.Text("up")))
		late := s.User().Joins("abc123", "user_two", lectern.WithAttributes(map[string]lectern.Payload{"hand": lectern.Text("down")}))
		stage.NextPresence(t, late, "alice", lectern.StateAway)
		for _, key := range []string{"c", "a", "d", "tick"} {
			require.Equal(t, key, stage.Next(t, late).(lectern.Attribute).Key, "in the order of their numbers")
		}
		u.Bar(false)
		stage.NextPresence(t, master, "alice", lectern.StateOnline)
		stage.NextPresence(t, master, "user_two", lectern.StateOnline)
		nextAttribute(t, master, "user_one", "hand", "up")
		nextAttribute(t, master, "user_two", "hand", "down")
	})
}

// A set that is under way when the connection breaks is carried out once, and its caller is
// told.
func TestSetsAreSentAgain(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		v := s.User()
		master := s.User().Creates("abc123", "alice")
		slave := v.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		v.CutOff()
		stage.NextPresence(t, master, "user_one", lectern.StateAway)
		done := stage.InBackground(func() (any, error) {
			return nil, slave.SetAttribute(stage.Within(t), "hand", lectern.Text("up"))
		})
		v.Bar(false)
		require.NoError(t, (<-done).Err)
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		require.EqualValues(t, 1, nextAttribute(t, master, "user_one", "hand", "up").Seq)
	})
}

// A ticket is for a client that knows no attributes: it is told all of them.
func TestAttributesByATicket(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		require.NoError(t, master.SetAttribute(stage.Within(t), "slide", lectern.JSON(1)))
		slave := s.User().Joins("abc123", "user_one", lectern.WithAttributes(map[string]lectern.Payload{"hand": lectern.Text("up")}))
		nextAttribute(t, slave, "alice", "slide", "1")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		nextAttribute(t, master, "user_one", "hand", "up")
		stage.Broadcast(t, master, "one")
		stage.NextText(t, slave, "one")
		stage.Say(t, slave, "two")
		stage.NextText(t, master, "two")

		other, err := s.User().ResumeSlave(stage.Within(t), slave.Ticket())
		require.NoError(t, err)
		nextAttribute(t, other, "alice", "slide", "1")
		require.Equal(t, words{"slide": "1"}, texts(other.MasterAttributes()))
		require.Equal(t, words{"hand": "up"}, texts(other.Attributes()), "its own are what the client before it has set")
		require.NoError(t, other.SetAttribute(stage.Within(t), "hand", lectern.Text("down")))
		require.Equal(t, words{"hand": "down"}, texts(other.Attributes()))
		nextAttribute(t, master, "user_one", "hand", "down")
		second, err := s.User().ResumeMaster(stage.Within(t), master.Ticket())
		require.NoError(t, err)
		stage.NextPresence(t, second, "user_one", lectern.StateOnline)
		nextAttribute(t, second, "user_one", "hand", "down")
		require.Equal(t, words{"hand": "down"}, texts(second.AttributesOf("user_one")))
		require.Equal(t, words{"slide": "1"}, texts(second.Attributes()))
	})
}

// Who takes a seat over has the attributes with which it enters, beside those that were set for the member,
// and what the service says of it now.
func TestAttributesOfWhoTakesASeatOver(t *testing.T) {
	with := func(pairs ...string) lectern.JoinOption {
		values := map[string]lectern.Payload{}
		for i := 0; i < len(pairs); i += 2 {
			values[pairs[i]] = lectern.Text(pairs[i+1])
		}
		return lectern.WithAttributes(values)
	}
	policy := lectern.Policy{Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		identity := lectern.Identity{AsAsked: true, TakeOver: true}
		if r.Operation == lectern.OpJoin {
			identity.Attributes = map[string]lectern.Payload{"role": lectern.Text("guest")}
		}
		return identity, nil
	}}
	stage.Everywhere(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		require.NoError(t, master.SetAttribute(stage.Within(t), "slide", lectern.JSON(1)))
		slave := s.User().Joins("abc123", "user_one", with("hand", "up", "at", "3"))
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		nextAttribute(t, master, "user_one", "at", "3")
		nextAttribute(t, master, "user_one", "hand", "up")
		nextAttribute(t, master, "user_one", "role", "guest")

		_, err := s.User().Join(stage.Within(t), "abc123", "user_one", with("role", "admin"))
		require.ErrorIs(t, err, lectern.ErrForbidden)
		next := s.User().Joins("abc123", "user_one", with("at", "4", "hand", "up"))
		stage.Ended(t, slave, lectern.ErrReplaced)
		nextAttribute(t, master, "user_one", "at", "4")
		require.Equal(t, words{"at": "4", "hand": "up"}, texts(next.Attributes()))
		require.Equal(t, words{"at": "4", "hand": "up", "role": "guest"}, texts(master.AttributesOf("user_one")))
		last := s.User().Joins("abc123", "user_one")
		require.Equal(t, words{"at": "4", "hand": "up"}, texts(last.Attributes()))

		second, err := s.User().Create(stage.Within(t), "abc123", "alice",
			lectern.WithAttributes(map[string]lectern.Payload{"subject": lectern.Text("physics")}))
		require.NoError(t, err)
		require.Equal(t, words{"slide": "1", "subject": "physics"}, texts(second.Attributes()))
		nextAttribute(t, last, "alice", "slide", "1")
		nextAttribute(t, last, "alice", "subject", "physics")
		require.Equal(t, words{"slide": "1", "subject": "physics"}, texts(last.MasterAttributes()))
	})
}

// With more removals than are remembered, what there is is told anew.
func TestManyRemovals(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{FrameRate: lectern.RateLimit{PerSecond: -1}}, func(t *testing.T, s *stage.Stage) {
		v := s.User()
		master := s.User().Creates("abc123", "alice")
		slave := v.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		require.NoError(t, master.SetAttribute(stage.Within(t), "stays", lectern.Text("1")))
		require.NoError(t, master.SetAttribute(stage.Within(t), "goes", lectern.Text("1")))
		stage.Broadcast(t, master, "there")
		nextAttribute(t, slave, "alice", "stays", "1")
		nextAttribute(t, slave, "alice", "goes", "1")
		stage.NextText(t, slave, "there")
		v.CutOff()
		stage.NextPresence(t, master, "user_one", lectern.StateAway)
		require.NoError(t, master.DeleteAttribute(stage.Within(t), "goes"))
		for n := range 100 {
			require.NoError(t, master.SetAttribute(stage.Within(t), fmt.Sprint(n), lectern.JSON(n)))
			require.NoError(t, master.DeleteAttribute(stage.Within(t), fmt.Sprint(n)))
		}
		v.Bar(false)
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		stage.Broadcast(t, master, "end")
		stage.NextPresence(t, slave, "alice", lectern.StateUnknown)
		stage.NextPresence(t, slave, "alice", lectern.StateOnline)
		nextAttribute(t, slave, "alice", "goes", "") // and not what stays
		for event := stage.Next(t, slave); ; event = stage.Next(t, slave) {
			if message, ok := event.(lectern.Message); ok {
				require.Equal(t, "end", message.Text())
				break
			}
			require.NotContains(t, words{"stays": "", "goes": ""}, event.(lectern.Attribute).Key)
		}
		require.Equal(t, words{"stays": "1"}, texts(slave.MasterAttributes()))
	})
}

// What the service says of a user the user cannot change, and it changes where the service is
// asked again.
func TestAttributesOfAnIdentity(t *testing.T) {
	role := "guest"
	policy := lectern.Policy{Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		identity := lectern.Identity{AsAsked: true}
		if r.Username != "alice" {
			identity.Attributes = map[string]lectern.Payload{"role": lectern.Text(role)}
		}
		if r.Token != "" {
			identity.Attributes["photo"] = lectern.Text(r.Token)
		}
		return identity, nil
	}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		role = "guest"
		master := s.User().Creates("abc123", "alice")
		_, err := s.User().Join(stage.Within(t), "abc123", "user_one", lectern.WithAttributes(map[string]lectern.Payload{"role": lectern.Text("admin")}))
		require.ErrorIs(t, err, lectern.ErrForbidden)
		slave := s.User().Joins("abc123", "user_one", lectern.WithAttributes(map[string]lectern.Payload{"hand": lectern.Text("up")}))
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		nextAttribute(t, master, "user_one", "hand", "up")
		nextAttribute(t, master, "user_one", "role", "guest")
		require.ErrorIs(t, slave.SetAttribute(stage.Within(t), "role", lectern.Text("admin")), lectern.ErrForbidden)
		require.ErrorIs(t, slave.DeleteAttribute(stage.Within(t), "role"), lectern.ErrForbidden)
		role = "teacher"
		require.NoError(t, slave.Refresh(stage.Within(t), "smile"))
		nextAttribute(t, master, "user_one", "photo", "smile")
		nextAttribute(t, master, "user_one", "role", "teacher")
		require.NoError(t, slave.SetAttribute(stage.Within(t), "hand", lectern.Text("down")))
		nextAttribute(t, master, "user_one", "hand", "down")
	})
}

// A service can refuse the change of an attribute.
func TestAuthorizeMessageJudgesAttributes(t *testing.T) {
	policy := lectern.Policy{AuthorizeMessage: func(_ context.Context, from lectern.Sender, m lectern.OutgoingMessage) error {
		if m.Key == "hand" && !m.Deleted && m.Text() == "rude" {
			return lectern.ErrForbidden.WithText("not here, " + from.Username)
		}
		return nil
	}}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		require.ErrorContains(t, slave.SetAttribute(stage.Within(t), "hand", lectern.Text("rude")), "not here, user_one")
		require.NoError(t, slave.SetAttribute(stage.Within(t), "hand", lectern.Text("up")))
		nextAttribute(t, master, "user_one", "hand", "up")
		require.NoError(t, slave.DeleteAttribute(stage.Within(t), "hand"))
		nextAttribute(t, master, "user_one", "hand", "")
	})
}

// A slave's typing has a pace of its own, and takes nothing from its messages.
func TestThePaceOfASlavesAttributes(t *testing.T) {
	stage.InBubble(t, lectern.Policy{SlaveMessageRate: lectern.RateLimit{PerSecond: 5, Burst: 5}}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		var err error
		n := 0
		for ; err == nil; n++ {
			err = slave.SetAttribute(stage.Within(t), "typing", lectern.JSON(n))
		}
		require.ErrorIs(t, err, lectern.ErrRateLimited)
		require.InDelta(t, 40, n, 5)
		for range 5 {
			stage.Say(t, slave, "still")
		}
		_, err = slave.Send(stage.Within(t), lectern.Text("too much"))
		require.ErrorIs(t, err, lectern.ErrRateLimited)
		time.Sleep(2 * time.Second)
		for range 20 {
			require.NoError(t, slave.SetAttribute(stage.Within(t), "typing", lectern.Text("again")))
		}
	})
}
