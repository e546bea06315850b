package lectern_test

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
	"github.com/lectern-go/lectern/transport"
)

// Row I13: everybody is told at once, nothing new is taken on, the connections
// are closed one after the other, and what was accepted before arrives.
func TestShutdownIsSpread(t *testing.T) {
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
	inVirtualTime(t, policy, func(t *testing.T, s *stage) {
		const count = 50
		alice, slaves := s.raw(), make([]*raw, count)
		alice.send(aliceCreates)
		_, err := alice.read()
		require.NoError(t, err)
		for i := range slaves {
			slaves[i] = s.raw()
			slaves[i].send(fmt.Sprintf(`{"type":"join","ref":1,"channel":"abc123","username":"user_%d"}`, i))
			_, err := slaves[i].read()
			require.NoError(t, err)
			_, err = alice.read()
			require.NoError(t, err)
		}
		alice.send(`{"type":"send","ref":2,"channel":"abc123","text":"accepted before"}`)
		alice.expect(fmt.Sprintf(`{"type":"ack","ref":2,"seq":1,"slaves":%d}`, count))

		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
		defer cancel()
		var ends sync.WaitGroup
		ends.Go(func() { require.NoError(t, s.hub.Shutdown(ctx)) })
		synctest.Wait()
		alice.expect(`{"type":"shutdown","timeout_ms":300}`) // three quarters of the time
		var mu sync.Mutex
		var closed []time.Duration
		for _, slave := range slaves {
			ends.Go(func() {
				slave.expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"accepted before"}`,
					`{"type":"shutdown","timeout_ms":300}`)
				for {
					frame, err := slave.read() // that the master's connection has gone, perhaps
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
				if _, err := alice.read(); err != nil {
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
	inBubble(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice, one := s.pair()
		two, late := s.raw(), s.raw() // connected before
		two.send(`{"type":"ping","ref":1}`)
		two.expect(`{"type":"pong","ref":1}`)
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
		defer cancel()
		done := make(chan error)
		go func() { done <- s.hub.Shutdown(ctx) }()
		synctest.Wait()
		refusals := 0
		for peer, frame := range map[*raw]string{
			two:   `{"type":"create","ref":9,"channel":"new","username":"bob"}`,
			late:  `{"type":"join","ref":9,"channel":"abc123","username":"late"}`,
			one:   `{"type":"send","ref":9,"channel":"abc123","text":"too late"}`,
			alice: `{"type":"send","ref":9,"channel":"abc123","text":"too late"}`,
		} {
			_ = peer.conn.Write([]byte(frame))
			for {
				got, err := peer.read()
				if err != nil {
					break
				}
				require.NotContains(t, got, `"type":"message"`)
				require.NotContains(t, got, `"type":"ack"`)
				if got == `{"type":"error","ref":9,"channel":"abc123","code":"shutting_down"}` ||
					got == `{"type":"error","ref":9,"channel":"new","code":"shutting_down"}` {
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
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		const count = 30
		alice, slow := s.user(), s.raw()
		master := alice.create("abc123", "alice")
		slow.send(oneJoins)
		slow.expect(oneJoined)
		for range count {
			broadcast(t, master, bulk)
		}
		done := make(chan error)
		go func() { done <- s.hub.Shutdown(within(t)) }()
		time.Sleep(time.Second)
		for n := 1; n <= count; n++ {
			frame, err := slow.read()
			require.NoError(t, err, "message %d", n)
			require.Contains(t, frame, fmt.Sprintf(`"seq":%d,`, n))
		}
		slow.expect(`{"type":"shutdown","timeout_ms":20}`)
		for {
			frame, err := slow.read()
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
	synctest.Test(t, func(t *testing.T) {
		const count = 40
		first := setStage(t, inMemory[0], lectern.Policy{MasterTimeout: 5 * time.Minute})
		next := setStage(t, inMemory[0], lectern.Policy{})
		var mu sync.Mutex
		var came []time.Time
		dial := first.dial
		first.dial = func(ctx context.Context, message []byte) (transport.Conn, plug, bool, error) {
			mu.Lock()
			to := dial
			came = append(came, time.Now())
			mu.Unlock()
			return to(ctx, message)
		}
		first.user().create("abc123", "alice")
		for i := range count {
			first.user().join("abc123", fmt.Sprint("user_", i))
		}
		mu.Lock()
		dial, came = next.dial, nil
		mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.NoError(t, first.hub.Shutdown(ctx))
		time.Sleep(time.Minute)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		require.GreaterOrEqual(t, len(came), count)
		slices.SortFunc(came, time.Time.Compare)
		require.Greater(t, came[count-1].Sub(came[0]), (count+1)*10*time.Millisecond/2)
	})
}
