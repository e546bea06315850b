package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// membershipHandle is what the rounds use of a Master and of a Slave.
type membershipHandle interface {
	stage.Handle
	Ticket() lectern.Ticket
	OpenRequests() []lectern.Message
	Refresh(ctx context.Context, token string) error
	SetAttribute(ctx context.Context, key string, value lectern.Payload) error
	DeleteAttribute(ctx context.Context, key string) error
	Attributes() map[string]lectern.Payload
}

// endOf ends the membership on purpose.
func endOf(h membershipHandle) error {
	if slave, ok := h.(*lectern.Slave); ok {
		return slave.Leave()
	}
	return h.(*lectern.Master).Close()
}

// faultSeat is one membership, whoever holds it, and everything that its
// holders have sent and were told.
type faultSeat struct {
	life *life
	name string
	// master: it is a master's. epoch is that of the membership when it was entered.
	master bool
	epoch  uint64
	// former is the seat that this one has come of by a hand-over: the same user's, in the other role.
	former *faultSeat
	// seized is the seat of the same name that the service may have given to this one.
	seized *faultSeat
	// asked is when the create, join or switch began; entered is when it had
	// returned.
	asked, entered time.Time
	// handle and user belong to whoever holds the seat. last is its last word,
	// and conn its connection then.
	handle membershipHandle
	user   *faultUser
	last   *sent
	conn   *heardConn

	mu      sync.Mutex
	current membershipHandle // nil once it is over
	events  []told
	sends   []*sent
	changes []*change
	asks    []*asked
	ended   time.Time
	err     error
	// switched: the seat was entered by a switch.
	switched bool
	// shared: another client has taken the seat over, or may have, while its holder stayed.
	shared bool
	// late: what there was to read of it was read after its end.
	late bool
	// handing has no room while the seat's holder hands over. stays is the slave that it has become by
	// that, and gave the handle by which.
	handing chan struct{}
	stays   *lectern.Slave
	gave    *lectern.Master
}

// told is an event, and when it was taken; or no event, where the seat has got
// another holder.
type told struct {
	at    time.Time
	event lectern.Event
}

// reconnects reports whether what follows came over another connection than what
// came before.
func (e told) reconnects() bool {
	p, ok := e.event.(lectern.Presence)
	return e.event == nil || ok && p.State == lectern.StateUnknown
}

// lostSince is since when the seat has had no connection when it ended, or zero.
func (s *faultSeat) lostSince() (since time.Time) {
	for _, e := range s.events {
		if p, ok := e.event.(lectern.Presence); ok && p.State == lectern.StateUnknown {
			since = e.at
		} else if ok && !since.IsZero() && p.State == lectern.StateOnline {
			since = time.Time{}
		}
	}
	return since
}

// hasMoved reports whether the seat has got another holder.
func (s *faultSeat) hasMoved() bool {
	return slices.ContainsFunc(s.events, func(e told) bool { return e.event == nil })
}

const toEverybody = ""

// sent is a message, and what its sender was told of it.
type sent struct {
	// by is the seat whose holder has sent it, or nil where it was the service.
	by          *faultSeat
	text, to    string
	began, done time.Time
	// lasts is for how long it is worth something from began on. Zero: it does not expire.
	lasts time.Duration
	lectern.Receipt
	err error
	// stale: it was sent by one whose seat another had taken over.
	stale bool
	// newcomers: it is a question that was put to each who came later too, under a number of its own.
	newcomers bool
	// question is what it answers, if anything. Answers are not among the events. no: the answer
	// is a no.
	question string
	no       bool
	// service: it was said by the service.
	service bool
}

// unknown: the sender was told that it may have been delivered or not.
func (s *sent) unknown() bool { return errors.Is(s.err, lectern.ErrSendUnknown) }

func (r *faultRound) sit(l *life, u *faultUser, name string, h membershipHandle, asked time.Time) *faultSeat {
	s := &faultSeat{life: l, name: name, epoch: h.Ticket().Epoch, asked: asked, entered: time.Now(), handle: h, user: u, current: h}
	_, s.master = h.(*lectern.Master)
	s.handing = make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seats = append(l.seats, s)
	return s
}

func (s *faultSeat) String() string { return s.name + " in " + s.life.channel }

func (s *faultSeat) isMaster() bool { return s.master }

// text is one that nobody else sends.
func (s *faultSeat) text(stream string, n int) string {
	return fmt.Sprintf("%s, %s, since %d in epoch %d: %s, %d", s.life.channel, s.name, s.entered.UnixNano(), s.epoch, stream, n)
}

func (s *faultSeat) present() membershipHandle {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

func (s *faultSeat) move(u *faultUser, h membershipHandle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user, s.handle, s.current, s.ended = u, h, h, time.Time{}
	s.events = append(s.events, told{at: time.Now()})
}

func (s *faultSeat) over(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.err = nil, err
	s.mark()
}

// ends marks when the present handle has ended, which its holder may notice later.
func (s *faultSeat) ends() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mark()
}

func (s *faultSeat) mark() {
	if s.ended.IsZero() {
		s.ended = time.Now()
	}
}

// read takes the present handle's events until they or ctx end, and answers those
// who ask.
func (s *faultSeat) read(ctx context.Context) {
	var answering sync.WaitGroup
	defer answering.Wait()
	h := s.handle
	answering.Go(func() { s.answerOpen(ctx, h) })
	for event, err := range h.Events(ctx) {
		if err != nil {
			if ctx.Err() == nil {
				s.ends()
			}
			return
		}
		s.mu.Lock()
		s.events = append(s.events, told{time.Now(), event})
		s.mu.Unlock()
		if m, ok := event.(lectern.Message); ok && m.RequestID != 0 && s.name != witnessName {
			answering.Go(func() { s.answer(ctx, h, m) })
		}
	}
}

func (s *faultSeat) send(ctx context.Context, h membershipHandle, one *sent) {
	one.began = time.Now()
	payload := s.payload(one.text)
	switch h := h.(type) {
	case *lectern.Slave:
		one.Receipt, one.err = h.Send(ctx, payload, one.options()...)
	case *lectern.Master:
		if one.to == toEverybody {
			one.Receipt, one.err = h.Broadcast(ctx, payload, one.options()...)
		} else {
			one.Receipt, one.err = h.Send(ctx, one.to, payload, one.options()...)
		}
	}
	one.done = time.Now()
	s.notes(one)
}

// notes keeps what the seat's holder has sent.
func (s *faultSeat) notes(one *sent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.by = s
	s.sends = append(s.sends, one)
}

func (l *life) kicks(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kicked[name] = true
}

// leaves is told that the seat's holder leaves, or may have left.
func (l *life) leaves(s *faultSeat) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = l.left || s.isMaster()
}

const witnessName = "witness"

// witness is a slave to whose connection nothing happens: it sees the master's
// life as the hub does. It is in the hub's process, or, where that is replaced, has a client.
type witness struct {
	seat *faultSeat
	// first is the name of the master when it joined.
	first   string
	slave   *lectern.Slave
	user    *faultUser // or nil
	reading sync.WaitGroup
}

// watch has a witness of the channel join it, or none where it is over already.
func (r *faultRound) watch(l *life) *witness {
	join := r.present()[0].Join
	var u *faultUser
	if r.restarts > 0 {
		u = r.user(false)
		join = u.Join
	}
	var slave *lectern.Slave
	for {
		asked := time.Now()
		var err error
		if slave, err = join(context.Background(), l.channel, witnessName, r.expects()...); err == nil {
			break
		}
		if !errors.Is(err, lectern.ErrNoSuchChannel) && !r.isShut() {
			if r.overlaps(asked, time.Now()) {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			r.fail("a witness joins %s: %w", l.channel, err)
		}
		if u != nil {
			_ = u.Close()
		}
		return nil
	}
	w := &witness{slave: slave, user: u, first: slave.Master().Username, seat: &faultSeat{life: l, name: witnessName, entered: time.Now(), handle: slave}}
	if p := slave.Master(); p.State == lectern.StateAway {
		w.seat.events = append(w.seat.events, told{time.Now(), p})
	}
	w.reading.Go(func() {
		w.seat.read(context.Background())
		w.seat.over(slave.Err())
	})
	return w
}

// over reports whether the channel has ended.
func (w *witness) over() bool { return w.slave.Err() != nil }

func (w *witness) close() {
	_ = w.slave.Leave()
	w.reading.Wait()
	if w.user != nil {
		_ = w.user.Close()
	}
}
