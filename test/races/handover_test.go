package races

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// handing is a channel of alice with the slaves one and two, of which one is to be made the master while
// something else happens.
type handing struct {
	*stage.Stage
	channel *lectern.Channel
	// users are those of alice, one and two.
	users   map[string]*stage.User
	alice   *lectern.Master
	masters []*lectern.Master
	slaves  []*lectern.Slave
}

// delayed is a policy whose service takes so long to say who may be the master. mine is the token of a user who gets
// its seat back.
func delayed(by time.Duration) lectern.Policy {
	return lectern.Policy{MasterTimeout: 20 * time.Second, Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		if r.Operation == lectern.OpMaster {
			time.Sleep(by)
		}
		return lectern.Identity{AsAsked: true, TakeOver: r.Token == "mine"}, nil
	}}
}

func beginHanding(s *stage.Stage) *handing {
	h := &handing{Stage: s, users: map[string]*stage.User{"alice": s.User(), "one": s.User(), "two": s.User()}}
	h.alice = h.users["alice"].Creates("abc123", "alice")
	h.masters = append(h.masters, h.alice)
	for _, name := range []string{"one", "two"} {
		h.slaves = append(h.slaves, h.users[name].Joins("abc123", name))
	}
	h.channel, _ = s.Hub.Channel("abc123")
	return h
}

// held are the handles that have not ended.
func (h *handing) held() (masters []*lectern.Master, slaves []*lectern.Slave) {
	for _, m := range h.masters {
		if m.Err() == nil {
			masters = append(masters, m)
		}
	}
	for _, s := range h.slaves {
		switch next := s.Promoted(); {
		case s.Err() == nil:
			slaves = append(slaves, s)
		case next != nil && next.Err() == nil:
			masters = append(masters, next)
		}
	}
	return masters, slaves
}

// settled expects that there are the handles of those whom the hub has in the channel, one of each, and no others:
// one of them is the master, and what it says comes to all the others (rule 7).
func (h *handing) settled(what string) (report lectern.ChannelSnapshot, exists bool) {
	h.T.Helper()
	time.Sleep(5 * time.Second)
	synctest.Wait()
	report, exists = h.channel.Snapshot()
	masters, slaves := h.held()
	if !exists {
		require.Empty(h.T, masters, what)
		require.Empty(h.T, slaves, what)
		return report, exists
	}
	require.Len(h.T, masters, 1, what)
	require.Equal(h.T, report.Master.Username, masters[0].Username(), what)
	require.Equal(h.T, lectern.StateOnline, report.Master.State, what)
	var there, have []string
	for _, m := range report.Slaves {
		there = append(there, m.Username)
	}
	for _, s := range slaves {
		have = append(have, s.Username())
	}
	slices.Sort(have)
	require.Equal(h.T, there, have, what)
	receipt, err := masters[0].Broadcast(stage.Within(h.T), lectern.Text("here"))
	require.NoError(h.T, err, what)
	require.Equal(h.T, len(slaves), receipt.Slaves, what)
	return report, exists
}

// Whatever falls into the instant in which the service sets a master, one of the two comes first, both callers are told
// which, and everybody is what the hub says.
func TestRaceOfSetMasterAndOthers(t *testing.T) {
	// A master that was let go is told by the end of its membership, or by an answer that overtakes that.
	let := []error{lectern.ErrHandedOver, lectern.ErrNotAMember}
	leaves := func(h *handing) error { return h.slaves[0].Leave() }
	for name, other := range map[string]struct {
		do func(h *handing) error
		// set and done are what the two may be told, beside that they have succeeded. both: they may both have.
		set, done []error
		both      bool
	}{
		"kick":            {func(h *handing) error { return h.channel.Kick("one", "") }, []error{lectern.ErrNoSuchSlave}, []error{lectern.ErrNoSuchSlave}, false},
		"ban":             {func(h *handing) error { return h.channel.Ban("one", "") }, []error{lectern.ErrNoSuchSlave}, []error{lectern.ErrNoSuchSlave}, false},
		"a master's kick": {func(h *handing) error { return h.alice.Kick(stage.Within(h.T), "one", "") }, []error{lectern.ErrNoSuchSlave}, let, false},
		"close":           {func(h *handing) error { return h.channel.Close("over") }, []error{lectern.ErrNoSuchChannel}, nil, true},
		"a master's end":  {func(h *handing) error { return h.alice.Close() }, []error{lectern.ErrNoSuchChannel}, nil, true},
		"a slave's end":   {leaves, []error{lectern.ErrNoSuchSlave}, []error{lectern.ErrHandedOver, lectern.ErrRoleChanged}, false},
		"another":         {func(h *handing) error { return h.channel.SetMaster(stage.Within(h.T), "two") }, nil, nil, true},
		"the same":        {func(h *handing) error { return h.channel.SetMaster(stage.Within(h.T), "one") }, []error{lectern.ErrNoSuchSlave}, []error{lectern.ErrNoSuchSlave}, true},
		"a hand-over": {func(h *handing) error {
			slave, err := h.alice.HandOver(stage.Within(h.T), "two", true)
			if slave != nil {
				h.slaves = append(h.slaves, slave)
			}
			return err
		}, nil, let, true},
		"a cut of the slave":  {func(h *handing) error { h.users["one"].Plug().Cut(); return nil }, []error{lectern.ErrNoSuchSlave, lectern.ErrBusy}, nil, true},
		"a cut of the master": {func(h *handing) error { h.users["alice"].Plug().Cut(); return nil }, nil, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			for round := range 9 * ((*rounds + 8) / 9) {
				stage.InBubble(t, delayed(time.Duration(round%3)*time.Millisecond), func(t *testing.T, s *stage.Stage) {
					h := beginHanding(s)
					var set, done error
					var all sync.WaitGroup
					all.Go(func() { set = h.channel.SetMaster(stage.Within(t), "one") })
					all.Go(func() {
						time.Sleep(time.Duration(round/3%3) * time.Millisecond)
						done = other.do(h)
					})
					all.Wait()
					what := fmt.Sprintf("round %d: %v, %v", round, set, done)
					among := func(err error, allowed []error) bool {
						return err == nil || slices.ContainsFunc(allowed, func(e error) bool { return errors.Is(err, e) })
					}
					require.True(t, among(set, other.set), what)
					require.True(t, among(done, other.done), what)
					require.True(t, set == nil || done == nil, what)
					require.True(t, other.both || set != nil || done != nil, what)
					report, exists := h.settled(what)
					if !other.both && exists {
						require.Equal(t, set == nil, report.Master.Username == "one", what)
					}
				})
			}
		})
	}
}

// A hub that shuts down while the service sets a master has it before or not at all, and so has the hub that goes on from
// what it has left.
func TestRaceOfSetMasterAndShutdown(t *testing.T) {
	stage.OneHub(t, "one hub of no cluster exports what it has")
	for round := range 9 * ((*rounds + 8) / 9) {
		stage.InBubble(t, delayed(time.Duration(round%3)*time.Millisecond), func(t *testing.T, s *stage.Stage) {
			h := beginHanding(s)
			var set, stopped, exported error
			var early, state bytes.Buffer
			var all sync.WaitGroup
			all.Go(func() { set = h.channel.SetMaster(stage.Within(t), "one") })
			after := time.Duration(round/3%3) * time.Millisecond
			all.Go(func() {
				time.Sleep(after)
				stopped = s.Hub.Shutdown(stage.Within(t))
			})
			all.Go(func() {
				time.Sleep(after)
				exported = s.Hub.Export(&early)
			})
			all.Wait()
			require.NoError(t, stopped)
			require.NoError(t, s.Hub.Export(&state))
			if exported == nil {
				require.Equal(t, state.Bytes(), early.Bytes())
			} else {
				require.ErrorIs(t, exported, lectern.ErrNotShutDown)
			}
			next, err := lectern.NewHub(lectern.Policy{})
			require.NoError(t, err)
			defer next.Close()
			require.NoError(t, next.Restore(&state))
			channel, exists := next.Channel("abc123")
			require.True(t, exists)
			report, _ := channel.Snapshot()
			if set == nil {
				require.Equal(t, "one", report.Master.Username)
			} else {
				require.ErrorIs(t, set, lectern.ErrShuttingDown)
				require.Equal(t, "alice", report.Master.Username)
			}
		})
	}
}

// A ticket that is used, a user who gets its seat back by the word of the service, and a hand-over to that member in one
// instant: whoever has the membership in the end is one, as what the hub says, and everybody else is told that it has not.
func TestRaceOfAHandOverATicketAndATakeOver(t *testing.T) {
	outcomes := map[string]int{}
	for round := range 27 * ((*rounds + 26) / 27) {
		stage.InBubble(t, delayed(time.Duration(round%3)*time.Millisecond), func(t *testing.T, s *stage.Stage) {
			h := beginHanding(s)
			ticket := h.slaves[0].Ticket()
			heirs := [2]*stage.User{s.User(), s.User()}
			var set, resumed, taken error
			var slaves [3]*lectern.Slave
			var all sync.WaitGroup
			all.Go(func() {
				if round%2 == 0 {
					set = h.channel.SetMaster(stage.Within(t), "one")
				} else {
					slaves[2], set = h.alice.HandOver(stage.Within(t), "one", true)
				}
			})
			all.Go(func() {
				time.Sleep(time.Duration(round/3%3) * time.Millisecond)
				slaves[0], resumed = heirs[0].ResumeSlave(stage.Within(t), ticket)
			})
			all.Go(func() {
				time.Sleep(time.Duration(round/9%3) * time.Millisecond)
				slaves[1], taken = heirs[1].Join(stage.Within(t), "abc123", "one", lectern.WithToken("mine"))
			})
			all.Wait()
			what := fmt.Sprintf("round %d: %v, %v, %v", round, set, resumed, taken)
			for _, slave := range slaves {
				if slave != nil {
					h.slaves = append(h.slaves, slave)
				}
			}
			if taken != nil {
				// It is the master's seat by now, which is not joined; who has had it was told that it has not.
				require.ErrorIs(t, taken, lectern.ErrForbidden, what)
				require.ErrorContains(t, taken, "create", what)
				require.NoError(t, set, what)
				master, err := heirs[1].Create(stage.Within(t), "abc123", "one", lectern.WithToken("mine"))
				require.NoError(t, err, what)
				h.masters = append(h.masters, master)
			}
			if resumed != nil {
				require.True(t, errors.Is(resumed, lectern.ErrReplaced) || errors.Is(resumed, lectern.ErrResumeFailed), what)
			}
			if set != nil {
				require.True(t, errors.Is(set, lectern.ErrBusy), what)
			}
			report, exists := h.settled(what)
			require.True(t, exists)
			require.Equal(t, set == nil, report.Master.Username == "one", what)
			for _, slave := range h.slaves {
				if err := slave.Err(); err != nil {
					require.True(t, errors.Is(err, lectern.ErrReplaced) || errors.Is(err, lectern.ErrHandedOver) || errors.Is(err, lectern.ErrResumeFailed), "%s: %v", what, err)
				}
			}
			outcomes[fmt.Sprint(set == nil, resumed == nil, taken == nil)]++
		})
	}
	require.Greater(t, len(outcomes), 1, "it was always the same that came first: %v", outcomes)
}
