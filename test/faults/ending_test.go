package faults

import (
	"context"
	"testing/synctest"
	"time"
)

// lastWords are sent when everybody who is still there must be back, and must
// arrive.
func (r *faultRound) lastWords() {
	r.unmuteAll()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for s := range r.remaining() {
		if h := s.present(); h != nil && h.Err() == nil {
			s.last = &sent{text: s.text("last", 0), to: toEverybody}
			s.send(ctx, h, s.last)
			if s.last.err != nil {
				r.fail("%v: the last word: %w", s, s.last.err)
			}
		}
	}
	r.lastChanges()
	time.Sleep(time.Second)
	synctest.Wait()
	r.checkAttributes()
	r.checkVoice()
}
