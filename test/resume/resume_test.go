package resume

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// The master comes back with its secret while its old connection is half dead:
// nobody is locked out by a ghost of themselves.
func TestRule7MasterReturnsBesideItsGhost(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		old := s.User()
		ghost := old.Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, ghost, "user_one", lectern.StateOnline)
		ticket := ghost.Ticket()
		old.Plug().Silence()

		master, err := s.User().ResumeMaster(stage.Within(t), ticket)
		require.NoError(t, err)
		require.Equal(t, "alice", master.Username())
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		require.Equal(t, "user_one", master.Members()[0].Username)
		stage.Broadcast(t, master, "here again")
		stage.NextText(t, slave, "here again") // and no word of the master's having been away
		stage.Say(t, slave, "good")
		stage.NextText(t, master, "good")

		// The ghost finds out that it is cut off, comes back, and is told that another
		// client has the channel now.
		stage.Ended(t, ghost, lectern.ErrReplaced)
		require.NoError(t, master.Err())
		stage.Broadcast(t, master, "still here")
		stage.NextText(t, slave, "still here")
	})
}

func TestRule7ReplacedByASecondClient(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		first := s.User().Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		master, err := s.User().ResumeMaster(stage.Within(t), first.Ticket())
		require.NoError(t, err)
		stage.Ended(t, first, lectern.ErrReplaced)
		_, err = first.Broadcast(stage.Within(t), lectern.Text("who speaks?"))
		require.ErrorIs(t, err, lectern.ErrReplaced)

		other, err := s.User().ResumeSlave(stage.Within(t), slave.Ticket())
		require.NoError(t, err)
		stage.Ended(t, slave, lectern.ErrReplaced)
		stage.Broadcast(t, master, "I do")
		stage.Receive(t, other, "I do")
		require.NoError(t, master.Err())

		_, err = s.User().ResumeSlave(stage.Within(t), master.Ticket())
		require.ErrorIs(t, err, lectern.ErrForbidden, "the ticket is for the other role")
	})
}

// Another client that comes back with the ticket numbers its frames from the
// start. None of its sends may be taken for one of the client before.
func TestResumeByAClientWhoseRefsBeginAnew(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		first := s.User().Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		for i := range 5 {
			stage.Broadcast(t, first, fmt.Sprint("first ", i))
			stage.Say(t, slave, fmt.Sprint("up ", i))
		}
		master, err := s.User().ResumeMaster(stage.Within(t), first.Ticket())
		require.NoError(t, err)
		other, err := s.User().ResumeSlave(stage.Within(t), slave.Ticket())
		require.NoError(t, err)
		for i := range 5 {
			receipt, err := master.Broadcast(stage.Within(t), lectern.Text("second"))
			require.NoError(t, err)
			require.EqualValues(t, 6+i, receipt.Seq)
			receipt, err = other.Send(stage.Within(t), lectern.Text("up again"))
			require.NoError(t, err)
			require.EqualValues(t, 6+i, receipt.Seq)
		}
	})
}

// The stored times decide a tie, so the master wins up to the last instant and
// loses at X.
func TestRule3TheLastInstant(t *testing.T) {
	const x = 30 * time.Second
	for _, late := range []time.Duration{-time.Nanosecond, 0, time.Nanosecond} {
		t.Run(late.String(), func(t *testing.T) {
			if late == 0 {
				stage.OneHub(t, "of several hubs, the order of the log decides a tie")
			}
			stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
				alice := s.User()
				ticket := alice.Creates("abc123", "alice").Ticket()
				slave := s.User().Joins("abc123", "user_one")
				alice.CutOff()
				stage.NextPresence(t, slave, "alice", lectern.StateAway)
				time.Sleep(x + late)
				master, err := s.User().ResumeMaster(stage.Within(t), ticket)
				if late >= 0 {
					require.ErrorIs(t, err, lectern.ErrResumeFailed)
					stage.Ended(t, slave, lectern.ErrMasterDown)
					return
				}
				require.NoError(t, err)
				stage.NextPresence(t, slave, "alice", lectern.StateOnline)
				time.Sleep(2 * x)
				require.NoError(t, slave.Err(), "the old time still runs")
				stage.Broadcast(t, master, "in time")
				stage.NextText(t, slave, "in time")
			})
		})
	}
}

func TestMasterDownAndBack(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		one, two := s.User().Joins("abc123", "user_one"), s.User().Joins("abc123", "user_two")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		stage.NextPresence(t, master, "user_two", lectern.StateOnline)

		stage.Say(t, one, "before")
		stage.NextText(t, master, "before")
		alice.CutOff()
		stage.NextPresence(t, one, "alice", lectern.StateAway)
		stage.NextPresence(t, two, "alice", lectern.StateAway)
		stage.NextPresence(t, master, "alice", lectern.StateUnknown)
		for i := range 20 {
			stage.Say(t, one, fmt.Sprint("one ", i))
			stage.Say(t, two, fmt.Sprint("two ", i))
		}
		time.Sleep(29 * time.Second)
		alice.Bar(false)
		stage.NextPresence(t, one, "alice", lectern.StateOnline)
		stage.NextPresence(t, two, "alice", lectern.StateOnline)
		stage.NextPresence(t, master, "alice", lectern.StateOnline)
		for i := range 20 {
			stage.NextText(t, master, fmt.Sprint("one ", i))
			stage.NextText(t, master, fmt.Sprint("two ", i))
		}
		time.Sleep(time.Minute)
		for _, h := range []stage.Handle{master, one, two} {
			require.NoError(t, h.Err())
		}
		stage.Broadcast(t, master, "go on")
		stage.NextText(t, one, "go on")
		stage.NextText(t, two, "go on")
	})
}

func TestSlaveComesBackToWhatItMissed(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		one := s.User()
		slave, other := one.Joins("abc123", "user_one"), s.User().Joins("abc123", "user_two")
		stage.Broadcast(t, master, "before")
		stage.Receive(t, slave, "before")
		one.CutOff()
		var texts []string
		for i := range 50 {
			text := fmt.Sprint("message ", i)
			stage.Broadcast(t, master, text)
			texts = append(texts, text)
			if i == 20 {
				stage.Tell(t, master, "user_one", "for you alone")
				texts = append(texts, "for you alone")
				stage.Tell(t, master, "user_two", "for the other one")
			}
		}
		one.Bar(false)
		stage.Receive(t, slave, texts...)
		stage.Broadcast(t, master, "the end")
		stage.Receive(t, slave, "the end")
		stage.Receive(t, other, append([]string{"before"}, texts[:21]...)...)
		stage.Receive(t, other, "for the other one")
	})
}

// The same in a new client, as after a restart of the program.
func TestSlaveResumesByTicket(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		one := s.User()
		slave := one.Joins("abc123", "user_one")
		for i := range 5 {
			stage.Broadcast(t, master, fmt.Sprint("message ", i))
		}
		stage.Receive(t, slave, "message 0", "message 1")
		// Three are in the handle and were not taken: they count as not seen.
		synctest.Wait()
		ticket := slave.Ticket()
		require.EqualValues(t, 2, ticket.Last)
		one.CutOff()
		slave, err := s.User().ResumeSlave(stage.Within(t), ticket)
		require.NoError(t, err)
		stage.Receive(t, slave, "message 2", "message 3", "message 4")
		stage.Broadcast(t, master, "the end")
		stage.Receive(t, slave, "the end")
		require.EqualValues(t, 6, slave.Ticket().Last)
	})
}

func TestMasterResumesByTicket(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		ticket := alice.Creates("abc123", "alice").Ticket()
		one, two := s.User().Joins("abc123", "user_one"), s.User()
		two.Joins("abc123", "user_two")
		alice.CutOff()
		two.CutOff()
		stage.Say(t, one, "anybody there?")
		synctest.Wait()
		master, err := s.User().ResumeMaster(stage.Within(t), ticket)
		require.NoError(t, err)
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		stage.NextPresence(t, master, "user_two", lectern.StateAway)
		stage.NextText(t, master, "anybody there?")
		require.Len(t, master.Members(), 2)
	})
}

func TestGapTellsWhatIsNoLongerKept(t *testing.T) {
	policy := lectern.Policy{Replay: lectern.QueueLimit{Messages: 10}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		one := s.User()
		slave := one.Joins("abc123", "user_one")
		stage.Broadcast(t, master, "before")
		stage.Receive(t, slave, "before")
		one.CutOff()
		for i := range 25 {
			stage.Broadcast(t, master, fmt.Sprint("message ", i))
		}
		one.Bar(false)
		_, err := slave.Receive(stage.Within(t))
		var gap *lectern.GapError
		require.True(t, errors.As(err, &gap), "%v", err)
		require.EqualValues(t, 15, gap.Gap.Missed)
		for i := 15; i < 25; i++ {
			stage.Receive(t, slave, fmt.Sprint("message ", i))
		}
		require.NoError(t, slave.Err())
	})
}

func TestPrivateMessagesToOthersLeaveNoGap(t *testing.T) {
	policy := lectern.Policy{Replay: lectern.QueueLimit{Messages: 10}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		one := s.User()
		slave := one.Joins("abc123", "user_one")
		s.User().Joins("abc123", "user_two")
		one.CutOff()
		for range 50 {
			stage.Tell(t, master, "user_two", "psst")
		}
		stage.Broadcast(t, master, "to all")
		one.Bar(false)
		stage.Receive(t, slave, "to all")

		// But one that is for this slave does.
		one.CutOff()
		stage.Tell(t, master, "user_one", "lost")
		for range 50 {
			stage.Tell(t, master, "user_two", "psst")
		}
		one.Bar(false)
		_, err := slave.Receive(stage.Within(t))
		var gap *lectern.GapError
		require.True(t, errors.As(err, &gap), "%v", err)
		require.GreaterOrEqual(t, gap.Gap.Missed, uint64(1))
	})
}

// While the master is away its slaves can send as much as is kept for it, and
// are then refused: nothing that was accepted is lost.
func TestBusyWhileTheMasterIsAway(t *testing.T) {
	policy := lectern.Policy{Replay: lectern.QueueLimit{Messages: 10}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		alice.CutOff()
		stage.NextPresence(t, slave, "alice", lectern.StateAway)
		stage.NextPresence(t, master, "alice", lectern.StateUnknown)
		for i := range 10 {
			stage.Say(t, slave, fmt.Sprint("message ", i))
		}
		for range 3 {
			_, err := slave.Send(stage.Within(t), lectern.Text("too many"))
			require.ErrorIs(t, err, lectern.ErrBusy)
		}
		alice.Bar(false)
		stage.NextPresence(t, master, "alice", lectern.StateOnline)
		for i := range 10 {
			stage.NextText(t, master, fmt.Sprint("message ", i))
		}
		stage.NextPresence(t, slave, "alice", lectern.StateOnline)
		stage.Say(t, slave, "there you are")
		stage.NextText(t, master, "there you are")
	})
}

// Whatever is cut while both sides send, each message arrives once and in order.
func TestNothingLostOverManyCuts(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.User(), s.User()
		master := alice.Creates("abc123", "alice")
		slave := one.Joins("abc123", "user_one")
		const count = 200
		sent := make(chan error, 2)
		go func() {
			for i := range count {
				if _, err := master.Broadcast(stage.Within(t), lectern.Text(fmt.Sprint("down ", i))); err != nil {
					sent <- err
					return
				}
				time.Sleep(time.Millisecond)
			}
			sent <- nil
		}()
		go func() {
			for i := range count {
				if _, err := slave.Send(stage.Within(t), lectern.Text(fmt.Sprint("up ", i))); err != nil {
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
					alice.Plug().Cut()
				} else {
					one.Plug().Cut()
				}
			}
		}()
		for i := range count {
			stage.Receive(t, slave, fmt.Sprint("down ", i))
		}
		seen := 0
		for event, err := range master.Events(stage.Within(t)) {
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
	policy := lectern.Policy{Outbox: lectern.QueueLimit{Bytes: 64 << 10}}
	stage.OverEach(t, stage.InMemory[1:3], policy, func(t *testing.T, s *stage.Stage) { // the slaves are over memory
		const count = 1100
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		for i := range count {
			conn, err := s.Hub.Dial(stage.Within(t))
			require.NoError(t, err)
			defer conn.Close(transport.Reason{Code: transport.Left})
			join := fmt.Sprintf(`{"type":"join","channel":"abc123","username":"user_%0123d"}`, i)
			require.NoError(t, conn.Write([]byte(join)))
			_, err = conn.Read()
			require.NoError(t, err)
			synctest.Wait() // the master takes the word of each
		}
		require.Len(t, master.Members(), count)
		alice.Plug().Cut()
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, master.Err())
		require.Len(t, master.Members(), count)
		_, err := s.User().ResumeMaster(stage.Within(t), master.Ticket())
		require.NoError(t, err)
	})
}
