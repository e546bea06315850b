package hub

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Limits of the log, so that no peer can flood it: how many lines of one kind a hub logs
// within a second. maxWarnings is for level warn and above, which any frame of a peer
// can cause. maxInfos is for the levels below, where each line is about a membership
// that began or ended.
const (
	maxWarnings = 10
	maxInfos    = 1000
)

// sampler passes on a limited number of lines with the same message each second, by the
// time of the records. The first line after some were left out says how many.
type sampler struct {
	slog.Handler
	lines *lineCounts
}

// lineCounts counts the lines of each kind. The handlers that WithAttrs and WithGroup
// derive from a sampler share it. mu guards the other field.
type lineCounts struct {
	mu sync.Mutex
	// kinds has an entry for each message text in the code. There are few.
	kinds map[string]*lineCount
}

// lineCount counts the lines of one kind in the second that began at since.
type lineCount struct {
	since   time.Time
	lines   int
	leftOut int
}

// sampled returns a logger that passes its lines through a sampler.
func sampled(logger *slog.Logger) *slog.Logger {
	return slog.New(sampler{Handler: logger.Handler(), lines: &lineCounts{kinds: make(map[string]*lineCount)}})
}

func (s sampler) Handle(ctx context.Context, record slog.Record) error {
	limit := maxInfos
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

// count reports whether a line may be written now, and how many lines of its kind were
// left out before it.
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
