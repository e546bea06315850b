package operating

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// doorman is a service whose answers a test changes. It knows users by their tokens. mu
// guards the fields.
type doorman struct {
	mu sync.Mutex
	// answers has what is said for an operation, by "operation token".
	answers  map[string]func(r lectern.AuthRequest) (lectern.Identity, error)
	requests []lectern.AuthRequest
}

func (d *doorman) authorize(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests = append(d.requests, r)
	if answer := d.answers[string(r.Operation)+" "+r.Token]; answer != nil {
		return answer(r)
	}
	return lectern.Identity{AsAsked: true}, nil
}

// asked takes the requests so far.
func (d *doorman) asked() []lectern.AuthRequest {
	d.mu.Lock()
	defer d.mu.Unlock()
	requests := d.requests
	d.requests = nil
	return requests
}

func (d *doorman) answer(key string, answer func(lectern.AuthRequest) (lectern.Identity, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.answers == nil {
		d.answers = make(map[string]func(lectern.AuthRequest) (lectern.Identity, error))
	}
	d.answers[key] = answer
}

func (d *doorman) says(key string, identity lectern.Identity, err error) {
	d.answer(key, func(lectern.AuthRequest) (lectern.Identity, error) { return identity, err })
}

// A ticket does not get its holder back whom the service does not let back. Whoever else has
// it is refused, and costs the holder nothing. A stranger has nobody asked.
func TestReauthorizeAtResume(t *testing.T) {
	d := new(doorman)
	policy := lectern.Policy{Authorize: d.authorize, Reauthorize: []lectern.Operation{lectern.OpResume}}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "w1", lectern.WithToken("w1"))
		stage.NextPresence(t, master, "w1", lectern.StateOnline)
		ticket := slave.Ticket()

		// Another user with the ticket is refused, and w1 goes on.
		d.says("resume w2", lectern.Identity{Username: "w2"}, nil)
		d.says("resume thief", lectern.Identity{}, lectern.ErrUnauthorized.WithText("we do not know you"))
		d.says("resume empty", lectern.Identity{}, nil)
		for _, token := range []string{"w2", "thief", "empty"} {
			ticket.Token = token
			_, err := s.User().ResumeSlave(stage.Within(t), ticket)
			require.ErrorIs(t, err, lectern.ErrUnauthorized, token)
		}
		stage.Say(t, slave, "still here")
		stage.NextText(t, master, "still here")

		// What passes is told as busy.
		d.says("resume down", lectern.Identity{}, errors.New("the database is away"))
		d.says("resume full", lectern.Identity{}, lectern.ErrBusy)
		d.answer("resume panic", func(lectern.AuthRequest) (lectern.Identity, error) { panic("out of order") })
		for _, token := range []string{"down", "full", "panic"} {
			ticket.Token = token
			_, err := s.User().ResumeSlave(stage.Within(t), ticket)
			require.ErrorIs(t, err, lectern.ErrBusy, token)
			require.NotContains(t, err.Error(), "database")
		}

		// Who has the wrong secret does not have the service asked.
		d.asked()
		wrong := ticket
		wrong.Secret = "SqCn5YHLMsGFPzKfNDjEBw"
		_, err := s.User().ResumeSlave(stage.Within(t), wrong)
		require.ErrorIs(t, err, lectern.ErrResumeFailed)
		require.Empty(t, d.asked())

		// The right one is asked for with its name, and comes back.
		d.says("resume w1", lectern.Identity{Username: "w1"}, nil)
		ticket.Token = "w1"
		again, err := s.User().ResumeSlave(stage.Within(t), ticket)
		require.NoError(t, err)
		require.Equal(t, lectern.AuthRequest{Operation: lectern.OpResume, Channel: "abc123", Username: "w1", Token: "w1"}, d.asked()[0])
		stage.Ended(t, slave, lectern.ErrReplaced)
		stage.Say(t, again, "again")
		stage.NextText(t, master, "again")
	})
}

// A user who is let out by the service is out at the next resume, for good, and the others
// are told.
func TestRevokedAtResume(t *testing.T) {
	d := new(doorman)
	policy := lectern.Policy{Authorize: d.authorize, Reauthorize: []lectern.Operation{lectern.OpResume}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		d.says("resume w1", lectern.Identity{AsAsked: true}, nil)
		d.says("resume alice", lectern.Identity{AsAsked: true}, nil)
		alice, one := s.User(), s.User()
		master := alice.Creates("abc123", "alice", lectern.WithToken("alice"))
		slave := one.Joins("abc123", "w1", lectern.WithToken("w1"))
		stage.NextPresence(t, master, "w1", lectern.StateOnline)
		one.Plug().Cut()
		stage.NextPresence(t, master, "w1", lectern.StateAway)
		stage.NextPresence(t, master, "w1", lectern.StateOnline)

		d.says("resume w1", lectern.Identity{}, lectern.ErrUnauthorized.WithText("your contract is over"))
		one.Plug().Cut()
		stage.Ended(t, slave, lectern.ErrRevoked)
		require.ErrorContains(t, slave.Err(), "your contract is over")
		stage.NextPresence(t, master, "w1", lectern.StateAway)
		require.Equal(t, "revoked", stage.NextPresence(t, master, "w1", lectern.StateGone).Reason)

		two := s.User().Joins("abc123", "w2")
		d.says("resume alice", lectern.Identity{Username: "eve"}, nil)
		alice.Plug().Cut()
		stage.Ended(t, master, lectern.ErrRevoked)
		stage.Ended(t, two, lectern.ErrMasterDown)
	})
}

// Who was told for as long as may be that the service cannot say reads that at the end, and
// not that nobody was there.
func TestTheEndOfWhoWasNotLetBackInTime(t *testing.T) {
	d := new(doorman)
	policy := lectern.Policy{Authorize: d.authorize, Reauthorize: []lectern.Operation{lectern.OpResume}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		one := s.User()
		slave := one.Joins("abc123", "w1", lectern.WithToken("w1"))
		d.says("resume w1", lectern.Identity{}, errors.New("the database is away"))
		one.Plug().Cut()
		stage.Ended(t, slave, lectern.ErrMasterDown)
		require.EqualError(t, slave.Err(), "lectern: master_down: the hub did not let the member back for 30s: its last answer was busy (the service cannot say at present whether it lets you: try again later)")
	})
}

// A stranger learns by a status what the service lets it.
func TestReauthorizeAtStatus(t *testing.T) {
	d := new(doorman)
	policy := lectern.Policy{Authorize: d.authorize, Reauthorize: []lectern.Operation{lectern.OpStatus}}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		stranger := s.Raw()
		const ask = `{"type":"status","ref":1,"channel":"abc123"}`
		stranger.Send(ask)
		stranger.Expect(`{"type":"status","ref":1,"channel":"abc123","exists":true,"master":{"username":"alice","state":"online"}}`)
		require.Equal(t, lectern.AuthRequest{Operation: lectern.OpStatus, Channel: "abc123"}, d.asked()[1])
		d.says("status ", lectern.Identity{}, lectern.ErrUnauthorized.WithText("log in first"))
		stranger.Refused(ask, lectern.ErrUnauthorized)
		stranger.Refused(strings.Replace(ask, "abc123", "nowhere", 1), lectern.ErrUnauthorized)
		d.says("status ", lectern.Identity{}, errors.New("the database is away"))
		stranger.Refused(ask, lectern.ErrBusy)
	})
}

// Where nothing is said, nobody is asked for at a resume or a status.
func TestNobodyIsReauthorizedByDefault(t *testing.T) {
	d := new(doorman)
	stage.InBubble(t, lectern.Policy{Authorize: d.authorize}, func(t *testing.T, s *stage.Stage) {
		one := s.User()
		slave := one.Creates("abc123", "alice")
		one.Plug().Cut()
		stage.NextPresence(t, slave, "alice", lectern.StateUnknown)
		stage.NextPresence(t, slave, "alice", lectern.StateOnline)
		_, err := s.User().Status(stage.Within(t), "abc123")
		require.NoError(t, err)
		require.Len(t, d.asked(), 1)
	})
	for _, policy := range []lectern.Policy{
		{Reauthorize: []lectern.Operation{lectern.OpResume}},
		{Reauthorize: []lectern.Operation{lectern.OpJoin}, Authorize: d.authorize},
	} {
		_, err := lectern.NewHub(policy)
		require.ErrorContains(t, err, "Reauthorize")
	}
}

// A slave whose time is over is out at that instant; what was sent to it and not taken is
// dropped, and what it was asked ends. A refresh moves the instant.
func TestIdentityExpires(t *testing.T) {
	d := new(doorman)
	stage.InVirtualTime(t, lectern.Policy{Authorize: d.authorize}, func(t *testing.T, s *stage.Stage) {
		start := time.Now()
		d.says("join minute", lectern.Identity{AsAsked: true, Expires: start.Add(time.Minute)}, nil)
		d.says("refresh minute", lectern.Identity{AsAsked: true, Expires: start.Add(2 * time.Minute)}, nil)
		d.says("refresh never", lectern.Identity{}, lectern.ErrUnauthorized)
		d.says("join over", lectern.Identity{AsAsked: true, Expires: start}, nil)
		master := s.User().Creates("abc123", "alice")
		_, err := s.User().Join(stage.Within(t), "abc123", "late", lectern.WithToken("over"))
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		slave := s.User().Joins("abc123", "w1", lectern.WithToken("minute"))
		time.Sleep(30 * time.Second)
		require.ErrorIs(t, slave.Refresh(stage.Within(t), "never"), lectern.ErrUnauthorized)
		require.NoError(t, slave.Refresh(stage.Within(t), "minute"))
		time.Sleep(time.Minute)
		require.NoError(t, slave.Err())
		asked := stage.InBackground(func() (lectern.Message, error) {
			return master.Request(stage.Within(t), "w1", lectern.Text("are you ready?"))
		})
		<-slave.Done()
		require.Equal(t, start.Add(2*time.Minute), time.Now())
		require.ErrorIs(t, slave.Err(), lectern.ErrExpired)
		err = (<-asked).Err
		require.ErrorIs(t, err, lectern.ErrExpired)
		require.ErrorIs(t, err, lectern.ErrNoSuchSlave)
		stage.NextPresence(t, master, "w1", lectern.StateOnline)
		require.Equal(t, "expired", stage.NextPresence(t, master, "w1", lectern.StateGone).Reason)
	})
}

// One that does not read gets the end alone of what waits for it in that channel, and what
// waits in others.
func TestNothingIsDeliveredAfterTheEnd(t *testing.T) {
	d := new(doorman)
	stage.InBubble(t, lectern.Policy{Authorize: d.authorize, WriteTimeout: time.Hour}, func(t *testing.T, s *stage.Stage) {
		d.says("join minute", lectern.Identity{AsAsked: true, Expires: time.Now().Add(time.Minute)}, nil)
		alice, bob := s.User().Creates("abc123", "alice"), s.User().Creates("xyz", "bob")
		one := s.Raw()
		one.Send(`{"type":"join","ref":1,"channel":"abc123","username":"user_one","token":"minute"}`)
		one.Expect(stage.OneJoined)
		one.Send(`{"type":"join","ref":1,"channel":"xyz","username":"user_one"}`)
		one.Expect(strings.NewReplacer("abc123", "xyz", "alice", "bob").Replace(stage.OneJoined))
		for range 100 {
			stage.Broadcast(t, alice, strings.Repeat("a", 5000))
			stage.Broadcast(t, bob, "b")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		ended, others, taken := false, 0, 0
		for !ended || others < 100 {
			frame, err := one.Read()
			require.NoError(t, err)
			switch {
			case strings.Contains(frame, `"code":"expired"`):
				ended = true
			case strings.Contains(frame, `"channel":"xyz"`):
				others++
			default:
				require.False(t, ended, frame)
				taken++
			}
		}
		require.Less(t, taken, 100, "what was being written")
	})
}

// A master whose time is over loses its connection, and is back with a fresh token at once.
// One that has none is away until X is over.
func TestAMastersIdentityExpires(t *testing.T) {
	d := new(doorman)
	stage.InVirtualTime(t, lectern.Policy{Authorize: d.authorize, MasterTimeout: 10 * time.Second}, func(t *testing.T, s *stage.Stage) {
		start := time.Now()
		var fresh atomic.Int64
		grants := func(lectern.AuthRequest) (lectern.Identity, error) {
			return lectern.Identity{AsAsked: true, Expires: time.Now().Add(time.Minute)}, nil
		}
		for _, key := range []string{"create 1", "resume 2", "refresh 3"} {
			d.answer(key, grants)
		}
		alice := s.UserWith(lectern.ClientOptions{Token: func(_ context.Context, r lectern.TokenRequest) (string, error) {
			if n := fresh.Add(1); n < 4 {
				return fmt.Sprint(n), nil
			}
			return "", errors.New("no more tokens")
		}})
		master := alice.Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		time.Sleep(time.Minute)
		stage.NextPresence(t, master, "alice", lectern.StateUnknown)
		stage.NextPresence(t, master, "alice", lectern.StateOnline)
		require.Less(t, time.Since(start), 61*time.Second)
		stage.NextPresence(t, slave, "alice", lectern.StateAway)
		stage.NextPresence(t, slave, "alice", lectern.StateOnline)
		time.Sleep(50 * time.Second)
		require.NoError(t, master.Refresh(stage.Within(t), ""))
		refreshed := time.Now()
		<-slave.Done()
		require.ErrorIs(t, slave.Err(), lectern.ErrMasterDown)
		require.Equal(t, 70*time.Second, time.Since(refreshed))
		stage.Ended(t, master, lectern.ErrMasterDown)
	})
}

// The service gives a user its seat back from a device that is lost.
func TestTakeOverByTheService(t *testing.T) {
	d := new(doorman)
	stage.InVirtualTime(t, lectern.Policy{Authorize: d.authorize}, func(t *testing.T, s *stage.Stage) {
		over := lectern.Identity{AsAsked: true, TakeOver: true}
		d.says("join again", over, nil)
		d.says("create again", over, nil)
		lostMaster := s.User().Creates("abc123", "alice")
		lost := s.User().Joins("abc123", "user_one")
		ticket := lost.Ticket()
		stage.Broadcast(t, lostMaster, "before")
		slave := s.User().Joins("abc123", "user_one", lectern.WithToken("again"))
		stage.Ended(t, lost, lectern.ErrReplaced)
		stage.NextText(t, slave, "before")
		_, err := s.User().ResumeSlave(stage.Within(t), ticket)
		require.ErrorIs(t, err, lectern.ErrResumeFailed)

		master := s.User().Creates("abc123", "alice", lectern.WithToken("again"))
		stage.Ended(t, lostMaster, lectern.ErrReplaced)
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		stage.Broadcast(t, master, "here again")
		stage.NextText(t, slave, "here again")
		_, err = s.User().Join(stage.Within(t), "abc123", "user_one")
		require.ErrorIs(t, err, lectern.ErrNameTaken)
	})
}

// What the service wants to remember of a member comes back with its later requests, and in
// snapshots.
func TestIdentityData(t *testing.T) {
	d := new(doorman)
	policy := lectern.Policy{Authorize: d.authorize, Reauthorize: []lectern.Operation{lectern.OpResume, lectern.OpStatus}}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		d.says("create room", lectern.Identity{AsAsked: true, Data: []byte("room 7")}, nil)
		d.says("refresh other", lectern.Identity{AsAsked: true, Data: []byte("room 8")}, nil)
		alice := s.User()
		master := alice.Creates("abc123", "alice", lectern.WithToken("room"))
		channel, _ := s.Hub.Channel("abc123")
		shot, _ := channel.Snapshot()
		require.Equal(t, "room 7", string(shot.Master.Data))
		_, err := alice.Join(stage.Within(t), "nowhere", "alice")
		require.Error(t, err)
		require.Equal(t, "room 7", string(d.asked()[1].Data))
		require.NoError(t, master.Refresh(stage.Within(t), "other"))
		require.Equal(t, "room 7", string(d.asked()[0].Data))
		d.says("resume other", lectern.Identity{}, errors.New("not now"))
		alice.Plug().Cut()
		stage.NextPresence(t, master, "alice", lectern.StateUnknown)
		synctest.Wait()
		time.Sleep(time.Second)
		again := d.asked()[0]
		require.Equal(t, "room 8", string(again.Data))
		require.Equal(t, lectern.OpResume, again.Operation)
		require.NoError(t, master.Err())
	})
}

// A service that returns nothing has not let anybody in.
func TestAnEmptyIdentityIsARefusal(t *testing.T) {
	policy := lectern.Policy{Authorize: func(context.Context, lectern.AuthRequest) (lectern.Identity, error) {
		return lectern.Identity{}, nil
	}}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		_, err := s.User().Create(stage.Within(t), "abc123", "alice")
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
	})
}

// A connection that ends with the end of a grant ends with its number.
func TestNumbersOfExpiry(t *testing.T) {
	d := new(doorman)
	stage.InBubble(t, lectern.Policy{Authorize: d.authorize}, func(t *testing.T, s *stage.Stage) {
		soon := lectern.Identity{AsAsked: true, Expires: time.Now().Add(time.Second)}
		d.says("create soon", soon, nil)
		d.says("join soon", soon, nil)
		alice, one := s.Raw(), s.Raw()
		alice.Send(strings.Replace(stage.AliceCreates, `}`, `,"token":"soon"}`, 1))
		alice.Expect(stage.AliceCreated)
		one.Send(strings.Replace(stage.OneJoins, `}`, `,"token":"soon"}`, 1))
		one.Expect(stage.OneJoined)
		time.Sleep(time.Second)
		alice.ClosedAfter(transport.Unauthorized)
		one.ClosedAfter(transport.Expired)
	})
}

// A client that resumes a membership on the connection that has it, and is not let back, is
// told once that it is over, and nothing behind that.
func TestRevokedOnItsOwnConnection(t *testing.T) {
	d := new(doorman)
	policy := lectern.Policy{Authorize: d.authorize, Reauthorize: []lectern.Operation{lectern.OpResume}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		d.says("resume old", lectern.Identity{}, lectern.ErrUnauthorized.WithText("not any more"))
		s.User().Creates("abc123", "alice")
		one := s.Raw()
		one.Send(strings.Replace(stage.OneJoins, `{`, `{"instance":"a page",`, 1))
		one.Expect(stage.OneJoined)
		one.Send(strings.Replace(strings.Replace(stage.OneJoins, "abc123", "other", 1), "join", "create", 1))
		_, err := one.Read()
		require.NoError(t, err)
		one.Send(`{"type":"resume","ref":2,"channel":"abc123","username":"user_one","resume":"` + one.Secret + `","epoch":1,"instance":"a page","token":"old"}`)
		one.Expect(`{"type":"closed","channel":"abc123","code":"revoked","reason":"not any more"}`,
			`{"type":"error","ref":2,"channel":"abc123","code":"unauthorized","message":"not any more"}`)
		require.Equal(t, `{"type":"pong","ref":3}`, one.Answer(`{"type":"ping","ref":3}`))
	})
}
