package resume

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// A client that is detached ends, and what it held is away, until others resume it with the
// tickets. Nothing is lost that was not taken, and nothing comes twice.
func TestDetach(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		master := alice.Creates("second", "alice")
		other := s.User().Creates("first", "bob")
		slave := alice.Joins("first", "alice")
		one := s.User().Joins("second", "user_one")
		stage.NextPresence(t, other, "alice", lectern.StateOnline)
		stage.Broadcast(t, other, "taken")
		stage.Broadcast(t, other, "not taken")
		stage.Receive(t, slave, "taken")
		synctest.Wait()

		tickets, err := alice.Detach(stage.Within(t))
		require.NoError(t, err)
		require.Len(t, tickets, 2)
		require.Equal(t, []string{"first", "second"}, []string{tickets[0].Channel, tickets[1].Channel})
		require.Equal(t, []bool{false, true}, []bool{tickets[0].Master, tickets[1].Master})
		stage.Ended(t, master, lectern.ErrDetached)
		stage.Ended(t, slave, lectern.ErrDetached)
		require.NotErrorIs(t, slave.Err(), lectern.ErrLeft)
		stage.NextPresence(t, other, "alice", lectern.StateAway)
		stage.NextPresence(t, one, "alice", lectern.StateAway)

		// They are kept as JSON.
		kept, err := json.Marshal(tickets)
		require.NoError(t, err)
		tickets = nil
		require.NoError(t, json.Unmarshal(kept, &tickets))
		stage.Say(t, one, "meanwhile")
		next := s.User()
		slave, err = next.ResumeSlave(stage.Within(t), tickets[0])
		require.NoError(t, err)
		stage.Receive(t, slave, "not taken")
		master, err = next.ResumeMaster(stage.Within(t), tickets[1])
		require.NoError(t, err)
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		stage.NextText(t, master, "meanwhile")
		stage.NextPresence(t, one, "alice", lectern.StateOnline)
	})
}

// After a Detach nothing can be asked of the client, and there is nothing more to detach.
func TestAfterDetach(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		_, err := alice.Detach(stage.Within(t))
		require.NoError(t, err)
		for range 2 {
			tickets, err := alice.Detach(stage.Within(t))
			require.Empty(t, tickets)
			require.ErrorIs(t, err, net.ErrClosed)
			_, err = alice.Join(stage.Within(t), "xyz", "alice")
			require.ErrorIs(t, err, lectern.ErrDetached)
			require.ErrorIs(t, err, net.ErrClosed)
			_, err = alice.Status(stage.Within(t), "xyz")
			require.ErrorIs(t, err, net.ErrClosed)
			_, err = master.Broadcast(stage.Within(t), lectern.Text("hello?"))
			require.ErrorIs(t, err, lectern.ErrDetached)
			require.NotErrorIs(t, err, lectern.ErrSendUnknown)
			require.NoError(t, master.Close())
			require.NoError(t, alice.Close())
		}
		// Neither has Close ended the channel.
		synctest.Wait()
		status, err := s.User().Status(stage.Within(t), "abc123")
		require.NoError(t, err)
		require.Equal(t, lectern.StateAway, status.Master.State)

		closed := s.User()
		require.NoError(t, closed.Close())
		tickets, err := closed.Detach(stage.Within(t))
		require.Empty(t, tickets)
		require.ErrorIs(t, err, net.ErrClosed)
		require.NotErrorIs(t, err, lectern.ErrDetached)

		idle, err := s.User().Detach(stage.Within(t))
		require.NoError(t, err)
		require.Empty(t, idle)
	})
}

// What is under way when a client is detached is settled, or told as unknown when the context
// ends before.
func TestDetachSettlesWhatIsUnderWay(t *testing.T) {
	for _, answered := range []bool{true, false} {
		stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			master := s.User().Creates("abc123", "alice")
			open := make(chan struct{})
			user := s.User()
			client := lectern.NewClient(lateDialer{user, open}, lectern.ClientOptions{})
			go func() { open <- struct{}{} }() // for joined
			slave, err := client.Join(stage.Within(t), "abc123", "user_one")
			require.NoError(t, err)
			synctest.Wait()
			var sending sync.WaitGroup
			sending.Go(func() {
				_, err := slave.Send(stage.Within(t), lectern.Text("under way"))
				if answered {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, lectern.ErrSendUnknown)
					require.ErrorIs(t, err, lectern.ErrDetached)
				}
			})
			sending.Go(func() {
				// It makes nothing that stays.
				_, err := client.Create(stage.Within(t), "xyz", "user_one")
				require.ErrorIs(t, err, lectern.ErrDetached)
			})
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if answered {
				time.AfterFunc(time.Second/2, func() { close(open) })
			} else {
				time.AfterFunc(2*time.Second, func() { close(open) })
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				synctest.Wait()
				_, err := slave.Send(stage.Within(t), lectern.Text("too late"))
				require.ErrorIs(t, err, lectern.ErrDetached)
				require.NotErrorIs(t, err, lectern.ErrSendUnknown)
			}()
			tickets, err := client.Detach(ctx)
			if answered {
				require.NoError(t, err)
				_, exists := s.Hub.Channel("xyz")
				require.False(t, exists)
			} else {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
			require.Len(t, tickets, 1)
			sending.Wait()
			<-done
			synctest.Wait() // until the hub knows that it is away
			again, err := s.User().ResumeSlave(stage.Within(t), tickets[0])
			require.NoError(t, err)
			stage.Say(t, again, "here again")
			stage.NextPresence(t, master, "user_one", lectern.StateOnline)
			stage.NextText(t, master, "under way")
			for _, state := range []lectern.State{lectern.StateAway, lectern.StateOnline} {
				stage.NextPresence(t, master, "user_one", state)
			}
			stage.NextText(t, master, "here again")
		})
	}
}

// A client without a connection is detached at once, and its tickets are as good.
func TestDetachWhileOutOfReach(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, one := s.User().Creates("abc123", "alice"), s.User()
		slave := one.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		one.CutOff()
		stage.NextPresence(t, slave, "alice", lectern.StateUnknown)
		began := time.Now()
		tickets, err := one.Detach(stage.Within(t))
		require.NoError(t, err)
		require.Zero(t, time.Since(began))
		stage.Ended(t, slave, lectern.ErrDetached)
		again, err := s.User().ResumeSlave(stage.Within(t), tickets[0])
		require.NoError(t, err)
		stage.Say(t, again, "here")
	})
}

// What is left is no ticket, and a Close that comes between wins.
func TestDetachBesideLeaveAndClose(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		open := make(chan struct{})
		client := lectern.NewClient(lateDialer{s.User(), open}, lectern.ClientOptions{})
		go func() { open <- struct{}{} }()
		slave, err := client.Join(stage.Within(t), "abc123", "user_one")
		require.NoError(t, err)
		synctest.Wait()
		var ending sync.WaitGroup
		ending.Go(func() { require.NoError(t, slave.Leave()) })
		synctest.Wait()
		ending.Go(func() {
			tickets, err := client.Detach(stage.Within(t))
			require.NoError(t, err)
			require.Empty(t, tickets)
		})
		synctest.Wait()
		close(open)
		ending.Wait()
		stage.Ended(t, slave, lectern.ErrLeft)
		require.Empty(t, master.Members())

		open = make(chan struct{})
		client = lectern.NewClient(lateDialer{s.User(), open}, lectern.ClientOptions{})
		go func() { open <- struct{}{} }()
		slave, err = client.Join(stage.Within(t), "abc123", "user_one")
		require.NoError(t, err)
		synctest.Wait()
		ending.Go(func() { _, _ = slave.Send(stage.Within(t), lectern.Text("under way")) })
		synctest.Wait()
		ending.Go(func() {
			tickets, err := client.Detach(stage.Within(t))
			require.ErrorIs(t, err, net.ErrClosed)
			require.Empty(t, tickets)
		})
		synctest.Wait()
		ending.Go(func() { require.NoError(t, client.Close()) })
		synctest.Wait()
		close(open)
		ending.Wait()
		stage.Ended(t, slave, lectern.ErrLeft)
	})
}

// A Ticket's JSON is the one of all clients.
func TestTicketJSON(t *testing.T) {
	var vectors struct {
		Tickets, Former []struct{ JSON string }
		Refused         []struct{ JSON, Field string }
	}
	data, err := os.ReadFile("../../internal/wire/testdata/tickets.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &vectors))
	for _, v := range vectors.Tickets {
		ticket := lectern.Ticket{Token: "my own"}
		require.NoError(t, json.Unmarshal([]byte(v.JSON), &ticket))
		require.Equal(t, "my own", ticket.Token)
		written, err := json.Marshal(ticket)
		require.NoError(t, err)
		require.Equal(t, v.JSON, string(written))
	}
	for _, v := range vectors.Former {
		var ticket lectern.Ticket
		require.NoError(t, json.Unmarshal([]byte(v.JSON), &ticket))
		require.NotEmpty(t, ticket.Secret)
	}
	for _, v := range vectors.Refused {
		ticket := lectern.Ticket{Channel: "as it was"}
		require.ErrorContains(t, ticket.UnmarshalJSON([]byte(v.JSON)), "no ticket: "+v.Field)
		require.Equal(t, lectern.Ticket{Channel: "as it was"}, ticket)
	}
}
