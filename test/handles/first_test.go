package handles

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// alongDialer is a dialer to a hub in this process that sends the first message
// along, unless it is told not to. It keeps what was written on its connections.
type alongDialer struct {
	hub    *lectern.Hub
	refuse bool                            // the message is left to the client
	before func(ctx context.Context) error // what dialling takes, once the hub has the message

	mu      sync.Mutex
	along   []wire.Type
	written []wire.Type
	latest  *memory.Conn
}

func (d *alongDialer) Dial(ctx context.Context) (transport.Conn, error) {
	conn, err := d.hub.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return d.watch(conn), nil
}

func (d *alongDialer) watch(conn transport.Conn) transport.Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.latest = conn.(*memory.Conn)
	return alongConn{conn, d}
}

// lose breaks the connection.
func (d *alongDialer) lose() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.latest.Cut()
}

func (d *alongDialer) DialFirst(ctx context.Context, message []byte) (transport.Conn, bool, error) {
	conn, err := d.hub.Dial(ctx)
	if err != nil {
		return nil, false, err
	}
	d.note(&d.along, message)
	if !d.refuse {
		err = conn.Write(message)
	}
	if err == nil && d.before != nil {
		err = d.before(ctx)
	}
	if err != nil {
		_ = conn.Close(transport.Reason{Code: transport.Idle})
		return nil, false, err
	}
	return d.watch(conn), !d.refuse, nil
}

func (d *alongDialer) note(list *[]wire.Type, messages ...[]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, message := range messages {
		*list = append(*list, wire.Type(message[0]))
	}
}

// sent takes the types of the frames that went along and that were written.
func (d *alongDialer) sent() (along, written []wire.Type) {
	d.mu.Lock()
	defer d.mu.Unlock()
	along, written = d.along, d.written
	// The ping by which a client confirms that it has a membership comes when it comes.
	written = slices.DeleteFunc(written, func(sent wire.Type) bool { return sent == wire.Ping })
	if len(written) == 0 {
		written = nil
	}
	d.along, d.written = nil, nil
	return along, written
}

type alongConn struct {
	transport.Conn
	dialer *alongDialer
}

func (c alongConn) Write(messages ...[]byte) error {
	c.dialer.note(&c.dialer.written, messages...)
	return c.Conn.Write(messages...)
}

// along plays with a client of a hub that has the channel abc123.
func along(t *testing.T, play func(t *testing.T, d *alongDialer, client *lectern.Client, master *lectern.Master)) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, err := s.Hub.Create(stage.Within(t), "abc123", "alice")
		require.NoError(t, err)
		d := &alongDialer{hub: s.Hub}
		client := lectern.NewClient(d, lectern.ClientOptions{})
		defer func() { require.NoError(t, client.Close()) }()
		play(t, d, client, master)
	})
}

// What a new client asks for goes along with its connection, and is not sent again.
func TestFirstCallGoesAlong(t *testing.T) {
	for name, enter := range map[wire.Type]func(t *testing.T, c *lectern.Client) error{
		wire.Create: func(t *testing.T, c *lectern.Client) error {
			_, err := c.Create(stage.Within(t), "xyz", "bob")
			return err
		},
		wire.Join: func(t *testing.T, c *lectern.Client) error {
			_, err := c.Join(stage.Within(t), "abc123", "bob")
			return err
		},
		wire.Status: func(t *testing.T, c *lectern.Client) error { _, err := c.Status(stage.Within(t), "abc123"); return err },
	} {
		t.Run(name.String(), func(t *testing.T) {
			along(t, func(t *testing.T, d *alongDialer, client *lectern.Client, _ *lectern.Master) {
				require.NoError(t, enter(t, client))
				along, written := d.sent()
				require.Equal(t, []wire.Type{name}, along)
				require.Empty(t, written)
			})
		})
	}
}

// A dialer that cannot send it leaves it to the client.
func TestFirstCallIsLeftBehind(t *testing.T) {
	along(t, func(t *testing.T, d *alongDialer, client *lectern.Client, _ *lectern.Master) {
		d.refuse = true
		_, err := client.Join(stage.Within(t), "abc123", "bob")
		require.NoError(t, err)
		along, written := d.sent()
		require.Equal(t, []wire.Type{wire.Join}, along)
		require.Equal(t, []wire.Type{wire.Join}, written)
	})
}

// The others come behind it.
func TestCallsBehindTheFirst(t *testing.T) {
	along(t, func(t *testing.T, d *alongDialer, client *lectern.Client, _ *lectern.Master) {
		dialled := make(chan struct{})
		d.before = func(context.Context) error { <-dialled; return nil }
		joined, asked := make(chan error, 1), make(chan error, 1)
		go func() { _, err := client.Join(stage.Within(t), "abc123", "bob"); joined <- err }()
		synctest.Wait()
		go func() { _, err := client.Status(stage.Within(t), "abc123"); asked <- err }()
		synctest.Wait()
		close(dialled)
		require.NoError(t, <-joined)
		require.NoError(t, <-asked)
		along, written := d.sent()
		require.Equal(t, []wire.Type{wire.Join}, along)
		require.Equal(t, []wire.Type{wire.Status}, written)
	})
}

// Neither a resume by a ticket goes along, nor that of a membership: both carry a
// secret. Nor does a call where there are memberships, which come first.
func TestNoSecretGoesAlong(t *testing.T) {
	along(t, func(t *testing.T, d *alongDialer, client *lectern.Client, _ *lectern.Master) {
		other := lectern.NewClient(&alongDialer{hub: d.hub}, lectern.ClientOptions{})
		defer func() { require.NoError(t, other.Close()) }()
		slave, err := other.Join(stage.Within(t), "abc123", "bob")
		require.NoError(t, err)
		_, err = client.ResumeSlave(stage.Within(t), slave.Ticket())
		require.NoError(t, err)
		along, written := d.sent()
		require.Empty(t, along)
		require.Equal(t, []wire.Type{wire.Resume}, written)

		d.lose()
		synctest.Wait()
		_, err = client.Status(stage.Within(t), "abc123")
		require.NoError(t, err)
		along, written = d.sent()
		require.Empty(t, along)
		require.Equal(t, []wire.Type{wire.Resume, wire.Status}, written)
	})
}

// A call that is given up while the connection is being made does not stay.
func TestFirstCallGivenUp(t *testing.T) {
	along(t, func(t *testing.T, d *alongDialer, client *lectern.Client, master *lectern.Master) {
		dialled := make(chan struct{})
		d.before = func(context.Context) error { <-dialled; return nil }
		ctx, cancel := context.WithCancel(t.Context())
		joined := make(chan error, 1)
		go func() { _, err := client.Join(ctx, "abc123", "bob"); joined <- err }()
		synctest.Wait()
		require.Len(t, master.Members(), 1, "the hub has it")
		cancel()
		require.ErrorIs(t, <-joined, context.Canceled)
		close(dialled)
		synctest.Wait()
		require.Empty(t, master.Members())
	})
}

// A call that is given up while the connection is made is not in the way of the next.
func TestCallAfterTheFirstIsGivenUp(t *testing.T) {
	create := func(ctx context.Context, c *lectern.Client) error { _, err := c.Create(ctx, "xyz", "bob"); return err }
	join := func(username string) func(ctx context.Context, c *lectern.Client) error {
		return func(ctx context.Context, c *lectern.Client) error {
			_, err := c.Join(ctx, "abc123", username)
			return err
		}
	}
	for _, test := range []struct {
		name          string
		first, second func(ctx context.Context, c *lectern.Client) error
	}{
		{"create", create, create},
		{"join", join("bob"), join("bob")},
		{"join under another name", join("bob"), join("carol")},
		{"a join that is refused", join("alice"), join("carol")},
		{"another channel", create, join("bob")},
	} {
		t.Run(test.name, func(t *testing.T) {
			along(t, func(t *testing.T, d *alongDialer, client *lectern.Client, master *lectern.Master) {
				dialled := make(chan struct{})
				d.before = func(context.Context) error { <-dialled; return nil }
				ctx, cancel := context.WithCancel(t.Context())
				first, second := make(chan error, 1), make(chan error, 1)
				go func() { first <- test.first(ctx, client) }()
				synctest.Wait()
				cancel()
				require.ErrorIs(t, <-first, context.Canceled)
				go func() { second <- test.second(stage.Within(t), client) }()
				synctest.Wait()
				close(dialled)
				require.NoError(t, <-second)
				time.Sleep(time.Minute)
				status, err := client.Status(stage.Within(t), "xyz")
				require.NoError(t, err)
				require.Equal(t, test.name == "create", status.Exists)
				if !status.Exists {
					require.Len(t, master.Members(), 1)
				}
			})
		})
	}
}

// Nobody knows whether the hub has it where the dialling fails: the call fails.
func TestFirstCallWhereDiallingFails(t *testing.T) {
	along(t, func(t *testing.T, d *alongDialer, client *lectern.Client, _ *lectern.Master) {
		lost := errors.New("lost on the way")
		d.before = func(context.Context) error { return lost }
		_, err := client.Join(stage.Within(t), "abc123", "bob")
		require.ErrorIs(t, err, lost)
		require.ErrorContains(t, err, "no answer to join")
	})
}

// A client that is closed while the connection is made leaves on it, and waits for
// that no longer than a second.
func TestFirstCallOfAClientThatIsClosed(t *testing.T) {
	for _, test := range []struct {
		name           string
		dialling, wait time.Duration
	}{
		{"in time", 900 * time.Millisecond, 900 * time.Millisecond},
		{"too late", time.Hour, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			along(t, func(t *testing.T, d *alongDialer, client *lectern.Client, master *lectern.Master) {
				d.before = func(ctx context.Context) error {
					timer := time.NewTimer(test.dialling)
					defer timer.Stop()
					select {
					case <-timer.C:
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				joined := make(chan error, 1)
				go func() { _, err := client.Join(stage.Within(t), "abc123", "bob"); joined <- err }()
				synctest.Wait()
				require.Len(t, master.Members(), 1)
				start := time.Now()
				require.NoError(t, client.Close())
				require.Equal(t, test.wait, time.Since(start))
				require.ErrorIs(t, <-joined, net.ErrClosed)
				synctest.Wait()
				if test.dialling == test.wait {
					require.Empty(t, master.Members())
				} else {
					require.Equal(t, lectern.StateAway, master.Members()[0].State, "nobody could tell the hub")
				}
			})
		})
	}
}
