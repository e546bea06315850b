package cluster

import (
	"fmt"
	"slices"
)

// run carries the held groups out as far as that can be.
func (m *Merging) run(steps []Step) []Step {
	m.waits = false
	done := 0
	for done < len(m.held) {
		g := &m.held[done]
		if steps = m.begin(steps, g); !m.items(&steps, g) {
			break
		}
		if m.at = g.position; !m.settle(&steps) {
			break
		}
		if g.header.Claim == Free || g.header.Claim == Ended {
			steps = append(steps, Step{Kind: StepClaim, Position: g.position, Header: g.header})
		}
		if g.header.Claim == Ended {
			m.end()
			return steps
		}
		m.size -= g.size
		done++
	}
	if m.err == nil {
		m.held = slices.Delete(m.held, 0, done)
	}
	return steps
}

// begin does what comes before the group's items.
func (m *Merging) begin(steps []Step, g *heldGroup) []Step {
	if g.begun {
		return steps
	}
	g.begun = true
	if g.header.Claim == Owned {
		for len(m.replies) > 0 && m.replies[0].Epoch < g.header.Epoch {
			// The former owner has replied what is not so in the log.
			steps = append(steps, Step{Kind: StepDropped, Reply: m.takeReply()})
		}
	}
	if g.header.Claim == Owned || g.header.Claim == Doubt {
		steps = append(steps, Step{Kind: StepClaim, Position: g.position, Header: g.header})
	}
	return steps
}

// items carries the group's items out, up to its end or to a marker whose reply is awaited.
func (m *Merging) items(steps *[]Step, g *heldGroup) (done bool) {
	for ; len(g.items) > 0; g.items = g.items[1:] {
		item := g.items[0]
		if item.Kind != Reply {
			*steps = append(*steps, Step{Kind: StepItem, Position: g.position, Header: g.header, Item: item})
			continue
		}
		marker, err := ParseMarker(item.Data)
		if err != nil {
			m.fail(err)
			return false
		}
		if marker.Hub == m.self && !m.meet(steps, g, request{marker.Epoch, marker.N}) {
			return false
		}
	}
	return true
}

// meet is at a marker of this hub: it carries the reply out, or passes it over, or reports that there is
// something to wait for.
func (m *Merging) meet(steps *[]Step, g *heldGroup, r request) (done bool) {
	if len(m.replies) > 0 {
		first := m.replies[0]
		order := first.request().compare(r)
		switch {
		case order == 0 && first.Marked:
			*steps = append(*steps, Step{Kind: StepReply, Position: g.position, Reply: m.takeReply()})
			return true
		case order <= 0: // it waits for a group that is not before the marker of a later one
			m.fail(fmt.Errorf("%w: the reply to %d is not before the marker of %d", ErrDisorder, first.N, r.n))
			return false
		}
	}
	if r.n <= m.before || r.compare(m.last) <= 0 || r.epoch != m.epoch || m.recreated {
		return true
	}
	m.awaited, m.waits = r, true
	return false
}

// settle carries out the replies without marker whose time has come.
func (m *Merging) settle(steps *[]Step) (ok bool) {
	for len(m.replies) > 0 {
		switch first := m.replies[0]; {
		case !first.Marked && first.Shared <= m.at:
			*steps = append(*steps, Step{Kind: StepReply, Position: m.at, Reply: m.takeReply()})
		case first.Marked && first.Position <= m.at:
			m.fail(fmt.Errorf("%w: the marker of %d is not at %d", ErrDisorder, first.N, first.Position))
			return false
		default:
			return true
		}
	}
	return true
}

func (m *Merging) takeReply() *ReplyAt {
	r := m.replies[0]
	m.replies = slices.Delete(m.replies, 0, 1)
	m.bytes -= r.size()
	return r
}
