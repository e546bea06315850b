package hostile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// another joins abc123 by hand.
func another(s *stage.Stage, master *stage.Raw, username string) *stage.Raw {
	s.T.Helper()
	one := s.Raw()
	one.Send(strings.Replace(stage.OneJoins, "user_one", username, 1))
	one.Expect(strings.Replace(stage.OneJoined, "user_one", username, 1))
	told, err := master.Read()
	require.NoError(s.T, err)
	require.Contains(s.T, told, `{"type":"presence","channel":"abc123","username":"`+username+`","role":"slave","state":"online","number":`)
	return one
}

// stranger is the master of xyz.
func stranger(s *stage.Stage) *stage.Raw {
	s.T.Helper()
	bob := s.Raw()
	require.Contains(s.T, bob.Answer(`{"type":"create","ref":1,"channel":"xyz","username":"bob"}`), `"created"`)
	return bob
}

// What somebody may not do, from a peer that writes by hand. Whoever else is
// there is told nothing of it: the next thing that they read is "the end".
func TestHostileRoles(t *testing.T) {
	// Whatever a slave writes as an address, in a message, a question or an
	// answer, nothing is delivered.
	t.Run("E3 addresses", func(t *testing.T) {
		stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			alice, one := s.Pair()
			two := another(s, alice, "user_two")
			ref := 2
			for _, to := range []string{"*", ">", "", "user_two", "user_one", "alice", "abc123", "all", "no such name", `\u0000`} {
				for _, more := range []string{"", `,"request":true`, `,"reply":1`, `,"from":"alice"`, `,"role":"master"`, `,"private":true`} {
					got := one.Answer(fmt.Sprintf(`{"type":"send","ref":%d,"channel":"abc123","to":"%s"%s,"text":"psst"}`, ref, to, more))
					require.Contains(t, got, `"code":"forbidden"`, "to %q%s", to, more)
					ref++
				}
			}
			alice.Send(`{"type":"send","channel":"abc123","text":"the end"}`)
			for _, slave := range []*stage.Raw{one, two} {
				slave.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"the end"}`)
			}
			one.Send(`{"type":"send","channel":"abc123","text":"the end"}`)
			alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"the end"}`)
		})
	})

	// A sender is who it is, whatever it writes: a message has the hub's from
	// and number, and frames that only hubs send do nothing.
	t.Run("E3 forged senders", func(t *testing.T) {
		stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			alice, one := s.Pair()
			two := another(s, alice, "user_two")
			for i, forged := range []string{
				`"from":"alice"`, `"from":"user_two","role":"master"`, `"username":"alice","seq":900`, `"private":true`, `"from":""`,
			} {
				one.Send(fmt.Sprintf(`{"type":"send","channel":"abc123",%s,"text":"forged"}`, forged))
				alice.Expect(fmt.Sprintf(`{"type":"message","channel":"abc123","from":"user_one","seq":%d,"text":"forged"}`, i+1))
			}
			for _, frame := range []string{
				`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"forged"}`,
				`{"type":"closed","channel":"abc123","code":"master_left"}`,
			} {
				one.Refused(frame, lectern.ErrBadFrame)
			}
			one.Send(`{"type":"ping"}`) // or three in a row would end it
			one.Expect(`{"type":"pong"}`)
			one.Refused(`{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"away"}`, lectern.ErrBadFrame)
			alice.Send(`{"type":"send","channel":"abc123","from":"user_one","text":"the end"}`)
			for _, slave := range []*stage.Raw{one, two} {
				slave.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"the end"}`)
			}
		})
	})

	// A slave of somebody else's channel and nobody at all are refused in the
	// same words.
	t.Run("E4", func(t *testing.T) {
		stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			_, one := s.Pair()
			bob := stranger(s)
			for _, frame := range []string{
				`{"type":"send","ref":2,"channel":"xyz","to":"user_one","text":"psst"}`,
				`{"type":"send","ref":2,"channel":"xyz","to":"user_one","request":true,"text":"psst"}`,
				`{"type":"kick","ref":2,"channel":"xyz","to":"user_one"}`,
			} {
				got := bob.Answer(strings.Replace(frame, `"ref":2,`, "", 1)) // a ref would be recognised
				absent := bob.Answer(strings.NewReplacer(`"ref":2,`, "", "user_one", "nobody").Replace(frame))
				require.Equal(t, strings.ReplaceAll(absent, "nobody", "user_one"), got)
				require.Contains(t, got, `"code":"no_such_slave"`)
				bob.Refused(strings.Replace(frame, "xyz", "abc123", 1), lectern.ErrNotAMember)
			}
			one.Send(`{"type":"ping","ref":9}`)
			one.Expect(`{"type":"pong","ref":9}`)
		})
	})

	// A connection whose master was taken over does nothing any more, whatever it
	// goes on writing, and is closed. Its other memberships can be resumed.
	t.Run("E10", func(t *testing.T) {
		stage.OneHub(t, "a hub that learns late who has its channel closes connections, whose peers come back")
		stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			old, one := s.Pair()
			bob := stranger(s)
			secret := old.Secret
			old.Send(`{"type":"join","ref":2,"channel":"xyz","username":"alice"}`)
			old.Expect(`{"type":"joined","ref":2,"channel":"xyz","username":"alice","resume":"*","epoch":1,"master":{"username":"bob","state":"online"},"master_timeout_ms":30000}`)
			bob.Expect(`{"type":"presence","channel":"xyz","username":"alice","role":"slave","state":"online","number":1,"joined":true}`)

			alice := s.Raw()
			alice.Send(`{"type":"resume","ref":1,"channel":"abc123","username":"alice","resume":"` + secret + `"}`)
			alice.Expect(`{"type":"created","ref":1,"channel":"abc123","username":"alice","resume":"*","epoch":2,"master_timeout_ms":30000,"members":[{"username":"user_one","state":"online","number":1}]}`)
			for _, frame := range []string{
				`{"type":"send","channel":"abc123","text":"still me"}`, `{"type":"kick","channel":"abc123","to":"user_one"}`,
				`{"type":"away","channel":"abc123"}`, `{"type":"leave","channel":"abc123"}`,
			} {
				_ = old.Conn.Write([]byte(frame)) // it may be closed by now
			}
			old.Expect(`{"type":"closed","channel":"abc123","code":"replaced","reason":"the membership was taken over by a newer connection"}`)
			old.Closed(transport.Replaced)
			alice.Send(`{"type":"send","channel":"abc123","text":"the end"}`)
			one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"the end"}`)

			bob.Expect(`{"type":"presence","channel":"xyz","username":"alice","role":"slave","state":"away"}`)
			alice.Send(`{"type":"resume","ref":3,"channel":"xyz","username":"alice","resume":"` + old.Secret + `"}`)
			bob.Expect(`{"type":"presence","channel":"xyz","username":"alice","role":"slave","state":"online"}`)
		})
	})

	// A leave ends the membership that there is, and no later one: neither the
	// old secret nor a leave too many has a part in it.
	t.Run("E8", func(t *testing.T) {
		stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			alice, one := s.Pair()
			first := one.Secret
			one.Refused(`{"type":"leave","ref":2,"channel":"xyz"}`, lectern.ErrNotAMember)
			leave := `{"type":"leave","ref":3,"channel":"abc123"}`
			one.Send(leave)
			one.Expect(`{"type":"left","ref":3,"channel":"abc123"}`)
			one.Refused(leave, lectern.ErrNotAMember)
			one.Send(strings.Replace(stage.OneJoins, `"ref":1`, `"ref":4`, 1))
			one.Expect(strings.Replace(stage.OneJoined, `"ref":1`, `"ref":4`, 1))
			require.NotEqual(t, first, one.Secret)
			stale := s.Raw()
			stale.Refused(`{"type":"resume","channel":"abc123","username":"user_one","resume":"`+first+`"}`, lectern.ErrResumeFailed)
			stale.Refused(leave, lectern.ErrNotAMember)
			alice.Expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"left"}`, stage.Online("user_one", 2))
			one.Send(`{"type":"send","channel":"abc123","text":"the end"}`)
			alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"the end"}`)
		})
	})

	// Anybody may ask whether a channel exists and how its master is (rule 4),
	// and learns nothing else; what changes there is told to its own slaves only.
	t.Run("E11", func(t *testing.T) {
		stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			alice, one := s.Pair()
			bob := stranger(s)
			require.Equal(t, `{"type":"status","ref":2,"channel":"xyz","exists":true,"master":{"username":"bob","state":"online"}}`,
				one.Answer(`{"type":"status","ref":2,"channel":"xyz"}`))
			one.Refused(`{"type":"members","ref":3,"channel":"xyz"}`, lectern.ErrNotAMember)
			one.Refused(`{"type":"awaiting","ref":4,"channel":"xyz","request":1}`, lectern.ErrNotAMember)
			alice.Refused(`{"type":"members","ref":3,"channel":"xyz"}`, lectern.ErrNotAMember)
			require.Equal(t, `{"type":"ack","ref":5}`, bob.Answer(`{"type":"away","ref":5,"channel":"xyz"}`))
			require.Equal(t, `{"type":"ack","ref":6}`, bob.Answer(`{"type":"back","ref":6,"channel":"xyz"}`))
			require.Equal(t, `{"type":"left","ref":7,"channel":"xyz"}`, bob.Answer(`{"type":"leave","ref":7,"channel":"xyz"}`))
			require.Equal(t, `{"type":"status","ref":8,"channel":"xyz","exists":false}`, one.Answer(`{"type":"status","ref":8,"channel":"xyz"}`))
			alice.Send(`{"type":"send","channel":"abc123","text":"the end"}`)
			one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"the end"}`)
		})
	})

	// A master cannot kick itself or one who is not there, and a second kick
	// finds nobody; a second ban changes nothing. Each is told once.
	t.Run("E14", func(t *testing.T) {
		stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			alice, one := s.Pair()
			two := another(s, alice, "user_two")
			for ref, to := range []string{"alice", "nobody", "", "*", "abc123"} {
				alice.Refused(fmt.Sprintf(`{"type":"kick","ref":%d,"channel":"abc123","to":%q}`, ref+10, to), lectern.ErrNoSuchSlave)
			}
			alice.Refused(`{"type":"kick","ref":20,"channel":"abc123","to":"alice","ban":true}`, lectern.ErrNoSuchSlave)
			kick := `{"type":"kick","ref":%d,"channel":"abc123","to":"user_one"}`
			alice.Send(fmt.Sprintf(kick, 21))
			alice.Expect(`{"type":"ack","ref":21}`,
				`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"kicked"}`)
			alice.Refused(fmt.Sprintf(kick, 22), lectern.ErrNoSuchSlave)
			one.Expect(`{"type":"closed","channel":"abc123","code":"kicked"}`)

			ban := `{"type":"kick","ref":%d,"channel":"abc123","to":"user_one","ban":true}`
			alice.Send(fmt.Sprintf(ban, 23), fmt.Sprintf(ban, 24))
			alice.Expect(`{"type":"ack","ref":23}`, `{"type":"ack","ref":24}`)
			s.Raw().Refused(stage.OneJoins, lectern.ErrBanned)
			alice.Send(`{"type":"send","channel":"abc123","text":"the end"}`)
			two.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"the end"}`)
		})
	})
}
