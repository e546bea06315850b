package rosters

import (
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// many is more than a page of a list has, and less than two.
const many = 1100

// slaves has so many join, and returns them by their names.
func slaves(s *stage.Stage, n int) map[string]*lectern.Slave {
	all := make(map[string]*lectern.Slave, n)
	for i := range n {
		name := fmt.Sprintf("user_%04d", i)
		all[name] = s.User().Joins("abc123", name)
	}
	return all
}

// names are those of the members, of which each is online.
func names(t *testing.T, members iter.Seq2[lectern.Presence, error]) (all []string) {
	for p, err := range members {
		require.NoError(t, err)
		require.Equal(t, lectern.StateOnline, p.State)
		all = append(all, p.Username)
	}
	return all
}

func ordered(all map[string]*lectern.Slave) (ordered []string) {
	for i := range many {
		name := fmt.Sprintf("user_%04d", i)
		if all[name] != nil {
			ordered = append(ordered, name)
		}
	}
	return ordered
}

func membersOf(master *lectern.Master) iter.Seq2[lectern.Presence, error] {
	return func(yield func(lectern.Presence, error) bool) {
		for _, p := range master.Members() {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// replies answers a question, however many others do at the same time.
func replies(t *testing.T, slave *lectern.Slave, to lectern.Message) {
	for {
		_, err := slave.Reply(stage.Within(t), to, lectern.Text("yes"))
		if !errors.Is(err, lectern.ErrBusy) {
			require.NoError(t, err)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A master that comes back to more slaves than one list has knows all of them: by its own return, and where another client takes
// the membership over, when that has it.
func TestRosterInPages(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		master := alice.Creates("abc123", "alice")
		all := slaves(s, many)
		synctest.Wait()
		require.Equal(t, ordered(all), names(t, membersOf(master)))
		require.Equal(t, lectern.Counts{Online: many}, master.Counts())

		alice.Bar(true)
		alice.Plug().Cut()
		for _, gone := range []string{"user_0003", "user_1050", "user_1099"} {
			require.NoError(t, all[gone].Leave())
			delete(all, gone)
		}
		all["user_1050"] = s.User().Joins("abc123", "user_1050")
		alice.Bar(false)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, ordered(all), names(t, membersOf(master)))
		joined := map[string]int{}
		for {
			p, ok := stage.Next(t, master).(lectern.Presence)
			if ok && p.Joined && p.Username == "user_1050" {
				joined[p.Username]++
			}
			if ok && p.State == lectern.StateGone && p.Username == "user_1099" {
				break
			}
		}

		other, err := s.User().ResumeMaster(stage.Within(t), master.Ticket())
		require.NoError(t, err)
		require.Equal(t, ordered(all), names(t, membersOf(other)))
		var inOrder []string
		for i := range many {
			if name := fmt.Sprintf("user_%04d", i); all[name] != nil && name != "user_1050" {
				inOrder = append(inOrder, name)
			}
		}
		require.Equal(t, append(inOrder, "user_1050"), names(t, other.AllMembers(stage.Within(t))), "in the order in which they have joined")

		// What is sent goes on as ever, and who answers is known of.
		stage.Say(t, all["user_1050"], "here")
		var parts sync.WaitGroup
		for _, slave := range all {
			parts.Go(func() {
				for event, err := range slave.Events(stage.Within(t)) {
					require.NoError(t, err)
					if m, ok := event.(lectern.Message); ok {
						replies(t, slave, m)
						return
					}
				}
			})
		}
		answered := 0
		for answer := range other.Gather(stage.Within(t), lectern.Text("there?")) {
			require.NoError(t, answer.Err)
			answered++
		}
		parts.Wait()
		require.Equal(t, len(all), answered)
	})
}

// A master that counts its slaves is told how many there are, and of none of them. It can ask who is there, hears what they send, and
// has the part of each whom it asks.
func TestCounts(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.UserWith(lectern.ClientOptions{CountSlaves: true})
		master := alice.Creates("abc123", "alice")
		all := slaves(s, many)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, lectern.Counts{Online: many}, master.Counts())
		require.Empty(t, master.Members())
		require.Equal(t, ordered(all), names(t, master.AllMembers(stage.Within(t))))
		for event := range master.Events(stage.Within(t)) {
			counts, ok := event.(lectern.Counts)
			require.True(t, ok, "instead of counts: %#v", event)
			if counts.Online == many {
				break
			}
		}
		stage.Say(t, all["user_0007"], "hello")
		require.Equal(t, "user_0007", stage.NextText(t, master, "hello").From)

		var parts sync.WaitGroup
		for name, slave := range all {
			parts.Go(func() {
				for event, err := range slave.Events(stage.Within(t)) {
					require.NoError(t, err)
					m, ok := event.(lectern.Message)
					switch {
					case !ok:
					case name == "user_0500" || name == "user_1099":
						require.NoError(t, slave.Leave())
						return
					default:
						replies(t, slave, m)
						return
					}
				}
			})
		}
		from := map[string]error{}
		for answer := range master.Gather(stage.Within(t), lectern.Text("there?")) {
			require.NotContains(t, from, answer.From)
			from[answer.From] = answer.Err
		}
		parts.Wait()
		for name, err := range from {
			if name == "user_0500" || name == "user_1099" {
				require.ErrorIs(t, err, lectern.ErrNoSuchSlave)
			} else {
				require.NoError(t, err)
			}
		}
		for name := range all {
			// Who has left before the hub has told who is asked is no part.
			require.True(t, name == "user_0500" || name == "user_1099" || isIn(from, name), name)
		}

		// It is so when the connection is another one, and for a slave that becomes the master.
		alice.Plug().Cut()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, lectern.Counts{Online: many - 2}, master.Counts())
		heir := s.UserWith(lectern.ClientOptions{CountSlaves: true})
		slave := heir.Joins("abc123", "heir")
		_, err := master.HandOver(stage.Within(t), "heir", false)
		require.NoError(t, err)
		for {
			if promotion, ok := stage.Next(t, slave).(lectern.Promotion); ok {
				require.Equal(t, lectern.Counts{Online: many - 2}, promotion.Master.Counts())
				require.Empty(t, promotion.Master.Members())
				break
			}
		}
	})
}

func isIn(from map[string]error, name string) bool {
	_, is := from[name]
	return is
}
