package hostile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// What the roles forbid is refused, and nothing of it is delivered.
func TestRefusedByTheRules(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		two, bob := s.Raw(), s.Raw()
		two.Send(`{"type":"join","ref":1,"channel":"abc123","username":"user_two"}`)
		_, err := two.Read()
		require.NoError(t, err)
		alice.Expect(`{"type":"presence","channel":"abc123","username":"user_two","role":"slave","state":"online","number":2,"joined":true}`)
		bob.Send(`{"type":"create","ref":1,"channel":"xyz","username":"bob"}`, `{"type":"join","ref":2,"channel":"abc123","username":"bob"}`)
		_, err = bob.Read()
		require.NoError(t, err)
		_, err = bob.Read()
		require.NoError(t, err)
		alice.Expect(`{"type":"presence","channel":"abc123","username":"bob","role":"slave","state":"online","number":3,"joined":true}`)

		// Rule 5, row E3.
		one.Refused(`{"type":"send","ref":2,"channel":"abc123","to":"user_two","text":"psst"}`, lectern.ErrForbidden)
		one.Refused(`{"type":"send","ref":3,"channel":"abc123","to":"alice","text":"psst"}`, lectern.ErrForbidden)
		one.Refused(`{"type":"send","ref":4,"channel":"abc123","to":"","text":"psst"}`, lectern.ErrForbidden)
		one.Refused(`{"type":"send","channel":"abc123","to":"*","text":"psst"}`, lectern.ErrForbidden)
		// A slave does as its master.
		one.Refused(`{"type":"kick","ref":5,"channel":"abc123","to":"user_two"}`, lectern.ErrForbidden)
		one.Refused(`{"type":"away","ref":6,"channel":"abc123"}`, lectern.ErrForbidden)
		one.Refused(`{"type":"back","ref":7,"channel":"abc123"}`, lectern.ErrForbidden)
		one.Refused(`{"type":"members","ref":8,"channel":"abc123"}`, lectern.ErrForbidden)
		// Rules 1 and 7, row E1.
		one.Refused(`{"type":"create","ref":9,"channel":"abc123","username":"user_one"}`, lectern.ErrChannelExists)
		// Channels that it is not in, row E8.
		for _, frame := range []string{
			`{"type":"send","ref":10,"channel":"xyz","text":"psst"}`,
			`{"type":"leave","ref":11,"channel":"xyz"}`,
			`{"type":"kick","ref":12,"channel":"xyz","to":"bob"}`,
			`{"type":"members","ref":13,"channel":"nowhere"}`,
			`{"type":"join","ref":14,"channel":"xyz","username":"user_one","from":"nowhere"}`,
		} {
			one.Refused(frame, lectern.ErrNotAMember)
		}
		// Rule 6, row E4.
		bob.Refused(`{"type":"send","ref":3,"channel":"xyz","to":"user_one","text":"psst"}`, lectern.ErrNoSuchSlave)
		alice.Refused(`{"type":"send","ref":3,"channel":"abc123","to":"nobody","text":"psst"}`, lectern.ErrNoSuchSlave)
		alice.Refused(`{"type":"send","ref":4,"channel":"abc123","to":"alice","text":"psst"}`, lectern.ErrNoSuchSlave)
		// Row E14.
		alice.Refused(`{"type":"kick","ref":5,"channel":"abc123","to":"alice"}`, lectern.ErrNoSuchSlave)
		alice.Refused(`{"type":"kick","ref":6,"channel":"abc123","to":"alice","ban":true}`, lectern.ErrNoSuchSlave)
		alice.Refused(`{"type":"kick","ref":7,"channel":"abc123","to":"nobody"}`, lectern.ErrNoSuchSlave)

		// A forged sender is nobody's: the hub says who it was.
		one.Send(`{"type":"send","ref":20,"channel":"abc123","from":"user_two","seq":99,"text":"the end"}`)
		one.Expect(`{"type":"ack","ref":20,"seq":1}`)
		alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"the end"}`)
		alice.Send(`{"type":"send","ref":20,"channel":"abc123","text":"the end"}`)
		alice.Expect(`{"type":"ack","ref":20,"seq":1,"slaves":3}`)
		for _, slave := range []*stage.Raw{one, two, bob} {
			slave.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"the end"}`)
		}
	})
}

func TestRefusedByOrder(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		// Row E7.
		one.Send(`{"type":"join","ref":2,"channel":"abc123","username":"user_one"}`)
		one.Expect(strings.Replace(stage.OneJoined, `"ref":1`, `"ref":2`, 1))
		// Under another name, or in another role, it is not the same join.
		one.Refused(`{"type":"join","ref":3,"channel":"abc123","username":"user_two"}`, lectern.ErrForbidden)
		alice.Refused(`{"type":"join","ref":2,"channel":"abc123","username":"alice"}`, lectern.ErrForbidden)
		alice.Refused(`{"type":"create","ref":3,"channel":"abc123","username":"alice"}`, lectern.ErrChannelExists)
		alice.Refused(`{"type":"create","ref":1,"channel":"abc123","username":"bob"}`, lectern.ErrChannelExists)
		alice.Refused(`{"type":"create","channel":"abc123","username":"alice"}`, lectern.ErrChannelExists)
		// Row E2.
		one.Refused(`{"type":"join","ref":4,"channel":"nowhere","username":"user_one"}`, lectern.ErrNoSuchChannel)
		// Row E13: the master's own second connection.
		s.Raw().Refused(`{"type":"join","ref":1,"channel":"abc123","username":"alice"}`, lectern.ErrNameTaken)
		// Row E9.
		one.Send(`{"type":"leave","ref":5,"channel":"abc123"}`)
		one.Expect(`{"type":"left","ref":5,"channel":"abc123"}`)
		one.Refused(`{"type":"send","ref":6,"channel":"abc123","text":"psst"}`, lectern.ErrNotAMember)
		one.Refused(`{"type":"leave","ref":7,"channel":"abc123"}`, lectern.ErrNotAMember)
		// Rows E12 and D11: an answer to what was not asked does no harm.
		alice.Expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"left"}`)
		one.Send(`{"type":"join","ref":8,"channel":"abc123","username":"user_one"}`)
		one.Expect(strings.Replace(stage.OneJoined, `"ref":1`, `"ref":8`, 1))
		one.Refused(`{"type":"send","ref":9,"channel":"abc123","reply":4711,"text":"yes"}`, lectern.ErrNoSuchRequest)
		one.Refused(`{"type":"withdraw","ref":10,"channel":"abc123","request":4711}`, lectern.ErrNoSuchRequest)
		alice.Expect(stage.Online("user_one", 2))
		alice.Refused(`{"type":"send","ref":4,"channel":"abc123","to":"user_one","reply":4711,"text":"yes"}`, lectern.ErrNoSuchRequest)
		alice.Refused(`{"type":"send","ref":5,"channel":"abc123","reply":4711,"text":"yes"}`, lectern.ErrNoSuchRequest)
	})
}

func TestRefusedResumes(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		resume := func(channel, username, secret, more string) string {
			return fmt.Sprintf(`{"type":"resume","ref":1,"channel":%q,"username":%q,"resume":%q%s}`, channel, username, secret, more)
		}
		ahead := resume("abc123", "user_one", one.Secret, `,"last":1`) // row G6: nothing has been sent yet
		if s.OfCluster() {
			ahead = resume("abc123", "user_one", one.Secret, `,"last":1048577`) // less could be lost by a log
		}
		for _, frame := range []string{
			ahead,
			resume("abc123", "user_one", alice.Secret, ""), // row G5
			resume("abc123", "alice", one.Secret, ""),
			resume("abc123", "user_two", one.Secret, ""),
			resume("nowhere", "user_one", one.Secret, ""),
			resume("abc123", "user_one", one.Secret+"A", ""),
			resume("abc123", "user_one", one.Secret[:21], ""),
			resume("abc123", "user_one", "", ""),
			resume("abc123", "user_one", one.Secret, `,"last":9007199254740992`),
		} {
			s.Raw().Refused(frame, lectern.ErrResumeFailed)
		}
		one.Send(`{"type":"ping","ref":9}`)
		one.Expect(`{"type":"pong","ref":9}`) // and nobody was replaced
		// Row G7.
		one.Send(`{"type":"leave","ref":10,"channel":"abc123"}`)
		one.Expect(`{"type":"left","ref":10,"channel":"abc123"}`)
		s.Raw().Refused(resume("abc123", "user_one", one.Secret, ""), lectern.ErrResumeFailed)
	})
}

// Row G14: a send that comes again under its ref has no second effect.
func TestSendsAreRecognisedByRef(t *testing.T) {
	stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.Pair()
		send := `{"type":"send","ref":10,"channel":"abc123","text":"once"}`
		one.Send(send, send)
		one.Expect(`{"type":"ack","ref":10,"seq":1}`, `{"type":"ack","ref":10,"seq":1}`)
		bad := `{"type":"send","ref":11,"channel":"abc123","to":"user_two","text":"psst"}`
		one.Refused(bad, lectern.ErrForbidden)
		one.Refused(bad, lectern.ErrForbidden)

		// Also on the next connection.
		one.Plug.Cut()
		alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"once"}`,
			`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"away"}`)
		again := s.Raw()
		again.Send(`{"type":"resume","ref":12,"channel":"abc123","username":"user_one","resume":"`+one.Secret+`"}`, send)
		again.Expect(stage.OneResumed(12), `{"type":"ack","ref":10,"seq":1}`)
		again.Refused(bad, lectern.ErrForbidden)
		alice.Expect(stage.OneBack)
		for ref := 13; ref < 13+32; ref++ {
			again.Send(fmt.Sprintf(`{"type":"send","ref":%d,"channel":"abc123","text":"more"}`, ref))
			again.Expect(fmt.Sprintf(`{"type":"ack","ref":%d,"seq":%d}`, ref, ref-11))
			alice.Expect(fmt.Sprintf(`{"type":"message","channel":"abc123","from":"user_one","seq":%d,"text":"more"}`, ref-11))
		}
		// It is forgotten by now, and so are refs between those that were used.
		again.Refused(send, lectern.ErrBadFrame)
		again.Refused(strings.Replace(send, "10", "2", 1), lectern.ErrBadFrame)
		again.Send(`{"type":"send","ref":100,"channel":"abc123","text":"the end"}`)
		again.Expect(`{"type":"ack","ref":100,"seq":34}`)
		alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":34,"text":"the end"}`)
	})
}

// Names that are none are refused before they reach anything (rows F1 to F3).
func TestRefusedNames(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{MaxHandshakeBytes: 1 << 20}, func(t *testing.T, s *stage.Stage) {
		peer := s.Raw()
		for _, name := range []string{
			``, ` `, `  a`, `a `, `a\u0000b`, `a\nb`, `\u001b[2J`, `a\u2028b`, `a\u202eb`, `a\u2066b`, `\u200d`, `\ufeff`, `\u0301`,
			`a\u00a0b`, strings.Repeat("x", 129), strings.Repeat("x", 5000),
		} {
			peer.Refused(`{"type":"create","ref":1,"channel":"`+name+`","username":"alice"}`, lectern.ErrBadName)
			peer.Refused(`{"type":"create","ref":1,"channel":"abc123","username":"`+name+`"}`, lectern.ErrBadName)
			peer.Refused(`{"type":"join","ref":1,"channel":"abc123","username":"`+name+`"}`, lectern.ErrBadName)
			peer.Refused(`{"type":"resume","ref":1,"channel":"abc123","username":"`+name+`","resume":"x"}`, lectern.ErrBadName)
			peer.Refused(`{"type":"status","ref":1,"channel":"`+name+`"}`, lectern.ErrBadName)
		}
		for _, name := range []string{"a", "ä ö", "教室", ".*>$KV/%00..", strings.Repeat("x", 128)} {
			s.User().Creates(name, name)
		}
	})
}
