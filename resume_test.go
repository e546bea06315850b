package lectern_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// The master comes back with its secret while its old connection is half dead:
// nobody is locked out by a ghost of themselves.
func TestRule7MasterReturnsBesideItsGhost(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		old := s.user()
		ghost := old.create("abc123", "alice")
		slave := s.user().join("abc123", "user_one")
		nextPresence(t, ghost, "user_one", lectern.Online)
		ticket := ghost.Ticket()
		old.plug().Silence()

		master, err := s.user().ResumeMaster(within(t), ticket)
		require.NoError(t, err)
		require.Equal(t, "alice", master.Username())
		nextPresence(t, master, "user_one", lectern.Online)
		require.Equal(t, "user_one", master.Members()[0].Username)
		broadcast(t, master, "here again")
		nextText(t, slave, "here again") // and no word of the master's having been away
		say(t, slave, "good")
		nextText(t, master, "good")

		// The ghost finds out that it is cut off, comes back, and now throws the
		// other one out in its turn: whoever comes last with the secret has it.
		ended(t, master, lectern.ErrReplaced)
		require.NoError(t, ghost.Err())
		broadcast(t, ghost, "me again")
		nextText(t, slave, "me again")
	})
}

func TestRule7ReplacedByASecondClient(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		first := s.user().create("abc123", "alice")
		slave := s.user().join("abc123", "user_one")
		master, err := s.user().ResumeMaster(within(t), first.Ticket())
		require.NoError(t, err)
		ended(t, first, lectern.ErrReplaced)
		_, err = first.Broadcast(within(t), lectern.Text("who speaks?"))
		require.ErrorIs(t, err, lectern.ErrReplaced)

		other, err := s.user().ResumeSlave(within(t), slave.Ticket())
		require.NoError(t, err)
		ended(t, slave, lectern.ErrReplaced)
		broadcast(t, master, "I do")
		receive(t, other, "I do")
		require.NoError(t, master.Err())

		_, err = s.user().ResumeSlave(within(t), master.Ticket())
		require.ErrorIs(t, err, lectern.ErrForbidden, "the ticket is for the other role")
	})
}

// Another client that comes back with the ticket numbers its frames from the
// start. None of its sends may be taken for one of the client before.
func TestResumeByAClientWhoseRefsBeginAnew(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		first := s.user().create("abc123", "alice")
		slave := s.user().join("abc123", "user_one")
		for i := range 5 {
			broadcast(t, first, fmt.Sprint("first ", i))
			say(t, slave, fmt.Sprint("up ", i))
		}
		master, err := s.user().ResumeMaster(within(t), first.Ticket())
		require.NoError(t, err)
		other, err := s.user().ResumeSlave(within(t), slave.Ticket())
		require.NoError(t, err)
		for i := range 5 {
			seq, err := master.Broadcast(within(t), lectern.Text("second"))
			require.NoError(t, err)
			require.EqualValues(t, 6+i, seq)
			seq, err = other.Send(within(t), lectern.Text("up again"))
			require.NoError(t, err)
			require.EqualValues(t, 6+i, seq)
		}
	})
}

// The stored times decide a tie, so the master wins up to the last instant and
// loses at X.
func TestRule3TheLastInstant(t *testing.T) {
	const x = 30 * time.Second
	for _, late := range []time.Duration{-time.Nanosecond, 0, time.Nanosecond} {
		t.Run(late.String(), func(t *testing.T) {
			inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
				alice := s.user()
				ticket := alice.create("abc123", "alice").Ticket()
				slave := s.user().join("abc123", "user_one")
				alice.cutOff()
				nextPresence(t, slave, "alice", lectern.Away)
				time.Sleep(x + late)
				master, err := s.user().ResumeMaster(within(t), ticket)
				if late >= 0 {
					require.ErrorIs(t, err, lectern.ErrResumeFailed)
					ended(t, slave, lectern.ErrMasterDown)
					return
				}
				require.NoError(t, err)
				nextPresence(t, slave, "alice", lectern.Online)
				time.Sleep(2 * x)
				require.NoError(t, slave.Err(), "the old time still runs")
				broadcast(t, master, "in time")
				nextText(t, slave, "in time")
			})
		})
	}
}

func TestMasterDownAndBack(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice := s.user()
		master := alice.create("abc123", "alice")
		one, two := s.user().join("abc123", "user_one"), s.user().join("abc123", "user_two")
		nextPresence(t, master, "user_one", lectern.Online)
		nextPresence(t, master, "user_two", lectern.Online)

		say(t, one, "before")
		nextText(t, master, "before")
		alice.cutOff()
		nextPresence(t, one, "alice", lectern.Away)
		nextPresence(t, two, "alice", lectern.Away)
		nextPresence(t, master, "alice", lectern.Unknown)
		for i := range 20 {
			say(t, one, fmt.Sprint("one ", i))
			say(t, two, fmt.Sprint("two ", i))
		}
		time.Sleep(29 * time.Second)
		alice.bar(false)
		nextPresence(t, one, "alice", lectern.Online)
		nextPresence(t, two, "alice", lectern.Online)
		nextPresence(t, master, "alice", lectern.Online)
		for i := range 20 {
			nextText(t, master, fmt.Sprint("one ", i))
			nextText(t, master, fmt.Sprint("two ", i))
		}
		time.Sleep(time.Minute)
		for _, h := range []handle{master, one, two} {
			require.NoError(t, h.Err())
		}
		broadcast(t, master, "go on")
		nextText(t, one, "go on")
		nextText(t, two, "go on")
	})
}

func TestSlaveComesBackToWhatItMissed(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		one := s.user()
		slave, other := one.join("abc123", "user_one"), s.user().join("abc123", "user_two")
		broadcast(t, master, "before")
		receive(t, slave, "before")
		one.cutOff()
		var texts []string
		for i := range 50 {
			text := fmt.Sprint("message ", i)
			broadcast(t, master, text)
			texts = append(texts, text)
			if i == 20 {
				tell(t, master, "user_one", "for you alone")
				texts = append(texts, "for you alone")
				tell(t, master, "user_two", "for the other one")
			}
		}
		one.bar(false)
		receive(t, slave, texts...)
		broadcast(t, master, "the end")
		receive(t, slave, "the end")
		receive(t, other, append([]string{"before"}, texts[:21]...)...)
		receive(t, other, "for the other one")
	})
}

// The same in a new client, as after a restart of the program.
func TestSlaveResumesByTicket(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		one := s.user()
		slave := one.join("abc123", "user_one")
		for i := range 5 {
			broadcast(t, master, fmt.Sprint("message ", i))
		}
		receive(t, slave, "message 0", "message 1")
		// Three are in the handle and were not taken: they count as not seen.
		synctest.Wait()
		ticket := slave.Ticket()
		require.EqualValues(t, 2, ticket.Last)
		one.cutOff()
		slave, err := s.user().ResumeSlave(within(t), ticket)
		require.NoError(t, err)
		receive(t, slave, "message 2", "message 3", "message 4")
		broadcast(t, master, "the end")
		receive(t, slave, "the end")
		require.EqualValues(t, 6, slave.Ticket().Last)
	})
}

func TestMasterResumesByTicket(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice := s.user()
		ticket := alice.create("abc123", "alice").Ticket()
		one, two := s.user().join("abc123", "user_one"), s.user()
		two.join("abc123", "user_two")
		alice.cutOff()
		two.cutOff()
		say(t, one, "anybody there?")
		synctest.Wait()
		master, err := s.user().ResumeMaster(within(t), ticket)
		require.NoError(t, err)
		nextPresence(t, master, "user_one", lectern.Online)
		nextPresence(t, master, "user_two", lectern.Away)
		nextText(t, master, "anybody there?")
		require.Len(t, master.Members(), 2)
	})
}

func TestGapTellsWhatIsNoLongerKept(t *testing.T) {
	policy := lectern.Policy{Replay: lectern.Bound{Messages: 10}}
	inVirtualTime(t, policy, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		one := s.user()
		slave := one.join("abc123", "user_one")
		broadcast(t, master, "before")
		receive(t, slave, "before")
		one.cutOff()
		for i := range 25 {
			broadcast(t, master, fmt.Sprint("message ", i))
		}
		one.bar(false)
		_, err := slave.Receive(within(t))
		var gap *lectern.GapError
		require.True(t, errors.As(err, &gap), "%v", err)
		require.EqualValues(t, 15, gap.Gap.Missed)
		for i := 15; i < 25; i++ {
			receive(t, slave, fmt.Sprint("message ", i))
		}
		require.NoError(t, slave.Err())
	})
}

func TestPrivateMessagesToOthersLeaveNoGap(t *testing.T) {
	policy := lectern.Policy{Replay: lectern.Bound{Messages: 10}}
	inVirtualTime(t, policy, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		one := s.user()
		slave := one.join("abc123", "user_one")
		s.user().join("abc123", "user_two")
		one.cutOff()
		for range 50 {
			tell(t, master, "user_two", "psst")
		}
		broadcast(t, master, "to all")
		one.bar(false)
		receive(t, slave, "to all")

		// But one that is for this slave does.
		one.cutOff()
		tell(t, master, "user_one", "lost")
		for range 50 {
			tell(t, master, "user_two", "psst")
		}
		one.bar(false)
		_, err := slave.Receive(within(t))
		var gap *lectern.GapError
		require.True(t, errors.As(err, &gap), "%v", err)
		require.GreaterOrEqual(t, gap.Gap.Missed, uint64(1))
	})
}

// While the master is away its slaves can send as much as is kept for it, and
// are then refused: nothing that was accepted is lost.
func TestBusyWhileTheMasterIsAway(t *testing.T) {
	policy := lectern.Policy{Replay: lectern.Bound{Messages: 10}}
	inVirtualTime(t, policy, func(t *testing.T, s *stage) {
		alice := s.user()
		master := alice.create("abc123", "alice")
		slave := s.user().join("abc123", "user_one")
		nextPresence(t, master, "user_one", lectern.Online)
		alice.cutOff()
		nextPresence(t, slave, "alice", lectern.Away)
		nextPresence(t, master, "alice", lectern.Unknown)
		for i := range 10 {
			say(t, slave, fmt.Sprint("message ", i))
		}
		for range 3 {
			_, err := slave.Send(within(t), lectern.Text("too many"))
			require.ErrorIs(t, err, lectern.ErrBusy)
		}
		alice.bar(false)
		nextPresence(t, master, "alice", lectern.Online)
		for i := range 10 {
			nextText(t, master, fmt.Sprint("message ", i))
		}
		say(t, slave, "there you are")
		nextText(t, master, "there you are")
	})
}

// Whatever is cut while both sides send, each message arrives once and in order.
func TestNothingLostOverManyCuts(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice, one := s.user(), s.user()
		master := alice.create("abc123", "alice")
		slave := one.join("abc123", "user_one")
		const count = 200
		sent := make(chan error, 2)
		go func() {
			for i := range count {
				if _, err := master.Broadcast(within(t), lectern.Text(fmt.Sprint("down ", i))); err != nil {
					sent <- err
					return
				}
				time.Sleep(time.Millisecond)
			}
			sent <- nil
		}()
		go func() {
			for i := range count {
				if _, err := slave.Send(within(t), lectern.Text(fmt.Sprint("up ", i))); err != nil {
					sent <- err
					return
				}
				time.Sleep(time.Millisecond)
			}
			sent <- nil
		}()
		go func() {
			for i := range 20 {
				time.Sleep(7 * time.Millisecond)
				if i%2 == 0 {
					alice.plug().Cut()
				} else {
					one.plug().Cut()
				}
			}
		}()
		for i := range count {
			receive(t, slave, fmt.Sprint("down ", i))
		}
		seen := 0
		for event, err := range master.Events(within(t)) {
			require.NoError(t, err)
			if message, ok := event.(lectern.Message); ok {
				require.Equal(t, fmt.Sprint("up ", seen), message.Text())
				if seen++; seen == count {
					break
				}
			}
		}
		require.NoError(t, <-sent)
		require.NoError(t, <-sent)
	})
}

// The list of many slaves is longer than any frame that a peer may send to the
// hub. A master gets it all the same, and is not thought to be slow for it.
func TestResumeWithALongRoster(t *testing.T) {
	policy := lectern.Policy{Outbox: lectern.Bound{Bytes: 64 << 10}}
	overEach(t, inMemory[1:3], policy, func(t *testing.T, s *stage) { // the slaves are over memory
		const count = 1100
		alice := s.user()
		master := alice.create("abc123", "alice")
		for i := range count {
			conn, err := s.hub.Dial(within(t))
			require.NoError(t, err)
			defer conn.Close(transport.Reason{Code: transport.Left})
			join := fmt.Sprintf(`{"type":"join","channel":"abc123","username":"user_%0123d"}`, i)
			require.NoError(t, conn.Write([]byte(join)))
			_, err = conn.Read()
			require.NoError(t, err)
			synctest.Wait() // the master takes the word of each
		}
		require.Len(t, master.Members(), count)
		alice.plug().Cut()
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, master.Err())
		require.Len(t, master.Members(), count)
		_, err := s.user().ResumeMaster(within(t), master.Ticket())
		require.NoError(t, err)
	})
}
