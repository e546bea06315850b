package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMetricsOfAHubInUse(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	running, stop := context.WithCancel(ctx)
	defer stop()
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(running, "127.0.0.1:0", in)
		_ = in.Close()
	}()
	at := map[string]string{}
	for lines := bufio.NewScanner(out); len(at) < 2 && lines.Scan(); {
		what, where, _ := strings.Cut(lines.Text(), " ")
		at[what] = where
	}
	require.Len(t, at, 2)

	alice := lectern.NewClient(websocket.Dialer{URL: at["ws"]}, lectern.ClientOptions{})
	defer alice.Close()
	master, err := alice.Create(ctx, "abc123", "alice")
	require.NoError(t, err)
	one := lectern.NewClient(websocket.Dialer{URL: at["ws"]}, lectern.ClientOptions{})
	defer one.Close()
	slave, err := one.Join(ctx, "abc123", "user_one")
	require.NoError(t, err)
	_, err = slave.Send(ctx, lectern.Text("hi"))
	require.NoError(t, err)
	// A message is counted once it is delivered, and before the next one is.
	_, err = master.Broadcast(ctx, lectern.Text("hello"))
	require.NoError(t, err)

	page := get(t, ctx, at["metrics"])
	for _, line := range []string{
		"lectern_connections 2", "lectern_channels 1", "lectern_slaves 1", "lectern_joins_total 1",
		`lectern_messages_received_total{role="slave"} 1`, `lectern_refused_total{code="no_such_channel"} 0`,
	} {
		require.Contains(t, page, "\n"+line+"\n")
	}
	require.Contains(t, page, "go_goroutines")
	require.NoError(t, slave.Leave())
	require.NoError(t, master.Close())
	require.NoError(t, one.Close())
	require.NoError(t, alice.Close())

	stop()
	require.NoError(t, <-ended)
}

func get(t *testing.T, ctx context.Context, url string) string {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}

func TestAddressThatIsNone(t *testing.T) {
	require.Error(t, run(t.Context(), "no port", io.Discard))
}
