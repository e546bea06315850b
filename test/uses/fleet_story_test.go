package uses

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport/netconn"
)

// yard is where a fleet is: the hub that there is now, and the way to it.
type yard struct {
	t         *testing.T
	authority *authority
	config    *tls.Config
	register  register
	where     whereabouts

	mu       sync.Mutex
	hub      *lectern.Hub
	listener *memnet.Listener
	end      func()
	running  sync.WaitGroup
}

// opens has a hub serve, which goes on from what another one has left.
func (y *yard) opens(state []byte) {
	hub, err := newFleet(&y.register)
	require.NoError(y.t, err)
	if state != nil {
		require.NoError(y.t, hub.Restore(bytes.NewReader(state)))
	}
	listener := memnet.Listen()
	ctx, cancel := context.WithCancel(context.Background())
	served := stage.InBackground(func() (struct{}, error) {
		return struct{}{}, netconn.Serve(ctx, tls.NewListener(listener, y.config), hub, netconn.Options{})
	})
	y.running.Go(func() { y.where.follow(hub) })
	y.mu.Lock()
	defer y.mu.Unlock()
	y.hub, y.listener = hub, listener
	y.end = func() {
		within, stop := context.WithTimeout(context.Background(), time.Second)
		defer stop()
		require.NoError(y.t, hub.Shutdown(within))
		cancel()
		<-served
	}
}

// replaces has another hub take the place of the one that there is.
func (y *yard) replaces() {
	y.end()
	var state bytes.Buffer
	require.NoError(y.t, y.hub.Export(&state))
	time.Sleep(3 * time.Second)
	y.opens(state.Bytes())
}

// link is the way of one program to the hub. A dead one never gets through again.
type link struct {
	yard   *yard
	config *tls.Config

	mu   sync.Mutex
	dead bool
	conn *memnet.Conn
}

func (l *link) dialer() netconn.Dialer {
	return netconn.Dialer{Address: "hub:443", TLSConfig: l.config, NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		l.yard.mu.Lock()
		listener := l.yard.listener
		l.yard.mu.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.dead {
			return nil, errors.New("no network")
		}
		conn, err := listener.Dial(ctx)
		l.conn = conn
		return conn, err
	}}
}

func (l *link) set(dead bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead = dead; dead {
		l.conn.Cut()
	}
}

// program is a machine's, while it runs.
type program struct {
	*machine
	link  *link
	ended <-chan stage.Outcome[struct{}]
	stop  context.CancelFunc
}

// starts has a program run on the device, with that certificate.
func (y *yard) starts(device *device, config *tls.Config) *program {
	p := &program{link: &link{yard: y, config: config}}
	ctx, cancel := context.WithCancel(y.t.Context())
	m, err := start(ctx, p.link.dialer(), device)
	require.NoError(y.t, err)
	p.machine, p.stop = m, cancel
	p.ended = stage.InBackground(func() (struct{}, error) { return struct{}{}, m.run(ctx) })
	y.t.Cleanup(func() { m.client.Close() })
	return p
}

// ends waits for the end of the program, which is soon, and tells why it is over.
func (p *program) ends() error {
	select {
	case outcome := <-p.ended:
		return outcome.Err
	case <-time.After(time.Minute):
		return errors.New("it goes on")
	}
}

// dies has the program end without a word to anybody.
func (p *program) dies() {
	p.link.set(true)
	p.stop()
	<-p.ended
}

func TestFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := &yard{t: t, authority: newAuthority(t)}
		y.config, _ = y.authority.issue("hub")
		y.opens(nil)
		defer y.running.Wait()
		defer func() { y.end() }()

		office, number := y.authority.issue("dispatcher")
		y.register.enter("dispatcher", entry{number, true, "office"})
		desk := lectern.NewClient((&link{yard: y, config: office}).dialer(), lectern.ClientOptions{})
		defer desk.Close()
		depot, err := desk.Create(t.Context(), "depot", "")
		require.NoError(t, err)
		var wall board
		y.running.Go(func() { wall.watch(t.Context(), depot) })
		devices, programs, configs := map[string]*device{}, map[string]*program{}, map[string]*tls.Config{}
		for _, name := range []string{"crane", "drill", "lathe", "press", "robot"} {
			config, number := y.authority.issue(name)
			y.register.enter(name, entry{number, false, "hall of the " + name})
			devices[name], configs[name] = &device{name: name}, config
			programs[name] = y.starts(devices[name], config)
		}
		synctest.Wait()
		require.Equal(t, "crane at hall of the crane: online\ndispatcher at office: online\ndrill at hall of the drill: online\n"+
			"lathe at hall of the lathe: online\npress at hall of the press: online\nrobot at hall of the robot: online", y.where.list())
		require.Equal(t, "hall of the crane", wall.sees("crane", "site"))

		// Who is not in the register is told so.
		config, _ := y.authority.issue("crane")
		_, err = start(t.Context(), (&link{yard: y, config: config}).dialer(), &device{name: "crane"})
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		require.ErrorContains(t, err, "not in the register")

		// What a machine does, and what it cannot do.
		result, err := order(t.Context(), depot, "crane", command{"turn", time.Minute})
		require.NoError(t, err)
		require.Equal(t, "turn is done", result)
		var declined *lectern.DeclinedError
		_, err = order(t.Context(), depot, "crane", command{"fly", time.Minute})
		require.ErrorAs(t, err, &declined)
		require.Equal(t, lectern.DeclinedError{Code: "cannot", Message: "crane cannot fly"}, *declined)

		// A command that has expired is never carried out, and both sides know.
		programs["drill"].link.set(true)
		begun := time.Now()
		_, err = order(t.Context(), depot, "drill", command{"turn", 10 * time.Second})
		require.ErrorIs(t, err, lectern.ErrTooLate)
		require.Equal(t, 10*time.Second, time.Since(begun))
		require.Contains(t, y.where.list(), "drill at hall of the drill: away")
		programs["drill"].link.set(false)
		time.Sleep(10 * time.Second)
		require.Contains(t, y.where.list(), "drill at hall of the drill: online")
		done, gaps := devices["drill"].did()
		require.Empty(t, done)
		require.Equal(t, 1, gaps)

		// A program that is started again goes on with what the one before it has begun.
		welded := stage.InBackground(func() (string, error) {
			return order(t.Context(), depot, "lathe", command{"weld", 2 * time.Minute})
		})
		time.Sleep(5 * time.Second)
		programs["lathe"].dies()
		time.Sleep(5 * time.Second)
		programs["lathe"] = y.starts(devices["lathe"], configs["lathe"])
		outcome := <-welded
		require.NoError(t, outcome.Err)
		require.Equal(t, "weld is done", outcome.Value)
		done, gaps = devices["lathe"].did()
		require.Equal(t, []string{"weld"}, done)
		require.Zero(t, gaps)

		// A new device takes the place of a machine's, and the former one is out. What that was told is
		// not for the new one any more, by the end of its time.
		_, err = order(t.Context(), depot, "press", command{"turn", 5 * time.Second})
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		config, number = y.authority.issue("press")
		y.register.enter("press", entry{number, false, "hall of the press"})
		former := programs["press"]
		devices["press"] = &device{name: "press"}
		programs["press"] = y.starts(devices["press"], config)
		require.ErrorIs(t, former.ends(), lectern.ErrReplaced)
		_, err = order(t.Context(), depot, "press", command{"turn", time.Minute})
		require.NoError(t, err)
		done, _ = former.device.did()
		require.Equal(t, []string{"turn"}, done)
		done, _ = devices["press"].did()
		require.Equal(t, []string{"turn"}, done)

		// Another hub takes the place of this one, while a machine works.
		welded = stage.InBackground(func() (string, error) {
			return order(t.Context(), depot, "robot", command{"weld", time.Minute})
		})
		time.Sleep(5 * time.Second)
		y.replaces()
		outcome = <-welded
		require.NoError(t, outcome.Err)
		require.Equal(t, "weld is done", outcome.Value)
		time.Sleep(10 * time.Second)
		require.Equal(t, "crane at hall of the crane: online\ndispatcher at office: online\ndrill at hall of the drill: online\n"+
			"lathe at hall of the lathe: online\npress at hall of the press: online\nrobot at hall of the robot: online", y.where.list())
		time.Sleep(50 * time.Millisecond)
		for name, device := range devices {
			require.Equal(t, fmt.Sprint(device.hot()), wall.sees(name, "temperature"), name)
			require.Equal(t, fmt.Sprint(device.hot()), depot.AttributesOf(name)["temperature"].Text(), name)
			require.Equal(t, "hall of the "+name, wall.sees(name, "site"))
		}
		err = programs["crane"].slave.SetAttribute(t.Context(), "site", lectern.Text("the beach"))
		require.ErrorIs(t, err, lectern.ErrForbidden)

		// The dispatcher's program is started again, and sees what the one before has seen.
		desk = lectern.NewClient((&link{yard: y, config: office}).dialer(), lectern.ClientOptions{})
		defer desk.Close()
		depot, err = desk.ResumeMaster(t.Context(), depot.Ticket())
		require.NoError(t, err)
		var again board
		y.running.Go(func() { again.watch(t.Context(), depot) })
		synctest.Wait()
		for name, device := range devices {
			require.Equal(t, fmt.Sprint(device.hot()), again.sees(name, "temperature"), name)
			require.Equal(t, "1.4", depot.AttributesOf(name)["release"].Text(), name)
		}

		// Who is struck off the register does not come back, whatever it has on its disk.
		y.register.strike("drill")
		programs["drill"].link.set(true)
		programs["drill"].link.set(false)
		require.ErrorIs(t, programs["drill"].ends(), lectern.ErrRevoked)
		synctest.Wait()
		require.NotContains(t, y.where.list(), "drill")
		delete(programs, "drill")
		require.NoError(t, depot.Close())
		for name, p := range programs {
			require.ErrorIs(t, p.ends(), lectern.ErrMasterLeft, name)
		}
	})
}
