package handover

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// doorman is a service that says of who comes back what a test wants. mu guards the fields.
type doorman struct {
	mu     sync.Mutex
	answer func(lectern.AuthRequest) (lectern.Identity, error)
	asked  []lectern.AuthRequest
}

func (d *doorman) policy() lectern.Policy {
	return lectern.Policy{Reauthorize: []lectern.Operation{lectern.OpResume}, Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if r.Operation == lectern.OpResume {
			d.asked = append(d.asked, r)
		}
		if d.answer != nil {
			return d.answer(r)
		}
		return lectern.Identity{AsAsked: true, Data: []byte("of " + r.Username)}, nil
	}}
}

// says has the answer be given from now on, and takes what was asked at resumes until then.
func (d *doorman) says(answer func(lectern.AuthRequest) (lectern.Identity, error)) (asked []lectern.AuthRequest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	asked, d.asked, d.answer = d.asked, nil, answer
	return asked
}

// stayed is a former master that stays and has not got the answer: its connection is lost, and it repeats
// what it has asked for by the frame.
func stayed(s *stage.Stage) (one *stage.Raw, frame string) {
	alice, secret := typed(s, `{"type":"create","ref":1,"channel":"abc123","username":"alice","instance":"A"}`)
	one = s.Raw()
	one.Send(stage.OneJoins)
	one.Expect(stage.OneJoined)
	alice.Expect(stage.OneOnline)
	alice.Send(`{"type":"hand_over","ref":7,"channel":"abc123","to":"user_one","stay":true}`)
	one.Expect(`{"type":"created","channel":"abc123","username":"user_one","resume":"*","epoch":2,"master_timeout_ms":30000,"members":[{"username":"alice","state":"online","number":2}]}`)
	alice.Plug.Cut()
	one.Expect(`{"type":"presence","channel":"abc123","username":"alice","role":"slave","state":"away"}`)
	return one, `{"type":"hand_over","ref":7,"channel":"abc123","username":"alice","token":"fresh","resume":"` + secret + `","to":"user_one","instance":"A","stay":true}`
}

// A former master that repeats its hand-over comes back by that: the service is asked whether it may, as at a
// resume (rule 7).
func TestReauthorizeAtARepeatedHandOver(t *testing.T) {
	d := new(doorman)
	stage.InBubble(t, d.policy(), func(t *testing.T, s *stage.Stage) {
		one, frame := stayed(s)
		again := s.Raw()

		// Nobody is asked for who does not show what it takes, nor for one that has not stayed.
		for _, other := range []string{
			strings.Replace(frame, `"ref":7`, `"ref":8`, 1), strings.Replace(frame, `"instance":"A"`, `"instance":"B"`, 1),
			strings.Replace(frame, `,"stay":true`, ``, 1), strings.Replace(frame, `"to":"user_one"`, `"to":"user_two"`, 1),
		} {
			again.Refused(other, lectern.ErrNotAMember)
		}
		require.Empty(t, d.says(func(lectern.AuthRequest) (lectern.Identity, error) {
			return lectern.Identity{}, errors.New("the database is away")
		}))

		// What passes is told as busy, and the member is as it was.
		again.Refused(frame, lectern.ErrBusy)
		d.says(func(lectern.AuthRequest) (lectern.Identity, error) { panic("out of order") })
		again.Refused(frame, lectern.ErrBusy)
		d.says(func(lectern.AuthRequest) (lectern.Identity, error) {
			return lectern.Identity{AsAsked: true, Attributes: map[string]lectern.Payload{"rank": lectern.Text("guest")}}, nil
		})
		again.Send(frame)
		again.Expect(
			`{"type":"joined","channel":"abc123","username":"alice","resume":"*","epoch":3,"master":{"username":"user_one","state":"online"},"master_timeout_ms":30000}`,
			`{"type":"ack","ref":7}`)
		require.Equal(t, []lectern.AuthRequest{{Operation: lectern.OpResume, Channel: "abc123", Username: "alice", Token: "fresh", Data: []byte("of alice")}}, d.says(nil))
		one.Expect(`{"type":"attribute","channel":"abc123","from":"alice","seq":1,"key":"rank","text":"guest"}`,
			`{"type":"presence","channel":"abc123","username":"alice","role":"slave","state":"online"}`)
	})
}

// Whom the service does not let back by its hand-over is not there any more, and the others are told.
func TestRevokedAtARepeatedHandOver(t *testing.T) {
	d := new(doorman)
	stage.InBubble(t, d.policy(), func(t *testing.T, s *stage.Stage) {
		one, frame := stayed(s)
		d.says(func(lectern.AuthRequest) (lectern.Identity, error) {
			return lectern.Identity{}, lectern.ErrUnauthorized.WithText("your contract is over")
		})
		again := s.Raw()
		again.Send(frame)
		again.Expect(`{"type":"closed","channel":"abc123","code":"revoked","reason":"your contract is over"}`,
			`{"type":"error","ref":7,"channel":"abc123","code":"unauthorized","message":"your contract is over"}`)
		one.Expect(`{"type":"presence","channel":"abc123","username":"alice","role":"slave","state":"left","reason":"revoked"}`)
		d.says(nil)
		again.Refused(frame, lectern.ErrNotAMember)
	})
}

// The library's client shows a token of its own with what it repeats, and its caller is told what becomes of it.
func TestAClientThatIsNotLetBackByItsHandOver(t *testing.T) {
	for _, refused := range []bool{false, true} {
		var tokens []lectern.TokenRequest
		var shown []lectern.AuthRequest
		var alice *stage.User
		policy := lectern.Policy{Reauthorize: []lectern.Operation{lectern.OpResume}, Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
			switch r.Operation {
			case lectern.OpMaster:
				alice.Plug().Cut() // before the answer
			case lectern.OpResume:
				shown = append(shown, r)
				if refused {
					return lectern.Identity{}, lectern.ErrUnauthorized.WithText("your contract is over")
				}
			}
			return lectern.Identity{AsAsked: true}, nil
		}}
		stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
			tokens, shown = nil, nil
			alice = s.UserWith(lectern.ClientOptions{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond,
				Token: func(_ context.Context, r lectern.TokenRequest) (string, error) {
					tokens = append(tokens, r)
					return "token of " + string(r.Operation), nil
				}})
			master, one := alice.Creates("abc123", "alice"), s.User().Joins("abc123", "one")
			slave, err := master.HandOver(stage.Within(t), "one", true)
			require.Equal(t, []lectern.AuthRequest{{Operation: lectern.OpResume, Channel: "abc123", Username: "alice", Token: "token of resume"}}, shown)
			require.Equal(t, lectern.OpResume, tokens[len(tokens)-1].Operation)
			next := promoted(t, one)
			if !refused {
				require.NoError(t, err)
				stage.Broadcast(t, next, "x")
				stage.NextText(t, slave, "x")
				return
			}
			require.ErrorIs(t, err, lectern.ErrSendUnknown)
			require.ErrorIs(t, err, lectern.ErrRevoked)
			stage.Ended(t, master, lectern.ErrRevoked)
			synctest.Wait()
			require.Empty(t, next.Members())
		})
	}
}

// A former master that has become the master again, and whose time is over, comes back with a fresh grant alone.
func TestAFormerMasterWhoseIdentityHasExpired(t *testing.T) {
	d := new(doorman)
	policy := d.policy()
	policy.Reauthorize = nil
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		one, frame := stayed(s)
		again := s.Raw()
		again.Send(frame)
		again.Expect(
			`{"type":"joined","channel":"abc123","username":"alice","resume":"*","epoch":3,"master":{"username":"user_one","state":"online"},"master_timeout_ms":30000}`,
			`{"type":"ack","ref":7}`)
		one.Expect(`{"type":"presence","channel":"abc123","username":"alice","role":"slave","state":"online"}`)
		soon := time.Now().Add(time.Second)
		d.says(func(lectern.AuthRequest) (lectern.Identity, error) {
			return lectern.Identity{AsAsked: true, Expires: soon}, nil
		})
		one.Send(`{"type":"hand_over","ref":8,"channel":"abc123","epoch":2,"to":"alice"}`)
		one.Expect(`{"type":"ack","ref":8}`)
		time.Sleep(2 * time.Second)
		back := s.Raw()
		require.Empty(t, d.says(func(lectern.AuthRequest) (lectern.Identity, error) {
			return lectern.Identity{}, lectern.ErrBusy
		}))
		back.Refused(frame, lectern.ErrBusy)
		d.says(func(lectern.AuthRequest) (lectern.Identity, error) { return lectern.Identity{AsAsked: true}, nil })
		back.Send(frame)
		back.Expect(`{"type":"joined","channel":"abc123","username":"alice","resume":"*","epoch":3,"master":{"username":"user_one","state":"online"},"master_timeout_ms":30000}`,
			`{"type":"ack","ref":7}`)
		require.Len(t, d.says(nil), 1)
	})
}
