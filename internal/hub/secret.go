package hub

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// secret is the resume secret of a member: 128 random bits, valid as long as the
// membership. The rules keep only its hash. A seat keeps the secret while its connection
// lasts, to repeat an answer. A secret does not show itself to anything that formats
// values; only the method text does.
//
// Where the client has shown an instance, its text is the ID of the hub, the 128 bits, and a
// checksum of both: so another hub, which has no such membership, can tell that it was never
// its own, and that nothing was made up or mistyped (Hub.notHere). To peers the text is one
// word that means nothing. Who speaks by hand is given the bits alone, which are shorter to
// type.
type secret struct {
	bits   [16]byte
	marked bool
}

// ID is the number of a hub: random, and no secret. A hub that is restored has the one of
// the hub that was exported, as it goes on in its place.
type ID [6]byte

func newID() (id ID) {
	_, _ = rand.Read(id[:])
	return id
}

// newSecret is a secret for the sender of the frame.
func newSecret(f *wire.Frame) secret {
	s := secret{marked: f.Instance != ""}
	// Read never fails: it ends the program where there is no randomness.
	_, _ = rand.Read(s.bits[:])
	return s
}

// knownSecret is the secret that has that text. The rules have accepted it before.
func knownSecret(text string) (s secret) {
	if _, bits, marked := parse(text); marked {
		return secret{bits, true}
	}
	_, _ = base64.RawURLEncoding.Decode(s.bits[:], []byte(text))
	return s
}

func (s secret) text(hub ID) string {
	if !s.marked {
		return base64.RawURLEncoding.EncodeToString(s.bits[:])
	}
	marked := append(hub[:], s.bits[:]...)
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint16(marked, checksum(marked)))
}

// parse is the reverse of text, for a secret that is marked.
func parse(text string) (hub ID, bits [16]byte, marked bool) {
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(decoded) != len(hub)+len(bits)+2 {
		return hub, bits, false
	}
	content := decoded[:len(hub)+len(bits)]
	marked = binary.BigEndian.Uint16(decoded[len(content):]) == checksum(content)
	return ID(content[:len(hub)]), [16]byte(content[len(hub):]), marked
}

func checksum(content []byte) uint16 { return uint16(crc32.ChecksumIEEE(content)) }

// given is the secret in the form in which the rules take it.
func (s secret) given(hub ID) star.Secret { return given(s.text(hub)) }

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
