package client

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is how a master learns of many slaves: by lists in pages, which this client always
// takes, or by counts alone, where its user wants that.

// Counts are how many slaves there are in either state.
type Counts struct{ Online, Away int }

func countsOf(frame *wire.Frame) Counts {
	l := frame.Listing()
	return Counts{int(l.Online), int(l.Away)}
}

// showsItself adds to a frame by which this client enters who it is, and how it takes lists.
func (c *Client) showsItself(frame *wire.Frame) {
	frame.Instance = c.instance
	l := frame.NeedListing()
	if l.Roster = wire.RosterPages; c.options.CountSlaves {
		l.Roster = wire.RosterCount
	}
}

// counted reports whether this is a master that is told no more of its slaves than how many they are.
func (m *Membership) counted() bool { return m.role == wire.Master && m.client.options.CountSlaves }

// onCounts handles how many slaves there are. The user is told of a change, where told. The lock is held.
func (m *Membership) onCounts(frame *wire.Frame, told bool) {
	before := m.counts
	if m.counts = countsOf(frame); told && m.counts != before {
		m.inbox.counts(m.counts)
	}
}

// Counts are how many slaves there are, as far as it is known.
func (m *Membership) Counts() Counts {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	if m.counted() {
		return m.counts
	}
	var counts Counts
	for _, s := range m.slaves {
		if s.state == wire.StateAway {
			counts.Away++
		} else {
			counts.Online++
		}
	}
	return counts
}

// Page asks the hub for the slaves that have joined behind the membership with the number after, a
// page of them. next is what to ask for behind that, and zero where there are no more.
func (m *Membership) Page(ctx context.Context, after uint64) (page []Presence, next uint64, err error) {
	frame := wire.Frame{Type: wire.Members}
	l := frame.NeedListing()
	l.After, l.Limit = after, wire.MaxPage
	answer, err := m.do(ctx, &request{frame: frame})
	if err != nil {
		return nil, 0, err
	}
	page = make([]Presence, len(answer.Members))
	for i, listed := range answer.Members {
		page[i] = Presence{Username: listed.Username, State: listed.State, number: listed.Number}
		next = max(next, listed.Number)
	}
	slices.SortFunc(page, func(a, b Presence) int { return cmp.Compare(a.number, b.number) })
	if !answer.Listing().More {
		next = 0
	}
	return page, next, nil
}

// Each yields the slaves, as they are made of what the hub tells page by page, or the error with which that ends.
func Each[P any](ctx context.Context, m *Membership, public func(Presence) P) iter.Seq2[P, error] {
	return func(yield func(P, error) bool) {
		var none P
		for next, first := uint64(0), true; first || next > 0; first = false {
			page, behind, err := m.Page(ctx, next)
			if err != nil {
				yield(none, err)
				return
			}
			for _, p := range page {
				if !yield(public(p), nil) {
					return
				}
			}
			next = behind
		}
	}
}
