package operating

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
	"github.com/lectern-go/lectern/transport/netconn"
	"github.com/lectern-go/lectern/transport/websocket"
)

func TestAuthorizeRefusesAndRenames(t *testing.T) {
	policy := lectern.Policy{Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		switch r.Token {
		case "busy":
			return lectern.Identity{}, lectern.ErrBusy
		case "broken":
			return lectern.Identity{}, errors.New("the database has no table users")
		case "nameless":
			return lectern.Identity{Username: "\x00"}, nil
		case "":
			return lectern.Identity{AsAsked: true}, nil
		}
		return lectern.Identity{Username: "Dr " + r.Token}, nil
	}}
	stage.Everywhere(t, policy, func(t *testing.T, s *stage.Stage) {
		alice, one := s.User(), s.User()
		_, err := alice.Create(stage.Within(t), "abc123", "alice", lectern.WithToken("busy"))
		require.ErrorIs(t, err, lectern.ErrBusy)
		_, err = alice.Create(stage.Within(t), "abc123", "alice", lectern.WithToken("broken"))
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		require.NotContains(t, err.Error(), "database", "a stranger learns what is not its business")
		_, err = alice.Create(stage.Within(t), "abc123", "alice", lectern.WithToken("nameless"))
		require.ErrorIs(t, err, lectern.ErrUnauthorized)

		master := alice.Creates("abc123", "alice", lectern.WithToken("A"))
		require.Equal(t, "Dr A", master.Username())
		slave := one.Joins("abc123", "user_one", lectern.WithToken("B"), lectern.WithMaster("Dr A"))
		require.Equal(t, "Dr B", slave.Username())
		require.Equal(t, "Dr A", slave.Master().Username)
		stage.NextPresence(t, master, "Dr B", lectern.StateOnline)
		stage.Tell(t, master, "Dr B", "hello")
		stage.Receive(t, slave, "hello")
		stage.Say(t, slave, "hi")
		require.Equal(t, "Dr B", stage.NextText(t, master, "hi").From)

		_, err = s.User().Join(stage.Within(t), "abc123", "x", lectern.WithToken("B"))
		require.ErrorIs(t, err, lectern.ErrNameTaken, "the name that counts is the one given")
		// The name given counts after a loss too.
		// Back before the hub has noticed, nobody would be told of anything.
		one.CutOff()
		stage.NextPresence(t, master, "Dr B", lectern.StateAway)
		one.Bar(false)
		stage.NextPresence(t, master, "Dr B", lectern.StateOnline)
		stage.Say(t, slave, "hi again")
		stage.NextText(t, master, "hi again")
	})
}

// Authorize may take its time: it holds up the connection that asks, and nobody
// else.
func TestAuthorizeTakesItsTime(t *testing.T) {
	policy := lectern.Policy{Authorize: func(ctx context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		if r.Token == "slow" {
			<-ctx.Done()
			return lectern.Identity{}, ctx.Err()
		}
		return lectern.Identity{AsAsked: true}, nil
	}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		one := s.User().Joins("abc123", "user_one")
		slow := s.User()
		began := time.Now()
		answer := make(chan error, 1)
		go func() {
			_, err := slow.Join(stage.Within(t), "abc123", "user_two", lectern.WithToken("slow"))
			answer <- err
		}()
		synctest.Wait()
		two := s.User().Joins("abc123", "user_two") // the name is not held for the slow one
		stage.Broadcast(t, master, "hello")
		stage.Receive(t, one, "hello")
		stage.Receive(t, two, "hello")
		require.Equal(t, began, time.Now())

		err := <-answer // its context ended
		require.Error(t, err)
		require.Equal(t, began.Add(10*time.Second), time.Now())
	})
}

// The hub's end does not wait for an Authorize that waits for its context.
func TestShutdownEndsAuthorize(t *testing.T) {
	for _, end := range []struct {
		name string
		end  func(hub *lectern.Hub) error
	}{
		{"Close", (*lectern.Hub).Close},
		{"Shutdown", func(hub *lectern.Hub) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := hub.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			return nil
		}},
	} {
		t.Run(end.name, func(t *testing.T) {
			policy := lectern.Policy{Authorize: func(ctx context.Context, _ lectern.AuthRequest) (lectern.Identity, error) {
				<-ctx.Done()
				return lectern.Identity{}, ctx.Err()
			}}
			stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
				alice := s.User()
				answer := make(chan error, 1)
				go func() {
					_, err := alice.Create(stage.Within(t), "abc123", "alice")
					answer <- err
				}()
				synctest.Wait()
				began := time.Now()
				require.NoError(t, end.end(s.Hub))
				require.LessOrEqual(t, time.Since(began), 4*time.Second)
				require.NoError(t, alice.Close())
				require.Error(t, <-answer)
			})
		})
	}
}

// What an adapter knows of its peer is there for Authorize to read.
func TestAuthorizeSeesThePeer(t *testing.T) {
	type key struct{}
	seen := make(chan any, 1)
	policy := lectern.Policy{Authorize: func(ctx context.Context, _ lectern.AuthRequest) (lectern.Identity, error) {
		if r, ok := websocket.RequestFromContext(ctx); ok {
			seen <- r
		} else if c, ok := netconn.ConnFromContext(ctx); ok {
			seen <- c
		} else {
			seen <- ctx.Value(key{})
		}
		return lectern.Identity{AsAsked: true}, nil
	}}
	hub, err := lectern.NewHub(policy)
	require.NoError(t, err)
	defer hub.Close()
	_, err = hub.Create(context.WithValue(t.Context(), key{}, "from within"), "abc123", "alice")
	require.NoError(t, err)
	require.Equal(t, "from within", <-seen)

	for _, n := range stage.OnLoopback {
		s := stage.New(t, n, policy)
		s.User().Creates("abc123", "alice")
		switch peer := (<-seen).(type) {
		case *http.Request:
			require.Equal(t, "/ws", peer.URL.Path)
		case net.Conn:
			require.NotNil(t, peer.RemoteAddr())
		default:
			require.Fail(t, "Authorize has seen nothing", "%T", peer)
		}
	}
}

// Row G9: tokens and secrets are nowhere in the log.
func TestSecretsAreNotLogged(t *testing.T) {
	var log stage.LockedBuffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 10}))
	policy := lectern.Policy{Logger: logger, Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		if r.Token != "open-sesame" {
			return lectern.Identity{}, errors.New("no: " + r.Token)
		}
		return lectern.Identity{AsAsked: true}, nil
	}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := s.UserWith(lectern.ClientOptions{Logger: logger})
		one := s.UserWith(lectern.ClientOptions{Logger: logger})
		_, err := alice.Create(stage.Within(t), "abc123", "alice", lectern.WithToken("open-barley"))
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		master := alice.Creates("abc123", "alice", lectern.WithToken("open-sesame"))
		slave := one.Joins("abc123", "user_one", lectern.WithToken("open-sesame"))
		alice.Plug().Cut()
		one.Plug().Cut()
		stage.Broadcast(t, master, "hello, all")
		stage.Receive(t, slave, "hello, all")
		synctest.Wait() // in a cluster all hubs know where the channel is by now
		peer := s.Raw()
		peer.Refused(`{"type":"resume","channel":"abc123","username":"alice","resume":"open-barley"}`, lectern.ErrResumeFailed)
		peer.Refused(`{"type":"join","channel":"abc123","token":"open-barley"`, lectern.ErrBadFrame)
		logger.Info("handles", "ticket", slave.Ticket(), "pointer", master.Ticket())
		secrets := []string{master.Ticket().Secret, slave.Ticket().Secret}
		require.NoError(t, slave.Leave())
		require.NoError(t, master.Close())
		for _, secret := range append(secrets, "open-sesame", "open-barley", "hello, all") {
			require.NotEmpty(t, secret)
			require.False(t, strings.Contains(log.Text(), secret), "%q is in the log", secret)
		}
		require.Contains(t, log.Text(), "abc123")
	})
}

// Row I12: an Authorize that panics has refused, and nobody else notices.
func TestAuthorizePanics(t *testing.T) {
	var log stage.LockedBuffer
	policy := lectern.Policy{
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
			if r.Token == "boom" {
				panic("a mistake of the service")
			}
			return lectern.Identity{AsAsked: true}, nil
		},
	}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		user := s.User()
		_, err := user.Join(stage.Within(t), "abc123", "user_one", lectern.WithToken("boom"))
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		require.NotContains(t, err.Error(), "mistake")
		slave := user.Joins("abc123", "user_one")
		stage.Broadcast(t, master, "as if nothing had been")
		stage.Receive(t, slave, "as if nothing had been")
		require.Contains(t, log.Text(), "a mistake of the service")
	})
}

// Row G9: an AuthRequest can be logged.
func TestRequestsHideTheirToken(t *testing.T) {
	var log stage.LockedBuffer
	request := lectern.AuthRequest{Operation: lectern.OpJoin, Channel: "abc123", Username: "alice", Token: "the-token"}
	slog.New(slog.NewJSONHandler(&log, nil)).Info("asked", "request", request)
	for _, text := range []string{fmt.Sprint(request), fmt.Sprintf("%+v", request), fmt.Sprintf("%#v", request), log.Text()} {
		require.Contains(t, text, "alice")
		require.NotContains(t, text, "the-token")
	}
	require.NotContains(t, fmt.Sprintf("%+v %#[1]v", lectern.WithToken("the-token")), "the-token")
}

// A nil *Error in an error is not nil, as Go has it: it refuses, and costs nobody
// anything.
func TestAuthorizeReturnsANilError(t *testing.T) {
	policy := lectern.Policy{Authorize: func(context.Context, lectern.AuthRequest) (lectern.Identity, error) {
		var none *lectern.Error
		return lectern.Identity{}, none
	}}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		_, err := s.User().Create(stage.Within(t), "abc123", "alice")
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
	})
}

// A service refuses in words of its own, and with codes of its own. What would read as
// the end of a membership is a refusal all the same.
func TestAuthorizeRefusesInItsOwnWords(t *testing.T) {
	refusals := map[string]error{
		"words":    lectern.ErrUnauthorized.WithText("the lesson begins at nine"),
		"own":      &lectern.Error{Code: "quota", Text: "three classes a day"},
		"wrapped":  fmt.Errorf("the database: %w", lectern.ErrBusy.WithText("try again at ten")),
		"no code":  &lectern.Error{Text: "nothing to say"},
		"replaced": lectern.ErrReplaced, "kicked": lectern.ErrKicked.WithText("go away"), "left": lectern.ErrLeft,
		"master_left": lectern.ErrMasterLeft, "master_down": lectern.ErrMasterDown, "closed": lectern.ErrChannelClosed,
		"shutdown": lectern.ErrShutdown, "resume_failed": lectern.ErrResumeFailed,
	}
	policy := lectern.Policy{Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		return lectern.Identity{AsAsked: true}, refusals[r.Token]
	}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := s.Raw()
		const plain = `"code":"unauthorized","message":"the service does not allow \"alice\" this create of \"abc123\""`
		for token, want := range map[string]string{
			"words":    `"code":"unauthorized","message":"the lesson begins at nine"`,
			"own":      `"code":"quota","message":"three classes a day"`,
			"wrapped":  `"code":"busy","message":"try again at ten"`,
			"no code":  `"code":"unauthorized","message":"nothing to say"`,
			"replaced": plain, "kicked": `"code":"unauthorized","message":"go away"`, "left": plain,
			"master_left": plain, "master_down": plain, "closed": plain, "shutdown": plain, "resume_failed": plain,
		} {
			alice.Send(`{"type":"create","ref":7,"channel":"abc123","username":"alice","token":"` + token + `"}`)
			alice.Expect(`{"type":"error","ref":7,"channel":"abc123",` + want + `}`)
		}
		alice.Send(stage.AliceCreates)
		alice.Expect(stage.AliceCreated)

		_, err := s.User().Join(stage.Within(t), "abc123", "user_one", lectern.WithToken("words"))
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		require.ErrorContains(t, err, "the lesson begins at nine")
	})
	require.Empty(t, lectern.ErrUnauthorized.Text, "the variable stays as it is")
}

type userKey struct{}

// A client's connection is for all that it enters, so the contexts of its calls do not reach
// Authorize, while those of a hub's own handles do. A dialer over memory carries them, also
// when the client comes back.
func TestValuesForAuthorize(t *testing.T) {
	var users []any
	policy := lectern.Policy{Authorize: func(ctx context.Context, _ lectern.AuthRequest) (lectern.Identity, error) {
		users = append(users, ctx.Value(userKey{}))
		return lectern.Identity{AsAsked: true}, nil
	}}
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(policy)
		require.NoError(t, err)
		defer hub.Close()
		listener := memory.Listen(hub, memory.Options{})
		defer listener.Close()
		ctx := context.WithValue(t.Context(), userKey{}, "of the call")
		alice := context.WithValue(t.Context(), userKey{}, "alice")

		_, err = hub.Create(ctx, "own", "service")
		require.NoError(t, err)
		for _, dialer := range []transport.Dialer{
			listener, hub, memory.WithValues(alice, listener), memory.WithValues(alice, hub),
		} {
			client := lectern.NewClient(dialer, lectern.ClientOptions{})
			_, err = client.Create(ctx, "abc123", "alice")
			require.NoError(t, err)
			require.NoError(t, client.Close())
			synctest.Wait() // the hub has heard of it
		}
		client := lectern.NewClient(memory.WithValues(alice, listener), lectern.ClientOptions{MinBackoff: time.Millisecond})
		defer client.Close()
		_, err = client.Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		synctest.Wait()
		listener.Conns()[0].Cut()
		time.Sleep(time.Second)
		_, err = client.Join(ctx, "own", "alice")
		require.NoError(t, err)
	})
	require.Equal(t, []any{"of the call", nil, nil, "alice", "alice", "alice", "alice"}, users)
}
