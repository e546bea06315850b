package slow

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// account expects that what is told covers the numbers 1 to last, each once.
func account(t *testing.T, told []string, last int) (missed int) {
	t.Helper()
	next := 1
	for _, word := range told {
		var n int
		if _, err := fmt.Sscan(word, &n); err != nil {
			continue
		}
		if n < 0 {
			next -= n
			missed -= n
			continue
		}
		require.Equal(t, next, n, "in %v", told)
		next++
	}
	require.Equal(t, last+1, next)
	return missed
}

func TestSlowDropOldest(t *testing.T) {
	policy := lectern.Policy{Slow: lectern.SlowDropOldest, Outbox: lectern.QueueLimit{Messages: 8}, WriteTimeout: time.Hour}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		quick := s.User().Joins("abc123", "user_two")
		stage.NextPresence(t, master, "user_two", lectern.StateOnline)
		slow := s.Stalled(master)
		began := time.Now()
		for i := range 80 {
			stage.Broadcast(t, master, fmt.Sprint(i, stage.Bulk))
			stage.Receive(t, quick, fmt.Sprint(i, stage.Bulk))
		}
		require.Equal(t, began, time.Now(), "others were delayed")
		told := slow.Told(80)
		require.NotZero(t, account(t, told, 80))
		require.Equal(t, "80", told[len(told)-1])
		require.Equal(t, "79", told[len(told)-2], "the newest are kept")

		// It goes on, and so does the numbering.
		stage.Broadcast(t, master, "after that")
		slow.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":81,"text":"after that"}`)
	})
}

func TestSlowDropNewest(t *testing.T) {
	policy := lectern.Policy{Slow: lectern.SlowDropNewest, Outbox: lectern.QueueLimit{Messages: 8}, WriteTimeout: time.Hour}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		slow := s.Stalled(master)
		for range 80 {
			stage.Broadcast(t, master, stage.Bulk)
			// The writer blocks early: were it late, the last ones would have the
			// room that it makes as it takes the first.
			synctest.Wait()
		}
		require.NoError(t, master.Away(stage.Within(t))) // has its place, after what was dropped
		synctest.Wait()
		var told []string
		reading := make(chan struct{})
		go func() {
			defer close(reading)
			told = slow.Told(81)
		}()
		synctest.Wait()
		stage.Broadcast(t, master, stage.Bulk)
		<-reading
		require.NotZero(t, account(t, told, 81))
		require.Equal(t, []string{"presence", "81"}, told[len(told)-2:])
		require.Equal(t, byte('-'), told[len(told)-3][0], "the newest are dropped")
	})
}

// With SlowHold the master waits for the slow one, for so long, and no message is
// lost to anybody who catches up.
func TestSlowHold(t *testing.T) {
	stage.OneHub(t, "a master is held back for the slaves at its own hub")
	policy := lectern.Policy{
		Slow: lectern.SlowHold, HoldTimeout: 2 * time.Second, Outbox: lectern.QueueLimit{Messages: 8},
		Replay: lectern.QueueLimit{Messages: 1000, Bytes: 100 << 20}, WriteTimeout: time.Hour,
	}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		slow := s.Stalled(master)
		// It reads slower than the master could send.
		var told []string
		reading := make(chan struct{})
		go func() {
			defer close(reading)
			for len(told) < 50 {
				time.Sleep(100 * time.Millisecond)
				told = append(told, slow.Told(len(told)+1)...)
			}
		}()
		began := time.Now()
		for range 50 {
			stage.Broadcast(t, master, stage.Bulk)
		}
		require.Greater(t, time.Since(began), time.Second, "the master was held back")
		<-reading
		require.Zero(t, account(t, told, 50))

		// And now it does not read any more: the master is held once.
		quick := s.User().Joins("abc123", "user_two")
		stage.NextPresence(t, master, "user_two", lectern.StateOnline)
		began = time.Now()
		for range 80 {
			stage.Broadcast(t, master, stage.Bulk)
			stage.Receive(t, quick, stage.Bulk)
		}
		require.Equal(t, 2*time.Second, time.Since(began))
		for {
			if _, err := slow.Read(); err != nil {
				break
			}
		}
		slow.Closed(transport.Slow)
		stage.NextPresence(t, master, "user_one", lectern.StateAway)
	})
}

// A slave is held back while its master does not keep up, and refused after.
func TestSlowMasterHoldsItsSlaves(t *testing.T) {
	stage.OneHub(t, "a slave at another hub is told busy where its master has no room")
	policy := lectern.Policy{
		Slow: lectern.SlowHold, HoldTimeout: 2 * time.Second, Outbox: lectern.QueueLimit{Messages: 8}, WriteTimeout: time.Hour,
		SlaveMessageRate: lectern.RateLimit{PerSecond: -1},
	}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := s.Raw()
		alice.Send(stage.AliceCreates)
		alice.Expect(stage.AliceCreated)
		slave := s.User().Joins("abc123", "user_one")
		alice.Expect(stage.OneOnline)
		send := func() (time.Duration, error) {
			began := time.Now()
			_, err := slave.Send(stage.Within(t), lectern.Text(stage.Bulk))
			return time.Since(began), err
		}
		accepted := 0
		for {
			took, err := send()
			if err != nil {
				require.ErrorIs(t, err, lectern.ErrBusy)
				require.Equal(t, 2*time.Second, took)
				break
			}
			require.Zero(t, took)
			accepted++
			synctest.Wait()
		}
		// Once held for nothing, it is refused at once for a while.
		took, err := send()
		require.ErrorIs(t, err, lectern.ErrBusy)
		require.Zero(t, took)
		time.Sleep(2 * time.Second)
		// The master reads again in time.
		reading := make(chan struct{})
		time.AfterFunc(time.Second, func() {
			defer close(reading)
			for range accepted + 1 {
				_, err := alice.Read()
				require.NoError(t, err)
			}
		})
		took, err = send()
		require.NoError(t, err)
		require.Equal(t, time.Second, took)
		<-reading
	})
}

// Rows H6 and H7: all slaves answer at once, and the master takes its time. They
// are refused or accepted; what is accepted arrives; the master is not let go.
func TestEverybodyAnswersASlowMaster(t *testing.T) {
	policy := lectern.Policy{Outbox: lectern.QueueLimit{Messages: 8}, WriteTimeout: time.Hour}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := s.Raw()
		alice.Send(stage.AliceCreates)
		alice.Expect(stage.AliceCreated)
		const count = 30
		slaves := make([]*lectern.Slave, count)
		for i := range slaves {
			slaves[i] = s.User().Joins("abc123", fmt.Sprint("user_", i))
			frame, err := alice.Read()
			require.NoError(t, err)
			require.Contains(t, frame, "online")
		}
		results := make(chan error, 5*count)
		for _, slave := range slaves {
			for range 5 {
				go func() {
					_, err := slave.Send(stage.Within(t), lectern.Text(stage.Bulk))
					results <- err
				}()
			}
		}
		accepted := 0
		for range 5 * count {
			if err := <-results; err == nil {
				accepted++
			} else {
				require.ErrorIs(t, err, lectern.ErrBusy)
			}
		}
		require.Less(t, accepted, 5*count)
		for seq := range accepted {
			frame, err := alice.Read()
			require.NoError(t, err)
			require.Contains(t, frame, fmt.Sprintf(`"seq":%d,`, seq+1))
		}
		stage.Say(t, slaves[0], "better now")
		frame, err := alice.Read()
		require.NoError(t, err)
		require.Contains(t, frame, "better now")
	})
}

// With SlowHold, a master does not leave a slave behind that is being fed what it has missed:
// it is held back until the slave has caught up, and nothing is dropped.
func TestMasterIsHeldForASlaveThatCatchesUp(t *testing.T) {
	stage.OneHub(t, "a master is held back for the slaves at its own hub")
	policy := lectern.Policy{Slow: lectern.SlowHold, Replay: lectern.QueueLimit{Messages: 100}, HoldTimeout: time.Second}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		const missed, live = 100, 1000
		master, one := s.User().Creates("abc123", "alice"), s.Raw()
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		one.Plug.Cut()
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		stage.NextPresence(t, master, "user_one", lectern.StateAway)
		for range missed {
			stage.Broadcast(t, master, strings.Repeat("x", 3000))
		}
		back := s.Raw()
		back.Send(`{"type":"resume","ref":2,"channel":"abc123","username":"user_one","resume":"` + one.Secret + `"}`)
		synctest.Wait()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for range live {
				stage.Broadcast(t, master, strings.Repeat("y", 3000))
			}
		}()
		for seq := 0; seq < missed+live; {
			frame, err := back.Read()
			require.NoError(t, err)
			require.NotContains(t, frame, `"type":"gap"`)
			if strings.HasPrefix(frame, `{"type":"message"`) {
				seq++
				require.Contains(t, frame, fmt.Sprintf(`"seq":%d,`, seq))
				time.Sleep(time.Millisecond)
			}
		}
		<-sent
	})
}
