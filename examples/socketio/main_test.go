package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lectern-go/lectern"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What the page does in a browser, e2e shows.
func TestThePageItsClientAndTheHubAreServed(t *testing.T) {
	hub, err := lectern.NewHub(policy())
	require.NoError(t, err)
	defer func() { require.NoError(t, hub.Close()) }()
	file := filepath.Join(t.TempDir(), "client.js")
	require.NoError(t, os.WriteFile(file, []byte("// the client"), 0o600))

	get := func(client, target string) (*http.Response, string) {
		answer := httptest.NewRecorder()
		handler(hub, client).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, target, nil))
		body, err := io.ReadAll(answer.Result().Body)
		require.NoError(t, err)
		return answer.Result(), string(body)
	}
	answer, body := get("", "/")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Contains(t, body, "io.connect(")
	_, body = get(file, "/client.js")
	require.Equal(t, "// the client", body)
	answer, _ = get("", "/client.js")
	require.Equal(t, cdn, answer.Header.Get("Location"))
	for _, version := range []string{"3", "4"} {
		answer, body = get("", "/socket.io/?transport=polling&EIO="+version)
		require.Equal(t, http.StatusOK, answer.StatusCode)
		require.Contains(t, body, `"upgrades":["websocket"]`)
	}
}
