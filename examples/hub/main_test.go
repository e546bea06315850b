package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport/httpstream"
	"github.com/lectern-go/lectern/transport/netconn"
)

// asHub makes the test binary the program itself.
const asHub = "LECTERN_TEST_HUB"

func TestMain(m *testing.M) {
	if os.Getenv(asHub) != "" {
		main()
	}
	if address := os.Getenv(asMaster); address != "" {
		stayMaster(address)
	}
	goleak.VerifyTestMain(m)
}

func TestProcessServesAllAndEndsOnSIGTERM(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	hub := startHub(t, 4, "-ws", "127.0.0.1:0", "-http", "-tcp", "127.0.0.1:0", "-unix", path)
	require.Equal(t, strings.Replace(hub.at["ws"], "ws", "http", 1)+"/", hub.at["http"])

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first := lectern.NewClient(netconn.Dialer{Address: hub.at["tcp"]}, lectern.ClientOptions{})
	defer first.Close()
	master, err := first.Create(ctx, "abc123", "alice")
	require.NoError(t, err)
	second := lectern.NewClient(netconn.Dialer{Network: "unix", Address: hub.at["unix"]}, lectern.ClientOptions{})
	defer second.Close()
	slave, err := second.Join(ctx, "abc123", "user_one")
	require.NoError(t, err)

	ws, _, err := gorilla.DefaultDialer.DialContext(ctx, hub.at["ws"], nil)
	require.NoError(t, err)
	defer ws.Close()
	ws.SetReadDeadline(time.Now().Add(patience))
	require.NoError(t, ws.WriteMessage(gorilla.TextMessage, []byte(`{"type":"join","ref":1,"channel":"abc123","username":"plain"}`)))
	_, frame, err := ws.ReadMessage()
	require.NoError(t, err)
	require.Contains(t, string(frame), `"type":"joined"`)

	third := lectern.NewClient(httpstream.Dialer{URL: hub.at["http"]}, lectern.ClientOptions{})
	defer third.Close()
	behind, err := third.Join(ctx, "abc123", "behind a proxy")
	require.NoError(t, err)

	_, err = master.Broadcast(ctx, lectern.Text("hello"))
	require.NoError(t, err)
	for _, each := range []*lectern.Slave{slave, behind} {
		message, err := each.Receive(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello", message.Text())
	}
	_, frame, err = ws.ReadMessage()
	require.NoError(t, err)
	require.Contains(t, string(frame), `"text":"hello"`)

	require.NoError(t, hub.Process.Signal(syscall.SIGTERM))
	_, frame, err = ws.ReadMessage()
	require.NoError(t, err)
	require.Contains(t, string(frame), `{"type":"shutdown",`)
	for err == nil { // perhaps that the master's connection has gone first
		_, _, err = ws.ReadMessage()
	}
	require.True(t, gorilla.IsCloseError(err, 4106), "%v", err)
	_, err = hub.ends()
	require.NoError(t, err, "the exit status is 0")
	require.NoFileExists(t, path)
}

func TestStatus(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"no listener":    {nil, 2},
		"bad flag":       {[]string{"-nothing"}, 2},
		"http alone":     {[]string{"-http", "-tcp", ":0"}, 2},
		"socketio alone": {[]string{"-socketio", "-tcp", ":0"}, 2},
		"half of TLS":    {[]string{"-ws", ":0", "-tls-cert", "x"}, 2},
		"bad address":    {[]string{"-tcp", "127.0.0.1:99999"}, 1},
		"bad origin":     {[]string{"-ws", "127.0.0.1:0", "-origin", "here"}, 1},
		"help":           {[]string{"-h"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, status(run(t.Context(), c.args, io.Discard, io.Discard), io.Discard))
		})
	}
}
