package operating

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

func TestObserver(t *testing.T) {
	stage.OneHub(t, "the metrics are of one hub")
	l := stage.NewLedger()
	policy := lectern.Policy{
		Observer: l, MasterTimeout: 5 * time.Second, Replay: lectern.QueueLimit{Messages: 2},
		Slow: lectern.SlowDropOldest, Outbox: lectern.QueueLimit{Messages: 4},
	}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		alice, master, users, slaves := s.Class(4)
		stage.Broadcast(t, master, "four times")
		stage.Tell(t, master, "user_1", "once")
		stage.Say(t, slaves[0], "hi")
		stage.NextText(t, master, "hi")
		synctest.Wait() // it is counted once it is delivered
		l.Has(t, map[string]int64{
			"connections": 5, "channels": 1, "slaves": 4, "joins": 4,
			"messages_received master": 2, "messages_received slave": 1, "bytes_received master": 14, "bytes_received slave": 2,
			"messages_sent slave": 5, "messages_sent master": 1,
		})
		require.Greater(t, l.Count("bytes_sent slave"), int64(5*len("four times")))
		require.Len(t, l.Values(lectern.MetricQueueDepth), 1)

		_, err := master.Send(stage.Within(t), "nobody", lectern.Text("x"))
		require.ErrorIs(t, err, lectern.ErrNoSuchSlave)
		require.NoError(t, slaves[0].Leave())
		require.NoError(t, master.Kick(stage.Within(t), "user_1", "a word that must not become a label"))
		synctest.Wait() // it has got what came before
		users[2].CutOff()
		synctest.Wait()
		for range 5 {
			stage.Broadcast(t, master, "missed")
		}
		users[2].Bar(false)
		time.Sleep(time.Second)
		synctest.Wait()
		l.Has(t, map[string]int64{
			"refused no_such_slave": 1, "leaves left": 1, "leaves kicked": 1, "lost slave": 1, "resumes slave": 1, "dropped replay": 4, // a number that was for another counts
			"slaves": 2, "connections": 4, // one has left its channel only
		})

		slow := s.Raw()
		slow.Send(stage.OneJoins)
		slow.Expect(strings.Replace(stage.OneJoined, "30000", "5000", 1))
		for range 50 {
			stage.Broadcast(t, master, stage.Bulk)
		}
		synctest.Wait()
		require.NotZero(t, l.Count("dropped slow"))
		slow.Told(57)

		alice.CutOff()
		stage.Ended(t, slaves[3], lectern.ErrMasterDown)
		synctest.Wait()
		l.Has(t, map[string]int64{"lost master": 1, "leaves master_down": 3, "slaves": 0, "channels": 0})
		require.Equal(t, []float64{0}, l.Values(lectern.MetricClosingSeconds))
	})
	l.Has(t, map[string]int64{"connections": 0})
}

func TestMetricsAreDescribed(t *testing.T) {
	stage.OneHub(t, "the metrics are of one hub")
	names := map[string]bool{}
	word := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	for _, metric := range lectern.Metrics() {
		require.Regexp(t, word, metric.String())
		require.False(t, names[metric.String()])
		names[metric.String()] = true
		require.NotEmpty(t, metric.Help())
		require.Equal(t, metric.Label() == "", len(metric.Labels()) == 0, metric)
	}
	require.Equal(t, "unknown", lectern.Metric(200).String())
}

// An Observer that hubs share is right when one of them is gone.
func TestObserverAfterShutdown(t *testing.T) {
	stage.OneHub(t, "the metrics are of one hub")
	for name, end := range map[string]func(*testing.T, *lectern.Hub) error{
		"Shutdown": func(t *testing.T, hub *lectern.Hub) error { return hub.Shutdown(stage.Within(t)) },
		"Close":    func(_ *testing.T, hub *lectern.Hub) error { return hub.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			l := stage.NewLedger()
			stage.InBubble(t, lectern.Policy{Observer: l}, func(t *testing.T, s *stage.Stage) {
				_, _, _, slaves := s.Class(3)
				require.NoError(t, slaves[0].Leave())
				s.User().Creates("another", "bob")
				require.NoError(t, end(t, s.Hub))
				require.NoError(t, s.Hub.Close())
				l.Has(t, map[string]int64{
					"channels": 0, "slaves": 0, "connections": 0, "leaves left": 1, "leaves shutdown": 2,
				})
				require.Empty(t, slices.Collect(s.Hub.Channels()))
			})
		})
	}
}

// Rows G9, F10 and H17: what peers write reaches the log quoted and bounded, at
// most ten lines a second of a kind, and never a token or a secret.
func TestLogUnderAttack(t *testing.T) {
	stage.OneHub(t, "so many lines a second are of each hub")
	var log stage.LockedBuffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	stage.InBubble(t, lectern.Policy{Logger: logger}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		for ref := range 300 {
			one.Send(fmt.Sprintf(`{"type":"send","ref":%d,"channel":"\n{\"level\":\"ERROR\"} \u001b[2J","text":"x"}`, ref+2))
			_, err := one.Read()
			require.NoError(t, err)
		}
		s.Raw().Refused(`{"type":"join","ref":1,"channel":"nowhere","username":"x","token":"the-token"}`, lectern.ErrNoSuchChannel)
		s.Raw().Refused(`{"type":"resume","ref":1,"channel":"abc123","username":"user_one","resume":"the-guess"}`, lectern.ErrResumeFailed)
		require.NoError(t, one.Conn.Close(transport.Reason{Code: transport.Left, Text: "\n"}))
		for _, word := range []string{alice.Secret, one.Secret, "the-token", "the-guess", `"ERROR"`, "\x1b"} {
			require.NotContains(t, log.Text(), word)
		}
		require.Equal(t, 10, strings.Count(log.Text(), `"refused"`))
	})
}

// A connection that ends before it has said anything is no loss of anybody's: whoever
// looks whether the hub is there makes many.
func TestEndsBeforeAFrameAreNotWarnedOf(t *testing.T) {
	var log stage.LockedBuffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	stage.InBubble(t, lectern.Policy{Logger: logger}, func(t *testing.T, s *stage.Stage) {
		quiet := s.Raw()
		quiet.Plug.Cut()
		synctest.Wait()
		require.NotContains(t, log.Text(), "WARN")
		require.Contains(t, log.Text(), "level=DEBUG msg=\"connection ended\"")
		_, one := s.Pair()
		one.Plug.Cut()
		synctest.Wait()
		require.Contains(t, log.Text(), "level=WARN msg=\"connection ended\"")
	})
}
