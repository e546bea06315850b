package websocket

import (
	"net/http"
	"strings"
)

// answerHeader is what of a response's header goes along with the 101, which what has
// been before the handler may have set: cookies, ids of requests, and so on. It is nil
// where there is nothing. What belongs to the handshake itself, to a content, or to the
// connection does not go along.
func answerHeader(header http.Header) http.Header {
	var along http.Header
	for name, values := range header {
		if !isToken(name) || isHandshakes(http.CanonicalHeaderKey(name)) || len(values) == 0 {
			continue
		}
		if along == nil {
			along = make(http.Header, len(header))
		}
		along[name] = values
	}
	return along
}

// isHandshakes reports whether the header of the name, in the canonical form, is not
// for others to set in a 101.
func isHandshakes(name string) bool {
	switch name {
	case "Connection", "Upgrade", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding":
		return true
	}
	return strings.HasPrefix(name, "Sec-Websocket-") || strings.HasPrefix(name, "Content-") && name != "Content-Security-Policy" ||
		strings.HasPrefix(name, http.TrailerPrefix)
}

// isToken reports whether the string may be the name of a header.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		alphanumeric := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}
