package hub

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
)

// clustered is what a hub of a cluster has for that.
type clustered struct {
	hub    *Hub
	engine cluster.Engine
	// tails is the engine for who follows channels, and controls for doubts.
	tails    cluster.Log
	controls cluster.Engine
	id       cluster.HubID
	// at is the id as the rules know it.
	at      star.Hub
	gate    *inner.Gate
	beating *inner.Beating
	serving *inner.Serving
	doubts  *inner.Doubts
	// seats counts the seats in channels of other hubs.
	seats   atomic.Uint64
	filling filling
	// lateSwitches has a lock of its own, under which nothing else is locked.
	lateSwitches lateSwitches
	// writing is for what goes to the log. It ends after a shutdown, or when that has to hurry.
	writing context.Context
	stop    context.CancelFunc
	// emptied is closed, once, when no connection is left of a hub that shuts down, and leaving when it begins to
	// leave.
	emptied, leaving chan struct{}
	once             sync.Once

	// givenMu guards given, the newest numbers in channels that this hub has owned, or whose log has lost its end (losing.go). It may
	// be taken under a channel's lock.
	givenMu sync.Mutex
	given   map[cluster.Key]givenNumbers

	// mu guards the fields below.
	mu sync.Mutex
	// edges are those of the channels that other hubs own, keys all channels by their keys, and finding what
	// is being looked for, by its name.
	edges   map[*delivery.Channel]*edge
	keys    map[cluster.Key]*delivery.Channel
	finding map[string]*finding
	// awaited are the channels that somebody waits for, each with what ends that the hub hears of it.
	awaited map[string]func()
	// ends are what announces the ends of channels that are over.
	ends map[*inner.Announcer]struct{}
	// left: the hub is about to end, and nothing more is started. tasks are what has to end before.
	left  bool
	tasks sync.WaitGroup
	// changed is closed when there is another edge, and nil where nobody waits for that.
	changed chan struct{}
}

// join makes the hub one of the cluster.
func (h *Hub) join(engine cluster.Engine) error {
	cl := &clustered{
		hub: h, engine: engine, id: cluster.NewHubID(), gate: inner.NewGate(len(engine.State().Shards)),
		edges: make(map[*delivery.Channel]*edge), keys: make(map[cluster.Key]*delivery.Channel), finding: make(map[string]*finding),
		ends: make(map[*inner.Announcer]struct{}), emptied: make(chan struct{}), leaving: make(chan struct{}),
	}
	cl.at = star.Hub(cl.id)
	cl.filling.shards = make([]atomic.Bool, len(engine.State().Shards))
	cl.measure()
	engine = cl.engine
	cl.writing, cl.stop = context.WithCancel(context.Background())
	var err error
	if cl.serving, err = inner.NewServing(engine, cl.id); err != nil {
		return err
	}
	cl.serving.HandleCalls(cl.owned)
	cl.serving.Handle(kindInquiry, cl.inquired)
	if cl.beating, err = inner.StartBeating(engine, cl.id, cl.beat, cl.heard); err != nil {
		cl.serving.Stop()
		return err
	}
	if cl.doubts, err = inner.NewDoubts(cl.controls, cl.id, cl.beating); err != nil {
		cl.beating.Stop()
		cl.serving.Stop()
		return err
	}
	cl.tasks.Go(cl.watch)
	h.goroutines.Add(1) // until it has left: what comes from other hubs can have something done until then
	h.id = ID{}         // a secret is good at all hubs of a cluster
	h.clustered, h.delivering.Hub = cl, &cl.at
	return nil
}

// beat is what the other hubs are told.
func (cl *clustered) beat() inner.Beat {
	h := cl.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	return inner.Beat{Leaving: h.closing.Load(), Channels: uint64(len(h.channels)), Connections: uint64(len(h.sessions))}
}

// owned is what takes requests for a channel that this hub owns, or who does.
func (cl *clustered) owned(key cluster.Key) (take func(cluster.HubID, inner.Request, func([]byte) error), next inner.Owner) {
	cl.mu.Lock()
	c := cl.keys[key]
	e := cl.edges[c]
	cl.mu.Unlock()
	if c == nil {
		return nil, next
	}
	if j, _ := c.Journal().(*journal); j != nil {
		return j.take, next
	}
	if e == nil {
		return nil, next
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return nil, e.owner // and not this hub that may become it: a claim with a lower epoch can be faster
}

// known is the owner as far as the edge knows it.
func (e *edge) known() inner.Owner {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.claimed != (inner.Owner{}) {
		return e.claimed
	}
	return e.owner
}

// edgeOf is the edge of a channel that another hub decides, or nil where there is none any more: then the
// channel may have become this hub's, or have ended.
func (cl *clustered) edgeOf(ctx context.Context, c *delivery.Channel) *edge {
	for {
		cl.mu.Lock()
		e, known := cl.edges[c], cl.keys[cluster.KeyOf(c.Name())] == c
		if e != nil || !known || !c.Elsewhere() {
			cl.mu.Unlock()
			return e
		}
		if cl.changed == nil {
			cl.changed = make(chan struct{})
		}
		changed := cl.changed
		cl.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// edge is that of the channel, or nil where there is none at present.
func (cl *clustered) edge(c *delivery.Channel) *edge {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.edges[c]
}

// register notes an edge, or where that is nil, a channel of this hub.
func (cl *clustered) register(c *delivery.Channel, e *edge) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.keys[cluster.KeyOf(c.Name())] = c
	if delete(cl.edges, c); e != nil {
		cl.edges[c] = e
	}
	if cl.changed != nil {
		close(cl.changed)
		cl.changed = nil
	}
}

// drop lets go an edge that is over, and the channel with it.
func (cl *clustered) drop(e *edge) {
	cl.forget(e.channel)
	cl.hub.removeChannel(e.channel)
	cl.close(e)
}

// letGo is drop for a channel that may go on. The edge's lock is held.
func (cl *clustered) letGo(e *edge) {
	e.channel.LetGo(e.owner.Incarnation)
	cl.drop(e)
}

// isOver reports whether a channel that another hub has decided has ended.
func (cl *clustered) isOver(c *delivery.Channel) bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return c.Elsewhere() && c.Former() == nil && cl.edges[c] == nil && cl.keys[cluster.KeyOf(c.Name())] != c
}

// again is the channel as this hub has it by now, where it has let go of it since it was found, or nil where it is over.
func (cl *clustered) again(ctx context.Context, c *delivery.Channel) (*delivery.Channel, error) {
	former := c.Former()
	if former == nil {
		return nil, nil
	}
	found, err := cl.hub.find(ctx, c.Name())
	if found == nil || err != nil {
		return nil, err
	}
	if j, _ := found.Journal().(*journal); j != nil {
		if former == j.owner.Incarnation {
			return found, nil
		}
		return nil, nil
	}
	if e := cl.edgeOf(ctx, found); e != nil && former != e.incarnation() {
		return nil, nil
	}
	return found, nil
}

// forget lets go a channel of which nobody is here any more.
func (cl *clustered) forget(c *delivery.Channel) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	delete(cl.edges, c)
	if key := cluster.KeyOf(c.Name()); cl.keys[key] == c {
		delete(cl.keys, key)
	}
	if cl.changed != nil {
		close(cl.changed)
		cl.changed = nil
	}
}

// close ends what an edge that is over has under way. The edge's lock may be held. Where the hub leaves, leave
// does that.
func (cl *clustered) close(e *edge) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if !cl.left {
		cl.tasks.Go(e.close)
	}
}

func (e *edge) close() {
	e.asking.Close()
	e.mu.Lock()
	following, counted := e.following, e.counted
	e.counted = false
	e.mu.Unlock()
	if following != nil {
		following.Close()
	}
	if counted {
		e.hub.config.Observer.Add(star.Edges, "", -1)
	}
}

// heard is told of other hubs.
func (cl *clustered) heard(change inner.Change) {
	switch change.Kind {
	case inner.BecameUnheard:
		for _, e := range cl.edgesOf(change.Hub) {
			cl.look(e)
		}
	case inner.BecameLost:
		cl.lost(change.Hub)
	case inner.NotAlone:
		cl.check()
	}
}

// check finds out what this hub has missed while it was cut off: whose its channels are by now, and what was decided in
// those of others.
func (cl *clustered) check() {
	if cl.hasLeft() {
		return
	}
	for _, c := range cl.hub.listed() {
		if j, _ := c.Journal().(*journal); j != nil {
			j.overtaken.Store(true)
			c.CallJournal()
		}
	}
	for _, e := range cl.allEdges() {
		e.check()
	}
}

// check finds out what of the channel was decided and not heard.
func (e *edge) check() {
	e.mu.Lock()
	following := e.following
	e.mu.Unlock()
	if following != nil {
		following.Check()
	}
}

// lost has the members be away that are at a hub that is not heard any more.
func (cl *clustered) lost(hub cluster.HubID) {
	if cl.hasLeft() {
		return
	}
	for _, c := range cl.hub.listed() {
		j, _ := c.Journal().(*journal)
		if j == nil {
			continue
		}
		c.DecideFor(j, func(rules *star.Channel, now time.Time) { j.hubLost(hub, rules, now) })
	}
}

// hasLeft reports whether the hub is about to end, or has: nothing more is started.
func (cl *clustered) hasLeft() bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.left
}

// announceEnd has the other hubs hear of the end of a channel, some times.
func (cl *clustered) announceEnd(j *journal) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if _, ends := cl.ends[j.announcer]; ends || cl.left {
		return
	}
	cl.ends[j.announcer] = struct{}{}
	j.announcer.End(j.writer.Shared(), func() {
		cl.mu.Lock()
		defer cl.mu.Unlock()
		delete(cl.ends, j.announcer)
	})
}

// watch does from time to time what nothing else is the occasion for: channels of this hub are written down anew
// that were not for a long time, though nothing is decided in them, and edges end where nobody is any more.
func (cl *clustered) watch() {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	writeEvery := max(cl.engine.Keeps()/30, watchEvery)
	shards := measuring{cl: cl}
	defer shards.end()
	for written, looked := time.Now(), time.Now(); ; {
		select {
		case <-cl.writing.Done():
			return
		case <-cl.leaving:
			return
		case now := <-ticker.C:
			shards.look(int64(watchEvery / time.Second))
			for _, e := range cl.allEdges() {
				e.endWaiting()
				e.remind()
				if e.endRest(now); e.known().Hub == cl.id || e.lacksOwner() {
					cl.look(e)
				}
			}
			cl.lateSwitches.expire(now)
			cl.readFilling()
			look := now.Sub(looked) >= lookAgainAfter
			if look {
				looked = now
			}
			cl.endAwaiting(false, look)
			if now.Sub(written) >= writeEvery {
				written = now
				for _, c := range cl.hub.listed() {
					c.CallJournal()
				}
			}
		}
	}
}

// watchEvery is how often the hub looks after what is at rest.
const watchEvery = time.Second

// begin is called when a shutdown begins, with so many connections.
func (cl *clustered) begin(connections int) {
	cl.beating.Beat() // the others are told
	go func() {
		defer cl.hub.goroutines.Done() // since join
		<-cl.emptied
		cl.leave()
	}()
	if connections == 0 {
		cl.empty()
	}
}

// empty notes that the last connection has ended, while the hub shuts down.
func (cl *clustered) empty() { cl.once.Do(func() { close(cl.emptied) }) }

// leave ends what the hub does as one of the cluster, when no connection is left. Whoever else has members takes the
// channels that it has owned.
func (cl *clustered) leave() {
	ctx, cancel := context.WithTimeout(cl.writing, leaveTimeout)
	defer cancel()
	cl.mu.Lock()
	cl.left = true
	edges := slices.Collect(maps.Values(cl.edges))
	clear(cl.edges)
	ends := slices.Collect(maps.Keys(cl.ends))
	cl.mu.Unlock()
	close(cl.leaving)
	for _, announcer := range ends {
		announcer.Close()
		announcer.Repeat()
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, 64)
	for _, c := range cl.hub.listed() {
		j, _ := c.Journal().(*journal)
		if j == nil {
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			j.stop()
			j.quit()
			// What was decided at the end of the last connections is written down first.
			if c.Flush(ctx) == nil && c.Journal() == j {
				j.free(ctx)
			}
		})
	}
	cl.endAwaiting(true, false)
	for _, e := range edges {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			_ = e.flush(ctx) // the owner is told who is lost
			e.mu.Lock()
			e.finish()
			e.mu.Unlock()
			e.close()
		})
	}
	all.Wait()
	cl.tasks.Wait()
	cl.doubts.Close()
	cl.beating.Stop()
	cl.serving.Stop()
	cl.stop()
}

// leaveTimeout bounds how long a hub that ends waits for the log and for other hubs.
const leaveTimeout = 2 * time.Second

// edgesOf are the edges of the channels that the hub owns, so far as is known.
func (cl *clustered) edgesOf(hub cluster.HubID) (of []*edge) {
	for _, e := range cl.allEdges() {
		if e.known().Hub == hub {
			of = append(of, e)
		}
	}
	return of
}

func (cl *clustered) allEdges() []*edge {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return slices.Collect(maps.Values(cl.edges))
}

// hurry has the hub not wait for the log any more than it must, now that its time is over, until it is told that
// that is not needed any more.
func (h *Hub) hurry() (over func()) {
	if h.clustered == nil {
		return func() {}
	}
	timer := time.AfterFunc(leaveTimeout, h.clustered.stop)
	return func() { timer.Stop() }
}
