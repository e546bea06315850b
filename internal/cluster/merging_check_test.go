package cluster

import (
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

// mergingCheck holds what is carried out against the log. It goes along in the log with each step.
type mergingCheck struct {
	game *mergingGame

	group, unit int // how far what is carried out has come
	reply       request
	at          cluster.Position

	epoch  uint64              // of the last claim that was given
	given  map[request]ReplyAt // replies that were given, and are not carried out or dropped
	newest request             // the last one that was given, or abandoned: there will be none before it
	passed map[request]bool

	end, another bool
}

// units are what is in a group, in the order in which it has to come: an item, or a claim.
func (g gameGroup) units() (units []any) {
	if g.header.Claim == Owned || g.header.Claim == Doubt {
		units = append(units, g.header.Claim)
	}
	for _, item := range g.items {
		units = append(units, item)
	}
	if g.header.Claim == Free || g.header.Claim == Ended {
		units = append(units, g.header.Claim)
	}
	return units
}

// next is the next unit in the log that is not a marker which may be passed over; at is one of the edge's own at which
// to stop. There is none where all that was given is carried out.
func (c *mergingCheck) next(at request) (unit any, marker request) {
	t := c.game.t
	for ; c.group < c.game.tail; c.group, c.unit = c.group+1, 0 {
		g := c.game.shared[c.group]
		if g.header.Incarnation != first {
			return nil, marker
		}
		for units := g.units(); c.unit < len(units); c.unit++ {
			item, is := units[c.unit].(Item)
			if !is || item.Kind != Reply {
				return units[c.unit], marker
			}
			m, err := ParseMarker(item.Data)
			require.NoError(t, err)
			marker = request{m.Epoch, m.N}
			if m.Hub != hubE {
				continue
			}
			if marker == at {
				return item, marker
			}
			_, there := c.given[marker]
			require.False(t, there, "the reply to %v has to be carried out here", marker)
			if !c.hopeless(marker) {
				return item, marker
			}
			if !c.passed[marker] {
				c.game.passed++
			}
			if c.passed == nil {
				c.passed = map[request]bool{}
			}
			c.passed[marker] = true
		}
		c.at = g.group.Position
	}
	return nil, marker
}

// hopeless tells whether no reply will come for the marker.
func (c *mergingCheck) hopeless(marker request) bool {
	another := c.game.tail > 0 && c.game.shared[c.game.tail-1].header.Incarnation != first
	return marker.compare(c.newest) <= 0 || marker.epoch < c.epoch || another
}

func (c *mergingCheck) step(s Step) {
	t := c.game.t
	require.False(t, c.another, "nothing comes behind another channel")
	require.True(t, !c.end || s.Kind == StepRecreated, "nothing comes behind the end")
	switch s.Kind {
	case StepItem:
		unit, _ := c.next(request{})
		require.Equal(t, unit, s.Item)
		c.here(s)
		c.unit++
	case StepClaim:
		unit, _ := c.next(request{})
		require.Equal(t, unit, s.Header.Claim)
		c.here(s)
		c.unit++
		c.end = s.Header.Claim == Ended
		if c.end {
			c.game.ends++
		}
	case StepReply:
		r := s.Reply.request()
		require.Equal(t, c.given[r], *s.Reply, "it was given")
		require.Positive(t, r.compare(c.reply), "they come in order")
		c.reply = r
		if s.Reply.Marked {
			c.game.marked++
			unit, marker := c.next(r)
			require.IsType(t, Item{}, unit)
			require.Equal(t, r, marker, "it is at its marker")
			require.Equal(t, s.Reply.Position, s.Position)
			require.Equal(t, c.game.shared[c.group].group.Position, s.Position)
			c.unit++
		} else {
			c.game.plain++
			c.done(s.Reply.Shared)
		}
		delete(c.given, r)
	case StepDropped:
		c.game.dropped++
		r := s.Reply.request()
		c.next(request{})
		require.True(t, s.Reply.Marked && c.passed[r], "its marker was passed over: %v", r)
		delete(c.given, r)
	case StepRecreated:
		c.game.recreated++
		unit, _ := c.next(request{})
		require.Nil(t, unit)
		require.Equal(t, next, s.Header.Incarnation)
		c.another = true
	}
}

// here is where the step says that it is.
func (c *mergingCheck) here(s Step) {
	g := c.game.shared[c.group]
	require.Equal(c.game.t, g.group.Position, s.Position)
	require.Equal(c.game.t, g.header, *s.Header)
}

// done: all up to there was carried out.
func (c *mergingCheck) done(shared cluster.Position) {
	if c.at < shared {
		c.next(request{}) // what is left of the group are markers of others
	}
	require.GreaterOrEqual(c.game.t, max(c.at, 1), shared)
}

// rest looks at what was not carried out: there is nothing that could be.
func (c *mergingCheck) rest() {
	if c.end {
		return
	}
	t := c.game.t
	unit, marker := c.next(request{})
	m, waits := c.game.merging.Waits()
	require.Equal(t, unit != nil, waits, "everything is carried out, or a reply is awaited: %v", unit)
	if waits {
		c.game.stops++
		require.IsType(t, Item{}, unit)
		require.Equal(t, Reply, unit.(Item).Kind)
		require.Equal(t, marker, request{m.Epoch, m.N})
		require.False(t, c.hopeless(marker))
	}
	require.Equal(t, max(c.at, 1), c.game.merging.At())
	for r, reply := range c.given {
		if reply.Marked {
			require.Greater(t, reply.Position, c.at, "the reply to %v", r)
			continue
		}
		blocked := false
		for other := range c.given {
			blocked = blocked || other.compare(r) < 0
		}
		require.True(t, blocked || reply.Shared > c.at, "the reply to %v", r)
	}
}
