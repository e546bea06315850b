package embed

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/cluster/clustertest"
	"github.com/lectern-go/lectern/cluster/natscluster"
)

// patient is how long anything may take.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// start starts servers on which a hub's user may do what the options say that it needs, and nothing else;
// one who balances what that needs beside it.
func start(t testing.TB, nodes int, allowed ...natscluster.Options) *Servers {
	var publish, subscribe, balance []string
	for _, o := range allowed {
		p, s := o.Permissions()
		publish, subscribe = append(publish, p...), append(subscribe, s...)
		balance = append(balance, o.BalancePermissions()...)
	}
	servers, err := Start(Options{Dir: t.TempDir(), Nodes: nodes, Configure: func(_ int, o *server.Options) {
		o.Users = []*server.User{
			{Username: "hub", Password: "hub", Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Allow: publish},
				Subscribe: &server.SubjectPermission{Allow: subscribe},
			}},
			{Username: "balancer", Password: "balancer", Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Allow: slices.Concat(publish, balance)},
				Subscribe: &server.SubjectPermission{Allow: subscribe},
			}},
			{Username: "operator", Password: "operator"}, // may do everything
		}
	}})
	require.NoError(t, err)
	t.Cleanup(servers.Close)
	return servers
}

// suite runs the suite on servers, with a cluster for each kind of settings.
func suite(t *testing.T, nodes int) {
	options := func(name string, s clustertest.Settings) natscluster.Options {
		return natscluster.Options{Name: name, Shards: 2, Replicas: nodes, Keeps: s.Keeps, MaxBytes: int64(s.MaxBytes)}
	}
	name := func(s clustertest.Settings) string { return fmt.Sprintf("c-%d-%d", s.Keeps.Milliseconds(), s.MaxBytes) }
	var allowed []natscluster.Options
	for _, s := range []clustertest.Settings{{}, {Keeps: 2 * time.Second}, {MaxBytes: 4 << 20}} {
		allowed = append(allowed, options(name(s), s))
	}
	servers := start(t, nodes, allowed...)
	var denied atomic.Pointer[error]
	clustertest.TestEngine(t, func(t testing.TB, s clustertest.Settings) (engines []cluster.Engine) {
		for i := range s.Engines {
			e, err := natscluster.Open(patient(t), servers.NodeURL(i%nodes), options(name(s), s),
				nats.UserInfo("hub", "hub"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied.Store(&err) }))
			require.NoError(t, err)
			engines = append(engines, e)
		}
		return engines
	})
	if err := denied.Load(); err != nil {
		require.NoError(t, *err, "the permissions do not do")
	}
}

func TestEngineOnOneServer(t *testing.T) { suite(t, 1) }

func TestEngineOnThreeServers(t *testing.T) { suite(t, 3) }
