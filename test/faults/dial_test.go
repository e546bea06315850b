package faults

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/internal/faults"
	"github.com/lectern-go/lectern/transport"
)

// How the users of a fault round connect.

func (u *faultUser) Dial(ctx context.Context) (transport.Conn, error) {
	u.mu.Lock()
	if u.faulty && u.round.acting.Err() == nil && u.random.IntN(5) == 0 {
		u.down = time.Now().Add(time.Duration(u.random.Int64N(int64(faultX * 5 / 4))))
	}
	down := u.dead || time.Now().Before(u.down) && u.round.acting.Err() == nil
	u.mu.Unlock()
	if down {
		return nil, errNetworkDown
	}
	conn, err := u.dialer.Dial(ctx)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.dead {
		_ = conn.Close(transport.Reason{Code: transport.ProtocolError})
		return nil, errNetworkDown
	}
	u.latest = &heardConn{Conn: conn, round: u.round, plan: u.planned}
	return u.latest, nil
}

// DialFirst sends the message along with every second connection.
func (u *faultUser) DialFirst(ctx context.Context, message []byte) (conn transport.Conn, sent bool, err error) {
	if conn, err = u.Dial(ctx); err != nil {
		return nil, false, err
	}
	u.mu.Lock()
	sent = u.random.IntN(2) == 0
	u.mu.Unlock()
	if sent {
		_ = conn.Write(message) // its error is the connection's, which ends
	}
	return conn, sent, nil
}

// heardConn knows whether anything has come: then the hub has answered the
// resume with which the connection began. And it knows how it has ended.
type heardConn struct {
	transport.Conn
	round *faultRound
	heard atomic.Bool
	end   atomic.Pointer[error]
	plan  faults.Plan
	entering
}

func (c *heardConn) Write(messages ...[]byte) error {
	c.asks(messages)
	return c.Conn.Write(messages...)
}

func (c *heardConn) Read() ([]byte, error) {
	data, err := c.Conn.Read()
	if err == nil {
		c.heard.Store(true)
		if wrong := c.gets(data); wrong != nil {
			c.round.fail("%w", wrong)
		}
	} else {
		c.end.Store(&err)
	}
	return data, err
}

// die keeps the user from ever dialling again, as the end of its process does.
// A connection that the hub has let in may stay. One with a resume that is still
// under way may not: of two that resume, the later one has the membership.
func (u *faultUser) die(cut bool) {
	u.mu.Lock()
	u.dead = true
	under := u.latest != nil && !u.latest.heard.Load()
	u.mu.Unlock()
	if cut || under {
		u.network.Cut()
	}
}
