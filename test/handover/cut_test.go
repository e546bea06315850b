package handover

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// atTheDecision is a policy in which something happens while the service is asked about a successor.
func atTheDecision(do *atomic.Pointer[func()]) lectern.Policy {
	return lectern.Policy{MasterTimeout: 10 * time.Second, SlaveTimeout: 10 * time.Second, Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		if f := do.Load(); r.Operation == lectern.OpMaster && f != nil {
			(*f)()
		}
		return lectern.Identity{AsAsked: true}, nil
	}}
}

// The connection of the one who hands over is cut before it gets the answer: it repeats what it has
// asked for, and is told.
func TestTheMasterIsCutDuringAHandOver(t *testing.T) {
	for _, stay := range []bool{true, false} {
		var do atomic.Pointer[func()]
		stage.InVirtualTime(t, atTheDecision(&do), func(t *testing.T, s *stage.Stage) {
			alice := s.User()
			master, one, two := alice.Creates("abc123", "alice"), s.User().Joins("abc123", "one"), s.User().Joins("abc123", "two")
			ticket := master.Ticket()
			cut := alice.Plug().Cut
			do.Store(&cut)
			slave, err := master.HandOver(stage.Within(t), "one", stay)
			require.NoError(t, err)
			do.Store(nil)
			stage.Ended(t, master, lectern.ErrHandedOver)
			next := promoted(t, one)
			stage.NextPresence(t, two, "one", lectern.StateOnline)
			stage.Broadcast(t, next, "x")
			stage.NextText(t, two, "x")
			require.Equal(t, stay, slave != nil)
			if stay {
				stage.NextText(t, slave, "x")
				stage.Say(t, slave, "still here")
				for e, err := range next.Events(stage.Within(t)) {
					require.NoError(t, err)
					if m, ok := e.(lectern.Message); ok {
						require.Equal(t, "still here", m.Text())
						break
					}
				}
			}
			_, err = s.User().ResumeMaster(stage.Within(t), ticket)
			require.ErrorIs(t, err, lectern.ErrResumeFailed)
		})
	}
}

// Where the hub has not got what was asked for, it is asked again, as the master.
func TestTheMasterIsCutBeforeAHandOver(t *testing.T) {
	var do atomic.Pointer[func()]
	stage.InVirtualTime(t, atTheDecision(&do), func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		master, one := alice.Creates("abc123", "alice"), s.User().Joins("abc123", "one")
		alice.CutOff()
		synctest.Wait()
		handed := stage.InBackground(func() (*lectern.Slave, error) { return master.HandOver(stage.Within(t), "one", true) })
		synctest.Wait()
		alice.Bar(false)
		require.NoError(t, (<-handed).Err)
		promotedAfter(t, one)
	})
}

// promotedAfter is promoted behind events of other kinds.
func promotedAfter(t *testing.T, slave *lectern.Slave) *lectern.Master {
	t.Helper()
	for e, err := range slave.Events(stage.Within(t)) {
		require.NoError(t, err)
		if p, ok := e.(lectern.Promotion); ok {
			return p.Master
		}
	}
	return nil
}

// The connection of the successor is cut before it is told: it comes back as the slave that it was,
// gets what it has missed, and is the master.
func TestTheSuccessorIsCutDuringAHandOver(t *testing.T) {
	var do atomic.Pointer[func()]
	stage.InVirtualTime(t, atTheDecision(&do), func(t *testing.T, s *stage.Stage) {
		user := s.User()
		master, two := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "two")
		one := user.Joins("abc123", "one")
		stage.Broadcast(t, master, "before")
		stage.NextText(t, one, "before")
		silence := user.Plug().Silence
		silence() // what is sent to it does not arrive
		stage.Tell(t, master, "one", "missed")
		stage.Broadcast(t, master, "missed too")
		alice := handsOver(t, master, "one")
		user.Plug().Cut()
		var texts []string
		var next *lectern.Master
		for e := range one.Events(stage.Within(t)) {
			switch e := e.(type) {
			case lectern.Message:
				texts = append(texts, e.Text())
			case lectern.Promotion:
				next = e.Master
			}
		}
		require.Equal(t, []string{"missed", "missed too"}, texts)
		require.NotNil(t, next)
		stage.Broadcast(t, next, "x")
		require.Equal(t, []string{"alice", "two"}, names(next.Members()))
		stage.Receive(t, two, "before", "missed too", "x")
		stage.Receive(t, alice, "x")
	})
}

// With sends of both on their way, over many hand-overs to and fro: what was sent to the master alone
// no slave gets, what was sent to all every slave gets, nothing that was accepted is lost or comes
// twice to anybody (rules 5 and 6).
func TestSendsOnTheirWayDuringHandOvers(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		const rounds = 20
		var mu sync.Mutex
		up, down := map[string]bool{}, map[string]bool{} // what was accepted
		gotUp := map[string]bool{}
		master, one := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "one")
		two := s.User().Joins("abc123", "two")
		accepted := func(where map[string]bool, text string, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				where[text] = true
			}
		}
		for round := range rounds {
			var sending sync.WaitGroup
			start := make(chan struct{})
			sending.Go(func() {
				for i := range 10 {
					if i == 5 {
						close(start)
					}
					text := fmt.Sprintf("up %d %d", round, i)
					_, err := one.Send(stage.Within(t), lectern.Text(text))
					accepted(up, text, err)
				}
			})
			sending.Go(func() {
				for i := range 10 {
					text := fmt.Sprintf("down %d %d", round, i)
					_, err := master.Broadcast(stage.Within(t), lectern.Text(text))
					accepted(down, text, err)
				}
			})
			<-start
			slave, err := master.HandOver(stage.Within(t), one.Username(), true)
			require.NoError(t, err)
			sending.Wait()
			for e := range master.Events(stage.Within(t)) {
				if m, ok := e.(lectern.Message); ok {
					require.Regexp(t, "^up", m.Text())
					gotUp[m.Text()] = true
				}
			}
			for e, err := range one.Events(stage.Within(t)) {
				if m, ok := e.(lectern.Message); ok {
					require.Regexp(t, "^down", m.Text())
				}
				if err != nil {
					break
				}
			}
			master, one = one.Promoted(), slave
		}
		require.NoError(t, master.Close())
		got := map[string]bool{}
		for e := range two.Events(stage.Within(t)) {
			if m, ok := e.(lectern.Message); ok {
				require.Regexp(t, "^down", m.Text(), "a slave gets what was for the master alone")
				require.False(t, got[m.Text()], "twice: %s", m.Text())
				got[m.Text()] = true
			}
		}
		for e := range master.Events(stage.Within(t)) {
			if m, ok := e.(lectern.Message); ok {
				gotUp[m.Text()] = true
			}
		}
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, down, got)
		for text := range up {
			require.True(t, gotUp[text], "lost: %s", text)
		}
	})
}
