package hub

import (
	"crypto/rand"
	"encoding/base64"

	"github.com/lectern-go/lectern/internal/star"
)

// secret is the resume secret of a member: 128 random bits, valid as long as the
// membership. The rules keep only its hash. A seat keeps the secret while its connection
// lasts, to repeat an answer. A secret does not show itself to anything that formats
// values; only the method text does.
type secret [16]byte

func newSecret() secret {
	var s secret
	// Read never fails: it ends the program where there is no randomness.
	_, _ = rand.Read(s[:])
	return s
}

// knownSecret is the secret that has that text. The rules have accepted it before.
func knownSecret(text string) (s secret) {
	_, _ = base64.RawURLEncoding.Decode(s[:], []byte(text))
	return s
}

func (s secret) text() string { return base64.RawURLEncoding.EncodeToString(s[:]) }

// given is the secret in the form in which the rules take it.
func (s secret) given() star.Secret { return given(s.text()) }

// given is a secret that a peer has shown, in the form in which the rules take it.
func given(text string) star.Secret {
	return star.Secret{Text: text, Hash: star.HashOf(text)}
}

func (secret) String() string   { return "(secret)" }
func (secret) GoString() string { return "(secret)" }
