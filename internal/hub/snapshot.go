package hub

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/star"
)

// This file writes down from time to time what a channel of this hub is like, so that what was
// written before is not needed any more.
//
// The state is copied in one go, and its parts are written one group at a time. Between two of them comes
// what was decided meanwhile: nobody waits for more than one part. So who reads the log finds records among the parts, which are
// of a later state than the snapshot's (reading.go).

// snapshot is one of a journal's channel. It belongs to who calls the journal.
type snapshot struct {
	pacing *inner.Pacing
	// parts are those that are to be written, and next is the number of the first of them. of is the position at which the
	// channel was like that, and size the size of all.
	parts [][]byte
	next  int
	of    cluster.Position
	size  int
	// begun: of is known.
	begun bool

	// writing has an element while a part is written, and quits is set when no more is to be.
	writing chan struct{}
	quits   atomic.Bool
}

// pacing is that of a channel whose state is in the log since a time.
func (cl *clustered) pacing(since time.Time) *inner.Pacing {
	return inner.NewPacing(cl.engine.Keeps(), rand.Float64(), since)
}

// take copies the state.
func (s *snapshot) take(rules *star.Channel) {
	s.parts, s.next, s.size, s.begun = s.parts[:0], 0, 0, false
	rules.Parts(nil, func(part []byte) bool {
		s.parts = append(s.parts, append([]byte(nil), part...))
		s.size += len(part)
		return true
	})
}

// begin is called when all is committed that was decided before the state was copied, the last of it at a position.
func (s *snapshot) begin(of cluster.Position) {
	if len(s.parts) > 0 && !s.begun {
		s.begun, s.of = true, of
		s.pacing.Begin(time.Now())
	}
}

// quit has no more of a snapshot be written.
func (j *journal) quit() { j.snapshot.quits.Store(true) }

// Rest writes the next parts of a snapshot, as many as a group takes.
func (j *journal) Rest() (more bool) {
	s := &j.snapshot
	if !s.begun {
		return false
	}
	s.writing <- struct{}{}
	defer func() { <-s.writing }()
	if j.ended || s.quits.Load() {
		return false
	}
	if err := j.keepParts(s); err != nil {
		j.overtaken.Store(true) // Commit is called again, and fails too
	}
	return s.begun && !s.quits.Load()
}

// keepParts appends a group of parts. Where these are the last, the group needs nothing any more of what is before the
// snapshot.
func (j *journal) keepParts(s *snapshot) error {
	base := j.header.Base
	for all := s.next + len(s.parts); len(s.parts) > 0; s.next++ {
		head := binary.AppendUvarint(make([]byte, 0, 2*binary.MaxVarintLen64+len(s.parts[0])), uint64(s.next))
		head = binary.AppendUvarint(head, uint64(all))
		if !j.group.Add(inner.Snapshot, append(head, s.parts[0]...)) {
			if j.group.Items() == 0 {
				return cluster.ErrTooLarge
			}
			break
		}
		s.parts[0] = nil
		s.parts = s.parts[1:]
	}
	if len(s.parts) == 0 {
		j.header.Base = s.of
	}
	j.kind = cluster.Part
	if err := j.append(j.hub.clustered.writing); err != nil {
		j.header.Base = base
		return err
	}
	if len(s.parts) == 0 {
		s.begun, s.parts = false, nil
		s.pacing.Done(s.size)
	}
	return nil
}
