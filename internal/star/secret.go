package star

import (
	"crypto/sha256"
	"crypto/subtle"
)

// Secret is a resume secret as the caller passes it in. The caller has just made it,
// or a peer has just shown it. The text goes into the answer and is not kept; only
// the hash is kept. A Secret does not show its text to anything that formats values.
type Secret struct {
	Text string
	Hash Hash
}

// Hash is the first half of the SHA-256 of a resume secret's text: as many bits as
// the secret has.
type Hash [16]byte

// HashOf is the hash of the resume secret that has that text.
func HashOf(text string) Hash {
	sum := sha256.Sum256([]byte(text))
	return Hash(sum[:len(Hash{})])
}

// matches compares in constant time: the time does not depend on where the two
// hashes differ.
func (h Hash) matches(other Hash) bool {
	return subtle.ConstantTimeCompare(h[:], other[:]) == 1
}

// String keeps the secret out of logs.
func (Secret) String() string { return "(secret)" }

// GoString keeps the secret out of %#v as well.
func (Secret) GoString() string { return "(secret)" }
