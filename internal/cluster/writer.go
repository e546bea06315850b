package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

var (
	// ErrLost: the log has not, or has no more, what the Writer knows to have been in it, or it could not be learnt
	// in time what is. The state of whoever writes must be thrown away.
	ErrLost = errors.New("cluster: the log of the channel does not have what was written")

	// ErrUnsettled: the context has ended before it was known whether the group is, or will be, in the log. The Writer
	// can append no more.
	ErrUnsettled = errors.New("cluster: it is not known whether the group was appended")
)

// Deposed is the error of a Writer behind whose last group the log goes on with what somebody else has
// written: another hub has become the owner, or for a claim, the owner or another claim was faster. The group that was to be
// appended is not in the log, and will never be.
type Deposed struct {
	// Position and Header are those of the first such group.
	Position cluster.Position
	Header   Header
}

// Error says who has written what.
func (d *Deposed) Error() string {
	return fmt.Sprintf("cluster: hub %v has written at %d (%v, epoch %d)", d.Header.Hub, d.Position, d.Header.Claim, d.Header.Epoch)
}

const (
	// repeatAfter is how long after its beginning an attempt that has left its outcome open is made again,
	// and repeatPause how long after its end at least.
	repeatAfter = 250 * time.Millisecond
	repeatPause = 50 * time.Millisecond
	// attemptTimeout is how long one attempt may take. Engines give up before.
	attemptTimeout = time.Second
	// fullPause is the pause before another attempt where there is no room.
	fullPause = time.Second
)

// Writer appends the groups of one hub to the log of one channel, each behind the one before. It is for an owner, for
// who claims to become it, and for who doubts: what somebody else writes, but for doubts, ends it.
type Writer struct {
	log  cluster.Log
	gate *Gate
	key  cluster.Key

	mu           sync.Mutex
	last, shared cluster.Position
	full         bool
	failed       error     // with which all further appends fail
	acknowledged time.Time // when it was known for the last time that the log has what it should
	// own is where the last group of its own is, or zero, and nonce that one's.
	own   cluster.Position
	nonce cluster.Nonce
}

// NewWriter is a Writer that goes on behind the group at last, or begins a log where last is 0, with shared as the position of the
// last Shared group up to it (LastShared). What is there must have been read not long ago. The gate is
// that of all writers of the hub, or nil.
func NewWriter(log cluster.Log, gate *Gate, key cluster.Key, last, shared cluster.Position) *Writer {
	return &Writer{log: log, gate: gate, key: key, last: last, shared: shared, acknowledged: time.Now()}
}

// Last is the position behind which the next group comes, as far as it is known.
func (w *Writer) Last() cluster.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// Shared is the position of the last Shared group up to Last.
func (w *Writer) Shared() cluster.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shared
}

// Full tells whether the log had no room at the last attempt. What can be refused should be.
func (w *Writer) Full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.full
}

// Err is the error with which all further appends fail, or nil: that the log goes on with somebody else can be learnt by an append
// that has succeeded before it did.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// Append appends a group, and returns when it is committed, or sure never to be. nonce is drawn for it; the group that
// creates the channel has the incarnation as its nonce. Where other hubs have doubted meanwhile the group comes behind their
// doubts, and answers them. One Append at a time.
//
// What ends the Writer is a *Deposed, ErrLost, ErrUnsettled with the context's error, cluster.ErrClosed, and what a group of
// another hub fails with that cannot be read (UnknownVersion). The context's error alone, cluster.ErrTooLarge
// and cluster.ErrInvalid mean that the group is not in the log and will never be, and that another can be appended.
//
// As long as there is no room it tries again; see Full.
func (w *Writer) Append(ctx context.Context, nonce cluster.Nonce, kind cluster.Kind, body []byte) (cluster.Position, error) {
	w.mu.Lock()
	a := appending{Writer: w, g: cluster.Group{After: w.last, Before: w.shared, Kind: kind, Nonce: nonce, Body: body}}
	failed := w.failed
	w.mu.Unlock()
	if failed != nil {
		return 0, failed
	}
	if err := a.g.Check(); err != nil {
		return 0, err
	}
	for {
		position, err := a.try(ctx)
		if err == nil && position == 0 {
			err = a.over(ctx)
		}
		if err != nil {
			return 0, a.end(err)
		}
		if position > 0 {
			return position, nil
		}
	}
}

// appending is an Append under way.
type appending struct {
	*Writer
	g    cluster.Group
	open bool // an attempt to append g as it is now has left its outcome open
}

// try makes one attempt, and waits until the next may be made. It returns the position at which the
// group is, 0 for another attempt, or an error after which there is none.
func (a *appending) try(ctx context.Context) (cluster.Position, error) {
	within := ctx
	if a.open {
		var cancel func()
		within, cancel = context.WithDeadline(ctx, a.expires())
		defer cancel()
	}
	ticket, err := a.gate.enter(within, a.key)
	if err != nil {
		return 0, nil // over tells why
	}
	defer ticket.leave() // after the pause
	began := time.Now()
	attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
	position, err := a.log.Append(attempt, a.key, a.g)
	cancel()
	switch {
	case err == nil:
		ticket.answered()
		a.committed(position)
		return position, nil
	case errors.Is(err, cluster.ErrConflict):
		ticket.answered()
		a.open = false
		return a.look(ctx)
	case errors.Is(err, cluster.ErrGone):
		ticket.answered()
		a.open = true
		return a.look(ctx)
	case errors.Is(err, cluster.ErrFull):
		ticket.answered()
		a.noRoom()
		pause(ctx, fullPause)
	case errors.Is(err, cluster.ErrTooLarge), errors.Is(err, cluster.ErrInvalid):
		ticket.answered()
		return 0, err
	case errors.Is(err, cluster.ErrClosed):
		a.open = true
		return 0, err
	default:
		a.open = true
		ticket.unanswered()
		pause(ctx, max(repeatAfter-time.Since(began), repeatPause))
	}
	return 0, nil
}

// over tells whether no more attempt is made.
func (a *appending) over(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.open && !time.Now().Before(a.expires()) {
		return ErrLost
	}
	return nil
}

// end is the error that Append returns, and that ends the Writer, unless it leaves nothing open.
func (a *appending) end(err error) error {
	switch {
	case errors.Is(err, cluster.ErrTooLarge), errors.Is(err, cluster.ErrInvalid):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		if !a.open {
			return err
		}
		err = fmt.Errorf("%w: %w", ErrUnsettled, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = err
	return err
}

// expires is when the groups that were acknowledged last may be about to expire: what is not known
// by then will not be.
func (w *Writer) expires() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acknowledged.Add(w.log.Keeps() * 2 / 3)
}

func (w *Writer) noRoom() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.full = true
}

// committed: the group is in the log.
func (a *appending) committed(position cluster.Position) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.full, a.acknowledged, a.last = false, time.Now(), position
	a.own, a.nonce = position, a.g.Nonce
	if a.g.Kind == cluster.Shared {
		a.shared = position
	}
}
