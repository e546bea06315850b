package hub

import (
	"crypto/rand"
	"encoding/base64"

	"github.com/lectern-go/lectern/internal/star"
)

// secret is what a member proves itself with when it resumes: 128 random bits,
// which live as long as the membership. The rules keep its hash alone; a seat keeps
// the secret for as long as its connection lasts, to repeat an answer. It hides
// itself from everything that formats values; only text tells it.
type secret [16]byte

func newSecret() secret {
	var s secret
	// Read never fails: it ends the program where there is no randomness.
	_, _ = rand.Read(s[:])
	return s
}

// knownSecret is the secret of that text, which the rules have found right.
func knownSecret(text string) (s secret) {
	_, _ = base64.RawURLEncoding.Decode(s[:], []byte(text))
	return s
}

func (s secret) text() string { return base64.RawURLEncoding.EncodeToString(s[:]) }

// given is the secret as it is passed in to the rules.
func (s secret) given() star.Secret { return given(s.text()) }

// given is a secret as a peer has shown it.
func given(text string) star.Secret {
	return star.Secret{Text: text, Hash: star.HashOf(text)}
}

func (secret) String() string   { return "(secret)" }
func (secret) GoString() string { return "(secret)" }
