package lectern_test

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// ledger keeps what it is told, and that it makes sense.
type ledger struct {
	mu     sync.Mutex
	counts map[string]int64
	values map[lectern.Metric][]float64
	wrong  []string
}

func newLedger() *ledger {
	return &ledger{counts: map[string]int64{}, values: map[lectern.Metric][]float64{}}
}

func (l *ledger) Add(metric lectern.Metric, label string, delta int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	labelled := slices.Contains(metric.Labels(), label) || metric.Label() == "" && label == ""
	if !labelled || metric.Kind() == lectern.Distribution || metric.Kind() == lectern.Count && delta < 0 {
		l.wrong = append(l.wrong, fmt.Sprint(metric, label, delta))
	}
	key := metric.String()
	if label != "" {
		key += " " + label
	}
	l.counts[key] += delta
}

func (l *ledger) Observe(metric lectern.Metric, value float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if metric.Kind() != lectern.Distribution {
		l.wrong = append(l.wrong, fmt.Sprint(metric, value))
	}
	l.values[metric] = append(l.values[metric], value)
}

func (l *ledger) has(t *testing.T, counts map[string]int64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Empty(t, l.wrong)
	for key, n := range counts {
		require.Equal(t, n, l.counts[key], key)
	}
}

func TestObserver(t *testing.T) {
	l := newLedger()
	policy := lectern.Policy{
		Observer: l, MasterTimeout: 5 * time.Second, Replay: lectern.Bound{Messages: 2},
		Slow: lectern.SlowDropOldest, Outbox: lectern.Bound{Messages: 4},
	}
	inBubble(t, policy, func(t *testing.T, s *stage) {
		alice, master, users, slaves := s.class(4)
		broadcast(t, master, "four times")
		tell(t, master, "user_1", "once")
		say(t, slaves[0], "hi")
		nextText(t, master, "hi")
		synctest.Wait() // it is counted once it is delivered
		l.has(t, map[string]int64{
			"connections": 5, "channels": 1, "slaves": 4, "joins": 4,
			"messages_received master": 2, "messages_received slave": 1, "bytes_received master": 14, "bytes_received slave": 2,
			"messages_sent slave": 5, "messages_sent master": 1,
		})
		l.mu.Lock()
		require.Greater(t, l.counts["bytes_sent slave"], int64(5*len("four times")))
		require.Len(t, l.values[lectern.QueueDepth], 1)
		l.mu.Unlock()

		_, err := master.Send(within(t), "nobody", lectern.Text("x"))
		require.ErrorIs(t, err, lectern.ErrNoSuchSlave)
		require.NoError(t, slaves[0].Close())
		require.NoError(t, master.Kick(within(t), "user_1", "a word that must not become a label"))
		synctest.Wait() // it has got what came before
		users[2].cutOff()
		synctest.Wait()
		for range 5 {
			broadcast(t, master, "missed")
		}
		users[2].bar(false)
		time.Sleep(time.Second)
		synctest.Wait()
		l.has(t, map[string]int64{
			"refused no_such_slave": 1, "leaves left": 1, "leaves kicked": 1, "lost slave": 1, "resumes slave": 1, "dropped replay": 4, // a number that was for another counts
			"slaves": 2, "connections": 4, // one has left its channel only
		})

		slow := s.raw()
		slow.send(oneJoins)
		slow.expect(strings.Replace(oneJoined, "30000", "5000", 1))
		for range 50 {
			broadcast(t, master, bulk)
		}
		synctest.Wait()
		l.mu.Lock()
		require.NotZero(t, l.counts["dropped slow"])
		l.mu.Unlock()
		slow.told(57)

		alice.cutOff()
		ended(t, slaves[3], lectern.ErrMasterDown)
		synctest.Wait()
		l.has(t, map[string]int64{"lost master": 1, "leaves master_down": 3, "slaves": 0, "channels": 0})
		require.Equal(t, []float64{0}, l.values[lectern.ClosingTime])
	})
	l.has(t, map[string]int64{"connections": 0})
}

func TestMetricsAreDescribed(t *testing.T) {
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
	for name, end := range map[string]func(*testing.T, *lectern.Hub) error{
		"Shutdown": func(t *testing.T, hub *lectern.Hub) error { return hub.Shutdown(within(t)) },
		"Close":    func(_ *testing.T, hub *lectern.Hub) error { return hub.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger()
			inBubble(t, lectern.Policy{Observer: l}, func(t *testing.T, s *stage) {
				_, _, _, slaves := s.class(3)
				require.NoError(t, slaves[0].Close())
				s.user().create("another", "bob")
				require.NoError(t, end(t, s.hub))
				require.NoError(t, s.hub.Close())
				l.has(t, map[string]int64{
					"channels": 0, "slaves": 0, "connections": 0, "leaves left": 1, "leaves shutdown": 2,
				})
				require.Empty(t, slices.Collect(s.hub.Channels()))
			})
		})
	}
}

// Rows G9, F10 and H17: what peers write reaches the log quoted and bounded, at
// most ten lines a second of a kind, and never a token or a secret.
func TestLogUnderAttack(t *testing.T) {
	var log lockedBuffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	inBubble(t, lectern.Policy{Logger: logger}, func(t *testing.T, s *stage) {
		alice, one := s.pair()
		for ref := range 300 {
			one.send(fmt.Sprintf(`{"type":"send","ref":%d,"channel":"\n{\"level\":\"ERROR\"} \u001b[2J","text":"x"}`, ref+2))
			_, err := one.read()
			require.NoError(t, err)
		}
		s.raw().refused(`{"type":"join","ref":1,"channel":"nowhere","username":"x","token":"the-token"}`, lectern.ErrNoSuchChannel)
		s.raw().refused(`{"type":"resume","ref":1,"channel":"abc123","username":"user_one","resume":"the-guess"}`, lectern.ErrResumeFailed)
		require.NoError(t, one.conn.Close(transport.Reason{Code: transport.Left, Text: "\n"}))
		for _, word := range []string{alice.secret, one.secret, "the-token", "the-guess", `"ERROR"`, "\x1b"} {
			require.NotContains(t, log.text(), word)
		}
		require.Equal(t, 10, strings.Count(log.text(), `"refused"`))
	})
}
