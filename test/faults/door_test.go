package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is the door: the masters of a round open, lock and guard it, and let in who knocks, or
// not. And it holds, of every connection, that who enters gets nothing of the channel before it is in,
// but for what one who waits is told.

// keepsDoor has the master of the seat keep its door for as long as the round goes on.
func (r *faultRound) keepsDoor(s *faultSeat, random *rand.Rand) {
	for r.acting.Err() == nil {
		pause(random, 200*time.Millisecond)
		master, ok := s.present().(*lectern.Master)
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		if random.IntN(4) == 0 {
			doors := []lectern.Door{lectern.DoorOpen, lectern.DoorKnock, lectern.DoorKnock, lectern.DoorLocked}
			_ = master.SetDoor(ctx, doors[random.IntN(len(doors))])
		}
		for _, knock := range master.Knocks() {
			judge := master.Admit
			if random.IntN(4) == 0 {
				judge = func(ctx context.Context, number uint64) error { return master.Deny(ctx, number, "not now") }
			}
			switch err := judge(ctx, knock.Number); {
			case err == nil:
				r.judged.Add(1)
			case errors.Is(err, lectern.ErrUnauthorized), errors.Is(err, lectern.ErrForbidden), errors.Is(err, lectern.ErrBadFrame):
				r.fail("%v: of the knock %d of %s: %w", s, knock.Number, knock.Username, err)
			}
		}
		cancel()
	}
}

// entering are the joins on one connection that were not answered yet, by their channels.
type entering struct {
	mu   sync.Mutex
	refs map[string]uint64
}

// asks takes in what the client sends.
func (e *entering) asks(messages [][]byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range messages {
		if frame, err := wire.Decode(m); err == nil && frame.Type == wire.Join {
			if e.refs == nil {
				e.refs = map[string]uint64{}
			}
			e.refs[frame.Channel] = frame.Ref
		}
	}
}

// gets takes in what the hub sends, and returns what is wrong with it.
func (e *entering) gets(message []byte) error {
	frame, err := wire.Decode(message)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	ref, waits := e.refs[frame.Channel]
	switch {
	case !waits || frame.Type == wire.Waiting, frame.Type == wire.Presence && frame.Role == wire.Master:
	case frame.Ref == ref:
		delete(e.refs, frame.Channel) // its own answer
	case frame.Type == wire.Error, frame.Type == wire.Left:
		// The answer to something that it has sent behind.
	default:
		return fmt.Errorf("who is not in %s yet gets %s", frame.Channel, message)
	}
	return nil
}
