package natscluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lectern-go/lectern/cluster"
)

// barrier is a message that is committed for those who wait for it.
type barrier struct {
	done     chan struct{} // closed when it is, or has failed
	sequence uint64
	err      error
}

// barrier commits a message to the shard that is sent after the call began, and returns its sequence. All that call
// while another one is under way share the next.
func (e *Engine) barrier(ctx context.Context, s *shard) (uint64, error) {
	e.mu.Lock()
	s.mu.Lock()
	if e.closed {
		s.mu.Unlock()
		e.mu.Unlock()
		return 0, cluster.ErrClosed
	}
	if s.current == nil {
		s.current = &barrier{done: make(chan struct{})}
	}
	b := s.current
	if !s.sending {
		s.sending = true
		e.going.Go(func() { e.sendBarriers(s) })
	}
	s.mu.Unlock()
	e.mu.Unlock()
	select {
	case <-b.done:
		return b.sequence, b.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// sendBarriers sends them one after the other, until nobody waits for one.
func (e *Engine) sendBarriers(s *shard) {
	for {
		s.mu.Lock()
		b := s.current
		if s.current = nil; b == nil {
			s.sending = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		b.sequence, b.err = e.sendBarrier(s)
		close(b.done)
	}
}

func (e *Engine) sendBarrier(s *shard) (uint64, error) {
	ack, err := e.commit(e.ctx, nats.NewMsg(s.barrierSubject()), nil)
	var refused *apiError
	if errors.As(err, &refused) && full(refused) {
		err = fmt.Errorf("%w: %w", cluster.ErrFull, refused)
	}
	return ack.Sequence, err
}

// LastLinearizable implements [cluster.Log]. It asks until it is answered, or the context ends. Where the shard is
// full it fails with ErrFull.
func (e *Engine) LastLinearizable(ctx context.Context, key cluster.Key) (cluster.Group, error) {
	s := e.shard(key)
	var sequence uint64 // of a barrier that was committed in this call
	for {
		if err := e.begin(ctx); err != nil {
			return cluster.Group{}, err
		}
		var err error
		if sequence == 0 {
			sequence, err = e.barrier(ctx, s)
		}
		if err == nil {
			var last stored
			last, _, err = e.lasts(ctx, s, sequence, s.pattern(key))
			if err == nil && last.sequence == 0 {
				// Expired on this replica, perhaps because its clock is wrong. The leader's is watched.
				last, err = e.get(ctx, s, getRequest{Last: s.pattern(key)})
			}
			if err == nil {
				return s.group(last)
			}
		}
		if ended := e.begin(ctx); ended != nil {
			return cluster.Group{}, ended
		}
		if errors.Is(err, cluster.ErrFull) || errors.Is(err, cluster.ErrNone) {
			return cluster.Group{}, err
		}
		if err := e.pause(ctx, askAgain); err != nil {
			return cluster.Group{}, err
		}
	}
}

// errBehind is what a read fails with that was answered by a replica which does not have the barrier yet.
var errBehind = errors.New("natscluster: the replica that answered is behind")

// lasts asks any replica for the last message of the pattern and for the last barrier, in one question, which it
// answers from one state of its store. It has to have this sequence.
func (e *Engine) lasts(ctx context.Context, s *shard, sequence uint64, pattern string) (last, barrier stored, err error) {
	body, err := json.Marshal(getRequest{Lasts: []string{pattern, s.barrierSubject()}})
	if err != nil {
		return last, barrier, err
	}
	within, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	box := e.replies.open()
	defer box.close()
	if err := e.conn.PublishRequest("$JS.API.DIRECT.GET."+s.name, box.subject, body); err != nil {
		return last, barrier, e.failed(ctx, err)
	}
	for {
		m, err := box.next(within, e)
		if err != nil {
			return last, barrier, e.waited(ctx, err)
		}
		switch m.Header.Get("Status") {
		case "":
			d, err := direct(m)
			if err != nil {
				return last, barrier, err
			}
			if d.subject == s.barrierSubject() {
				barrier = d
			} else if d.sequence > last.sequence {
				last = d
			}
		case "204": // that was all; and how far the replica was
			upTo, err := strconv.ParseUint(m.Header.Get("Nats-UpTo-Sequence"), 10, 64)
			if err != nil || upTo < sequence {
				return last, barrier, errBehind
			}
			return last, barrier, nil
		case "404": // it has not even a barrier
			return last, barrier, errBehind
		default:
			return last, barrier, errNoAnswer
		}
	}
}

// measure compares the clock of the shard's leader with this process's, by a barrier.
func (e *Engine) measure(ctx context.Context, s *shard) error {
	before := time.Now()
	sequence, err := e.barrier(ctx, s)
	after := time.Now()
	if err != nil {
		return err
	}
	_, b, err := e.lasts(ctx, s, sequence, s.barrierSubject())
	if err != nil || b.sequence != sequence {
		return err // another one's is not of this time
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	half := after.Sub(before) / 2
	s.offset = b.at.Sub(before.Add(half))
	s.spread = max(0, s.offset.Abs()-half)
	return nil
}
