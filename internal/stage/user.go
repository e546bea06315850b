package stage

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// User is a client, and the network between it and the hub. mu guards plugs and barred.
type User struct {
	*lectern.Client
	t    *testing.T
	dial DialFunc

	mu     sync.Mutex
	plugs  []Plug
	barred bool
}

var errBarred = errors.New("the network is down")

// User returns a new client, which connects again at once when its connection is cut.
func (s *Stage) User() *User {
	return s.UserWith(lectern.ClientOptions{MinBackoff: time.Millisecond, MaxBackoff: 100 * time.Millisecond})
}

// UserWith returns a new client with these options.
func (s *Stage) UserWith(options lectern.ClientOptions) *User {
	u := &User{t: s.T, dial: s.Dial}
	u.Client = lectern.NewClient(firstUser{u}, options)
	s.T.Cleanup(func() { _ = u.Client.Close() })
	return u
}

// Dial makes a connection. It makes a User the dialer of its own client.
func (u *User) Dial(ctx context.Context) (transport.Conn, error) {
	conn, _, err := u.connect(ctx, nil)
	return conn, err
}

func (u *User) connect(ctx context.Context, first []byte) (conn transport.Conn, sent bool, err error) {
	if u.isBarred() {
		return nil, false, errBarred
	}
	conn, plug, sent, err := u.dial(ctx, first)
	if err != nil {
		return nil, false, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.plugs = append(u.plugs, plug)
	return conn, sent, nil
}

// firstUser is a User whose client sends its first message with the handshake, where the
// transport can do that. It is not a part of User, because other types override the Dial
// of User.
type firstUser struct{ *User }

// DialFirst makes a connection, and sends the message with the handshake.
func (u firstUser) DialFirst(ctx context.Context, message []byte) (transport.Conn, bool, error) {
	return u.connect(ctx, message)
}

func (u *User) isBarred() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.barred
}

// Bar makes the user's dials fail, or with false lets them succeed again.
func (u *User) Bar(barred bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.barred = barred
}

// Plug returns the plug of the user's latest connection.
func (u *User) Plug() Plug {
	u.mu.Lock()
	defer u.mu.Unlock()
	require.NotEmpty(u.t, u.plugs, "the user has never been connected")
	return u.plugs[len(u.plugs)-1]
}

// CutOff breaks the user's connection and keeps the user from connecting again.
func (u *User) CutOff() {
	u.Bar(true)
	u.Plug().Cut()
}

// Creates is Create, which must succeed.
func (u *User) Creates(channel, username string, options ...lectern.CreateOption) *lectern.Master {
	u.t.Helper()
	master, err := u.Create(Within(u.t), channel, username, options...)
	require.NoError(u.t, err)
	return master
}

// Joins is Join, which must succeed.
func (u *User) Joins(channel, username string, options ...lectern.JoinOption) *lectern.Slave {
	u.t.Helper()
	slave, err := u.Join(Within(u.t), channel, username, options...)
	require.NoError(u.t, err)
	return slave
}
