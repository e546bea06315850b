package hub

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// journal is what this hub has for a channel of a cluster that it owns: it writes down what is decided, with what
// other hubs have to carry out of it, and answers their requests when that is committed. It is the delivery.Journal
// of the channel: the deliverer calls it, and others only where a method says so.
type journal struct {
	hub       *Hub
	channel   *delivery.Channel
	key       cluster.Key
	owner     inner.Owner
	writer    *inner.Writer
	announcer *inner.Announcer
	answering *inner.Answering

	header inner.Header
	group  inner.Builder
	kind   cluster.Kind
	// nonce is that of the next group. The first group of a channel has its incarnation.
	nonce cluster.Nonce
	// snapshot is the one that is being written, or is to be, and volume what the channel takes of the log.
	snapshot snapshot
	volume   *inner.Volume
	// expects is until when the master is about to enter at this hub, for which that has taken the channel. It does not
	// change once the channel has the journal.
	expects time.Time
	// begun is the position of the last shared group before what is being committed. failed: that was not, or not all of it.
	begun  cluster.Position
	failed bool
	// committed: what was decided first is in the log.
	committed atomic.Bool
	// lost are what hubs are told, with the first group, whose members this hub has taken for lost when it has
	// become the owner.
	lost []output
	// unborn: the channel was not created yet, and nothing is in the log of it.
	unborn bool
	// overtaken: another hub may have written. stop ends that it is heard of.
	overtaken atomic.Bool
	stop      func()
	// ended: the end of the channel is decided, and is written down with what belongs to it. sealed: that was appended, and
	// nothing may be behind it.
	ended, sealed bool
	// master is the name of the channel's master, as of what is committed, and next as of what was taken to be.
	master, next string
	// numbered are the newest numbers of messages, as of what was taken to be committed.
	numbered numbers
	// request is the one whose effects come, or nil, and done are those that are over, and are answered when the
	// group is committed.
	request *request
	done    []*request

	// mu guards the following: the newest numbers of messages, as of what is committed, the seats at other hubs that have called, those that have returned by a request whose answer
	// was not thanked for, by their hubs, the requests that were carried out, by their marks, and the number of marks.
	mu       sync.Mutex
	given    numbers
	returns  map[cluster.HubID]map[*remoteSeat]uint64
	remotes  map[remoteName]*remoteSeat
	requests map[uint64]*request
	marks    uint64
}

// newJournal is that of a channel whose log this hub goes on with by the writer, paced as what is in it. claim is Owned where the first group is
// to say whose the channel is, and None where that is written.
func (h *Hub) newJournal(c *delivery.Channel, key cluster.Key, owner inner.Owner, writer *inner.Writer, base cluster.Position, pacing *inner.Pacing, claim inner.Claim) *journal {
	engine := h.clustered.engine
	j := &journal{
		hub: h, channel: c, key: key, owner: owner, kind: cluster.Own, nonce: cluster.NewNonce(),
		writer:    writer,
		announcer: inner.NewAnnouncer(engine, key, writer.Shared()),
		answering: inner.NewAnswering(key, owner.Hub, owner.Epoch, owner.Incarnation),
		header:    inner.Header{Claim: claim, Epoch: owner.Epoch, Hub: owner.Hub, Incarnation: owner.Incarnation, Base: base},
		snapshot:  snapshot{pacing: pacing, writing: make(chan struct{}, 1)},
		volume:    inner.NewVolume(engine.Keeps(), time.Now()),
		remotes:   make(map[remoteName]*remoteSeat), requests: make(map[uint64]*request),
	}
	stop, err := engine.Tail(key, j.hear)
	if err != nil {
		h.config.Logger.Error("channel of this hub cannot be heard of", "channel", c.Name(), "error", err)
		stop = func() {}
	}
	j.stop = sync.OnceFunc(stop)
	return j
}

// hear hears what is in the log: also of whoever takes the channel over, so that this hub notices though it has
// nothing to write. The engine calls it.
func (j *journal) hear(g cluster.Group) {
	if g.Announced() {
		if g.Before <= j.writer.Shared() {
			return
		}
	} else if h, err := inner.ParseHeader(g.Body); err == nil && h.Hub == j.owner.Hub {
		return // of any other hub it is a sign, also where its claim was missed
	}
	j.overtaken.Store(true)
	j.channel.CallJournal()
}

// Look takes from the rules what the groups say that follow.
func (j *journal) Look(rules *star.Channel) {
	hash, pending := rules.MasterSecrets()
	copy(j.header.Master[:8], hash[:])
	copy(j.header.Master[8:], pending[:])
	j.next = rules.MasterName()
	j.numbered.down, j.numbered.up = rules.Newest()
	if rules.Exists() && j.snapshot.pacing.Due(time.Now(), rules.Size()) {
		j.snapshot.take(rules)
	}
}

// Commit makes groups of what the effects keep and of what other hubs carry out, and appends them.
func (j *journal) Commit(effects []star.Effect) bool {
	ctx := j.hub.clustered.writing
	j.begun = j.writer.Shared()
	err := j.keep(ctx, effects)
	if j.failed = err != nil; j.failed {
		j.hub.config.Logger.Warn("channel is another hub's", "channel", j.channel.Name(), "error", err)
		return false
	}
	j.master = j.next
	j.mu.Lock()
	j.given = j.numbered
	j.mu.Unlock()
	j.committed.Store(true)
	j.snapshot.begin(j.writer.Last())
	return true
}

func (j *journal) keep(ctx context.Context, effects []star.Effect) error {
	final := false
	for i := range j.lost {
		if err := j.add(ctx, inner.Effect, j.lost[i].pack(), true); err != nil {
			return err
		}
	}
	j.lost = nil
	for i := range effects {
		e := &effects[i]
		final = final || isFinal(e)
		if err := j.effect(ctx, e); err != nil {
			return err
		}
	}
	claims, written := j.header.Claim != inner.None, j.group.Items() > 0
	final = final || j.overtaken.Swap(false)
	// Who was deposed and does not know it must not end a membership: so something is written.
	if written || !j.unborn && (claims || final && !j.ended) {
		return j.append(ctx)
	}
	j.answer(j.writer.Last())
	return nil
}

// effect writes down what is to be of one effect.
func (j *journal) effect(ctx context.Context, e *star.Effect) error {
	switch e.Kind {
	case star.Mark:
		return j.mark(ctx, e.Number)
	case star.Keep:
		if j.ended {
			return nil
		}
		record := e.Record()
		if j.request != nil && len(j.request.effects) > 0 && record.IsForAll() {
			if err := j.place(ctx); err != nil {
				return err
			}
		}
		if err := j.add(ctx, inner.Record, []byte(record), record.Shared()); err != nil {
			return err
		}
		if record.Ends() {
			j.header.Claim, j.ended = inner.Ended, true
		}
		return nil
	case star.SendAll:
		if e.Packet.IsMessage() {
			return nil // its record says it
		}
	}
	o, ok := outputOf(e)
	if !ok {
		return nil
	}
	if e.To != nil {
		to, remote := e.To.Line.(*remoteSeat)
		if !remote {
			return nil
		}
		switch e.Kind {
		case star.Release, star.Refuse, star.Vacate, star.Eject:
			j.forget(to)
		}
		if j.request != nil && j.request.from == to.name.hub && j.request.calls(to) {
			j.request.reply(&o, to)
			return nil
		}
		if to.unknown {
			if err := j.introduce(ctx, to); err != nil {
				return err
			}
		}
		o.address(to)
	} else if err := j.place(ctx); err != nil {
		return err
	}
	return j.add(ctx, inner.Effect, o.pack(), true)
}

// place puts effects into the group that the answer to the request would have, because all are told something behind them: the
// answer has its place behind that.
func (j *journal) place(ctx context.Context) error {
	if j.request == nil {
		return nil
	}
	effects := j.request.effects
	j.request.effects = nil
	for i := range effects {
		e := &effects[i]
		if e.seat.unknown {
			if err := j.introduce(ctx, e.seat); err != nil {
				return err
			}
		}
		e.address(e.seat)
		if err := j.add(ctx, inner.Effect, e.pack(), true); err != nil {
			return err
		}
	}
	return nil
}

// mark begins or ends what a request of another hub has had as effects.
func (j *journal) mark(ctx context.Context, number uint64) error {
	if number != 0 {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.request = j.requests[number]
		delete(j.requests, number)
		return nil
	}
	r := j.request
	j.request = nil
	j.done = append(j.done, r)
	if r.marked = r.marked && !j.sealed; !r.marked {
		return nil
	}
	marker := inner.Marker{Hub: r.from, Epoch: j.owner.Epoch, N: r.n}
	return j.add(ctx, inner.Reply, inner.AppendMarker(nil, marker), true)
}

// isFinal reports whether the effect tells a peer something behind which it does not ask again.
func isFinal(e *star.Effect) bool {
	if e.Kind != star.Refuse && e.Kind != star.Answer || e.End == nil {
		return false
	}
	switch e.End.Code {
	case wire.ErrBusy.Code, wire.ErrRateLimited.Code, wire.ErrShuttingDown.Code, wire.ErrBadFrame.Code, wire.ErrForbidden.Code, wire.ErrTooLarge.Code:
		return false
	}
	return true
}

// add adds an item to the group, and appends the group before where that has no room. Behind the end of the channel it adds
// nothing: nobody is there any more who would carry it out.
func (j *journal) add(ctx context.Context, kind inner.ItemKind, data []byte, shared bool) error {
	if j.sealed {
		return nil
	}
	if !j.group.Add(kind, data) {
		if j.group.Items() == 0 {
			return cluster.ErrTooLarge
		}
		if err := j.append(ctx); err != nil || j.sealed {
			return err
		}
		if !j.group.Add(kind, data) {
			return cluster.ErrTooLarge
		}
	}
	if shared {
		j.kind = cluster.Shared
	}
	return nil
}

// append appends the group as it is, answers the requests that are over with it, and begins the next one.
func (j *journal) append(ctx context.Context) error {
	if j.header.Claim != inner.None {
		j.kind = cluster.Shared
	}
	body := j.group.Bytes(j.header)
	position, err := j.writer.Append(ctx, j.nonce, j.kind, body)
	if err != nil {
		return err
	}
	if j.kind == cluster.Shared {
		j.announcer.Appended(position)
	}
	j.unborn, j.sealed = false, j.sealed || j.header.Claim == inner.Ended
	if j.kind != cluster.Part {
		j.snapshot.pacing.Wrote(len(body))
	}
	j.volume.Wrote(time.Now(), 0, len(body))
	j.group.Reset()
	j.kind, j.nonce, j.header.Claim = cluster.Own, cluster.NewNonce(), inner.None
	j.answer(position)
	return nil
}

// answer answers the requests that are over, whose effects are committed at the position.
func (j *journal) answer(position cluster.Position) {
	shared := j.writer.Shared()
	for _, r := range j.done {
		if err := j.answering.Reply(r.from, r.n, position, shared, r.body()); err != nil {
			j.answering.Refuse(r.from, r.n)
		}
	}
	clear(j.done)
	j.done = j.done[:0]
}

// Remote reports whether the effect is for another hub, or for nobody: Commit has written it down.
func (j *journal) Remote(e *star.Effect) bool {
	if e.Kind == star.Mark {
		return true
	}
	if e.To == nil || e.Kind == star.Changed {
		return false
	}
	_, remote := e.To.Line.(*remoteSeat)
	return remote
}

// free says that nobody owns the channel any more. It is called when nothing is decided any more, and after quit where
// the channel has the journal.
func (j *journal) free(ctx context.Context) {
	j.snapshot.writing <- struct{}{} // what Rest has begun is over then
	defer func() { <-j.snapshot.writing }()
	if !j.ended && !j.unborn && j.writer.Err() == nil {
		j.header.Claim = inner.Free
		if err := j.append(ctx); err != nil {
			j.hub.config.Logger.Warn("channel not given up", "channel", j.channel.Name(), "error", err)
		}
	}
	j.close()
}

// close ends what the journal has under way.
func (j *journal) close() {
	j.stop()
	j.announcer.Close()
}
