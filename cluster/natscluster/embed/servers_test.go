package embed

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/cluster/natscluster"
	"github.com/lectern-go/lectern/internal/memnet"
)

// lessons are the options of a cluster on one server.
var lessons = natscluster.Options{Name: "lessons", Shards: 2, Replicas: 1}

func open(t testing.TB, servers string, o natscluster.Options, connect ...nats.Option) *natscluster.Engine {
	e, err := natscluster.Open(patient(t), servers, o, connect...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

var (
	hub      = nats.UserInfo("hub", "hub")
	operator = nats.UserInfo("operator", "operator")
)

// js is JetStream as an operator has it.
func js(t testing.TB, servers *Servers) jetstream.JetStream {
	nc, err := nats.Connect(servers.URL(), operator)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}

// appended appends until the outcome is known.
func appended(t testing.TB, e *natscluster.Engine, key cluster.Key, g cluster.Group) cluster.Position {
	ctx := patient(t)
	for {
		p, err := e.Append(ctx, key, g)
		if err == nil {
			return p
		}
		require.NotErrorIs(t, err, cluster.ErrConflict)
		require.NoError(t, ctx.Err(), "last: %v", err)
	}
}

func group(after, before cluster.Position) cluster.Group {
	return cluster.Group{Kind: cluster.Shared, After: after, Before: before, Nonce: cluster.NewNonce()}
}

// Hubs whose options differ are no cluster, and a stream that somebody has changed is none of it.
func TestStreamsAreCompared(t *testing.T) {
	servers := start(t, 1, lessons, natscluster.Options{Name: "lessons", Shards: 4})
	open(t, servers.URL(), lessons, hub)
	open(t, servers.URL(), lessons, hub)
	for says, change := range map[string]func(o *natscluster.Options){
		"lectern.shards of its metadata is 2, not 4": func(o *natscluster.Options) { o.Shards = 4 },
		"max age is 6m0s, not 7m0s":                  func(o *natscluster.Options) { o.Keeps = 7 * time.Minute },
		"max bytes is":                               func(o *natscluster.Options) { o.MaxBytes = 5 << 20 },
		"storage is File, not Memory":                func(o *natscluster.Options) { o.Memory = true },
		"replicas is 1, not 3":                       func(o *natscluster.Options) { o.Replicas = 3 },
	} {
		o := lessons
		change(&o)
		_, err := natscluster.Open(patient(t), servers.URL(), o, hub)
		require.ErrorContains(t, err, says)
	}
	js := js(t, servers)
	s, err := js.Stream(patient(t), "LECTERN_lessons_1")
	require.NoError(t, err)
	config := s.CachedInfo().Config
	config.AllowDirect = false
	_, err = js.UpdateStream(patient(t), config)
	require.NoError(t, err)
	_, err = natscluster.Open(patient(t), servers.URL(), lessons, hub)
	require.ErrorContains(t, err, "LECTERN_lessons_1 is there, but allow direct is false, not true")
}

// An engine that may not do what it needs says so, and does not hang.
func TestOpenWithoutPermissions(t *testing.T) {
	servers := start(t, 1, natscluster.Options{Name: "others"})
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err := natscluster.Open(ctx, servers.URL(), lessons, hub)
	require.Error(t, err)
	_, err = natscluster.Open(patient(t), "nats://127.0.0.1:1", lessons)
	require.ErrorIs(t, err, nats.ErrNoServers)
}

// elsewhere dials this machine, whatever the server's name.
type elsewhere string

func (e elsewhere) Dial(network, _ string) (net.Conn, error) { return net.Dial(network, string(e)) }

// TLS is demanded of servers that are not on this machine, but where the options allow otherwise.
func TestUnencrypted(t *testing.T) {
	servers := start(t, 1, lessons)
	here := nats.SetCustomDialer(elsewhere(servers.Node(0).Addr().String()))
	_, err := natscluster.Open(patient(t), "nats://nats-1", lessons, hub, here, nats.IgnoreDiscoveredServers())
	require.ErrorIs(t, err, nats.ErrSecureConnWanted)
	o := lessons
	o.Unencrypted = true
	open(t, "nats://nats-1", o, hub, here, nats.IgnoreDiscoveredServers())

	secret, trusting := memnet.TLS()
	encrypted, err := Start(Options{Dir: t.TempDir(), Configure: func(_ int, o *server.Options) {
		o.TLSConfig, o.TLS = secret, true
	}})
	require.NoError(t, err)
	t.Cleanup(encrypted.Close)
	trusting = trusting.Clone()
	trusting.ServerName = "lectern.test"
	trusting.MinVersion = tls.VersionTLS12
	there := nats.SetCustomDialer(elsewhere(encrypted.Node(0).Addr().String()))
	e := open(t, "tls://nats-1", lessons, nats.Secure(trusting), there, nats.IgnoreDiscoveredServers())
	appended(t, e, cluster.KeyOf("k"), group(0, 0))
}

// What is relied on: republished is what is shared, with its sequence and time, and nothing else.
func TestWhatIsRepublished(t *testing.T) {
	servers := start(t, 1, lessons)
	e := open(t, servers.URL(), lessons, hub)
	nc, err := nats.Connect(servers.URL(), operator)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	tails, err := nc.SubscribeSync("lectern.lessons.tail.>")
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	key := cluster.KeyOf("k")
	var last cluster.Position
	for _, kind := range []cluster.Kind{cluster.Own, cluster.Shared, cluster.Part, cluster.Shared} {
		g := group(last, 0)
		g.Kind = kind
		last = appended(t, e, key, g)
		_, err := e.Append(patient(t), key, group(0, 0))
		require.ErrorIs(t, err, cluster.ErrConflict)
		if kind != cluster.Shared {
			continue
		}
		m, err := tails.NextMsg(time.Minute)
		require.NoError(t, err)
		require.Equal(t, "lectern.lessons.tail."+strconv.Itoa(key.Shard(2))+"."+key.String(), m.Subject)
		require.Equal(t, strconv.FormatUint(uint64(last), 10), m.Header.Get("Nats-Sequence"))
		at, err := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
		require.NoError(t, err)
		require.Less(t, time.Since(at), time.Minute)
	}
	require.NoError(t, nc.Flush())
	pending, _, err := tails.Pending()
	require.NoError(t, err)
	require.Zero(t, pending, "what is not shared, or was refused, was republished")
}

// What is relied on: of an append that is repeated when others have followed, several replicas say that they know it, before they
// look at the position; one does not, and the engine looks itself.
func TestWhatServersSayToARepetition(t *testing.T) {
	for nodes, says := range map[int]string{1: "wrong last sequence", 3: "duplicate"} {
		o := natscluster.Options{Name: "lessons", Shards: 1, Replicas: nodes}
		servers := start(t, nodes, o)
		e := open(t, servers.URL(), o, hub)
		key := cluster.KeyOf("k")
		js := js(t, servers)
		subject := "lectern.lessons.log.0." + key.String()
		publish := func(id string, after uint64) (string, uint64) {
			for {
				ack, err := js.Publish(patient(t), subject+".u", []byte("no group"), jetstream.WithMsgID(id), jetstream.WithExpectLastSequenceForSubject(after, subject+".*"))
				switch {
				case err == nil && ack.Duplicate:
					return "duplicate", ack.Sequence
				case err == nil:
					return "", ack.Sequence
				}
				var refused *jetstream.APIError
				require.ErrorAs(t, err, &refused)
				if refused.ErrorCode != 10164 { // soon after another
					return refused.Description, 0
				}
			}
		}
		_, first := publish("first", 0)
		_, second := publish("second", first)
		require.Greater(t, second, first)
		said, _ := publish("first", 0)
		require.Contains(t, said, says)

		other := cluster.KeyOf("other") // and through the engine it is the same on both
		g := group(0, 0)
		p := appended(t, e, other, g)
		appended(t, e, other, group(p, p))
		require.Equal(t, p, appended(t, e, other, g))
	}
}

// One server with files is enough for a process that ends and starts again.
func TestAServerThatStartsAgain(t *testing.T) {
	servers := start(t, 1, lessons)
	e := open(t, servers.URL(), lessons, hub)
	key := cluster.KeyOf("k")
	var heard atomic.Int64
	_, err := e.Tail(key, func(g cluster.Group) { heard.Store(int64(g.Position)) })
	require.NoError(t, err)
	first := appended(t, e, key, group(0, 0))
	servers.Stop(0)
	for e.State().Connected { // until it has noticed
		_ = e.Announce(key, first)
	}
	_, err = e.Append(patient(t), key, group(first, first))
	require.Error(t, err)
	require.NoError(t, servers.Restart(0))
	last, err := e.LastLinearizable(patient(t), key)
	require.NoError(t, err)
	require.Equal(t, first, last.Position)
	for p := first; heard.Load() <= int64(first); { // the tail goes on by itself
		p = appended(t, e, key, group(p, p))
	}
	require.True(t, e.State().Connected)
}

// The README's configuration is one that an engine works under.
func TestTheReadmesConfiguration(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```conf\n(.*?)```").FindSubmatch(readme)
	require.NotNil(t, block)
	file := filepath.Join(t.TempDir(), "nats.conf")
	require.NoError(t, os.WriteFile(file, block[1], 0o600))
	configured, err := server.ProcessConfigFile(file)
	require.NoError(t, err)
	servers, err := Start(Options{Dir: t.TempDir(), Configure: func(_ int, o *server.Options) {
		o.Accounts, o.Users = configured.Accounts, configured.Users
	}})
	require.NoError(t, err)
	t.Cleanup(servers.Close)
	var denied atomic.Pointer[error]
	e := open(t, servers.URL(), natscluster.Options{Name: "lessons", Replicas: 1}, hub,
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied.Store(&err) }))
	key := cluster.KeyOf("k")
	p := appended(t, e, key, group(0, 0))
	_, err = e.LastLinearizable(patient(t), key)
	require.NoError(t, err)
	for g, err := range e.Read(patient(t), key, cluster.Every, 0, p) {
		require.NoError(t, err)
		require.Equal(t, p, g.Position)
	}
	require.Nil(t, denied.Load())
}

func TestOptions(t *testing.T) {
	_, err := Start(Options{})
	require.ErrorContains(t, err, "a folder is needed")
	servers, err := Start(Options{Dir: t.TempDir()})
	require.NoError(t, err)
	defer servers.Close()
	_, err = Start(Options{Dir: t.TempDir(), Port: servers.Node(0).Addr().(*net.TCPAddr).Port})
	require.Error(t, err, "somebody listens there")
}
