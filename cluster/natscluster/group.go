package natscluster

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lectern-go/lectern/cluster"
)

// A group's message begins with its version, and has then the nonce, After and Before as varints, and
// the body.
const version = 1

var kindTokens = map[cluster.Kind]string{cluster.Shared: "d", cluster.Own: "u", cluster.Part: "s"}

var tokenKinds = map[string]cluster.Kind{"d": cluster.Shared, "u": cluster.Own, "s": cluster.Part}

// barrierToken is where keys have theirs, and is none.
const barrierToken = "barrier"

func (s *shard) pattern(key cluster.Key) string { return s.subject + key.String() + ".*" }
func (s *shard) barrierSubject() string         { return s.subject + barrierToken + ".u" }

func (s *shard) groupSubject(key cluster.Key, kind cluster.Kind) string {
	return s.subject + key.String() + "." + kindTokens[kind]
}

// filter is the narrowest pattern of the key that has all of the kinds.
func (s *shard) filter(key cluster.Key, kinds cluster.Kind) string {
	if kindTokens[kinds] != "" {
		return s.groupSubject(key, kinds)
	}
	return s.pattern(key)
}

func encode(g cluster.Group) []byte {
	b := make([]byte, 0, len(g.Body)+32)
	b = append(b, version)
	b = append(b, g.Nonce[:]...)
	b = binary.AppendUvarint(b, uint64(g.After))
	b = binary.AppendUvarint(b, uint64(g.Before))
	return append(b, g.Body...)
}

// errNoGroup is what a message is that this version did not write.
var errNoGroup = errors.New("natscluster: a message in the log that is no group")

func decode(subject string, position uint64, b []byte) (g cluster.Group, err error) {
	g.Position = cluster.Position(position)
	g.Kind = tokenKinds[subject[strings.LastIndexByte(subject, '.')+1:]]
	if g.Kind == 0 || position == 0 || len(b) < 1+len(g.Nonce) || b[0] != version {
		return cluster.Group{}, errNoGroup
	}
	b = b[1+copy(g.Nonce[:], b[1:]):]
	for _, p := range []*cluster.Position{&g.After, &g.Before} {
		x, n := binary.Uvarint(b)
		if n <= 0 {
			return cluster.Group{}, errNoGroup
		}
		*p = cluster.Position(x)
		b = b[n:]
	}
	g.Body = b
	return g, nil
}

// messageID is that of a group for the server: the nonce, mixed with the key, as ids of all keys of
// a stream are one.
func messageID(key cluster.Key, nonce cluster.Nonce) string {
	id := nonce
	for i, b := range key {
		id[i%len(id)] ^= b
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// stored is a message of a stream.
type stored struct {
	subject  string
	sequence uint64
	at       time.Time
	data     []byte
}

// group is the group that it is, with its age.
func (s *shard) group(m stored) (cluster.Group, error) {
	g, err := decode(m.subject, m.sequence, m.data)
	s.mu.Lock()
	defer s.mu.Unlock()
	g.Age = max(0, time.Since(m.at)+s.offset)
	return g, err
}

// direct is a message as direct gets answer it, and tails get it.
func direct(m *nats.Msg) (d stored, err error) {
	d.subject, d.data = m.Header.Get("Nats-Subject"), m.Data
	if d.sequence, err = strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64); err != nil {
		return d, errNoGroup
	}
	d.at, err = time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	return d, err
}

// leaderAnswer is how the leader answers for one message.
type leaderAnswer struct {
	Error   *apiError `json:"error"`
	Message *struct {
		Subject  string    `json:"subject"`
		Sequence uint64    `json:"seq"`
		Data     []byte    `json:"data"`
		Time     time.Time `json:"time"`
	} `json:"message"`
}

func (a *leaderAnswer) stored() (stored, error) {
	switch {
	case a.Error != nil && a.Error.ErrorCode == errMessageNotFound:
		return stored{}, cluster.ErrNone
	case a.Error != nil:
		return stored{}, a.Error
	case a.Message == nil:
		return stored{}, errNoGroup
	}
	return stored{a.Message.Subject, a.Message.Sequence, a.Message.Time, a.Message.Data}, nil
}
