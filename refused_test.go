package lectern_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// What the roles forbid is refused, and nothing of it is delivered.
func TestRefusedByTheRules(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice, one := s.pair()
		two, bob := s.raw(), s.raw()
		two.send(`{"type":"join","ref":1,"channel":"abc123","username":"user_two"}`)
		_, err := two.read()
		require.NoError(t, err)
		alice.expect(`{"type":"presence","channel":"abc123","username":"user_two","role":"slave","state":"online"}`)
		bob.send(`{"type":"create","ref":1,"channel":"xyz","username":"bob"}`, `{"type":"join","ref":2,"channel":"abc123","username":"bob"}`)
		_, err = bob.read()
		require.NoError(t, err)
		_, err = bob.read()
		require.NoError(t, err)
		alice.expect(`{"type":"presence","channel":"abc123","username":"bob","role":"slave","state":"online"}`)

		// Rule 5, row E3.
		one.refused(`{"type":"send","ref":2,"channel":"abc123","to":"user_two","text":"psst"}`, lectern.ErrForbidden)
		one.refused(`{"type":"send","ref":3,"channel":"abc123","to":"alice","text":"psst"}`, lectern.ErrForbidden)
		one.refused(`{"type":"send","ref":4,"channel":"abc123","to":"","text":"psst"}`, lectern.ErrForbidden)
		one.refused(`{"type":"send","channel":"abc123","to":"*","text":"psst"}`, lectern.ErrForbidden)
		// A slave does as its master.
		one.refused(`{"type":"kick","ref":5,"channel":"abc123","to":"user_two"}`, lectern.ErrForbidden)
		one.refused(`{"type":"away","ref":6,"channel":"abc123"}`, lectern.ErrForbidden)
		one.refused(`{"type":"back","ref":7,"channel":"abc123"}`, lectern.ErrForbidden)
		one.refused(`{"type":"members","ref":8,"channel":"abc123"}`, lectern.ErrForbidden)
		// Rules 1 and 7, row E1.
		one.refused(`{"type":"create","ref":9,"channel":"abc123","username":"user_one"}`, lectern.ErrChannelExists)
		// Channels that it is not in, row E8.
		for _, frame := range []string{
			`{"type":"send","ref":10,"channel":"xyz","text":"psst"}`,
			`{"type":"leave","ref":11,"channel":"xyz"}`,
			`{"type":"kick","ref":12,"channel":"xyz","to":"bob"}`,
			`{"type":"members","ref":13,"channel":"nowhere"}`,
			`{"type":"join","ref":14,"channel":"xyz","username":"user_one","from":"nowhere"}`,
		} {
			one.refused(frame, lectern.ErrNotAMember)
		}
		// Rule 6, row E4.
		bob.refused(`{"type":"send","ref":3,"channel":"xyz","to":"user_one","text":"psst"}`, lectern.ErrNoSuchSlave)
		alice.refused(`{"type":"send","ref":3,"channel":"abc123","to":"nobody","text":"psst"}`, lectern.ErrNoSuchSlave)
		alice.refused(`{"type":"send","ref":4,"channel":"abc123","to":"alice","text":"psst"}`, lectern.ErrNoSuchSlave)
		// Row E14.
		alice.refused(`{"type":"kick","ref":5,"channel":"abc123","to":"alice"}`, lectern.ErrNoSuchSlave)
		alice.refused(`{"type":"kick","ref":6,"channel":"abc123","to":"alice","ban":true}`, lectern.ErrNoSuchSlave)
		alice.refused(`{"type":"kick","ref":7,"channel":"abc123","to":"nobody"}`, lectern.ErrNoSuchSlave)

		// A forged sender is nobody's: the hub says who it was.
		one.send(`{"type":"send","ref":20,"channel":"abc123","from":"user_two","seq":99,"text":"the end"}`)
		one.expect(`{"type":"ack","ref":20,"seq":1}`)
		alice.expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"the end"}`)
		alice.send(`{"type":"send","ref":20,"channel":"abc123","text":"the end"}`)
		alice.expect(`{"type":"ack","ref":20,"seq":1,"slaves":3}`)
		for _, slave := range []*raw{one, two, bob} {
			slave.expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"the end"}`)
		}
	})
}

func TestRefusedByOrder(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice, one := s.pair()
		// Row E7.
		one.send(`{"type":"join","ref":2,"channel":"abc123","username":"user_one"}`)
		one.expect(strings.Replace(oneJoined, `"ref":1`, `"ref":2`, 1))
		// Under another name, or in another role, it is not the same join.
		one.refused(`{"type":"join","ref":3,"channel":"abc123","username":"user_two"}`, lectern.ErrForbidden)
		alice.refused(`{"type":"join","ref":2,"channel":"abc123","username":"alice"}`, lectern.ErrForbidden)
		alice.refused(`{"type":"create","ref":3,"channel":"abc123","username":"alice"}`, lectern.ErrChannelExists)
		// Row E2.
		one.refused(`{"type":"join","ref":4,"channel":"nowhere","username":"user_one"}`, lectern.ErrNoSuchChannel)
		// Row E13: the master's own second connection.
		s.raw().refused(`{"type":"join","ref":1,"channel":"abc123","username":"alice"}`, lectern.ErrNameTaken)
		// Row E9.
		one.send(`{"type":"leave","ref":5,"channel":"abc123"}`)
		one.expect(`{"type":"left","ref":5,"channel":"abc123"}`)
		one.refused(`{"type":"send","ref":6,"channel":"abc123","text":"psst"}`, lectern.ErrNotAMember)
		one.refused(`{"type":"leave","ref":7,"channel":"abc123"}`, lectern.ErrNotAMember)
		// Row E12: an answer to what was not asked does no harm.
		alice.expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"left"}`)
		one.send(`{"type":"join","ref":8,"channel":"abc123","username":"user_one"}`,
			`{"type":"send","ref":9,"channel":"abc123","reply":4711,"text":"yes"}`)
		alice.expect(oneOnline, `{"type":"message","channel":"abc123","from":"user_one","seq":1,"reply":4711,"text":"yes"}`)
	})
}

func TestRefusedResumes(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice, one := s.pair()
		resume := func(channel, username, secret, more string) string {
			return fmt.Sprintf(`{"type":"resume","ref":1,"channel":%q,"username":%q,"resume":%q%s}`, channel, username, secret, more)
		}
		for _, frame := range []string{
			resume("abc123", "user_one", alice.secret, ""), // row G5
			resume("abc123", "alice", one.secret, ""),
			resume("abc123", "user_two", one.secret, ""),
			resume("nowhere", "user_one", one.secret, ""),
			resume("abc123", "user_one", one.secret+"A", ""),
			resume("abc123", "user_one", one.secret[:21], ""),
			resume("abc123", "user_one", "", ""),
			resume("abc123", "user_one", one.secret, `,"last":1`), // row G6: nothing has been sent yet
			resume("abc123", "user_one", one.secret, `,"last":9007199254740992`),
		} {
			s.raw().refused(frame, lectern.ErrResumeFailed)
		}
		one.send(`{"type":"ping","ref":9}`)
		one.expect(`{"type":"pong","ref":9}`) // and nobody was replaced
		// Row G7.
		one.send(`{"type":"leave","ref":10,"channel":"abc123"}`)
		one.expect(`{"type":"left","ref":10,"channel":"abc123"}`)
		s.raw().refused(resume("abc123", "user_one", one.secret, ""), lectern.ErrResumeFailed)
	})
}

// Row G14: a send that comes again under its ref has no second effect.
func TestSendsAreRecognisedByRef(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice, one := s.pair()
		send := `{"type":"send","ref":10,"channel":"abc123","text":"once"}`
		one.send(send, send)
		one.expect(`{"type":"ack","ref":10,"seq":1}`, `{"type":"ack","ref":10,"seq":1}`)
		bad := `{"type":"send","ref":11,"channel":"abc123","to":"user_two","text":"psst"}`
		one.refused(bad, lectern.ErrForbidden)
		one.refused(bad, lectern.ErrForbidden)

		// Also on the next connection.
		one.plug.Cut()
		alice.expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"once"}`,
			`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"away"}`)
		again := s.raw()
		again.send(`{"type":"resume","ref":12,"channel":"abc123","username":"user_one","resume":"`+one.secret+`"}`, send)
		again.expect(strings.Replace(oneJoined, `"ref":1`, `"ref":12`, 1), `{"type":"ack","ref":10,"seq":1}`)
		again.refused(bad, lectern.ErrForbidden)
		alice.expect(oneOnline)
		for ref := 13; ref < 13+32; ref++ {
			again.send(fmt.Sprintf(`{"type":"send","ref":%d,"channel":"abc123","text":"more"}`, ref))
			again.expect(fmt.Sprintf(`{"type":"ack","ref":%d,"seq":%d}`, ref, ref-11))
			alice.expect(fmt.Sprintf(`{"type":"message","channel":"abc123","from":"user_one","seq":%d,"text":"more"}`, ref-11))
		}
		// It is forgotten by now, and so are refs between those that were used.
		again.refused(send, lectern.ErrBadFrame)
		again.refused(strings.Replace(send, "10", "2", 1), lectern.ErrBadFrame)
		again.send(`{"type":"send","ref":100,"channel":"abc123","text":"the end"}`)
		again.expect(`{"type":"ack","ref":100,"seq":34}`)
		alice.expect(`{"type":"message","channel":"abc123","from":"user_one","seq":34,"text":"the end"}`)
	})
}

// Names that are none are refused before they reach anything (rows F1 to F3).
func TestRefusedNames(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		peer := s.raw()
		for _, name := range []string{
			``, ` `, `  a`, `a `, `a\u0000b`, `a\nb`, `\u001b[2J`, `a\u2028b`, `a\u202eb`, `a\u2066b`, `\u200d`, `\ufeff`, `\u0301`,
			`a\u00a0b`, strings.Repeat("x", 129), strings.Repeat("x", 5000),
		} {
			peer.refused(`{"type":"create","ref":1,"channel":"`+name+`","username":"alice"}`, lectern.ErrBadName)
			peer.refused(`{"type":"create","ref":1,"channel":"abc123","username":"`+name+`"}`, lectern.ErrBadName)
			peer.refused(`{"type":"join","ref":1,"channel":"abc123","username":"`+name+`"}`, lectern.ErrBadName)
			peer.refused(`{"type":"resume","ref":1,"channel":"abc123","username":"`+name+`","resume":"x"}`, lectern.ErrBadName)
			peer.refused(`{"type":"status","ref":1,"channel":"`+name+`"}`, lectern.ErrBadName)
		}
		for _, name := range []string{"a", "ä ö", "教室", ".*>$KV/%00..", strings.Repeat("x", 128)} {
			s.user().create(name, name)
		}
	})
}
