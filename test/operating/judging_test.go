package operating

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/netconn"
	"github.com/lectern-go/lectern/transport/websocket"
)

// judge is an AuthorizeMessage that writes down what it is asked, and refuses by the text.
type judge struct {
	mu       sync.Mutex
	asked    []string
	refusals map[string]error
}

func (j *judge) authorize(_ context.Context, from lectern.Sender, m lectern.OutgoingMessage) error {
	words := []string{from.Username, "in", from.Channel}
	add := func(present bool, format string, values ...any) {
		if present {
			words = append(words, fmt.Sprintf(format, values...))
		}
	}
	add(from.Master, "master")
	add(len(from.Data) > 0, "data=%s", from.Data)
	add(m.To != "", "to=%s", m.To)
	add(m.Topic != "", "topic=%s", m.Topic)
	add(!m.Expires.IsZero(), "in %v", time.Until(m.Expires))
	add(m.Request, "request")
	add(m.ReplyTo != 0, "reply=%d", m.ReplyTo)
	if m.Declined != nil {
		add(true, "no=%s %s", m.Declined.Code, m.Declined.Message)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asked = append(j.asked, strings.Join(words, " ")+": "+m.Text())
	return j.refusals[m.Text()]
}

// were are the questions since the last call.
func (j *judge) were() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	asked := j.asked
	j.asked = nil
	return asked
}

// The service is asked about every message of every member, and what it refuses nobody gets:
// the sender alone is told, with the service's words.
func TestAuthorizeMessage(t *testing.T) {
	for _, inProcess := range []bool{false, true} {
		j := &judge{refusals: map[string]error{
			"rude":    lectern.ErrForbidden.WithText("not in this class"),
			"quota":   &lectern.Error{Code: "quota", Text: "three a day"},
			"broken":  errors.New("the database has no table words"),
			"kick me": fmt.Errorf("wrapped: %w", lectern.ErrKicked.WithText("go away")),
			"nil":     (*lectern.Error)(nil),
			"late":    fmt.Errorf("the words: %w", context.DeadlineExceeded),
			"there":   fmt.Errorf("the hub of the words: %w", lectern.ErrShuttingDown),
		}}
		policy := lectern.Policy{Authorize: dataOf, AuthorizeMessage: j.authorize}
		test := func(t *testing.T, s *stage.Stage) {
			var master *lectern.Master
			var slave *lectern.Slave
			if inProcess {
				var err error
				master, err = s.Hub.Create(stage.Within(t), "abc123", "alice", lectern.WithToken("a"))
				require.NoError(t, err)
				slave, err = s.Hub.Join(stage.Within(t), "abc123", "user_one", lectern.WithToken("b"))
				require.NoError(t, err)
			} else {
				master = s.User().Creates("abc123", "alice", lectern.WithToken("a"))
				slave = s.User().Joins("abc123", "user_one", lectern.WithToken("b"))
			}
			stage.NextPresence(t, master, "user_one", lectern.StateOnline)
			j.were()
			for text, want := range map[string]error{
				"rude": lectern.ErrForbidden, "quota": &lectern.Error{Code: "quota"}, "broken": lectern.ErrUnauthorized,
				"kick me": lectern.ErrUnauthorized, "nil": lectern.ErrUnauthorized, "late": lectern.ErrBusy,
				"there": lectern.ErrBusy, // and the client does not wait for the next hub
			} {
				_, err := slave.Send(stage.Within(t), lectern.Text(text))
				require.ErrorIs(t, err, want, text)
				require.NotContains(t, err.Error(), "database")
				_, err = master.Broadcast(stage.Within(t), lectern.Text(text))
				require.ErrorIs(t, err, want, text)
			}
			_, err := slave.Request(stage.Within(t), lectern.Text("rude"))
			require.ErrorIs(t, err, lectern.ErrForbidden)
			require.ErrorContains(t, err, "not in this class")
			require.NoError(t, slave.Err())
			j.were()

			answered := make(chan error, 1)
			go func() {
				answer, err := slave.Request(stage.Within(t), lectern.Text("may I?"), lectern.WithTopic("door"), lectern.WithExpiry(time.Minute))
				if err == nil && answer.Text() != "you may" {
					err = errors.New(answer.Text())
				}
				answered <- err
			}()
			question := stage.NextText(t, master, "may I?")
			require.EqualValues(t, 1, question.Seq, "what was refused has no number")
			_, err = master.Reply(stage.Within(t), question, lectern.Text("rude"))
			require.ErrorIs(t, err, lectern.ErrForbidden)
			_, err = master.Reply(stage.Within(t), question, lectern.Text("you may"))
			require.NoError(t, err, "a refused answer was none")
			require.NoError(t, <-answered)
			stage.Tell(t, master, "user_one", "hello")
			stage.Receive(t, slave, "hello")
			stage.Broadcast(t, master, "hello, all")
			stage.Receive(t, slave, "hello, all")
			require.Equal(t, []string{
				"user_one in abc123 data=b topic=door in 1m0s request: may I?",
				"alice in abc123 master data=a to=user_one reply=1: rude",
				"alice in abc123 master data=a to=user_one reply=1: you may",
				"alice in abc123 master data=a to=user_one: hello",
				"alice in abc123 master data=a: hello, all",
			}, j.were())

			go func() {
				_, err := master.Request(stage.Within(t), "user_one", lectern.Text("will you?"))
				answered <- err
			}()
			_, err = slave.Decline(stage.Within(t), stage.NextText(t, slave, "will you?"), "no", "not now")
			require.NoError(t, err)
			var no *lectern.DeclinedError
			require.ErrorAs(t, <-answered, &no)
			require.Equal(t, []string{
				"alice in abc123 master data=a to=user_one request: will you?", "user_one in abc123 data=b reply=4 no=no not now: ",
			}, j.were())

			// What is refused anyway it is not asked about.
			_, err = master.Send(stage.Within(t), "nobody", lectern.Text("x"))
			require.ErrorIs(t, err, lectern.ErrNoSuchSlave)
			_, err = master.Reply(stage.Within(t), question, lectern.Text("twice"))
			require.ErrorIs(t, err, lectern.ErrNoSuchRequest)
			require.Empty(t, j.were())
		}
		if inProcess {
			stage.InBubble(t, policy, test)
			continue
		}
		stage.InVirtualTime(t, policy, test)
	}
}

// A message that is sent again is answered as before, refused or accepted, and the service is not
// asked about it again: on the same connection, and on another one.
func TestAuthorizeMessageOnceForEachRef(t *testing.T) {
	j := &judge{refusals: map[string]error{"rude": lectern.ErrForbidden.WithText("not here")}}
	stage.InVirtualTime(t, lectern.Policy{AuthorizeMessage: j.authorize}, func(t *testing.T, s *stage.Stage) {
		_, one := s.Pair()
		const rude = `{"type":"send","ref":2,"channel":"abc123","text":"rude"}`
		const kind = `{"type":"send","ref":3,"channel":"abc123","text":"kind"}`
		const refused = `{"type":"error","ref":2,"channel":"abc123","code":"forbidden","message":"not here"}`
		const accepted = `{"type":"ack","ref":3,"seq":1}`
		for range 2 {
			require.Equal(t, refused, one.Answer(rude))
			require.Equal(t, accepted, one.Answer(kind))
		}
		again := s.Raw()
		again.Send(`{"type":"resume","ref":9,"channel":"abc123","username":"user_one","resume":"` + one.Secret + `"}`)
		_, err := again.Read()
		require.NoError(t, err)
		require.Equal(t, refused, again.Answer(rude))
		require.Equal(t, accepted, again.Answer(kind))
		require.Equal(t, []string{"user_one in abc123: rude", "user_one in abc123: kind"}, j.were())

		// Nor about what is no message that may be sent.
		again.Refused(`{"type":"send","ref":10,"channel":"abc123","to":"alice","text":"x"}`, lectern.ErrForbidden)
		again.Refused(`{"type":"send","ref":11,"channel":"abc123","text":"`+strings.Repeat("x", 65<<10)+`"}`, lectern.ErrTooLarge)
		again.Refused(`{"type":"send","ref":3,"channel":"abc123","text":"another"}`, lectern.ErrBadFrame)
		again.Refused(`{"type":"send","ref":12,"channel":"abc124","text":"x"}`, lectern.ErrNotAMember)
		require.Empty(t, j.were())
	})
}

// One that takes its time holds up what comes behind on its connection, for HandshakeTimeout at
// the longest, and nobody else.
func TestAuthorizeMessageTakesItsTime(t *testing.T) {
	policy := lectern.Policy{AuthorizeMessage: func(ctx context.Context, _ lectern.Sender, m lectern.OutgoingMessage) error {
		if m.Text() == "slow" {
			<-ctx.Done()
			return fmt.Errorf("too late: %w", ctx.Err())
		}
		return nil
	}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		one, two := s.User().Joins("abc123", "user_one"), s.User().Joins("abc123", "user_two")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		stage.NextPresence(t, master, "user_two", lectern.StateOnline)
		began := time.Now()
		slow := make(chan error, 1)
		go func() {
			_, err := one.Send(stage.Within(t), lectern.Text("slow"))
			slow <- err
		}()
		synctest.Wait()
		stage.Broadcast(t, master, "hello")
		stage.Receive(t, one, "hello")
		stage.Receive(t, two, "hello")
		stage.Say(t, two, "hi")
		stage.NextText(t, master, "hi")
		require.Equal(t, began, time.Now())
		stage.Say(t, one, "behind it")
		require.Equal(t, began.Add(10*time.Second), time.Now())
		err := <-slow
		require.ErrorIs(t, err, lectern.ErrBusy)
		require.ErrorContains(t, err, "the service cannot say")
		require.EqualValues(t, 2, stage.NextText(t, master, "behind it").Seq)
	})
}

// A service may call what it refuses a bad_frame. That says nothing of the frames of who has sent
// it: however often, its connection stays, and nobody else notices.
func TestTheServicesBadFramesAreNoMalformedFrames(t *testing.T) {
	bad := lectern.ErrBadFrame.WithText("there is no such answer")
	policy := lectern.Policy{
		Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
			if r.Channel == "of nobody" {
				return lectern.Identity{}, bad
			}
			return lectern.Identity{AsAsked: true}, nil
		},
		AuthorizeMessage: func(_ context.Context, from lectern.Sender, _ lectern.OutgoingMessage) error {
			if from.Master {
				return nil
			}
			return bad
		},
		Name: func(_ lectern.NameKind, name string) (string, error) {
			if name == "nobody" {
				return "", bad
			}
			return name, nil
		},
	}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		raw := s.Raw()
		raw.Send(`{"type":"join","ref":1,"channel":"abc123","username":"user_one"}`)
		raw.Expect(`{"type":"joined","ref":1,"channel":"abc123","username":"user_one","resume":"*","epoch":1,"master":{"username":"alice","state":"online"},"master_timeout_ms":30000}`)
		for ref, frame := range []string{
			`{"type":"send","ref":%d,"channel":"abc123","text":"x"}`,
			`{"type":"set","ref":%d,"channel":"abc123","key":"k","text":"v"}`,
			`{"type":"join","ref":%d,"channel":"of nobody","username":"user_one"}`,
			`{"type":"join","ref":%d,"channel":"abc124","username":"nobody"}`,
		} {
			for n := range 4 {
				raw.Send(fmt.Sprintf(frame, 10*(ref+1)+n))
				answer, err := raw.Read()
				require.NoError(t, err)
				require.Contains(t, answer, "there is no such answer")
			}
		}
		// Of its own it may have as many as ever.
		raw.Send(`{"type":"send"}`, `{"type":"send"}`)
		for range 2 {
			answer, err := raw.Read()
			require.NoError(t, err)
			require.Contains(t, answer, "bad_frame")
		}
		raw.Send(`{"type":"send","ref":60,"channel":"abc123","text":"x"}`, `{"type":"send"}`, `{"type":"send"}`, `{"type":"send"}`)
		var err error
		for err == nil {
			_, err = raw.Read()
		}
		require.ErrorContains(t, err, "protocol_error")
	})
}

// What the service has refused so, and whose answers were lost, is sent again behind a resume, and refused as
// before: that says nothing of the peer's frames either.
func TestTheServicesBadFramesAfterAResume(t *testing.T) {
	policy := lectern.Policy{AuthorizeMessage: func(context.Context, lectern.Sender, lectern.OutgoingMessage) error {
		return lectern.ErrBadFrame.WithText("there is no such answer")
	}}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		sends := func(peer *stage.Raw) {
			for ref := 2; ref < 8; ref++ {
				frame := `{"type":"send","ref":%d,"channel":"abc123","text":"x"}`
				if ref%2 == 0 {
					frame = `{"type":"set","ref":%d,"channel":"abc123","key":"k","text":"x"}`
				}
				peer.Send(fmt.Sprintf(frame, ref))
				peer.Expect(fmt.Sprintf(`{"type":"error","ref":%d,"channel":"abc123","code":"bad_frame","message":"there is no such answer"}`, ref))
			}
		}
		sends(one)
		one.Plug.Cut()
		alice.Expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"away"}`)
		again := s.Raw()
		again.Send(`{"type":"resume","ref":8,"channel":"abc123","username":"user_one","resume":"` + one.Secret + `"}`)
		again.Expect(stage.OneResumed(8))
		sends(again)
		// Another one under the same ref is the peer's own, and so often it may be.
		for range 2 {
			again.Refused(`{"type":"send","ref":7,"channel":"abc123","text":"another"}`, lectern.ErrBadFrame)
		}
		again.Send(`{"type":"send","ref":7,"channel":"abc123","text":"another"}`)
		again.ClosedAfter(transport.ProtocolError)
	})
}

// Row I12: one that panics has refused, is logged, and nobody else notices.
func TestAuthorizeMessagePanics(t *testing.T) {
	var log stage.LockedBuffer
	policy := lectern.Policy{
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
		AuthorizeMessage: func(_ context.Context, _ lectern.Sender, m lectern.OutgoingMessage) error {
			switch m.Text() {
			case "boom":
				panic("a mistake of the service")
			case "no":
				return errors.New("for a reason of its own")
			}
			return nil
		},
	}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
		_, err := slave.Send(stage.Within(t), lectern.Text("boom"))
		require.ErrorIs(t, err, lectern.ErrBusy)
		require.NotContains(t, err.Error(), "mistake")
		_, err = slave.Send(stage.Within(t), lectern.Text("no"))
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		stage.Broadcast(t, master, "as if nothing had been")
		stage.Receive(t, slave, "as if nothing had been")
		require.Contains(t, log.Text(), "a mistake of the service")
		require.Contains(t, log.Text(), "for a reason of its own")
		require.NotContains(t, log.Text(), "as if nothing had been")
	})
}

// It may do anything to the hub, to the very channel and sender too.
func TestAuthorizeMessageCallsTheHub(t *testing.T) {
	for _, slow := range []lectern.Slow{lectern.SlowDisconnect, lectern.SlowHold} {
		var hub *lectern.Hub
		policy := lectern.Policy{Slow: slow, AuthorizeMessage: func(_ context.Context, from lectern.Sender, m lectern.OutgoingMessage) error {
			channel, ok := hub.Channel(from.Channel)
			if !ok {
				return errors.New("no channel")
			}
			if shot, _ := channel.Snapshot(); shot.Master.Username != "alice" {
				return errors.New("no master")
			}
			switch m.Text() {
			case "kick me":
				return channel.Kick(from.Username, "as you wish") // and the message is one of nobody's
			case "close":
				return channel.Close("as you wish")
			}
			return nil
		}}
		stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
			hub = s.Hub
			master, one := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
			_, err := one.Send(stage.Within(t), lectern.Text("kick me"))
			require.Error(t, err)
			stage.Ended(t, one, lectern.ErrKicked)
			stage.Broadcast(t, master, "still here")
			_, err = master.Broadcast(stage.Within(t), lectern.Text("close"))
			require.Error(t, err)
			stage.Ended(t, master, lectern.ErrChannelClosed)
		})
	}
}

// What is asked when the hub shuts down is not refused: it is for the hub that takes its place,
// which asks anew.
func TestAuthorizeMessageAtShutdown(t *testing.T) {
	stage.OneHub(t, "the one hub shuts down; of a cluster, its clients go to another one")
	policy := lectern.Policy{AuthorizeMessage: func(ctx context.Context, _ lectern.Sender, _ lectern.OutgoingMessage) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		peers := []*stage.Raw{alice, one}
		for _, peer := range peers {
			peer.Send(`{"type":"send","ref":2,"channel":"abc123","text":"x"}`)
		}
		synctest.Wait()
		began := time.Now()
		go func() { _ = s.Hub.Shutdown(stage.Within(t)) }()
		told := 0 // the connection that is closed first may be closed before the answer
		for _, peer := range peers {
			for {
				frame, err := peer.Read()
				if err != nil {
					require.ErrorContains(t, err, "the hub shuts down")
					break
				}
				if strings.Contains(frame, `"ref":2`) {
					require.Contains(t, frame, `"code":"shutting_down"`)
					told++
				}
			}
		}
		require.NotZero(t, told)
		require.Less(t, time.Since(began), time.Second, "its context has ended")
	})
}

// What an adapter knows of the sender is there to read, also where there is no Authorize.
func TestAuthorizeMessageSeesThePeer(t *testing.T) {
	seen := make(chan bool, 1)
	policy := lectern.Policy{AuthorizeMessage: func(ctx context.Context, _ lectern.Sender, _ lectern.OutgoingMessage) error {
		_, overWebSocket := websocket.RequestFromContext(ctx)
		_, overNetconn := netconn.ConnFromContext(ctx)
		seen <- overWebSocket || overNetconn
		return nil
	}}
	stage.OverEach(t, stage.InMemory[1:], policy, func(t *testing.T, s *stage.Stage) {
		stage.Broadcast(t, s.User().Creates("abc123", "alice"), "hello")
		require.True(t, <-seen)
	})
}
