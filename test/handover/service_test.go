package handover

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// asking is a policy whose service says of a successor what the function says.
func asking(answer func(context.Context) (lectern.Identity, error)) lectern.Policy {
	return lectern.Policy{Authorize: func(ctx context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		if r.Operation == lectern.OpMaster {
			return answer(ctx)
		}
		return lectern.Identity{AsAsked: true}, nil
	}}
}

// untilItEnds is a service that says nothing until it is not asked any more.
func untilItEnds(ctx context.Context) (lectern.Identity, error) {
	<-ctx.Done()
	return lectern.Identity{}, ctx.Err()
}

// A service that does not say in time whether somebody may be the master holds up the connection of the master that
// asks for it alone, and for HandshakeTimeout; and nothing has changed.
func TestAServiceThatDoesNotSayWhoMayBeTheMaster(t *testing.T) {
	policy := asking(untilItEnds)
	policy.HandshakeTimeout = 7 * time.Second
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		master, one, two := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "one"), s.User().Joins("abc123", "two")
		channel, _ := s.Hub.Channel("abc123")
		meanwhile := func(word string) {
			synctest.Wait()
			stage.Say(t, one, "from one, "+word)
			stage.Say(t, two, "from two, "+word)
			for {
				if m, ok := stage.Next(t, master).(lectern.Message); ok && m.Text() == "from two, "+word {
					break
				}
			}
			_, err := channel.Send(stage.Within(t), "one", lectern.Text(word))
			require.NoError(t, err)
			stage.NextText(t, one, word)
		}
		began := time.Now()
		handing := stage.InBackground(func() (*lectern.Slave, error) { return master.HandOver(stage.Within(t), "one", true) })
		meanwhile("while its master asks")
		require.ErrorIs(t, (<-handing).Err, lectern.ErrBusy)
		require.Equal(t, 7*time.Second, time.Since(began))

		setting := func(ctx context.Context) <-chan stage.Outcome[time.Time] {
			return stage.InBackground(func() (time.Time, error) {
				err := channel.SetMaster(ctx, "one")
				return time.Now(), err
			})
		}
		began = time.Now()
		set := setting(t.Context())
		meanwhile("while the service sets")
		outcome := <-set
		require.ErrorIs(t, outcome.Err, lectern.ErrBusy)
		require.Equal(t, 7*time.Second, outcome.Value.Sub(began))

		// Whose own time is over is told so.
		began = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		outcome = <-setting(ctx)
		require.ErrorIs(t, outcome.Err, context.DeadlineExceeded)
		require.Equal(t, time.Second, outcome.Value.Sub(began))
		ctx, cancel = context.WithCancel(t.Context())
		set = setting(ctx)
		synctest.Wait()
		cancel()
		require.ErrorIs(t, (<-set).Err, context.Canceled)
		stage.Broadcast(t, master, "still here")
		stage.NextText(t, two, "still here")
	})
}

// A hub that ends does not wait for what the service says of a successor: it is asked no more, and the answer is that
// of the hub.
func TestAHubThatEndsWhileASuccessorIsAskedAbout(t *testing.T) {
	stage.OneHub(t, "it is one hub that ends")
	for _, timeout := range []time.Duration{0, -1} {
		policy := asking(untilItEnds)
		policy.HandshakeTimeout = timeout
		stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
			alice, _ := s.Pair()
			channel, _ := s.Hub.Channel("abc123")
			set := stage.InBackground(func() (any, error) { return nil, channel.SetMaster(t.Context(), "user_one") })
			alice.Send(`{"type":"hand_over","ref":2,"channel":"abc123","to":"user_one","stay":true}`,
				`{"type":"hand_over","ref":3,"channel":"abc123","to":"user_one","stay":true}`)
			synctest.Wait()
			began := time.Now()
			stopped := stage.InBackground(func() (any, error) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				return nil, s.Hub.Shutdown(ctx)
			})
			require.ErrorIs(t, (<-set).Err, lectern.ErrShuttingDown)
			require.Less(t, time.Since(began), time.Second)
			for {
				frame, err := alice.Read()
				if err != nil {
					require.ErrorContains(t, err, "the hub shuts down")
					break
				}
				if strings.Contains(frame, `"type":"error"`) {
					require.Contains(t, frame, `"code":"shutting_down"`)
				}
			}
			require.NoError(t, (<-stopped).Err)
			require.ErrorIs(t, channel.SetMaster(t.Context(), "user_one"), lectern.ErrShuttingDown)
		})
	}
}

// The service's words for a refusal say nothing of the frames of the master that has asked, nor of those of the one that it is
// about: a bad_frame costs neither its connection, and takes nothing from what either has sent itself.
func TestAMasterStaysWhoseSuccessorIsABadFrame(t *testing.T) {
	policy := asking(func(context.Context) (lectern.Identity, error) {
		return lectern.Identity{}, lectern.ErrBadFrame.WithText("there is no such teacher")
	})
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		channel, _ := s.Hub.Channel("abc123")
		for ref := range 5 {
			alice.Send(fmt.Sprintf(`{"type":"hand_over","ref":%d,"channel":"abc123","to":"user_one","stay":true}`, ref+2))
			alice.Expect(fmt.Sprintf(`{"type":"error","ref":%d,"channel":"abc123","code":"bad_frame","message":"there is no such teacher"}`, ref+2))
		}
		alice.Refused(`{"type":"send"}`, lectern.ErrBadFrame)
		alice.Refused(`{"type":"send"}`, lectern.ErrBadFrame)
		one.Refused(`{"type":"send"}`, lectern.ErrBadFrame)
		one.Refused(`{"type":"send"}`, lectern.ErrBadFrame)
		for range 5 {
			err := channel.SetMaster(t.Context(), "user_one")
			require.ErrorIs(t, err, lectern.ErrBadFrame)
			require.ErrorContains(t, err, "there is no such teacher")
		}
		require.Equal(t, `{"type":"pong","ref":9}`, alice.Answer(`{"type":"ping","ref":9}`))
		one.Send(`{"type":"send"}`)
		one.ClosedAfter(transport.ProtocolError)
	})
}

// A message that the service is asked about while its sender becomes the master, or is it no more, has not been sent:
// whatever the service says of it then (rules 5 and 6).
func TestWhatTheServiceIsAskedAboutDuringAHandOver(t *testing.T) {
	for _, name := range []string{"allowed", "refused", "panic"} {
		for _, stays := range []bool{true, false} {
			var asked, says chan struct{}
			policy := lectern.Policy{AuthorizeMessage: func(_ context.Context, _ lectern.Sender, m lectern.OutgoingMessage) error {
				if m.Text() != "asked about" {
					return nil
				}
				asked <- struct{}{}
				<-says
				switch name {
				case "refused":
					return lectern.ErrUnauthorized
				case "panic":
					panic("out of order")
				}
				return nil
			}}
			stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
				asked, says = make(chan struct{}), make(chan struct{})
				alice, one := s.Pair()
				two := s.Raw()
				two.Send(`{"type":"join","ref":1,"channel":"abc123","username":"two"}`)
				_, err := two.Read()
				require.NoError(t, err)
				alice.Expect(stage.Online("two", 2))

				// The slave that becomes the master: by the master's word, or the service's.
				one.Send(`{"type":"send","ref":2,"channel":"abc123","text":"asked about"}`)
				<-asked
				if stays {
					alice.Send(`{"type":"hand_over","ref":2,"channel":"abc123","to":"user_one","stay":true}`)
					alice.Expect(`{"type":"joined","channel":"abc123","username":"alice","resume":"*","epoch":2,"master":{"username":"user_one","state":"online"},"master_timeout_ms":30000}`,
						`{"type":"ack","ref":2}`)
				} else {
					channel, _ := s.Hub.Channel("abc123")
					require.NoError(t, channel.SetMaster(t.Context(), "user_one"))
					alice.ClosedAfter(transport.HandedOver)
				}
				two.Expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"master","state":"online"}`)
				created, err := one.Read()
				require.NoError(t, err)
				require.Contains(t, created, `{"type":"created","channel":"abc123","username":"user_one"`)
				says <- struct{}{}
				refused, err := one.Read()
				require.NoError(t, err)
				require.Contains(t, refused, `{"type":"error","ref":2,"channel":"abc123","code":"role_changed"`)

				// The master that is it no more.
				one.Send(`{"type":"send","ref":3,"channel":"abc123","epoch":2,"text":"asked about"}`)
				<-asked
				channel, _ := s.Hub.Channel("abc123")
				require.NoError(t, channel.SetMaster(t.Context(), "two"))
				says <- struct{}{}
				one.ClosedAfter(transport.HandedOver)
				created, err = two.Read()
				require.NoError(t, err)
				require.Contains(t, created, `{"type":"created","channel":"abc123","username":"two"`)
				two.Send(`{"type":"send","ref":4,"channel":"abc123","epoch":3,"text":"at last"}`)
				_, err = two.Read() // the answer, and nothing before it
				require.NoError(t, err)
				if stays {
					alice.Expect(`{"type":"presence","channel":"abc123","username":"two","role":"master","state":"online"}`,
						`{"type":"message","channel":"abc123","from":"two","seq":1,"text":"at last"}`)
				}
			})
		}
	}
}
