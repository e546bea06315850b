package restart

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// keeper is a service that lets everybody in for a while, and keeps what it was asked.
type keeper struct {
	mu      sync.Mutex
	lease   time.Duration
	refuses string
	data    []byte
	asked   []string
}

func (k *keeper) authorize(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, string(r.Operation)+" "+r.Username+" "+string(r.Data))
	if r.Username == k.refuses {
		return lectern.Identity{}, lectern.ErrUnauthorized
	}
	who := lectern.Identity{AsAsked: true, TakeOver: r.Token == "mine", Data: k.data}
	if k.data == nil {
		who.Data = []byte("data of " + r.Username)
	}
	if k.lease > 0 {
		who.Expires = time.Now().Add(k.lease)
	}
	return who, nil
}

func (k *keeper) lets(lease time.Duration, refuses string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lease, k.refuses, k.asked = lease, refuses, nil
}

func (k *keeper) wasAsked() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.asked
}

// The service is asked by the new hub as by the former one, and shown what it has said of the
// member; who is not let back is out.
func TestTheServiceIsAskedByTheNewHub(t *testing.T) {
	k := &keeper{}
	policy := lectern.Policy{Authorize: k.authorize, Reauthorize: []lectern.Operation{lectern.OpResume}}
	inBubble(t, policy, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		one, err := a.client().Join(ctx, "abc123", "user_one")
		require.NoError(t, err)
		two, err := a.client().Join(ctx, "abc123", "user_two")
		require.NoError(t, err)
		state := a.stops(time.Second)
		k.lets(0, "user_one")
		a.starts(state)
		channel, ok := a.hub.Channel("abc123")
		require.True(t, ok)
		shot, _ := channel.Snapshot()
		require.Equal(t, "data of alice", string(shot.Master.Data))
		require.Equal(t, "data of user_two", string(shot.Slaves[1].Data))
		<-one.Done()
		require.ErrorIs(t, one.Err(), lectern.ErrRevoked)
		stage.Broadcast(t, master, "after")
		stage.Receive(t, two, "after")
		require.Subset(t, k.wasAsked(), []string{"resume alice data of alice", "resume user_one data of user_one", "resume user_two data of user_two"})

		next, err := a.client().Join(ctx, "abc123", "user_two", lectern.WithToken("mine"))
		require.NoError(t, err)
		<-two.Done()
		require.ErrorIs(t, two.Err(), lectern.ErrReplaced)
		a.starts(a.stops(time.Second))
		stage.Receive(t, next, "after")
		stage.Broadcast(t, master, "at last")
		stage.Receive(t, next, "at last")
	})
}

// What is granted expires by the clock: while there is no hub, too.
func TestGrantsExpireOverAStop(t *testing.T) {
	k := &keeper{lease: 5 * time.Second}
	inBubble(t, lectern.Policy{Authorize: k.authorize}, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		one, err := a.client().Join(ctx, "abc123", "user_one")
		require.NoError(t, err)
		state := a.stops(time.Second)
		time.Sleep(2 * time.Second)
		a.starts(state)
		synctest.Wait()
		time.Sleep(time.Second)
		require.NoError(t, one.Err())
		state = a.stops(time.Second)
		time.Sleep(3 * time.Second)
		k.lets(time.Hour, "")
		a.starts(state)
		<-one.Done()
		require.ErrorIs(t, one.Err(), lectern.ErrResumeFailed, "it has expired meanwhile")
		stage.Broadcast(t, master, "the master has come back with another grant")
		require.Equal(t, []string{"resume alice data of alice"}, k.wasAsked())
	})
}

// What the service keeps with a member may be large.
func TestLargeDataOfTheService(t *testing.T) {
	k := &keeper{data: []byte(strings.Repeat("x", 3<<20))}
	inBubble(t, lectern.Policy{Authorize: k.authorize}, func(t *testing.T, a *address) {
		_, err := a.client().Create(t.Context(), "abc123", "alice")
		require.NoError(t, err)
		a.starts(a.stops(time.Second))
		channel, _ := a.hub.Channel("abc123")
		shot, ok := channel.Snapshot()
		require.True(t, ok)
		require.Equal(t, k.data, shot.Master.Data)
	})
}

// A membership stays with the client that has taken it over, and the one it was taken from
// does not get it back.
func TestOneHolderOverAStop(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		one, err := a.client().Join(ctx, "abc123", "user_one")
		require.NoError(t, err)
		ticket := one.Ticket()
		next, err := a.client().ResumeSlave(ctx, ticket)
		require.NoError(t, err)
		stage.Say(t, next, "hello")
		a.starts(a.stops(time.Second))
		_, err = a.client().ResumeSlave(ctx, ticket)
		require.ErrorIs(t, err, lectern.ErrReplaced)
		third, err := a.client().ResumeSlave(ctx, next.Ticket())
		require.NoError(t, err)
		<-next.Done()
		require.ErrorIs(t, next.Err(), lectern.ErrReplaced)
		stage.Broadcast(t, master, "for the third")
		stage.Receive(t, third, "for the third")
	})
}

// One connection with several memberships comes back with all of them.
func TestSeveralChannelsOverOneConnection(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		ctx := t.Context()
		masters, slaves := a.client(), a.client()
		for round := range 3 {
			for _, name := range []string{"a", "b", "c"} {
				if round == 0 {
					_, err := masters.Create(ctx, name, "alice")
					require.NoError(t, err)
					_, err = slaves.Join(ctx, name, "user_one")
					require.NoError(t, err)
				}
				channel, ok := a.hub.Channel(name)
				require.True(t, ok)
				shot, _ := channel.Snapshot()
				require.Equal(t, lectern.StateOnline, shot.Master.State)
				require.Equal(t, lectern.StateOnline, shot.Slaves[0].State)
			}
			a.starts(a.stops(time.Second))
			time.Sleep(3 * time.Second)
		}
	})
}
