package cluster

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/lectern-go/lectern/cluster"
)

const (
	// heldGroups and heldBytes are how many groups are held while a reply is awaited, and how large they may be together.
	heldGroups = 1024
	heldBytes  = 4 << 20

	// waitingReplies is how many replies wait for their groups. One more is taken while those that
	// wait are not above heldBytes together: the largest reply is larger than that.
	waitingReplies = 1024
)

var (
	// ErrBacklog: more is held back than may be. Whoever is served by the merging has to begin anew.
	ErrBacklog = errors.New("cluster: too much waits for its place in the order of the channel")

	// ErrDisorder: what was given cannot all be true of one log. Whoever is served by the merging has to
	// begin anew.
	ErrDisorder = errors.New("cluster: groups and replies contradict each other")
)

// Merging puts what a hub with members of a channel hears from two sides, the shared groups of the channel's
// log and the owner's replies to the hub's own requests, into the one order in which the owner has decided it:
//
//   - What is in groups comes in the order of the log.
//   - A marked reply comes where its marker stands. If it is not there when the marker is met, all that is behind the
//     marker is held until it comes, or until it is sure that it will not: a group that was claimed in a later epoch
//     or by another hub, or a reply to a later request, has come. Then the marker is passed over.
//   - Any other reply comes as soon as the groups have that it knows of, and the replies before it.
//
// All groups before the last claim that was given have been carried out: only those of one owner are held.
//
// It has no lock, and does nothing by itself. Its steps are to be carried out in their order before
// it is called again.
type Merging struct {
	self        cluster.HubID
	incarnation cluster.Nonce

	// As of the last group that was given.
	owner cluster.HubID
	epoch uint64
	seen  cluster.Position
	ended bool

	at   cluster.Position // of the last group that is carried out to its end
	held []heldGroup      // behind at; the first may have been begun
	size int              // of the held ones

	replies []*ReplyAt // that wait for their place, in the order of their requests
	bytes   int        // of the waiting ones
	before  uint64     // requests up to this number were made before the merging was
	last    request    // of the last reply that was given, or given up
	waits   bool       // everything stops at a marker: of this request
	awaited request

	recreated bool // as of the last group
	over      bool // nothing is carried out any more
	err       error
}

// heldGroup is a group that is not carried out to its end.
type heldGroup struct {
	position cluster.Position
	header   *Header
	items    []Item // that are still to be carried out
	begun    bool
	size     int
}

// request tells a request of the hub from its others.
type request struct{ epoch, n uint64 }

func (r request) compare(o request) int {
	return cmp.Or(cmp.Compare(r.epoch, o.epoch), cmp.Compare(r.n, o.n))
}

func (r *ReplyAt) request() request { return request{r.Epoch, r.N} }

func (r *ReplyAt) size() (n int) {
	for _, item := range r.Items {
		n += len(item.Data)
	}
	return n
}

// NewMerging makes the Merging of hub self for a channel that it follows from the shared group at the position
// at on, which is not carried out any more. Owner and epoch are those as of that group: a zero owner is not
// known, or nobody.
func NewMerging(self cluster.HubID, at cluster.Position, owner cluster.HubID, epoch uint64, incarnation cluster.Nonce) *Merging {
	return &Merging{self: self, incarnation: incarnation, owner: owner, epoch: epoch, seen: at, at: at}
}

// Before says that the requests of this hub up to that number were made before the Merging was: whoever made them has
// their replies, or gave them up, and their markers are passed over.
func (m *Merging) Before(n uint64) { m.before = n }

// Group takes the next shared group, with what ParseGroup has made of its body, and returns what can be carried
// out now. Groups come in the order of the log and none is missing: g.Before is the one before. The items belong to
// the Merging. With an error, which is an ErrBacklog, ErrDisorder or ErrMalformed, come the steps before it; each
// call behind it fails with it too.
func (m *Merging) Group(g cluster.Group, h Header, items []Item) (steps []Step, err error) {
	switch {
	case m.err != nil || m.recreated:
		return nil, m.err
	case h.Incarnation != m.incarnation:
		return m.another(g, h)
	case m.ended:
		return nil, nil
	}
	if err := m.follow(g, h); err != nil {
		return nil, m.fail(err)
	}
	m.held = append(m.held, heldGroup{position: g.Position, header: &h, items: items, size: len(g.Body)})
	m.size += len(g.Body)
	steps = m.run(make([]Step, 0, len(items)+1))
	if m.err == nil && (len(m.held) > heldGroups || m.size > heldBytes) {
		m.fail(fmt.Errorf("%w: groups behind %d", ErrBacklog, m.at))
	}
	return steps, m.err
}

// follow looks at the header of a group at once, wherever those before it are held: what it says of the owner tells
// whether there is still something to wait for.
func (m *Merging) follow(g cluster.Group, h Header) error {
	known := m.owner != cluster.HubID{}
	switch {
	case g.Before != m.seen || g.Position <= m.seen:
		return fmt.Errorf("%w: the group at %d follows %d, not %d", ErrDisorder, g.Position, g.Before, m.seen)
	case h.Claim == Doubt: // whoever wrote it
	case h.Claim == Owned && (h.Epoch > m.epoch || h.Epoch == m.epoch && (!known || h.Hub == m.owner)):
		m.owner, m.epoch = h.Hub, h.Epoch
	case h.Claim == Owned, h.Epoch != m.epoch, known && h.Hub != m.owner:
		return fmt.Errorf("%w: the group at %d is of epoch %d, the owner of %d", ErrDisorder, g.Position, h.Epoch, m.epoch)
	case h.Claim == Free:
		m.owner = cluster.HubID{}
	default:
		m.owner, m.ended = h.Hub, h.Claim == Ended
	}
	m.seen = g.Position
	return nil
}

// another ends it all, by a group of another channel: whoever wrote the markers of this one is gone.
func (m *Merging) another(g cluster.Group, h Header) (steps []Step, err error) {
	m.recreated, m.owner, m.epoch = true, h.Hub, h.Epoch
	if steps = m.run(nil); m.err == nil {
		m.end()
		steps = append(steps, Step{Kind: StepRecreated, Position: g.Position, Header: &h})
	}
	return steps, m.err
}

// Reply takes the next reply, and returns what can be carried out now. Each reply comes once, in the order of the
// requests; some requests may have none. It belongs to the Merging. The error is as of Group.
// A reply that comes behind the channel's end is dropped without a step.
func (m *Merging) Reply(r ReplyAt) (steps []Step, err error) {
	if m.err != nil || m.over {
		return nil, m.err
	}
	if m.late(&r) {
		return []Step{{Kind: StepDropped, Reply: &r}}, nil
	}
	m.last = r.request()
	if len(m.replies) >= waitingReplies || m.bytes > heldBytes {
		return nil, m.fail(fmt.Errorf("%w: replies behind %d", ErrBacklog, m.at))
	}
	m.replies = append(m.replies, &r)
	m.bytes += r.size()
	if m.settle(&steps) {
		steps = m.run(steps)
	}
	return steps, m.err
}

// late tells whether the reply's place has gone by: it has no order behind the last one, or its marker was passed over.
// One of a former owner without marker is as true as ever, and nobody asks its calls again if it is not told.
func (m *Merging) late(r *ReplyAt) bool {
	switch {
	case r.request().compare(m.last) <= 0:
		return true
	case r.Marked && r.Position <= m.at:
		return true
	default:
		return r.Epoch < m.epoch && (r.Marked || r.Shared > m.at)
	}
}

// Abandon gives up waiting for the reply that is awaited, if one is, and passes its marker over; then another one may be
// awaited. The reply is dropped when it comes. It is for who has reason not to wait on: the owner may have gone without
// a claim that follows, behind the end of the channel above all. The error is as of Group.
func (m *Merging) Abandon() (steps []Step, err error) {
	if m.err != nil || !m.waits {
		return nil, m.err
	}
	m.last = m.awaited // what comes for it, comes too late
	return m.run(nil), m.err
}

// end lets go what is held.
func (m *Merging) end() {
	m.over, m.waits = true, false
	m.held, m.size, m.replies, m.bytes = nil, 0, nil, 0
}

func (m *Merging) fail(err error) error {
	m.end()
	m.err = err
	return err
}

// Waits tells at which marker everything stops, as its reply has not come.
func (m *Merging) Waits() (marker Marker, waits bool) {
	if !m.waits {
		return Marker{}, false
	}
	return Marker{Hub: m.self, Epoch: m.awaited.epoch, N: m.awaited.n}, true
}

// At is the position of the last group that was carried out to its end.
func (m *Merging) At() cluster.Position { return m.at }

// Owner is the owner's hub as of the last group that was given, which may be held: zero where it is not known, or nobody.
func (m *Merging) Owner() cluster.HubID { return m.owner }

// Epoch is that of the owner, as of the last group that was given.
func (m *Merging) Epoch() uint64 { return m.epoch }

// Ending tells whether the channel's end has been given, which may be held for a reply. No claim will
// follow it: whoever waits gives up after a while, see Abandon.
func (m *Merging) Ending() bool { return m.ended }
