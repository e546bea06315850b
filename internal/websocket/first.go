package websocket

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"

	gorilla "github.com/gorilla/websocket"

	"github.com/lectern-go/lectern/internal/direct"
)

// A client's first message can come along with its handshake: it offers a
// subprotocol for that, and the message itself in base64 as one more, whose name begins
// with that of the first one and a dot. That
// saves it a round trip until it has joined, and the server a read, and a packet:
// the answer to the handshake waits for that to the message. A join takes 0.9 of
// the processor time then.

// MaxFirst is the size in bytes of the largest message that goes along with a
// handshake. With it the header stays well below the 8 KB that some proxies take.
const MaxFirst = 2 << 10

// ProtocolHeader is the header of the subprotocols, as http.Header has it.
const ProtocolHeader = "Sec-Websocket-Protocol"

var errFirst = errors.New("websocket: the message in the subprotocols is not base64url without padding")

// takeFirst takes the first message out of the request's header, as a frame of it;
// nil where there is none, or none that is taken here. Of the subprotocols those
// are left that may be selected.
func takeFirst(r *http.Request, subprotocol string) (frame []byte, err error) {
	if subprotocol == "" {
		return nil, nil
	}
	lines := strings.Join(r.Header[ProtocolHeader], ", ") // several say the same as one
	if !strings.Contains(lines, subprotocol) {
		return nil, nil
	}
	r.Header[ProtocolHeader] = []string{lines}
	offered, prefix := gorilla.Subprotocols(r), subprotocol+"."
	carrier := slices.IndexFunc(offered, func(p string) bool { return strings.HasPrefix(p, prefix) })
	if carrier >= 0 && slices.Contains(offered, subprotocol) {
		encoded := offered[carrier][len(prefix):]
		if base64.RawURLEncoding.DecodedLen(len(encoded)) <= MaxFirst {
			if frame, err = firstFrame(encoded); err != nil {
				return nil, err
			}
			r.Header[ProtocolHeader] = []string{subprotocol}
			return frame, nil
		}
	}
	offered = slices.DeleteFunc(offered, func(p string) bool { return strings.HasPrefix(p, subprotocol) })
	r.Header[ProtocolHeader] = []string{strings.Join(offered, ", ")}
	return nil, nil
}

// firstFrame makes a message the frame as which a client would send it, masked with
// zero. So it is read, and bounded, as any other.
func firstFrame(encoded string) ([]byte, error) {
	size := base64.RawURLEncoding.DecodedLen(len(encoded))
	frame := appendLength(append(make([]byte, 0, maxHeader+size), 0), size, true)
	frame = append(frame, 0, 0, 0, 0)
	payload := frame[len(frame) : len(frame)+size]
	if n, err := base64.RawURLEncoding.Strict().Decode(payload, []byte(encoded)); err != nil || n != size {
		return nil, errFirst
	}
	frame[0] = firstByte(payload)
	return frame[:len(frame)+size], nil
}

// FirstProtocol is the subprotocol that the message is, beside the one given, by which it
// comes.
func FirstProtocol(subprotocol string, message []byte) string {
	return subprotocol + "." + base64.RawURLEncoding.EncodeToString(message)
}

// A deferring is the socket for a handshake whose answer may wait for what
// follows. Where nothing does, the system sends it by itself: on Linux after 200 ms,
// or as much more as the path to the peer is longer.
type deferring struct{ *Socket }

func (d deferring) Write(p []byte) (n int, err error) {
	if raw := direct.Of(d.Conn); raw != nil {
		if n, err = direct.WriteMore(raw, p); err != nil || n == len(p) {
			return n, err
		}
	}
	rest, err := d.Conn.Write(p[n:])
	return n + rest, err
}
