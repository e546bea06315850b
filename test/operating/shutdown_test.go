package operating

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// Row I13: everybody is told at once, nothing new is taken on, the connections
// are closed one after the other, and what was accepted before arrives.
func TestShutdownIsSpread(t *testing.T) {
	stage.OneHub(t, "the one hub shuts down; of a cluster, its clients go to another one")
	for name, policy := range map[string]lectern.Policy{
		"by default": {},
		// The master's connection is closed before most others: that is no reason to
		// tell these anything else.
		"over more than X": {MasterTimeout: 20 * time.Millisecond, SlaveTimeout: 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) { testShutdownIsSpread(t, policy) })
	}
}

func testShutdownIsSpread(t *testing.T, policy lectern.Policy) {
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		const count = 50
		alice, slaves := s.Raw(), make([]*stage.Raw, count)
		alice.Send(stage.AliceCreates)
		_, err := alice.Read()
		require.NoError(t, err)
		for i := range slaves {
			slaves[i] = s.Raw()
			slaves[i].Send(fmt.Sprintf(`{"type":"join","ref":1,"channel":"abc123","username":"user_%d"}`, i))
			_, err := slaves[i].Read()
			require.NoError(t, err)
			_, err = alice.Read()
			require.NoError(t, err)
		}
		alice.Send(`{"type":"send","ref":2,"channel":"abc123","text":"accepted before"}`)
		alice.Expect(fmt.Sprintf(`{"type":"ack","ref":2,"seq":1,"slaves":%d}`, count))

		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
		defer cancel()
		var ends sync.WaitGroup
		ends.Go(func() { require.NoError(t, s.Hub.Shutdown(ctx)) })
		synctest.Wait()
		alice.Expect(`{"type":"shutdown","timeout_ms":300}`) // three quarters of the time
		var mu sync.Mutex
		var closed []time.Duration
		for _, slave := range slaves {
			ends.Go(func() {
				slave.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"accepted before"}`,
					`{"type":"shutdown","timeout_ms":300}`)
				for {
					frame, err := slave.Read() // that the master's connection has gone, perhaps
					if err != nil {
						var end *transport.CloseError
						require.ErrorAs(t, err, &end)
						require.Equal(t, transport.Shutdown, end.Reason.Code)
						break
					}
					require.Contains(t, frame, `"state":"away"`)
				}
				mu.Lock()
				defer mu.Unlock()
				closed = append(closed, time.Since(began))
			})
		}
		ends.Go(func() {
			for {
				if _, err := alice.Read(); err != nil {
					return
				}
			}
		})
		ends.Wait()
		require.LessOrEqual(t, time.Since(began), 400*time.Millisecond)
		slices.Sort(closed)
		require.GreaterOrEqual(t, closed[count-1]-closed[0], 250*time.Millisecond)
		for i, at := range closed[1:] {
			require.LessOrEqual(t, at-closed[i], 20*time.Millisecond, "evenly")
		}
	})
}

func TestShutdownTakesOnNothingNew(t *testing.T) {
	stage.OneHub(t, "the one hub shuts down; of a cluster, its clients go to another one")
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		two, late := s.Raw(), s.Raw() // connected before
		two.Send(`{"type":"ping","ref":1}`)
		two.Expect(`{"type":"pong","ref":1}`)
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
		defer cancel()
		done := make(chan error)
		go func() { done <- s.Hub.Shutdown(ctx) }()
		synctest.Wait()
		refusals := 0
		for peer, frame := range map[*stage.Raw]string{
			two:   `{"type":"create","ref":9,"channel":"new","username":"bob"}`,
			late:  `{"type":"join","ref":9,"channel":"abc123","username":"late"}`,
			one:   `{"type":"send","ref":9,"channel":"abc123","text":"too late"}`,
			alice: `{"type":"send","ref":9,"channel":"abc123","text":"too late"}`,
		} {
			_ = peer.Conn.Write([]byte(frame))
			for {
				got, err := peer.Read()
				if err != nil {
					break
				}
				require.NotContains(t, got, `"type":"message"`)
				require.NotContains(t, got, `"type":"ack"`)
				const why = `,"code":"shutting_down","message":"the hub stops, and takes on nothing new: connect again later"}`
				if got == `{"type":"error","ref":9,"channel":"abc123"`+why || got == `{"type":"error","ref":9,"channel":"new"`+why {
					refusals++
				}
			}
		}
		require.NotZero(t, refusals) // some of them were closed before they could ask
		require.NoError(t, <-done)
	})
}

// What was accepted is sent first, also to one that has much to read still.
func TestShutdownSendsFirst(t *testing.T) {
	stage.OneHub(t, "the one hub shuts down; of a cluster, its clients go to another one")
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		const count = 30
		alice, slow := s.User(), s.Raw()
		master := alice.Creates("abc123", "alice")
		slow.Send(stage.OneJoins)
		slow.Expect(stage.OneJoined)
		for range count {
			stage.Broadcast(t, master, stage.Bulk)
		}
		done := make(chan error)
		go func() { done <- s.Hub.Shutdown(stage.Within(t)) }()
		time.Sleep(time.Second)
		for n := 1; n <= count; n++ {
			frame, err := slow.Read()
			require.NoError(t, err, "message %d", n)
			require.Contains(t, frame, fmt.Sprintf(`"seq":%d,`, n))
		}
		slow.Expect(`{"type":"shutdown","timeout_ms":20}`)
		for {
			frame, err := slow.Read()
			if err == nil {
				require.Contains(t, frame, `"state":"away"`)
				continue
			}
			var end *transport.CloseError
			require.ErrorAs(t, err, &end)
			require.Equal(t, transport.Shutdown, end.Reason.Code)
			break
		}
		require.NoError(t, <-done)
	})
}

// Clients come back to the hub that takes the place, at different times, and
// their memberships are over there; those that are told so may join anew.
func TestClientsReturnSpread(t *testing.T) {
	stage.OneHub(t, "the one hub shuts down; of a cluster, its clients go to another one")
	synctest.Test(t, func(t *testing.T) {
		const count = 40
		first := stage.New(t, stage.InMemory[0], lectern.Policy{MasterTimeout: 5 * time.Minute})
		next := stage.New(t, stage.InMemory[0], lectern.Policy{})
		var mu sync.Mutex
		var came []time.Time
		dial := first.Dial
		first.Dial = func(ctx context.Context, message []byte) (transport.Conn, stage.Plug, bool, error) {
			mu.Lock()
			to := dial
			came = append(came, time.Now())
			mu.Unlock()
			return to(ctx, message)
		}
		first.User().Creates("abc123", "alice")
		for i := range count {
			first.User().Joins("abc123", fmt.Sprint("user_", i))
		}
		mu.Lock()
		dial, came = next.Dial, nil
		mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.NoError(t, first.Hub.Shutdown(ctx))
		time.Sleep(time.Minute)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		require.GreaterOrEqual(t, len(came), count)
		slices.SortFunc(came, time.Time.Compare)
		// Each closing takes 10 ms. Of the clients, some of whom come twice, not half are there in the same tenth of that.
		for i := range came[:len(came)-count/2] {
			require.Greater(t, came[i+count/2].Sub(came[i]), (count+1)*time.Millisecond)
		}
	})
}

func TestShutdownEndsMembers(t *testing.T) {
	stage.OneHub(t, "the one hub shuts down; of a cluster, its clients go to another one")
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(lectern.Policy{})
		require.NoError(t, err)
		master, err := hub.Create(stage.Within(t), "abc123", "alice")
		require.NoError(t, err)
		slave, err := hub.Join(stage.Within(t), "abc123", "user_one")
		require.NoError(t, err)
		stage.Broadcast(t, master, "accepted before")
		began := time.Now()
		var ends sync.WaitGroup
		for range 3 {
			ends.Go(func() { require.NoError(t, hub.Shutdown(stage.Within(t))) })
		}
		ends.Wait()
		require.LessOrEqual(t, time.Since(began), time.Second)
		stage.Ended(t, master, lectern.ErrShutdown)
		stage.Ended(t, slave, lectern.ErrShutdown)
		stage.Receive(t, slave, "accepted before") // what has arrived can still be taken
		require.NoError(t, slave.Leave())
		require.NoError(t, master.Close())
	})
}

// Over a network nobody can tell whether the hub will be back: the members try
// until their time is over.
func TestShutdownOverANetwork(t *testing.T) {
	stage.OneHub(t, "the one hub shuts down; of a cluster, its clients go to another one")
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		// With the pauses that clients make by default.
		alice, one := s.UserWith(lectern.ClientOptions{}), s.UserWith(lectern.ClientOptions{})
		master, slave := alice.Creates("abc123", "alice"), one.Joins("abc123", "user_one")
		stage.Broadcast(t, master, "accepted before")
		began := time.Now()
		require.NoError(t, s.Hub.Shutdown(stage.Within(t)))
		require.LessOrEqual(t, time.Since(began), 3*time.Second)
		stage.NextText(t, slave, "accepted before")
		stage.Ended(t, slave, lectern.ErrMasterDown)
		stage.Ended(t, master, lectern.ErrMasterDown)
		require.LessOrEqual(t, time.Since(began), 33*time.Second)
	})
}

func TestShutdownGivesUpInTime(t *testing.T) {
	stage.OneHub(t, "the one hub shuts down; of a cluster, its clients go to another one")
	stage.InBubble(t, lectern.Policy{WriteTimeout: -1}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		stuck := s.Raw()
		stuck.Send(stage.OneJoins)
		stuck.Expect(stage.OneJoined)
		for range 200 {
			stage.Broadcast(t, master, "to one that does not read")
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, s.Hub.Shutdown(ctx), context.DeadlineExceeded)
		require.Equal(t, began.Add(5*time.Second), time.Now())
	})
}
