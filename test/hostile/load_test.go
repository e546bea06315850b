package hostile

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// Peers that use up what they can, each test named by its row of hostile inputs
// (docs/TESTING.md).

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// Rows H1 and H2: slaves that never read cost their master no time, each other
// nothing, and the hub no more than their queues, in which a message to all is
// once.
func TestManySlavesThatNeverRead(t *testing.T) {
	stage.OneHub(t, "it bounds the memory of one hub")
	policy := lectern.Policy{
		Outbox: lectern.QueueLimit{Messages: 64, Bytes: 1 << 20}, Replay: lectern.QueueLimit{Messages: 64, Bytes: 1 << 20},
		Slow: lectern.SlowDropOldest, WriteTimeout: time.Hour,
	}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		quick := s.User().Joins("abc123", "quick")
		const count = 100
		for i := range count {
			slow := s.Raw()
			slow.Send(fmt.Sprintf(`{"type":"join","ref":1,"channel":"abc123","username":"slow_%d"}`, i))
			_, err := slow.Read()
			require.NoError(t, err)
		}
		before := heapInUse()
		began := time.Now()
		text := strings.Repeat("x", 16_000)
		for i := range 100 {
			stage.Broadcast(t, master, fmt.Sprint(i, text))
			stage.Receive(t, quick, fmt.Sprint(i, text))
		}
		require.Equal(t, began, time.Now())
		synctest.Wait()
		// Were it copied for each, it would be 100 times 64 messages of 16,000
		// bytes. What each holds of its own is what the transport has of it, here
		// 64 KiB in memory.
		used := heapInUse() - before
		require.Less(t, used, int64(4*(1<<20)+count*(64<<10+32<<10)))
	})
}

// Row H9: joins and leaves in great numbers cost the others nothing, and the
// master's list is right.
func TestJoinsAndLeavesInGreatNumbers(t *testing.T) {
	policy := lectern.Policy{MembershipRate: lectern.RateLimit{PerSecond: -1}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		b := newBystanders(s)
		master := s.User().Creates("abc123", "alice")
		one := s.Raw()
		for ref := 1; ref <= 400; ref += 2 {
			one.Send(fmt.Sprintf(`{"type":"join","ref":%d,"channel":"abc123","username":"user_one"}`, ref))
			frame, err := one.Read()
			require.NoError(t, err)
			require.Contains(t, frame, `"joined"`)
			one.Send(fmt.Sprintf(`{"type":"leave","ref":%d,"channel":"abc123"}`, ref+1))
			one.Expect(fmt.Sprintf(`{"type":"left","ref":%d,"channel":"abc123"}`, ref+1))
		}
		// The master is told each change, or several of them at once where it has not read
		// in time.
		s.User().Joins("abc123", "user_two")
		states := []lectern.State{lectern.StateOnline, lectern.StateGone}
		for i := 0; ; i++ {
			told := stage.Next(t, master).(lectern.Presence)
			if told.Username == "user_two" {
				break
			}
			require.Equal(t, states[i%2], told.State)
			require.Less(t, i, 400)
		}
		require.Len(t, master.Members(), 1)
		b.unharmed()
	})
}

// Rows H10 and H11: channels are bounded for each connection and for the hub, and
// nothing is left of those that ended.
func TestChannelsInGreatNumbers(t *testing.T) {
	stage.OneHub(t, "the number of channels is bounded for each hub")
	policy := lectern.Policy{MaxChannelsPerConnection: 4, MaxChannels: 10, MasterTimeout: time.Second, FrameRate: lectern.RateLimit{PerSecond: -1}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		for round := range 5 {
			for i := range 3 {
				peer := s.Raw()
				accepted := 0
				for ref := 1; ref <= 6; ref++ {
					peer.Send(fmt.Sprintf(`{"type":"create","ref":%d,"channel":"c %d %d %d","username":"x"}`, ref, round, i, ref))
					frame, err := peer.Read()
					require.NoError(t, err)
					if strings.Contains(frame, `"created"`) {
						accepted++
					} else {
						require.Contains(t, frame, `"too_many_channels"`)
					}
				}
				require.Equal(t, min(4, 10-4*i), accepted)
				peer.Plug.Cut() // and does not come back
			}
			time.Sleep(time.Second)
			synctest.Wait()
			for channel := range s.Hub.Channels() {
				require.Fail(t, "left over", channel.Name())
			}
		}
	})
}

// Rows F11 and H12: connections that come, do something and vanish leave nothing
// behind.
func TestConnectionsThatVanish(t *testing.T) {
	l := stage.NewLedger()
	policy := lectern.Policy{SlaveTimeout: time.Second, Observer: l, Replay: lectern.QueueLimit{Messages: 10}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		cycles := func(from, n int) {
			for i := from; i < from+n; i++ {
				peer := s.Raw()
				peer.Send(fmt.Sprintf(`{"type":"join","ref":1,"channel":"abc123","username":"name_%d"}`, i),
					`{"type":"send","channel":"abc123","text":"x"}`)
				_, err := peer.Read()
				require.NoError(t, err)
				stage.NextPresence(t, master, fmt.Sprint("name_", i), lectern.StateOnline)
				stage.NextText(t, master, "x")
				peer.Plug.Cut()
				_ = peer.Conn.Close(transport.Reason{Code: transport.Left})
				stage.NextPresence(t, master, fmt.Sprint("name_", i), lectern.StateAway)
			}
			time.Sleep(time.Second)
			for range n {
				gone := stage.Next(t, master).(lectern.Presence)
				require.Equal(t, lectern.StateGone, gone.State)
			}
			synctest.Wait()
		}
		cycles(0, 30)
		goroutines := runtime.NumGoroutine()
		cycles(30, 70)
		// A few may come and go outside of the test; 70 would have stayed.
		require.Less(t, runtime.NumGoroutine(), goroutines+20)
		require.Empty(t, master.Members())
		channel, _ := s.Hub.Channel("abc123")
		shot, _ := channel.Snapshot()
		require.Empty(t, shot.Slaves)
		require.LessOrEqual(t, shot.Kept.Messages, 10)
		require.EqualValues(t, 0, l.Count("slaves"))
		require.EqualValues(t, 100, l.Count("leaves timeout"))
		l.Clear() // for the next network
	})
}

// Row H14: what is kept for one who is away is bounded, and the rest is told.
func TestReplayIsBounded(t *testing.T) {
	stage.OneHub(t, "it bounds the memory of one hub, and not that of a log in the process")
	policy := lectern.Policy{Replay: lectern.QueueLimit{Messages: 1000, Bytes: 256 << 10}, SlaveTimeout: time.Minute, FrameRate: lectern.RateLimit{PerSecond: -1}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		master, one := s.User().Creates("abc123", "alice"), s.User()
		slave := one.Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		one.CutOff()
		stage.NextPresence(t, master, "user_one", lectern.StateAway)
		before := heapInUse()
		const count = 80
		for range count { // 5 MB
			stage.Broadcast(t, master, strings.Repeat("x", 60_000))
		}
		require.Less(t, heapInUse()-before, int64(2<<20))
		channel, _ := s.Hub.Channel("abc123")
		shot, _ := channel.Snapshot()
		require.LessOrEqual(t, shot.Kept.Bytes, 256<<10)
		one.Bar(false)
		stage.NextPresence(t, slave, "alice", lectern.StateUnknown)
		stage.NextPresence(t, slave, "alice", lectern.StateOnline)
		require.Equal(t, lectern.Gap{Missed: uint64(count - shot.Kept.Messages)}, stage.Next(t, slave))
		for i := range shot.Kept.Messages {
			message, err := slave.Receive(stage.Within(t))
			require.NoError(t, err)
			require.EqualValues(t, count-shot.Kept.Messages+i+1, message.Seq)
		}
	})
}

// Row H15: those who are away count as slaves.
func TestAwayCounts(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{MaxSlaves: 3}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		for i := range 3 {
			u := s.User()
			u.Joins("abc123", fmt.Sprint("user_", i))
			stage.NextPresence(t, master, fmt.Sprint("user_", i), lectern.StateOnline)
			u.CutOff()
			stage.NextPresence(t, master, fmt.Sprint("user_", i), lectern.StateAway)
		}
		late := s.User()
		_, err := late.Join(stage.Within(t), "abc123", "late")
		require.ErrorIs(t, err, lectern.ErrChannelFull)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		late.Joins("abc123", "late")
	})
}

// Row H16: slaves that are away, however many, are one timer's work.
func TestManyAwayAtOnce(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		const count = 40
		users := make([]*stage.User, count)
		for i := range users {
			users[i] = s.User()
			users[i].Joins("abc123", fmt.Sprint("user_", i))
		}
		synctest.Wait()
		before := runtime.NumGoroutine()
		for range 2 {
			for _, u := range users {
				u.CutOff()
			}
			time.Sleep(29 * time.Second)
			synctest.Wait()
			require.Less(t, runtime.NumGoroutine(), before)
			for _, u := range users {
				u.Bar(false)
			}
			time.Sleep(6 * time.Second) // more than the longest pause before dialling
			synctest.Wait()
			for _, p := range master.Members() {
				require.Equal(t, lectern.StateOnline, p.State)
			}
			require.Len(t, master.Members(), count)
		}
	})
}
