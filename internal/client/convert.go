package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// This file is what the public package does for each of its handles and options alike,
// whatever its types are.

// ErrNoOption is the error for an option that is nil.
var ErrNoOption = errors.New("lectern: an option is nil")

// AddAll adds the options one after the other, up to the first that is wrong.
func AddAll[O any](options []O, add func(O) error) error {
	for _, option := range options {
		if any(option) == nil {
			return ErrNoOption
		}
		if err := add(option); err != nil {
			return err
		}
	}
	return nil
}

// All converts each value. It is nil where there is none.
func All[A, B any](values []A, convert func(A) B) []B {
	if len(values) == 0 {
		return nil
	}
	all := make([]B, len(values))
	for i, value := range values {
		all[i] = convert(value)
	}
	return all
}

// Next takes the next event of the membership, and waits for it. The error is the context's, or
// why the membership is over.
func Next[E any](ctx context.Context, m *Membership, inbox *Inbox[E]) (E, error) {
	event, ok, err := inbox.Take(ctx, m.Done())
	if err == nil && !ok {
		err = m.Err()
	}
	return event, err
}

// Events yields each Next, up to the first error, which it yields too.
func Events[E any](ctx context.Context, m *Membership, inbox *Inbox[E]) iter.Seq2[E, error] {
	return func(yield func(E, error) bool) {
		for {
			event, err := Next(ctx, m, inbox)
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// SetMasterTimeout sets the frame's master timeout, unless that is no time.
func SetMasterTimeout(f *wire.Frame, timeout time.Duration) error {
	if timeout < 0 {
		return fmt.Errorf("lectern: WithMasterTimeout: %v is no time", timeout)
	}
	f.MasterTimeout, f.HasMasterTimeout = wire.Milliseconds(timeout), true
	return transport.CheckTime("lectern: WithMasterTimeout", timeout)
}

// SetTopic sets the frame's topic. A *wire.Cause says that it is none.
func SetTopic(f *wire.Frame, topic string) error {
	if problem := wire.ShortNameProblem(topic); problem != "" {
		return wire.ErrBadFrame.With("WithTopic: " + problem)
	}
	f.SetTopic(topic)
	return nil
}

// SetExpiry sets for how long the frame's message is worth something. A *wire.Cause says that it is no such time.
func SetExpiry(f *wire.Frame, d time.Duration) error {
	if d < time.Millisecond || d > wire.FromMilliseconds(wire.MaxExpires) {
		return wire.ErrBadFrame.With(fmt.Sprintf("WithExpiry: %v is not from a millisecond to 24 hours", d))
	}
	f.SetExpires(wire.Milliseconds(d))
	return nil
}
