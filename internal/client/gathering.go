package client

import (
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Gathering says how a Gather is done.
type Gathering struct {
	// Asked is called with the names of those who are asked, in the goroutine that takes the
	// answers and before it gets one of theirs: once for those who are asked at first, though
	// they may be none, and again for each who is asked later. It may be nil.
	Asked func(usernames []string)
	// Newcomers: who joins while it goes on is asked too.
	Newcomers bool
}

// gathering is a Gather that tells whom it asks. The client's lock guards its fields, but for how
// and question.
type gathering struct {
	how      Gathering
	question wire.Frame
	// main is the question to all. Its answers take in those of newcomers too.
	main *inquiry
	// begun: it is known who was asked at first. early are those who have answered before that.
	begun bool
	early []string
	// asked has the numbers of the memberships that were asked, or are about to be, by their
	// names. A number is zero where it is not known.
	asked map[string]uint64
	// untold are those who were asked, and Asked was not called with. due: Asked is to be called.
	untold []string
	due    bool
	// toAsk are newcomers that were not asked yet. There are no more of them than slaves.
	toAsk []string
	// open are the questions to newcomers that were sent and are not answered.
	open map[*inquiry]*request
	// paused: the hub has refused for now to take another question.
	paused bool
}

// maxNewcomers is how many newcomers are asked at a time: each is a request of its own, and the
// hub has room for twice as many of a master.
const maxNewcomers = wire.MasterAnswers / 2

// isNewcomers reports whether the inquiry is of one who has joined meanwhile.
func (q *inquiry) isNewcomers() bool { return q.group != nil && q.group.main != q }

// queue is where the answers to the inquiry are put.
func (q *inquiry) queue() *answerQueue {
	if q.isNewcomers() {
		return &q.group.main.answers
	}
	return &q.answers
}

// all are the inquiries that the answers to the inquiry are of: itself, and those of newcomers.
// The lock is held.
func (q *inquiry) all() []*inquiry {
	all := []*inquiry{q}
	if q.group != nil {
		all = slices.AppendSeq(all, maps.Keys(q.group.open))
	}
	return all
}

// present are the slaves that are there, though the user may not have been told yet: the numbers
// of their memberships by their names. The lock is held.
func (m *Membership) present() map[string]uint64 {
	present := make(map[string]uint64, len(m.slaves))
	for name, known := range m.slaves {
		present[name] = known.number
	}
	for _, slave := range m.departed {
		if slave.State == wire.StateLeft {
			delete(present, slave.Username)
		} else {
			present[slave.Username] = slave.number
		}
	}
	return present
}

// begin is called when it is known who awaits to be heard of those who were asked at first. The
// lock is held.
func (g *gathering) begin(m *Membership) {
	g.begun, g.due = true, true
	g.asked = maps.Clone(g.main.awaited)
	present := m.present()
	for _, name := range g.early {
		g.asked[name] = present[name]
	}
	g.untold = slices.Sorted(maps.Keys(g.asked))
	if g.how.Newcomers {
		m.gatherings = append(m.gatherings, g)
		for _, name := range slices.Sorted(maps.Keys(present)) {
			g.meet(name, present[name])
		}
		g.endIfOver()
	}
	g.main.answers.wake()
}

// endIfOver ends a gathering that asks newcomers when its time is over and nobody who was asked is
// awaited any more. The lock is held.
func (g *gathering) endIfOver() {
	main := g.main
	if g.begun && !main.end.IsZero() && !time.Now().Before(main.end) && len(main.awaited)+len(g.open) == 0 {
		g.toAsk = nil
		main.answers.finish()
	}
}

// timeIsOver is called when the time of the gathering is over.
func (m *Membership) timeIsOver(g *gathering) {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	g.endIfOver()
}

// ends has a value when the time of the question is over where newcomers are asked, and is nil
// otherwise.
func (q *inquiry) ends() (over <-chan time.Time, stop func()) {
	if q.group == nil || !q.group.how.Newcomers || q.end.IsZero() {
		return nil, func() {}
	}
	timer := time.NewTimer(time.Until(q.end))
	return timer.C, func() { timer.Stop() }
}

// begins is called when it has become known who awaits to be heard. The lock is held.
func (q *inquiry) begins(m *Membership) {
	if q.group != nil && !q.isNewcomers() {
		q.group.begin(m)
	}
}

// meet is called with each slave that is there. Where its membership was not asked, it is to be.
func (g *gathering) meet(name string, number uint64) {
	if known, ok := g.asked[name]; ok && (known == number || known == 0 || number == 0) {
		return
	}
	if _, ok := g.asked[name]; !ok || !slices.Contains(g.toAsk, name) {
		g.toAsk = append(g.toAsk, name)
	}
	g.asked[name] = number
	g.main.answers.wake()
}

// onSlave is called with each change of a slave. The lock is held.
func (g *gathering) onSlave(p Presence) {
	if p.State != wire.StateLeft {
		g.meet(p.Username, p.number)
		return
	}
	if known, ok := g.asked[p.Username]; ok && (known == p.number || known == 0 || p.number == 0) {
		delete(g.asked, p.Username)
		g.toAsk = slices.DeleteFunc(g.toAsk, func(name string) bool { return name == p.Username })
	}
}

// room is where a place for the question to a newcomer can be taken, or nil where there is none
// to ask now.
func (m *Membership) room(g *gathering) chan<- struct{} {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	if g == nil || len(g.toAsk) == 0 || len(g.open) >= maxNewcomers || g.paused {
		return nil
	}
	return m.window
}

// askNewcomer asks the next newcomer. The caller has taken a place in the window.
func (m *Membership) askNewcomer(g *gathering) {
	c := m.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(g.toAsk) == 0 || m.err != nil || c.over() != nil {
		<-m.window
		return
	}
	q := &inquiry{of: g.toAsk[0], group: g, end: g.main.end}
	g.toAsk = g.toAsk[1:]
	r := &request{frame: g.question, end: q.end, asks: q, settle: m.settleNewcomer, answered: make(chan wire.Frame, 1)}
	r.frame.To, r.frame.HasTo = q.of, true
	if r.isLate() {
		g.toAsk = nil // it is asked of nobody any more
		<-m.window
		return
	}
	if g.question.Aside != nil {
		aside := *g.question.Aside
		r.frame.Aside = &aside
	}
	if g.open == nil {
		g.open = make(map[*inquiry]*request)
	}
	g.open[q] = r
	m.enqueue(r)
}

// settleNewcomer is called with the hub's answer to the question to a newcomer. The lock is held.
func (m *Membership) settleNewcomer(r *request, answer wire.Frame) wire.Frame {
	q := r.asks
	g, why := q.group, refusalIn(&answer)
	if why == nil && !r.abandoned {
		g.untold, g.due = append(g.untold, q.of), true
	}
	answer = m.settleInquiry(r, answer)
	switch {
	case why == nil:
	case isTransient(why):
		delete(g.open, q)
		if _, ok := g.asked[q.of]; ok && !slices.Contains(g.toAsk, q.of) {
			g.toAsk = append(g.toAsk, q.of)
		}
		g.paused = true
		g.main.answers.refuse()
	case why.Code == wire.ErrNoSuchSlave.Code: // it was not asked, and its leave is told, or was
		delete(g.open, q)
	default:
		m.failNewcomer(r, m.client.public(why))
	}
	g.endIfOver()
	g.main.answers.wake()
	return answer
}

// failNewcomer ends the part of a newcomer whose question is given up, if that is what the
// request is. The lock is held.
func (m *Membership) failNewcomer(r *request, err error) {
	if q := r.asks; q != nil && q.isNewcomers() && !r.abandoned {
		delete(q.group.open, q)
		q.group.untold, q.group.due = append(q.group.untold, q.of), true
		q.resolve(Answer{From: q.of, Err: err})
		q.group.endIfOver()
	}
}

// onNewcomerAnswered is called when the inquiry of a newcomer is over. The lock is held.
func (g *gathering) onNewcomerAnswered(q *inquiry) {
	delete(g.open, q)
	g.endIfOver()
	g.main.answers.wake() // there is room for another one
}

// hasBegun reports whether it is known who was asked.
func (m *Membership) hasBegun(g *gathering) bool {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	return g.begun
}

// tellAsked calls Asked where that is due.
func (m *Membership) tellAsked(g *gathering) {
	if g == nil {
		return
	}
	m.client.mu.Lock()
	names, due := g.untold, g.due
	g.untold, g.due = nil, false
	m.client.mu.Unlock()
	if due && g.how.Asked != nil {
		slices.Sort(names)
		g.how.Asked(names)
	}
}

// request is the one by which the question of a newcomer's inquiry was sent, or nil.
func (g *gathering) request(q *inquiry) *request {
	if g == nil {
		return nil
	}
	return g.open[q]
}

// goOn lets the hub be asked again for what it has refused for now.
func (m *Membership) goOn(g *gathering) {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	if g != nil {
		g.paused = false
	}
}
