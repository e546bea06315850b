package cluster

import (
	"encoding/binary"
	"fmt"

	"github.com/lectern-go/lectern/cluster"
)

// Marker is the Data of an Item that is a Reply: it stands in a shared group where the effects of a request would
// stand, which only the hub that asked is told, by the reply.
type Marker struct {
	// Hub has asked.
	Hub cluster.HubID
	// Epoch is that of the owner that was asked, which has written the marker.
	Epoch uint64
	// N is the request's number: it counts those of the hub to that epoch.
	N uint64
}

// AppendMarker appends the marker's form to b.
func AppendMarker(b []byte, m Marker) []byte {
	b = append(b, m.Hub[:]...)
	b = binary.AppendUvarint(b, m.Epoch)
	return binary.AppendUvarint(b, m.N)
}

// ParseMarker is the marker that AppendMarker has written. The error is ErrMalformed.
func ParseMarker(data []byte) (m Marker, err error) {
	if len(data) < len(m.Hub) {
		return Marker{}, fmt.Errorf("%w: a marker", ErrMalformed)
	}
	rest := data[copy(m.Hub[:], data):]
	var epoch, n bool
	if m.Epoch, rest, epoch = cutNumber(rest); epoch {
		m.N, rest, n = cutNumber(rest)
	}
	if !n || len(rest) > 0 {
		return Marker{}, fmt.Errorf("%w: a marker", ErrMalformed)
	}
	return m, nil
}
