package client

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// A membership that the hub does not have, because the one that had it is gone, ends so. Where
// there are several places, it does when all of them have said it.
func TestHubLost(t *testing.T) {
	for _, places := range []int{1, 3} {
		inPlay(t, nil, func(t *testing.T, p *play) {
			p.client.places = places
			m, inbox, hub := p.joins("abc", nil)
			lost := func(times int) {
				for i := range times {
					hub.conn.Cut()
					hub = p.moves()
					hub.refuses(hub.one(wire.Resume), wire.ErrHubLost)
					require.NotEqual(t, i+1 < places, m.Err() != nil)
				}
			}
			lost(places - 1)
			if places > 1 {
				hub.conn.Cut()
				hub = p.moves()
				hub.takesIn(hub.one(wire.Resume))
				require.NoError(t, m.Err())
				require.Equal(t, wire.StateOnline, m.Master().State)
				require.Len(t, events(inbox), 2)
			}
			lost(places)
			require.ErrorIs(t, m.Err(), wire.ErrHubLost)
		})
	}
}

// The same holds for a ticket, where nothing else is on the connection.
func TestHubLostWithATicket(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		p.client.places = 2
		done := make(chan error, 1)
		resume := func() *peer {
			go func() {
				_, err := p.client.Enter(t.Context(), wire.Slave, wire.Frame{Type: wire.Resume, Channel: "abc", Username: "ada", Secret: "secret"}, anyInbox(QueueLimit{Messages: 9, Bytes: 99}))
				done <- err
			}()
			return p.dialled()
		}
		hub := resume()
		hub.refuses(hub.one(wire.Resume), wire.ErrHubLost)
		waits(t, done)
		hub = p.moves()
		hub.refuses(hub.one(wire.Resume), wire.ErrHubLost)
		require.ErrorIs(t, <-done, wire.ErrHubLost)
		hub.closes(transport.Idle)
		hub = resume()
		hub.refuses(hub.one(wire.Resume), wire.ErrHubLost)
		hub = p.moves()
		hub.takesIn(hub.one(wire.Resume))
		require.NoError(t, <-done)

		go func() {
			_, err := p.client.Enter(t.Context(), wire.Slave, wire.Frame{Type: wire.Resume, Channel: "def", Username: "ada", Secret: "secret"}, anyInbox(QueueLimit{Messages: 9, Bytes: 99}))
			done <- err
		}()
		hub.refuses(hub.one(wire.Resume), wire.ErrHubLost)
		require.ErrorIs(t, <-done, wire.ErrHubLost)
	})
}
