package requests

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// lines are what a Gather has told, in order: whom it asks, and its parts.
type lines struct {
	mu   sync.Mutex
	told []string
	over chan struct{}
}

func (l *lines) add(format string, values ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, fmt.Sprintf(format, values...))
}

// were are the lines since the last call, when nothing goes on any more.
func (l *lines) were() []string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	told := l.told
	l.told = nil
	return told
}

// gathers is a Gather in the background that tells whom it asks.
func gathers(ctx context.Context, master *lectern.Master, options ...lectern.GatherOption) *lines {
	l := &lines{over: make(chan struct{})}
	first := true
	options = append(options, lectern.WithAsked(func(names []string) {
		if first {
			first = false
			l.add("asked %s", strings.Join(names, " "))
			return
		}
		for _, name := range names { // who is asked later may be told together
			l.add("asked %s", name)
		}
	}))
	go func() {
		defer close(l.over)
		for answer := range master.Gather(ctx, lectern.Text("ready?"), options...) {
			if answer.Err != nil {
				l.add("%s: %v", answer.From, answer.Err)
			} else {
				l.add("%s: %s", answer.From, answer.Message.Text())
			}
		}
	}()
	synctest.Wait()
	return l
}

// says answers the next question of the slave.
func says(t *testing.T, slave *lectern.Slave, text string) {
	t.Helper()
	for {
		if question, ok := stage.Next(t, slave).(lectern.Message); ok {
			require.Equal(t, "ready?", question.Text())
			_, err := slave.Reply(stage.Within(t), question, lectern.Text(text))
			require.NoError(t, err)
			return
		}
	}
}

// Whoever gathers is told who is asked, before the first answer: though that is nobody.
func TestGatherTellsWhomItAsks(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		l := gathers(stage.Within(t), master)
		require.Equal(t, []string{"asked "}, l.were())
		<-l.over
		one, two := s.User().Joins("abc123", "one"), s.User().Joins("abc123", "two")
		synctest.Wait()
		l = gathers(stage.Within(t), master)
		s.User().Joins("abc123", "three")
		says(t, one, "yes")
		require.Equal(t, []string{"asked one two", "one: yes"}, l.were())
		says(t, two, "no")
		require.Equal(t, []string{"two: no"}, l.were())
		<-l.over
	})
}

// Who joins while it goes on is asked the same, once for each membership, and it goes on until
// its context ends: then each who was asked and has not answered has a part with its error.
func TestGatherAsksNewcomers(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx, cancel := context.WithCancel(stage.Within(t))
		master := s.User().Creates("abc123", "alice")
		one := s.User().Joins("abc123", "one")
		synctest.Wait()
		l := gathers(ctx, master, lectern.WithNewcomers(), lectern.WithTopic("roll call"))
		require.Equal(t, []string{"asked one"}, l.were())
		says(t, one, "yes")
		user := s.User()
		two := user.Joins("abc123", "two")
		require.Equal(t, []string{"one: yes", "asked two"}, l.were())
		question, err := two.Receive(stage.Within(t))
		require.NoError(t, err)
		require.True(t, question.Private)
		require.Equal(t, "roll call", question.Topic)
		require.Equal(t, "ready?", question.Text())

		// It leaves, and joins again; it is kicked, and joins again.
		require.NoError(t, two.Leave())
		two = user.Joins("abc123", "two")
		require.Equal(t, []string{"two: lectern: no_such_slave: two has left: left", "asked two"}, l.were())
		require.NoError(t, master.Kick(stage.Within(t), "two", "out"))
		stage.Ended(t, two, lectern.ErrKicked)
		two = user.Joins("abc123", "two")
		require.Equal(t, []string{"two: lectern: no_such_slave: two has left: out", "asked two"}, l.were())
		says(t, two, "at last")
		require.Equal(t, []string{"two: at last"}, l.were())

		// Who is back is no newcomer; nor is who has answered and leaves.
		user.Plug().Cut()
		require.NoError(t, one.Leave())
		require.Empty(t, l.were())

		s.User().Joins("abc123", "four")
		three := s.User().Joins("abc123", "three")
		require.ElementsMatch(t, []string{"asked four", "asked three"}, l.were())
		cancel()
		require.Equal(t, []string{"four: context canceled", "three: context canceled"}, l.were())
		<-l.over
		question, err = three.Receive(stage.Within(t))
		require.NoError(t, err)
		_, err = three.Reply(stage.Within(t), question, lectern.Text("late"))
		require.ErrorIs(t, err, lectern.ErrNoSuchRequest, "it is withdrawn")
		s.User().Joins("abc123", "five")
		require.Empty(t, l.were())

		// It ends with the channel, too.
		l = gathers(stage.Within(t), master, lectern.WithNewcomers())
		require.NoError(t, master.Close())
		require.Equal(t, []string{
			"asked five four three two", "five: lectern: left", "four: lectern: left", "three: lectern: left", "two: lectern: left",
		}, l.were())
		<-l.over
	})
}

// What comes about while the master is away it learns when it is back, by the numbers of the
// memberships: who is new is asked, and who has left and joined again; who has stayed is not.
func TestGatherAsksNewcomersAfterAResume(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx, cancel := context.WithCancel(stage.Within(t))
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		one, user := s.User().Joins("abc123", "one"), s.User()
		two := user.Joins("abc123", "two")
		synctest.Wait()
		l := gathers(ctx, master, lectern.WithNewcomers())
		three := s.User().Joins("abc123", "three")
		require.Equal(t, []string{"asked one two", "asked three"}, l.were())
		alice.CutOff()
		synctest.Wait()
		says(t, three, "while it was away")
		require.NoError(t, two.Leave())
		two = user.Joins("abc123", "two")
		four := s.User().Joins("abc123", "four")
		require.Empty(t, l.were())
		alice.Bar(false)
		time.Sleep(time.Second)
		got := l.were()
		slices.Sort(got)
		require.Equal(t, []string{"asked four", "asked two", "three: while it was away", "two: lectern: no_such_slave: two has left: left while the master was away"}, got)
		says(t, one, "yes")
		says(t, two, "yes")
		says(t, four, "yes")
		got = l.were()
		slices.Sort(got)
		require.Equal(t, []string{"four: yes", "one: yes", "two: yes"}, got)
		cancel()
		require.Empty(t, l.were())
		<-l.over
	})
}

// More newcomers than a hub has room for are asked as others answer.
func TestGatherAsksManyNewcomers(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		ctx, cancel := context.WithCancel(stage.Within(t))
		master := s.User().Creates("abc123", "alice")
		l := gathers(ctx, master, lectern.WithNewcomers())
		l.were()
		var slaves []*lectern.Slave
		for i := range 300 {
			slaves = append(slaves, s.User().Joins("abc123", fmt.Sprintf("user_%03d", i)))
		}
		asked := func() (names int) {
			for _, line := range l.were() {
				if list, ok := strings.CutPrefix(line, "asked "); ok {
					names += len(strings.Fields(list))
				}
			}
			return names
		}
		require.Equal(t, 128, asked())
		for _, slave := range slaves[:100] {
			says(t, slave, "yes")
		}
		require.Equal(t, 100, asked())
		require.NoError(t, slaves[299].Leave())
		for _, slave := range slaves[100:200] {
			says(t, slave, "yes")
		}
		require.Equal(t, 71, asked(), "but for who has left")
		cancel()
		require.Len(t, l.were(), 99)
		<-l.over
	})
}

// A hub that takes no more for now is asked again later. Who has left by then is not.
func TestGatherIsRefusedForNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubByHand(t)
		l := gathers(stage.Within(t), h.master, lectern.WithNewcomers())
		h.writes(`{"type":"ack","ref":%d,"seq":1}`, h.next().Ref)
		require.Equal(t, []string{"asked "}, l.were())
		began := time.Now()
		h.joins("bob", 1)
		h.joins("eve", 2)
		for _, question := range []wire.Frame{h.next(), h.next()} {
			require.True(t, question.Asks)
			h.writes(`{"type":"error","ref":%d,"channel":"abc123","code":"busy","message":"later"}`, question.Ref)
		}
		h.writes(`{"type":"presence","channel":"abc123","username":"bob","role":"slave","state":"left"}`)
		question := h.next()
		require.Equal(t, "eve", question.To)
		require.Equal(t, time.Second, time.Since(began))
		require.Empty(t, l.were())
		h.writes(`{"type":"ack","ref":%d,"seq":2,"slaves":1}`, question.Ref)
		require.Equal(t, []string{"asked eve"}, l.were())
		h.writes(`{"type":"message","channel":"abc123","from":"eve","seq":1,"reply":2,"text":"yes"}`)
		require.Equal(t, []string{"eve: yes"}, l.were())
		h.joins("dan", 3)
		h.writes(`{"type":"error","ref":%d,"channel":"abc123","code":"forbidden","message":"not him"}`, h.next().Ref)
		require.Equal(t, []string{"asked dan", "dan: lectern: forbidden: not him"}, l.were())
		require.NoError(t, h.hub.Close(transport.Reason{Code: transport.ChannelClosed}))
		<-l.over
	})
}

// Where the hub's answer is lost with the connection, it is known later who was asked: answers wait
// for that. Who is there then and was not asked is a newcomer.
func TestGatherWhoseAnswerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubByHand(t)
		h.joins("bob", 1)
		h.joins("eve", 2)
		l := gathers(stage.Within(t), h.master, lectern.WithNewcomers())
		require.True(t, h.next().Asks)
		require.NoError(t, h.hub.Close(transport.Reason{Code: transport.Slow}))
		h.hub = <-h.dialer
		h.writes(`{"type":"created","ref":%d,"channel":"abc123","username":"alice","resume":"x","epoch":2,"seq":1,"master_timeout_ms":30000,"members":[%s]}`,
			h.next().Ref, entry("bob", "online", 1)+","+entry("dan", "online", 3)+","+entry("eve", "online", 2))
		require.Equal(t, wire.Ping, h.next().Type)
		h.writes(`{"type":"message","channel":"abc123","from":"bob","seq":1,"reply":1,"text":"yes"}`)
		again := h.next()
		require.True(t, again.Asks)
		h.writes(`{"type":"ack","ref":%d,"seq":1}`, again.Ref)
		who := h.next()
		require.Equal(t, wire.Awaiting, who.Type)
		require.Empty(t, l.were())
		h.writes(`{"type":"awaiting","ref":%d,"channel":"abc123","request":1,"members":[%s]}`, who.Ref, entry("eve", "online", 2))
		newcomer := h.next()
		require.Equal(t, "dan", newcomer.To)
		h.writes(`{"type":"ack","ref":%d,"seq":2,"slaves":1}`, newcomer.Ref)
		require.Equal(t, []string{"asked bob eve", "bob: yes", "asked dan"}, l.were())
		require.NoError(t, h.hub.Close(transport.Reason{Code: transport.ChannelClosed}))
		<-l.over
		require.Len(t, l.were(), 2)
	})
}

// A question that expires is asked of newcomers with what is left of its time, and of nobody after it.
func TestGatherOfNewcomersExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubByHand(t)
		l := gathers(stage.Within(t), h.master, lectern.WithNewcomers(), lectern.WithExpiry(10*time.Second))
		question := h.next()
		require.EqualValues(t, 10_000, question.Expires())
		h.writes(`{"type":"ack","ref":%d,"seq":1}`, question.Ref)
		require.Equal(t, []string{"asked "}, l.were())
		time.Sleep(4 * time.Second)
		h.joins("bob", 1)
		question = h.next()
		require.EqualValues(t, 6000, question.Expires())
		h.writes(`{"type":"ack","ref":%d,"seq":2,"slaves":1}`, question.Ref)
		require.Equal(t, []string{"asked bob"}, l.were())
		time.Sleep(6 * time.Second)
		h.joins("eve", 2)
		require.Empty(t, l.were())
		require.NoError(t, h.hub.Close(transport.Reason{Code: transport.ChannelClosed}))
		<-l.over
		require.Equal(t, []string{"bob: lectern: channel_closed"}, l.were())
	})
}

// A Gather that asks newcomers ends when its time is over: with the parts of those who have not answered, and at
// once where there is nobody.
func TestGatherOfNewcomersEndsAtItsExpiry(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		begun := time.Now()
		_, master, _, slaves := s.Class(2)
		l := gathers(stage.Within(t), master, lectern.WithNewcomers(), lectern.WithExpiry(10*time.Second))
		answers := func(slave *lectern.Slave) {
			nextQuestion(t, slave, "ready?")
			require.NoError(t, replies(t, slave, "ready?", "yes"))
		}
		answers(slaves[0])
		require.Equal(t, []string{"asked user_0 user_1", "user_0: yes"}, l.were())
		time.Sleep(4 * time.Second)
		answers(s.User().Joins("abc123", "eve"))
		require.Equal(t, []string{"asked eve", "eve: yes"}, l.were())
		s.User().Joins("abc123", "quiet")
		require.Equal(t, []string{"asked quiet"}, l.were())
		time.Sleep(5 * time.Second)
		require.Empty(t, l.were())
		<-l.over
		require.InDelta(t, 10*time.Second, time.Since(begun), float64(10*time.Millisecond))
		told := l.were()
		slices.Sort(told)
		require.Equal(t, []string{
			"quiet: lectern: too_late: quiet has not answered in time", "user_1: lectern: too_late: user_1 has not answered in time",
		}, told)
		s.User().Joins("abc123", "late")
		require.Empty(t, l.were())

		for _, slave := range master.Members() {
			require.NoError(t, master.Kick(stage.Within(t), slave.Username, ""))
		}
		begun = time.Now()
		l = gathers(stage.Within(t), master, lectern.WithNewcomers(), lectern.WithExpiry(time.Second))
		<-l.over
		require.Equal(t, time.Second, time.Since(begun))
		require.Equal(t, []string{"asked "}, l.were())
	})
}

// What is under way as the time ends is still waited for: a question to a newcomer that the hub has not
// answered, and an answer that the hub says was given in time.
func TestGatherOfNewcomersWaitsForWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubByHand(t)
		h.joins("ada", 1)
		l := gathers(stage.Within(t), h.master, lectern.WithNewcomers(), lectern.WithExpiry(10*time.Second))
		h.writes(`{"type":"ack","ref":%d,"seq":1,"slaves":1}`, h.next().Ref)
		require.Equal(t, []string{"asked ada"}, l.were())
		time.Sleep(9 * time.Second)
		h.joins("bob", 2)
		question := h.next()
		time.Sleep(time.Second)
		h.writes(`{"type":"awaiting","channel":"abc123","request":1,"code":"too_late","members":[{"username":"ada","state":"online"}]}`)
		require.Empty(t, l.were())
		h.writes(`{"type":"message","channel":"abc123","from":"ada","seq":1,"reply":1,"text":"yes"}`)
		require.Equal(t, []string{"ada: yes"}, l.were())
		select {
		case <-l.over:
			require.Fail(t, "bob is asked")
		default:
		}
		h.writes(`{"type":"error","ref":%d,"channel":"abc123","code":"too_late","message":"too late"}`, question.Ref)
		<-l.over
		require.Equal(t, []string{"asked bob", "bob: lectern: too_late: too late"}, l.were())
	})
}
