package hub

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// How many lines of one kind a hub logs within a second, so that nobody can flood
// the log: at level warn and above, which any frame of a peer can bring about; and
// below that, where each stands for a membership that came or went.
const (
	maxWarnings = 10
	maxNotes    = 1000
)

// sampler passes on so many of each message a second, by the time of the
// records. The first one after some were left out says how many.
type sampler struct {
	slog.Handler
	lines *lineCounts
}

// lineCounts is shared by the handlers that come of one by WithAttrs.
type lineCounts struct {
	mu sync.Mutex
	// kinds has an entry for each message there is in the code, which are few.
	kinds map[string]*lineCount
}

type lineCount struct {
	since   time.Time
	lines   int
	leftOut int
}

func sampled(logger *slog.Logger) *slog.Logger {
	return slog.New(sampler{Handler: logger.Handler(), lines: &lineCounts{kinds: make(map[string]*lineCount)}})
}

func (s sampler) Handle(ctx context.Context, record slog.Record) error {
	limit := maxNotes
	if record.Level >= slog.LevelWarn {
		limit = maxWarnings
	}
	ok, leftOut := s.lines.count(record.Message, record.Time, limit)
	if !ok {
		return nil
	}
	if leftOut > 0 {
		record = record.Clone()
		record.AddAttrs(slog.Int("left_out", leftOut))
	}
	return s.Handler.Handle(ctx, record)
}

func (s sampler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return sampler{Handler: s.Handler.WithAttrs(attrs), lines: s.lines}
}

func (s sampler) WithGroup(name string) slog.Handler {
	return sampler{Handler: s.Handler.WithGroup(name), lines: s.lines}
}

// count reports whether a line may be written now, and how many of its kind
// were not before it.
func (l *lineCounts) count(kind string, now time.Time, limit int) (ok bool, leftOut int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.kinds[kind]
	if c == nil {
		c = &lineCount{since: now}
		l.kinds[kind] = c
	}
	if now.Sub(c.since) >= time.Second {
		c.since, c.lines = now, 0
		leftOut, c.leftOut = c.leftOut, 0
	}
	if c.lines >= limit {
		c.leftOut++
		return false, 0
	}
	c.lines++
	return true, leftOut
}
