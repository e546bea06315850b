package operating

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

func lower(_ lectern.NameKind, name string) (string, error) { return strings.ToLower(name), nil }

// A service takes several names for one: whoever asks for one of them is a member under the
// name that the service has made, over every way and for both clients.
func TestNamesAreMadeByTheService(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{Name: lower}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.User(), s.User()
		master := alice.Creates("Room", "Alice")
		require.Equal(t, []string{"room", "alice"}, []string{master.Channel(), master.Username()})
		slave := one.Joins("ROOM", "One", lectern.WithMaster("ALICE"))
		require.Equal(t, []string{"room", "one"}, []string{slave.Channel(), slave.Username()})
		stage.NextPresence(t, master, "one", lectern.StateOnline)
		stage.Say(t, slave, "here")
		stage.NextText(t, master, "here")
		status, err := s.User().Status(stage.Within(t), "rOOm")
		require.NoError(t, err)
		require.Equal(t, "alice", status.Master.Username)

		_, err = s.User().Create(stage.Within(t), "ROOM", "bob")
		require.ErrorIs(t, err, lectern.ErrChannelExists)
		for _, name := range []string{"ONE", "aLICE"} {
			_, err = s.User().Join(stage.Within(t), "room", name)
			require.ErrorIs(t, err, lectern.ErrNameTaken)
		}
		_, err = s.User().Join(stage.Within(t), "room", "two", lectern.WithMaster("bob"))
		require.ErrorIs(t, err, lectern.ErrWrongMaster)
		// The same client is in one channel, however it calls that.
		_, err = one.Join(stage.Within(t), "RooM", "One")
		require.ErrorIs(t, err, lectern.ErrForbidden)
		stage.Say(t, slave, "still")
		stage.NextText(t, master, "still")

		one.Plug().Cut()
		stage.NextPresence(t, master, "one", lectern.StateAway)
		stage.NextPresence(t, master, "one", lectern.StateOnline)
		stage.Tell(t, master, "one", "back")
		stage.Receive(t, slave, "back")
		resumed, err := s.User().ResumeSlave(stage.Within(t), slave.Ticket())
		require.NoError(t, err)
		stage.Ended(t, slave, lectern.ErrReplaced)

		other := s.User().Creates("Other", "Bob")
		next, err := resumed.Switch(stage.Within(t), "OTHER")
		require.NoError(t, err)
		require.Equal(t, "other", next.Channel())
		stage.NextPresence(t, other, "one", lectern.StateOnline)

		require.NoError(t, other.Ban(stage.Within(t), "TWO", ""))
		_, err = s.User().Join(stage.Within(t), "other", "two")
		require.ErrorIs(t, err, lectern.ErrBanned)
		channel, _ := s.Hub.Channel("other")
		require.NoError(t, channel.Ban("Three", ""))
		_, err = s.User().Join(stage.Within(t), "other", "three")
		require.ErrorIs(t, err, lectern.ErrBanned)
		require.NoError(t, other.Kick(stage.Within(t), "ONE", "enough"))
		stage.Ended(t, next, lectern.ErrKicked)
	})
}

// Who types frames goes on with the name that was typed before.
func TestFramesUnderTheNameThatWasAskedFor(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{Name: lower}, func(t *testing.T, s *stage.Stage) {
		alice := s.Raw()
		alice.Send(`{"type":"create","ref":1,"channel":"Room","username":"Alice"}`)
		alice.Expect(`{"type":"created","ref":1,"channel":"room","username":"alice","resume":"*","epoch":1,"master_timeout_ms":30000}`)
		alice.Send(`{"type":"send","ref":2,"channel":"Room","text":"x"}`)
		alice.Expect(`{"type":"ack","ref":2,"seq":1}`)
		alice.Send(`{"type":"away","ref":3,"channel":"ROOM"}`)
		alice.Expect(`{"type":"ack","ref":3}`)
		alice.Send(`{"type":"join","ref":4,"channel":"No","username":"Alice"}`)
		alice.Expect(`{"type":"error","ref":4,"channel":"No","code":"no_such_channel","message":"there is no channel \"no\": its master has to create it first"}`)
		alice.Send(`{"type":"leave","ref":5,"channel":"Room"}`)
		alice.Expect(`{"type":"left","ref":5,"channel":"room"}`)
	})
}

// A service refuses names: in its own words, or without any. What it refuses by a fault of
// its own is refused too.
func TestNamesAreRefusedByTheService(t *testing.T) {
	policy := lectern.Policy{Name: func(kind lectern.NameKind, name string) (string, error) {
		switch name {
		case "admin":
			return "", lectern.ErrBadName.WithText(string(kind) + ": the name of the house")
		case "own":
			return "", &lectern.Error{Code: "reserved", Text: "ask for it"}
		case "end":
			return "", lectern.ErrKicked.WithText("no")
		case "error":
			return "", errors.New("the database has no table names")
		case "panic":
			panic("out of order")
		case "none":
			return "\u3164", nil
		}
		return name, nil
	}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := s.Raw()
		const unsaid = `"code":"bad_name","message":"username: the service does not take \"%\": choose another one"`
		for name, want := range map[string]string{
			"admin": `"code":"bad_name","message":"username: the name of the house"`,
			"own":   `"code":"reserved","message":"ask for it"`,
			"end":   `"code":"bad_name","message":"no"`,
			"error": unsaid, "panic": unsaid, "none": unsaid,
		} {
			alice.Send(`{"type":"create","ref":7,"channel":"abc123","username":"` + name + `"}`)
			alice.Expect(`{"type":"error","ref":7,"channel":"abc123",` + strings.ReplaceAll(want, "%", name) + `}`)
		}
		alice.Refused(`{"type":"create","ref":8,"channel":"error","username":"alice"}`, lectern.ErrBadName)
		alice.Refused(`{"type":"status","ref":8,"channel":"panic"}`, lectern.ErrBadName)
		alice.Send(stage.AliceCreates)
		alice.Expect(stage.AliceCreated)
		alice.Refused(`{"type":"join","ref":9,"channel":"x","username":"alice","master":"error"}`, lectern.ErrBadName)
	})
}

// Rules that have become stricter are for those who come: who is a member stays one, is
// resumed, is sent to, is kicked.
func TestNamesThatAreNoneAnyMore(t *testing.T) {
	var strict atomic.Bool
	policy := lectern.Policy{Name: func(_ lectern.NameKind, name string) (string, error) {
		if strict.Load() {
			return "", errors.New("none at all")
		}
		return name, nil
	}}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		alice, one := s.User(), s.User()
		master, slave := alice.Creates("abc123", "alice"), one.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		strict.Store(true)
		one.Plug().Cut()
		stage.NextPresence(t, master, "user_one", lectern.StateAway)
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		resumed, err := s.User().ResumeMaster(stage.Within(t), master.Ticket())
		require.NoError(t, err)
		stage.Tell(t, resumed, "user_one", "hello")
		stage.Receive(t, slave, "hello")
		_, err = s.User().Join(stage.Within(t), "abc123", "user_two")
		require.ErrorIs(t, err, lectern.ErrBadName)
		require.NoError(t, resumed.Kick(stage.Within(t), "user_one", ""))
		stage.Ended(t, slave, lectern.ErrKicked)
	})
}

// Who has no name may be given one; a name is needed where nobody gives any.
func TestAUsernameThatTheServiceGives(t *testing.T) {
	policy := lectern.Policy{Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		return lectern.Identity{Username: r.Token, AsAsked: r.Token == ""}, nil
	}}
	stage.Everywhere(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "", lectern.WithToken("Ms Adams"))
		require.Equal(t, "Ms Adams", master.Username())
		one := s.User()
		slave := one.Joins("abc123", "", lectern.WithToken("Bob"))
		require.Equal(t, "Bob", slave.Username())
		stage.NextPresence(t, master, "Bob", lectern.StateOnline)
		one.Plug().Cut()
		stage.NextPresence(t, master, "Bob", lectern.StateAway)
		stage.NextPresence(t, master, "Bob", lectern.StateOnline)
		_, err := s.User().Join(stage.Within(t), "abc123", "")
		require.ErrorIs(t, err, lectern.ErrBadName)
		require.ErrorContains(t, err, "username: ")
	})
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		_, err := s.User().Create(stage.Within(t), "abc123", "")
		require.ErrorIs(t, err, lectern.ErrBadName)
		_, err = s.Hub.Create(t.Context(), "abc123", "")
		require.ErrorIs(t, err, lectern.ErrBadName)
	})
}

// A join under another name of the channel that is given up takes nothing away with it.
func TestAJoinUnderAnotherNameIsLeft(t *testing.T) {
	stage.InBubble(t, lectern.Policy{Name: lower}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("room", "alice")
		ctx, cancel := context.WithCancel(t.Context())
		one := s.User()
		one.Bar(true)
		failed := make(chan error)
		go func() {
			_, err := one.Join(ctx, "ROOM", "One")
			failed <- err
		}()
		synctest.Wait()
		cancel()
		require.Error(t, <-failed)
		one.Bar(false)
		one.Joins("Room", "One")
		stage.NextPresence(t, master, "one", lectern.StateOnline)
	})
}
