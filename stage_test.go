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

// stage is one test's hub, and the places from which users reach it.
type stage struct {
	t    *testing.T
	hub  *lectern.Hub
	dial world
	// realTime: it is not in a bubble.
	realTime bool
}

func setStage(t *testing.T, n network, policy lectern.Policy) *stage {
	hub, err := lectern.NewHub(policy)
	require.NoError(t, err)
	s := &stage{t: t, hub: hub, dial: n.start(t, hub), realTime: n.realTime}
	// Cleanups run in reverse: users leave before the hub closes, and the hub
	// before the network.
	t.Cleanup(func() { require.NoError(t, hub.Close()) })
	return s
}

// everywhere runs a test that waits for nothing but events over each network,
// with the system's ones among them.
func everywhere(t *testing.T, policy lectern.Policy, test func(t *testing.T, s *stage)) {
	t.Helper()
	inVirtualTime(t, policy, test)
	for _, n := range onLoopback {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			test(t, setStage(t, n, policy))
		})
	}
}

// inVirtualTime runs a test in a bubble over each network in memory.
func inVirtualTime(t *testing.T, policy lectern.Policy, test func(t *testing.T, s *stage)) {
	t.Helper()
	overEach(t, inMemory, policy, test)
}

// overEach does so over some of them.
func overEach(t *testing.T, networks []network, policy lectern.Policy, test func(t *testing.T, s *stage)) {
	t.Helper()
	certificate()
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, setStage(t, n, policy)) })
		})
	}
}

// inBubble runs a test over memory only, where the transport makes no difference.
func inBubble(t *testing.T, policy lectern.Policy, test func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, setStage(t, inMemory[0], policy)) })
}

// user is somebody's client and the network between it and the hub.
type user struct {
	*lectern.Client
	t    *testing.T
	dial world

	mu     sync.Mutex
	plugs  []plug
	barred bool
}

var errBarred = errors.New("the network is down")

// user returns a new client, which comes back at once when it is cut off.
func (s *stage) user() *user {
	return s.userWith(lectern.ClientOptions{MinBackoff: time.Millisecond, MaxBackoff: 100 * time.Millisecond})
}

func (s *stage) userWith(options lectern.ClientOptions) *user {
	u := &user{t: s.t, dial: s.dial}
	u.Client = lectern.NewClient(firstUser{u}, options)
	s.t.Cleanup(func() { _ = u.Client.Close() })
	return u
}

// Dial makes a user the dialer of its own client.
func (u *user) Dial(ctx context.Context) (transport.Conn, error) {
	conn, _, err := u.connect(ctx, nil)
	return conn, err
}

func (u *user) connect(ctx context.Context, first []byte) (conn transport.Conn, sent bool, err error) {
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
type firstUser struct{ *user }

func (u firstUser) DialFirst(ctx context.Context, message []byte) (transport.Conn, bool, error) {
	return u.connect(ctx, message)
}

func (u *user) isBarred() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.barred
}

// bar keeps the user from dialling until it is let in again.
func (u *user) bar(barred bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.barred = barred
}

// plug is that of the user's latest connection.
func (u *user) plug() plug {
	u.mu.Lock()
	defer u.mu.Unlock()
	require.NotEmpty(u.t, u.plugs, "the user has never been connected")
	return u.plugs[len(u.plugs)-1]
}

// cutOff breaks the user's connection and keeps it from coming back.
func (u *user) cutOff() {
	u.bar(true)
	u.plug().Cut()
}

// patience bounds every wait for what must come. In a bubble it costs nothing.
const patience = time.Minute

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (u *user) create(channel, username string, options ...lectern.Option) *lectern.Master {
	u.t.Helper()
	master, err := u.Create(within(u.t), channel, username, options...)
	require.NoError(u.t, err)
	return master
}

func (u *user) join(channel, username string, options ...lectern.Option) *lectern.Slave {
	u.t.Helper()
	slave, err := u.Join(within(u.t), channel, username, options...)
	require.NoError(u.t, err)
	return slave
}

// handle is what a Master and a Slave have in common.
type handle interface {
	Events(ctx context.Context) iter.Seq2[lectern.Event, error]
	Done() <-chan struct{}
	Err() error
}

// next is the handle's next event.
func next(t *testing.T, h handle) lectern.Event {
	t.Helper()
	for event, err := range h.Events(within(t)) {
		require.NoError(t, err)
		return event
	}
	return nil
}

// nextPresence expects that the handle is told next of a member's state.
func nextPresence(t *testing.T, h handle, username string, state lectern.State) lectern.Presence {
	t.Helper()
	presence, ok := next(t, h).(lectern.Presence)
	require.True(t, ok, "not a presence")
	require.Equal(t, username, presence.Username)
	require.Equal(t, state, presence.State, "state: %v", presence.State)
	return presence
}

// nextText expects a message with that text next.
func nextText(t *testing.T, h handle, text string) lectern.Message {
	t.Helper()
	event := next(t, h)
	message, ok := event.(lectern.Message)
	require.True(t, ok, "instead of the message %q: %#v", text, event)
	require.Equal(t, text, message.Text())
	return message
}

// ended waits for the end of the handle and expects that reason.
func ended(t *testing.T, h handle, reason error) {
	t.Helper()
	select {
	case <-h.Done():
	case <-within(t).Done():
		require.Fail(t, "the handle has not ended")
	}
	require.ErrorIs(t, h.Err(), reason)
	require.ErrorIs(t, h.Err(), net.ErrClosed)
}

// nothingMore expects that nothing more happens at the handle before it ends
// with the reason.
func nothingMore(t *testing.T, h handle, reason error) {
	t.Helper()
	for event, err := range h.Events(within(t)) {
		require.Nil(t, event)
		require.ErrorIs(t, err, reason)
	}
}

func broadcast(t *testing.T, master *lectern.Master, text string) {
	t.Helper()
	_, err := master.Broadcast(within(t), lectern.Text(text))
	require.NoError(t, err)
}

func tell(t *testing.T, master *lectern.Master, to, text string) {
	t.Helper()
	_, err := master.Send(within(t), to, lectern.Text(text))
	require.NoError(t, err)
}

func say(t *testing.T, slave *lectern.Slave, text string) {
	t.Helper()
	_, err := slave.Send(within(t), lectern.Text(text))
	require.NoError(t, err)
}

// receive expects the texts as the slave's next messages.
func receive(t *testing.T, slave *lectern.Slave, texts ...string) {
	t.Helper()
	for _, text := range texts {
		message, err := slave.Receive(within(t))
		require.NoError(t, err, "instead of %q", text)
		require.Equal(t, text, message.Text())
	}
}
