package cluster

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

// ErrTooMuch: as many calls wait for the owner as may. Whoever made this one is told to try again.
var ErrTooMuch = errors.New("cluster: too many calls wait for the owner of the channel")

// maxBytes bounds the calls that wait at an edge together.
const maxBytes = 1 << 20

const (
	// listens is how long replies to one sending of a request are heard, which is longer than the
	// pauses: where every way takes seconds, replies come all the same.
	listens = 5 * time.Second

	// deserted is the pause after a request that reached nobody. It doubles, up to eight times that.
	deserted = 50 * time.Millisecond

	// largeAnswer is the size of a body from which on the owner is told that it has arrived.
	largeAnswer = 16 << 10
)

// pauses are those between the sendings of a request that is not answered; the last is repeated.
var pauses = [...]time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second}

// requests counts those of the process, by which each has a number of its own that is higher than
// those of all before: also where a hub has no members of a channel for a while, asks
// the same owner by a new Asking, and an old request is still on its way.
var requests atomic.Uint64

// Requested is the number of the latest request of the process.
func Requested() uint64 { return requests.Load() }

// Asking has the calls of an edge for one channel carried out by whoever owns it, in the order
// in which they were put, one request at a time. Within an epoch of an owner each is carried out
// once; at the next owner those are asked again that are not answered, whether or not the
// former one has carried them out.
type Asking struct {
	bus      cluster.Bus
	self     cluster.HubID
	key      cluster.Key
	answered func(Answer)
	ending   context.Context
	end      func()

	mu        sync.Mutex
	owner     Owner    // as last known: without a Hub, of whom nothing is known but what was before
	calls     [][]byte // that are not answered, in order
	bytes     int
	under     *asked // the request that is under way, with the first of the calls; nil: there is none
	interrupt func() // ends the goroutine's asking; it then looks anew what there is to do
	running   bool
	closed    bool
	all       sync.WaitGroup
}

// asked is a request under way. It outlives a time without an owner.
type asked struct {
	owner Owner
	n     uint64
	calls int // how many
	body  []byte

	// Only the goroutine that asks has these.
	got    chunks
	nobody int // how often in a row nobody was there
}

// NewAsking makes the Asking of hub self for the channel with this key. answered is called by one
// goroutine at a time, in order, with each answer that counts: once with each call that was
// carried out, and, without calls, with each refusal of the owner and with the first time that
// nobody is there. The next request is made when it has returned: what it takes out and
// puts again comes in that order. It may call everything but Close.
func NewAsking(bus cluster.Bus, self cluster.HubID, key cluster.Key, answered func(Answer)) *Asking {
	a := &Asking{bus: bus, self: self, key: key, answered: answered, interrupt: func() {}}
	a.ending, a.end = context.WithCancel(context.Background())
	return a
}

// To says who owns the channel. If that is another hub, epoch or incarnation than before, all calls
// that are not answered are asked there, in order and before later ones, and of what former
// owners say nothing counts. With a zero Hub nobody is known: the calls wait, and where the
// same owner turns out to be it, the same request goes on. An older epoch of the
// incarnation is passed over: nothing that is asked there can happen any more.
func (a *Asking) To(owner Owner) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case owner == a.owner:
		return
	case owner.Hub == cluster.HubID{}:
		a.owner.Hub = cluster.HubID{}
	case owner.Incarnation == a.owner.Incarnation && owner.Epoch < a.owner.Epoch:
		return
	default:
		a.owner = owner
		if a.under != nil && a.under.owner != owner {
			a.under = nil
		}
	}
	a.interrupt()
	a.start()
}

// Call puts a call behind those that wait. The slice belongs to a until the call is answered or taken
// out. It fails with ErrTooMuch where more than 1,024 calls or 1 MiB would wait, with
// cluster.ErrTooLarge for a call above MaxCall, and with cluster.ErrClosed after Close.
func (a *Asking) Call(call []byte) error {
	if len(call) > MaxCall {
		return cluster.ErrTooLarge
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return cluster.ErrClosed
	case len(a.calls) == maxCalls, a.bytes+len(call) > maxBytes:
		return ErrTooMuch
	}
	a.calls = append(a.calls, call)
	a.bytes += len(call)
	a.start()
	return nil
}

// Waiting is how many calls are not answered.
func (a *Asking) Waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.calls)
}

// Take takes out all calls that are not answered, in order. Nothing is heard of them any more; the
// owner that was asked last may have carried some of them out, or may yet.
func (a *Asking) Take() (calls [][]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	calls, a.calls, a.bytes, a.under = a.calls, nil, 0, nil
	a.interrupt()
	return calls
}

// Close ends it: answered is not running when it returns, and will not be called again. What is not
// answered can still be taken out. It may be called again.
func (a *Asking) Close() {
	a.mu.Lock()
	a.closed, a.under = true, nil
	a.end()
	a.mu.Unlock()
	a.all.Wait()
}

// start sees to it that the goroutine runs if there is something to ask. The caller has the lock.
func (a *Asking) start() {
	if !a.running && a.ready() {
		a.running = true
		a.all.Go(a.run)
	}
}

func (a *Asking) ready() bool {
	return !a.closed && len(a.calls) > 0 && a.owner.Hub != cluster.HubID{}
}

func (a *Asking) run() {
	for {
		ctx, r := a.next()
		if r == nil {
			return
		}
		a.ask(ctx, r)
	}
}

// next is the request to go on with, until the context ends. nil: there is nothing to ask, and the
// goroutine has to end.
func (a *Asking) next() (context.Context, *asked) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.interrupt()
	if !a.ready() {
		a.running = false
		return nil, nil
	}
	if a.under == nil {
		a.under = a.gather()
	}
	ctx, cancel := context.WithCancel(a.ending)
	a.interrupt = cancel
	return ctx, a.under
}

// gather makes a request of the calls that wait, as many as it can have. The caller has the lock.
func (a *Asking) gather() *asked {
	r := &asked{owner: a.owner, n: requests.Add(1)}
	for size := 1 + requestHeader; r.calls < len(a.calls); r.calls++ {
		if size += callSize(a.calls[r.calls]); size > cluster.MaxMessage {
			break
		}
	}
	r.body = a.request(r, a.calls[:r.calls])
	return r
}

func (a *Asking) request(r *asked, calls [][]byte) []byte {
	return AppendRequest([]byte{KindCalls}, Request{a.key, r.owner.Epoch, r.owner.Incarnation, r.n, calls})
}

// ask asks until the request is answered or is not to be asked any more.
func (a *Asking) ask(ctx context.Context, r *asked) {
	ctx, cancel := context.WithCancel(ctx)
	var sendings sync.WaitGroup
	defer sendings.Wait()
	defer cancel()
	heard := make(chan answerMessage)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var pause time.Duration
	for sent := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			pause = pauses[min(sent, len(pauses)-1)]
			sent++
			timer.Reset(pause)
			sendings.Go(func() { a.send(ctx, r, heard) })
		case m := <-heard:
			switch m.Outcome {
			case Done:
				if !r.got.add(m) {
					continue
				}
				timer.Reset(pause) // more of it may be on its way
				if answer, whole := r.got.answer(); whole {
					cancel()
					a.done(r, answer)
					return
				}
			case Nobody:
				timer.Reset(deserted << min(r.nobody, 3))
				if r.nobody++; r.nobody == 1 {
					a.refused(r, m.Answer)
				}
			case Forgotten:
				cancel()
				a.refused(r, m.Answer)
				return
			default:
				r.nobody = 0
				a.refused(r, m.Answer)
			}
		}
	}
}

// send sends the request once, and passes on what is replied for a while.
func (a *Asking) send(ctx context.Context, r *asked, heard chan<- answerMessage) {
	ctx, cancel := context.WithTimeout(ctx, listens)
	defer cancel()
	for b, err := range a.bus.Ask(ctx, a.self, r.owner.Hub, r.body) {
		var m answerMessage
		if errors.Is(err, cluster.ErrNobody) {
			m.Answer = Answer{Outcome: Nobody, Owner: r.owner, N: r.n}
		} else if err != nil {
			return
		} else if m, err = parseAnswer(b); err != nil || m.key != a.key || m.Owner != r.owner || m.N != r.n {
			continue
		}
		select {
		case heard <- m:
		case <-ctx.Done():
			return
		}
	}
}

// done settles the request, if it is still under way.
func (a *Asking) done(r *asked, answer Answer) {
	a.mu.Lock()
	if a.under != r {
		a.mu.Unlock()
		return
	}
	a.under = nil
	answer.Calls, a.calls = slices.Clip(a.calls[:r.calls]), a.calls[r.calls:]
	if len(a.calls) == 0 {
		a.calls = nil
	}
	for _, call := range answer.Calls {
		a.bytes -= len(call)
	}
	if len(answer.Body) >= largeAnswer {
		a.all.Go(func() { a.thank(r) })
	}
	a.mu.Unlock()
	a.answered(answer)
}

// thank tells the owner that it need not keep its reply. Where that is lost, it keeps it until the
// next request.
func (a *Asking) thank(r *asked) {
	ctx, cancel := context.WithTimeout(a.ending, pauses[0])
	defer cancel()
	for range a.bus.Ask(ctx, a.self, r.owner.Hub, a.request(r, nil)) {
		return
	}
}

// refused tells what was heard instead of an answer, if the request is still under way. Of one that is
// Forgotten, the next one has the calls.
func (a *Asking) refused(r *asked, answer Answer) {
	a.mu.Lock()
	still := a.under == r
	if still && answer.Outcome == Forgotten {
		a.under = nil
	}
	a.mu.Unlock()
	if still {
		a.answered(answer)
	}
}
