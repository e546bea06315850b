package stage

import (
	"context"
	"sync/atomic"
	"testing/synctest"

	"github.com/lectern-go/lectern/transport"
)

// MutedDialer makes connections on which, while they are muted, nothing arrives
// at the user, but everything that it sends does at the hub. What comes meanwhile
// is lost, as with a link that is dead in one direction.
type MutedDialer struct {
	*User
	muted atomic.Bool
}

// Mute has nothing arrive from now on.
func (d *MutedDialer) Mute() { d.muted.Store(true) }

// ComeBack cuts the connection, once everything that is on its way is lost, and
// lets what comes on the next one through.
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
