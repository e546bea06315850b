package door

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// joining is a Join or a Switch under way, and what it was told meanwhile.
type joining struct {
	t      *testing.T
	slave  *lectern.Slave
	err    error
	done   chan struct{}
	told   chan lectern.Waiting
	cancel context.CancelFunc
}

func begin(t *testing.T, join func(context.Context, ...lectern.JoinOption) (*lectern.Slave, error), options ...lectern.JoinOption) *joining {
	j := &joining{t: t, done: make(chan struct{}), told: make(chan lectern.Waiting, 100)}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	j.cancel = cancel
	go func() {
		defer close(j.done)
		j.slave, j.err = join(ctx, append(options, lectern.WithWaiting(func(w lectern.Waiting) { j.told <- w }))...)
	}()
	t.Cleanup(func() {
		cancel()
		<-j.done
	})
	return j
}

// joins begins a Join.
func joins(t *testing.T, u *stage.User, channel, username string, options ...lectern.JoinOption) *joining {
	return begin(t, func(ctx context.Context, options ...lectern.JoinOption) (*lectern.Slave, error) {
		return u.Join(ctx, channel, username, options...)
	}, options...)
}

// waits expects that the user is told that it waits.
func (j *joining) waits(what lectern.WaitingFor) lectern.Waiting {
	j.t.Helper()
	select {
	case w := <-j.told:
		require.Equal(j.t, what, w.For)
		return w
	case <-j.done:
		require.Fail(j.t, "it does not wait", "%v", j.err)
	case <-stage.Within(j.t).Done():
		require.Fail(j.t, "it is not told")
	}
	return lectern.Waiting{}
}

// in expects that the user is in.
func (j *joining) in() *lectern.Slave {
	j.t.Helper()
	<-j.done
	require.NoError(j.t, j.err)
	return j.slave
}

// out expects that the user was refused.
func (j *joining) out(why error) {
	j.t.Helper()
	<-j.done
	require.ErrorIs(j.t, j.err, why)
}

// knocks expects that the master's next event is that the user of that name waits.
func knocks(t *testing.T, m *lectern.Master, username string) lectern.Knock {
	t.Helper()
	event := stage.Next(t, m)
	knock, ok := event.(lectern.Knock)
	require.True(t, ok, "no knock: %#v", event)
	require.Equal(t, username, knock.Username)
	require.False(t, knock.Over)
	return knock
}

// over expects that the master's next event is that the knock is over.
func over(t *testing.T, m *lectern.Master, knock lectern.Knock) {
	t.Helper()
	knock.Over = true
	event, ok := stage.Next(t, m).(lectern.Knock)
	require.True(t, ok)
	require.Equal(t, knock, event)
}

// The master lets in and refuses by the number, and who is in talks.
func TestKnock(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		require.Equal(t, lectern.DoorKnock, master.Door())
		bob := joins(t, s.User(), "abc123", "bob", lectern.WithAttributes(map[string]lectern.Payload{"class": lectern.Text("7b")}))
		waiting := bob.waits(lectern.WaitingForDoor)
		require.Equal(t, "alice", waiting.Master.Username)
		require.Equal(t, lectern.StateOnline, waiting.Master.State)
		knock := knocks(t, master, "bob")
		require.Equal(t, map[string]lectern.Payload{"class": lectern.Text("7b")}, knock.Attributes)
		for len(master.Knocks()) == 0 { // where another hub has become the owner, it knocks anew, unseen
			stage.Next(t, master)
		}
		require.Equal(t, []lectern.Knock{knock}, master.Knocks())
		require.NoError(t, master.Admit(stage.Within(t), knock.Number))
		slave := bob.in()
		over(t, master, knock)
		require.True(t, stage.NextPresence(t, master, "bob", lectern.StateOnline).Joined)
		require.IsType(t, lectern.Attribute{}, stage.Next(t, master))
		require.Equal(t, "7b", master.AttributesOf("bob")["class"].Text())
		require.Empty(t, master.Knocks())
		_, err := slave.Send(stage.Within(t), lectern.Text("hello"))
		require.NoError(t, err)
		stage.NextText(t, master, "hello")

		eve := joins(t, s.User(), "abc123", "eve")
		knock = knocks(t, master, "eve")
		require.NoError(t, master.Deny(stage.Within(t), knock.Number, "who are you?"))
		eve.out(lectern.ErrDenied)
		require.ErrorContains(t, eve.err, "who are you?")
		require.ErrorIs(t, master.Admit(stage.Within(t), knock.Number), lectern.ErrNoSuchSlave)
		require.ErrorIs(t, master.Admit(stage.Within(t), 0), lectern.ErrNoSuchSlave)
		require.ErrorIs(t, master.Deny(stage.Within(t), 99, ""), lectern.ErrNoSuchSlave)
		require.ErrorIs(t, master.SetDoor(stage.Within(t), "ajar"), lectern.ErrBadFrame)

		kim := joins(t, s.User(), "abc123", "kim")
		kim.waits(lectern.WaitingForDoor)
		require.NoError(t, master.SetDoor(stage.Within(t), lectern.DoorLocked))
		kim.out(lectern.ErrLocked)
		_, err = s.User().Join(stage.Within(t), "abc123", "ada")
		require.ErrorIs(t, err, lectern.ErrLocked)
		require.NoError(t, master.SetDoor(stage.Within(t), lectern.DoorOpen))
		s.User().Joins("abc123", "ada")
		require.Equal(t, lectern.DoorOpen, master.Door())
	})
}

// Who waited for the channel is not in before the door is asked, and comes in the order in which
// it has come.
func TestWaitForTheChannel(t *testing.T) {
	stage.OneHub(t, "those who wait at one hub come to the door in their order")
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		var waiting []*joining
		for _, name := range []string{"bob", "eve", "kim"} {
			j := joins(t, s.User(), "abc123", name, lectern.WithWait())
			require.Equal(t, lectern.Waiting{For: lectern.WaitingForMaster}, j.waits(lectern.WaitingForMaster))
			waiting = append(waiting, j)
		}
		_, err := s.User().Join(stage.Within(t), "abc123", "ada")
		require.ErrorIs(t, err, lectern.ErrNoSuchChannel)
		master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		for i, name := range []string{"bob", "eve", "kim"} {
			require.Equal(t, uint64(i+1), knocks(t, master, name).Number)
			waiting[i].waits(lectern.WaitingForDoor)
		}
		require.Empty(t, master.Members())
		require.NoError(t, master.SetDoor(stage.Within(t), lectern.DoorOpen))
		for _, j := range waiting {
			j.in()
		}
		open := joins(t, s.User(), "open", "bob", lectern.WithWait())
		open.waits(lectern.WaitingForMaster)
		s.User().Creates("open", "alice")
		open.in()
		locked := joins(t, s.User(), "locked", "bob", lectern.WithWait())
		locked.waits(lectern.WaitingForMaster)
		s.User().Creates("locked", "alice", lectern.WithDoor(lectern.DoorLocked))
		locked.out(lectern.ErrLocked)
	})
}

// A context that ends takes the knock back, at the door and before the channel is there.
func TestContextTakesTheKnockBack(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		early, u := s.User(), s.User()
		bob := joins(t, early, "abc123", "bob", lectern.WithWait())
		bob.waits(lectern.WaitingForMaster)
		bob.cancel()
		bob.out(context.Canceled)
		bob = joins(t, early, "abc123", "bob", lectern.WithWait()) // it waits for the one before to be over
		bob.waits(lectern.WaitingForMaster)
		master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		first := knocks(t, master, "bob")
		bob.waits(lectern.WaitingForDoor)
		eve := joins(t, u, "abc123", "eve")
		knock := knocks(t, master, "eve")
		eve.waits(lectern.WaitingForDoor)
		eve.cancel()
		eve.out(context.Canceled)
		over(t, master, knock)
		require.Equal(t, []lectern.Knock{first}, master.Knocks())
		again := joins(t, u, "abc123", "eve")
		require.Greater(t, knocks(t, master, "eve").Number, knock.Number)
		require.NoError(t, early.Close())
		over(t, master, first)
		require.Error(t, func() error { <-bob.done; return bob.err }())
		require.NoError(t, master.Close())
		again.out(lectern.ErrMasterLeft)
	})
}

// A connection that is lost takes the knock with it. The client knocks again on the next one, and
// stands at the end.
func TestLostConnectionKnocksAgain(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		u := s.User()
		bob := joins(t, u, "abc123", "bob")
		bob.waits(lectern.WaitingForDoor)
		knock := knocks(t, master, "bob")
		for range 5 { // more than a call may lose that is not told to wait
			u.Plug().Cut()
			over(t, master, knock)
			bob.waits(lectern.WaitingForDoor)
			again := knocks(t, master, "bob")
			require.Greater(t, again.Number, knock.Number)
			knock = again
		}
		require.NoError(t, master.Admit(stage.Within(t), knock.Number))
		bob.in()
	})
}

// A connection that the hub does not know to be lost: the client keeps its place.
func TestSilentConnectionKeepsItsPlace(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, old, next, other := s.Raw(), s.Raw(), s.Raw(), s.Raw()
		alice.Send(`{"type":"create","ref":1,"channel":"abc123","username":"alice","door":"knock"}`)
		alice.Expect(`{"type":"created","ref":1,"channel":"abc123","username":"alice","resume":"*","epoch":1,"master_timeout_ms":30000,"door":"knock"}`)
		old.Send(`{"type":"join","ref":1,"channel":"abc123","username":"bob","instance":"i"}`)
		old.Expect(`{"type":"waiting","ref":1,"channel":"abc123","master":{"username":"alice","state":"online"},"for":"door"}`)
		alice.Expect(`{"type":"knock","channel":"abc123","username":"bob","knock":1,"on":true}`)
		other.Refused(`{"type":"join","ref":7,"channel":"abc123","username":"bob","instance":"j"}`, lectern.ErrNameTaken)
		next.Send(`{"type":"join","ref":2,"channel":"abc123","username":"bob","instance":"i"}`)
		next.Expect(`{"type":"waiting","ref":2,"channel":"abc123","master":{"username":"alice","state":"online"},"for":"door"}`)
		old.Expect(`{"type":"error","ref":1,"channel":"abc123","code":"replaced","message":"you wait on another connection"}`)
		old.Plug.Cut()
		alice.Send(`{"type":"admit","ref":2,"channel":"abc123","knock":1}`)
		alice.Expect(`{"type":"ack","ref":2}`, `{"type":"knock","channel":"abc123","username":"bob","knock":1,"on":false}`, stage.Online("bob", 1))
		next.Expect(`{"type":"joined","ref":2,"channel":"abc123","username":"bob","resume":"*","epoch":1,"master":{"username":"alice","state":"online"},"master_timeout_ms":30000}`)
	})
}

// What one who waits gets: the state of its master, and nothing of what is said.
func TestWhatOneWhoWaitsGets(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		u := s.User()
		master := u.Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		bob := s.Raw()
		const waits = `{"type":"waiting","ref":1,"channel":"abc123","master":{"username":"alice","state":"online"},"for":"door"}`
		bob.Send(`{"type":"join","ref":1,"channel":"abc123","username":"bob"}`)
		bob.Expect(waits)
		knock := knocks(t, master, "bob")
		_, err := master.Broadcast(stage.Within(t), lectern.Text("not for you"))
		require.NoError(t, err)
		require.NoError(t, master.SetAttribute(stage.Within(t), "slide", lectern.Text("1")))
		_, err = master.Send(stage.Within(t), "bob", lectern.Text("nor this"))
		require.ErrorIs(t, err, lectern.ErrNoSuchSlave)
		require.NoError(t, master.Away(stage.Within(t)))
		bob.Expect(`{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"away","timeout_ms":30000}`)
		require.NoError(t, master.Back(stage.Within(t)))
		bob.Expect(`{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"online"}`)
		for _, frame := range []string{
			`{"type":"send","ref":2,"channel":"abc123","text":"let me in"}`, `{"type":"set","ref":3,"channel":"abc123","key":"k","text":"x"}`,
			`{"type":"ping","ref":4,"channel":"abc123"}`, `{"type":"members","ref":5,"channel":"abc123"}`, `{"type":"admit","ref":6,"channel":"abc123","knock":1}`,
		} {
			bob.Refused(frame, lectern.ErrNotAMember)
		}
		bob.Refused(`{"type":"join","ref":7,"channel":"abc123","username":"bobby"}`, lectern.ErrForbidden)
		bob.Refused(`{"type":"create","ref":8,"channel":"abc123","username":"bob"}`, lectern.ErrForbidden)
		bob.Send(`{"type":"join","ref":1,"channel":"abc123","username":"bob"}`)
		bob.Expect(waits)
		// A master that is lost comes back, and is told who waits. It comes back only when the
		// hub has seen the loss: a resume that is there first replaces the connection, and
		// nobody is told of a loss.
		u.CutOff()
		stage.NextPresence(t, master, "alice", lectern.StateUnknown)
		bob.Expect(`{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"away","timeout_ms":30000}`)
		u.Bar(false)
		bob.Expect(`{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"online"}`)
		stage.NextPresence(t, master, "alice", lectern.StateOnline)
		for len(master.Knocks()) == 0 { // where another hub has become the owner, it knocks anew, unseen
			stage.Next(t, master)
		}
		require.Equal(t, []lectern.Knock{knock}, master.Knocks())
		require.NoError(t, master.Admit(stage.Within(t), knock.Number))
		bob.Expect(
			`{"type":"joined","ref":1,"channel":"abc123","username":"bob","resume":"*","epoch":1,"master":{"username":"alice","state":"online"},"master_timeout_ms":30000}`,
			`{"type":"attribute","channel":"abc123","from":"alice","seq":2,"key":"slide","text":"1"}`)
	})
}

// Leave takes a knock back, and the join is answered too.
func TestLeaveTakesAKnockBack(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		bob := s.Raw()
		bob.Send(`{"type":"join","ref":1,"channel":"abc123","username":"bob","wait":true}`)
		bob.Expect(`{"type":"waiting","ref":1,"channel":"abc123","for":"master"}`)
		bob.Send(`{"type":"join","ref":2,"channel":"abc123","username":"bob","wait":true}`)
		bob.Expect(`{"type":"waiting","ref":2,"channel":"abc123","for":"master"}`)
		bob.Send(`{"type":"leave","ref":3,"channel":"abc123"}`)
		bob.Expect(`{"type":"left","ref":2,"channel":"abc123"}`, `{"type":"left","ref":3,"channel":"abc123"}`)
		bob.Refused(`{"type":"leave","ref":4,"channel":"abc123"}`, lectern.ErrNotAMember)
		master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		bob.Send(`{"type":"join","ref":5,"channel":"abc123","username":"bob"}`)
		bob.Expect(`{"type":"waiting","ref":5,"channel":"abc123","master":{"username":"alice","state":"online"},"for":"door"}`)
		knock := knocks(t, master, "bob")
		bob.Send(`{"type":"leave","ref":6,"channel":"abc123"}`)
		bob.Expect(`{"type":"left","ref":5,"channel":"abc123"}`, `{"type":"left","ref":6,"channel":"abc123"}`)
		over(t, master, knock)
		bob.Send(`{"type":"join","ref":7,"channel":"abc123","username":"bob"}`)
		bob.Expect(`{"type":"waiting","ref":7,"channel":"abc123","master":{"username":"alice","state":"online"},"for":"door"}`)
		require.NoError(t, master.Close())
		bob.Expect(`{"type":"closed","ref":7,"channel":"abc123","code":"master_left"}`)
		bob.Send(`{"type":"ping","ref":8}`)
		bob.Expect(`{"type":"pong","ref":8}`) // the connection stays
	})
}

// With from, one stays in the old channel until one is in the new one.
func TestSwitchWaits(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		u := s.User()
		old := s.User().Creates("old", "alice")
		slave := u.Joins("old", "bob")
		switches := func(options ...lectern.JoinOption) *joining {
			return begin(t, func(ctx context.Context, options ...lectern.JoinOption) (*lectern.Slave, error) {
				return slave.Switch(ctx, "new", options...)
			}, options...)
		}
		given := switches(lectern.WithWait())
		given.waits(lectern.WaitingForMaster)
		given.cancel()
		given.out(lectern.ErrSendUnknown)
		require.NoError(t, slave.Err())
		bob := switches(lectern.WithWait())
		bob.waits(lectern.WaitingForMaster)
		next := s.User().Creates("new", "carol", lectern.WithDoor(lectern.DoorKnock))
		knock := knocks(t, next, "bob")
		require.Equal(t, "carol", bob.waits(lectern.WaitingForDoor).Master.Username)
		_, err := slave.Send(stage.Within(t), lectern.Text("I am still here"))
		require.NoError(t, err)
		stage.NextPresence(t, old, "bob", lectern.StateOnline)
		stage.NextText(t, old, "I am still here")
		require.NoError(t, next.Deny(stage.Within(t), knock.Number, ""))
		bob.out(lectern.ErrDenied)
		over(t, next, knock)
		require.NoError(t, slave.Err())
		bob = switches()
		knock = knocks(t, next, "bob")
		require.NoError(t, next.Admit(stage.Within(t), knock.Number))
		moved := bob.in()
		stage.Ended(t, slave, lectern.ErrLeft)
		require.Equal(t, "left", stage.NextPresence(t, old, "bob", lectern.StateGone).Reason)
		_, err = moved.Send(stage.Within(t), lectern.Text("here I am"))
		require.NoError(t, err)
	})
}

// A switch that waits is repeated where its connection is lost, and its user stays where it was.
func TestSwitchThatWaitsOverALostConnection(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		u := s.User()
		old := s.User().Creates("old", "alice")
		slave := u.Joins("old", "bob")
		next := s.User().Creates("new", "carol", lectern.WithDoor(lectern.DoorKnock))
		bob := begin(t, func(ctx context.Context, options ...lectern.JoinOption) (*lectern.Slave, error) {
			return slave.Switch(ctx, "new", options...)
		})
		bob.waits(lectern.WaitingForDoor)
		knock := knocks(t, next, "bob")
		u.Plug().Cut()
		over(t, next, knock)
		knock = knocks(t, next, "bob")
		stage.NextPresence(t, old, "bob", lectern.StateOnline)
		stage.NextPresence(t, old, "bob", lectern.StateAway)
		stage.NextPresence(t, old, "bob", lectern.StateOnline)
		require.NoError(t, next.Admit(stage.Within(t), knock.Number))
		bob.in()
		stage.NextPresence(t, old, "bob", lectern.StateGone)
	})
}

// A switch whose old membership ends while it waits is taken back.
func TestSwitchEndsWithTheOldMembership(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		u := s.User()
		old := s.User().Creates("old", "alice")
		slave := u.Joins("old", "bob")
		u.Joins("old2", "bob", mustCreate(t, s, "old2"))
		next := s.User().Creates("new", "carol", lectern.WithDoor(lectern.DoorKnock))
		bob := begin(t, func(ctx context.Context, options ...lectern.JoinOption) (*lectern.Slave, error) {
			return slave.Switch(ctx, "new", options...)
		})
		bob.waits(lectern.WaitingForDoor)
		knock := knocks(t, next, "bob")
		require.NoError(t, old.Kick(stage.Within(t), "bob", ""))
		bob.out(lectern.ErrKicked)
		over(t, next, knock)
	})
}

// mustCreate creates a channel, and is no option.
func mustCreate(t *testing.T, s *stage.Stage, channel string) lectern.JoinOption {
	s.User().Creates(channel, "carol")
	return lectern.WithMaster("carol")
}
