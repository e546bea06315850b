package operating

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// A create that is refused takes no name: else anybody could take all that a hub has
// (MaxChannels), with an attribute that is the service's.
func TestARefusedCreateTakesNoName(t *testing.T) {
	policy := lectern.Policy{MaxChannels: 1, Authorize: func(context.Context, lectern.AuthRequest) (lectern.Identity, error) {
		return lectern.Identity{AsAsked: true, Attributes: map[string]lectern.Payload{"role": lectern.Text("guest")}}, nil
	}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		one := s.Raw()
		for _, name := range []string{"abc123", "second", "abc123"} {
			one.Refused(`{"type":"create","channel":"`+name+`","username":"alice","attributes":{"role":{"text":"teacher"}}}`, lectern.ErrForbidden)
		}
		one.Send(`{"type":"create","ref":1,"channel":"abc123","username":"alice"}`)
		told(one, "created 1 abc123")
	})
}

// Where a connection holds as many memberships as it may, what it asks for behind a leave or a
// switch finds the room that this makes.
func TestRoomBehindASwitch(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{MaxChannelsPerConnection: 1}, func(t *testing.T, s *stage.Stage) {
		for _, name := range []string{"abc123", "second", "third"} {
			s.User().Creates(name, "alice")
		}
		one := s.Raw()
		one.Send(stage.OneJoins)
		told(one, "joined 1 abc123")
		one.Send(
			`{"type":"join","ref":2,"channel":"second","username":"user_one","from":"abc123"}`,
			`{"type":"join","ref":3,"channel":"third","username":"user_one","from":"second"}`,
		)
		told(one, "joined 2 second", "left abc123", "joined 3 third", "left second")
		one.Send(
			`{"type":"leave","ref":4,"channel":"third"}`,
			`{"type":"join","ref":5,"channel":"fourth","username":"user_one","wait":true}`,
		)
		told(one, "left 4 third", "waiting 5 fourth")
	})
}

// A malformed frame counts in its place, also where a channel finds it malformed behind those that
// were read after it.
func TestMalformedInARowFoundLate(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		for i := range *rounds {
			one := s.Raw()
			one.Send(fmt.Sprintf(`{"type":"join","ref":1,"channel":"abc123","username":"user_%d"}`, i))
			told(one, "joined 1 abc123")
			one.Send(
				`{"type":"send","ref":9,"channel":"abc123","text":"psst"}`,
				`{"type":"send","ref":9,"channel":"abc123","text":"something else"}`,
				`{"type":`,
				`{"type":`,
			)
			one.ClosedAfter(transport.ProtocolError)
		}
	})
}

// again is a peer whose client has joined the channel on another connection before, and has got the
// secret.
func again(s *stage.Stage, channel string) (one *stage.Raw, secret string) {
	first := s.Raw()
	first.Send(`{"type":"join","ref":1,"channel":"` + channel + `","username":"user_one","instance":"i"}`)
	first.Expect(`{"type":"joined","ref":1,"channel":"` + channel + `","username":"user_one","resume":"*","epoch":1,` +
		`"master":{"username":"alice","state":"online"},"master_timeout_ms":30000}`)
	return s.Raw(), first.Secret
}

// Who resumes behind its own switch has switched: it is in one of the two channels, and what it sends in the
// former one is answered.
func TestAResumeBehindASwitch(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		s.User().Creates("second", "alice")
		one, secret := again(s, "second")
		one.Send(stage.OneJoins)
		told(one, "joined 1 abc123")
		one.Send(
			`{"type":"join","ref":2,"channel":"second","username":"user_one","instance":"i","from":"abc123"}`,
			`{"type":"resume","ref":3,"channel":"second","username":"user_one","instance":"i","resume":"`+secret+`"}`,
			`{"type":"send","ref":4,"channel":"second","text":"here"}`,
			`{"type":"send","ref":5,"channel":"abc123","text":"psst"}`,
		)
		answers := map[string]bool{}
		for range 5 {
			frame, err := one.Read()
			require.NoError(t, err)
			answers[frame[:len(`{"type":"error","ref":5`)]] = true
		}
		require.Contains(t, answers, `{"type":"error","ref":5`)
		require.Contains(t, answers, `{"type":"left","channel`)
		left, _ := s.Hub.Channel("abc123")
		shot, _ := left.Snapshot()
		require.Empty(t, shot.Slaves)
	})
}

// A membership that is resumed behind its own join is one: the time that a connection may hold none begins
// when that ends.
func TestAResumeBehindItsJoin(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{HandshakeTimeout: 10 * time.Second}, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		one, secret := again(s, "abc123")
		one.Send(
			`{"type":"join","ref":2,"channel":"abc123","username":"user_one","instance":"i"}`,
			`{"type":"resume","ref":3,"channel":"abc123","username":"user_one","instance":"i","resume":"`+secret+`"}`,
		)
		told(one, "joined 2 abc123", "joined 3 abc123")
		time.Sleep(11 * time.Second)
		one.Send(`{"type":"leave","ref":4,"channel":"abc123"}`)
		told(one, "left 4 abc123")
		one.Refused(`{"type":"join","ref":5,"channel":"nowhere","username":"user_one"}`, lectern.ErrNoSuchChannel)
		one.Refused(`{"type":"create","ref":6,"channel":"abc123","username":"user_one"}`, lectern.ErrChannelExists)
		time.Sleep(9 * time.Second)
		synctest.Wait()
		one.Send(`{"type":"ping","ref":7}`)
		told(one, "pong 7")
		one.Closed(transport.Idle)
	})
}

// What is dropped with a membership that the service does not let back are not the refusals of what its
// peer has asked before.
func TestRefusedBeforeItIsRevoked(t *testing.T) {
	policy := lectern.Policy{Reauthorize: []lectern.Operation{lectern.OpResume}, Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		if r.Operation == lectern.OpResume {
			return lectern.Identity{}, lectern.ErrUnauthorized
		}
		return lectern.Identity{AsAsked: true}, nil
	}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		s.User().Creates("abc123", "alice")
		for range 5 * *rounds {
			one := s.Raw()
			one.Send(`{"type":"join","ref":2,"channel":"abc123","username":"user_one","instance":"i"}`)
			one.Expect(`{"type":"joined","ref":2,"channel":"abc123","username":"user_one","resume":"*","epoch":1,` +
				`"master":{"username":"alice","state":"online"},"master_timeout_ms":30000}`)
			one.Send(
				`{"type":"door","ref":3,"channel":"abc123","door":"open"}`,
				`{"type":"resume","ref":4,"channel":"abc123","username":"user_one","instance":"i","resume":"`+one.Secret+`"}`,
			)
			told(one, "error forbidden 3 abc123", "closed revoked abc123")
			one.Closed(transport.Revoked)
		}
	})
}
