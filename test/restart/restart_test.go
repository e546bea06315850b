package restart

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// nextMessage passes over what a master is told of its slaves.
func nextMessage(t *testing.T, master *lectern.Master, text string) {
	t.Helper()
	for {
		if message, ok := stage.Next(t, master).(lectern.Message); ok {
			require.Equal(t, text, message.Text())
			return
		}
	}
}

// Members go on where they were: messages that were accepted arrive once and in order, a
// request that is open is answered, a ban holds, and refs and numbers go on.
func TestAChannelOutlivesItsHub(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		one, err := a.client().Join(ctx, "abc123", "user_one")
		require.NoError(t, err)
		two, err := a.client().Join(ctx, "abc123", "user_two")
		require.NoError(t, err)
		require.NoError(t, master.Ban(ctx, "eve", ""))
		stage.Broadcast(t, master, "before")
		stage.Say(t, two, "from two")

		type part struct{ from, text string }
		parts := make(chan part, 9)
		gathered := make(chan struct{})
		go func() {
			defer close(gathered)
			for answer := range master.Gather(ctx, lectern.Text("ready?")) {
				require.NoError(t, answer.Err)
				parts <- part{answer.From, answer.Message.Text()}
			}
		}()
		synctest.Wait()
		stage.Receive(t, one, "before")
		question, err := one.Receive(ctx)
		require.NoError(t, err)
		_, err = one.Reply(ctx, question, lectern.Text("yes"))
		require.NoError(t, err)

		state := a.stops(time.Second)
		time.Sleep(3 * time.Second)
		a.starts(state)

		stage.Broadcast(t, master, "after")
		stage.Receive(t, one, "after")
		stage.Receive(t, two, "before")
		question, err = two.Receive(ctx)
		require.NoError(t, err)
		_, err = two.Reply(ctx, question, lectern.Text("yes too"))
		require.NoError(t, err)
		stage.Receive(t, two, "after")
		<-gathered
		require.Equal(t, part{"user_one", "yes"}, <-parts)
		require.Equal(t, part{"user_two", "yes too"}, <-parts)
		require.Empty(t, parts)
		nextMessage(t, master, "from two")
		receipt, err := two.Send(ctx, lectern.Text("again"))
		require.NoError(t, err)
		require.EqualValues(t, 4, receipt.Seq, "the numbers go on: two messages and two answers")
		_, err = a.client().Join(ctx, "abc123", "eve")
		require.ErrorIs(t, err, lectern.ErrBanned)
		_, err = a.client().Create(ctx, "abc123", "mallory")
		require.ErrorIs(t, err, lectern.ErrChannelExists)
	})
}

// What a hub has left too long ago ends in order: the channel whose master's time is up, and
// the slaves whose is.
func TestTimesGoOn(t *testing.T) {
	policy := lectern.Policy{MasterTimeout: time.Minute, SlaveTimeout: 10 * time.Second}
	inBubble(t, policy, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		_, err = a.client().Join(ctx, "abc123", "user_one")
		require.NoError(t, err)
		stopped := time.Now()
		state := a.stops(time.Second)
		time.Sleep(10*time.Second - time.Since(stopped))
		require.NoError(t, master.Err())
		a.starts(state)
		channel, ok := a.hub.Channel("abc123")
		require.True(t, ok)
		shot, _ := channel.Snapshot()
		require.Empty(t, shot.Slaves, "its time was up at this instant")

		a.policy.Observer = stage.NewLedger()
		state = a.stops(time.Second)
		time.Sleep(time.Minute)
		a.starts(state)
		_, ok = a.hub.Channel("abc123")
		require.False(t, ok)
		a.policy.Observer.(*stage.Ledger).Has(t, map[string]int64{"channels": 0, "slaves": 0})
	})
}

// After a crash, members are told that the hub is gone, and not that they were away for too
// long; and a state that is older than what they know is not taken for the present.
func TestACrash(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		slave, err := a.client().Join(ctx, "abc123", "user_one")
		require.NoError(t, err)
		earlier := a.stops(time.Second)
		a.starts(earlier)
		stage.Broadcast(t, master, "they have moved on since")
		stage.Receive(t, slave, "they have moved on since")
		a.crashes()
		a.starts(earlier)
		<-master.Done()
		<-slave.Done()
		require.ErrorIs(t, master.Err(), lectern.ErrHubLost)
		require.ErrorIs(t, slave.Err(), lectern.ErrHubLost)
		require.ErrorContains(t, slave.Err(), "older state")
	})
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		slaves := a.client()
		master, err := a.client().Create(t.Context(), "abc123", "alice")
		require.NoError(t, err)
		slave, err := slaves.Join(t.Context(), "abc123", "user_one")
		require.NoError(t, err)
		a.crashes()
		a.starts(nil)
		<-master.Done()
		<-slave.Done()
		require.ErrorIs(t, master.Err(), lectern.ErrHubLost)
		require.ErrorIs(t, slave.Err(), lectern.ErrHubLost)
		require.ErrorContains(t, slave.Err(), "is gone")
	})
}

// A hub is exported after it was shut down, as often as one likes, and restored before it is
// used.
func TestExportAndRestoreHaveTheirTime(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		_, err := a.client().Create(t.Context(), "abc123", "alice")
		require.NoError(t, err)
		require.ErrorIs(t, a.hub.Export(io.Discard), lectern.ErrNotShutDown)
		old := a.hub
		state := a.stops(time.Second)
		var again bytes.Buffer
		require.NoError(t, old.Export(&again))
		require.Equal(t, state, again.Bytes())
		require.ErrorIs(t, old.Restore(bytes.NewReader(state)), lectern.ErrNotNew)
		a.starts(nil)
		_, err = a.client().Create(t.Context(), "other", "alice")
		require.NoError(t, err)
		require.ErrorIs(t, a.hub.Restore(bytes.NewReader(state)), lectern.ErrNotNew)
	})
}

// A state that is cut off, damaged, foreign or too large is an error that says what it is, and
// nothing of it is restored.
func TestStatesThatCannotBeRestored(t *testing.T) {
	var state []byte
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		for i := range 3 {
			master, err := a.client().Create(t.Context(), fmt.Sprint("channel ", i), "alice")
			require.NoError(t, err)
			stage.Broadcast(t, master, strings.Repeat("x", 1000))
			for k := range 3 {
				_, err = a.client().Join(t.Context(), fmt.Sprint("channel ", i), fmt.Sprint("slave ", k))
				require.NoError(t, err)
			}
		}
		state = a.stops(time.Second)
		a.starts(nil)
	})
	refused := func(t *testing.T, policy lectern.Policy, state []byte, why error, words string) {
		t.Helper()
		hub, err := lectern.NewHub(policy)
		require.NoError(t, err)
		err = hub.Restore(bytes.NewReader(state))
		require.ErrorIs(t, err, why)
		require.ErrorContains(t, err, words)
		for range hub.Channels() {
			require.Fail(t, "half restored")
		}
		_, err = hub.Create(t.Context(), "channel 1", "alice")
		require.NoError(t, err)
		require.NoError(t, hub.Close())
	}
	for n := range state {
		if n%7 == 0 || n < 40 || n > len(state)-40 {
			refused(t, lectern.Policy{}, state[:n], lectern.ErrBadState, "cut off")
		}
	}
	for n := range state {
		damaged := bytes.Clone(state)
		damaged[n] ^= 0x10
		if n%7 == 0 || n < 40 {
			refused(t, lectern.Policy{}, damaged, lectern.ErrBadState, "")
		}
	}
	refused(t, lectern.Policy{}, []byte(`{"channels":[]}`), lectern.ErrBadState, `it begins with "{\"channels\":[]}"`)
	refused(t, lectern.Policy{}, append(bytes.Clone(state), 'x'), lectern.ErrBadState, "something follows")
	later := bytes.Clone(state)
	later[len("lectern hub state\n")]++
	refused(t, lectern.Policy{}, later, lectern.ErrBadState, "version 2, and this release reads version 1")
	refused(t, lectern.Policy{MaxChannels: 2}, state, lectern.ErrOverPolicy, "there are 3 channels, and Policy.MaxChannels is 2")
	refused(t, lectern.Policy{MaxSlaves: 2}, state, lectern.ErrOverPolicy, `channel "channel 0" has 3 slaves, and Policy.MaxSlaves is 2`)
	refused(t, lectern.Policy{MaxMessageBytes: 999}, state, lectern.ErrOverPolicy, `a message of 1000 bytes, and Policy.MaxMessageBytes is 999`)
	refused(t, lectern.Policy{Replay: lectern.QueueLimit{Messages: -1}}, state, lectern.ErrOverPolicy, "Policy.Replay.Messages is")
}

// A member of the hub's own process ends with the hub. The service goes on with it by its
// ticket, over the hub that was restored.
func TestMembersOfTheServiceGoOnByTheirTickets(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.hub.Create(ctx, "abc123", "service")
		require.NoError(t, err)
		slave, err := a.client().Join(ctx, "abc123", "user_one")
		require.NoError(t, err)
		stage.Say(t, slave, "not taken yet")
		state := a.stops(time.Second)
		<-master.Done()
		require.ErrorIs(t, master.Err(), lectern.ErrShutdown)
		a.starts(state)
		again, err := a.client().ResumeMaster(ctx, master.Ticket())
		require.NoError(t, err)
		nextMessage(t, again, "not taken yet")
		stage.Broadcast(t, again, "here again")
		stage.Receive(t, slave, "here again")
	})
}

// What waits in the handle of such a master has arrived for the hub, which keeps it no further
// than Replay: with a ticket that is read behind it nothing is lost, with an earlier one a Gap tells.
func TestWhatWaitsInAHandleOverAStop(t *testing.T) {
	for _, taken := range []bool{true, false} {
		inBubble(t, lectern.Policy{Replay: lectern.QueueLimit{Messages: 3}}, func(t *testing.T, a *address) {
			ctx := t.Context()
			master, err := a.hub.Create(ctx, "abc123", "service")
			require.NoError(t, err)
			slave, err := a.client().Join(ctx, "abc123", "user_one")
			require.NoError(t, err)
			for i := range 10 {
				stage.Say(t, slave, fmt.Sprint(i))
				synctest.Wait()
			}
			state := a.stops(time.Second)
			if taken {
				var said []string
				for event, err := range master.Events(ctx) {
					if err != nil {
						require.ErrorIs(t, err, lectern.ErrShutdown)
						break
					}
					if message, ok := event.(lectern.Message); ok {
						said = append(said, message.Text())
					}
				}
				require.Equal(t, strings.Fields("0 1 2 3 4 5 6 7 8 9"), said)
			}
			a.starts(state)
			again, err := a.client().ResumeMaster(ctx, master.Ticket())
			require.NoError(t, err)
			if !taken {
				for {
					if _, ok := stage.Next(t, again).(lectern.Gap); ok {
						break
					}
				}
				nextMessage(t, again, "7")
				nextMessage(t, again, "8")
				nextMessage(t, again, "9")
			}
			stage.Say(t, slave, "here again")
			nextMessage(t, again, "here again")
		})
	}
}

// A no that is kept for who is away is still one at the hub that takes the place of this one.
func TestANoIsKept(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		one := a.client()
		slave, err := one.Join(ctx, "abc123", "user_one")
		require.NoError(t, err)
		failed := make(chan error, 1)
		go func() {
			_, err := master.Request(ctx, "user_one", lectern.Text("ready?"))
			failed <- err
		}()
		question, err := slave.Receive(ctx)
		require.NoError(t, err)
		state := a.stops(time.Second)
		time.AfterFunc(time.Second, func() { a.starts(state) })
		_, err = slave.Decline(ctx, question, "no", "not you")
		require.NoError(t, err)
		var no *lectern.DeclinedError
		require.ErrorAs(t, <-failed, &no)
		require.Equal(t, lectern.DeclinedError{Code: "no", Message: "not you"}, *no)
	})
}

// What a member was asked is open at the next hub, for the program that was asked and for one that
// goes on by its ticket.
func TestOpenRequestsAtTheNextHub(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		slave, err := a.client().Join(ctx, "abc123", "user_one")
		require.NoError(t, err)
		answers := make(chan string, 2)
		for _, question := range []string{"one?", "two?"} {
			go func() {
				answer, err := master.Request(ctx, "user_one", lectern.Text(question))
				if err == nil {
					answers <- answer.Text()
				}
			}()
			_, err = slave.Receive(ctx)
			require.NoError(t, err)
		}
		replaced := func() {
			state := a.stops(time.Second)
			time.AfterFunc(time.Second, func() { a.starts(state) })
			time.Sleep(time.Minute / 2)
		}
		replaced()
		require.Len(t, slave.OpenRequests(), 2)
		_, err = slave.Reply(ctx, slave.OpenRequests()[0], lectern.Text("yes"))
		require.NoError(t, err)
		require.Equal(t, "yes", <-answers)
		ticket := slave.Ticket()
		replaced()
		next, err := a.client().ResumeSlave(ctx, ticket)
		require.NoError(t, err)
		synctest.Wait()
		require.Len(t, next.OpenRequests(), 1)
		replaced() // it may not have come
		require.Len(t, next.OpenRequests(), 1)
		_, err = next.Reply(ctx, next.OpenRequests()[0], lectern.Text("yes again"))
		require.NoError(t, err)
		require.Equal(t, "yes again", <-answers)
		require.Empty(t, next.OpenRequests())
	})
}

// A Gather that asks newcomers goes on at the next hub: who was asked is not asked again, who
// has joined there is, and what was asked of newcomers before is awaited.
func TestGatherAsksNewcomersAtTheNextHub(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		joins := func(name string) *lectern.Slave {
			slave, err := a.client().Join(ctx, "abc123", name)
			require.NoError(t, err)
			return slave
		}
		answers := func(slave *lectern.Slave) {
			question, err := slave.Receive(ctx)
			require.NoError(t, err)
			_, err = slave.Reply(ctx, question, lectern.Text("yes"))
			require.NoError(t, err)
		}
		one := joins("one")
		until, end := context.WithCancel(ctx)
		told := make(chan string, 20)
		go func() {
			defer close(told)
			asked := lectern.WithAsked(func(names []string) { told <- "asked " + strings.Join(names, " ") })
			for answer := range master.Gather(until, lectern.Text("who?"), lectern.WithNewcomers(), asked) {
				told <- fmt.Sprint(answer.From, ": ", answer.Message.Text(), answer.Err)
			}
		}()
		require.Equal(t, "asked one", <-told)
		two := joins("two")
		require.Equal(t, "asked two", <-told)
		state := a.stops(time.Second)
		time.AfterFunc(time.Second, func() { a.starts(state) })
		time.Sleep(time.Minute / 2)
		three := joins("three")
		require.Equal(t, "asked three", <-told)
		for _, slave := range []*lectern.Slave{one, two, three} {
			answers(slave)
			require.Equal(t, slave.Username()+": yes<nil>", <-told)
		}
		end()
		_, more := <-told
		require.False(t, more)
	})
}
