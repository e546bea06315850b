package hub

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/lectern-go/lectern/internal/star"
)

// The service's Observer and Logger are called from goroutines that the whole
// channel, or the process, would end with. So a panic of theirs is caught where
// they are called, as one of Authorize is, and what was to be done goes on.

// guardedObserver catches what the Observer panics with, and has it logged.
type guardedObserver struct {
	observer Observer
	logger   *slog.Logger
}

func (g guardedObserver) Add(metric star.Metric, label string, delta int64) {
	defer g.contain()
	g.observer.Add(metric, label, delta)
}

func (g guardedObserver) Observe(metric star.Metric, value float64) {
	defer g.contain()
	g.observer.Observe(metric, value)
}

func (g guardedObserver) contain() {
	if cause := recover(); cause != nil {
		g.logger.Error("Observer panicked", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	}
}

// guardedHandler catches what the Logger's handler panics with. There is nobody
// to be told of it: the log package may end in the same handler.
type guardedHandler struct{ handler slog.Handler }

func (g guardedHandler) Enabled(ctx context.Context, level slog.Level) bool {
	defer func() { _ = recover() }()
	return g.handler.Enabled(ctx, level)
}

func (g guardedHandler) Handle(ctx context.Context, record slog.Record) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("lectern: the Logger panicked: %v", cause)
		}
	}()
	return g.handler.Handle(ctx, record)
}

func (g guardedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return guardedHandler{g.handler.WithAttrs(attrs)}
}

func (g guardedHandler) WithGroup(name string) slog.Handler {
	return guardedHandler{g.handler.WithGroup(name)}
}
