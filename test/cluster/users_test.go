package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
)

// life is one channel, from its create to its end.
type life struct {
	round   *round
	row     int
	channel string
	// number counts the channels of that name.
	number  int
	user    *user // the master's
	handle  *lectern.Master
	master  *seat
	reading sync.WaitGroup

	mu    sync.Mutex
	seats []*seat
	sends []*sent
	kicks []*kick
	over  chan struct{} // closed when the master begins to close the channel
}

// kick is one that was asked for. It is of whoever has the name when it is carried out.
type kick struct {
	name string
	done time.Time
}

// seat is one membership, and everything that its holder was told.
type seat struct {
	life    *life
	user    *user
	name    string
	isSlave bool
	slave   *lectern.Slave // or nil
	entered time.Time

	mu     sync.Mutex
	events []told
	// leaves is when the holder began to leave, or zero, and kicked that its master has begun to kick it.
	leaves time.Time
	kicked bool
	ended  time.Time
	err    error
}

type told struct {
	at    time.Time
	event lectern.Event
}

// sent is a message, and what its sender was told of it.
type sent struct {
	from *seat
	// stream and number are what the text is made of. to is one slave, or empty.
	stream      string
	number      int
	to          string
	began, done time.Time
	err         error
}

func (s *sent) text() string { return fmt.Sprintf("%s/%d", s.stream, s.number) }

// unknown: the sender was told that it may have been delivered or not.
func (s *sent) unknown() bool { return errors.Is(s.err, lectern.ErrSendUnknown) }

func (s *sent) String() string {
	to := s.to
	if to == "" {
		to = "all"
	}
	if s.from.isSlave {
		to = "the master"
	}
	return fmt.Sprintf("%q of %s to %s (%v to %v: %v)", s.text(), s.from.name, to, s.from.life.round.since(s.began), s.from.life.round.since(s.done), s.err)
}

func (r *round) since(t time.Time) time.Duration { return t.Sub(r.begun) }

// patient is for calls that are expected to return by themselves.
func (r *round) patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), roundSpan+roundX+answersBy)
}

// stream is what the texts begin with that are sent in the channel.
func (l *life) stream() string { return fmt.Sprintf("%s #%d", l.channel, l.number) }

// stopped reports whether nobody begins anything new in the channel.
func (l *life) stopped() bool { return l.hasClosed() || l.round.stopped() }

// close has the master close the channel.
func (l *life) close() {
	close(l.over)
	l.master.begins()
	l.round.note("the master closes %s", l.stream())
	if err := l.handle.Close(); err != nil {
		l.round.fail("the master closes %s: %w", l.stream(), err)
	}
}

// hasClosed reports whether the master has begun to close the channel.
func (l *life) hasClosed() bool {
	select {
	case <-l.over:
		return true
	default:
		return false
	}
}

// stopped reports whether nobody begins anything new.
func (r *round) stopped() bool {
	select {
	case <-r.stop:
		return true
	default:
		return false
	}
}

// pause waits for up to d, or until nobody begins anything new.
func (r *round) pause(random *rand.Rand, d time.Duration) {
	select {
	case <-time.After(time.Duration(random.Int64N(int64(d)) + 1)):
	case <-r.stop:
	}
}

// create has the channel of the row be created, for the time of that number.
func (r *round) create(row, number int) *life {
	l := &life{round: r, row: row, number: number, channel: fmt.Sprintf("channel %d", row), over: make(chan struct{})}
	l.user = r.user(fmt.Sprintf("master %d", row))
	if number > 1 {
		l.user.name += fmt.Sprintf(" #%d", number)
	}
	for {
		ctx, cancel := r.patient()
		h, err := l.user.Create(ctx, l.channel, l.user.name)
		cancel()
		if err == nil {
			l.handle = h
			break
		}
		if r.hasFailed() {
			return nil
		}
		var refused *lectern.Error
		if !errors.Is(err, lectern.ErrBusy) && errors.As(err, &refused) {
			// It has ended once its close has returned, wherever it is created anew.
			r.fail("%s creates %s: %w", l.user.name, l.channel, err)
			return nil
		}
		r.pause(l.user.random, 300*time.Millisecond)
	}
	l.master = &seat{life: l, user: l.user, name: l.user.name, entered: time.Now()}
	r.note("%s has created %s", l.user.name, l.channel)
	l.reading.Go(func() { read(l.master, l.handle.Events, l.handle.Err, l.replies) })
	r.mu.Lock()
	r.lives = append(r.lives, l)
	r.mu.Unlock()
	return l
}

// read takes the events of a membership until they end, and has who asks be answered.
func read[E ~func(func(lectern.Event, error) bool)](s *seat, events func(context.Context) E, why func() error, reply func(lectern.Message)) {
	var answering sync.WaitGroup
	defer answering.Wait()
	for event, err := range events(context.Background()) {
		if err != nil {
			break
		}
		s.mu.Lock()
		s.events = append(s.events, told{time.Now(), event})
		s.mu.Unlock()
		m, is := event.(lectern.Message)
		if is {
			s.life.round.note("%s in %s is told %q of %s, seq %d, request %d, reply %d", s.name, s.life.channel, m.Text(), m.From, m.Seq, m.RequestID, m.ReplyTo)
		} else {
			s.life.round.note("%s in %s is told %T %+v", s.name, s.life.channel, event, event)
		}
		if is && m.RequestID != 0 {
			answering.Go(func() { reply(m) })
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.err = time.Now(), why()
	s.life.round.note("%s in %s has ended: %v", s.name, s.life.channel, s.err)
}

// replies answers a slave.
func (l *life) replies(m lectern.Message) {
	ctx, cancel := l.round.patient()
	defer cancel()
	for {
		_, err := l.handle.Reply(ctx, m, lectern.Text("re "+m.Text()))
		if !errors.Is(err, lectern.ErrBusy) {
			l.answered(err, m)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (l *life) answered(err error, m lectern.Message) {
	l.round.note("the answer to %q in %s: %v", m.Text(), l.channel, err)
	// Who has asked may be gone, and so has its question.
	if err != nil && !errors.Is(err, lectern.ErrNoSuchRequest) && !errors.Is(err, lectern.ErrNoSuchSlave) && !errors.Is(err, lectern.ErrSendUnknown) && !isEnd(err) {
		l.round.fail("an answer to %q in %s: %w", m.Text(), l.channel, err)
	}
}

// isEnd: the membership is over.
func isEnd(err error) bool {
	for _, end := range []error{
		lectern.ErrLeft, lectern.ErrKicked, lectern.ErrMasterLeft, lectern.ErrMasterDown, lectern.ErrChannelClosed, lectern.ErrNotAMember,
		lectern.ErrResumeFailed, lectern.ErrHubLost, lectern.ErrReplaced, lectern.ErrShutdown,
	} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// send sends one message, and notes what has become of it. Where asks is not nil, it is a request by that.
func (l *life) send(from *seat, one *sent, do func(ctx context.Context, text lectern.Payload) error) {
	ctx, cancel := l.round.patient()
	defer cancel()
	one.from, one.began = from, time.Now()
	one.err = do(ctx, lectern.Text(one.text()))
	one.done = time.Now()
	l.round.note("sent in %s: %v", l.channel, one)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sends = append(l.sends, one)
}

// present are the slaves that are in at this moment, as far as they know.
func (l *life) present() (names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.seats {
		s.mu.Lock()
		if s.ended.IsZero() && s.leaves.IsZero() {
			names = append(names, s.name)
		}
		s.mu.Unlock()
	}
	slices.Sort(names)
	return names
}

// isKicked notes that the master has begun to kick the slave.
func (s *seat) isKicked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kicked = true
}

// beMaster sends, asks, kicks, and is away, until nobody begins anything new.
func (l *life) beMaster() {
	r, h := l.round, l.handle
	random := rand.New(rand.NewPCG(r.seed, l.user.random.Uint64()))
	for number := 1; !l.stopped(); number++ {
		r.pause(random, 250*time.Millisecond)
		names := l.present()
		one := &sent{stream: l.stream() + " master", number: number}
		what := random.IntN(40)
		if len(names) == 0 || what < 20 {
			l.send(l.master, one, func(ctx context.Context, text lectern.Payload) error {
				_, err := h.Broadcast(ctx, text)
				return err
			})
			continue
		}
		name := names[random.IntN(len(names))]
		switch {
		case what < 32:
			one.to = name
			l.send(l.master, one, func(ctx context.Context, text lectern.Payload) error {
				_, err := h.Send(ctx, one.to, text)
				return err
			})
		case what < 36:
			one.to = name
			l.asks(one)
		case what == 36 && !r.loses:
			l.kick(name)
		case what == 37:
			l.isAway(random)
		}
	}
}

// asks asks one slave. The answer may be slow, so nobody waits for it.
func (l *life) asks(one *sent) {
	asked := make(chan struct{})
	r := l.round
	r.actors.Go(func() {
		l.send(l.master, one, func(ctx context.Context, text lectern.Payload) error {
			close(asked)
			answer, err := l.handle.Request(ctx, one.to, text)
			if err == nil && answer.Text() != "re "+one.text() {
				r.fail("the answer to %q in %s is %q", one.text(), l.channel, answer.Text())
			}
			return err
		})
	})
	<-asked
}

func (l *life) kick(name string) {
	l.mu.Lock()
	k := &kick{name: name, done: time.Now().Add(24 * time.Hour)}
	l.kicks = append(l.kicks, k)
	for _, s := range l.seats {
		if s.name == name && s.isIn() {
			s.isKicked()
		}
	}
	l.mu.Unlock()
	ctx, cancel := l.round.patient()
	defer cancel()
	l.round.note("%s is to be kicked out of %s", name, l.channel)
	err := l.handle.Kick(ctx, name, "enough")
	l.mu.Lock()
	k.done = time.Now()
	l.mu.Unlock()
	if err != nil && !errors.Is(err, lectern.ErrBusy) && !errors.Is(err, lectern.ErrNoSuchSlave) && !errors.Is(err, lectern.ErrSendUnknown) && !l.ends(err) {
		l.round.fail("%s is kicked out of %s: %w", name, l.channel, err)
	}
}

func (l *life) isAway(random *rand.Rand) {
	for _, do := range []func(context.Context) error{l.handle.Away, l.handle.Back} {
		for {
			ctx, cancel := l.round.patient()
			err := do(ctx)
			cancel()
			if err == nil || l.ends(err) || l.round.hasFailed() {
				break
			}
			if !errors.Is(err, lectern.ErrBusy) && !errors.Is(err, lectern.ErrSendUnknown) {
				l.round.fail("the master of %s is away, or back: %w", l.channel, err)
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		l.round.pause(random, time.Second)
	}
}

// ends: that is by the end of the channel, which is wanted.
func (l *life) ends(err error) bool { return l.hasClosed() && isEnd(err) }

// joins makes the user a slave of the channel, or returns nil where that is over, or the round fails by that.
func (l *life) joins(u *user) (*seat, *lectern.Slave) {
	r := l.round
	var options []lectern.JoinOption
	if r.recreates {
		options = append(options, lectern.WithMaster(l.user.name))
	}
	for {
		ctx, cancel := r.patient()
		began := time.Now()
		h, err := u.Join(ctx, l.channel, u.name, options...)
		cancel()
		if err != nil && (l.hasClosed() || r.hasFailed()) {
			return nil, nil
		}
		if err != nil {
			var refused *lectern.Error
			if errors.Is(err, lectern.ErrBusy) || !errors.As(err, &refused) { // or its hub was killed
				time.Sleep(100 * time.Millisecond)
				continue
			}
			r.fail("%s joins %s at %v: %w", u.name, l.channel, r.since(began), err)
			return nil, nil
		}
		return l.seated(u, h, began), h
	}
}

// seated notes that the user is in, who has asked for that since began.
func (l *life) seated(u *user, h *lectern.Slave, began time.Time) *seat {
	s := &seat{life: l, user: u, name: u.name, isSlave: true, slave: h, entered: time.Now()}
	l.mu.Lock()
	l.seats = append(l.seats, s)
	for _, k := range l.kicks {
		if k.name == s.name && !k.done.Before(began) {
			s.isKicked()
		}
	}
	l.mu.Unlock()
	l.round.note("%s has joined %s", u.name, l.stream())
	l.reading.Go(func() {
		read(s, h.Events, h.Err, func(m lectern.Message) {
			ctx, cancel := l.round.patient()
			defer cancel()
			for {
				_, err := h.Reply(ctx, m, lectern.Text("re "+m.Text()))
				if !errors.Is(err, lectern.ErrBusy) {
					l.answered(err, m)
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	})
	return s
}

// beSlave is in the channel, sends and asks, leaves and comes again, or switches to another one, until nobody begins anything
// new. Then it stays.
func (l *life) beSlave(u *user) {
	r := l.round
	random := rand.New(rand.NewPCG(r.seed, u.random.Uint64()))
	s, h := l.joins(u)
	for stay := 1; s != nil; stay++ {
		s.life.speaks(s, h, stay, random)
		if h.Err() == nil && r.stopped() {
			return
		}
		if h.Err() == nil && r.switches && random.IntN(2) == 0 {
			s, h = s.switches(h)
			continue
		}
		if h.Err() == nil && !s.life.hasClosed() {
			s.begins()
			if err := h.Leave(); err != nil {
				r.fail("%s leaves %s: %w", u.name, s.life.channel, err)
			}
		}
		if !s.isOutOnPurpose(h.Err()) {
			return // which is looked at later
		}
		r.pause(random, 500*time.Millisecond)
		s, h = s.life.joins(u)
	}
}

// begins notes that the holder begins to leave.
func (s *seat) begins() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaves = time.Now()
}

// speaks has a slave send and ask until it wants to leave, or is out.
func (l *life) speaks(s *seat, h *lectern.Slave, stay int, random *rand.Rand) {
	r := l.round
	for number := 1; !l.stopped() && h.Err() == nil; number++ {
		r.pause(random, 300*time.Millisecond)
		one := &sent{stream: fmt.Sprintf("%s %s %d", l.stream(), s.name, stay), number: number}
		switch what := random.IntN(60); {
		case what == 0 && !r.loses:
			return
		case what < 8:
			asked := make(chan struct{})
			r.actors.Go(func() {
				l.send(s, one, func(ctx context.Context, text lectern.Payload) error {
					close(asked)
					answer, err := h.Request(ctx, text)
					if err == nil && answer.Text() != "re "+one.text() {
						r.fail("the answer to %q in %s is %q", one.text(), l.channel, answer.Text())
					}
					return err
				})
			})
			<-asked
		default:
			l.send(s, one, func(ctx context.Context, text lectern.Payload) error {
				_, err := h.Send(ctx, text)
				return err
			})
		}
	}
}
