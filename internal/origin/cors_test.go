package origin

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCrossOriginAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		origins     []string
		origin      string
		allowed     string
		credentials string
	}{
		"none in the request": {[]string{"https://a.test"}, "", "", ""},
		"its own":             {nil, "http://lectern.test", "", ""},
		"any":                 {[]string{"*"}, "https://a.test", "*", ""},
		"listed":              {[]string{"https://a.test"}, "https://a.test", "https://a.test", "true"},
		"listed beside any":   {[]string{"*", "https://a.test"}, "https://a.test", "https://a.test", "true"},
		"any beside listed":   {[]string{"*", "https://a.test"}, "https://b.test", "*", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := NewPolicy("test", c.origins, nil)
			r := httptest.NewRequest(http.MethodOptions, "http://lectern.test/", nil)
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			require.NoError(t, p.Refuses(r))
			answer := httptest.NewRecorder()
			p.Preflight(answer, r, []string{"GET", "POST"}, []string{"X-One"})
			require.Equal(t, http.StatusNoContent, answer.Code)
			require.Equal(t, c.allowed, answer.Header().Get("Access-Control-Allow-Origin"))
			require.Equal(t, c.credentials, answer.Header().Get("Access-Control-Allow-Credentials"))
			require.Equal(t, "GET, POST", answer.Header().Get("Access-Control-Allow-Methods"))
			require.Equal(t, "X-One", answer.Header().Get("Access-Control-Allow-Headers"))
		})
	}
}
