package operating

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport/websocket"
)

// lines are the lines of a log, and what they say.
func lines(t *testing.T, log *stage.LockedBuffer, message string) (found []map[string]any) {
	t.Helper()
	for line := range strings.Lines(log.Text()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		if fields["msg"] == message {
			found = append(found, fields)
		}
	}
	return found
}

func logTo(log *stage.LockedBuffer) *slog.Logger { return slog.New(slog.NewJSONHandler(log, nil)) }

// Whoever runs a hub reads in its log why somebody has left, and what belongs together: the
// lines about one connection have its number, and its peer's address where there is one.
func TestTheLogTellsWhoAndWhy(t *testing.T) {
	stage.OneHub(t, "a hub has the events of what it decides, and the number of its own connections")
	var log stage.LockedBuffer
	stage.InVirtualTime(t, lectern.Policy{Logger: logTo(&log), SlaveTimeout: time.Second}, func(t *testing.T, s *stage.Stage) {
		log.Reset()
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		left := s.User().Joins("abc123", "left")
		kicked := s.User().Joins("abc123", "kicked")
		banned := s.User().Joins("abc123", "banned")
		service := s.User().Joins("abc123", "service")
		lost := s.User()
		lost.Joins("abc123", "timeout")
		require.NoError(t, left.Leave())
		require.NoError(t, master.Kick(stage.Within(t), "kicked", "a word of the master's"))
		require.NoError(t, master.Ban(stage.Within(t), "banned", ""))
		channel, _ := s.Hub.Channel("abc123")
		require.NoError(t, channel.Kick("service", ""))
		stage.Ended(t, kicked, lectern.ErrKicked)
		stage.Ended(t, banned, lectern.ErrKicked)
		stage.Ended(t, service, lectern.ErrKicked)
		lost.CutOff()
		time.Sleep(2 * time.Second)
		synctest.Wait()

		reasons := make(map[any]any)
		for _, line := range lines(t, &log, "slave left") {
			require.Equal(t, "abc123", line["channel"])
			reasons[line["member"]] = line["reason"]
		}
		require.Equal(t, map[any]any{
			"left": "left", "kicked": "kicked", "banned": "banned", "service": "kicked", "timeout": "timeout",
		}, reasons)
		require.NotContains(t, log.Text(), "a word of the master's")

		// The connection by which "timeout" joined is the one that ended.
		connection := func(message, member string) any {
			for _, line := range lines(t, &log, message) {
				if line["member"] == member || line["master"] == member {
					require.NotNil(t, line["connection"], "%v", line)
					return line["connection"]
				}
			}
			require.Failf(t, "no line", "%q of %s in %s", message, member, log.Text())
			return nil
		}
		number := connection("slave joined", "timeout")
		require.Equal(t, number, connection("member lost its connection", "timeout"))
		require.Equal(t, number, connection("connection ended", "timeout"))
		require.NotEqual(t, number, connection("channel created", "alice"))
	})
}

// A connection that has ended says all that it has carried, up to a number.
func TestTheLogNamesWhatAConnectionCarried(t *testing.T) {
	var log stage.LockedBuffer
	stage.InBubble(t, lectern.Policy{Logger: logTo(&log)}, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		for i := range 20 {
			alice.Creates(fmt.Sprint("channel ", i), "alice")
		}
		alice.Plug().Cut()
		synctest.Wait()
		ended := lines(t, &log, "connection ended")
		require.Len(t, ended, 1)
		require.EqualValues(t, 20, ended[0]["memberships"])
		require.Len(t, ended[0]["members"], 8)
		require.Contains(t, ended[0]["members"].([]any)[0], "alice in channel ")
		require.NotEmpty(t, ended[0]["error"])
	})
}

// Addresses are in the log where a transport knows them.
func TestTheLogHasAddresses(t *testing.T) {
	var log stage.LockedBuffer
	stage.OverEach(t, stage.OnLoopback, lectern.Policy{Logger: logTo(&log)}, func(t *testing.T, s *stage.Stage) {
		before := len(lines(t, &log, "refused"))
		s.Raw().Refused(`{"type":"join","ref":1,"channel":"nowhere","username":"x"}`, lectern.ErrNoSuchChannel)
		refused := lines(t, &log, "refused")[before:]
		require.Len(t, refused, 1)
		require.Contains(t, refused[0]["address"], "127.0.0.1:")
		require.Equal(t, "nowhere", refused[0]["channel"])
	})
}

// What Authorize returned is in the log, whole, though the peer is told less; but no token.
func TestTheLogHasWhatAuthorizeReturned(t *testing.T) {
	var log stage.LockedBuffer
	policy := lectern.Policy{Logger: logTo(&log), Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		switch r.Username {
		case "plain":
			return lectern.Identity{}, fmt.Errorf("the database has no table %s", r.Token)
		case "wrapped":
			return lectern.Identity{}, fmt.Errorf("the lesson of room 7: %w", lectern.ErrUnauthorized.WithText("the lesson begins at nine"))
		}
		panic("a mistake with " + r.Token)
	}}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		peer := s.Raw()
		for _, username := range []string{"plain", "wrapped", "panic"} {
			answer := peer.Answer(`{"type":"join","ref":1,"channel":"abc123","username":"` + username + `","token":"se\"cret"}`)
			require.NotContains(t, answer, "database")
			require.NotContains(t, answer, "room 7")
		}
		refused := lines(t, &log, "refused by Authorize")
		require.Len(t, refused, 3)
		require.Equal(t, "the database has no table (token)", refused[0]["error"])
		require.Equal(t, "the lesson of room 7: lectern: unauthorized: the lesson begins at nine", refused[1]["error"])
		for _, line := range refused {
			require.Equal(t, "abc123", line["channel"])
			require.Equal(t, refused[0]["connection"], line["connection"])
		}
		panicked := lines(t, &log, "Authorize panicked")
		require.Len(t, panicked, 1)
		require.Equal(t, "a mistake with (token)", panicked[0]["cause"])
		require.Equal(t, refused[0]["connection"], panicked[0]["connection"])
	})
}

// hiding is a middleware that wraps the ResponseWriter in one without more than its methods.
func hiding(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
	})
}

// unwrapping is one that hides nothing.
type unwrapping struct{ http.ResponseWriter }

func (u unwrapping) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// A middleware that hides http.Hijacker keeps everybody out: the hub's log says so, and why.
func TestTheLogTellsOfAMiddlewareThatHides(t *testing.T) {
	var log stage.LockedBuffer
	hub, err := lectern.NewHub(lectern.Policy{Logger: logTo(&log)})
	require.NoError(t, err)
	defer hub.Close()
	handler := websocket.NewHandler(hub, websocket.Options{})
	for name, wrapped := range map[string]http.Handler{
		"a struct": hiding(handler), "http.TimeoutHandler": http.TimeoutHandler(handler, time.Minute, ""),
	} {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			server := httptest.NewServer(wrapped)
			defer server.Close()
			dialer := websocket.Dialer{URL: "ws" + strings.TrimPrefix(server.URL, "http")}
			_, err := dialer.Dial(stage.Within(t))
			require.Error(t, err)
			found := lines(t, &log, "connections are not to be had")
			require.Len(t, found, 1)
			require.Equal(t, "ERROR", found[0]["level"])
			require.Contains(t, found[0]["error"], "http.Hijacker")
			require.Contains(t, found[0]["error"], "Unwrap")

			// What a stranger does wrong is not a fault of the program.
			log.Reset()
			response, err := http.Get(server.URL)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, response.Body)
			require.NoError(t, response.Body.Close())
			require.Empty(t, log.Text())
		})
	}
	log.Reset()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(unwrapping{w}, r)
	}))
	defer server.Close()
	client := lectern.NewClient(websocket.Dialer{URL: "ws" + strings.TrimPrefix(server.URL, "http")}, lectern.ClientOptions{})
	_, err = client.Create(stage.Within(t), "abc123", "alice")
	require.NoError(t, err)
	require.NoError(t, client.Close())
	require.False(t, bytes.Contains([]byte(log.Text()), []byte("ERROR")))
}

// A channel is created once, however often its creator has to ask.
func TestTheLogHasAChannelOnce(t *testing.T) {
	var log stage.LockedBuffer
	stage.InVirtualTime(t, lectern.Policy{Logger: logTo(&log)}, func(t *testing.T, s *stage.Stage) {
		log.Reset()
		for ref := range 3 {
			alice := s.Raw()
			alice.Send(fmt.Sprintf(`{"type":"create","ref":%d,"channel":"abc123","username":"alice","instance":"a page"}`, ref+1))
			_, err := alice.Read()
			require.NoError(t, err)
			synctest.Wait() // the answer may be read before the line is written, and in a cluster before all hubs know whose the channel is
		}
		require.Len(t, lines(t, &log, "channel created"), 1)
	})
}
