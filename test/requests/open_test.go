package requests

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// answerer is what a Master and a Slave have in common for who is asked.
type answerer interface {
	stage.Handle
	OpenRequests() []lectern.Message
	Reply(ctx context.Context, to lectern.Message, payload lectern.Payload, options ...lectern.SendOption) (lectern.Receipt, error)
	Decline(ctx context.Context, to lectern.Message, code, text string) (lectern.Receipt, error)
	Ticket() lectern.Ticket
}

// opens expects these texts among the open requests.
func opens(t *testing.T, h answerer, texts ...string) {
	t.Helper()
	got := []string{}
	for _, question := range h.OpenRequests() {
		require.NotZero(t, question.RequestID)
		got = append(got, question.Text())
	}
	require.Equal(t, append([]string{}, texts...), got)
}

// replies answers the open request of that text.
func replies(t *testing.T, h answerer, to, text string) error {
	t.Helper()
	for _, question := range h.OpenRequests() {
		if question.Text() == to {
			_, err := h.Reply(stage.Within(t), question, lectern.Text(text))
			return err
		}
	}
	require.Fail(t, "it is not open: "+to)
	return nil
}

// What was asked is open from when it was taken until it was answered; what is still to be taken
// is not. Who has left awaits nothing, and what was withdrawn is found out.
func TestOpenRequests(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		_, master, _, slaves := s.Class(2)
		impatient, giveUp := context.WithCancel(ctx)
		asks := func(ctx context.Context, slave *lectern.Slave, text string) <-chan stage.Outcome[lectern.Message] {
			asked := stage.InBackground(func() (lectern.Message, error) { return slave.Request(ctx, lectern.Text(text)) })
			synctest.Wait()
			return asked
		}
		one := asks(ctx, slaves[0], "one")
		two := asks(impatient, slaves[0], "two")
		three := asks(ctx, slaves[0], "three")
		asks(ctx, slaves[1], "four")
		opens(t, master)
		nextQuestion(t, master, "one")
		opens(t, master, "one")
		nextQuestion(t, master, "two")
		third := nextQuestion(t, master, "three")
		opens(t, master, "one", "two", "three")
		nextQuestion(t, master, "four")
		require.NoError(t, replies(t, master, "one", "yes"))
		require.Equal(t, "yes", (<-one).Value.Text())
		opens(t, master, "two", "three", "four")
		giveUp()
		require.ErrorIs(t, (<-two).Err, context.Canceled)
		synctest.Wait()
		opens(t, master, "two", "three", "four")
		require.ErrorIs(t, replies(t, master, "two", "too late"), lectern.ErrNoSuchRequest)
		_, err := master.Decline(ctx, third, "no", "")
		require.NoError(t, err)
		declined(t, (<-three).Err, "no", "")
		opens(t, master, "four")
		require.NoError(t, slaves[1].Leave())
		stage.NextPresence(t, master, "user_1", lectern.StateGone)
		opens(t, master)

		down := stage.InBackground(func() (lectern.Message, error) { return master.Request(ctx, "user_0", lectern.Text("ready?")) })
		nextQuestion(t, slaves[0], "ready?")
		opens(t, slaves[0], "ready?")
		require.NoError(t, replies(t, slaves[0], "ready?", "I am"))
		require.Equal(t, "I am", (<-down).Value.Text())
		opens(t, slaves[0])
		go func() { _, _ = master.Request(ctx, "user_0", lectern.Text("and now?")) }()
		nextQuestion(t, slaves[0], "and now?")
		require.NoError(t, master.Close())
		stage.Ended(t, slaves[0], lectern.ErrMasterLeft)
		opens(t, slaves[0])
	})
}

// A program that goes on by the ticket of another one has the questions that the other one has taken and
// not answered, and none of them as an event; what the other one has not taken comes as an event.
func TestOpenRequestsAfterAReload(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		alice, master, users, slaves := s.Class(1)
		slave := slaves[0]
		var asked []<-chan stage.Outcome[lectern.Message]
		for i := range 4 {
			asked = append(asked, stage.InBackground(func() (lectern.Message, error) {
				return slave.Request(ctx, lectern.Text(fmt.Sprint("up ", i)))
			}))
			synctest.Wait()
		}
		answers := gather(ctx, master)
		synctest.Wait()
		nextQuestion(t, slave, "ready?")
		for i := range 3 {
			nextQuestion(t, master, fmt.Sprint("up ", i))
		}
		require.NoError(t, replies(t, master, "up 1", "yes"))
		require.Equal(t, "yes", (<-asked[1]).Value.Text())

		ticket := master.Ticket()
		again, err := s.User().ResumeMaster(ctx, ticket)
		require.NoError(t, err)
		stage.Ended(t, master, lectern.ErrReplaced)
		for answer := range answers {
			require.ErrorIs(t, answer.Err, lectern.ErrReplaced)
		}
		opens(t, again, "up 0", "up 2")
		stage.NextPresence(t, again, "user_0", lectern.StateOnline)
		nextQuestion(t, again, "up 3")
		opens(t, again, "up 0", "up 2", "up 3")
		require.NoError(t, replies(t, again, "up 2", "late"))
		require.Equal(t, "late", (<-asked[2]).Value.Text())
		_, err = again.Decline(ctx, again.OpenRequests()[0], "no", "")
		require.NoError(t, err)
		declined(t, (<-asked[0]).Err, "no", "")
		opens(t, again, "up 3")
		require.NoError(t, replies(t, again, "up 3", "last"))
		require.Equal(t, "last", (<-asked[3]).Value.Text())

		// The slave, too; of a master's questions those are open that this master awaits.
		parts := gather(ctx, again)
		nextQuestion(t, slave, "ready?")
		next, err := s.User().ResumeSlave(ctx, slave.Ticket())
		require.NoError(t, err)
		opens(t, next, "ready?")
		require.NoError(t, replies(t, next, "ready?", "I am"))
		require.Equal(t, "I am", parts.next(t, "user_0").Message.Text())
		stage.Broadcast(t, again, "the end")
		stage.NextText(t, next, "the end")
		opens(t, next)
		_, _ = alice, users
	})
}

// A handle that goes on by a ticket has all open questions when it is there, however many they are: whoever
// answers those first and then takes events misses none.
func TestAResumeReturnsWithTheOpenRequests(t *testing.T) {
	const questions = 30 // a slave has no more of its own
	text := func(i int) string { return fmt.Sprintf("%02d %s", i, strings.Repeat("x", 16<<10)) }
	all := func(t *testing.T, h answerer) {
		t.Helper()
		open := h.OpenRequests()
		require.Len(t, open, questions)
		for i, question := range open {
			require.Equal(t, text(i), question.Text())
		}
	}
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		_, master, _, slaves := s.Class(1)
		slave := slaves[0]
		for i := range questions {
			go func() { _, _ = master.Request(ctx, "user_0", lectern.Text(text(i))) }()
			nextQuestion(t, slave, text(i))
		}
		for range 3 {
			next, err := s.User().ResumeSlave(ctx, slave.Ticket())
			require.NoError(t, err)
			all(t, next)
			stage.Broadcast(t, master, "live")
			slave = next
			stage.NextText(t, slave, "live")
			all(t, slave)
		}

		for i := range questions {
			go func() { _, _ = slave.Request(ctx, lectern.Text(text(i))) }()
			nextQuestion(t, master, text(i))
		}
		again, err := s.User().ResumeMaster(ctx, master.Ticket())
		require.NoError(t, err)
		all(t, again)
	})
}

// Who loses its connection keeps what it was asked, and is not asked twice.
func TestOpenRequestsOverACut(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		_, master, users, slaves := s.Class(1)
		asked := stage.InBackground(func() (lectern.Message, error) { return master.Request(ctx, "user_0", lectern.Text("ready?")) })
		nextQuestion(t, slaves[0], "ready?")
		for range 3 {
			users[0].Plug().Cut()
			stage.NextPresence(t, slaves[0], "alice", lectern.StateUnknown)
			stage.NextPresence(t, slaves[0], "alice", lectern.StateOnline)
			opens(t, slaves[0], "ready?")
		}
		stage.Broadcast(t, master, "next")
		stage.NextText(t, slaves[0], "next")
		require.NoError(t, replies(t, slaves[0], "ready?", "I am"))
		require.Equal(t, "I am", (<-asked).Value.Text())
	})
}

// Of more than the inbox has room for, in number or in bytes, the oldest are forgotten.
func TestOpenRequestsAreBounded(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		options := lectern.ClientOptions{Inbox: lectern.QueueLimit{Messages: 3, Bytes: 2000}}
		master := s.User().Creates("abc123", "alice")
		slave := s.UserWith(options).Joins("abc123", "user_0")
		stage.NextPresence(t, master, "user_0", lectern.StateOnline)
		asks := func(text string) {
			go func() { _, _ = master.Request(ctx, "user_0", lectern.Text(text)) }()
			nextQuestion(t, slave, text)
		}
		for i := range 5 {
			asks(fmt.Sprint(i))
		}
		opens(t, slave, "2", "3", "4")
		large := strings.Repeat("x", 1850)
		asks(large)
		opens(t, slave, "4", large)
		larger := strings.Repeat("y", 3000)
		asks(larger)
		opens(t, slave, larger)
	})
}

// What a slave has asked that has left is not open any more, though it has joined again; what the
// one of its name asks that is there now is. What a hub gives again is no event.
func TestOpenRequestsOfWhoHasJoinedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubByHand(t)
		h.joins("bob", 1)
		h.joins("eve", 2)
		asks := func(from string, seq int) {
			h.writes(`{"type":"message","channel":"abc123","from":"%s","seq":%d,"request":%d,"text":"of %s %d"}`, from, seq, seq, from, seq)
		}
		asks("bob", 1)
		asks("eve", 2)
		h.told("bob joins online", "eve joins online", "bob: of bob 1", "eve: of eve 2")
		opens(t, h.master, "of bob 1", "of eve 2")
		require.NoError(t, h.hub.Close(transport.Reason{Code: transport.Slow}))
		h.hub = <-h.dialer
		h.writes(`{"type":"created","ref":%d,"channel":"abc123","username":"alice","resume":"x","epoch":2,"seq":4,"master_timeout_ms":30000,"members":[%s]}`,
			h.next().Ref, entry("bob", "online", 3))
		require.Equal(t, wire.Ping, h.next().Type)
		asks("eve", 2) // again
		asks("eve", 3) // before it left
		asks("bob", 4)
		h.told("eve: of eve 3", "bob: of bob 4", "bob gone", "bob joins online", "eve gone")
		opens(t, h.master, "of bob 4")
	})
}
