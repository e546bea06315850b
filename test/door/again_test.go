package door

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/internal/stage"
)

// toldOf is what the peer is told, each frame without what is behind its ref.
func toldOf(peer *stage.Raw, frames int) (told []string) {
	peer.T.Helper()
	for range frames {
		frame, err := peer.Read()
		require.NoError(peer.T, err, "behind %v", told)
		told = append(told, frame[:strings.Index(frame, `,"channel"`)]+"}")
	}
	return told
}

// A join that is sent again at the instant in which the first one is refused is another one: each has its own
// answer.
func TestDeniedWhileItJoinsAgain(t *testing.T) {
	for range 20 {
		stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
			peer := s.Raw()
			peer.Send(`{"type":"join","ref":1,"channel":"abc123","username":"bob"}`)
			require.Equal(t, []string{`{"type":"waiting","ref":1}`}, toldOf(peer, 1))
			denied := stage.InBackground(func() (struct{}, error) { return struct{}{}, master.Deny(stage.Within(t), 1, "") })
			peer.Send(`{"type":"join","ref":2,"channel":"abc123","username":"bob"}`)
			require.NoError(t, (<-denied).Err)
			synctest.Wait()
			got := toldOf(peer, 2)
			if got[0] == `{"type":"error","ref":1}` {
				require.Equal(t, `{"type":"waiting","ref":2}`, got[1])
				require.Equal(t, 1, shot(t, s).Waiting)
				return
			}
			require.Equal(t, []string{`{"type":"waiting","ref":2}`, `{"type":"error","ref":2}`}, got)
			require.Zero(t, shot(t, s).Waiting)
		})
	}
}

// held is a log that holds up who says in it that somebody was refused.
type held struct {
	slog.Handler
	until chan struct{}
}

func (h held) Enabled(context.Context, slog.Level) bool { return true }
func (h held) WithAttrs([]slog.Attr) slog.Handler       { return h }

func (h held) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "refused" {
		<-h.until
	}
	return nil
}

// The same at a hub that has heard of the refusal, and is about to tell of it: the join that is sent again comes behind that.
func TestDeniedElsewhereWhileItJoinsAgain(t *testing.T) {
	stage.OneHub(t, "two hubs of a cluster")
	synctest.Test(t, func(t *testing.T) {
		engine := cluster.NewLocal()
		t.Cleanup(func() { require.NoError(t, engine.Close()) })
		log := held{slog.DiscardHandler, make(chan struct{})}
		owner := stage.New(t, stage.InMemory[0], lectern.Policy{Cluster: engine})
		other := stage.New(t, stage.InMemory[0], lectern.Policy{Cluster: engine, Logger: slog.New(log)})
		time.Sleep(time.Second) // they hear each other
		master := owner.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		before, peer := other.Raw(), other.Raw()
		before.Send(`{"type":"join","ref":1,"channel":"abc123","username":"carol"}`)
		require.Equal(t, []string{`{"type":"waiting","ref":1}`}, toldOf(before, 1))
		peer.Send(`{"type":"join","ref":1,"channel":"abc123","username":"bob"}`)
		require.Equal(t, []string{`{"type":"waiting","ref":1}`}, toldOf(peer, 1))
		require.NoError(t, master.Deny(stage.Within(t), 1, ""))
		require.NoError(t, master.Deny(stage.Within(t), 2, ""))
		synctest.Wait()
		peer.Send(`{"type":"join","ref":2,"channel":"abc123","username":"bob"}`)
		synctest.Wait()
		close(log.until)
		require.Equal(t, []string{`{"type":"error","ref":1}`, `{"type":"waiting","ref":2}`}, toldOf(peer, 2))
	})
}

// Whoever waits for a channel that is created at the same instant is told so before it is in, and never behind that.
func TestTheChannelIsCreatedWhileItIsWaitedFor(t *testing.T) {
	for range 20 {
		stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			peer := s.Raw()
			created := stage.InBackground(func() (*lectern.Master, error) { return s.User().Client.Create(stage.Within(t), "abc123", "alice") })
			peer.Send(
				`{"type":"join","ref":1,"channel":"abc123","username":"bob","wait":true}`,
				`{"type":"join","ref":2,"channel":"abc123","username":"bob","wait":true}`,
			)
			require.NoError(t, (<-created).Err)
			synctest.Wait()
			var told []string
			for peer.Send(`{"type":"ping","ref":9,"channel":"abc123"}`); len(told) == 0 || told[len(told)-1] != `{"type":"pong","ref":9}`; {
				frame, err := peer.Read()
				require.NoError(t, err)
				if end := strings.Index(frame, `,"channel"`); end > 0 {
					frame = frame[:end] + "}"
				}
				told = append(told, frame)
			}
			in := false
			for _, frame := range told {
				in = in || strings.HasPrefix(frame, `{"type":"joined"`)
				require.False(t, in && strings.HasPrefix(frame, `{"type":"waiting"`), "%v", told)
			}
			require.Contains(t, told, `{"type":"joined","ref":2}`)
			require.Len(t, shot(t, s).Slaves, 1)
		})
	}
}
