package natscluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lectern-go/lectern/cluster"
)

// errAgain is what an append fails with that was refused for no reason that can be seen.
var errAgain = errors.New("natscluster: refused, though nothing follows the position")

// acknowledged is how the stream answers an append.
type acknowledged struct {
	Error     *apiError `json:"error"`
	Sequence  uint64    `json:"seq"`
	Duplicate bool      `json:"duplicate"`
}

// publish sends an append once.
func (e *Engine) publish(ctx context.Context, key cluster.Key, g cluster.Group) (ack acknowledged, err error) {
	s := e.shard(key)
	m := nats.NewMsg(s.groupSubject(key, g.Kind))
	m.Header.Set("Nats-Msg-Id", messageID(key, g.Nonce))
	m.Header.Set("Nats-Expected-Last-Subject-Sequence", strconv.FormatUint(uint64(g.After), 10))
	m.Header.Set("Nats-Expected-Last-Subject-Sequence-Subject", s.pattern(key))
	return e.commit(ctx, m, encode(g))
}

// commit publishes a message, and waits for the stream's acknowledgement.
func (e *Engine) commit(ctx context.Context, m *nats.Msg, body []byte) (ack acknowledged, err error) {
	within, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	answer, err := e.request(within, m, body)
	if err != nil {
		return ack, e.waited(ctx, err)
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return ack, fmt.Errorf("natscluster: an acknowledgement that cannot be read: %w", err)
	}
	if ack.Error != nil {
		return ack, ack.Error
	}
	return ack, nil
}

// waited tells the end of the engine's own patience from that of the caller's.
func (e *Engine) waited(ctx context.Context, err error) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errNoAnswer
	}
	return err
}

// Append implements [cluster.Log].
func (e *Engine) Append(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
	if err := g.Check(); err != nil {
		return 0, err
	}
	ack, err := e.publish(ctx, key, g)
	var refused *apiError
	switch {
	case err == nil && ack.Duplicate:
		return e.duplicate(ctx, key, g, ack.Sequence)
	case err == nil && ack.Sequence == 0:
		return 0, errNoAnswer
	case err == nil:
		return cluster.Position(ack.Sequence), nil
	case !errors.As(err, &refused):
		return 0, err
	}
	switch {
	case refused.ErrorCode == errWrongLast, refused.ErrorCode == errWrongLastUnknown:
		return e.settle(ctx, key, g)
	case refused.ErrorCode == errTooLarge, strings.Contains(refused.Description, "too large"):
		return 0, cluster.ErrTooLarge
	case full(refused):
		s := e.shard(key)
		s.mu.Lock()
		s.filled = 1
		s.mu.Unlock()
		if p, err := e.settle(ctx, key, g); err == nil || errors.Is(err, cluster.ErrConflict) {
			return p, err
		}
		return 0, fmt.Errorf("%w: %w", cluster.ErrFull, refused)
	}
	return 0, refused
}

// full tells whether the server has no room: such appends are refused before they are stored.
func full(refused *apiError) bool {
	switch refused.ErrorCode {
	case errNoResources, errNoMemory, errNoStorage:
		return true
	case errStoreFailed:
		return strings.Contains(refused.Description, "maximum bytes")
	}
	return false
}

// duplicate looks whether what the server takes for the same message is this group: ids are short.
func (e *Engine) duplicate(ctx context.Context, key cluster.Key, g cluster.Group, sequence uint64) (cluster.Position, error) {
	s := e.shard(key)
	m, err := e.get(ctx, s, getRequest{Sequence: sequence})
	if err != nil {
		if errors.Is(err, cluster.ErrNone) {
			err = errNoAnswer // the leader does not have it yet, or has it no more
		}
		return 0, err
	}
	there, err := s.group(m)
	if err != nil {
		return 0, err
	}
	if m.subject != s.groupSubject(key, g.Kind) || there.Nonce != g.Nonce || there.After != g.After {
		return 0, fmt.Errorf("natscluster: the id of the append is that of another group, at %d", sequence)
	}
	return cluster.Position(sequence), nil
}

// settle tells what has become of an append that was refused: by the group that follows the position.
func (e *Engine) settle(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
	s := e.shard(key)
	m, err := e.get(ctx, s, getRequest{Sequence: uint64(g.After) + 1, Next: s.pattern(key)})
	if errors.Is(err, cluster.ErrNone) {
		return 0, e.nothingFollows(ctx, key, g.After)
	}
	if err != nil {
		return 0, err
	}
	follows, err := s.group(m)
	switch {
	case err != nil:
		return 0, err
	case follows.After != g.After: // what followed it has expired
		return 0, cluster.ErrGone
	case follows.Nonce == g.Nonce:
		return follows.Position, nil
	}
	return 0, cluster.ErrConflict
}

// nothingFollows tells why an append was refused after which the leader has nothing.
func (e *Engine) nothingFollows(ctx context.Context, key cluster.Key, after cluster.Position) error {
	s := e.shard(key)
	m, err := e.get(ctx, s, getRequest{Last: s.pattern(key)})
	switch {
	case errors.Is(err, cluster.ErrNone):
		if after > 0 {
			return cluster.ErrGone
		}
	case err != nil:
		return err
	case cluster.Position(m.sequence) < after:
		return cluster.ErrGone
	}
	return errAgain // an append under way, or a mark that is not cleared yet
}

// getRequest asks for messages.
type getRequest struct {
	Sequence uint64   `json:"seq,omitempty"`
	Last     string   `json:"last_by_subj,omitempty"`
	Next     string   `json:"next_by_subj,omitempty"`
	Lasts    []string `json:"multi_last,omitempty"`
	Batch    int      `json:"batch,omitempty"`
	MaxBytes int      `json:"max_bytes,omitempty"`
}

// get asks who takes itself for the leader for one message, once. ErrNone: it has none.
func (e *Engine) get(ctx context.Context, s *shard, request getRequest) (stored, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return stored{}, err
	}
	within, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	m, err := e.request(within, nats.NewMsg("$JS.API.STREAM.MSG.GET."+s.name), body)
	if err != nil {
		return stored{}, e.waited(ctx, err)
	}
	var answer leaderAnswer
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return stored{}, fmt.Errorf("natscluster: an answer that cannot be read: %w", err)
	}
	return answer.stored()
}

// Between two questions for the same thing.
const askAgain = 20 * time.Millisecond

// Last implements [cluster.Log]. It asks until it is answered, or the context ends.
func (e *Engine) Last(ctx context.Context, key cluster.Key) (cluster.Group, error) {
	s := e.shard(key)
	for {
		m, err := e.get(ctx, s, getRequest{Last: s.pattern(key)})
		if err == nil {
			return s.group(m)
		}
		if ended := e.begin(ctx); ended != nil {
			return cluster.Group{}, ended
		}
		if errors.Is(err, cluster.ErrNone) {
			return cluster.Group{}, err
		}
		if err := e.pause(ctx, askAgain); err != nil {
			return cluster.Group{}, err
		}
	}
}
