package handles

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// gate holds up who passes it while it is shut.
type gate struct {
	mu     sync.Mutex
	opened chan struct{} // nil: it is open
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opened = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened != nil {
		close(g.opened)
		g.opened = nil
	}
}

func (g *gate) pass(done <-chan struct{}) {
	g.mu.Lock()
	opened := g.opened
	g.mu.Unlock()
	if opened != nil {
		select {
		case <-opened:
		case <-done:
		}
	}
}

// gatedDialer makes connections whose dialling, and each of whose directions, the test can
// hold up.
type gatedDialer struct {
	*stage.User
	dialling, up, down gate

	mu     sync.Mutex
	latest *gatedConn
}

func (d *gatedDialer) Dial(ctx context.Context) (transport.Conn, error) {
	d.dialling.pass(ctx.Done())
	conn, err := d.User.Dial(ctx)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.latest = &gatedConn{Conn: conn, dialer: d, closed: make(chan struct{})}
	return d.latest, nil
}

// lose cuts the connection, if there is one, and what was held up on it is lost.
func (d *gatedDialer) lose() {
	d.mu.Lock()
	lost := d.latest
	d.mu.Unlock()
	if lost != nil {
		lost.lost.Store(true)
		d.Plug().Cut()
		lost.release()
		synctest.Wait()
	}
}

// openAll lets everything pass.
func (d *gatedDialer) openAll() {
	d.dialling.open()
	d.up.open()
	d.down.open()
}

var errLost = errors.New("the connection was lost")

type gatedConn struct {
	transport.Conn
	dialer *gatedDialer
	lost   atomic.Bool
	once   sync.Once
	closed chan struct{}
}

// release lets go who is held up on the connection.
func (c *gatedConn) release() { c.once.Do(func() { close(c.closed) }) }

func (c *gatedConn) Write(messages ...[]byte) error {
	c.dialer.up.pass(c.closed)
	if c.lost.Load() {
		return errLost
	}
	return c.Conn.Write(messages...)
}

func (c *gatedConn) Read() ([]byte, error) {
	data, err := c.Conn.Read()
	c.dialer.down.pass(c.closed)
	if c.lost.Load() {
		return nil, errLost
	}
	return data, err
}

func (c *gatedConn) Close(reason transport.Reason) error {
	c.release()
	return c.Conn.Close(reason)
}

// again is a stage for what is given up and done again: a client, and the channels first
// and second, of alice.
type again struct {
	*stage.Stage
	t             *testing.T
	d             *gatedDialer
	client        *lectern.Client
	first, second *lectern.Master
}

// members are the slaves of the channel, and their states, as the hub knows them.
func (a *again) members(channel string) map[string]lectern.State {
	members := make(map[string]lectern.State)
	c, exists := a.Hub.Channel(channel)
	if !exists {
		return members
	}
	shot, _ := c.Snapshot()
	for _, slave := range shot.Slaves {
		members[slave.Username] = slave.State
	}
	return members
}

// entered expects that the slave is in the channel, and that nobody else is.
func (a *again) entered(slave *lectern.Slave, channel, username string) {
	a.t.Helper()
	synctest.Wait()
	require.NoError(a.t, slave.Err())
	_, err := slave.Send(stage.Within(a.t), lectern.Text("here"))
	require.NoError(a.t, err)
	synctest.Wait()
	require.Equal(a.t, map[string]lectern.State{username: lectern.StateOnline}, a.members(channel))
	time.Sleep(time.Minute)
	require.NoError(a.t, slave.Err())
	require.Equal(a.t, map[string]lectern.State{username: lectern.StateOnline}, a.members(channel))
}

// moments are when the caller of a call can give up: what is held up before the call, and
// what happens after.
var moments = []struct {
	name   string
	before func(d *gatedDialer)
	after  func(d *gatedDialer)
}{
	{"while dialling", func(d *gatedDialer) { d.dialling.shut(); d.lose() }, (*gatedDialer).openAll},
	{"before the hub has it", func(d *gatedDialer) { d.up.shut() }, (*gatedDialer).openAll},
	{"before the answer", func(d *gatedDialer) { d.down.shut() }, (*gatedDialer).openAll},
	{"lost before the hub has it", func(d *gatedDialer) { d.up.shut() }, func(d *gatedDialer) { d.lose(); d.openAll() }},
	{"lost with the answer", func(d *gatedDialer) { d.down.shut() }, func(d *gatedDialer) { d.lose(); d.openAll() }},
}

// orders are how the second call can follow the end of the first one's context.
var orders = []struct {
	name string
	// returned: the first call has returned before the second one begins. held: what was held
	// up goes on only when the second one waits.
	returned, held bool
}{{"in one turn", false, true}, {"behind it", true, true}, {"in one turn, not held up", false, false}, {"behind it, not held up", true, false}}

// givesUp plays, for each moment and order, a first call whose caller gives up, and then the
// second one. prepare returns both.
func givesUp(t *testing.T, prepare func(a *again) (first, second func(ctx context.Context) error, check func())) {
	for _, moment := range moments {
		for _, order := range orders {
			t.Run(moment.name+", "+order.name, func(t *testing.T) {
				stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
					alice := s.User()
					a := &again{Stage: s, t: t, d: &gatedDialer{User: s.User()}}
					a.first, a.second = alice.Creates("first", "alice"), alice.Creates("second", "alice")
					a.client = lectern.NewClient(a.d, lectern.ClientOptions{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
					defer func() { a.d.openAll(); require.NoError(t, a.client.Close()) }()
					first, second, check := prepare(a)
					synctest.Wait()
					moment.before(a.d)
					ctx, cancel := context.WithCancel(t.Context())
					given, done := make(chan error, 1), make(chan error, 1)
					go func() { given <- first(ctx) }()
					synctest.Wait()
					cancel()
					if order.returned {
						<-given
					}
					if !order.held {
						moment.after(a.d)
					}
					go func() { done <- second(stage.Within(t)) }()
					if order.held {
						synctest.Wait()
						moment.after(a.d)
					}
					require.NoError(t, <-done)
					if !order.returned {
						<-given
					}
					check()
				})
			})
		}
	}
}

// join is a call that joins the channel and keeps the handle.
func (a *again) join(slave **lectern.Slave, channel, username string, options ...lectern.JoinOption) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		*slave, err = a.client.Join(ctx, channel, username, options...)
		return err
	}
}

// A join that is given up, and the next one behind it, come out as the second one alone,
// under the same name or another one, whatever was on its way.
func TestJoinGivenUpAndAgain(t *testing.T) {
	for name, second := range map[string]struct {
		username string
		options  []lectern.JoinOption
	}{
		"the same":                {username: "bob"},
		"under another name":      {username: "carol"},
		"with another expectance": {"bob", []lectern.JoinOption{lectern.WithMaster("alice")}},
	} {
		t.Run(name, func(t *testing.T) {
			givesUp(t, func(a *again) (func(context.Context) error, func(context.Context) error, func()) {
				var given, slave *lectern.Slave
				return a.join(&given, "first", "bob"), a.join(&slave, "first", second.username, second.options...), func() {
					require.Nil(a.t, given)
					a.entered(slave, "first", second.username)
				}
			})
		})
	}
}

// The same for a create.
func TestCreateGivenUpAndAgain(t *testing.T) {
	for _, username := range []string{"bob", "carol"} {
		t.Run(username, func(t *testing.T) {
			givesUp(t, func(a *again) (func(context.Context) error, func(context.Context) error, func()) {
				var master *lectern.Master
				create := func(username string) func(context.Context) error {
					return func(ctx context.Context) error {
						entered, err := a.client.Create(ctx, "third", username)
						if err == nil {
							master = entered
						}
						return err
					}
				}
				return create("bob"), create(username), func() {
					synctest.Wait()
					slave := a.User().Joins("third", "dora", lectern.WithMaster(username))
					stage.Broadcast(a.t, master, "here")
					stage.Receive(a.t, slave, "here")
					time.Sleep(time.Minute)
					require.NoError(a.t, master.Err())
				}
			})
		})
	}
}

// What was created by a call that was given up is not there for a join behind it.
func TestJoinBehindACreateThatWasGivenUp(t *testing.T) {
	givesUp(t, func(a *again) (func(context.Context) error, func(context.Context) error, func()) {
		var slave *lectern.Slave
		create := func(ctx context.Context) error { _, err := a.client.Create(ctx, "third", "bob"); return err }
		join := func(ctx context.Context) error {
			require.ErrorIs(a.t, a.join(&slave, "third", "bob")(ctx), lectern.ErrNoSuchChannel)
			return a.join(&slave, "first", "bob")(ctx)
		}
		return create, join, func() { a.entered(slave, "first", "bob") }
	})
}

// A resume that is given up leaves the membership as it was, for the next one.
func TestResumeGivenUpAndAgain(t *testing.T) {
	for _, sameTicket := range []bool{true, false} {
		givesUp(t, func(a *again) (func(context.Context) error, func(context.Context) error, func()) {
			other := a.User()
			ticket := other.Joins("first", "bob").Ticket()
			other.CutOff()
			var slave *lectern.Slave
			resume := func(ticket lectern.Ticket) func(context.Context) error {
				return func(ctx context.Context) error {
					entered, err := a.client.ResumeSlave(ctx, ticket)
					if err == nil {
						slave = entered
					}
					return err
				}
			}
			second := ticket
			if !sameTicket {
				second.Token = "another"
			}
			return resume(ticket), resume(second), func() { a.entered(slave, "first", "bob") }
		})
	}
}

// A switch that is given up is one that was made, and left again, or one that was not: the
// same switch, or a join behind it, leads to where it was to lead.
func TestSwitchGivenUpAndAgain(t *testing.T) {
	for _, name := range []string{"switch", "join"} {
		t.Run(name, func(t *testing.T) {
			givesUp(t, func(a *again) (func(context.Context) error, func(context.Context) error, func()) {
				old, err := a.client.Join(stage.Within(a.t), "first", "bob")
				require.NoError(a.t, err)
				a.d.dialling.open()
				var slave *lectern.Slave
				change := func(ctx context.Context) error {
					entered, err := old.Switch(ctx, "second")
					if err == nil {
						slave = entered
					}
					return err
				}
				second := change
				if name == "join" {
					second = a.join(&slave, "second", "bob")
				}
				return change, second, func() { a.entered(slave, "second", "bob") }
			})
		})
	}
}

// Who gives a switch up and joins where it came from is there, once it is known what became
// of the switch.
func TestBackFromASwitchThatWasGivenUp(t *testing.T) {
	givesUp(t, func(a *again) (func(context.Context) error, func(context.Context) error, func()) {
		old, err := a.client.Join(stage.Within(a.t), "first", "bob")
		require.NoError(a.t, err)
		slave := old
		change := func(ctx context.Context) error { _, err := old.Switch(ctx, "second"); return err }
		back := func(ctx context.Context) error {
			joined, err := a.client.Join(ctx, "first", "bob")
			if err == nil {
				slave = joined
				return nil
			}
			require.ErrorIs(a.t, err, lectern.ErrForbidden)
			require.NoError(a.t, old.Err(), "it is nowhere")
			return nil
		}
		return change, back, func() {
			a.entered(slave, "first", "bob")
			require.Empty(a.t, a.members("second"))
		}
	})
}

// An entry behind a membership that is being left waits for it.
func TestJoinWhileLeaving(t *testing.T) {
	for _, username := range []string{"bob", "carol"} {
		t.Run(username, func(t *testing.T) {
			givesUp(t, func(a *again) (func(context.Context) error, func(context.Context) error, func()) {
				old, err := a.client.Join(stage.Within(a.t), "first", "bob")
				require.NoError(a.t, err)
				var slave *lectern.Slave
				return func(context.Context) error { return old.Leave() }, a.join(&slave, "first", username), func() {
					require.ErrorIs(a.t, old.Err(), lectern.ErrLeft)
					a.entered(slave, "first", username)
				}
			})
		})
	}
}

// Nor does it matter how often it is done in one turn.
func TestJoinGivenUpManyTimes(t *testing.T) {
	givesUp(t, func(a *again) (func(context.Context) error, func(context.Context) error, func()) {
		var given, slave *lectern.Slave
		many := func(ctx context.Context) error {
			for i := range 5 {
				ctx, cancel := context.WithCancel(ctx)
				failed := make(chan struct{})
				go func() {
					defer close(failed)
					if slave, err := a.client.Join(ctx, "first", []string{"bob", "carol"}[i%2]); err == nil {
						_ = slave.Leave() // it came before it was given up
					}
				}()
				time.Sleep(time.Nanosecond) // until it waits
				cancel()
				<-failed
			}
			return a.join(&slave, "first", "bob")(ctx)
		}
		return a.join(&given, "first", "bob"), many, func() { a.entered(slave, "first", "bob") }
	})
}

// losingOnce loses the first message of its first connection alone.
type losingOnce struct{ *losingDialer }

func (d losingOnce) DialFirst(ctx context.Context, message []byte) (transport.Conn, bool, error) {
	if first, _ := d.dials(); first > 0 {
		return keepingDialer(d).DialFirst(ctx, message)
	}
	return d.losingDialer.DialFirst(ctx, message)
}

// A call that went along, and whose connection is lost before the answer, is known when it
// goes along with the next one.
func TestFirstAnswerIsLostWithTheConnection(t *testing.T) {
	losing(t, lectern.Policy{}, func(t *testing.T, d *losingDialer, _ *lectern.Client, master *lectern.Master) {
		client := lectern.NewClient(losingOnce{d}, lectern.ClientOptions{})
		defer func() { require.NoError(t, client.Close()) }()
		joined := make(chan error, 1)
		go func() { _, err := client.Join(stage.Within(t), "abc123", "bob"); joined <- err }()
		synctest.Wait()
		require.Len(t, master.Members(), 1)
		d.lose()
		require.NoError(t, <-joined)
		first, plain := d.dials()
		require.Equal(t, []int{2, 0}, []int{first, plain})
	})
}

// Who waits for what is being undone is told when the hub cannot be reached, and when its
// own context or its client ends, as anybody who waits for an answer.
func TestWaitingBehindWhatIsUndoneEnds(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(a *again, cancel func())
		want error
	}{
		"out of reach": {func(a *again, _ func()) { a.d.Bar(true); a.d.lose() }, errors.New("dialling")},
		"context":      {func(_ *again, cancel func()) { cancel() }, context.Canceled},
		"client":       {func(a *again, _ func()) { require.NoError(a.t, a.client.Close()) }, net.ErrClosed},
	} {
		for _, leaves := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", leaves ", leaves), func(t *testing.T) {
				stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
					a := &again{Stage: s, t: t, d: &gatedDialer{User: s.User()}}
					a.first = s.User().Creates("first", "alice")
					a.client = lectern.NewClient(a.d, lectern.ClientOptions{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
					defer func() { a.d.openAll(); require.NoError(t, a.client.Close()) }()
					var undoing sync.WaitGroup
					ctx, giveUp := context.WithCancel(t.Context())
					if leaves {
						slave, err := a.client.Join(stage.Within(t), "first", "bob")
						require.NoError(t, err)
						synctest.Wait()
						a.d.down.shut()
						undoing.Go(func() { _ = slave.Leave() })
					} else {
						a.d.down.shut()
						undoing.Go(func() { _, _ = a.client.Join(ctx, "first", "bob") })
					}
					synctest.Wait()
					giveUp()
					ctx, cancel := context.WithCancel(t.Context())
					joined := make(chan error, 1)
					go func() { _, err := a.client.Join(ctx, "first", "carol"); joined <- err }()
					synctest.Wait()
					began := time.Now()
					test.end(a, cancel)
					if name == "out of reach" {
						require.ErrorContains(t, <-joined, "no answer to join: dialling")
					} else {
						require.ErrorIs(t, <-joined, test.want)
					}
					require.Less(t, time.Since(began), time.Second)
					a.d.Bar(false)
					a.d.openAll()
					undoing.Wait()
					cancel()
				})
			})
		}
	}
}

// A hub that could not be told of a leave in time is told when it can be reached again.
func TestLeaveIsToldLater(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, one := s.User().Creates("abc123", "alice"), s.User()
		slave := one.Joins("abc123", "bob")
		stage.NextPresence(t, master, "bob", lectern.StateOnline)
		one.CutOff()
		require.ErrorContains(t, slave.Leave(), "could not be told")
		stage.Ended(t, slave, lectern.ErrLeft)
		stage.NextPresence(t, master, "bob", lectern.StateAway)
		one.Bar(false)
		stage.NextPresence(t, master, "bob", lectern.StateOnline)
		require.Equal(t, "left", stage.NextPresence(t, master, "bob", lectern.StateGone).Reason)
		one.Joins("abc123", "bob")
	})
}
