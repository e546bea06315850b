package lectern

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
)

// secret is what a member proves itself with when it resumes: 128 random bits,
// which live as long as the membership. It hides itself from everything that
// formats values; only text tells it.
type secret [16]byte

func newSecret() secret {
	var s secret
	// Read never fails: it ends the program where there is no randomness.
	_, _ = rand.Read(s[:])
	return s
}

// matches compares in a time that does not depend on where the two differ.
func (s secret) matches(text string) bool {
	own := s.text()
	return subtle.ConstantTimeCompare([]byte(own), []byte(text)) == 1
}

func (s secret) text() string { return base64.RawURLEncoding.EncodeToString(s[:]) }

func (secret) String() string   { return "(secret)" }
func (secret) GoString() string { return "(secret)" }
