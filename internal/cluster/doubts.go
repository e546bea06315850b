package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

const (
	// attempt bounds a call.
	attempt = time.Second

	// answerAgain is the pause after an answer that may have failed: there have to be some tries in the
	// time that there is for it.
	answerAgain = 50 * time.Millisecond
)

// Doubts finds out for a hub about others that it does not hear, and answers where it is doubted itself. There is a
// goroutine for each hub and shard that is doubted, and for each shard in which an answer is under way; and a tail for each shard.
type Doubts struct {
	engine  cluster.Engine
	self    cluster.HubID
	beating *Beating
	shards  int
	ctx     context.Context
	cancel  func()
	all     sync.WaitGroup
	stops   []func()

	mu        sync.Mutex
	closed    bool
	waiting   map[doubted]*claimants   // each with a goroutine
	answering map[int]cluster.Position // the latest doubt of the shards that have a goroutine
}

type doubted struct {
	hub   cluster.HubID
	shard int
}

// claimants are those who may take when a hub does not answer, in the order in which they came.
type claimants struct {
	all []*claimant // those too that are over
	n   int         // that are not
}

type claimant struct {
	take func()
	over bool // it was taken out, or stopped
}

// NewDoubts answers for the hub self from now on.
func NewDoubts(engine cluster.Engine, self cluster.HubID, beating *Beating) (*Doubts, error) {
	d := &Doubts{
		engine: engine, self: self, beating: beating, shards: len(engine.State().Shards),
		waiting: make(map[doubted]*claimants), answering: make(map[int]cluster.Position),
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	for shard := range d.shards {
		stop, err := engine.Tail(ControlKey(shard, self), func(g cluster.Group) { d.hear(shard, g) })
		if err != nil {
			d.Close()
			return nil, err
		}
		d.stops = append(d.stops, stop)
	}
	return d, nil
}

// Close ends it: when it has returned no take runs, or will. It may be called again.
func (d *Doubts) Close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	for _, stop := range d.stops {
		stop()
	}
	d.all.Wait()
}

// Doubt has take called, once, when the hub has been silent for long enough, was asked whether it can write to the key's
// shard, and has not answered. It is for a channel that this hub does not hear the owner of; but how long that has been
// silent is looked up here, and as long as it is heard nothing happens. Hubs that share members of a channel
// may all be told at about the same time: so wait then for Rank times PerRank, and see whether another has taken it.
//
// take is called without a lock held, and has to return soon; it may call every method but Close. stop may be called in it, and again.
// It does not wait: take may be running, or about to.
func (d *Doubts) Doubt(key cluster.Key, hub cluster.HubID, take func()) (stop func()) {
	of, c := doubted{hub, key.Shard(d.shards)}, &claimant{take: take}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || hub == d.self {
		return func() {}
	}
	waiting := d.waiting[of]
	if waiting == nil {
		waiting = &claimants{}
		d.waiting[of] = waiting
		d.all.Go(func() { d.find(of) })
	}
	waiting.all = append(waiting.all, c)
	waiting.n++
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		waiting.end(c)
	}
}

func (w *claimants) end(c *claimant) {
	if !c.over {
		c.over = true
		w.n--
	}
}

// find does what Doubting says, until nobody waits any more.
func (d *Doubts) find(of doubted) {
	key := ControlKey(of.shard, of.hub)
	doubting := NewDoubting(of.hub, d.beating.Silent(of.hub), d.beating.Rank(key, of.hub))
	for d.wanted(of) {
		doubting.Alive(d.beating.Silent(of.hub))
		move, until := doubting.Next(time.Now())
		switch move {
		case Pause:
			if !wait(d.ctx, until) {
				return
			}
		case Look:
			d.look(key, doubting)
		case Ask:
			if p, err := d.append(key, doubting.After()); err != nil {
				doubting.Failed(time.Now())
			} else {
				doubting.Asked(time.Now(), p)
				_ = d.engine.Announce(key, p) // another way for it to be heard
			}
		case Take:
			// One, and then it is looked anew whether the hub is still silent.
			if c := d.next(of); c != nil {
				c.take()
			}
		}
	}
}

// wanted tells whether somebody still waits, and lets the entry go if not.
func (d *Doubts) wanted(of doubted) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.waiting[of].n == 0 {
		delete(d.waiting, of)
		return false
	}
	return true
}

// next takes out the first who waits, or nobody.
func (d *Doubts) next(of doubted) *claimant {
	d.mu.Lock()
	defer d.mu.Unlock()
	waiting := d.waiting[of]
	for !d.closed && waiting.n > 0 {
		c := waiting.all[0]
		waiting.all = waiting.all[1:]
		if !c.over {
			waiting.end(c)
			return c
		}
	}
	return nil
}

func (d *Doubts) look(key cluster.Key, doubting *Doubting) {
	began := time.Now()
	last, err := d.last(key)
	if err != nil {
		doubting.Failed(time.Now())
		return
	}
	doubting.Found(began, time.Now(), last)
}

// last is the last group of a control log.
func (d *Doubts) last(key cluster.Key) (Sign, error) {
	ctx, cancel := context.WithTimeout(d.ctx, attempt)
	defer cancel()
	g, err := d.engine.LastLinearizable(ctx, key)
	if errors.Is(err, cluster.ErrNone) {
		return Sign{}, nil
	}
	return Sign{g.Position, g.After, writer(g), g.Age}, err
}

// writer is the hub that has written a group of a control log. What a later version has behind the id is passed over.
func writer(g cluster.Group) (hub cluster.HubID) {
	copy(hub[:], g.Body)
	return hub
}

// append appends that this hub is here, and asks, if it is not its own log. A control log has shared groups only.
func (d *Doubts) append(key cluster.Key, after cluster.Position) (cluster.Position, error) {
	ctx, cancel := context.WithTimeout(d.ctx, attempt)
	defer cancel()
	return d.engine.Append(ctx, key, cluster.Group{
		Kind: cluster.Shared, After: after, Before: after, Nonce: cluster.NewNonce(),
		Body: d.self[:],
	})
}

// hear takes what comes on the tail of the own control log.
func (d *Doubts) hear(shard int, g cluster.Group) {
	position := g.Position
	if g.Announced() {
		position = g.Before
	} else if writer(g) == d.self {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	_, running := d.answering[shard]
	d.answering[shard] = position
	if !running {
		d.all.Go(func() { d.answer(shard, position) })
	}
}

// answer appends that this hub is here behind a doubt, and then behind those that have come meanwhile.
func (d *Doubts) answer(shard int, doubt cluster.Position) {
	key := ControlKey(shard, d.self)
	for after := doubt; ; {
		_, err := d.append(key, after)
		if err != nil { // then it is in the log, or another doubt is, or whatever the reason: a look tells
			var last Sign
			if last, err = d.last(key); err == nil && last.Position > 0 && last.From != d.self {
				after, err = last.Position, cluster.ErrConflict
			}
		}
		if err == nil {
			if after = d.answered(shard, doubt); after == 0 {
				return
			}
			doubt = after
			continue
		}
		if !wait(d.ctx, time.Now().Add(answerAgain)) {
			return
		}
	}
}

// answered is the doubt that has come after this one, and lets the entry go if there is none.
func (d *Doubts) answered(shard int, doubt cluster.Position) cluster.Position {
	d.mu.Lock()
	defer d.mu.Unlock()
	if next := d.answering[shard]; next != doubt {
		return next
	}
	delete(d.answering, shard)
	return 0
}

// wait tells whether the time has come, and not the end.
func wait(ctx context.Context, until time.Time) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
