package js_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lectern-go/lectern/js"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ask(handler http.Handler, method string, header http.Header) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, "/lectern.js", nil)
	request.Header = header
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func TestServesTheBuiltFile(t *testing.T) {
	for name, c := range map[string]struct {
		handler     http.Handler
		contentType string
	}{
		"lectern.js":   {js.Handler(), "text/javascript; charset=utf-8"},
		"lectern.d.ts": {js.Declarations(), "application/typescript; charset=utf-8"},
	} {
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile(name)
			require.NoError(t, err)

			answer := ask(c.handler, http.MethodGet, nil)
			require.Equal(t, http.StatusOK, answer.Code)
			require.Equal(t, string(content), answer.Body.String())
			require.Equal(t, c.contentType, answer.Header().Get("Content-Type"))
			require.Equal(t, "nosniff", answer.Header().Get("X-Content-Type-Options"))
			require.Equal(t, "no-cache", answer.Header().Get("Cache-Control"))
			require.Regexp(t, `^"[0-9a-f]{32}"$`, answer.Header().Get("ETag"), "a strong one")

			answer = ask(c.handler, http.MethodHead, nil)
			require.Equal(t, http.StatusOK, answer.Code)
			require.Empty(t, answer.Body.String())
			require.Equal(t, c.contentType, answer.Header().Get("Content-Type"))
		})
	}
}

func TestSaysWhenNothingHasChanged(t *testing.T) {
	handler := js.Handler()
	tag := ask(handler, http.MethodGet, nil).Header().Get("ETag")
	require.NotEqual(t, tag, ask(js.Declarations(), http.MethodGet, nil).Header().Get("ETag"))
	require.Equal(t, tag, ask(js.Handler(), http.MethodGet, nil).Header().Get("ETag"), "the same in every process")

	for header, want := range map[string]int{
		tag:                      http.StatusNotModified,
		`"another", ` + tag:      http.StatusNotModified,
		"W/" + tag:               http.StatusNotModified,
		"*":                      http.StatusNotModified,
		`"another"`:              http.StatusOK,
		tag[:len(tag)-1] + "0\"": http.StatusOK,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			answer := ask(handler, method, http.Header{"If-None-Match": {header}})
			require.Equal(t, want, answer.Code, "%s %s", method, header)
			require.Equal(t, tag, answer.Header().Get("ETag"))
			if want == http.StatusNotModified {
				require.Empty(t, answer.Body.String())
			}
		}
	}
}

func TestAnswersReadingOnly(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		answer := ask(js.Handler(), method, nil)
		require.Equal(t, http.StatusMethodNotAllowed, answer.Code)
		require.Equal(t, "GET, HEAD", answer.Header().Get("Allow"))
	}
}
