package messages

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// next takes the next message of a handle.
func next(t *testing.T, h stage.Handle) lectern.Message {
	t.Helper()
	for event, err := range h.Events(stage.Within(t)) {
		require.NoError(t, err)
		if m, ok := event.(lectern.Message); ok {
			return m
		}
	}
	return lectern.Message{}
}

// A topic goes along with every kind of message, both ways, and over a replay.
func TestTopics(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		master, one := s.User().Creates("abc123", "alice"), s.User()
		slave := one.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		topic := lectern.WithTopic("slide 7")
		longest := strings.Repeat("é", 32)
		is := func(h stage.Handle, text, topic string) lectern.Message {
			t.Helper()
			m := next(t, h)
			require.Equal(t, []string{text, topic}, []string{m.Text(), m.Topic})
			return m
		}

		_, err := master.Broadcast(ctx, lectern.Text("to all"), topic)
		require.NoError(t, err)
		is(slave, "to all", "slide 7")
		_, err = master.Send(ctx, "user_one", lectern.Text("to one"), lectern.WithTopic(longest))
		require.NoError(t, err)
		is(slave, "to one", longest)
		_, err = slave.Send(ctx, lectern.Text("up"), lectern.WithTopic("first"), lectern.WithTopic("hand"))
		require.NoError(t, err)
		is(master, "up", "hand")
		stage.Broadcast(t, master, "about nothing")
		is(slave, "about nothing", "")

		answer := stage.InBackground(func() (lectern.Message, error) {
			return slave.Request(ctx, lectern.Text("may I?"), lectern.WithTopic("questions"))
		})
		asked := is(master, "may I?", "questions")
		_, err = master.Reply(ctx, asked, lectern.Text("yes"), lectern.WithTopic("answers"))
		require.NoError(t, err)
		given := <-answer
		require.NoError(t, given.Err)
		require.Equal(t, "answers", given.Value.Topic)

		answer = stage.InBackground(func() (lectern.Message, error) {
			return master.Request(ctx, "user_one", lectern.Text("well?"), lectern.WithTopic("questions"))
		})
		asked = is(slave, "well?", "questions")
		_, err = slave.Reply(ctx, asked, lectern.Text("well"), lectern.WithTopic("answers"))
		require.NoError(t, err)
		require.Equal(t, "answers", (<-answer).Value.Topic)

		answer = stage.InBackground(func() (lectern.Message, error) {
			for given := range master.Gather(ctx, lectern.Text("all?"), lectern.WithTopic("gather")) {
				return given.Message, given.Err
			}
			return lectern.Message{}, nil
		})
		asked = is(slave, "all?", "gather")
		_, err = slave.Reply(ctx, asked, lectern.Text("me"), lectern.WithTopic("gathered"))
		require.NoError(t, err)
		require.Equal(t, "gathered", (<-answer).Value.Topic)
	})
}

func TestTopicsAreReplayed(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, one := s.User().Creates("abc123", "alice"), s.User()
		slave := one.Joins("abc123", "user_one")
		one.CutOff()
		_, err := master.Broadcast(stage.Within(t), lectern.Text("missed"), lectern.WithTopic("slide"))
		require.NoError(t, err)
		one.Bar(false)
		require.Equal(t, "slide", next(t, slave).Topic)
	})
}

// What is no topic is an error of the call, and nothing is sent.
func TestWhatIsNoTopic(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx := stage.Within(t)
		master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
		for topic, words := range map[string]string{
			"":                      "it is empty",
			"a\nb":                  "its character 2, U+000A",
			" a":                    "a space",
			"\xff":                  "not UTF-8",
			strings.Repeat("x", 65): "it has 65 bytes, and at most 64 are possible",
		} {
			wrong := lectern.WithTopic(topic)
			refused := func(err error) {
				t.Helper()
				require.ErrorIs(t, err, lectern.ErrBadFrame)
				require.ErrorContains(t, err, "WithTopic: ")
				require.ErrorContains(t, err, words)
			}
			sendsWith(t, master, slave, wrong, refused)
		}
		_, err := master.Broadcast(ctx, lectern.Text("x"), nil)
		require.ErrorContains(t, err, "an option is nil")
		receipt, err := master.Broadcast(ctx, lectern.Text("x"), lectern.WithTopic("x"))
		require.NoError(t, err)
		require.EqualValues(t, 1, receipt.Seq, "nothing was sent before")
	})
}

// By hand a topic that is none is refused with its name, and an empty one is none.
func TestTopicsByHand(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		alice.Send(`{"type":"send","ref":2,"channel":"abc123","topic":"a b","text":"x"}`)
		alice.Expect(`{"type":"ack","ref":2,"seq":1,"slaves":1}`)
		one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"topic":"a b","text":"x"}`)
		alice.Send(`{"type":"send","ref":3,"channel":"abc123","topic":"","text":"x"}`)
		alice.Expect(`{"type":"ack","ref":3,"seq":2,"slaves":1}`)
		one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":2,"text":"x"}`)
		for topic, words := range map[string]string{
			`"a\u0000b"`:                        "topic: its character 2, U+0000, ",
			`"` + strings.Repeat("x", 65) + `"`: "topic: it has 65 bytes",
			`7`:                                 "topic: not a string",
		} {
			answer := alice.Answer(`{"type":"send","ref":4,"channel":"abc123","topic":` + topic + `,"text":"x"}`)
			require.Contains(t, answer, `{"type":"error","ref":4,`)
			require.Contains(t, answer, `"code":"bad_frame","message":"`+words)
			alice.Send(`{"type":"ping","ref":5}`)
			alice.Expect(`{"type":"pong","ref":5}`)
		}
		// Without an instance, one under the same ref that is about something else is another.
		require.Contains(t, alice.Answer(`{"type":"send","ref":2,"channel":"abc123","topic":"a c","text":"x"}`), `"code":"bad_frame","message":"ref: `)
		alice.Send(`{"type":"send","ref":2,"channel":"abc123","topic":"a b","text":"x"}`)
		alice.Expect(`{"type":"ack","ref":2,"seq":1,"slaves":1}`)
	})
}

// sendsWith gives what comes of each call that sends, with the option, to check.
func sendsWith(t *testing.T, master *lectern.Master, slave *lectern.Slave, option lectern.SendOption, check func(error)) {
	t.Helper()
	ctx := stage.Within(t)
	_, err := master.Broadcast(ctx, lectern.Text("x"), option)
	check(err)
	_, err = master.Send(ctx, "user_one", lectern.Text("x"), option)
	check(err)
	_, err = master.Request(ctx, "user_one", lectern.Text("x"), option)
	check(err)
	for answer := range master.Gather(ctx, lectern.Text("x"), option) {
		check(answer.Err)
	}
	_, err = master.Reply(ctx, lectern.Message{RequestID: 1}, lectern.Text("x"), option)
	check(err)
	_, err = slave.Send(ctx, lectern.Text("x"), option)
	check(err)
	_, err = slave.Request(ctx, lectern.Text("x"), option)
	check(err)
	_, err = slave.Reply(ctx, lectern.Message{RequestID: 1}, lectern.Text("x"), option)
	check(err)
}
