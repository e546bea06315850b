package lecternprom_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	lecternprom "github.com/lectern-go/lectern/metrics/prometheus"
	"github.com/lectern-go/lectern/transport"
)

// hostile are names and texts that would do harm, or make a series each, if they
// got into a label.
var hostile = []string{
	`mallory",role="master"} 1 #`, `{le="+Inf"}`, `mallory\`, `lectern_joins_total 99`, "mallory_total", "málloryé", "$(mallory)", `../mallory%00`,
	strings.Repeat("mallory", 18),
}

// Rows H18 and F10: whatever the peers call themselves, and whatever they
// send, the series stay those that were there from the start.
func TestNoPeerAddsASeries(t *testing.T) {
	observer, registry := newObserver(t, lecternprom.Options{})
	before := series(t, registry)
	policy := lectern.Policy{
		Observer: observer, MasterTimeout: 50 * time.Millisecond, SlaveTimeout: -1,
		Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
			if r.Token != "" {
				return lectern.Identity{}, &lectern.Error{Code: lectern.ErrorCode(r.Token), Text: r.Token}
			}
			return lectern.Identity{AsAsked: true}, nil
		},
	}
	hub, err := lectern.NewHub(policy)
	require.NoError(t, err)
	defer hub.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	for _, name := range hostile {
		_, err := hub.Create(ctx, name, name, lectern.WithToken(name))
		require.Error(t, err)
		master, err := hub.Create(ctx, name, name)
		require.NoError(t, err)
		_, err = hub.Create(ctx, name, name)
		require.ErrorIs(t, err, lectern.ErrChannelExists)
		slave, err := hub.Join(ctx, name, "slave "+name[:5])
		require.NoError(t, err)
		_, err = slave.Send(ctx, lectern.Text(name))
		require.NoError(t, err)
		_, err = master.Broadcast(ctx, lectern.Text(name))
		require.NoError(t, err)
		_, err = master.Send(ctx, name, lectern.Text(name))
		require.ErrorIs(t, err, lectern.ErrNoSuchSlave)
		require.NoError(t, master.Kick(ctx, "slave "+name[:5], name)) // a reason of the peer's own
		<-slave.Done()
		_, err = hub.Join(ctx, name, "an\x00other\n")
		require.ErrorIs(t, err, lectern.ErrBadName)
		channel, ok := hub.Channel(name)
		require.True(t, ok)
		require.NoError(t, channel.Close(name))
		<-master.Done()
		write(t, ctx, hub, `{"type":"`+strings.NewReplacer(`"`, "", `\`, "").Replace(name)+`","ref":1}`)
	}
	require.NoError(t, hub.Close())

	after := series(t, registry)
	n := float64(len(hostile))
	require.Equal(t, n, after["lectern_joins_total"])
	require.Equal(t, n, after["lectern_leaves_total reason=kicked"])
	require.Equal(t, n, after["lectern_refused_total code=other"], "a code that Authorize has made up")
	require.Equal(t, n, after["lectern_refused_total code=no_such_slave"])
	require.Equal(t, n, after["lectern_refused_total code=unsupported"])
	require.Equal(t, n, after["lectern_queue_depth"])
	for _, level := range []string{"lectern_connections", "lectern_channels", "lectern_slaves"} {
		require.Zero(t, after[level], level)
	}
	for id := range after {
		require.Contains(t, before, id)
		require.NotContains(t, id, "mallory")
	}
	require.Len(t, after, len(before))
}

// write has one who writes by hand send a frame, and waits for the answer.
func write(t *testing.T, ctx context.Context, hub *lectern.Hub, frame string) {
	conn, err := hub.Dial(ctx)
	require.NoError(t, err)
	require.NoError(t, conn.Write([]byte(frame)))
	answer, err := conn.Read()
	require.NoError(t, err)
	require.Contains(t, string(answer), `"type":"error"`)
	require.NoError(t, conn.Close(transport.Reason{Code: transport.Left}))
}

// How late a channel ended is observed where its master was down.
func TestClosingTimeOfAMasterThatIsDown(t *testing.T) {
	observer, registry := newObserver(t, lecternprom.Options{})
	hub, err := lectern.NewHub(lectern.Policy{Observer: observer, MasterTimeout: time.Millisecond})
	require.NoError(t, err)
	defer hub.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	master, err := hub.Create(ctx, "abc123", "alice")
	require.NoError(t, err)
	slave, err := hub.Join(ctx, "abc123", "user_one")
	require.NoError(t, err)
	if err := master.Away(ctx); err != nil {
		require.True(t, errors.Is(err, lectern.ErrMasterDown), "%v", err)
	}
	<-slave.Done()
	require.ErrorIs(t, slave.Err(), lectern.ErrMasterDown)
	require.NoError(t, hub.Close())
	after := series(t, registry)
	require.EqualValues(t, 1, after["lectern_closing_seconds"])
	require.EqualValues(t, 1, after["lectern_leaves_total reason=master_down"])
}
