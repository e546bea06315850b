package requests

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// declined expects that the error is a no of that code and text.
func declined(t *testing.T, err error, code, text string) {
	t.Helper()
	var no *lectern.DeclinedError
	require.ErrorAs(t, err, &no)
	require.Equal(t, lectern.DeclinedError{Code: code, Message: text}, *no)
}

// Who is asked may say no, in either direction and among the answers to all. That is its
// answer: a second one is not awaited.
func TestDeclined(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		_, master, _, slaves := s.Class(2)
		up := stage.InBackground(func() (lectern.Message, error) { return slaves[0].Request(ctx, lectern.Text("may I?")) })
		question := nextQuestion(t, master, "may I?")
		receipt, err := master.Decline(ctx, question, "not_now", "ask me in a minute")
		require.NoError(t, err)
		require.Equal(t, lectern.Receipt{Seq: 1, Slaves: 1}, receipt)
		asked := <-up
		require.Zero(t, asked.Value)
		declined(t, asked.Err, "not_now", "ask me in a minute")
		require.EqualError(t, asked.Err, "lectern: declined: not_now: ask me in a minute")
		_, err = master.Reply(ctx, question, lectern.Text("or yes"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
		_, err = master.Decline(ctx, question, "not_now", "")
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)

		down := stage.InBackground(func() (lectern.Message, error) { return master.Request(ctx, "user_1", lectern.Text("ready?")) })
		_, err = slaves[1].Decline(ctx, nextQuestion(t, slaves[1], "ready?"), "E-4.2", "")
		require.NoError(t, err)
		asked = <-down
		declined(t, asked.Err, "E-4.2", "")
		require.EqualError(t, asked.Err, "lectern: declined: E-4.2")

		parts := gather(ctx, master)
		_, err = slaves[0].Decline(ctx, nextQuestion(t, slaves[0], "ready?"), "no", "\u00fc \"\n")
		require.NoError(t, err)
		declined(t, parts.next(t, "user_0").Err, "no", "\u00fc \"\n")
		_, err = slaves[1].Reply(ctx, nextQuestion(t, slaves[1], "ready?"), lectern.Text("yes"))
		require.NoError(t, err)
		require.NoError(t, parts.next(t, "user_1").Err)
		_, more := <-parts
		require.False(t, more)

		_, err = slaves[0].Decline(ctx, lectern.Message{From: "alice"}, "no", "")
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
		stage.Say(t, slaves[0], "the end")
		stage.NextText(t, master, "the end") // no answer is among the events
	})
}

// A no is kept for who is away, as an answer with a payload is.
func TestDeclinedWhileAway(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		alice, master, users, slaves := s.Class(1)
		up := stage.InBackground(func() (lectern.Message, error) { return slaves[0].Request(ctx, lectern.Text("may I?")) })
		question := nextQuestion(t, master, "may I?")
		users[0].CutOff()
		stage.NextPresence(t, master, "user_0", lectern.StateAway)
		_, err := master.Decline(ctx, question, "no", "never")
		require.NoError(t, err)
		users[0].Bar(false)
		declined(t, (<-up).Err, "no", "never")
		stage.NextPresence(t, master, "user_0", lectern.StateOnline)

		down := stage.InBackground(func() (lectern.Message, error) { return master.Request(ctx, "user_0", lectern.Text("ready?")) })
		stage.NextPresence(t, slaves[0], "alice", lectern.StateUnknown)
		stage.NextPresence(t, slaves[0], "alice", lectern.StateOnline)
		question = nextQuestion(t, slaves[0], "ready?")
		alice.CutOff()
		_, err = slaves[0].Decline(ctx, question, "no", "not you")
		require.NoError(t, err)
		alice.Bar(false)
		declined(t, (<-down).Err, "no", "not you")
	})
}

// What cannot be said is an error of the call, and nothing is sent.
func TestWhatIsNoNo(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		_, master, _, slaves := s.Class(1)
		for _, wrong := range []struct{ code, text, words string }{
			{"", "x", "code: "}, {"not now", "x", "code: "}, {"\u00fc", "x", "code: "}, {strings.Repeat("x", 65), "x", "code: "},
			{strings.Repeat("x", 321), "x", "code: "}, {"no", strings.Repeat("x", 1025), "message: "}, {"no", "\xff", "message: "},
		} {
			_, err := master.Decline(ctx, lectern.Message{From: "user_0", RequestID: 1}, wrong.code, wrong.text)
			require.ErrorIs(t, err, lectern.ErrBadFrame)
			require.ErrorContains(t, err, wrong.words)
			_, err = slaves[0].Decline(ctx, lectern.Message{RequestID: 1}, wrong.code, wrong.text)
			require.ErrorIs(t, err, lectern.ErrBadFrame)
		}
		receipt, err := slaves[0].Send(ctx, lectern.Text("x"))
		require.NoError(t, err)
		require.EqualValues(t, 1, receipt.Seq, "nothing was sent before")

		up := stage.InBackground(func() (lectern.Message, error) { return slaves[0].Request(ctx, lectern.Text("may I?")) })
		stage.NextText(t, master, "x")
		_, err = master.Decline(ctx, nextQuestion(t, master, "may I?"), strings.Repeat("x", 64), strings.Repeat("y", 1024))
		require.NoError(t, err)
		declined(t, (<-up).Err, strings.Repeat("x", 64), strings.Repeat("y", 1024))
	})
}

// By hand it is an object in the place of a payload, and each field that is wrong is named. A no that is sent
// again is known by what is in it.
func TestDeclinedByHand(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		one.Send(`{"type":"send","ref":10,"channel":"abc123","request":true,"text":"may I?"}`)
		one.Expect(`{"type":"ack","ref":10,"seq":1}`)
		alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"request":1,"text":"may I?"}`)
		says := func(ref, more string) string {
			return `{"type":"send","ref":` + ref + `,"channel":"abc123","to":"user_one",` + more + `}`
		}
		for more, words := range map[string]string{
			`"failed":{"code":"no"}`:                                    "failed: an answer alone says no, and reply is missing",
			`"reply":1,"request":true,"failed":{"code":"no"}`:           "failed: an answer that says no is no request",
			`"reply":1,"failed":{"code":"no"},"text":"x"`:               "failed: it stands in the place of text, data and base64",
			`"reply":1,"failed":7`:                                      "failed: not an object with a code",
			`"reply":1,"failed":{"message":"x"}`:                        "failed: not an object with a code",
			`"reply":1,"failed":{"code":"not now"}`:                     "failed: code: not a word of 1 to 64",
			`"reply":1,"failed":{"code":"no","message":7}`:              "failed: message: not a string of at most 1,024 bytes",
			`"reply":1,"failed":{"code":"no","code":"no","message":""}`: "failed: given twice",
		} {
			require.Contains(t, alice.Answer(says("20", more)), words)
			alice.Send(`{"type":"ping","ref":21}`) // else three in a row are the end
			alice.Expect(`{"type":"pong","ref":21}`)
		}
		no := says("30", `"reply":1,"failed":{"code":"no","message":"later"}`)
		alice.Send(no, no)
		alice.Expect(`{"type":"ack","ref":30,"seq":1,"slaves":1}`, `{"type":"ack","ref":30,"seq":1,"slaves":1}`)
		one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"private":true,"reply":1,"failed":{"code":"no","message":"later"}}`)
		alice.Refused(says("30", `"reply":1,"failed":{"code":"no","message":"never"}`), lectern.ErrBadFrame)
		alice.Refused(says("30", `"reply":1,"text":"\u0002nolater"`), lectern.ErrBadFrame)
		alice.Refused(says("31", `"reply":1,"failed":{"code":"no"}`), lectern.ErrNoSuchRequest)
	})
}
