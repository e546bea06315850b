package cluster

import (
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf8"
)

const (
	// MaxBeat is the size in bytes of the largest beat that is read. What this version sends is
	// far smaller: the rest is room for later ones.
	MaxBeat = 1 << 10

	// MaxHubName is how many bytes of a hub's name are told.
	MaxHubName = 128
)

// ErrBeat is what ParseBeat fails with.
var ErrBeat = errors.New("cluster: not a beat")

// Beat is what a hub tells all others twice a second.
type Beat struct {
	Leaving     bool   // it is about to stop; who has said so once does not take it back
	Version     uint64 // of what it can, for operators and rolling upgrades
	Channels    uint64 // that it owns
	Connections uint64
	Name        string // for operators; not told twice apart by anybody
}

// leaving is the bit in the first byte of a beat. A reader passes over the others, and over all that
// follows the name, so that a later version can say more.
const leaving = 1

// Append appends the beat to b. Of a name that is too long, or not UTF-8, it appends what can be told of it:
// a beat that nobody takes would make its hub a dead one.
func (b Beat) Append(to []byte) []byte {
	var flags byte
	if b.Leaving {
		flags = leaving
	}
	name := strings.ToValidUTF8(b.Name, "?")
	if len(name) > MaxHubName {
		name = strings.ToValidUTF8(name[:MaxHubName], "")
	}
	to = append(to, flags)
	to = binary.AppendUvarint(to, b.Version)
	to = binary.AppendUvarint(to, b.Channels)
	to = binary.AppendUvarint(to, b.Connections)
	to = binary.AppendUvarint(to, uint64(len(name)))
	return append(to, name...)
}

// ParseBeat reads what Append has written, in this version or a later one. The beat keeps nothing of the slice.
func ParseBeat(from []byte) (b Beat, err error) {
	if len(from) == 0 || len(from) > MaxBeat {
		return Beat{}, ErrBeat
	}
	b.Leaving, from = from[0]&leaving != 0, from[1:]
	var size uint64
	for _, field := range []*uint64{&b.Version, &b.Channels, &b.Connections, &size} {
		n, length := binary.Uvarint(from)
		if length <= 0 || length > 1 && from[length-1] == 0 { // too short, too large, or not the shortest form
			return Beat{}, ErrBeat
		}
		*field, from = n, from[length:]
	}
	if size > MaxHubName || size > uint64(len(from)) || !utf8.Valid(from[:size]) {
		return Beat{}, ErrBeat
	}
	b.Name = string(from[:size])
	return b, nil
}
