package handles

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// losingDialer is an alongDialer on whose connections the first message is lost that
// comes after a handshake with which a message went along.
type losingDialer struct {
	*alongDialer
	mu           sync.Mutex
	first, plain int // connections
}

func (d *losingDialer) count(n *int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*n++
}

// dials are the connections with a message along, and those without.
func (d *losingDialer) dials() (first, plain int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.first, d.plain
}

func (d *losingDialer) Dial(ctx context.Context) (transport.Conn, error) {
	d.count(&d.plain)
	return d.alongDialer.Dial(ctx)
}

func (d *losingDialer) DialFirst(ctx context.Context, message []byte) (transport.Conn, bool, error) {
	d.count(&d.first)
	conn, sent, err := d.alongDialer.DialFirst(ctx, message)
	return &losingConn{Conn: conn}, sent, err
}

type losingConn struct {
	transport.Conn
	lost bool
}

func (c *losingConn) Read() ([]byte, error) {
	if !c.lost {
		c.lost = true
		if _, err := c.Conn.Read(); err != nil {
			return nil, err
		}
	}
	return c.Conn.Read()
}

// losing plays with a client whose first answer is lost, of a hub that has the channel
// abc123.
func losing(t *testing.T, policy lectern.Policy, play func(t *testing.T, d *losingDialer, client *lectern.Client, master *lectern.Master)) {
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		master, err := s.Hub.Create(stage.Within(t), "abc123", "alice")
		require.NoError(t, err)
		d := &losingDialer{alongDialer: &alongDialer{hub: s.Hub}}
		client := lectern.NewClient(d, lectern.ClientOptions{})
		defer func() { require.NoError(t, client.Close()) }()
		play(t, d, client, master)
	})
}

// within is how soon a call comes to its end whose first answer is lost.
const within = 7 * time.Second

// Where what comes with the answer to the handshake is lost, the client connects anew,
// plainly, and what the lost answer was about is not in its way.
func TestFirstAnswerIsLost(t *testing.T) {
	for name, call := range map[string]func(t *testing.T, c *lectern.Client) error{
		"create": func(t *testing.T, c *lectern.Client) error {
			_, err := c.Create(stage.Within(t), "xyz", "bob")
			return err
		},
		"join": func(t *testing.T, c *lectern.Client) error {
			_, err := c.Join(stage.Within(t), "abc123", "bob")
			return err
		},
		"status": func(t *testing.T, c *lectern.Client) error {
			_, err := c.Status(stage.Within(t), "abc123")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			losing(t, lectern.Policy{}, func(t *testing.T, d *losingDialer, client *lectern.Client, master *lectern.Master) {
				start := time.Now()
				require.NoError(t, call(t, client))
				require.Less(t, time.Since(start), within)
				first, plain := d.dials()
				require.Equal(t, []int{1, 1}, []int{first, plain})
				time.Sleep(time.Minute)
				members := master.Members()
				if name == "join" {
					require.Len(t, members, 1)
					require.Equal(t, lectern.StateOnline, members[0].State)
				} else {
					require.Empty(t, members)
				}
			})
		})
	}
}

// It stays with plain connections.
func TestFirstAnswerIsLostOnce(t *testing.T) {
	losing(t, lectern.Policy{}, func(t *testing.T, d *losingDialer, client *lectern.Client, _ *lectern.Master) {
		for range 3 {
			slave, err := client.Join(stage.Within(t), "abc123", "bob")
			require.NoError(t, err)
			require.NoError(t, slave.Leave())
			d.lose()
			synctest.Wait()
			time.Sleep(time.Minute)
		}
		first, plain := d.dials()
		require.Equal(t, 1, first)
		require.Equal(t, 3, plain)
	})
}

// What else was asked on the connection goes on.
func TestFirstAnswerIsLostBesideOthers(t *testing.T) {
	losing(t, lectern.Policy{}, func(t *testing.T, d *losingDialer, client *lectern.Client, _ *lectern.Master) {
		dialled := make(chan struct{})
		d.before = func(context.Context) error { <-dialled; return nil }
		created := make(chan error, 1)
		go func() { _, err := client.Create(stage.Within(t), "first", "bob"); created <- err }()
		synctest.Wait()
		joined := make(chan *lectern.Slave, 1)
		go func() {
			slave, err := client.Join(stage.Within(t), "abc123", "bob")
			require.NoError(t, err)
			joined <- slave
		}()
		synctest.Wait()
		close(dialled)
		slave := <-joined
		require.NoError(t, <-created)
		time.Sleep(time.Minute)
		require.NoError(t, slave.Err())
		require.Equal(t, lectern.StateOnline, slave.Master().State)
		_, err := slave.Send(stage.Within(t), lectern.Text("still here"))
		require.NoError(t, err)
	})
}

// A service that takes its time to authorize is not given up without need, and where
// it is, what it has let in later is left.
func TestFirstAnswerTakesItsTime(t *testing.T) {
	for _, test := range []struct {
		takes        time.Duration
		first, plain int
	}{{4 * time.Second, 1, 0}, {9 * time.Second, 1, 1}} {
		var asked atomic.Int64
		policy := lectern.Policy{HandshakeTimeout: time.Minute, Authorize: func(_ context.Context, request lectern.AuthRequest) (lectern.Identity, error) {
			if request.Channel == "xyz" {
				asked.Add(1)
				time.Sleep(test.takes)
			}
			return lectern.Identity{AsAsked: true}, nil
		}}
		stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
			d := &losingDialer{alongDialer: &alongDialer{hub: s.Hub}}
			client := lectern.NewClient(keepingDialer{d}, lectern.ClientOptions{})
			defer func() { require.NoError(t, client.Close()) }()
			master, err := client.Create(stage.Within(t), "xyz", "bob")
			require.NoError(t, err)
			first, plain := d.dials()
			require.Equal(t, []int{test.first, test.plain}, []int{first, plain})
			require.EqualValues(t, first+plain, asked.Load())
			time.Sleep(time.Minute)
			require.NoError(t, master.Err())
			_, err = client.Join(stage.Within(t), "xyz", "carol")
			require.Error(t, err, "the client is in the channel")
		})
	}
}

// keepingDialer loses nothing.
type keepingDialer struct{ *losingDialer }

func (d keepingDialer) DialFirst(ctx context.Context, message []byte) (transport.Conn, bool, error) {
	conn, sent, err := d.losingDialer.DialFirst(ctx, message)
	if losing, ok := conn.(*losingConn); ok {
		losing.lost = true
	}
	return conn, sent, err
}

// What was entered by a call that nobody waits for any more does not stay.
func TestFirstAnswerIsLostAndGivenUp(t *testing.T) {
	losing(t, lectern.Policy{}, func(t *testing.T, d *losingDialer, client *lectern.Client, master *lectern.Master) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.Join(ctx, "abc123", "bob")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Len(t, master.Members(), 1)
		time.Sleep(within)
		require.Empty(t, master.Members())
		_, err = client.Join(stage.Within(t), "abc123", "bob")
		require.NoError(t, err)
	})
	// The same, and others go on where it was made.
	losing(t, lectern.Policy{}, func(t *testing.T, d *losingDialer, client *lectern.Client, master *lectern.Master) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.Join(ctx, "abc123", "bob")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		other, err := client.Create(stage.Within(t), "xyz", "bob")
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.Empty(t, master.Members())
		require.NoError(t, other.Err())
		first, plain := d.dials()
		require.Equal(t, []int{1, 0}, []int{first, plain})
	})
	// The same, and it is wanted again at once.
	losing(t, lectern.Policy{}, func(t *testing.T, d *losingDialer, client *lectern.Client, master *lectern.Master) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.Join(ctx, "abc123", "bob")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		slave, err := client.Join(stage.Within(t), "abc123", "bob")
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.NoError(t, slave.Err())
		require.Len(t, master.Members(), 1)
		require.Equal(t, lectern.StateOnline, master.Members()[0].State)
	})
}

// A client that is closed meanwhile does not wait for the answer.
func TestFirstAnswerIsLostAndTheClientIsClosed(t *testing.T) {
	losing(t, lectern.Policy{}, func(t *testing.T, d *losingDialer, client *lectern.Client, master *lectern.Master) {
		joined := make(chan error, 1)
		go func() { _, err := client.Join(stage.Within(t), "abc123", "bob"); joined <- err }()
		synctest.Wait()
		start := time.Now()
		require.NoError(t, client.Close())
		require.Zero(t, time.Since(start))
		require.Error(t, <-joined)
		synctest.Wait()
		require.Empty(t, master.Members())
	})
}

// tokenDialer is an alongDialer that may or may not send tokens along.
type tokenDialer struct {
	*alongDialer
	may bool
}

func (d tokenDialer) FirstMayHoldToken() bool { return d.may }

// A token goes along only where that is asked for: what makes connections is logged.
func TestTokenGoesAlongWhereAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		dialer func(*alongDialer) transport.Dialer
		along  bool
	}{
		"not known":  {func(d *alongDialer) transport.Dialer { return d }, false},
		"not wanted": {func(d *alongDialer) transport.Dialer { return tokenDialer{d, false} }, false},
		"wanted":     {func(d *alongDialer) transport.Dialer { return tokenDialer{d, true} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			along(t, func(t *testing.T, d *alongDialer, _ *lectern.Client, _ *lectern.Master) {
				client := lectern.NewClient(c.dialer(d), lectern.ClientOptions{})
				defer func() { require.NoError(t, client.Close()) }()
				_, err := client.Join(stage.Within(t), "abc123", "bob", lectern.WithToken("secret"))
				require.NoError(t, err)
				along, written := d.sent()
				if c.along {
					along, written = written, along
				}
				require.Empty(t, along)
				require.Equal(t, []wire.Type{wire.Join}, written)
			})
		})
	}
}
