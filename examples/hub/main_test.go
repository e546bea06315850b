package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lectern-go/lectern"
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
	hub := exec.Command(os.Args[0], "-ws", "127.0.0.1:0", "-tcp", "127.0.0.1:0", "-unix", path)
	hub.Env = append(os.Environ(), asHub+"=1")
	out, err := hub.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, hub.Start())
	defer hub.Process.Kill()
	at := map[string]string{}
	for lines := bufio.NewScanner(out); len(at) < 3 && lines.Scan(); {
		kind, address, _ := strings.Cut(lines.Text(), " ")
		at[kind] = address
	}
	require.Len(t, at, 3)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	first := lectern.NewClient(netconn.Dialer{Address: at["tcp"]}, lectern.ClientOptions{})
	defer first.Close()
	master, err := first.Create(ctx, "abc123", "alice")
	require.NoError(t, err)
	second := lectern.NewClient(netconn.Dialer{Network: "unix", Address: at["unix"]}, lectern.ClientOptions{})
	defer second.Close()
	slave, err := second.Join(ctx, "abc123", "user_one")
	require.NoError(t, err)

	ws, _, err := gorilla.DefaultDialer.DialContext(ctx, at["ws"], nil)
	require.NoError(t, err)
	defer ws.Close()
	ws.SetReadDeadline(time.Now().Add(10 * time.Second))
	require.NoError(t, ws.WriteMessage(gorilla.TextMessage, []byte(`{"type":"join","ref":1,"channel":"abc123","username":"plain"}`)))
	_, frame, err := ws.ReadMessage()
	require.NoError(t, err)
	require.Contains(t, string(frame), `"type":"joined"`)

	_, err = master.Broadcast(ctx, lectern.Text("hello"))
	require.NoError(t, err)
	message, err := slave.Receive(ctx)
	require.NoError(t, err)
	require.Equal(t, "hello", message.Text())
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
	require.NoError(t, hub.Wait(), "the exit status is 0")
	require.NoFileExists(t, path)
}

func TestTakesTheFileOfAKilledHub(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	for range 2 {
		hub := exec.Command(os.Args[0], "-unix", path)
		hub.Env = append(os.Environ(), asHub+"=1")
		out, err := hub.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, hub.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		hub.Process.Kill()
		_ = hub.Wait()
		require.NoError(t, err)
		require.Equal(t, "unix "+path+"\n", line)
		require.FileExists(t, path)
	}
}

func TestStatus(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"no listener": {nil, 2},
		"bad flag":    {[]string{"-nothing"}, 2},
		"half of TLS": {[]string{"-ws", ":0", "-tls-cert", "x"}, 2},
		"bad address": {[]string{"-tcp", "127.0.0.1:99999"}, 1},
		"bad origin":  {[]string{"-ws", "127.0.0.1:0", "-origin", "here"}, 1},
		"help":        {[]string{"-h"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, status(run(t.Context(), c.args, io.Discard, io.Discard), io.Discard))
		})
	}
}
