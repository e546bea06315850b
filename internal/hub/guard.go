package hub

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/lectern-go/lectern/internal/star"
)

// The service's Observer and Logger are called from goroutines of the hub. A panic there
// would end the whole channel, or the process. So a panic of the Observer or the Logger
// is recovered where it is called, as a panic of Authorize is, and the work goes on.

// guardedObserver recovers panics of the Observer, and logs them.
type guardedObserver struct {
	observer Observer
	logger   *slog.Logger
}

func (g guardedObserver) Add(metric star.Metric, label string, delta int64) {
	defer g.logPanic()
	g.observer.Add(metric, label, delta)
}

func (g guardedObserver) Observe(metric star.Metric, value float64) {
	defer g.logPanic()
	g.observer.Observe(metric, value)
}

// logPanic is deferred around every call of the Observer.
func (g guardedObserver) logPanic() {
	if cause := recover(); cause != nil {
		g.logger.Error("Observer panicked", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	}
}

// guardedHandler recovers panics of the Logger's handler. It cannot log them: the log
// package may write to the same handler.
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
