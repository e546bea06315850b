package stage

import (
	"context"
	"sync/atomic"
	"testing/synctest"

	"github.com/lectern-go/lectern/transport"
)

// MutedDialer makes connections that can be muted. On a muted connection nothing arrives
// at the user, but everything that the user sends arrives at the hub. What the hub sends
// meanwhile is lost, as on a link that is dead in one direction.
type MutedDialer struct {
	*User
	muted atomic.Bool
}

// Mute mutes the connections.
func (d *MutedDialer) Mute() { d.muted.Store(true) }

// ComeBack waits until everything in flight is lost, and cuts the connection. The next
// connection is not muted.
func (d *MutedDialer) ComeBack() {
	synctest.Wait()
	d.muted.Store(false)
	d.Plug().Cut()
}

// Dial makes a connection that can be muted.
func (d *MutedDialer) Dial(ctx context.Context) (transport.Conn, error) {
	conn, err := d.User.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return mutedConn{conn, d}, nil
}

// mutedConn is a connection whose Read drops what arrives while the dialer is muted.
type mutedConn struct {
	transport.Conn
	dialer *MutedDialer
}

func (c mutedConn) Read() ([]byte, error) {
	for {
		data, err := c.Conn.Read()
		if err != nil || !c.dialer.muted.Load() {
			return data, err
		}
	}
}
