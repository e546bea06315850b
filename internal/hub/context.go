package hub

import (
	"context"
	"sync"

	"github.com/lectern-go/lectern/internal/outbox"
)

// This file has the contexts of a session: the one that ends the connection, and the
// one with which its reader waits.

// contextWatch aborts an outbox when a context is done.
type contextWatch struct {
	cancel  func() bool
	running sync.WaitGroup
}

func watchContext(ctx context.Context, out *outbox.Queue) *contextWatch {
	w := new(contextWatch)
	w.running.Add(1)
	w.cancel = context.AfterFunc(ctx, func() {
		defer w.running.Done()
		out.Abort(shutdownReason)
	})
	return w
}

// stop ends the watch. Where its goroutine is running, stop waits for its end.
func (w *contextWatch) stop() {
	if !w.cancel() {
		w.running.Wait()
	}
}

// waitContext returns a context for what the reader waits for, such as
// Config.Authorize. The context ends as soon as the hub shuts down. The reader must call
// done at the end.
func (s *session) waitContext() (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(s.ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hub.closing.Load() {
		cancel() // endWait may have been called already
	}
	s.cancelWait = cancel
	return ctx, func() {
		s.endWait()
		cancel()
	}
}

// endWait ends the context with which the reader waits, if it waits.
func (s *session) endWait() {
	s.mu.Lock()
	stop := s.cancelWait
	s.cancelWait = nil
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
}
