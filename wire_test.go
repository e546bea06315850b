package lectern_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// raw is a peer without the library: it writes the text form by hand.
type raw struct {
	t    *testing.T
	conn transport.Conn
	plug plug
	// secret is the last one that it was told.
	secret string
}

func (s *stage) raw() *raw {
	s.t.Helper()
	conn, plug, _, err := s.dial(within(s.t), nil)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close(transport.Reason{Code: transport.Left}) })
	return &raw{t: s.t, conn: conn, plug: plug}
}

func (r *raw) send(frames ...string) {
	r.t.Helper()
	for _, frame := range frames {
		require.NoError(r.t, r.conn.Write([]byte(frame)))
	}
}

// read is the next frame, or the end, for which it waits with patience.
func (r *raw) read() (string, error) {
	timer := time.AfterFunc(patience, func() { _ = r.conn.Close(transport.Reason{Code: transport.Left}) })
	defer timer.Stop()
	data, err := r.conn.Read()
	return string(data), err
}

var secretOnWire = regexp.MustCompile(`"resume":"([A-Za-z0-9_-]{22})"`)

// expect expects exactly these frames next. A secret in them is written *.
func (r *raw) expect(frames ...string) {
	r.t.Helper()
	for _, frame := range frames {
		got, err := r.read()
		require.NoError(r.t, err, "instead of %s", frame)
		if found := secretOnWire.FindStringSubmatch(got); found != nil {
			r.secret = found[1]
			got = strings.Replace(got, found[0], `"resume":"*"`, 1)
		}
		require.Equal(r.t, frame, got)
	}
}

// refused expects that the frame is answered by an error of that code.
func (r *raw) refused(frame string, code *lectern.Error) {
	r.t.Helper()
	r.send(frame)
	got, err := r.read()
	require.NoError(r.t, err)
	require.Contains(r.t, got, `{"type":"error",`, "the answer to %s", frame)
	require.Contains(r.t, got, `"code":"`+string(code.Code)+`"`, "the answer to %s", frame)
}

// closed expects that the hub has closed the connection with that code.
func (r *raw) closed(code transport.Code) {
	r.t.Helper()
	for {
		frame, err := r.read()
		if err == nil && strings.HasPrefix(frame, `{"type":"error",`) {
			continue // about what it has sent before
		}
		require.Error(r.t, err, "instead of the end: %s", frame)
		var end *transport.CloseError
		require.True(r.t, errors.As(err, &end), "not a close: %v", err)
		require.Equal(r.t, code, end.Reason.Code)
		return
	}
}

const (
	aliceCreates = `{"type":"create","ref":1,"channel":"abc123","username":"alice"}`
	aliceCreated = `{"type":"created","ref":1,"channel":"abc123","username":"alice","resume":"*","epoch":1,"master_timeout_ms":30000}`
	oneJoins     = `{"type":"join","ref":1,"channel":"abc123","username":"user_one"}`
	oneJoined    = `{"type":"joined","ref":1,"channel":"abc123","username":"user_one","resume":"*","master":{"username":"alice","state":"online"},"master_timeout_ms":30000}`
	oneOnline    = `{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"online"}`
)

// pair is a master and a slave who write by hand.
func (s *stage) pair() (alice, one *raw) {
	s.t.Helper()
	alice, one = s.raw(), s.raw()
	alice.send(aliceCreates)
	alice.expect(aliceCreated)
	one.send(oneJoins)
	one.expect(oneJoined)
	alice.expect(oneOnline)
	return alice, one
}

func TestTextFormSession(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice, one := s.raw(), s.raw()

		one.send(`{"type":"status","ref":1,"channel":"abc123"}`)
		one.expect(`{"type":"status","ref":1,"channel":"abc123","exists":false}`)
		one.send(`{"type":"ping","ref":2}`, `{"type":"ping"}`)
		one.expect(`{"type":"pong","ref":2}`, `{"type":"pong"}`)

		alice.send(`{"type":"create","ref":1,"channel":"abc123","username":"alice","token":"…","master_timeout_ms":20000}`)
		alice.expect(`{"type":"created","ref":1,"channel":"abc123","username":"alice","resume":"*","epoch":1,"master_timeout_ms":20000}`)
		one.send(`{"type":"status","ref":3,"channel":"abc123"}`)
		one.expect(`{"type":"status","ref":3,"channel":"abc123","exists":true,"master":{"username":"alice","state":"online"}}`)
		one.send(`{"type":"join","ref":4,"channel":"abc123","username":"user_one","master":"alice","token":"…"}`)
		one.expect(`{"type":"joined","ref":4,"channel":"abc123","username":"user_one","resume":"*","master":{"username":"alice","state":"online"},"master_timeout_ms":20000}`)
		alice.expect(oneOnline)

		one.send(`{"type":"send","ref":5,"channel":"abc123","text":"what is going on?"}`)
		one.expect(`{"type":"ack","ref":5,"seq":1}`)
		alice.expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"what is going on?"}`)
		alice.send(`{"type":"send","ref":2,"channel":"abc123","to":"user_one","data":{"a" : [1, 2e5]}}`)
		alice.expect(`{"type":"ack","ref":2,"seq":1,"slaves":1}`)
		one.expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"private":true,"data":{"a" : [1, 2e5]}}`)
		alice.send(`{"type":"send","channel":"abc123","base64":"AP8Q"}`)
		one.expect(`{"type":"message","channel":"abc123","from":"alice","seq":2,"base64":"AP8Q"}`)

		alice.send(`{"type":"send","ref":3,"channel":"abc123","request":true,"text":"ready?"}`)
		alice.expect(`{"type":"ack","ref":3,"seq":3,"slaves":1}`)
		one.expect(`{"type":"message","channel":"abc123","from":"alice","seq":3,"request":3,"text":"ready?"}`)
		one.send(`{"type":"send","ref":6,"channel":"abc123","reply":3,"text":"I am"}`)
		one.expect(`{"type":"ack","ref":6,"seq":2}`)
		alice.expect(`{"type":"message","channel":"abc123","from":"user_one","seq":2,"reply":3,"text":"I am"}`)

		alice.send(`{"type":"members","ref":4,"channel":"abc123"}`)
		alice.expect(`{"type":"members","ref":4,"channel":"abc123","members":[{"username":"user_one","state":"online"}]}`)
		alice.send(`{"type":"back","ref":5,"channel":"abc123"}`)
		alice.expect(`{"type":"ack","ref":5}`)

		one.send(`{"type":"leave","ref":7,"channel":"abc123"}`)
		one.expect(`{"type":"left","ref":7,"channel":"abc123"}`)
		alice.expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"left"}`)
		one.send(`{"type":"join","ref":8,"channel":"abc123","username":"user_one"}`)
		one.expect(`{"type":"joined","ref":8,"channel":"abc123","username":"user_one","resume":"*","master":{"username":"alice","state":"online"},"master_timeout_ms":20000}`)
		alice.expect(oneOnline)

		alice.send(`{"type":"kick","ref":6,"channel":"abc123","to":"user_one","reason":"too loud","ban":true}`)
		alice.expect(`{"type":"ack","ref":6}`,
			`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"too loud"}`)
		one.expect(`{"type":"closed","channel":"abc123","code":"kicked","reason":"too loud"}`)
		one.closed(transport.Kicked)
		one = s.raw()
		one.send(oneJoins)
		one.expect(`{"type":"error","ref":1,"channel":"abc123","code":"banned"}`)

		one.send(`{"type":"join","ref":2,"channel":"abc123","username":"user_two"}`)
		one.expect(`{"type":"joined","ref":2,"channel":"abc123","username":"user_two","resume":"*","master":{"username":"alice","state":"online"},"master_timeout_ms":20000}`)
		alice.expect(`{"type":"presence","channel":"abc123","username":"user_two","role":"slave","state":"online"}`)
		alice.send(`{"type":"leave","ref":7,"channel":"abc123"}`)
		alice.expect(`{"type":"left","ref":7,"channel":"abc123"}`)
		one.expect(`{"type":"closed","channel":"abc123","code":"master_left"}`)
		one.closed(transport.MasterLeft)
	})
}

// What carries times is exact in virtual time.
func TestTextFormAwayAndBack(t *testing.T) {
	inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice, one := s.pair()
		alice.send(`{"type":"away","ref":2,"channel":"abc123"}`)
		alice.expect(`{"type":"ack","ref":2}`)
		one.expect(`{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"away","timeout_ms":30000}`)
		time.Sleep(5 * time.Second)
		one.send(`{"type":"status","ref":2,"channel":"abc123"}`)
		one.expect(`{"type":"status","ref":2,"channel":"abc123","exists":true,"master":{"username":"alice","state":"away"},"timeout_ms":25000}`)
		two := s.raw()
		two.send(`{"type":"join","ref":1,"channel":"abc123","username":"user_two"}`)
		two.expect(`{"type":"joined","ref":1,"channel":"abc123","username":"user_two","resume":"*","master":{"username":"alice","state":"away"},"master_timeout_ms":30000}`,
			`{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"away","timeout_ms":25000}`)
		alice.send(`{"type":"back","ref":3,"channel":"abc123"}`)
		back := `{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"online"}`
		one.expect(back)
		two.expect(back)

		alice.plug.Cut()
		one.expect(`{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"away","timeout_ms":30000}`)
		one.send(`{"type":"send","ref":3,"channel":"abc123","text":"are you there?"}`)
		one.expect(`{"type":"ack","ref":3,"seq":1}`)
		again := s.raw()
		again.send(`{"type":"resume","ref":4,"channel":"abc123","username":"alice","resume":"` + alice.secret + `"}`)
		again.expect(
			`{"type":"created","ref":4,"channel":"abc123","username":"alice","resume":"*","epoch":2,"seq":1,"master_timeout_ms":30000,"members":[{"username":"user_one","state":"online"},{"username":"user_two","state":"online"}]}`,
			`{"type":"message","channel":"abc123","from":"user_one","seq":1,"text":"are you there?"}`)
		one.expect(back)

		lost := time.Now()
		again.plug.Cut()
		one.expect(`{"type":"presence","channel":"abc123","username":"alice","role":"master","state":"away","timeout_ms":30000}`,
			`{"type":"closed","channel":"abc123","code":"master_down","reason":"the master was away for 30s"}`)
		one.closed(transport.MasterDown)
		require.Equal(t, lost.Add(30*time.Second), time.Now())
	})
}

func TestTextFormReplaced(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		alice, one := s.pair()
		again := s.raw()
		again.send(`{"type":"resume","ref":2,"channel":"abc123","username":"alice","resume":"` + alice.secret + `"}`)
		again.expect(`{"type":"created","ref":2,"channel":"abc123","username":"alice","resume":"*","epoch":2,"master_timeout_ms":30000,"members":[{"username":"user_one","state":"online"}]}`)
		require.Equal(t, alice.secret, again.secret)
		alice.expect(`{"type":"closed","channel":"abc123","code":"replaced","reason":"the membership was taken over by a newer connection"}`)
		alice.closed(transport.Replaced)
		require.EqualValues(t, 4102, transport.Replaced)
		again.send(`{"type":"send","ref":3,"channel":"abc123","text":"hello"}`)
		one.expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"hello"}`)
	})
}

// Somebody who has the binary form and somebody who has the text form get the
// same.
func TestTextFormMeetsBinaryForm(t *testing.T) {
	everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
		master := s.user().create("abc123", "alice")
		one := s.raw()
		one.send(oneJoins)
		one.expect(oneJoined)
		two := s.user().join("abc123", "user_two")
		for _, payload := range []lectern.Payload{lectern.Text("hi"), lectern.JSON([]int{1}), lectern.Bytes([]byte{0, 255, 16})} {
			_, err := master.Broadcast(within(t), payload)
			require.NoError(t, err)
			got, err := two.Receive(within(t))
			require.NoError(t, err)
			require.Equal(t, payload, got.Payload)
		}
		one.expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"hi"}`,
			`{"type":"message","channel":"abc123","from":"alice","seq":2,"data":[1]}`,
			`{"type":"message","channel":"abc123","from":"alice","seq":3,"base64":"AP8Q"}`)
	})
}
