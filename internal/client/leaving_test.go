package client

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// becomesMaster is what a slave is told that is the master from now on.
func becomesMaster(channel string) wire.Frame {
	return wire.Frame{
		Type: wire.Created, Channel: channel, Username: "ada", Secret: "master's", Epoch: 2, MasterTimeout: 30_000, HasMasterTimeout: true, HasMembers: true,
	}
}

// leaves leaves in the background, which the hub refuses, since the member is the master by now.
func leaves(m *Membership, hub *peer) <-chan error {
	done := make(chan error, 1)
	go func() { done <- m.Close() }()
	hub.refuses(hub.one(wire.Leave), wire.ErrRoleChanged)
	return done
}

// The answer to a leave can overtake what tells the member that it is the master, which has not left then.
func TestALeaveThatAHandOverComesBefore(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, _, hub := p.joins("abc", nil)
		done := leaves(m, hub)
		waits(t, done)
		hub.says(becomesMaster("abc"))
		require.ErrorIs(t, <-done, wire.ErrRoleChanged)
		require.ErrorIs(t, m.Err(), wire.ErrHandedOver)
		require.NotNil(t, m.Next())
		require.NoError(t, m.Next().Err())
		require.Equal(t, wire.Master, m.Next().role)
		require.True(t, hub.isOpen())
	})
}

// Where the connection is lost in between, it is told on the next one.
func TestALeaveAndAHandOverOverALostConnection(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, _, hub := p.joins("abc", nil)
		done := leaves(m, hub)
		hub.closes(transport.Idle)
		time.Sleep(time.Second / 2)
		next := p.dialled()
		next.takesIn(next.one(wire.Resume))
		waits(t, done)
		next.says(becomesMaster("abc"))
		require.ErrorIs(t, <-done, wire.ErrRoleChanged)
		require.NoError(t, m.Next().Err())
	})
}

// A slave that is never told so has left, as far as its user goes. What it becomes later nobody wants, and is left.
func TestNobodyWantsTheMasterThatOneHasBecome(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, _, hub := p.joins("abc", nil)
		done := leaves(m, hub)
		require.ErrorContains(t, <-done, "the hub could not be told")
		require.ErrorIs(t, m.Err(), wire.ErrLeft)
		hub.refuses(hub.one(wire.Leave), wire.ErrRoleChanged)
		require.True(t, hub.isOpen())
		hub.says(becomesMaster("abc"))
		require.Nil(t, m.Next())
		leave := hub.one(wire.Leave)
		require.EqualValues(t, 2, leave.Epoch)
		hub.says(wire.Frame{Type: wire.Left, Ref: leave.Ref, Channel: "abc"})
		m, _, _ = p.joins("abc", hub)
		require.NoError(t, m.Err())
	})
}

// So it is with a join that was given up, after which the channel can be entered again.
func TestAJoinThatWasGivenUpBecomesTheMaster(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		ctx, cancel := context.WithCancel(t.Context())
		given := make(chan error, 1)
		inbox := anyInbox(QueueLimit{Messages: 100, Bytes: 1 << 20})
		go func() {
			_, err := p.client.Enter(ctx, wire.Slave, wire.Frame{Type: wire.Join, Channel: "abc", Username: "ada"}, inbox)
			given <- err
		}()
		hub := p.dialled()
		join := hub.one(wire.Join)
		cancel()
		require.ErrorIs(t, <-given, context.Canceled)
		hub.takesIn(join)
		hub.refuses(hub.one(wire.Leave), wire.ErrRoleChanged)
		hub.says(becomesMaster("abc"))
		leave := hub.one(wire.Leave)
		require.EqualValues(t, 2, leave.Epoch)
		hub.says(wire.Frame{Type: wire.Left, Ref: leave.Ref, Channel: "abc"})
		m, _, _ := p.joins("abc", hub)
		require.NoError(t, m.Err())
	})
}

// Who is made the master before the call by which it has come in has returned gets a handle that says so. Where the caller
// has given up in that instant, nobody wants the master that it is, and it leaves.
func TestACallThatReturnsBehindAHandOver(t *testing.T) {
	for _, givenUp := range []bool{false, true} {
		inPlay(t, nil, func(t *testing.T, p *play) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			hold := make(chan struct{})
			var m *Membership
			entered := make(chan error, 1)
			joining := Joining{Frame: wire.Frame{Type: wire.Join, Channel: "abc", Username: "ada"}, Waiting: func(Waiting) { <-hold }}
			go func() {
				var err error
				m, err = p.client.EnterWaiting(ctx, wire.Slave, joining, anyInbox(QueueLimit{Messages: 100, Bytes: 1 << 20}))
				entered <- err
			}()
			hub := p.dialled()
			join := hub.one(wire.Join)
			waiting := wire.Frame{Type: wire.Waiting, Ref: join.Ref, Channel: "abc"}
			waiting.NeedEntering().For = wire.ForMaster
			hub.says(waiting)
			hub.takesIn(join)
			hub.says(becomesMaster("abc"))
			if givenUp {
				cancel()
			}
			close(hold)
			if givenUp {
				require.ErrorIs(t, <-entered, context.Canceled)
				require.EqualValues(t, 2, hub.one(wire.Leave).Epoch)
				return
			}
			require.NoError(t, <-entered)
			require.ErrorIs(t, m.Err(), wire.ErrHandedOver)
			require.NoError(t, m.Next().Err())
		})
	}
}

// So it is where it is still told what it is asked again, whatever comes first.
func TestAResumeThatReturnsBehindAHandOver(t *testing.T) {
	for range 30 {
		inPlay(t, nil, func(t *testing.T, p *play) {
			ctx, cancel := context.WithCancel(t.Context())
			var m *Membership
			entered := make(chan error, 1)
			go func() {
				var err error
				ticket := wire.Frame{Type: wire.Resume, Channel: "abc", Username: "ada", Secret: "secret", Epoch: 1}
				m, err = p.client.Enter(ctx, wire.Slave, ticket, anyInbox(QueueLimit{Messages: 100, Bytes: 1 << 20}))
				entered <- err
			}()
			hub := p.dialled()
			joined := scriptedHub{}.joined(hub.one(wire.Resume))
			joined.Asks = true
			hub.says(joined)
			waits(t, entered)
			go cancel()
			created := becomesMaster("abc")
			_ = hub.conn.Write(wire.Append(nil, wire.Binary, &created)) // else it was given up before
			if err := <-entered; err != nil {
				require.ErrorIs(t, err, context.Canceled)
				return
			}
			require.ErrorIs(t, m.Err(), wire.ErrHandedOver)
			require.NoError(t, m.Next().Err())
		})
	}
}
