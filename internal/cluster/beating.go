package cluster

import (
	"sync"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

// Beating tells the other hubs that this one lives, and knows which others do. It has one goroutine for as
// long as it goes on, and another while it has changes to tell.
type Beating struct {
	engine  cluster.Engine
	self    cluster.HubID
	content func() Beat
	changed func(Change)

	now  chan struct{} // of capacity 1: beat at once
	quit chan struct{}
	all  sync.WaitGroup
	stop func() // of the engine's Beats
	once sync.Once

	mu      sync.Mutex
	hubs    *Hubs
	untold  []Change
	telling bool // a goroutine tells what is untold
	stopped bool
	garbled uint64
}

// StartBeating beats as the hub self, at once and then every half second, and listens.
//
// content is what is told, asked for each beat, and one at a time; as long as it does not return this hub does not beat.
// changed is called with each change, in their order, one at a time, without a lock held. While it does not return changes wait
// for it, and beats do not. Both may call every method but Stop, and content not Beat.
func StartBeating(engine cluster.Engine, self cluster.HubID, content func() Beat, changed func(Change)) (*Beating, error) {
	b := &Beating{
		engine: engine, self: self, content: content, changed: changed,
		now: make(chan struct{}, 1), quit: make(chan struct{}),
		hubs: NewHubs(time.Now(), self),
	}
	stop, err := engine.Beats(b.hear)
	if err != nil {
		return nil, err
	}
	b.stop = stop
	b.all.Go(b.run)
	return b, nil
}

// Stop ends it: when it has returned, neither function runs or will be called again, and what was not yet told is not. Others
// notice by the silence; a hub that leaves in good order has told so before. It may be called again.
func (b *Beating) Stop() {
	b.once.Do(func() {
		b.mu.Lock()
		b.stopped = true
		b.mu.Unlock()
		close(b.quit)
	})
	b.stop()
	b.all.Wait()
}

// Beat has a beat sent at once, because what it tells has changed. It does not wait.
func (b *Beating) Beat() {
	select {
	case b.now <- struct{}{}:
	default:
	}
}

// run beats, and notices what has changed by time.
func (b *Beating) run() {
	next := time.Now() // the next beat
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		asked := false
		select {
		case <-timer.C:
		case <-b.now:
			asked = true
		case <-b.quit:
			return
		}
		if now := time.Now(); asked || !now.Before(next) {
			if next = next.Add(BeatEvery); asked || next.Before(now) { // or it was held up
				next = now.Add(BeatEvery)
			}
			// An error says what State does, or that the engine is closed: then Stop follows.
			_ = b.engine.Beat(b.self, b.content().Append(nil))
		}
		timer.Reset(time.Until(earlier(next, b.check())))
	}
}

// check tells what has changed by time, and returns when it has to be called again.
func (b *Beating) check() time.Time {
	connected := b.engine.State().Connected
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tell(b.hubs.Check(now, connected))
	return b.hubs.Next(now)
}

// hear takes a beat. What cannot be read says nothing about who has sent it.
func (b *Beating) hear(from cluster.HubID, beat []byte) {
	parsed, err := ParseBeat(beat)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.garbled++
		return
	}
	b.tell(b.hubs.Heard(time.Now(), from, parsed))
}

// tell has changes told. The caller has the lock. What waits is bounded by how often a hub can change, which
// is a few times in 1.5 s.
func (b *Beating) tell(changes []Change) {
	if len(changes) == 0 || b.stopped {
		return
	}
	b.untold = append(b.untold, changes...)
	if !b.telling {
		b.telling = true
		b.all.Go(b.tellAll)
	}
}

func (b *Beating) tellAll() {
	for {
		b.mu.Lock()
		if b.stopped || len(b.untold) == 0 {
			b.telling, b.untold = false, nil
			b.mu.Unlock()
			return
		}
		change := b.untold[0]
		b.untold = b.untold[1:]
		b.mu.Unlock()
		b.changed(change)
	}
}

// Alone tells whether this hub does not hear itself.
func (b *Beating) Alone() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hubs.Alone()
}

// Standing is that of a hub, as [Hubs.Standing] has it; a change to it may still wait to be told.
func (b *Beating) Standing(id cluster.HubID) Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hubs.Standing(time.Now(), id)
}

// Silent is since when a hub's silence counts, as [Hubs.Silent] has it.
func (b *Beating) Silent(id cluster.HubID) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hubs.Silent(time.Now(), id)
}

// Rank is that of this hub, as [Hubs.Rank] has it.
func (b *Beating) Rank(key cluster.Key, without cluster.HubID) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hubs.Rank(key, without)
}

// List is all hubs that are known, this one among them.
func (b *Beating) List() []HubInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hubs.List(time.Now())
}

// Garbled is how many beats could not be read.
func (b *Beating) Garbled() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.garbled
}
