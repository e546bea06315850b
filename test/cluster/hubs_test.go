package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/cluster/clustertest"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// round is one round: its hubs, its users, and what they have recorded.
type round struct {
	choice
	seed    uint64
	log     *cluster.Local
	network *clustertest.Network
	begun   time.Time
	random  *rand.Rand // of the round's own goroutine

	// stop is closed when nobody begins anything new.
	stop   chan struct{}
	actors sync.WaitGroup
	ends   sync.WaitGroup // of hubs that were killed

	mu    sync.Mutex
	hubs  []*placed // those that live
	made  int
	users uint64
	lives []*life
	all   []*user
	lost  lost
	wrong []error
}

// placed is a hub on the network, where it has this id.
type placed struct {
	*lectern.Hub
	id       cluster.HubID
	engine   cluster.Engine
	listener *memory.Listener
	number   int
}

// The times of connections.
const (
	probeAfter = 2 * time.Second
	giveUp     = time.Second
)

func (r *round) policy(engine cluster.Engine) lectern.Policy {
	none := lectern.RateLimit{PerSecond: -1}
	much := lectern.QueueLimit{Messages: 1 << 16, Bytes: 1 << 26}
	return lectern.Policy{
		MasterTimeout: roundX, SlaveTimeout: roundX, FrameRate: none, SlaveMessageRate: none, MembershipRate: none,
		HandshakeTimeout: roundX, Outbox: much, Replay: much, Cluster: engine,
	}
}

// startHub starts one more hub.
func (r *round) startHub() {
	id := cluster.NewHubID()
	engine := r.network.Hub(id)
	policy := r.policy(engine)
	r.mu.Lock()
	r.made++
	number := r.made
	r.mu.Unlock()
	if *logged {
		policy.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("hub", number)
	}
	hub, err := lectern.NewHub(policy)
	if err != nil {
		r.fail("NewHub: %w", err)
		return
	}
	p := &placed{Hub: hub, id: id, engine: engine, number: number}
	p.listener = memory.Listen(hub, memory.Options{ProbeAfter: probeAfter, GiveUp: giveUp, QueueMessages: 1 << 12, QueueBytes: 1 << 24})
	r.mu.Lock()
	r.hubs = append(r.hubs, p)
	r.mu.Unlock()
}

// living are the hubs that live.
func (r *round) living() []*placed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*placed(nil), r.hubs...)
}

var errDown = errors.New("the machine is down")

// killHub kills a hub, as the end of its machine does: nobody hears anything of it any more.
func (r *round) killHub(id cluster.HubID) {
	r.mu.Lock()
	var dead *placed
	for i, p := range r.hubs {
		if p.id == id {
			dead = p
			r.hubs = append(append([]*placed(nil), r.hubs[:i]...), r.hubs[i+1:]...)
			break
		}
	}
	r.mu.Unlock()
	if dead == nil {
		return
	}
	r.note("hub %d is killed", dead.number)
	r.network.Kill(id)
	dead.listener.Refuse(errDown)
	for _, conn := range dead.listener.Conns() {
		conn.Cut()
	}
	r.ends.Go(func() { r.end(dead) })
}

func (r *round) end(p *placed) {
	begun := time.Now()
	if err := p.Close(); err != nil {
		r.fail("hub %d: Close: %w", p.number, err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		r.fail("hub %d has taken %v to close", p.number, took)
	}
	_ = p.listener.Close()
	if err := p.engine.Close(); err != nil {
		r.fail("the engine of hub %d: Close: %w", p.number, err)
	}
}

// storm lets things happen to the hubs.
func (r *round) storm() {
	kill := func(id cluster.HubID) {
		r.killHub(id)
		r.startHub()
	}
	if !r.kills {
		kill = nil
	}
	r.network.Storm(roundSpan, kill)
}

// user is a client, each connection of which is to one of the hubs that live.
type user struct {
	*lectern.Client
	round *round
	name  string

	mu     sync.Mutex
	random *rand.Rand
	link   *link
	dead   bool
	// avoids is the hub that it does not dial, or nil.
	avoids *placed
}

func (r *round) user(name string) *user {
	r.mu.Lock()
	r.users++
	u := &user{round: r, name: name, random: rand.New(rand.NewPCG(r.seed, 1000+r.users))}
	r.mu.Unlock()
	options := lectern.ClientOptions{
		MinBackoff: 20 * time.Millisecond, MaxBackoff: 500 * time.Millisecond, DialTimeout: 2 * time.Second,
		WriteTimeout: 3 * time.Second, CloseTimeout: answersBy, Inbox: lectern.QueueLimit{Messages: 1 << 20, Bytes: 1 << 30},
	}
	if *logged {
		options.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("user", name)
	}
	u.Client = lectern.NewClient(u, options)
	r.mu.Lock()
	r.all = append(r.all, u)
	r.mu.Unlock()
	return u
}

// Dial implements [transport.Dialer].
func (u *user) Dial(ctx context.Context) (transport.Conn, error) {
	hubs := u.round.living()
	u.mu.Lock()
	which, dead := u.random.Uint64(), u.dead
	hubs = slices.DeleteFunc(hubs, func(p *placed) bool { return p == u.avoids })
	u.mu.Unlock()
	if dead || len(hubs) == 0 {
		return nil, errDown
	}
	hub := hubs[which%uint64(len(hubs))]
	conn, err := hub.listener.Dial(ctx)
	if err != nil {
		return nil, err
	}
	u.round.note("%s dials hub %d", u.name, hub.number)
	l := newLink(conn.(*memory.Conn), hub)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.link = l
	if u.dead {
		l.conn.Cut()
	}
	return l, nil
}

// present is the latest connection, or nil.
func (u *user) present() *link {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.link
}

// cut cuts the latest connection, at both ends.
func (u *user) cut() {
	if l := u.present(); l != nil {
		l.conn.Cut()
	}
}

// move cuts the latest connection at this end alone: the hub takes it for one that lives, until it probes it.
func (u *user) move() {
	if l := u.present(); l != nil {
		l.abandon()
	}
}

// silence lets the latest connection go dead.
func (u *user) silence() {
	if l := u.present(); l != nil {
		l.conn.Silence()
	}
}

// die ends that the user ever connects again.
func (u *user) die() {
	u.mu.Lock()
	u.dead = true
	u.mu.Unlock()
	u.cut()
}

// breaks lets things happen to the users' connections.
func (r *round) breaks(users []*user) {
	random := rand.New(rand.NewPCG(r.seed, 2))
	for !r.stopped() {
		r.pause(random, 4*time.Second)
		u := users[random.IntN(len(users))]
		switch what := random.IntN(6); {
		case r.stopped():
		case what < 3:
			r.note("the connection of %s is cut", u.name)
			u.cut()
		case what < 5:
			r.note("%s has lost its connection, and its hub does not know", u.name)
			u.move()
		default:
			r.note("the connection of %s is dead", u.name)
			u.silence()
		}
	}
}

// link is a connection whose end here can be lost alone.
type link struct {
	conn  *memory.Conn
	hub   *placed
	in    chan []byte
	ended chan struct{} // closed behind the last message, with err
	err   error

	once sync.Once
	over chan struct{} // closed with why
	why  error
}

func newLink(conn *memory.Conn, hub *placed) *link {
	l := &link{conn: conn, hub: hub, in: make(chan []byte), ended: make(chan struct{}), over: make(chan struct{})}
	go l.carry()
	return l
}

func (l *link) carry() {
	defer close(l.ended)
	for {
		message, err := l.conn.Read()
		if err != nil {
			l.err = err
			return
		}
		select {
		case l.in <- append([]byte(nil), message...):
		case <-l.over:
		}
	}
}

var errBroken = errors.New("the connection is broken")

// abandon ends the connection here, and not at the hub.
func (l *link) abandon() {
	l.once.Do(func() {
		l.conn.Silence()
		l.why = errBroken
		close(l.over)
	})
}

func (l *link) Read() ([]byte, error) {
	select {
	case <-l.over:
		return nil, l.why
	default:
	}
	select {
	case message := <-l.in:
		return message, nil
	case <-l.over:
		return nil, l.why
	case <-l.ended:
		return nil, l.err
	}
}

func (l *link) Write(messages ...[]byte) error {
	select {
	case <-l.over:
		return l.why
	default:
		return l.conn.Write(messages...)
	}
}

func (l *link) Close(reason transport.Reason) (err error) {
	l.once.Do(func() {
		err = l.conn.Close(reason)
		l.why = net.ErrClosed
		close(l.over)
	})
	return err
}

func (r *round) fail(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	r.note("WRONG: %v", err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, err)
}

func (r *round) hasFailed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.wrong) > 0
}

// note is for those who look into one round.
func (r *round) note(format string, args ...any) {
	if *logged {
		fmt.Fprintf(os.Stderr, "%v %s\n", time.Since(r.begun), fmt.Sprintf(format, args...))
	}
}
