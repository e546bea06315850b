package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/lectern-go/lectern/cluster"
)

// This file is the form of a group's body: a byte for the version, a header, and items up to the end. An item is
// its kind, its length and its bytes. Numbers are varints in their shortest form, so that there is one way only to write
// a group down.

// groupVersion is that of the groups that this hub writes, and of those that it can read. Whatever
// is added to the form, a kind of item too, makes it another version.
const groupVersion = 1

// Header is what is said in front of each group.
type Header struct {
	Claim Claim

	// Epoch is that of the owner that wrote the group, or that is doubted. It rises with each claim.
	Epoch uint64

	// Hub has written the group.
	Hub cluster.HubID

	// Incarnation is the nonce of the group in which the channel was created. It tells two channels
	// that have the same name one after the other.
	Incarnation cluster.Nonce

	// Base is the position after which all groups are needed to rebuild the channel's state: 0 is from
	// the first on. Who doubts says it as the group does that the doubt follows.
	Base cluster.Position

	// Master is the hash of the master's secret, so that a wrong one needs no more than the last group.
	// Who doubts says it as the group does that the doubt follows.
	Master [16]byte
}

// Claim is what a group says of who owns the channel.
type Claim uint8

const (
	// None: the owner has written it, as the ones before.
	None Claim = iota
	// Owned: the hub that has written it has become the owner by it.
	Owned
	// Free: the owner has given the channel up. Nobody owns it.
	Free
	// Doubt: the hub that has written it asks whether the owner lives. It changes nothing.
	Doubt
	// Ended: the channel has ended by it.
	Ended
)

var claims = [...]string{"none", "owned", "free", "doubt", "ended"}

// String is the claim in a word.
func (c Claim) String() string {
	if int(c) < len(claims) {
		return claims[c]
	}
	return fmt.Sprintf("claim %d", uint8(c))
}

// ItemKind is what an item is.
type ItemKind uint8

const (
	// Record is a change of the channel's state.
	Record ItemKind = iota + 1
	// Effect is something that hubs with members of the channel carry out.
	Effect
	// Reply marks where the reply to a request of another hub belongs.
	Reply
	// Snapshot is a part of a snapshot of the state.
	Snapshot
)

// Item is a part of a group. The order of a group's items is the one in which they were decided.
type Item struct {
	Kind ItemKind
	Data []byte
}

const (
	// maxHeader is the size in bytes of the largest header, with the version.
	maxHeader = 2 + binary.MaxVarintLen64 + len(cluster.HubID{}) + len(cluster.Nonce{}) + binary.MaxVarintLen64 + 16

	// MaxItem is the size in bytes of the largest Data of an item: it fits into a group of its own.
	MaxItem = cluster.MaxGroup - maxHeader - 4
)

// ErrMalformed is what a body that is no group fails with.
var ErrMalformed = errors.New("cluster: not a group")

// UnknownVersion is the error of a group whose form this hub does not know: one of a later version has
// written it. The hub has to let the channel alone.
type UnknownVersion byte

// Error says which version it is.
func (v UnknownVersion) Error() string {
	return fmt.Sprintf("cluster: a group of version %d, where this hub knows %d", byte(v), groupVersion)
}

// AppendGroup appends a group's body to b. It may become larger than what a log takes, see Builder.
func AppendGroup(b []byte, h Header, items []Item) []byte {
	b = appendHeader(b, h)
	for _, item := range items {
		b = appendItem(b, item.Kind, item.Data)
	}
	return b
}

func appendHeader(b []byte, h Header) []byte {
	b = append(b, groupVersion, byte(h.Claim))
	b = binary.AppendUvarint(b, h.Epoch)
	b = append(b, h.Hub[:]...)
	b = append(b, h.Incarnation[:]...)
	b = binary.AppendUvarint(b, uint64(h.Base))
	return append(b, h.Master[:]...)
}

func appendItem(b []byte, kind ItemKind, data []byte) []byte {
	b = append(b, byte(kind))
	b = binary.AppendUvarint(b, uint64(len(data)))
	return append(b, data...)
}

// ParseGroup takes a body apart. The items' Data is in the body. The error is an UnknownVersion, or
// ErrMalformed, or cluster.ErrTooLarge.
func ParseGroup(body []byte) (Header, []Item, error) {
	h, rest, err := parseHeader(body)
	if err != nil {
		return Header{}, nil, err
	}
	n := 0
	for r := rest; len(r) > 0; n++ {
		var ok bool
		if _, r, ok = cutItem(r); !ok {
			return Header{}, nil, fmt.Errorf("%w: item %d", ErrMalformed, n)
		}
	}
	items := make([]Item, n)
	for i := range items {
		items[i], rest, _ = cutItem(rest)
	}
	return h, items, nil
}

// ParseHeader is ParseGroup for who wants the header alone: it does not look at the items.
func ParseHeader(body []byte) (Header, error) {
	h, _, err := parseHeader(body)
	return h, err
}

func parseHeader(body []byte) (h Header, rest []byte, err error) {
	switch {
	case len(body) > cluster.MaxGroup:
		return h, nil, cluster.ErrTooLarge
	case len(body) == 0:
		return h, nil, fmt.Errorf("%w: it is empty", ErrMalformed)
	case body[0] != groupVersion:
		return h, nil, UnknownVersion(body[0])
	case len(body) < 2 || int(body[1]) >= len(claims):
		return h, nil, fmt.Errorf("%w: its claim", ErrMalformed)
	}
	h.Claim = Claim(body[1])
	h.Epoch, rest, _ = cutNumber(body[2:]) // of what is no number nothing is left
	if len(rest) < len(h.Hub)+len(h.Incarnation) {
		return Header{}, nil, fmt.Errorf("%w: its header", ErrMalformed)
	}
	rest = rest[copy(h.Hub[:], rest):]
	rest = rest[copy(h.Incarnation[:], rest):]
	base, rest, _ := cutNumber(rest)
	if len(rest) < len(h.Master) {
		return Header{}, nil, fmt.Errorf("%w: its header", ErrMalformed)
	}
	h.Base = cluster.Position(base)
	return h, rest[copy(h.Master[:], rest):], nil
}

// cutItem takes the first item off b.
func cutItem(b []byte) (item Item, rest []byte, ok bool) {
	if item.Kind = ItemKind(b[0]); item.Kind < Record || item.Kind > Snapshot {
		return item, nil, false
	}
	size, b, ok := cutNumber(b[1:])
	if !ok || size > uint64(len(b)) {
		return item, nil, false
	}
	item.Data = b[:size:size]
	return item, b[size:], true
}

// cutNumber takes a varint off b, which has to be as short as it can.
func cutNumber(b []byte) (n uint64, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || size > 1 && b[size-1] == 0 {
		return 0, nil, false
	}
	return n, b[size:], true
}

// Builder gathers the items of a group. What is said in front of them is known when it is
// complete. The zero Builder is empty.
type Builder struct {
	b     []byte // room for the header, and the items
	items int
}

// Add appends an item, or reports that it does not fit into this group any more. One of at most
// MaxItem bytes fits into an empty one.
func (b *Builder) Add(kind ItemKind, data []byte) bool {
	if len(data) > MaxItem {
		return false
	}
	if len(b.b) == 0 {
		b.b = append(b.b, make([]byte, maxHeader)...)
	}
	size := len(b.b)
	if b.b = appendItem(b.b, kind, data); len(b.b) > cluster.MaxGroup {
		b.b = b.b[:size]
		return false
	}
	b.items++
	return true
}

// Items is how many there are.
func (b *Builder) Items() int { return b.items }

// Len is the size in bytes of the group that it would be with the largest header.
func (b *Builder) Len() int { return max(len(b.b), maxHeader) }

// Bytes is the group's body. It belongs to the Builder, and is good until the next call of one of its
// methods that changes it. A group without items is a group too.
func (b *Builder) Bytes(h Header) []byte {
	if len(b.b) == 0 {
		b.b = append(b.b, make([]byte, maxHeader)...)
	}
	var buffer [maxHeader]byte
	header := appendHeader(buffer[:0], h)
	start := maxHeader - len(header)
	copy(b.b[start:], header)
	return b.b[start:]
}

// Reset empties the Builder. Of its buffer it keeps what a group as this one needs, and lets go what a
// much larger one has needed.
func (b *Builder) Reset() {
	if cap(b.b) > 4<<10 && cap(b.b) > 4*len(b.b) {
		b.b = nil
	}
	b.b, b.items = b.b[:0], 0
}
