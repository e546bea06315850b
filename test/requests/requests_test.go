package requests

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

// nextQuestion expects a message that asks next.
func nextQuestion(t *testing.T, h stage.Handle, text string) lectern.Message {
	t.Helper()
	question := stage.NextText(t, h, text)
	require.Equal(t, question.Seq, question.RequestID)
	return question
}

func TestRequests(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)

		up := stage.InBackground(func() (lectern.Message, error) { return slave.Request(stage.Within(t), lectern.Text("may I?")) })
		question := nextQuestion(t, master, "may I?")
		_, err := master.Reply(stage.Within(t), question, lectern.JSON(map[string]int{"page": 7}))
		require.NoError(t, err)
		answer := <-up
		require.NoError(t, answer.Err)
		require.Equal(t, `{"page":7}`, answer.Value.Text())
		require.Equal(t, "alice", answer.Value.From)
		require.Equal(t, question.RequestID, answer.Value.ReplyTo)
		_, err = master.Reply(stage.Within(t), question, lectern.Text("twice"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)

		down := stage.InBackground(func() (lectern.Message, error) {
			return master.Request(stage.Within(t), "user_one", lectern.Text("ready?"))
		})
		question = nextQuestion(t, slave, "ready?")
		require.True(t, question.Private)
		stage.Say(t, slave, "in between")
		_, err = slave.Reply(stage.Within(t), question, lectern.Text("I am"))
		require.NoError(t, err)
		answer = <-down
		require.NoError(t, answer.Err)
		require.Equal(t, "I am", answer.Value.Text())
		stage.NextText(t, master, "in between") // and the answer is not among the events
		stage.Say(t, slave, "the end")
		stage.NextText(t, master, "the end")

		_, err = master.Request(stage.Within(t), "user_two", lectern.Text("ready?"))
		require.ErrorIs(t, err, lectern.ErrNoSuchSlave)
		_, err = slave.Reply(stage.Within(t), lectern.Message{From: "alice", Seq: 1}, lectern.Text("to what?"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
		_, err = master.Reply(stage.Within(t), lectern.Message{From: "user_one", Seq: 1}, lectern.Text("to what?"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
	})
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
	_, err := slave.Reply(stage.Within(t), nextQuestion(t, slave, "ready?"), lectern.Text("yes, "+slave.Username()))
	require.NoError(t, err)
}

func TestGather(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		_, master, _, slaves := s.Class(4)
		g := gather(stage.Within(t), master)
		reply(t, slaves[2])
		require.Equal(t, "yes, user_2", g.next(t, "user_2").Message.Text())
		late := s.User().Joins("abc123", "late") // was not asked
		reply(t, slaves[0])
		require.NoError(t, g.next(t, "user_0").Err)

		// One leaves, one is kicked: their parts end at once, with the reason.
		require.NoError(t, slaves[1].Leave())
		left := g.next(t, "user_1")
		require.ErrorIs(t, left.Err, lectern.ErrNoSuchSlave)
		require.ErrorContains(t, left.Err, "left")
		require.NoError(t, master.Kick(stage.Within(t), "user_3", "too loud"))
		require.ErrorContains(t, g.next(t, "user_3").Err, "too loud")
		g.over(t)
		require.NoError(t, late.Err())

		// With nobody there is nothing to wait for.
		for _, slave := range []*lectern.Slave{slaves[0], slaves[2], late} {
			require.NoError(t, slave.Leave())
		}
		for event := range master.Events(stage.Within(t)) {
			if p, ok := event.(lectern.Presence); ok && p.Username == "late" && p.State == lectern.StateGone {
				break
			}
		}
		gather(stage.Within(t), master).over(t)
		require.NoError(t, master.Close())
		require.ErrorIs(t, gather(stage.Within(t), master).next(t, "").Err, lectern.ErrLeft)
	})
}

func TestGatherIsGivenUp(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		_, master, _, slaves := s.Class(3)
		ctx, cancel := context.WithTimeout(stage.Within(t), 10*time.Second)
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
		_, err := slaves[0].Reply(stage.Within(t), nextQuestion(t, slaves[0], "ready?"), lectern.Text("too late"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
	})
}

func TestGatherEndsWithTheLoop(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		_, master, _, slaves := s.Class(2)
		go reply(t, slaves[1])
		for answer := range master.Gather(stage.Within(t), lectern.Text("ready?")) {
			require.Equal(t, "user_1", answer.From)
			break
		}
		synctest.Wait()
		_, err := slaves[0].Reply(stage.Within(t), nextQuestion(t, slaves[0], "ready?"), lectern.Text("too late"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
	})
}

// A request ends when the other side does, and waits while it is away.
func TestRequestsAndTheOtherSide(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, master, users, slaves := s.Class(2)
		up := stage.InBackground(func() (lectern.Message, error) { return slaves[0].Request(stage.Within(t), lectern.Text("may I?")) })
		nextQuestion(t, master, "may I?")
		alice.CutOff()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		require.Empty(t, up) // it still waits
		alice.Bar(false)
		stage.NextPresence(t, master, "alice", lectern.StateUnknown)
		stage.NextPresence(t, master, "alice", lectern.StateOnline)
		down := stage.InBackground(func() (lectern.Message, error) {
			return master.Request(stage.Within(t), "user_1", lectern.Text("ready?"))
		})
		stage.NextPresence(t, slaves[1], "alice", lectern.StateAway)
		stage.NextPresence(t, slaves[1], "alice", lectern.StateOnline)
		nextQuestion(t, slaves[1], "ready?")
		began := time.Now()
		users[1].CutOff() // and does not come back
		require.ErrorIs(t, (<-down).Err, lectern.ErrNoSuchSlave)
		require.Equal(t, 30*time.Second, time.Since(began).Round(time.Second))

		began = time.Now()
		require.NoError(t, master.Close())
		require.ErrorIs(t, (<-up).Err, lectern.ErrMasterLeft)
		require.Zero(t, time.Since(began))
		_, err := slaves[0].Request(stage.Within(t), lectern.Text("anybody?"))
		require.ErrorIs(t, err, lectern.ErrMasterLeft)
	})
}

// What happened while the asking side was cut off is found out when it is back.
func TestGatherOverALostConnection(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{SlaveTimeout: 5 * time.Second}, func(t *testing.T, s *stage.Stage) {
		alice, master, users, slaves := s.Class(5)
		g := gather(stage.Within(t), master)
		reply(t, slaves[0])
		require.NoError(t, g.next(t, "user_0").Err)
		for _, slave := range slaves[1:] {
			nextQuestion(t, slave, "ready?")
		}
		alice.CutOff()
		stage.NextPresence(t, slaves[1], "alice", lectern.StateAway)
		_, err := slaves[1].Reply(stage.Within(t), lectern.Message{RequestID: 1}, lectern.Text("yes"))
		require.NoError(t, err)
		require.NoError(t, slaves[2].Leave())
		// Somebody else under the name of one who has left.
		require.NoError(t, slaves[3].Leave())
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
		_, err = slaves[4].Reply(stage.Within(t), lectern.Message{RequestID: 1}, lectern.Text("yes"))
		require.NoError(t, err)
		require.NoError(t, g.next(t, "user_4").Err)
		g.over(t)
	})
}

// The hub has accepted the question on a connection that was lost before it told
// so: the answers may come before the question's number.
func TestGatherWhoseAcknowledgementIsLost(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		muted := &stage.MutedDialer{User: s.UserWith(lectern.ClientOptions{})}
		client := lectern.NewClient(muted, lectern.ClientOptions{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
		defer func() { require.NoError(t, client.Close()) }()
		master, err := client.Create(stage.Within(t), "abc123", "alice")
		require.NoError(t, err)
		var slaves []*lectern.Slave
		for i := range 3 {
			slaves = append(slaves, s.User().Joins("abc123", fmt.Sprint("user_", i)))
		}
		synctest.Wait()
		muted.Mute() // what the hub tells alice from now on is lost
		asked := gather(stage.Within(t), master)
		reply(t, slaves[0])
		require.NoError(t, slaves[1].Leave())
		late := s.User().Joins("abc123", "late")
		// alice finds out that it was cut off, and sends the question again.
		muted.ComeBack()
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
	policy := lectern.Policy{Replay: lectern.QueueLimit{Messages: 3}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		_, master, users, slaves := s.Class(1)
		up := stage.InBackground(func() (lectern.Message, error) { return slaves[0].Request(stage.Within(t), lectern.Text("may I?")) })
		question := nextQuestion(t, master, "may I?")
		users[0].CutOff()
		stage.NextPresence(t, master, "user_0", lectern.StateAway)
		_, err := master.Reply(stage.Within(t), question, lectern.Text("you may"))
		require.NoError(t, err)
		for range 3 {
			stage.Broadcast(t, master, "on and on")
		}
		users[0].Bar(false)
		var gap *lectern.GapError
		require.True(t, errors.As((<-up).Err, &gap))

		// Within what is kept it is not lost.
		up = stage.InBackground(func() (lectern.Message, error) { return slaves[0].Request(stage.Within(t), lectern.Text("may I?")) })
		stage.NextPresence(t, master, "user_0", lectern.StateOnline)
		question = nextQuestion(t, master, "may I?")
		users[0].CutOff()
		stage.NextPresence(t, master, "user_0", lectern.StateAway)
		_, err = master.Reply(stage.Within(t), question, lectern.Text("you may"))
		require.NoError(t, err)
		users[0].Bar(false)
		answer := <-up
		require.NoError(t, answer.Err)
		require.Equal(t, "you may", answer.Value.Text())
	})
}
