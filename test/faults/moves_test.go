package faults

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// faultChoice is what a round has of all that rounds can have. The seed decides.
type faultChoice struct {
	// steady: nothing happens to the masters' connections, so that what they are
	// told of their slaves is exact.
	steady bool
	// kept is how many messages a channel keeps.
	kept uint64
	slow lectern.Slow
	// small: the outboxes are small, and the messages large and in bursts.
	small bool
	// rows is how many channels there are at the same time. With more than one,
	// slaves switch.
	rows int
	// asks: the members ask each other.
	asks bool
	// bans: the masters do not only kick.
	bans     bool
	shutdown faultShutdown
	// leases: the service lets its users in for a few seconds at a time. doubts: it does not
	// let everybody back, and cannot always say.
	leases, doubts bool
	// twins: who is taken over from stays, and uses its ticket as long as it can.
	twins bool
	// expires: some messages and requests expire.
	expires bool
	// restarts is how often another hub takes the place of the one that there is.
	restarts int
	// sets: the members change their attributes all the time. Their changes take numbers, so that
	// of what a master has got it is not known which numbers are missing.
	sets bool
	// mutes: the masters mute slaves, and let them speak again.
	mutes bool
	// doors: the masters keep their doors.
	doors bool
	// hands: the masters hand over, and the service sets others.
	hands bool
}

// faultShutdown is when the hub shuts down.
type faultShutdown uint8

const (
	shutdownAfter    faultShutdown = iota // when everybody has left
	shutdownAmid                          // while things happen to connections
	shutdownAtTheEnd                      // while everybody who is left is there and sends
)

func chooseFaults(seed uint64) faultChoice {
	random := rand.New(rand.NewPCG(seed, 0))
	c := faultChoice{
		kept:     []uint64{10, 40, 400}[random.IntN(3)],
		steady:   random.IntN(3) == 0,
		slow:     []lectern.Slow{0, 0, 0, lectern.SlowDropOldest, lectern.SlowDropNewest, lectern.SlowHold}[random.IntN(6)],
		small:    random.IntN(2) == 0,
		rows:     1 + random.IntN(2),
		asks:     random.IntN(2) == 0,
		bans:     random.IntN(2) == 0,
		shutdown: faultShutdown(random.IntN(3)),
		leases:   random.IntN(3) == 0,
		doubts:   random.IntN(3) == 0,
		twins:    random.IntN(2) == 0,
	}
	c.restarts = []int{0, 0, 1, 2, 3}[random.IntN(5)]
	c.expires = random.IntN(2) == 0
	c.sets = random.IntN(2) == 0
	c.mutes = random.IntN(2) == 0
	c.doors = random.IntN(2) == 0
	c.small = c.small || c.slow != lectern.SlowDisconnect // or nobody would be slow
	c.hands = random.IntN(3) == 0
	c.steady = c.steady && !c.hands // anybody can be a master
	if stage.Count() > 0 && !*faultReplaced {
		c.restarts = 0
	}
	return c
}

func (c faultChoice) String() string {
	words := []string{
		fmt.Sprintf("%d kept", c.kept),
		[]string{"slow: disconnect", "slow: drop oldest", "slow: drop newest", "slow: hold"}[c.slow],
		fmt.Sprintf("%d channels at once", c.rows),
		[]string{"shutdown after", "shutdown amid", "shutdown at the end"}[c.shutdown],
	}
	if c.restarts > 0 {
		words = append(words, fmt.Sprintf("%d restarts", c.restarts))
	}
	for word, chosen := range map[string]bool{"steady masters": c.steady, "small outboxes": c.small, "requests": c.asks, "bans": c.bans, "leases": c.leases, "doubts": c.doubts, "twins": c.twins, "messages that expire": c.expires, "attributes": c.sets, "muted slaves": c.mutes, "doors": c.doors, "hand-overs": c.hands} {
		if chosen {
			words = append(words, word)
		}
	}
	return strings.Join(words, ", ")
}

// faultHold is short, since a slave that is held is not read meanwhile.
const faultHold = 50 * time.Millisecond

func (c faultChoice) policy(service *faultService) lectern.Policy {
	policy := lectern.Policy{
		MasterTimeout: faultX, SlaveTimeout: faultS, WriteTimeout: time.Second,
		Replay: lectern.QueueLimit{Messages: int(c.kept), Bytes: 1 << 30},
		Slow:   c.slow, HoldTimeout: faultHold,
		Authorize: service.authorize, Reauthorize: []lectern.Operation{lectern.OpResume},
	}
	if c.small {
		// Half of the bytes are three messages: a master that has them before it is told
		// a list in place of its slaves' changes.
		policy.Outbox = lectern.QueueLimit{Messages: 8, Bytes: 24 << 10}
	}
	return policy
}

// drops: messages that a slave does not take in time are lost to it.
func (c faultChoice) drops() bool {
	return c.slow == lectern.SlowDropOldest || c.slow == lectern.SlowDropNewest
}

// faultBulk is what the messages of some rounds end with, so that the networks
// hold only a few.
var faultBulk = "\n" + strings.Repeat("x", 4_000)

func (s *faultSeat) payload(text string) lectern.Payload {
	if s.life.round.small {
		text += faultBulk
	}
	return lectern.Text(text)
}

// textOf is the text that the payload was made from.
func textOf(m lectern.Message) string {
	text, _, _ := strings.Cut(m.Text(), "\n")
	return text
}

// removal is a kick or a ban that the master was told to have worked.
type removal struct {
	name        string
	ban         bool
	began, done time.Time
}

// remove kicks or bans. Of one channel only one user is banned, so that there are
// users left.
func (r *faultRound) remove(ctx context.Context, l *life, master *lectern.Master, name string, ban bool) {
	for _, old := range l.removed() {
		ban = ban && !old.ban
	}
	l.kicks(name)
	m := removal{name: name, ban: ban, began: time.Now()}
	remove := master.Kick
	if ban {
		remove = master.Ban
	}
	if remove(ctx, name, "out") != nil {
		return
	}
	m.done = time.Now()
	l.mu.Lock()
	l.removals = append(l.removals, m)
	l.mu.Unlock()
	if ban {
		r.checkBanned(l, name)
	}
}

func (l *life) removed() []removal {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]removal(nil), l.removals...)
}

// checkBanned expects that nobody gets in under the name, by the best of
// connections.
func (r *faultRound) checkBanned(l *life, name string) {
	u, asked := r.user(false), time.Now()
	defer u.Close()
	slave, err := u.Join(context.Background(), l.channel, name)
	if err == nil {
		r.fail("%s is banned from %s, and got in", name, l.channel)
		_ = slave.Leave()
	} else if !errors.Is(err, lectern.ErrBanned) && !errors.Is(err, lectern.ErrNoSuchChannel) && !r.isShut() && !r.interrupts(asked) {
		r.fail("%s is banned from %s, and is told %w", name, l.channel, err)
	}
}

func (l *life) wasKicked(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kicked[name]
}

// switchFrom has a slave switch to the other channel that there is, and returns
// its seat there, or nil where it is not known to have one. It is in one of the
// two then, as it was told.
func (r *faultRound) switchFrom(s *faultSeat, random *rand.Rand) *faultSeat {
	l := r.latest(1 - s.life.row)
	if l == nil {
		return nil
	}
	patience := 2 * time.Second
	if random.IntN(5) == 0 {
		patience = time.Duration(random.Int64N(int64(50 * time.Millisecond)))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	old, asked := s.handle.(*lectern.Slave), time.Now()
	slave, err := old.Switch(ctx, l.channel, r.expects()...)
	var refusal *lectern.Error
	switch {
	case err == nil:
		if !errors.Is(old.Err(), lectern.ErrLeft) {
			r.fail("%v has switched to %s, but its seat has ended with %w", s, l.channel, old.Err())
		}
		next := r.sit(l, s.user, s.name, slave, asked)
		next.switched = true
		time.Sleep(time.Nanosecond) // the hub has it leave right behind the answer
		if in, _ := r.has(s.life, s.name); in {
			r.fail("%v has switched to %s, and is in both", s, l.channel)
		}
		return next
	case errors.As(err, &refusal) && !errors.Is(err, lectern.ErrSendUnknown):
		time.Sleep(time.Nanosecond)
		in, open := r.has(s.life, s.name)
		// What the hub has ended because a grant is over, the slave may learn of only when its
		// connection has brought what was sent before.
		if old.Err() == nil && open && !in && !s.life.wasKicked(s.name) && !r.isShut() && !r.service.hasEnded(whoIn(s.life.channel, s.name)) {
			r.fail("%v was refused a switch with %w, and is in neither", s, err)
		}
	}
	return nil
}

// has reports whether the hub has a member of that name in the channel, and
// whether it has the channel.
func (r *faultRound) has(l *life, name string) (in, open bool) {
	channel, ok := r.channel(l.channel)
	if !ok {
		return false, false
	}
	shot, open := channel.Snapshot()
	in = shot.Master.Username == name
	for _, slave := range shot.Slaves {
		in = in || slave.Username == name
	}
	return in, open
}

// remaining are the seats in the channels of the end.
func (r *faultRound) remaining() iter.Seq[*faultSeat] {
	return func(yield func(*faultSeat) bool) {
		for row := range r.rows {
			if l := r.latest(row); l != nil {
				l.mu.Lock()
				seats := slices.Clone(l.seats)
				l.mu.Unlock()
				for _, s := range seats {
					if !yield(s) {
						return
					}
				}
			}
		}
	}
}

func pause(random *rand.Rand, most time.Duration) {
	time.Sleep(1 + time.Duration(random.Int64N(int64(most))))
}

// checkRosters holds what the hub has against what its users have, when everybody
// must be back or out: nobody is in a channel of which it does not know, or the
// reverse, and no request is open of which the asking has ended.
func (r *faultRound) checkRosters() {
	r.compareEvents()
	for row := range r.rows {
		l := r.latest(row)
		if l == nil {
			continue
		}
		channel, ok := r.channel(l.channel)
		if !ok {
			continue
		}
		shot, open := channel.Snapshot()
		if !open {
			continue
		}
		if shot.OpenRequests > 0 {
			r.fail("%s: %d requests of its master are open", l.channel, shot.OpenRequests)
		}
		there := map[string]bool{witnessName: true}
		var masters []string
		for _, s := range l.seats {
			switch h := s.present(); {
			case h == nil || h.Err() != nil:
			case s.isMaster():
				masters = append(masters, s.name)
			default:
				there[s.name] = true
			}
		}
		if !slices.Equal(masters, []string{shot.Master.Username}) {
			r.fail("%s: the hub has %s as the master, and those who know that they are it are %q", l.channel, shot.Master.Username, masters)
		}
		for _, slave := range shot.Slaves {
			if !there[slave.Username] {
				r.fail("%s: the hub has %s, which is not there", l.channel, slave.Username)
			}
			if slave.OpenRequests > 0 {
				r.fail("%s: %d requests of %s are open", l.channel, slave.OpenRequests, slave.Username)
			}
			delete(there, slave.Username)
		}
		for name := range there {
			r.fail("%s: %s is there, and the hub does not have it", l.channel, name)
		}
		for _, m := range l.removed() {
			if m.ban {
				r.checkBanned(l, m.name)
			}
		}
	}
}

// isShut reports whether the hub has been told to shut down.
func (r *faultRound) isShut() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.shutAt.IsZero()
}

func (r *faultRound) shutDown() {
	r.replacing <- struct{}{}
	defer func() { <-r.replacing }()
	for s := range r.remaining() {
		s.noteConn()
	}
	r.mu.Lock()
	r.shutAt = time.Now()
	r.mu.Unlock()
	// Far more than the most that a connection can hold it up.
	ctx, cancel := context.WithTimeout(context.Background(), faultPatience)
	defer cancel()
	if err := r.shutHubs(ctx); err != nil {
		r.fail("Shutdown: %w", err)
	}
	r.close()
}

// noteConn keeps the connection that a seat has, if the hub has answered on it and has not
// closed it, as one that was replaced may have.
func (s *faultSeat) noteConn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || s.current.Err() != nil {
		return
	}
	s.user.mu.Lock()
	defer s.user.mu.Unlock()
	if c := s.user.latest; c != nil && c.heard.Load() && c.err() == nil {
		s.conn = s.user.latest
	}
}

// farewell is a shutdown while everybody is there and sends. Of the connections
// nothing is broken any more.
func (r *faultRound) farewell() {
	var sending sync.WaitGroup
	random := r.random(5)
	for s := range r.remaining() {
		h := s.present()
		if h == nil || h.Err() != nil {
			continue
		}
		habits := rand.New(rand.NewPCG(random.Uint64(), 0))
		sending.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			for i := range 20 {
				s.send(ctx, h, &sent{text: s.text("farewell", i), to: toEverybody})
				pause(habits, 2*time.Millisecond)
			}
		})
	}
	pause(random, 30*time.Millisecond)
	r.shutDown()
	sending.Wait()
	// Who is elsewhere cannot know that no hub takes the place of this one.
	time.Sleep(faultX + time.Second)
	synctest.Wait()
}
