package httpstream

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/lectern-go/lectern/transport"
)

// The names of the protocol, as PROTOCOL.md has them.
const (
	// ConnectionHeader has the secret of the connection that a request belongs to.
	ConnectionHeader = "Lectern-Connection"
	// NumberHeader has the number of a POST that sends.
	NumberHeader = "Lectern-Number"
	// lastEventHeader says up to which number messages have arrived.
	lastEventHeader = "Last-Event-Id"

	connectionParameter = "connection"
	lastParameter       = "last"

	eventStream = "text/event-stream"
)

// closeWait is how long Close waits for a peer that does not go on taking what is left for it,
// and closeMost for one that does.
const (
	closeWait = time.Second
	closeMost = 3 * time.Second
)

// A secret says which connection a request belongs to, and that it may.
type secret [16]byte

var secretEncoding = base64.RawURLEncoding.Strict()

func newSecret() (s secret) {
	_, _ = rand.Read(s[:]) // it never fails
	return s
}

func (s secret) String() string { return secretEncoding.EncodeToString(s[:]) }

// parseSecret reports false for what is no secret.
func parseSecret(text string) (s secret, ok bool) {
	if secretEncoding.DecodedLen(len(text)) != len(s) {
		return s, false
	}
	n, err := secretEncoding.Decode(s[:], []byte(text))
	return s, err == nil && n == len(s)
}

// A farewell is a transport.Reason on the wire.
type farewell struct {
	Code transport.CloseCode `json:"code"`
	Text string              `json:"reason"`
}

func farewellOf(reason transport.Reason) farewell {
	return farewell{reason.Code, reason.ClippedText()}
}

func (f farewell) reason() transport.Reason { return transport.Reason{Code: f.Code, Text: f.Text} }

func (f farewell) json() []byte {
	data, _ := json.Marshal(f) // it never fails
	return data
}

// parseFarewell reports false for what does not say a reason.
func parseFarewell(data []byte) (f farewell, ok bool) {
	if json.Unmarshal(data, &f) != nil || f.Code < 1000 || f.Code > 4999 {
		return farewell{}, false
	}
	return farewellOf(f.reason()), true
}

// isText reports whether a message goes over the wire as it is: the text form of a frame, in
// one line. Any other goes in base64.
func isText(message []byte) bool {
	if len(message) == 0 || message[0] != '{' || !utf8.Valid(message) {
		return false
	}
	for _, c := range message {
		if c == '\n' || c == '\r' {
			return false
		}
	}
	return true
}

// opened is what an open is answered with.
type opened struct {
	Connection    string `json:"connection"`
	ProbeMS       int64  `json:"probe_ms"`
	GiveUpMS      int64  `json:"give_up_ms"`
	MaxFrameBytes int    `json:"max_frame_bytes"`
}
