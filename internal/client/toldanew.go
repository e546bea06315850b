package client

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what happens to the attributes of others at a reset: what a member, or everybody, has is
// told anew. It follows right behind the reset. Until then all stays as it was, so that what has not
// changed does not come and go; what is not told anew is gone.

// anewWithin is how long after the reset, and after each attribute that is told anew, the next one is
// waited for where nothing else comes.
const anewWithin = 100 * time.Millisecond

// toldAnew are the attributes that were known before a reset and were not told anew so far.
type toldAnew struct {
	// from is the member that the reset is of, or empty where it is of everybody. seq is its number.
	from string
	seq  uint64
	left map[attributeOf]struct{}
	// timer ends the wait.
	timer *time.Timer
}

// onReset handles a reset. The lock is held.
func (m *Membership) onReset(frame *wire.Frame) {
	m.endAnew()
	if frame.From == "" {
		m.known = 0
	} else {
		m.noted(frame.Seq)
	}
	anew := &toldAnew{from: frame.From, seq: frame.Seq, left: make(map[attributeOf]struct{})}
	for from, attributes := range m.others {
		if frame.From == "" || frame.From == from {
			for key := range attributes {
				anew.left[attributeOf{from, key}] = struct{}{}
			}
		}
	}
	if len(anew.left) == 0 {
		return
	}
	m.anew = anew
	m.client.goroutines.Add(1)
	anew.timer = time.AfterFunc(anewWithin, func() {
		defer m.client.goroutines.Done()
		m.client.mu.Lock()
		defer m.client.mu.Unlock()
		if m.anew == anew {
			m.forgetOld()
		}
	})
}

// isToldAnew is called with each attribute that comes, and reports whether it is one that was known
// before a reset. One of another member than the reset is of comes behind all that is told anew. The
// lock is held.
func (m *Membership) isToldAnew(from, key string) bool {
	if m.anew != nil && m.anew.from != "" && m.anew.from != from {
		m.endAnew()
	}
	if m.anew == nil {
		return false
	}
	of := attributeOf{from, key}
	_, left := m.anew.left[of]
	delete(m.anew.left, of)
	switch {
	case len(m.anew.left) == 0:
		m.endAnew()
	case m.anew.timer.Stop(): // else it is about to end the wait
		m.anew.timer.Reset(anewWithin)
	}
	return left
}

// endAnew is called with what comes behind all that is told anew. The lock is held.
func (m *Membership) endAnew() {
	if m.anew == nil {
		return
	}
	if m.anew.timer.Stop() {
		m.client.goroutines.Done()
	}
	m.forgetOld()
}

// forgetOld forgets the attributes that were not told anew, and tells the user. The lock is held.
func (m *Membership) forgetOld() {
	anew := m.anew
	m.anew = nil
	gone := slices.SortedFunc(maps.Keys(anew.left), func(a, b attributeOf) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.key, b.key))
	})
	for _, of := range gone {
		seq := max(anew.seq, m.others[of.from][of.key].seq)
		delete(m.others[of.from], of.key)
		m.inbox.attribute(Attribute{From: of.from, Key: of.key, Deleted: true, Seq: seq})
	}
}
