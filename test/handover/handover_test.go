package handover

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// promoted expects that the slave's next event is the last one, which tells that it is the master.
func promoted(t *testing.T, slave *lectern.Slave) *lectern.Master {
	t.Helper()
	promotion, ok := stage.Next(t, slave).(lectern.Promotion)
	require.True(t, ok, "it is no promotion")
	require.Same(t, promotion.Master, slave.Promoted())
	stage.NothingMore(t, slave, lectern.ErrHandedOver)
	stage.Ended(t, slave, lectern.ErrHandedOver)
	return promotion.Master
}

// handsOver expects that the master hands over, and stays.
func handsOver(t *testing.T, master *lectern.Master, to string) *lectern.Slave {
	t.Helper()
	slave, err := master.HandOver(stage.Within(t), to, true)
	require.NoError(t, err)
	require.Equal(t, master.Username(), slave.Username())
	stage.Ended(t, master, lectern.ErrHandedOver)
	return slave
}

// names are those in the list.
func names(members []lectern.Presence) (names []string) {
	for _, m := range members {
		names = append(names, m.Username)
	}
	return names
}

func TestHandOver(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, one, two := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "one"), s.User().Joins("abc123", "two")
		stage.Broadcast(t, master, "before")
		alice := handsOver(t, master, "one")
		stage.NextText(t, one, "before")
		next := promoted(t, one)
		require.Equal(t, "one", next.Username())
		require.Equal(t, []string{"alice", "two"}, names(next.Members()))
		require.Equal(t, "one", alice.Master().Username)
		stage.NextText(t, two, "before")
		require.Equal(t, "one", stage.NextPresence(t, two, "one", lectern.StateOnline).Username)
		require.Equal(t, lectern.StateOnline, two.Master().State)

		stage.Broadcast(t, next, "from one")
		stage.NextText(t, two, "from one")
		stage.NextText(t, alice, "from one")
		stage.NextPresence(t, next, "alice", lectern.StateOnline)
		stage.NextPresence(t, next, "two", lectern.StateOnline)
		stage.Say(t, alice, "from alice")
		require.Equal(t, "alice", stage.NextText(t, next, "from alice").From)
		stage.Say(t, two, "from two")
		stage.NextText(t, next, "from two")
		_, err := master.Broadcast(stage.Within(t), lectern.Text("x"))
		require.ErrorIs(t, err, lectern.ErrHandedOver)
		_, err = one.Send(stage.Within(t), lectern.Text("x"))
		require.ErrorIs(t, err, lectern.ErrHandedOver)

		// Back, without staying, and the channel ends with its master of then.
		none, err := next.HandOver(stage.Within(t), "alice", false)
		require.NoError(t, err)
		require.Nil(t, none)
		stage.Ended(t, next, lectern.ErrHandedOver)
		last := promoted(t, alice)
		for handle, now := range map[stage.Handle]string{master: "one", one: "one", next: "alice", alice: "alice"} {
			require.EqualError(t, handle.Err(), fmt.Sprintf("lectern: handed_over: %q is the master now", now))
		}
		require.Equal(t, []string{"two"}, names(last.Members()))
		stage.NextPresence(t, two, "alice", lectern.StateOnline)
		require.NoError(t, last.Close())
		stage.Ended(t, two, lectern.ErrMasterLeft)
	})
}

func TestHandOversThatAreRefused(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		away := s.User()
		away.Joins("abc123", "away")
		stage.NextPresence(t, master, "away", lectern.StateOnline)
		away.CutOff()
		stage.NextPresence(t, master, "away", lectern.StateAway)
		channel, ok := s.Hub.Channel("abc123")
		require.True(t, ok)
		for _, name := range []string{"alice", "nobody", "away", "", "\xff"} {
			_, err := master.HandOver(stage.Within(t), name, true)
			require.ErrorIs(t, err, lectern.ErrNoSuchSlave, "%q", name)
			require.ErrorIs(t, channel.SetMaster(stage.Within(t), name), lectern.ErrNoSuchSlave, "%q", name)
		}
		_, err := master.Broadcast(stage.Within(t), lectern.Text("still here"))
		require.NoError(t, err)
		require.NoError(t, master.Close())
		require.ErrorIs(t, channel.SetMaster(stage.Within(t), "away"), lectern.ErrNoSuchChannel)
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		require.ErrorIs(t, channel.SetMaster(ended, "away"), context.Canceled)
	})
}

// The service sets a master while the one there is is away, and X of the former one is over.
func TestSetMaster(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{MasterTimeout: 10 * time.Second}, func(t *testing.T, s *stage.Stage) {
		teacher := s.User()
		master, one, two := teacher.Creates("abc123", "alice"), s.User().Joins("abc123", "one"), s.User().Joins("abc123", "two")
		ticket := master.Ticket()
		teacher.CutOff()
		stage.NextPresence(t, one, "alice", lectern.StateAway)
		time.Sleep(9 * time.Second)
		channel, _ := s.Hub.Channel("abc123")
		require.NoError(t, channel.SetMaster(stage.Within(t), "one"))
		next := promoted(t, one)
		stage.NextPresence(t, two, "alice", lectern.StateAway)
		stage.NextPresence(t, two, "one", lectern.StateOnline)
		_, err := s.User().ResumeMaster(stage.Within(t), ticket)
		require.ErrorIs(t, err, lectern.ErrResumeFailed)
		teacher.Bar(false)
		stage.Ended(t, master, lectern.ErrResumeFailed)
		time.Sleep(time.Minute)
		stage.Broadcast(t, next, "still here")
		stage.NextText(t, two, "still here")

		// Of one that is there, too.
		require.NoError(t, channel.SetMaster(stage.Within(t), "two"))
		stage.Ended(t, next, lectern.ErrHandedOver)
		last := promoted(t, two)
		require.Empty(t, last.Members())
	})
}

// What slaves ask goes on to the new master, and what it asks is answered; what the old one asks
// is over, and so is what the new one has asked as a slave.
func TestRequestsAfterAHandOver(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, one, two := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "one"), s.User().Joins("abc123", "two")
		stage.NextPresence(t, master, "one", lectern.StateOnline)
		stage.NextPresence(t, master, "two", lectern.StateOnline)
		ask := func(do func(context.Context, lectern.Payload, ...lectern.SendOption) (lectern.Message, error), text string) <-chan stage.Outcome[lectern.Message] {
			return stage.InBackground(func() (lectern.Message, error) { return do(stage.Within(t), lectern.Text(text)) })
		}
		asked := ask(two.Request, "may I?")
		stage.NextText(t, master, "may I?")
		own := ask(one.Request, "and I?")
		stage.NextText(t, master, "and I?")
		quiz := stage.InBackground(func() (lectern.Message, error) {
			return master.Request(stage.Within(t), "two", lectern.Text("ready?"))
		})
		question := stage.NextText(t, two, "ready?")
		alice := handsOver(t, master, "one")
		next := promoted(t, one)
		require.ErrorIs(t, (<-own).Err, lectern.ErrHandedOver)
		require.ErrorIs(t, (<-quiz).Err, lectern.ErrHandedOver)
		_, err := two.Reply(stage.Within(t), question, lectern.Text("late"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
		stage.NextPresence(t, next, "alice", lectern.StateOnline)
		stage.NextPresence(t, next, "two", lectern.StateOnline)
		open := stage.NextText(t, next, "may I?")
		require.Len(t, next.OpenRequests(), 1)
		_, err = next.Reply(stage.Within(t), open, lectern.Text("you may"))
		require.NoError(t, err)
		answered := <-asked
		require.NoError(t, answered.Err)
		require.Equal(t, "you may", answered.Value.Text())
		require.Equal(t, "one", answered.Value.From)
		_ = alice
	})
}

// What a master has asked is over when it has handed over, and not open at those whom it has asked, taken or not, there
// or away; what the new one asks is.
func TestOpenRequestsOfAFormerMaster(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, away := s.User().Creates("abc123", "alice"), s.User()
		slaves := map[string]*lectern.Slave{"one": s.User().Joins("abc123", "one"), "there": s.User().Joins("abc123", "there"), "away": away.Joins("abc123", "away")}
		asks := func(m *lectern.Master, name, text string) {
			go func() { _, _ = m.Request(stage.Within(t), name, lectern.Text(text)) }()
			synctest.Wait()
		}
		open := func(name string) (texts []string) {
			synctest.Wait()
			for _, m := range slaves[name].OpenRequests() {
				texts = append(texts, m.Text())
			}
			return texts
		}
		asks(master, "there", "taken")
		asks(master, "there", "not taken")
		taken := stage.NextText(t, slaves["there"], "taken")
		require.Equal(t, []string{"taken"}, open("there"))
		away.CutOff()
		synctest.Wait()
		asks(master, "away", "missed")
		handsOver(t, master, "one")
		require.Empty(t, open("there"))
		next := slaves["one"].Promoted()
		stage.NextText(t, slaves["there"], "not taken")
		require.Empty(t, open("there"))
		_, err := slaves["there"].Reply(stage.Within(t), taken, lectern.Text("late"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
		away.Bar(false)
		stage.NextPresence(t, slaves["away"], "alice", lectern.StateUnknown)
		stage.NextPresence(t, slaves["away"], "one", lectern.StateOnline)
		stage.NextText(t, slaves["away"], "missed")
		require.Empty(t, open("away"))
		for name, texts := range map[string]int{"there": 1, "away": 0} {
			asks(next, name, "of the new one")
			for range texts {
				stage.NextPresence(t, slaves[name], "one", lectern.StateOnline)
			}
			stage.NextText(t, slaves[name], "of the new one")
			require.Equal(t, []string{"of the new one"}, open(name))
		}
	})
}

func TestAttributesAfterAHandOver(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, one, two := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "one"), s.User().Joins("abc123", "two")
		ctx := stage.Within(t)
		require.NoError(t, master.SetAttribute(ctx, "slide", lectern.Text("1")))
		require.NoError(t, one.SetAttribute(ctx, "hand", lectern.Text("up")))
		require.NoError(t, two.SetAttribute(ctx, "hand", lectern.Text("down")))
		require.Equal(t, "slide", stage.Next(t, two).(lectern.Attribute).Key)
		alice := handsOver(t, master, "one")
		require.Equal(t, "slide", stage.Next(t, one).(lectern.Attribute).Key)
		next := promoted(t, one)
		stage.NextPresence(t, two, "one", lectern.StateOnline)
		require.Equal(t, "1", two.MasterAttributes()["slide"].Text(), "it is the new master's")
		require.Equal(t, "1", next.Attributes()["slide"].Text())
		require.NoError(t, next.DeleteAttribute(ctx, "slide"))
		deleted := stage.Next(t, two).(lectern.Attribute)
		require.True(t, deleted.Deleted)
		require.Equal(t, "one", deleted.From)
		require.Empty(t, two.MasterAttributes())
		require.Empty(t, alice.Attributes())
		stage.NextPresence(t, next, "alice", lectern.StateOnline)
		stage.NextPresence(t, next, "two", lectern.StateOnline)
		require.Equal(t, "down", stage.Next(t, next).(lectern.Attribute).Value.Text())
		require.Equal(t, "down", next.AttributesOf("two")["hand"].Text())
		late := s.User().Joins("abc123", "late")
		require.Equal(t, "one", late.Master().Username)
	})
}

// Policy.Authorize is asked in the successor's context, and what it says of it counts.
func TestAuthorizeAtAHandOver(t *testing.T) {
	var asked []lectern.AuthRequest
	policy := lectern.Policy{Authorize: func(ctx context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		if r.Operation != lectern.OpMaster {
			return lectern.Identity{AsAsked: true, Data: []byte(r.Username)}, nil
		}
		asked = append(asked, r)
		switch r.Username {
		case "no":
			return lectern.Identity{}, lectern.ErrUnauthorized.WithText("not you")
		case "error":
			return lectern.Identity{}, errors.New("the database is down")
		case "panic":
			panic("the database is down")
		case "other":
			return lectern.Identity{Username: "else"}, nil
		case "nobody":
			return lectern.Identity{}, nil
		}
		return lectern.Identity{AsAsked: true, Data: []byte("master"), Attributes: map[string]lectern.Payload{"rank": lectern.Text("tutor")}}, nil
	}}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		two := s.User().Joins("abc123", "two")
		channel, _ := s.Hub.Channel("abc123")
		for name, want := range map[string]error{
			"no": lectern.ErrUnauthorized, "error": lectern.ErrBusy, "panic": lectern.ErrBusy, "other": lectern.ErrUnauthorized, "nobody": lectern.ErrUnauthorized,
		} {
			s.User().Joins("abc123", name)
			_, err := master.HandOver(stage.Within(t), name, true)
			require.ErrorIs(t, err, want, name)
			require.ErrorIs(t, channel.SetMaster(stage.Within(t), name), want, name)
		}
		one := s.User().Joins("abc123", "one")
		asked = nil
		handsOver(t, master, "one")
		require.Equal(t, []lectern.AuthRequest{{Operation: lectern.OpMaster, Channel: "abc123", Username: "one", Data: []byte("one")}}, asked)
		promoted(t, one)
		stage.NextPresence(t, two, "one", lectern.StateOnline)
		require.Equal(t, "tutor", stage.Next(t, two).(lectern.Attribute).Value.Text())
		shot, _ := channel.Snapshot()
		require.Equal(t, []byte("master"), shot.Master.Data)
	})
}

// A roster that is kept from the hub's events stays exact.
func TestEventsOfHandOvers(t *testing.T) {
	stage.OneHub(t, "a hub has the events of what it decides")
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		roster := stage.FollowEvents(s.Hub)
		master, one, two := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "one"), s.User().Joins("abc123", "two")
		handsOver(t, master, "one")
		next := promoted(t, one)
		_, err := next.HandOver(stage.Within(t), "two", false)
		require.NoError(t, err)
		stage.NextPresence(t, two, "one", lectern.StateOnline)
		promoted(t, two)
		channel, _ := s.Hub.Channel("abc123")
		require.NoError(t, channel.SetMaster(stage.Within(t), "alice"))
		synctest.Wait()
		require.NoError(t, roster.Compare())
		require.NoError(t, roster.Stop())
	})
}
