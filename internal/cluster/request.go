package cluster

import (
	"encoding/binary"
	"errors"

	"github.com/lectern-go/lectern/cluster"
)

const (
	// MaxCall is the size in bytes of the largest call.
	MaxCall = 192 << 10

	// maxCalls is how many calls wait at an edge, and so how many a request has at most.
	maxCalls = 1024

	// requestHeader is what stands in front of the calls, without the kind.
	requestHeader = 16 + 8 + 8 + 8
)

// errRequest is what bytes fail with that are no request.
var errRequest = errors.New("cluster: not a request")

// Owner is who owns a channel: this hub, in this epoch, of the channel that was created with this
// nonce. With a zero Hub, nobody is known. Of two epochs of one incarnation the higher one
// is later; those of two incarnations say nothing about each other.
type Owner struct {
	Hub         cluster.HubID
	Epoch       uint64
	Incarnation cluster.Nonce
}

// Request is what an edge sends to the owner of a channel: calls of its members, which are to be
// carried out in this order, before those of every request with a higher N.
type Request struct {
	Key         cluster.Key
	Epoch       uint64
	Incarnation cluster.Nonce

	// N is not 0, and rises with each new request of a hub, whatever it is about. A
	// request that is repeated has the same one.
	N uint64

	// Calls are what is to be done. Where there are none, the request says that the reply
	// to N has arrived and need not be kept; nothing is replied to that.
	Calls [][]byte
}

// AppendRequest appends the request's bytes.
func AppendRequest(b []byte, r Request) []byte {
	b = append(b, r.Key[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Epoch)
	b = append(b, r.Incarnation[:]...)
	b = binary.BigEndian.AppendUint64(b, r.N)
	for _, call := range r.Calls {
		b = binary.AppendUvarint(b, uint64(len(call)))
		b = append(b, call...)
	}
	return b
}

// callSize is how many bytes of a request a call takes.
func callSize(call []byte) int {
	n := len(call)
	size := n + 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// ParseRequest reads what AppendRequest has written, and nothing else: one request has one form.
// The calls share b.
func ParseRequest(b []byte) (r Request, err error) {
	if len(b) < requestHeader {
		return Request{}, errRequest
	}
	r.Key = cluster.Key(b)
	r.Epoch = binary.BigEndian.Uint64(b[16:])
	r.Incarnation = cluster.Nonce(b[24:])
	r.N = binary.BigEndian.Uint64(b[32:])
	if r.N == 0 {
		return Request{}, errRequest
	}
	for b = b[requestHeader:]; len(b) > 0; {
		size, n := binary.Uvarint(b)
		if n <= 0 || n > 1 && b[n-1] == 0 || size > MaxCall || size > uint64(len(b)-n) || len(r.Calls) == maxCalls {
			return Request{}, errRequest
		}
		end := n + int(size)
		r.Calls = append(r.Calls, b[n:end:end])
		b = b[end:]
	}
	return r, nil
}
