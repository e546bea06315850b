package hub

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// secret is the resume secret of a member: 128 random bits, valid as long as the
// membership. The rules keep only its hash. A seat keeps the secret while its connection
// lasts, to repeat an answer. A secret does not show itself to anything that formats
// values; only its texts do.
//
// Where the client has shown an instance, its text is the ID of the hub, the 128 bits, and a
// checksum of both: so another hub, which has no such membership, can tell that it was never
// its own, and that nothing was made up or mistyped (Hub.notHere). To peers the text is one
// word that means nothing. Who speaks by hand is given the bits alone, which are shorter to
// type.
type secret [16]byte

// ID is the number of a hub: random, and no secret. A hub that is restored has the one of
// the hub that was exported, as it goes on in its place.
type ID [6]byte

func newID() (id ID) {
	_, _ = rand.Read(id[:])
	return id
}

func newSecret() secret {
	var s secret
	// Read never fails: it ends the program where there is no randomness.
	_, _ = rand.Read(s[:])
	return s
}

// knownSecret is the secret that has that text, where there is one: the rules, which may be those of
// another hub, say whether it is accepted.
func knownSecret(text string) (s secret) {
	if _, s, marked := parse(text); marked {
		return s
	}
	if base64.RawURLEncoding.DecodedLen(len(text)) == len(s) {
		_, _ = base64.RawURLEncoding.Decode(s[:], []byte(text))
	}
	return s
}

// plain is the text of the bits alone, and marked the text with the hub.
func (s secret) plain() string {
	var text [22]byte
	base64.RawURLEncoding.Encode(text[:], s[:])
	return string(text[:])
}

func (s secret) marked(hub ID) string {
	var content [markedBytes]byte // on the stack: a join makes one
	copy(content[copy(content[:], hub[:]):], s[:])
	sum := checksum(content[:])
	copy(content[len(content)-len(sum):], sum[:])
	var text [markedBytes * 4 / 3]byte
	base64.RawURLEncoding.Encode(text[:], content[:])
	return string(text[:])
}

// markedBytes is the size of what a marked text stands for.
const markedBytes = len(ID{}) + len(secret{}) + 2

// parse is the reverse of marked.
func parse(text string) (hub ID, s secret, marked bool) {
	content, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(content) != markedBytes {
		return hub, s, false
	}
	sum := checksum(content)
	copy(s[:], content[copy(hub[:], content):])
	return hub, s, string(content[markedBytes-len(sum):]) == string(sum[:])
}

// checksum is of a marked content, but for its end, where the checksum is.
func checksum(content []byte) (sum [2]byte) {
	whole := sha256.Sum256(content[:markedBytes-len(sum)])
	copy(sum[:], whole[:])
	return sum
}

// fresh is a new secret for the sender of the frame, in the form in which the rules take it.
func (s secret) fresh(hub ID, f *wire.Frame) star.Secret { return s.freshFor(hub, f.Instance == "") }

// freshFor is fresh for a client that speaks by hand, or not.
func (s secret) freshFor(hub ID, byHand bool) star.Secret {
	if byHand {
		return given(s.plain())
	}
	return given(s.marked(hub))
}

// known is the secret of the seat's member as it was given, with the channel's lock held.
func (s *seat) known(hub ID) star.Secret {
	if marked := given(s.secret.marked(hub)); s.Holds(marked.Hash) {
		return marked
	}
	return given(s.secret.plain())
}

// given is a secret that a peer has shown, in the form in which the rules take it.
func given(text string) star.Secret {
	return star.Secret{Text: text, Hash: star.HashOf(text)}
}

// isOfAnother reports whether the text is that of a secret which another hub has made.
func isOfAnother(text string, hub ID) bool {
	other, _, marked := parse(text)
	return marked && other != hub
}

func (secret) String() string   { return "(secret)" }
func (secret) GoString() string { return "(secret)" }
