package lectern_test

import (
	"context"
	"errors"
	"iter"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// Stage is one test's hub, and the places from which users reach it.
type Stage struct {
	T    *testing.T
	Hub  *lectern.Hub
	Dial World
	// realTime: it is not in a bubble.
	RealTime bool
}

func New(t *testing.T, n Network, policy lectern.Policy) *Stage {
	hub, err := lectern.NewHub(policy)
	require.NoError(t, err)
	s := &Stage{T: t, Hub: hub, Dial: n.start(t, hub), RealTime: n.realTime}
	// Cleanups run in reverse: users leave before the hub closes, and the hub
	// before the network.
	t.Cleanup(func() { require.NoError(t, hub.Close()) })
	return s
}

// Everywhere runs a test that waits for nothing but events over each network,
// with the system's ones among them.
func Everywhere(t *testing.T, policy lectern.Policy, test func(t *testing.T, s *Stage)) {
	t.Helper()
	InVirtualTime(t, policy, test)
	for _, n := range OnLoopback {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			test(t, New(t, n, policy))
		})
	}
}

// InVirtualTime runs a test in a bubble over each network in memory.
func InVirtualTime(t *testing.T, policy lectern.Policy, test func(t *testing.T, s *Stage)) {
	t.Helper()
	OverEach(t, InMemory, policy, test)
}

// OverEach does so over some of them.
func OverEach(t *testing.T, networks []Network, policy lectern.Policy, test func(t *testing.T, s *Stage)) {
	t.Helper()
	Certificate()
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, New(t, n, policy)) })
		})
	}
}

// InBubble runs a test over memory only, where the transport makes no difference.
func InBubble(t *testing.T, policy lectern.Policy, test func(t *testing.T, s *Stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, New(t, InMemory[0], policy)) })
}

// User is somebody's client and the network between it and the hub.
type User struct {
	*lectern.Client
	t    *testing.T
	dial World

	mu     sync.Mutex
	plugs  []Plug
	barred bool
}

var errBarred = errors.New("the network is down")

// User returns a new client, which comes back at once when it is cut off.
func (s *Stage) User() *User {
	return s.UserWith(lectern.ClientOptions{MinBackoff: time.Millisecond, MaxBackoff: 100 * time.Millisecond})
}

func (s *Stage) UserWith(options lectern.ClientOptions) *User {
	u := &User{t: s.T, dial: s.Dial}
	u.Client = lectern.NewClient(firstUser{u}, options)
	s.T.Cleanup(func() { _ = u.Client.Close() })
	return u
}

// Dial makes a user the dialer of its own client.
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

// firstUser is a user whose client sends its first message along where the transport
// can. It is apart from user, whose Dial others override.
type firstUser struct{ *User }

func (u firstUser) DialFirst(ctx context.Context, message []byte) (transport.Conn, bool, error) {
	return u.connect(ctx, message)
}

func (u *User) isBarred() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.barred
}

// Bar keeps the user from dialling until it is let in again.
func (u *User) Bar(barred bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.barred = barred
}

// Plug is that of the user's latest connection.
func (u *User) Plug() Plug {
	u.mu.Lock()
	defer u.mu.Unlock()
	require.NotEmpty(u.t, u.plugs, "the user has never been connected")
	return u.plugs[len(u.plugs)-1]
}

// CutOff breaks the user's connection and keeps it from coming back.
func (u *User) CutOff() {
	u.Bar(true)
	u.Plug().Cut()
}

// patience bounds every wait for what must come. In a bubble it costs nothing.
const patience = time.Minute

func Within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (u *User) Creates(channel, username string, options ...lectern.Option) *lectern.Master {
	u.t.Helper()
	master, err := u.Create(Within(u.t), channel, username, options...)
	require.NoError(u.t, err)
	return master
}

func (u *User) Joins(channel, username string, options ...lectern.Option) *lectern.Slave {
	u.t.Helper()
	slave, err := u.Join(Within(u.t), channel, username, options...)
	require.NoError(u.t, err)
	return slave
}

// Handle is what a Master and a Slave have in common.
type Handle interface {
	Events(ctx context.Context) iter.Seq2[lectern.Event, error]
	Done() <-chan struct{}
	Err() error
}

// Next is the handle's next event.
func Next(t *testing.T, h Handle) lectern.Event {
	t.Helper()
	for event, err := range h.Events(Within(t)) {
		require.NoError(t, err)
		return event
	}
	return nil
}

// NextPresence expects that the handle is told next of a member's state.
func NextPresence(t *testing.T, h Handle, username string, state lectern.State) lectern.Presence {
	t.Helper()
	presence, ok := Next(t, h).(lectern.Presence)
	require.True(t, ok, "not a presence")
	require.Equal(t, username, presence.Username)
	require.Equal(t, state, presence.State, "state: %v", presence.State)
	return presence
}

// NextText expects a message with that text next.
func NextText(t *testing.T, h Handle, text string) lectern.Message {
	t.Helper()
	event := Next(t, h)
	message, ok := event.(lectern.Message)
	require.True(t, ok, "instead of the message %q: %#v", text, event)
	require.Equal(t, text, message.Text())
	return message
}

// Ended waits for the end of the handle and expects that reason.
func Ended(t *testing.T, h Handle, reason error) {
	t.Helper()
	select {
	case <-h.Done():
	case <-Within(t).Done():
		require.Fail(t, "the handle has not ended")
	}
	require.ErrorIs(t, h.Err(), reason)
	require.ErrorIs(t, h.Err(), net.ErrClosed)
}

// NothingMore expects that nothing more happens at the handle before it ends
// with the reason.
func NothingMore(t *testing.T, h Handle, reason error) {
	t.Helper()
	for event, err := range h.Events(Within(t)) {
		require.Nil(t, event)
		require.ErrorIs(t, err, reason)
	}
}

func Broadcast(t *testing.T, master *lectern.Master, text string) {
	t.Helper()
	_, err := master.Broadcast(Within(t), lectern.Text(text))
	require.NoError(t, err)
}

func Tell(t *testing.T, master *lectern.Master, to, text string) {
	t.Helper()
	_, err := master.Send(Within(t), to, lectern.Text(text))
	require.NoError(t, err)
}

func Say(t *testing.T, slave *lectern.Slave, text string) {
	t.Helper()
	_, err := slave.Send(Within(t), lectern.Text(text))
	require.NoError(t, err)
}

// Receive expects the texts as the slave's next messages.
func Receive(t *testing.T, slave *lectern.Slave, texts ...string) {
	t.Helper()
	for _, text := range texts {
		message, err := slave.Receive(Within(t))
		require.NoError(t, err, "instead of %q", text)
		require.Equal(t, text, message.Text())
	}
}
