package lectern

import (
	"context"
	"errors"
	"math"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/internal/client"
	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/hub"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// plain is the hub's config without what cannot be compared.
func plain(config hub.Config) hub.Config {
	config.Logger, config.PublicError, config.CauseIn = nil, nil, nil
	return config
}

func TestPolicyDefaults(t *testing.T) {
	p, err := Policy{}.config().WithDefaults()
	require.NoError(t, err)
	require.NotNil(t, p.Logger)
	require.Equal(t, plain(Policy{
		MasterTimeout: 30 * time.Second, SlaveTimeout: 30 * time.Second,
		MaxSlaves: 20_000, MaxChannels: 10_000, MaxChannelsPerConnection: 64, MaxMessageBytes: 64 << 10,
		MaxConnections: 100_000, HandshakeTimeout: 10 * time.Second, WaitTimeout: 10 * time.Minute, MaxHandshakeBytes: 16 << 10,
		FrameRate: RateLimit{1000, 2000}, SlaveMessageRate: RateLimit{100, 200}, MembershipRate: RateLimit{20, 128}, HoldTimeout: time.Second, WriteTimeout: 10 * time.Second,
		Outbox: QueueLimit{256, 1 << 20}, Replay: QueueLimit{256, 1 << 20},
	}.config()), plain(p))
}

func TestPolicyNegativeIsNone(t *testing.T) {
	p, err := Policy{
		MasterTimeout: -1, SlaveTimeout: -1, MaxSlaves: -1, MaxChannels: -1, MaxChannelsPerConnection: -1,
		MaxConnections: -1, HandshakeTimeout: -1, WaitTimeout: -1, MaxHandshakeBytes: -1, WriteTimeout: -1, Replay: QueueLimit{-1, -1},
		FrameRate: RateLimit{PerSecond: -1}, SlaveMessageRate: RateLimit{PerSecond: -1, Burst: 7},
		MembershipRate: RateLimit{PerSecond: -1},
	}.config().WithDefaults()
	require.NoError(t, err)
	require.Equal(t, plain(Policy{
		MaxSlaves: math.MaxInt, MaxChannels: math.MaxInt, MaxChannelsPerConnection: math.MaxInt, MaxMessageBytes: 64 << 10,
		MaxConnections: math.MaxInt, MaxHandshakeBytes: math.MaxInt, HoldTimeout: time.Second, Outbox: QueueLimit{256, 1 << 20},
	}.config()), plain(p))
}

func TestPolicyKeepsWhatIsGiven(t *testing.T) {
	given := Policy{
		MasterTimeout: 1 * time.Second, SlaveTimeout: 2 * time.Second, MaxSlaves: 3, MaxChannels: 4, MaxChannelsPerConnection: 5, MaxMessageBytes: 6,
		HandshakeTimeout: 7 * time.Second, WaitTimeout: 22 * time.Second, WriteTimeout: 8 * time.Second, Outbox: QueueLimit{9, 10}, Replay: QueueLimit{11, 12},
		MaxConnections: 13, MaxHandshakeBytes: 14, FrameRate: RateLimit{15, 16}, SlaveMessageRate: RateLimit{17, 18}, Slow: SlowDropNewest, HoldTimeout: 19 * time.Second,
		MembershipRate: RateLimit{20, 21},
	}
	p, err := given.config().WithDefaults()
	require.NoError(t, err)
	require.Equal(t, plain(given.config()), plain(p))
}

// Whoever may hold many channels may enter them all at once, unless another rate is given.
func TestMembershipRateDefaults(t *testing.T) {
	tests := []struct {
		policy Policy
		rate   RateLimit
	}{
		{Policy{MaxChannelsPerConnection: 64}, RateLimit{20, 128}},
		{Policy{MaxChannelsPerConnection: 65}, RateLimit{20, 130}},
		{Policy{MaxChannelsPerConnection: -1}, RateLimit{20, 1 << 29}},
		{Policy{MaxChannelsPerConnection: 65, MembershipRate: RateLimit{PerSecond: 3}}, RateLimit{3, 6}},
		{Policy{MaxChannelsPerConnection: 65, MembershipRate: RateLimit{Burst: 3}}, RateLimit{20, 3}},
	}
	for _, test := range tests {
		p, err := test.policy.config().WithDefaults()
		require.NoError(t, err)
		require.Equal(t, hub.RateLimit(test.rate), p.MembershipRate)
	}
}

func TestPolicyErrors(t *testing.T) {
	tests := []struct {
		field  string
		policy Policy
	}{
		{"MaxMessageBytes", Policy{MaxMessageBytes: -1}},
		{"Outbox.Messages", Policy{Outbox: QueueLimit{Messages: -1}}},
		{"Outbox.Bytes", Policy{Outbox: QueueLimit{Bytes: -1}}},
		{"HoldTimeout", Policy{HoldTimeout: -1}},
	}
	for _, test := range tests {
		t.Run(test.field, func(t *testing.T) {
			_, err := NewHub(test.policy)
			require.EqualError(t, err, "lectern: Policy."+test.field+" must not be negative")
		})
	}
	_, err := NewHub(Policy{Slow: SlowHold + 1})
	require.ErrorContains(t, err, "Policy.Slow")
	for topic, words := range map[string]string{"": "it is empty", "a\n": "its character 2", "other": "stands for all"} {
		_, err = NewHub(Policy{Topics: []string{"slide", topic}})
		require.ErrorContains(t, err, "lectern: Policy.Topics has ")
		require.ErrorContains(t, err, words)
	}
	_, err = NewHub(Policy{MaxMessageBytes: -1, Outbox: QueueLimit{Bytes: -1}})
	require.ErrorContains(t, err, "MaxMessageBytes")
	require.ErrorContains(t, err, "Outbox.Bytes", "every field is named")
}

// A time without its unit is a few nanoseconds: an error, which names the field. What is
// longer, and what a negative one means, is none, also where an int has 32 bits.
func TestTimesThatMakeNoSense(t *testing.T) {
	for _, of := range []struct {
		what  string
		zero  reflect.Type
		check func(reflect.Value) error
	}{
		{"Policy", reflect.TypeFor[Policy](), func(v reflect.Value) error {
			_, err := NewHub(v.Interface().(Policy))
			return err
		}},
		{"ClientOptions", reflect.TypeFor[ClientOptions](), func(v reflect.Value) error {
			client := NewClient(nowhere{}, v.Interface().(ClientOptions))
			defer client.Close()
			_, err := client.Status(t.Context(), "abc123")
			if errors.Is(err, errNowhere) {
				return nil
			}
			for _, entering := range []func() error{
				func() error { _, err := client.Create(t.Context(), "abc123", "alice"); return err },
				func() error { _, err := client.Join(t.Context(), "abc123", "bob"); return err },
				func() error { _, err := client.ResumeMaster(t.Context(), Ticket{Master: true}); return err },
				func() error { _, err := client.ResumeSlave(t.Context(), Ticket{}); return err },
			} {
				require.Equal(t, err, entering())
			}
			return err
		}},
	} {
		for i := range of.zero.NumField() {
			field := of.zero.Field(i)
			if field.Type != reflect.TypeFor[time.Duration]() {
				continue
			}
			given := reflect.New(of.zero).Elem()
			for _, wrong := range []time.Duration{1, 20, 999 * time.Microsecond} {
				given.Field(i).SetInt(int64(wrong))
				require.ErrorContains(t, of.check(given), of.what+"."+field.Name+" is "+wrong.String())
			}
			for _, right := range []time.Duration{0, time.Millisecond, 3 * time.Second, 24 * time.Hour} {
				given.Field(i).SetInt(int64(right))
				require.NoError(t, of.check(given), "%s: %v", field.Name, right)
			}
		}
	}
	_, err := NewHub(Policy{MasterTimeout: 20, SlaveTimeout: 20})
	require.ErrorContains(t, err, "SlaveTimeout", "every field is named")
	client := NewClient(nowhere{}, ClientOptions{MinBackoff: time.Minute, MaxBackoff: time.Second})
	defer client.Close()
	_, err = client.Status(t.Context(), "abc123")
	require.ErrorContains(t, err, "MaxBackoff is 1s, which is below MinBackoff, 1m0s")
}

// nowhere is a dialer that leads nowhere.
type nowhere struct{}

var errNowhere = errors.New("nowhere")

func (nowhere) Dial(context.Context) (transport.Conn, error) { return nil, errNowhere }

func TestOptionsThatMakeNoSense(t *testing.T) {
	hub, err := NewHub(Policy{})
	require.NoError(t, err)
	defer hub.Close()
	for _, wrong := range []time.Duration{-1, -time.Second, 20, time.Microsecond} {
		_, err := hub.Create(t.Context(), "abc123", "alice", WithMasterTimeout(wrong))
		require.ErrorContains(t, err, "WithMasterTimeout")
		_, exists := hub.Channel("abc123")
		require.False(t, exists)
	}
	master, err := hub.Create(t.Context(), "abc123", "alice", WithMasterTimeout(time.Millisecond), TokenOption{})
	require.NoError(t, err)
	require.Equal(t, time.Millisecond, master.MasterTimeout())
	_, err = hub.Create(t.Context(), "abc124", "alice", nil)
	require.Equal(t, client.ErrNoOption, err)
	_, err = hub.Join(t.Context(), "abc123", "bob", nil)
	require.Equal(t, client.ErrNoOption, err)
	bob, err := hub.Join(t.Context(), "abc123", "bob")
	require.NoError(t, err)
	_, err = bob.Switch(t.Context(), "abc124", nil)
	require.Equal(t, client.ErrNoOption, err)

	// An option is for what its name says: the others do not compile.
	_, isCreateOption := WithMaster("alice").(CreateOption)
	require.False(t, isCreateOption)
	_, isJoinOption := WithMasterTimeout(time.Second).(JoinOption)
	require.False(t, isJoinOption)
}

// What a hub is to a transport.
var (
	_ transport.Server        = (*Hub)(nil)
	_ transport.Acceptor      = (*Hub)(nil)
	_ transport.Dialer        = (*Hub)(nil)
	_ transport.FrameLimiter  = (*Hub)(nil)
	_ transport.ContextReader = (*Hub)(nil)
	_ transport.FaultLogger   = (*Hub)(nil)
)

// What the packages beneath call by number or by word is what users call by name.

func TestMetricsAreThoseOfTheHub(t *testing.T) {
	same := map[Metric]star.Metric{
		MetricConnections: star.Connections, MetricChannels: star.Channels, MetricSlaves: star.Slaves,
		MetricMessagesReceived: star.MessagesReceived, MetricBytesReceived: star.BytesReceived,
		MetricMessagesSent: star.MessagesSent, MetricBytesSent: star.BytesSent, MetricMessagesDropped: star.MessagesDropped, MetricFramesRefused: star.FramesRefused,
		MetricJoins: star.Joins, MetricLeaves: star.Leaves, MetricResumes: star.Resumes, MetricConnectionsLost: star.ConnectionsLost,
		MetricQueueDepth: star.QueueDepth, MetricClosingSeconds: star.ClosingSeconds, MetricMessagesByTopic: star.MessagesByTopic,
		MetricAppends: star.Appends, MetricAppendSeconds: star.AppendSeconds, MetricGroupBytes: star.GroupBytes, MetricHolesFilled: star.HolesFilled,
		MetricDoubts: star.Doubts, MetricTakeovers: star.Takeovers, MetricLeaderlessSeconds: star.LeaderlessSeconds,
		MetricEdges: star.Edges, MetricSubscriptions: star.Subscriptions, MetricMostLed: star.MostLed,
	}
	require.Len(t, same, len(Metrics()))
	for public, inner := range same {
		require.EqualValues(t, public, inner, public.String())
	}
	require.EqualValues(t, MetricCounter, hub.Counter)
	require.EqualValues(t, MetricGauge, hub.Gauge)
	require.EqualValues(t, MetricHistogram, hub.Histogram)
	require.ElementsMatch(t, []string{star.LabelSlow, star.LabelReplay, star.LabelExpired}, MetricMessagesDropped.Labels())
}

func TestErrorsAreThoseOfTheWire(t *testing.T) {
	listed := 0
	for _, code := range wire.Codes() {
		if !code.Is(wire.Refuses) && !code.Is(wire.Ends) {
			continue
		}
		listed++
		inner, public := &wire.Cause{Code: code.Code}, sentinels[ErrorCode(code.Code)]
		require.NotNil(t, public, "errors.go has no variable of %s", code.Code)
		require.Same(t, public, publicError(inner), "without a text it is the variable itself")
		require.Equal(t, &Error{Code: public.Code, Text: "why"}, publicError(inner.With("why")))
		require.Equal(t, code.Is(wire.Ends), errors.Is(public, net.ErrClosed), "%s is an end", code.Code)
	}
	require.Len(t, sentinels, listed)
	require.Equal(t, &Error{Code: "made_up"}, publicError(&wire.Cause{Code: "made_up"}))
	require.NoError(t, public(nil))
	require.Equal(t, net.ErrClosed, public(net.ErrClosed))
}

func TestSlowIsThatOfTheHub(t *testing.T) {
	for public, inner := range map[Slow]delivery.Slow{
		SlowDisconnect: delivery.SlowDisconnect, SlowDropOldest: delivery.SlowDropOldest,
		SlowDropNewest: delivery.SlowDropNewest, SlowHold: delivery.SlowHold,
	} {
		require.EqualValues(t, public, inner)
	}
}

// Every field of a Policy reaches the hub.
func TestPolicyReachesTheHub(t *testing.T) {
	engine := cluster.NewLocal()
	defer engine.Close()
	policy := Policy{
		Cluster: engine, MasterTimeout: 1, SlaveTimeout: 2, MaxSlaves: 3, MaxChannels: 4, MaxChannelsPerConnection: 5, MaxMessageBytes: 6,
		HandshakeTimeout: 7, WaitTimeout: 22, WriteTimeout: 8, Outbox: QueueLimit{9, 10}, Replay: QueueLimit{11, 12},
		MaxConnections: 13, MaxHandshakeBytes: 14, FrameRate: RateLimit{15, 16}, SlaveMessageRate: RateLimit{17, 18}, Slow: SlowDropNewest, HoldTimeout: 19,
		MembershipRate: RateLimit{20, 21}, Topics: []string{"slide"},
	}
	fields := reflect.ValueOf(policy)
	for i := range fields.NumField() {
		switch name := fields.Type().Field(i).Name; name {
		case "Authorize", "AuthorizeMessage", "Reauthorize", "Name", "Logger", "Observer":
		default:
			require.False(t, fields.Field(i).IsZero(), "set %s here, and expect it below", name)
		}
	}
	config := plain(policy.config())
	require.Equal(t, hub.Config{
		Cluster: engine, MasterTimeout: 1, SlaveTimeout: 2, MaxSlaves: 3, MaxChannels: 4, MaxChannelsPerConnection: 5, MaxMessageBytes: 6,
		HandshakeTimeout: 7, WaitTimeout: 22, WriteTimeout: 8, Outbox: hub.QueueLimit{Messages: 9, Bytes: 10}, Replay: hub.QueueLimit{Messages: 11, Bytes: 12},
		MaxConnections: 13, MaxHandshakeBytes: 14, FrameRate: hub.RateLimit{PerSecond: 15, Burst: 16}, SlaveMessageRate: hub.RateLimit{PerSecond: 17, Burst: 18},
		MembershipRate: hub.RateLimit{PerSecond: 20, Burst: 21}, Topics: []string{"slide"}, Slow: hub.Slow(SlowDropNewest), HoldTimeout: 19,
	}, config)
	require.Equal(t, string(NameOfChannel), string(hub.NameOfChannel))
	require.Equal(t, string(NameOfUser), string(hub.NameOfUser))
	require.Equal(t, string(OpCreate), string(hub.OpCreate))
	require.Equal(t, string(OpJoin), string(hub.OpJoin))
}

// A message without options is made where it is sent from, and asks for no memory of its own.
func TestAPlainMessageAsksForNoMemory(t *testing.T) {
	payload, wrong := Text("x"), error(nil)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, err := payload.in(wire.Frame{}, 0, nil)
		wrong = errors.Join(wrong, err)
	}))
	require.NoError(t, wrong)
}
