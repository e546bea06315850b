package star

import (
	"crypto/sha256"
	"crypto/subtle"
)

// Secret is a resume secret as it is passed in, by who has just made it or was
// just shown it: the text goes into the answer and is not kept, the hash is. It
// hides itself from everything that formats values.
type Secret struct {
	Text string
	Hash Hash
}

// Hash is the first half of the SHA-256 of a resume secret's text: as many bits as
// the secret has.
type Hash [16]byte

// HashOf is the hash of a resume secret of that text.
func HashOf(text string) Hash {
	sum := sha256.Sum256([]byte(text))
	return Hash(sum[:len(Hash{})])
}

// matches compares in a time that does not depend on where the two differ.
func (h Hash) matches(other Hash) bool {
	return subtle.ConstantTimeCompare(h[:], other[:]) == 1
}

func (Secret) String() string { return "(secret)" }

// GoString keeps the secret out of %#v as well.
func (Secret) GoString() string { return "(secret)" }
