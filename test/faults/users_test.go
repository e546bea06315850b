package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/faults"
	"github.com/lectern-go/lectern/transport"
)

// faultRound is one round: its users, and what they have recorded.
type faultRound struct {
	service *faultService
	plan    func() faults.Plan
	address *faultAddress
	// clustered is the policy of each of several hubs.
	clustered lectern.Policy
	faultChoice
	seed uint64

	// acting ends when the users shall begin nothing new; finish is closed when
	// they shall close what they hold.
	acting  context.Context
	finish  chan struct{}
	actors  sync.WaitGroup // those who hold memberships
	streams sync.WaitGroup // those who send

	// replacing has room while the hub is neither being replaced nor shut down.
	replacing chan struct{}

	// reopened counts the questions that were answered by another holder than the one who had
	// taken them.
	reopened atomic.Int64
	// muted counts the sends that were refused because their senders were muted.
	muted atomic.Int64
	// judged counts the knocks of which masters have decided.
	judged atomic.Int64
	// tried counts the secrets that were worth nothing any more after a hand-over.
	tried atomic.Int64

	mu sync.Mutex
	// hubs are those that there are now: one, after these replacements, or several of a cluster.
	hubs         []*lectern.Hub
	readers      []eventReaders
	replacements []replacement
	// reigns are those of the channels, by their names, as the events of the hubs tell.
	reigns map[string][]*reign
	lives  []*life
	users  uint64
	wrong  []error
	// networks are those of the users.
	networks []*faults.Network
	// shutAt is when the hub was told to shut down, if it was while the round
	// went on.
	shutAt time.Time
	// open ends when that hub has shut down, which no other one follows.
	open  context.Context
	close context.CancelFunc
}

// life is one channel, from its create to its end.
type life struct {
	round   *faultRound
	channel string
	// row tells the channels apart that there are at the same time.
	row     int
	witness *witness

	mu    sync.Mutex
	seats []*faultSeat
	// spoken is what the service has said.
	spoken []*sent
	// kicked are those whom the master has tried to kick, removals what it was
	// told to have worked.
	kicked   map[string]bool
	removals []removal
	// mutings are what its master has asked for of who may speak, in order.
	mutings []*muting
	// handings are what was asked for of who is to be the master.
	handings []*handing
	// left: the master may have closed the channel on purpose.
	left bool
	// texts are all messages by their texts, once the round is over.
	texts map[string]*sent
}

// faultUser is a client whose network can be down for a while.
type faultUser struct {
	*lectern.Client
	round   *faultRound
	faulty  bool
	network *faults.Network
	dialer  transport.Dialer

	mu     sync.Mutex
	random *rand.Rand
	down   time.Time
	dead   bool
	latest *heardConn
	// planned is for the connection that is being dialled.
	planned faults.Plan
}

var errNetworkDown = errors.New("the network is down")

func (r *faultRound) user(faulty bool) *faultUser {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users++
	u := &faultUser{round: r, faulty: faulty, random: rand.New(rand.NewPCG(r.seed, 1000+r.users))}
	u.network = faults.New(faultProbe+faultGiveUp, func() faults.Plan {
		u.planned = r.plan()
		return u.planned
	})
	u.dialer = faultless{r.address}
	if r.acting.Err() != nil {
		u.network.Calm()
	}
	if faulty {
		u.dialer = r.address.network.through(r.address, u.network)
		r.networks = append(r.networks, u.network)
	}
	u.Client = lectern.NewClient(u, lectern.ClientOptions{
		MinBackoff: 10 * time.Millisecond, MaxBackoff: 100 * time.Millisecond,
		DialTimeout: time.Second, WriteTimeout: time.Second, CloseTimeout: 2 * time.Second,
		Inbox: lectern.QueueLimit{Messages: 1 << 20, Bytes: 1 << 30}, // what is lost is the hub's doing
	})
	return u
}

func (r *faultRound) random(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(r.seed, stream)) }

func (r *faultRound) fail(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, fmt.Errorf(format, args...))
}

func (r *faultRound) latest(row int) *life {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range slices.Backward(r.lives) {
		if l.row == row {
			return l
		}
	}
	return nil
}

// play lets everybody act, then calm down and come back, say a last word, and
// go, unless the hub shuts down before.
func (r *faultRound) play() {
	acting, stop := context.WithTimeout(context.Background(), faultSpan)
	defer stop()
	r.acting = acting
	r.open, r.close = context.WithCancel(context.Background())
	defer r.close()
	for row := range r.rows {
		r.actors.Go(func() { r.beMaster(row) })
	}
	for i := range faultSlaves {
		r.actors.Go(func() { r.beSlave(i) })
	}
	r.actors.Go(r.beRival)
	r.streams.Go(r.watchEvents)
	r.streams.Go(r.speaks)
	if r.hands {
		r.streams.Go(r.setsMasters)
	}
	until := time.Now().Add(faultSpan)
	if r.restarts > 0 {
		r.actors.Go(func() { r.replaceHubs(until) })
	}
	if r.shutdown == shutdownAmid {
		time.Sleep(time.Duration(r.random(4).Int64N(int64(faultSpan))))
		r.shutDown()
		stop()
	}
	<-acting.Done()
	r.service.calmsDown()
	r.mu.Lock()
	networks := slices.Clone(r.networks)
	r.mu.Unlock() // and from here no more streams come
	for _, n := range networks {
		n.Calm()
	}
	r.streams.Wait()
	r.replacing <- struct{}{} // a hub is there again
	<-r.replacing
	// Now nothing keeps anybody from coming back who still can.
	time.Sleep(faultX + faultS)
	synctest.Wait()
	if r.shutdown != shutdownAmid {
		r.checkRosters()
		r.lastWords()
	}
	if r.shutdown == shutdownAtTheEnd {
		r.farewell()
	}
	close(r.finish)
	r.actors.Wait()
	for _, l := range r.lives {
		l.witness.close()
	}
}

// beMaster has one channel after the other.
func (r *faultRound) beMaster(row int) {
	random := r.random(uint64(2 + 100*row))
	for n := 1; r.acting.Err() == nil; n++ {
		// A channel whose create was lost with the connection may be there, so
		// each attempt has its own.
		l := &life{round: r, row: row, channel: fmt.Sprintf("channel %d of row %d", n, row), kicked: map[string]bool{}}
		u := r.user(!r.steady)
		asked := time.Now()
		ctx, cancel := context.WithTimeout(r.acting, 2*time.Second)
		master, err := u.Create(ctx, l.channel, "alice")
		cancel()
		if err != nil {
			if errors.Is(err, lectern.ErrChannelExists) {
				r.fail("%s was created once, and its creator is told: %w", l.channel, err)
			}
			_ = u.Close()
			pause(random, 200*time.Millisecond)
			continue
		}
		s := r.sit(l, u, "alice", master, asked)
		l.witness = r.watch(l)
		if l.witness == nil { // over already
			r.hold(s, random)
			continue
		}
		r.mu.Lock()
		r.lives = append(r.lives, l)
		r.mu.Unlock()
		r.occupy(s, random)
		r.hold(s, random)
		for r.hands && r.acting.Err() == nil && !l.witness.over() {
			pause(random, 300*time.Millisecond)
			r.beIn(l, "alice", random) // another one is the master
		}
	}
}

// occupy lets a seat's holder send.
func (r *faultRound) occupy(s *faultSeat, random *rand.Rand) {
	for i := range 2 {
		habits := rand.New(rand.NewPCG(random.Uint64(), 0))
		r.begin(func() { r.stream(s, i, habits) })
	}
	if r.sets {
		habits := rand.New(rand.NewPCG(random.Uint64(), 0))
		r.begin(func() { r.change(s, habits) })
	}
	if r.mutes && s.isMaster() {
		habits := rand.New(rand.NewPCG(random.Uint64(), 0))
		r.begin(func() { r.mutesAround(s, habits) })
	}
	if r.doors && s.isMaster() {
		habits := rand.New(rand.NewPCG(random.Uint64(), 0))
		r.begin(func() { r.keepsDoor(s, habits) })
	}
	if r.hands && s.isMaster() {
		habits := rand.New(rand.NewPCG(random.Uint64(), 0))
		r.begin(func() { r.handsAround(s, habits) })
	}
	if r.asks {
		habits := rand.New(rand.NewPCG(random.Uint64(), 0))
		r.begin(func() { r.askAround(s, habits) })
	}
}

// begin has a stream of its own for what ends with acting, unless that is over:
// play waits for the streams then, and no more may come.
func (r *faultRound) begin(stream func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.acting.Err() == nil {
		r.streams.Go(stream)
	}
}

// beSlave joins whatever channel there is.
func (r *faultRound) beSlave(i int) {
	random := r.random(uint64(10 + i))
	name := fmt.Sprint("user_", i)
	for r.acting.Err() == nil {
		pause(random, 300*time.Millisecond)
		if l := r.latest(random.IntN(r.rows)); l != nil {
			r.beIn(l, name, random)
		}
	}
}

// beIn joins the channel, and is in it until that is over.
func (r *faultRound) beIn(l *life, name string, random *rand.Rand) {
	u := r.user(true)
	asked := time.Now()
	ctx, cancel := context.WithTimeout(r.acting, 2*time.Second)
	slave, err := u.Join(ctx, l.channel, name, r.expects()...)
	cancel()
	if err != nil {
		_ = u.Close()
		return
	}
	s := r.sit(l, u, name, slave, asked)
	r.occupy(s, random)
	r.hold(s, random)
}

// expects is what who joins a channel expects of it.
func (r *faultRound) expects() []lectern.JoinOption {
	if r.hands {
		return nil
	}
	return []lectern.JoinOption{lectern.WithMaster("alice")}
}

// beRival tries to become a second master, over a connection without faults.
func (r *faultRound) beRival() {
	random := r.random(3)
	u := r.user(false)
	defer u.Close()
	for r.acting.Err() == nil {
		pause(random, 300*time.Millisecond)
		l := r.latest(random.IntN(r.rows))
		if l == nil {
			continue
		}
		asked := time.Now()
		master, err := u.Create(context.Background(), l.channel, "mallory")
		switch {
		case err == nil:
			_ = master.Close()
			if r.restarts > 0 {
				time.Sleep(faultX) // a witness that is not back yet learns of the end then
			}
			if !l.witness.over() {
				r.fail("%s has two masters", l.channel)
			}
		case !errors.Is(err, lectern.ErrChannelExists) && !r.isShut() && !r.interrupts(asked):
			r.fail("a second create of %s: %w", l.channel, err)
		}
	}
}

// hold keeps a seat until it is over, and does meanwhile what its holder does
// beside sending. It closes the seat's client.
func (r *faultRound) hold(s *faultSeat, random *rand.Rand) {
	for {
		ctx, stop := context.WithCancel(context.Background())
		var reading sync.WaitGroup
		reading.Go(func() { s.read(ctx) })
		timer := time.NewTimer(time.Duration(random.Int64N(int64(faultSpan / 2))))
		acting := r.acting.Done()
		act := false
		for waiting := true; waiting; {
			select {
			case <-s.handle.Done():
				waiting = false
			case <-timer.C:
				waiting, act = false, r.acting.Err() == nil
			case <-acting:
				acting = nil
				timer.Stop()
			case <-r.finish:
				_ = endOf(s.handle)
				waiting = false
			}
		}
		timer.Stop()
		if !act {
			// It is over, or about to be; or the time to act is, and the timer
			// was first.
			select {
			case <-s.handle.Done():
			case <-r.finish:
				_ = endOf(s.handle)
			}
			<-s.handle.Done()
			reading.Wait()
			stop()
			s.over(s.handle.Err())
			if next := r.follow(s); next != nil {
				s = next
				r.occupy(s, random)
				continue
			}
			_ = s.user.Close()
			return
		}
		goesOn := true
		var next *faultSeat
		switch kind := random.IntN(12); {
		case kind == 0 && r.twins && !s.isMaster():
			next = r.seize(s)
		case kind < 3 && !(r.steady && s.isMaster()):
			stop()
			reading.Wait()
			goesOn = r.takeOver(s, random)
		case kind >= 10:
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_ = s.handle.Refresh(ctx, "")
			cancel()
		case kind == 3:
			s.life.leaves(s)
			_ = endOf(s.handle)
		default:
			if master, ok := s.handle.(*lectern.Master); ok {
				r.rule(s, master, random)
			} else if r.rows > 1 && s.name != "alice" {
				next = r.switchFrom(s, random)
			}
		}
		if next != nil {
			reading.Wait() // what had come before the switch, or before it was replaced
			stop()
			s.over(s.handle.Err())
			s = next
			r.occupy(s, random)
			continue
		}
		stop()
		reading.Wait()
		if !goesOn {
			return
		}
	}
}

// rule is what a master does beside sending.
func (r *faultRound) rule(s *faultSeat, master *lectern.Master, random *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if r.steady || random.IntN(2) == 0 {
		name := r.somebody(random)
		if name == s.name {
			return
		}
		r.remove(ctx, s.life, master, name, r.bans && random.IntN(3) == 0)
		return
	}
	if master.Away(ctx) == nil {
		pause(random, faultX*5/4)
		again, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = master.Back(again)
	}
}

// stream sends one message after the other, to all or to somebody.
func (r *faultRound) stream(s *faultSeat, number int, random *rand.Rand) {
	burst := 0 // how many more come without a pause to speak of
	for i := 0; r.acting.Err() == nil; i++ {
		h := s.present()
		if h == nil {
			return
		}
		patience := faultPatience
		if random.IntN(5) == 0 {
			patience = 50 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		one := &sent{text: s.text(fmt.Sprint("stream ", number), i), to: toEverybody, lasts: r.lasts(random)}
		if s.isMaster() && random.IntN(3) == 0 {
			one.to = r.somebody(random)
		}
		s.send(ctx, h, one)
		cancel()
		switch {
		case burst > 0:
			burst--
			pause(random, 2*time.Millisecond)
		case r.small && random.IntN(30) == 0:
			burst = 100
		default:
			pause(random, 60*time.Millisecond)
		}
	}
}
