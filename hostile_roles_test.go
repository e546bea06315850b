package lectern_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// answer sends a frame and returns what the hub answers.
func (r *raw) answer(frame string) string {
	r.t.Helper()
	r.send(frame)
	got, err := r.read()
	require.NoError(r.t, err, "the answer to %s", frame)
	return got
}

// another joins abc123 by hand.
func (s *stage) another(master *raw, username string) *raw {
	s.t.Helper()
	one := s.raw()
	one.send(strings.Replace(oneJoins, "user_one", username, 1))
	one.expect(strings.Replace(oneJoined, "user_one", username, 1))
	master.expect(strings.Replace(oneOnline, "user_one", username, 1))
	return one
}

// stranger is the master of xyz.
func (s *stage) stranger() *raw {
	s.t.Helper()
	bob := s.raw()
	require.Contains(s.t, bob.answer(`{"type":"create","ref":1,"channel":"xyz","username":"bob"}`), `"created"`)
	return bob
}

// What somebody may not do, from a peer that writes by hand. Whoever else is
// there is told nothing of it: the next thing that they read is "the end".
func TestHostileRoles(t *testing.T) {
	// Whatever a slave writes as an address, in a message, a question or an
	// answer, nothing is delivered.
	t.Run("E3 addresses", func(t *testing.T) {
		everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
			alice, one := s.pair()
			two := s.another(alice, "user_two")
			ref := 2
			for _, to := range []string{"*", ">", "", "user_two", "user_one", "alice", "abc123", "all", "no such name", `\u0000`} {
				for _, more := range []string{"", `,"request":true`, `,"reply":1`, `,"from":"alice"`, `,"role":"master"`, `,"private":true`} {
					got := one.answer(fmt.Sprintf(`{"type":"send","ref":%d,"channel":"abc123","to":"%s"%s,"text":"psst"}`, ref, to, more))
					require.Contains(t, got, `"code":"forbidden"`, "to %q%s", to, more)
					ref++
				}
			}
			alice.send(`{"type":"send","channel":"abc123","text":"the end"}`)
			for _, slave := range []*raw{one, two} {
				slave.expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"the end"}`)
			}
			one.send(`{"type":"send","channel":"abc123","text":"the end"}`)
			alice.expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"the end"}`)
		})
	})

	// A sender is who it is, whatever it writes: a message has the hub's from
	// and number, and frames that only hubs send do nothing.
	t.Run("E3 forged senders", func(t *testing.T) {
		everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
			alice, one := s.pair()
			two := s.another(alice, "user_two")
			for i, forged := range []string{
				`"from":"alice"`, `"from":"user_two","role":"master"`, `"username":"alice","seq":900`, `"private":true`, `"from":""`,
			} {
				one.send(fmt.Sprintf(`{"type":"send","channel":"abc123",%s,"text":"forged"}`, forged))
				alice.expect(fmt.Sprintf(`{"type":"message","channel":"abc123","from":"user_one","seq":%d,"text":"forged"}`, i+1))
			}
			for _, frame := range []string{
				`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"forged"}`,
				`{"type":"closed","channel":"abc123","code":"master_left"}`,
			} {
				one.refused(frame, lectern.ErrBadFrame)
			}
			one.send(`{"type":"ping"}`) // or three in a row would end it
			one.expect(`{"type":"pong"}`)
			one.refused(`{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"away"}`, lectern.ErrBadFrame)
			alice.send(`{"type":"send","channel":"abc123","from":"user_one","text":"the end"}`)
			for _, slave := range []*raw{one, two} {
				slave.expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"the end"}`)
			}
		})
	})

	// A slave of somebody else's channel and nobody at all are refused in the
	// same words.
	t.Run("E4", func(t *testing.T) {
		everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
			_, one := s.pair()
			bob := s.stranger()
			for _, frame := range []string{
				`{"type":"send","ref":2,"channel":"xyz","to":"user_one","text":"psst"}`,
				`{"type":"send","ref":2,"channel":"xyz","to":"user_one","request":true,"text":"psst"}`,
				`{"type":"kick","ref":2,"channel":"xyz","to":"user_one"}`,
			} {
				got := bob.answer(strings.Replace(frame, `"ref":2,`, "", 1)) // a ref would be recognised
				require.Equal(t, bob.answer(strings.NewReplacer(`"ref":2,`, "", "user_one", "nobody").Replace(frame)), got)
				require.Contains(t, got, `"code":"no_such_slave"`)
				bob.refused(strings.Replace(frame, "xyz", "abc123", 1), lectern.ErrNotAMember)
			}
			one.send(`{"type":"ping","ref":9}`)
			one.expect(`{"type":"pong","ref":9}`)
		})
	})

	// A connection whose master was taken over does nothing any more, whatever it
	// goes on writing, and is closed. Its other memberships can be resumed.
	t.Run("E10", func(t *testing.T) {
		everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
			old, one := s.pair()
			bob := s.stranger()
			secret := old.secret
			old.send(`{"type":"join","ref":2,"channel":"xyz","username":"alice"}`)
			old.expect(`{"type":"joined","ref":2,"channel":"xyz","username":"alice","resume":"*","master":{"username":"bob","state":"online"},"master_timeout_ms":30000}`)
			bob.expect(`{"type":"presence","channel":"xyz","username":"alice","role":"slave","state":"online"}`)

			alice := s.raw()
			alice.send(`{"type":"resume","ref":1,"channel":"abc123","username":"alice","resume":"` + secret + `"}`)
			alice.expect(`{"type":"created","ref":1,"channel":"abc123","username":"alice","resume":"*","epoch":2,"master_timeout_ms":30000,"members":[{"username":"user_one","state":"online"}]}`)
			for _, frame := range []string{
				`{"type":"send","channel":"abc123","text":"still me"}`, `{"type":"kick","channel":"abc123","to":"user_one"}`,
				`{"type":"away","channel":"abc123"}`, `{"type":"leave","channel":"abc123"}`,
			} {
				_ = old.conn.Write([]byte(frame)) // it may be closed by now
			}
			old.expect(`{"type":"closed","channel":"abc123","code":"replaced","reason":"the membership was taken over by a newer connection"}`)
			old.closed(transport.Replaced)
			alice.send(`{"type":"send","channel":"abc123","text":"the end"}`)
			one.expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"the end"}`)

			bob.expect(`{"type":"presence","channel":"xyz","username":"alice","role":"slave","state":"away"}`)
			alice.send(`{"type":"resume","ref":3,"channel":"xyz","username":"alice","resume":"` + old.secret + `"}`)
			bob.expect(`{"type":"presence","channel":"xyz","username":"alice","role":"slave","state":"online"}`)
		})
	})

	// A leave ends the membership that there is, and no later one: neither the
	// old secret nor a leave too many has a part in it.
	t.Run("E8", func(t *testing.T) {
		everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
			alice, one := s.pair()
			first := one.secret
			one.refused(`{"type":"leave","ref":2,"channel":"xyz"}`, lectern.ErrNotAMember)
			leave := `{"type":"leave","ref":3,"channel":"abc123"}`
			one.send(leave)
			one.expect(`{"type":"left","ref":3,"channel":"abc123"}`)
			one.refused(leave, lectern.ErrNotAMember)
			one.send(strings.Replace(oneJoins, `"ref":1`, `"ref":4`, 1))
			one.expect(strings.Replace(oneJoined, `"ref":1`, `"ref":4`, 1))
			require.NotEqual(t, first, one.secret)
			stale := s.raw()
			stale.refused(`{"type":"resume","channel":"abc123","username":"user_one","resume":"`+first+`"}`, lectern.ErrResumeFailed)
			stale.refused(leave, lectern.ErrNotAMember)
			alice.expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"left"}`, oneOnline)
			one.send(`{"type":"send","channel":"abc123","text":"the end"}`)
			alice.expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"the end"}`)
		})
	})

	// Anybody may ask whether a channel exists and how its master is (rule 4),
	// and learns nothing else; what changes there is told to its own slaves only.
	t.Run("E11", func(t *testing.T) {
		everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
			alice, one := s.pair()
			bob := s.stranger()
			require.Equal(t, `{"type":"status","ref":2,"channel":"xyz","exists":true,"master":{"username":"bob","state":"online"}}`,
				one.answer(`{"type":"status","ref":2,"channel":"xyz"}`))
			one.refused(`{"type":"members","ref":3,"channel":"xyz"}`, lectern.ErrNotAMember)
			one.refused(`{"type":"awaiting","ref":4,"channel":"xyz","request":1}`, lectern.ErrNotAMember)
			alice.refused(`{"type":"members","ref":3,"channel":"xyz"}`, lectern.ErrNotAMember)
			require.Equal(t, `{"type":"ack","ref":5}`, bob.answer(`{"type":"away","ref":5,"channel":"xyz"}`))
			require.Equal(t, `{"type":"ack","ref":6}`, bob.answer(`{"type":"back","ref":6,"channel":"xyz"}`))
			require.Equal(t, `{"type":"left","ref":7,"channel":"xyz"}`, bob.answer(`{"type":"leave","ref":7,"channel":"xyz"}`))
			require.Equal(t, `{"type":"status","ref":8,"channel":"xyz","exists":false}`, one.answer(`{"type":"status","ref":8,"channel":"xyz"}`))
			alice.send(`{"type":"send","channel":"abc123","text":"the end"}`)
			one.expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"the end"}`)
		})
	})

	// A master cannot kick itself or one who is not there, and a second kick
	// finds nobody; a second ban changes nothing. Each is told once.
	t.Run("E14", func(t *testing.T) {
		everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
			alice, one := s.pair()
			two := s.another(alice, "user_two")
			for ref, to := range []string{"alice", "nobody", "", "*", "abc123"} {
				alice.refused(fmt.Sprintf(`{"type":"kick","ref":%d,"channel":"abc123","to":%q}`, ref+10, to), lectern.ErrNoSuchSlave)
			}
			alice.refused(`{"type":"kick","ref":20,"channel":"abc123","to":"alice","ban":true}`, lectern.ErrNoSuchSlave)
			kick := `{"type":"kick","ref":%d,"channel":"abc123","to":"user_one"}`
			alice.send(fmt.Sprintf(kick, 21))
			alice.expect(`{"type":"ack","ref":21}`,
				`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"kicked"}`)
			alice.refused(fmt.Sprintf(kick, 22), lectern.ErrNoSuchSlave)
			one.expect(`{"type":"closed","channel":"abc123","code":"kicked"}`)

			ban := `{"type":"kick","ref":%d,"channel":"abc123","to":"user_one","ban":true}`
			alice.send(fmt.Sprintf(ban, 23), fmt.Sprintf(ban, 24))
			alice.expect(`{"type":"ack","ref":23}`, `{"type":"ack","ref":24}`)
			s.raw().refused(oneJoins, lectern.ErrBanned)
			alice.send(`{"type":"send","channel":"abc123","text":"the end"}`)
			two.expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"the end"}`)
		})
	})
}
