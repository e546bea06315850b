package cluster

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
)

// Key names a log.
type Key [16]byte

// KeyOf is the key of a name: of all names of any length, no two will be found that have
// the same one. What must be sure keeps the name in the log and compares it.
func KeyOf(name string) Key {
	sum := sha256.Sum256([]byte(name))
	return Key(sum[:16])
}

// Shard is the number of the shard, of so many, that the key's log is in.
func (k Key) Shard(shards int) int { return int(binary.BigEndian.Uint16(k[:])) % shards }

// String is the key in 26 letters and digits.
func (k Key) String() string { return encoding.EncodeToString(k[:]) }

// HubID names a hub: a new one each time that one starts.
type HubID [16]byte

// NewHubID draws one.
func NewHubID() (id HubID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// String is the id in 26 letters and digits.
func (id HubID) String() string { return encoding.EncodeToString(id[:]) }

// ParseHubID is the id that String has written.
func ParseHubID(s string) (id HubID, err error) {
	b, err := encoding.DecodeString(s)
	if err != nil || len(b) != len(id) || encoding.EncodeToString(b) != s {
		return HubID{}, fmt.Errorf("cluster: %q is no hub's id", s)
	}
	return HubID(b), nil
}

// Nonce tells one append from all others.
type Nonce [8]byte

// NewNonce draws one.
func NewNonce() (n Nonce) {
	for n == (Nonce{}) {
		_, _ = rand.Read(n[:]) // never fails
	}
	return n
}

// encoding makes what may be part of a subject, a file's name or a URL.
var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)
