package lectern_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// nextQuestion expects a message that asks next.
func nextQuestion(t *testing.T, h Handle, text string) lectern.Message {
	t.Helper()
	question := NextText(t, h, text)
	require.Equal(t, question.Seq, question.Request)
	return question
}

// Outcome is what came of a Request in the background.
type Outcome struct {
	lectern.Message
	Err error
}

func InBackground(request func() (lectern.Message, error)) <-chan Outcome {
	c := make(chan Outcome, 1)
	go func() {
		message, err := request()
		c <- Outcome{message, err}
	}()
	return c
}

func TestRequests(t *testing.T) {
	Everywhere(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
		NextPresence(t, master, "user_one", lectern.Online)

		up := InBackground(func() (lectern.Message, error) { return slave.Request(Within(t), lectern.Text("may I?")) })
		question := nextQuestion(t, master, "may I?")
		_, err := master.Reply(Within(t), question, lectern.JSON(map[string]int{"page": 7}))
		require.NoError(t, err)
		answer := <-up
		require.NoError(t, answer.Err)
		require.Equal(t, `{"page":7}`, answer.Text())
		require.Equal(t, "alice", answer.From)
		require.Equal(t, question.Request, answer.Reply)
		_, err = master.Reply(Within(t), question, lectern.Text("twice"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)

		down := InBackground(func() (lectern.Message, error) {
			return master.Request(Within(t), "user_one", lectern.Text("ready?"))
		})
		question = nextQuestion(t, slave, "ready?")
		require.True(t, question.Private)
		Say(t, slave, "in between")
		_, err = slave.Reply(Within(t), question, lectern.Text("I am"))
		require.NoError(t, err)
		answer = <-down
		require.NoError(t, answer.Err)
		require.Equal(t, "I am", answer.Text())
		NextText(t, master, "in between") // and the answer is not among the events
		Say(t, slave, "the end")
		NextText(t, master, "the end")

		_, err = master.Request(Within(t), "user_two", lectern.Text("ready?"))
		require.ErrorIs(t, err, lectern.ErrNoSuchSlave)
		_, err = slave.Reply(Within(t), lectern.Message{From: "alice", Seq: 1}, lectern.Text("to what?"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
		_, err = master.Reply(Within(t), lectern.Message{From: "user_one", Seq: 1}, lectern.Text("to what?"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
	})
}

// Class is a master and slaves that are told to it, each with a client.
func (s *Stage) Class(slaves int) (*User, *lectern.Master, []*User, []*lectern.Slave) {
	s.T.Helper()
	alice := s.User()
	master := alice.Creates("abc123", "alice")
	users, members := make([]*User, slaves), make([]*lectern.Slave, slaves)
	for i := range slaves {
		users[i] = s.User()
		members[i] = users[i].Joins("abc123", fmt.Sprint("user_", i))
		NextPresence(s.T, master, members[i].Username(), lectern.Online)
	}
	return alice, master, users, members
}

// gathering is a Gather in the background.
type gathering chan lectern.Answer

func gather(ctx context.Context, master *lectern.Master) gathering {
	g := make(gathering, 100)
	go func() {
		defer close(g)
		for answer := range master.Gather(ctx, lectern.Text("ready?")) {
			g <- answer
		}
	}()
	return g
}

func (g gathering) next(t *testing.T, from string) lectern.Answer {
	t.Helper()
	answer, ok := <-g
	require.True(t, ok, "instead of %s", from)
	require.Equal(t, from, answer.From)
	return answer
}

func (g gathering) over(t *testing.T) {
	t.Helper()
	answer, ok := <-g
	require.False(t, ok, "one more: %+v", answer)
}

func reply(t *testing.T, slave *lectern.Slave) {
	t.Helper()
	_, err := slave.Reply(Within(t), nextQuestion(t, slave, "ready?"), lectern.Text("yes, "+slave.Username()))
	require.NoError(t, err)
}

func TestGather(t *testing.T) {
	Everywhere(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		_, master, _, slaves := s.Class(4)
		g := gather(Within(t), master)
		reply(t, slaves[2])
		require.Equal(t, "yes, user_2", g.next(t, "user_2").Message.Text())
		late := s.User().Joins("abc123", "late") // was not asked
		reply(t, slaves[0])
		require.NoError(t, g.next(t, "user_0").Err)

		// One leaves, one is kicked: their parts end at once, with the reason.
		require.NoError(t, slaves[1].Close())
		left := g.next(t, "user_1")
		require.ErrorIs(t, left.Err, lectern.ErrNoSuchSlave)
		require.ErrorContains(t, left.Err, "left")
		require.NoError(t, master.Kick(Within(t), "user_3", "too loud"))
		require.ErrorContains(t, g.next(t, "user_3").Err, "too loud")
		g.over(t)
		require.NoError(t, late.Err())

		// With nobody there is nothing to wait for.
		for _, slave := range []*lectern.Slave{slaves[0], slaves[2], late} {
			require.NoError(t, slave.Close())
		}
		for event := range master.Events(Within(t)) {
			if p, ok := event.(lectern.Presence); ok && p.Username == "late" && p.State == lectern.Gone {
				break
			}
		}
		gather(Within(t), master).over(t)
		require.NoError(t, master.Close())
		require.ErrorIs(t, gather(Within(t), master).next(t, "").Err, lectern.ErrLeft)
	})
}

func TestGatherIsGivenUp(t *testing.T) {
	InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		_, master, _, slaves := s.Class(3)
		ctx, cancel := context.WithTimeout(Within(t), 10*time.Second)
		defer cancel()
		began := time.Now()
		g := gather(ctx, master)
		reply(t, slaves[1])
		require.NoError(t, g.next(t, "user_1").Err)
		for _, name := range []string{"user_0", "user_2"} { // those who did not answer, by name
			require.ErrorIs(t, g.next(t, name).Err, context.DeadlineExceeded)
		}
		g.over(t)
		require.Equal(t, 10*time.Second, time.Since(began))
		synctest.Wait()
		// An answer after the end is told to its sender.
		_, err := slaves[0].Reply(Within(t), nextQuestion(t, slaves[0], "ready?"), lectern.Text("too late"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
	})
}

func TestGatherEndsWithTheLoop(t *testing.T) {
	InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		_, master, _, slaves := s.Class(2)
		go reply(t, slaves[1])
		for answer := range master.Gather(Within(t), lectern.Text("ready?")) {
			require.Equal(t, "user_1", answer.From)
			break
		}
		synctest.Wait()
		_, err := slaves[0].Reply(Within(t), nextQuestion(t, slaves[0], "ready?"), lectern.Text("too late"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
	})
}

// A request ends when the other side does, and waits while it is away.
func TestRequestsAndTheOtherSide(t *testing.T) {
	InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		alice, master, users, slaves := s.Class(2)
		up := InBackground(func() (lectern.Message, error) { return slaves[0].Request(Within(t), lectern.Text("may I?")) })
		nextQuestion(t, master, "may I?")
		alice.CutOff()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		require.Empty(t, up) // it still waits
		alice.Bar(false)
		NextPresence(t, master, "alice", lectern.Unknown)
		NextPresence(t, master, "alice", lectern.Online)
		down := InBackground(func() (lectern.Message, error) {
			return master.Request(Within(t), "user_1", lectern.Text("ready?"))
		})
		NextPresence(t, slaves[1], "alice", lectern.Away)
		NextPresence(t, slaves[1], "alice", lectern.Online)
		nextQuestion(t, slaves[1], "ready?")
		began := time.Now()
		users[1].CutOff() // and does not come back
		require.ErrorIs(t, (<-down).Err, lectern.ErrNoSuchSlave)
		require.Equal(t, 30*time.Second, time.Since(began).Round(time.Second))

		began = time.Now()
		require.NoError(t, master.Close())
		require.ErrorIs(t, (<-up).Err, lectern.ErrMasterLeft)
		require.Zero(t, time.Since(began))
		_, err := slaves[0].Request(Within(t), lectern.Text("anybody?"))
		require.ErrorIs(t, err, lectern.ErrMasterLeft)
	})
}

// What happened while the asking side was cut off is found out when it is back.
func TestGatherOverALostConnection(t *testing.T) {
	InVirtualTime(t, lectern.Policy{SlaveTimeout: 5 * time.Second}, func(t *testing.T, s *Stage) {
		alice, master, users, slaves := s.Class(5)
		g := gather(Within(t), master)
		reply(t, slaves[0])
		require.NoError(t, g.next(t, "user_0").Err)
		for _, slave := range slaves[1:] {
			nextQuestion(t, slave, "ready?")
		}
		alice.CutOff()
		NextPresence(t, slaves[1], "alice", lectern.Away)
		_, err := slaves[1].Reply(Within(t), lectern.Message{Request: 1}, lectern.Text("yes"))
		require.NoError(t, err)
		require.NoError(t, slaves[2].Close())
		// Somebody else under the name of one who has left.
		require.NoError(t, slaves[3].Close())
		users[3].Joins("abc123", "user_3")
		alice.Bar(false)

		got := map[string]error{}
		for range 3 {
			answer := <-g
			got[answer.From] = answer.Err
		}
		require.NoError(t, got["user_1"])
		require.ErrorIs(t, got["user_2"], lectern.ErrNoSuchSlave)
		require.ErrorIs(t, got["user_3"], lectern.ErrNoSuchSlave)
		_, err = slaves[4].Reply(Within(t), lectern.Message{Request: 1}, lectern.Text("yes"))
		require.NoError(t, err)
		require.NoError(t, g.next(t, "user_4").Err)
		g.over(t)
	})
}

// The hub has accepted the question on a connection that was lost before it told
// so: the answers may come before the question's number.
func TestGatherWhoseAcknowledgementIsLost(t *testing.T) {
	InBubble(t, lectern.Policy{}, func(t *testing.T, s *Stage) {
		alice, master, _, slaves := s.Class(3)
		alice.Plug().Silence() // what alice sends is lost, so write past it
		asked := gather(Within(t), master)
		synctest.Wait()
		ticket := master.Ticket()
		// The same client's frame, through a second connection.
		other := s.Raw()
		other.Send(`{"type":"resume","ref":1,"channel":"abc123","username":"alice","resume":"`+ticket.Secret+`"}`,
			fmt.Sprintf(`{"type":"send","ref":%d,"channel":"abc123","request":true,"text":"ready?"}`, 3))
		synctest.Wait()
		other.Plug.Cut()
		reply(t, slaves[0])
		require.NoError(t, slaves[1].Close())
		late := s.User().Joins("abc123", "late")
		// alice finds out that it was cut off, and sends the question again.
		alice.Plug().Cut()
		require.Equal(t, "yes, user_0", asked.next(t, "user_0").Message.Text())
		reply(t, slaves[2])
		require.NoError(t, asked.next(t, "user_2").Err)
		asked.over(t)
		require.NoError(t, late.Err())
	})
}

// An answer that is no longer kept when the asking side comes back is lost, and
// told as that.
func TestRequestWhoseAnswerIsLost(t *testing.T) {
	policy := lectern.Policy{Replay: lectern.Bound{Messages: 3}}
	InVirtualTime(t, policy, func(t *testing.T, s *Stage) {
		_, master, users, slaves := s.Class(1)
		up := InBackground(func() (lectern.Message, error) { return slaves[0].Request(Within(t), lectern.Text("may I?")) })
		question := nextQuestion(t, master, "may I?")
		users[0].CutOff()
		NextPresence(t, master, "user_0", lectern.Away)
		_, err := master.Reply(Within(t), question, lectern.Text("you may"))
		require.NoError(t, err)
		for range 3 {
			Broadcast(t, master, "on and on")
		}
		users[0].Bar(false)
		var gap *lectern.GapError
		require.True(t, errors.As((<-up).Err, &gap))

		// Within what is kept it is not lost.
		up = InBackground(func() (lectern.Message, error) { return slaves[0].Request(Within(t), lectern.Text("may I?")) })
		NextPresence(t, master, "user_0", lectern.Online)
		question = nextQuestion(t, master, "may I?")
		users[0].CutOff()
		NextPresence(t, master, "user_0", lectern.Away)
		_, err = master.Reply(Within(t), question, lectern.Text("you may"))
		require.NoError(t, err)
		users[0].Bar(false)
		answer := <-up
		require.NoError(t, answer.Err)
		require.Equal(t, "you may", answer.Text())
	})
}
