package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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
	"github.com/lectern-go/lectern/examples/classroom/page"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport/websocket"
)

// asClassroom makes the test binary the program itself.
const asClassroom = "LECTERN_TEST_CLASSROOM"

func TestMain(m *testing.M) {
	if os.Getenv(asClassroom) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// start runs the program as a process of its own and returns the page's address.
func start(t *testing.T, args ...string) (process *exec.Cmd, page string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	process = exec.CommandContext(ctx, os.Args[0], args...)
	process.Env = append(os.Environ(), asClassroom+"=1", "GORACE=atexit_sleep_ms=0") // a class waits for the end of the program
	out, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	t.Cleanup(func() {
		cancel()
		_ = process.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	page, found := strings.CutPrefix(strings.TrimSpace(line), "classroom ")
	require.True(t, found, line)
	return process, page
}

func TestServesUntilItIsTold(t *testing.T) {
	for _, told := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(told.String(), func(t *testing.T) {
			process, page := start(t, "-addr", "127.0.0.1:0", "-master-timeout", "7s")
			defer http.DefaultClient.CloseIdleConnections()
			answer, err := http.Get(page)
			require.NoError(t, err)
			content, err := io.ReadAll(answer.Body)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Contains(t, string(content), "<title>Classroom</title>")

			ws, _, err := gorilla.DefaultDialer.Dial(strings.Replace(page, "http", "ws", 1)+"ws", nil)
			require.NoError(t, err)
			defer ws.Close()
			require.NoError(t, ws.SetReadDeadline(time.Now().Add(20*time.Second)))
			require.NoError(t, ws.WriteMessage(gorilla.TextMessage,
				[]byte(`{"type":"create","ref":1,"channel":"Biology 7b","username":"Ms Okafor"}`)))
			_, frame, err := ws.ReadMessage()
			require.NoError(t, err)
			require.Contains(t, string(frame), `"master_timeout_ms":7000`)

			answer, err = http.Get(page + "socket.io/?EIO=4&transport=polling")
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, http.StatusOK, answer.StatusCode)

			require.NoError(t, process.Process.Signal(told))
			_, frame, err = ws.ReadMessage()
			require.NoError(t, err)
			require.Contains(t, string(frame), `"type":"shutdown"`)
			_, _, err = ws.ReadMessage()
			require.True(t, gorilla.IsCloseError(err, 4106), "%v", err)
			require.NoError(t, process.Wait(), "the exit status is 0")
		})
	}
}

// With -state a class goes on where it was, and a crash leaves nothing that is taken for the
// present.
func TestAClassOutlivesTheProgram(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	process, page := start(t, "-addr", "127.0.0.1:0", "-state", state)
	dialer := websocket.Dialer{URL: strings.Replace(page, "http", "ws", 1) + "ws"}
	clients := make([]*lectern.Client, 3)
	for i := range clients {
		clients[i] = lectern.NewClient(dialer, lectern.ClientOptions{})
		defer clients[i].Close()
	}
	lesson := stage.StartLesson(t, "Biology 7b", clients...)
	lesson.Goes(5)
	again := func() {
		process, _ = start(t, "-addr", strings.Trim(strings.TrimPrefix(page, "http:"), "/"), "-state", state)
		require.NoFileExists(t, state, "it is loaded before anybody is served")
	}
	for range 2 {
		require.NoError(t, process.Process.Signal(syscall.SIGTERM))
		require.NoError(t, process.Wait(), "the exit status is 0")
		again()
		lesson.Goes(5)
	}
	require.NoError(t, process.Process.Kill())
	_ = process.Wait()
	again()
	for _, handle := range lesson.Handles() {
		<-handle.Done()
		require.ErrorIs(t, handle.Err(), lectern.ErrHubLost)
	}

	var says bytes.Buffer
	require.Equal(t, 1, status(run(t.Context(), []string{"-addr", "127.0.0.1:0", "-state", state}, io.Discard, io.Discard), &says))
	require.Contains(t, says.String(), "classroom: -state: the lock "+state+".lock: another process has the lock")
	notes := filepath.Join(t.TempDir(), "notes")
	require.NoError(t, os.WriteFile(notes, []byte("my notes"), 0o600))
	require.Equal(t, 1, status(run(t.Context(), []string{"-addr", "127.0.0.1:0", "-state", notes}, io.Discard, io.Discard), &says))
	require.Contains(t, says.String(), "classroom: -state: loading the hub from "+notes+": ")
	require.Contains(t, says.String(), "; remove the file to begin without it")
	says.Reset()
	require.Equal(t, 1, status(run(t.Context(), []string{"-addr", "127.0.0.1:0", "-state", t.TempDir()}, io.Discard, io.Discard), &says))
	require.Contains(t, says.String(), "classroom: -state: loading the hub from ")
	require.NotContains(t, says.String(), "remove the file", "it may be sound")
}

func TestFlagsThatMakeNoSense(t *testing.T) {
	for _, args := range [][]string{{"-addr"}, {"-no-such-flag"}, {"-master-timeout", "soon"}, {"-state", ""}, {"more"}} {
		var says bytes.Buffer
		err := run(t.Context(), args, io.Discard, &says)
		require.ErrorIs(t, err, errUsage)
		require.Contains(t, says.String(), "-master-timeout", "the flags are explained")
		require.Equal(t, 2, status(err, io.Discard))
	}
	require.Zero(t, status(run(t.Context(), []string{"-h"}, io.Discard, io.Discard), io.Discard))
}

func TestAddressInUse(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	var says bytes.Buffer
	require.Equal(t, 1, status(run(t.Context(), []string{"-addr", listener.Addr().String()}, io.Discard, io.Discard), &says))
	require.Contains(t, says.String(), "classroom: listen tcp "+listener.Addr().String())
}

func TestAddresses(t *testing.T) {
	interfaces := func() ([]net.Addr, error) {
		return []net.Addr{
			&net.IPNet{IP: net.IPv4(127, 0, 0, 1)},
			&net.IPNet{IP: net.IPv4(192, 0, 2, 7)},
			&net.IPNet{IP: net.ParseIP("fe80::1")},
		}, nil
	}
	for _, c := range []struct {
		at   net.IP
		want []string
	}{
		{net.IPv4(127, 0, 0, 1), []string{"http://127.0.0.1:8000/"}},
		{net.IPv6loopback, []string{"http://[::1]:8000/"}},
		{net.IPv6unspecified, []string{"http://localhost:8000/", "http://192.0.2.7:8000/"}},
		{net.IPv4zero, []string{"http://localhost:8000/", "http://192.0.2.7:8000/"}},
	} {
		require.Equal(t, c.want, addresses(&net.TCPAddr{IP: c.at, Port: 8000}, interfaces))
	}
}

// A page of another name is not one of this program's, wherever that name leads.
func TestPagesOfOtherHosts(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	_, page := start(t, "-addr", "127.0.0.1:0", "-host", "class.test")
	for host, status := range map[string]int{
		"rebound.test": http.StatusForbidden,
		"class.test":   http.StatusSwitchingProtocols,
		"localhost":    http.StatusSwitchingProtocols,
		"192.0.2.7":    http.StatusSwitchingProtocols,
	} {
		ws, answer, err := gorilla.DefaultDialer.Dial(strings.Replace(page, "http", "ws", 1)+"ws",
			http.Header{"Host": {host}, "Origin": {"http://" + host}})
		if err == nil {
			require.NoError(t, ws.Close())
		}
		require.NotNil(t, answer, "%v", err)
		require.Equal(t, status, answer.StatusCode, host)

		request, err := http.NewRequest(http.MethodPost, page+"ws/open", nil)
		require.NoError(t, err)
		request.Host = host
		request.Header.Set("Origin", "http://"+host)
		answer, err = http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, status == http.StatusForbidden, answer.StatusCode == http.StatusForbidden, host)
	}
	var says bytes.Buffer
	require.Equal(t, 1, status(run(t.Context(), []string{"-addr", "127.0.0.1:0", "-host", "*.test"}, io.Discard, io.Discard), &says))
	require.Contains(t, says.String(), "classroom: -host: ")
}

func TestOwnNames(t *testing.T) {
	require.Equal(t, []string{"localhost", "laptop", "laptop.local"}, ownNames("Laptop", nil))
	require.Equal(t, []string{"localhost", "laptop", "laptop.local"}, ownNames("laptop.local", nil))
	require.Equal(t, []string{"localhost"}, ownNames("laptop.example.com", nil), "it may be anybody's")
	require.Equal(t, []string{"localhost"}, ownNames("192.0.2.7", nil))
	require.Equal(t, []string{"localhost"}, ownNames("", io.EOF))
}

func TestPolicy(t *testing.T) {
	require.Negative(t, settings{masterTimeout: 0}.policy().MasterTimeout, "zero is no time at all")
	require.Equal(t, time.Minute, settings{masterTimeout: time.Minute}.policy().SlaveTimeout)
}

func ask(method, path string, header http.Header) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, nil)
	request.Header = header
	answer := httptest.NewRecorder()
	page.Handler(http.NotFoundHandler()).ServeHTTP(answer, request)
	return answer
}

func TestEveryAnswerIsSecured(t *testing.T) {
	for _, path := range []string{"/", "/main.js", "/base.css", "/lectern.js", "/icon.svg", "/nothing", "/ws"} {
		h := ask(http.MethodGet, path, nil).Header()
		policy := h.Get("Content-Security-Policy")
		for _, rule := range []string{
			"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'",
			"form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
		} {
			require.Contains(t, strings.Split(policy, "; "), rule, path)
		}
		require.NotContains(t, policy, "unsafe")
		require.NotContains(t, policy, "http")
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), path)
	}
}

// What the page names is there, under the type that it must have, and nothing in
// it is of another host.
func TestThePageIsWhole(t *testing.T) {
	entries, err := page.Files.ReadDir(".")
	require.NoError(t, err)
	require.Greater(t, len(entries), 20)
	for _, entry := range entries {
		path := "/" + entry.Name()
		if path == "/index.html" {
			require.Equal(t, http.StatusNotFound, ask(http.MethodGet, path, nil).Code, "it has one address")
			path = "/"
		}
		answer := ask(http.MethodGet, path, nil)
		require.Equal(t, http.StatusOK, answer.Code, path)
		content := answer.Body.String()
		if entry.Name() != "qrcode.js" {
			require.NotContains(t, strings.ReplaceAll(content, "http://www.w3.org/2000/svg", ""), "://", path)
			require.NotContains(t, content, "innerHTML", path)
		}
		tag := answer.Header().Get("ETag")
		require.Equal(t, http.StatusNotModified, ask(http.MethodGet, path, http.Header{"If-None-Match": {tag}}).Code, path)
		require.Equal(t, http.StatusMethodNotAllowed, ask(http.MethodPost, path, nil).Code, path)
	}
	for path, contentType := range map[string]string{
		"/": "text/html; charset=utf-8", "/base.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml",
		"/main.js": "text/javascript; charset=utf-8", "/lectern.js": "text/javascript; charset=utf-8",
	} {
		require.Equal(t, contentType, ask(http.MethodGet, path, nil).Header().Get("Content-Type"))
	}
	page := ask(http.MethodGet, "/", nil).Body.String()
	for _, file := range []string{"/icon.svg", "/base.css", "/start.css", "/class.css", "/question.css", "/main.js"} {
		require.Contains(t, page, `"`+file+`"`)
	}
	require.NotContains(t, page, "<style")
	require.NotContains(t, page, "style=")
}
