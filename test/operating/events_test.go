package operating

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// eventLine is what an event says, as a line.
func eventLine(e lectern.HubEvent) string {
	words := []string{string(e.Kind), e.Channel}
	add := func(present bool, format string, values ...any) {
		if present {
			words = append(words, fmt.Sprintf(format, values...))
		}
	}
	add(e.Existing, "existing")
	add(e.Username != "", "%s#%d.%d %v", e.Username, e.Number, e.Epoch, e.State)
	add(e.Master, "master")
	add(len(e.Data) > 0, "data=%s", e.Data)
	add(e.Why != "", "(%s)", strings.TrimSuffix(e.Why+": "+e.Text, ": "))
	add(e.Missed != 0, "missed=%d", e.Missed)
	return strings.Join(words, " ")
}

// eventsOf reads the events of a hub in a goroutine of its own. next waits for the next one.
func eventsOf(t *testing.T, hub *lectern.Hub) (next func() lectern.HubEvent) {
	events := make(chan lectern.HubEvent, 100)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(events)
		for e := range hub.Events(ctx) {
			events <- e
		}
	}()
	t.Cleanup(func() {
		cancel()
		for range events {
		}
	})
	return func() lectern.HubEvent {
		select {
		case e := <-events:
			return e
		case <-stage.Within(t).Done():
			require.Fail(t, "no event came")
			return lectern.HubEvent{}
		}
	}
}

func dataOf(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
	return lectern.Identity{AsAsked: true, Data: []byte(r.Token)}, nil
}

// A service is told of everything that happens in its channels, by name and role, with what it
// has said of the user, and with the connection that the log has.
func TestHubEvents(t *testing.T) {
	stage.OneHub(t, "a hub yields the events of the channels that it owns")
	stage.Everywhere(t, lectern.Policy{Authorize: dataOf}, func(t *testing.T, s *stage.Stage) {
		next := eventsOf(t, s.Hub)
		expect := func(lines ...string) (last lectern.HubEvent) {
			t.Helper()
			for _, line := range lines {
				last = next()
				require.Equal(t, line, eventLine(last))
				require.False(t, last.Time.IsZero())
			}
			return last
		}
		first, err := s.Hub.Create(stage.Within(t), "first", "service")
		require.NoError(t, err)
		next() // which may have been there before the loop began
		require.NoError(t, first.Close())
		expect("ended first (master_left)")
		alice, one, two := s.User(), s.User(), s.User()
		master := alice.Creates("abc123", "alice", lectern.WithToken("a1"))
		created := expect("created abc123 alice#0.1 online master data=a1")
		slave := one.Joins("abc123", "user_one", lectern.WithToken("b1"))
		joined := expect("joined abc123 user_one#1.1 online data=b1")
		require.NotZero(t, joined.Connection)
		require.NotEqual(t, created.Connection, joined.Connection)
		if s.RealTime {
			require.Regexp(t, `^(127\.0\.0\.1|\[::1\]):\d+$`, joined.Address)
		}
		require.NoError(t, slave.Refresh(stage.Within(t), "b2"))
		expect("granted abc123 user_one#1.1 online data=b2")
		one.CutOff()
		away := expect("away abc123 user_one#1.1 away data=b2 (lost)")
		require.Equal(t, joined.Connection, away.Connection)
		require.Equal(t, joined.Address, away.Address)
		require.WithinDuration(t, away.Time.Add(30*time.Second), away.Deadline, time.Second)
		one.Bar(false)
		back := expect("back abc123 user_one#1.2 online data=b2 (resumed)")
		require.NotEqual(t, joined.Connection, back.Connection)
		require.True(t, back.Deadline.IsZero())

		require.NoError(t, master.Away(stage.Within(t)))
		expect("away abc123 alice#0.1 away master data=a1 (declared)")
		require.NoError(t, master.Back(stage.Within(t)))
		expect("back abc123 alice#0.1 online master data=a1 (declared)")

		// Who comes later is told how it is.
		later := eventsOf(t, s.Hub)
		now := later()
		require.Equal(t, "created abc123 existing alice#0.1 online master data=a1", eventLine(now))
		require.Equal(t, created.Connection, now.Connection)
		now = later()
		require.Equal(t, "joined abc123 existing user_one#1.2 online data=b2", eventLine(now))
		require.Equal(t, back.Connection, now.Connection)
		require.Equal(t, back.Address, now.Address)

		other := two.Joins("abc123", "user_two")
		expect("joined abc123 user_two#2.1 online")
		require.NoError(t, other.Leave())
		expect("left abc123 user_two#2.1 gone (left: left)")
		require.NoError(t, master.Kick(stage.Within(t), "user_one", "too loud"))
		expect("left abc123 user_one#1.2 gone data=b2 (kicked: too loud)")
		channel, _ := s.Hub.Channel("abc123")
		require.NoError(t, channel.Close("the lesson is over"))
		expect("ended abc123 (channel_closed: the lesson is over)")
		for _, line := range []string{
			"joined abc123 user_two#2.1 online", "left abc123 user_two#2.1 gone (left: left)",
			"left abc123 user_one#1.2 gone data=b2 (kicked: too loud)", "ended abc123 (channel_closed: the lesson is over)",
		} {
			require.Equal(t, line, eventLine(later()))
		}
	})
}

// The events end with the context, and with the hub, after the end of every channel was told;
// and the loop may end the hub itself.
func TestHubEventsEnd(t *testing.T) {
	stage.OneHub(t, "a hub yields the events of the channels that it owns")
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		s.Class(2)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		seen := 0
		for range s.Hub.Events(ctx) {
			if seen++; seen == 2 {
				cancel()
			}
		}
		require.Equal(t, 2, seen)
		for range s.Hub.Events(ctx) {
			require.Fail(t, "nothing is told when the context is over")
		}
		for range s.Hub.Events(t.Context()) {
			break
		}

		var lines []string
		for e := range s.Hub.Events(t.Context()) {
			if lines = append(lines, eventLine(e)); len(lines) == 3 {
				require.NoError(t, s.Hub.Close())
			}
		}
		require.Equal(t, "ended abc123 (shutdown)", lines[len(lines)-1])
		require.Contains(t, lines, "away abc123 user_0#1.1 away (lost)")
		for range s.Hub.Events(t.Context()) {
			require.Fail(t, "a hub that is over has nothing to tell")
		}
	})
}

// The loop may call anything.
func TestHubEventsCallTheHub(t *testing.T) {
	stage.OneHub(t, "a hub yields the events of the channels that it owns")
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		go func() {
			for e := range s.Hub.Events(t.Context()) {
				channel, _ := s.Hub.Channel(e.Channel)
				switch e.Username {
				case "mallory":
					_ = channel.Ban(e.Username, "not here")
				case "bob":
					_ = channel.Close("bob was here")
				}
			}
		}()
		mallory := s.User().Joins("abc123", "mallory")
		stage.Ended(t, mallory, lectern.ErrKicked)
		s.User().Joins("abc123", "bob")
		stage.Ended(t, master, lectern.ErrChannelClosed)
	})
}

// A hundred readers, most of which never read, hold nobody up. One that was too far behind is
// told how much it has missed, and has the right list again.
func TestHubEventsForWhoDoesNotRead(t *testing.T) {
	stage.OneHub(t, "a hub yields the events of the channels that it owns")
	stage.InBubble(t, lectern.Policy{FrameRate: lectern.RateLimit{PerSecond: -1}, MembershipRate: lectern.RateLimit{PerSecond: -1}}, func(t *testing.T, s *stage.Stage) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 98 {
			go func() {
				for range s.Hub.Events(ctx) {
					<-ctx.Done() // it gets one event, and does not come back
				}
			}()
		}
		keen := stage.FollowEvents(s.Hub)
		slow := stage.FollowEventsSlowly(s.Hub, 100*time.Millisecond)
		synctest.Wait() // they have begun
		master := s.User().Creates("abc123", "alice")
		one := s.User().Joins("abc123", "user_one")
		began := time.Now()
		user := s.User()
		for range 2200 {
			slave, err := user.Join(stage.Within(t), "abc123", "user_two")
			require.NoError(t, err)
			require.NoError(t, slave.Leave())
		}
		stage.Broadcast(t, master, "as if nobody listened")
		stage.Receive(t, one, "as if nobody listened")
		require.Equal(t, began, time.Now(), "nobody has waited for anything")
		synctest.Wait()
		require.NoError(t, keen.Compare())
		require.Zero(t, keen.Missed())
		require.Error(t, slow.Compare())
		user.Joins("abc123", "user_three")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.NoError(t, slow.Compare(), "it has begun anew")
		// It may have read some before the others came, and has missed all that came then.
		require.Greater(t, slow.Missed(), 4096)
		require.LessOrEqual(t, slow.Missed(), 4400+10)
		require.NoError(t, keen.Stop())
		require.NoError(t, slow.Stop())
	})
}

// A channel of a name that is free again is another one: its creation is told after the end of
// the former.
func TestHubEventsOfTheNextChannel(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		roster := stage.FollowEvents(s.Hub)
		var busy []*stage.Roster
		for i := range 200 {
			master := s.User().Creates("abc123", "alice")
			if i%20 == 0 {
				busy = append(busy, stage.FollowEvents(s.Hub))
			}
			go func() { _ = master.Close() }()
			for {
				if _, err := s.User().Create(stage.Within(t), "abc123", "bob"); err == nil {
					break
				}
				time.Sleep(time.Nanosecond)
			}
			synctest.Wait()
			for _, r := range append(slices.Clone(busy), roster) {
				require.NoError(t, r.Compare())
			}
			channel, _ := s.Hub.Channel("abc123")
			require.NoError(t, channel.Close(""))
		}
		for _, r := range append(busy, roster) {
			require.NoError(t, r.Stop())
		}
	})
}
