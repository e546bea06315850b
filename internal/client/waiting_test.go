package client

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

var errNoRoute = errors.New("no route")

// usual are the pauses of a client that was given none.
func usual(o *Options) { o.MinBackoff, o.MaxBackoff = 200*time.Millisecond, 5*time.Second }

// hasWait answers the join: it waits, at the door or for the channel.
func (p *peer) hasWait(join wire.Frame, what wire.WaitingFor) {
	p.t.Helper()
	waiting := wire.Frame{Type: wire.Waiting, Ref: join.Ref, Channel: join.Channel}
	if waiting.NeedEntering().For = what; what == wire.ForDoor {
		waiting.Master = wire.Member{Username: "alice", State: wire.StateOnline}
	}
	p.says(waiting)
}

// waiting is a join that the hub has told to wait.
func (p *play) waiting(ctx context.Context, what wire.WaitingFor) (done <-chan error, hub *peer, join wire.Frame) {
	p.t.Helper()
	done = p.joining(ctx)
	hub = p.dialled()
	join = hub.one(wire.Join)
	hub.hasWait(join, what)
	waits(p.t, done)
	return done, hub, join
}

// lost are the ways in which who waits loses its hub.
var lost = map[string]func(hub *peer, join wire.Frame){
	"refused, since it shuts down": func(hub *peer, join wire.Frame) { hub.refuses(join, wire.ErrShuttingDown) },
	"closed, since it shuts down":  func(hub *peer, _ wire.Frame) { hub.closes(transport.Shutdown) },
	"cut":                          func(hub *peer, _ wire.Frame) { hub.conn.Cut() },
}

// Who was told to wait goes on waiting while no hub can be reached, for as long as its context
// lasts, with the pauses of a client that comes back; and joins at the next hub.
func TestWhoWaitsDoesSoWhileNoHubCanBeReached(t *testing.T) {
	for how, lose := range lost {
		for at, what := range map[string]wire.WaitingFor{"at the door": wire.ForDoor, "for the channel": wire.ForMaster} {
			t.Run(how+", "+at, func(t *testing.T) {
				inPlay(t, usual, func(t *testing.T, p *play) {
					done, hub, join := p.waiting(t.Context(), what)
					p.refuse(errNoRoute)
					lose(hub, join)
					const most = 5 * time.Second // of a pause
					time.Sleep(200 * most)
					waits(t, done)
					require.Greater(t, p.dials(), 200)
					require.Less(t, p.dials(), 600, "the pauses do not grow")
					p.refuse(nil)
					time.Sleep(5 * time.Second)
					next := p.dialled()
					again := next.one(wire.Join)
					require.Greater(t, again.Ref, join.Ref)
					next.hasWait(again, what)
					waits(t, done)
					next.takesIn(again)
					require.NoError(t, <-done)
				})
			})
		}
	}
}

// What ends a wait while no hub can be reached: its context, the client, and a dialler that can never
// connect again. Nothing is dialled after that.
func TestTheEndOfAWaitWhileNoHubCanBeReached(t *testing.T) {
	for what, end := range map[string]struct {
		ends func(p *play, cancel func())
		with error
	}{
		"its context":          {func(_ *play, cancel func()) { cancel() }, context.Canceled},
		"the client is closed": {func(p *play, _ func()) { require.NoError(p.t, p.client.Close()) }, net.ErrClosed},
		"the client is detached": {func(p *play, _ func()) {
			_, err := p.client.Detach(p.t.Context())
			require.NoError(p.t, err)
		}, ErrDetached},
		"it can never be dialled": {func(p *play, _ func()) {
			p.refuse(net.ErrClosed)
			time.Sleep(5 * time.Second)
		}, net.ErrClosed},
	} {
		t.Run(what, func(t *testing.T) {
			inPlay(t, usual, func(t *testing.T, p *play) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done, hub, _ := p.waiting(ctx, wire.ForDoor)
				p.refuse(errNoRoute)
				hub.conn.Cut()
				time.Sleep(time.Minute)
				waits(t, done)
				end.ends(p, cancel)
				synctest.Wait()
				require.Len(t, done, 1)
				require.ErrorIs(t, <-done, end.with)
				time.Sleep(5 * time.Second)
				dials := p.dials()
				time.Sleep(time.Minute)
				require.Equal(t, dials, p.dials())
			})
		})
	}
}

// A wait that was given up while no hub could be reached is undone at the next one, which may come
// before the client has dialled again: the first one may have let the user in.
func TestAWaitThatIsGivenUpWhileNoHubCanBeReachedIsUndone(t *testing.T) {
	inPlay(t, usual, func(t *testing.T, p *play) {
		ctx, cancel := context.WithCancel(t.Context())
		done, hub, _ := p.waiting(ctx, wire.ForDoor)
		p.refuse(errNoRoute)
		hub.conn.Cut()
		time.Sleep(time.Minute)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		p.refuse(nil)
		time.Sleep(5 * time.Second)
		next := p.dialled()
		again := next.one(wire.Join)
		next.hasWait(again, wire.ForDoor)
		require.Equal(t, "new", next.one(wire.Leave).Channel)
		next.says(wire.Frame{Type: wire.Left, Ref: again.Ref, Channel: "new"})
		next.closes(transport.Idle)
		time.Sleep(time.Minute)
		p.notDialled()
	})
}

// Only who was told to wait is patient: a call that is made meanwhile fails when it is dialled in vain, and
// so does a join that was not answered at all.
func TestOthersDoNotWaitForAHubThatCannotBeReached(t *testing.T) {
	inPlay(t, usual, func(t *testing.T, p *play) {
		p.refuse(errNoRoute)
		began := time.Now()
		require.ErrorIs(t, <-p.joining(t.Context()), errNoRoute)
		require.Equal(t, 1, p.dials())
		require.Zero(t, time.Since(began))

		p.refuse(nil)
		done := p.joining(t.Context())
		hub := p.dialled()
		hub.one(wire.Join)
		p.refuse(errNoRoute)
		hub.conn.Cut()
		require.ErrorIs(t, <-done, errNoRoute)

		p.refuse(nil)
		done, hub, _ = p.waiting(t.Context(), wire.ForDoor)
		p.refuse(errNoRoute)
		hub.conn.Cut()
		_, _, err := p.client.Status(t.Context(), "other")
		require.ErrorIs(t, err, errNoRoute)
		time.Sleep(time.Minute)
		waits(t, done)
		p.refuse(nil)
		time.Sleep(5 * time.Second)
		next := p.dialled()
		next.takesIn(next.one(wire.Join))
		require.NoError(t, <-done)
	})
}

// However often a connection is lost, or a hub says that it shuts down, before it has told again to
// wait, the wait goes on.
func TestAWaitOutlastsHubsThatTakeNothingOn(t *testing.T) {
	for how, lose := range lost {
		t.Run(how, func(t *testing.T) {
			inPlay(t, usual, func(t *testing.T, p *play) {
				done, hub, join := p.waiting(t.Context(), wire.ForDoor)
				for began := time.Now(); time.Since(began) < 2*hubWait; {
					lose(hub, join)
					waits(t, done)
					time.Sleep(5 * time.Second)
					hub = p.dialled()
					join = hub.one(wire.Join)
				}
				hub.takesIn(join)
				require.NoError(t, <-done)
			})
		})
	}
}

// A hub in this process that has shut down has no successor, so that there is nothing to wait for.
func TestNobodyWaitsWhereNoOtherHubComes(t *testing.T) {
	for how, lose := range lost {
		t.Run(how, func(t *testing.T) {
			over := false
			set := func(o *Options) { o.HubIsOver = func() bool { return over } }
			inPlay(t, set, func(t *testing.T, p *play) {
				done, hub, join := p.waiting(t.Context(), wire.ForDoor)
				p.refuse(wire.ErrShuttingDown)
				over = true
				lose(hub, join)
				synctest.Wait()
				require.Len(t, done, 1)
				require.Error(t, <-done)
			})
		})
	}
}

// firstPlay is a play that gets what comes with a handshake, and does not say that it was taken.
type firstPlay struct {
	*play
	along chan wire.Frame
}

func (f firstPlay) DialFirst(ctx context.Context, message []byte) (transport.Conn, bool, error) {
	frame, err := wire.Decode(message)
	require.NoError(f.t, err)
	f.along <- frame
	conn, err := f.Dial(ctx)
	return conn, false, err
}

// What goes along with a handshake is a later frame each time: a hub may have read the one before, though
// the handshake has failed.
func TestAWaitThatGoesAlongInVainIsALaterOneEachTime(t *testing.T) {
	inPlay(t, usual, func(t *testing.T, p *play) {
		first := firstPlay{p, make(chan wire.Frame, 1000)}
		p.client.dialer = first
		done, hub, join := p.waiting(t.Context(), wire.ForDoor)
		require.Equal(t, join.Ref, (<-first.along).Ref)
		p.refuse(errNoRoute)
		hub.conn.Cut()
		time.Sleep(time.Minute)
		waits(t, done)
		require.Greater(t, len(first.along), 5)
		last := join.Ref
		for len(first.along) > 0 {
			again := <-first.along
			require.Greater(t, again.Ref, last)
			last = again.Ref
		}
		p.refuse(nil)
		time.Sleep(5 * time.Second)
		next := p.dialled()
		again := next.one(wire.Join)
		require.Equal(t, again.Ref, (<-first.along).Ref)
		require.Greater(t, again.Ref, last)
		next.takesIn(again)
		require.NoError(t, <-done)
	})
}
