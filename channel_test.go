package lectern_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// The seven rules, one test for each. A program that uses the library can test itself
// in the same way: over memory and in virtual time, so that 30 seconds pass at once.
// The folder test holds the same rules over every network, and all other tests.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRule1OnlyAMasterCreatesAChannel(t *testing.T) {
	onlyTeachers := lectern.Policy{Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		if r.Operation == lectern.OpCreate && r.Token != "teacher" {
			return lectern.Identity{}, lectern.ErrUnauthorized
		}
		return lectern.Identity{AsAsked: true}, nil
	}}
	withHub(t, onlyTeachers, func(ctx context.Context, t *testing.T, hub *lectern.Hub) {
		_, err := hub.Create(ctx, "abc123", "bob")
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		_, exists := hub.Channel("abc123")
		require.False(t, exists)

		_, err = hub.Create(ctx, "abc123", "alice", lectern.WithToken("teacher"))
		require.NoError(t, err)
		slave, err := hub.Join(ctx, "abc123", "bob")
		require.NoError(t, err)
		require.Equal(t, "alice", slave.Master().Username, "who creates it is its master")
	})
}

func TestRule2ASlaveJoinsOnlyWhatItsMasterHasCreated(t *testing.T) {
	withHub(t, lectern.Policy{}, func(ctx context.Context, t *testing.T, hub *lectern.Hub) {
		_, err := hub.Join(ctx, "abc123", "bob")
		require.ErrorIs(t, err, lectern.ErrNoSuchChannel)
		_, exists := hub.Channel("abc123")
		require.False(t, exists, "a join creates nothing")

		_, err = hub.Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		_, err = hub.Join(ctx, "abc123", "bob", lectern.WithMaster("mallory"))
		require.ErrorIs(t, err, lectern.ErrWrongMaster)
		_, err = hub.Join(ctx, "abc123", "bob", lectern.WithMaster("alice"))
		require.NoError(t, err)
	})
}

func TestRule3SlavesLeaveWhenTheirMasterIsAwayForLongerThanX(t *testing.T) {
	const x = 30 * time.Second
	for name, goAway := range map[string]func(t *testing.T, alice *line, master *lectern.Master){
		"its connection is lost": func(_ *testing.T, alice *line, _ *lectern.Master) { alice.cut() },
		"it says so itself": func(t *testing.T, _ *line, master *lectern.Master) {
			require.NoError(t, master.Away(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			withHub(t, lectern.Policy{MasterTimeout: x}, func(ctx context.Context, t *testing.T, hub *lectern.Hub) {
				alice := &line{hub: hub}
				client := lectern.NewClient(alice, lectern.ClientOptions{})
				defer client.Close()
				master, err := client.Create(ctx, "abc123", "alice")
				require.NoError(t, err)
				slave, err := hub.Join(ctx, "abc123", "bob")
				require.NoError(t, err)
				other, err := hub.Dial(ctx) // a slave that writes its frames by hand
				require.NoError(t, err)
				require.NoError(t, other.Write([]byte(`{"type":"join","ref":1,"channel":"abc123","username":"carol"}`)))
				synctest.Wait()

				began := time.Now()
				goAway(t, alice, master)
				time.Sleep(x - time.Nanosecond)
				require.NoError(t, slave.Err(), "not before X")
				<-slave.Done()
				require.Equal(t, x, time.Since(began), "at X")
				require.ErrorIs(t, slave.Err(), lectern.ErrMasterDown)

				for err == nil { // what it was told before
					_, err = other.Read()
				}
				var closed *transport.CloseError
				require.ErrorAs(t, err, &closed, "the connection is closed")
				require.Equal(t, transport.MasterDown, closed.Reason.Code)
				_, exists := hub.Channel("abc123")
				require.False(t, exists)
			})
		})
	}
}

func TestRule4ASlaveKnowsWhetherItsMasterIsConnected(t *testing.T) {
	withHub(t, lectern.Policy{}, func(ctx context.Context, t *testing.T, hub *lectern.Hub) {
		master, err := hub.Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		client := lectern.NewClient(hub, lectern.ClientOptions{})
		defer client.Close()
		is := func(state lectern.State) {
			t.Helper()
			status, err := client.Status(ctx, "abc123") // also for one who has not joined
			require.NoError(t, err)
			require.Equal(t, state, status.Master.State)
		}

		is(lectern.StateOnline)
		slave, err := client.Join(ctx, "abc123", "bob")
		require.NoError(t, err)
		require.Equal(t, lectern.StateOnline, slave.Master().State)

		require.NoError(t, master.Away(ctx))
		told := next[lectern.Presence](t, slave.Events(ctx))
		require.Equal(t, lectern.StateAway, told.State)
		require.Equal(t, time.Now().Add(slave.MasterTimeout()), told.Deadline, "and when the channel will end")
		require.Equal(t, told, slave.Master(), "which can be read at any time")
		is(lectern.StateAway)

		require.NoError(t, master.Back(ctx))
		require.Equal(t, lectern.StateOnline, next[lectern.Presence](t, slave.Events(ctx)).State)
		is(lectern.StateOnline)
	})
}

func TestRule5ASlaveSendsOnlyToItsMaster(t *testing.T) {
	withHub(t, lectern.Policy{}, func(ctx context.Context, t *testing.T, hub *lectern.Hub) {
		master, err := hub.Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		bob, err := hub.Join(ctx, "abc123", "bob")
		require.NoError(t, err)
		carol, err := hub.Join(ctx, "abc123", "carol")
		require.NoError(t, err)

		_, err = bob.Send(ctx, lectern.Text("for alice"))
		require.NoError(t, err)
		message := next[lectern.Message](t, master.Events(ctx))
		require.Equal(t, "for alice", message.Text())
		require.Equal(t, "bob", message.From)

		// A Slave has no method for it, so somebody writes the frames by hand.
		mallory, err := hub.Dial(ctx)
		require.NoError(t, err)
		say := func(frame string) (answer string) {
			require.NoError(t, mallory.Write([]byte(frame)))
			read, err := mallory.Read()
			require.NoError(t, err)
			return string(read)
		}
		require.Contains(t, say(`{"type":"join","ref":1,"channel":"abc123","username":"mallory"}`), `"type":"joined"`)
		require.Contains(t, say(`{"type":"send","ref":2,"channel":"abc123","to":"carol","text":"psst"}`), `"code":"forbidden"`)

		_, err = master.Broadcast(ctx, lectern.Text("the end"))
		require.NoError(t, err)
		message, err = carol.Receive(ctx)
		require.NoError(t, err)
		require.Equal(t, "the end", message.Text(), "the only message that she gets")
	})
}

func TestRule6AMasterSendsToOneOrToAllOfItsSlaves(t *testing.T) {
	withHub(t, lectern.Policy{}, func(ctx context.Context, t *testing.T, hub *lectern.Hub) {
		master, err := hub.Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		bob, err := hub.Join(ctx, "abc123", "bob")
		require.NoError(t, err)
		carol, err := hub.Join(ctx, "abc123", "carol")
		require.NoError(t, err)
		_, err = hub.Create(ctx, "another", "dave")
		require.NoError(t, err)
		_, err = hub.Join(ctx, "another", "erin")
		require.NoError(t, err)

		_, err = master.Send(ctx, "bob", lectern.Text("for you"))
		require.NoError(t, err)
		_, err = master.Broadcast(ctx, lectern.Text("for all"))
		require.NoError(t, err)
		_, err = master.Send(ctx, "erin", lectern.Text("psst"))
		require.ErrorIs(t, err, lectern.ErrNoSuchSlave, "erin is in another channel")

		message, err := bob.Receive(ctx)
		require.NoError(t, err)
		require.Equal(t, "for you", message.Text())
		require.True(t, message.Private)
		for _, slave := range []*lectern.Slave{bob, carol} {
			message, err = slave.Receive(ctx)
			require.NoError(t, err)
			require.Equal(t, "for all", message.Text())
			require.False(t, message.Private)
		}
	})
}

func TestRule7AChannelHasExactlyOneMaster(t *testing.T) {
	withHub(t, lectern.Policy{}, func(ctx context.Context, t *testing.T, hub *lectern.Hub) {
		master, err := hub.Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		_, err = hub.Create(ctx, "abc123", "mallory")
		require.ErrorIs(t, err, lectern.ErrChannelExists)
		require.NoError(t, master.Away(ctx))
		_, err = hub.Create(ctx, "abc123", "alice")
		require.ErrorIs(t, err, lectern.ErrChannelExists, "its place is kept while it is away")

		// Only the holder of the secret returns, and then the one before it is out.
		client := lectern.NewClient(hub, lectern.ClientOptions{})
		defer client.Close()
		forged := master.Ticket()
		forged.Secret = strings.Repeat("A", len(forged.Secret))
		_, err = client.ResumeMaster(ctx, forged)
		require.ErrorIs(t, err, lectern.ErrResumeFailed)
		again, err := client.ResumeMaster(ctx, master.Ticket())
		require.NoError(t, err)
		<-master.Done()
		require.ErrorIs(t, master.Err(), lectern.ErrReplaced)
		require.NoError(t, again.Err())
	})
}

// withHub runs a test with a hub in a bubble of virtual time.
func withHub(t *testing.T, policy lectern.Policy, test func(ctx context.Context, t *testing.T, hub *lectern.Hub)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(policy)
		require.NoError(t, err)
		defer hub.Close()
		test(t.Context(), t, hub)
	})
}

// next is the next event of that type. Others that come before it are left out.
func next[T lectern.Event](t *testing.T, events iter.Seq2[lectern.Event, error]) (event T) {
	t.Helper()
	for one, err := range events {
		require.NoError(t, err)
		if event, ok := one.(T); ok {
			return event
		}
	}
	return event
}

// line is a dialer by which a client reaches the hub, until it is cut.
type line struct {
	hub *lectern.Hub

	mu   sync.Mutex
	conn *memory.Conn
	down bool
}

func (l *line) Dial(ctx context.Context) (transport.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return nil, errors.New("the line is down")
	}
	conn, err := l.hub.Dial(ctx)
	if err != nil {
		return nil, err
	}
	l.conn = conn.(*memory.Conn)
	return conn, nil
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	l.conn.Cut()
}
