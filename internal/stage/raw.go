package stage

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// Raw is a peer that does not use the client library: the test writes its frames in the
// text form.
type Raw struct {
	T    *testing.T
	Conn transport.Conn
	Plug Plug
	// Secret is the last resume secret that Expect has read.
	Secret string
}

// Raw returns a new Raw peer with a connection.
func (s *Stage) Raw() *Raw {
	s.T.Helper()
	conn, plug, _, err := s.Dial(Within(s.T), nil)
	require.NoError(s.T, err)
	s.T.Cleanup(func() { _ = conn.Close(transport.Reason{Code: transport.Left}) })
	return &Raw{T: s.T, Conn: conn, Plug: plug}
}

// Send writes the frames.
func (r *Raw) Send(frames ...string) {
	r.T.Helper()
	for _, frame := range frames {
		require.NoError(r.T, r.Conn.Write([]byte(frame)))
	}
}

// Read returns the next frame, or the error at the end of the connection. It waits for at
// most waitLimit.
func (r *Raw) Read() (string, error) {
	timer := time.AfterFunc(waitLimit, func() { _ = r.Conn.Close(transport.Reason{Code: transport.Left}) })
	defer timer.Stop()
	data, err := r.Conn.Read()
	return string(data), err
}

var secretOnWire = regexp.MustCompile(`"resume":"([A-Za-z0-9_-]{22}|[A-Za-z0-9_-]{32})"`)

// Expect expects that exactly these frames come next. A secret in them is written as *.
func (r *Raw) Expect(frames ...string) {
	r.T.Helper()
	for _, frame := range frames {
		got, err := r.Read()
		require.NoError(r.T, err, "instead of %s", frame)
		if found := secretOnWire.FindStringSubmatch(got); found != nil {
			r.Secret = found[1]
			got = strings.Replace(got, found[0], `"resume":"*"`, 1)
		}
		require.Equal(r.T, frame, got)
	}
}

// Refused sends the frame, and expects that the answer is an error with that code, and with
// a text.
func (r *Raw) Refused(frame string, code *lectern.Error) {
	r.T.Helper()
	r.Send(frame)
	got, err := r.Read()
	require.NoError(r.T, err)
	require.Contains(r.T, got, `{"type":"error",`, "the answer to %s", frame)
	require.Contains(r.T, got, `"code":"`+string(code.Code)+`","message":"`, "the answer to %s", frame)
}

// Closed expects that the hub has closed the connection with that code. Only error frames
// may come before.
func (r *Raw) Closed(code transport.CloseCode) {
	r.T.Helper()
	for {
		frame, err := r.Read()
		if err == nil && strings.HasPrefix(frame, `{"type":"error",`) {
			continue // an answer to an earlier frame
		}
		require.Error(r.T, err, "instead of the end: %s", frame)
		var end *transport.CloseError
		require.True(r.T, errors.As(err, &end), "not a close: %v", err)
		require.Equal(r.T, code, end.Reason.Code)
		return
	}
}

// ClosedAfter expects that the hub closes the connection with that code. Any frames may
// come before.
func (r *Raw) ClosedAfter(code transport.CloseCode) {
	r.T.Helper()
	for {
		if _, err := r.Read(); err != nil {
			var end *transport.CloseError
			require.ErrorAs(r.T, err, &end)
			require.Equal(r.T, code, end.Reason.Code)
			return
		}
	}
}

// Answer sends a frame and returns what the hub answers.
func (r *Raw) Answer(frame string) string {
	r.T.Helper()
	r.Send(frame)
	got, err := r.Read()
	require.NoError(r.T, err, "the answer to %s", frame)
	return got
}

// Frames that alice and user_one send and get, as master and slave of abc123.
const (
	AliceCreates = `{"type":"create","ref":1,"channel":"abc123","username":"alice"}`
	AliceCreated = `{"type":"created","ref":1,"channel":"abc123","username":"alice","resume":"*","epoch":1,"master_timeout_ms":30000}`
	OneJoins     = `{"type":"join","ref":1,"channel":"abc123","username":"user_one"}`
	OneJoined    = `{"type":"joined","ref":1,"channel":"abc123","username":"user_one","resume":"*","epoch":1,"master":{"username":"alice","state":"online"},"master_timeout_ms":30000}`
	OneOnline    = `{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"online","number":1,"joined":true}`
	OneBack      = `{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"online"}`
)

// Online is what the master of abc123 is told when that user joins. number counts the joins.
func Online(username string, number int) string {
	return fmt.Sprintf(`{"type":"presence","channel":"abc123","username":"%s","role":"slave","state":"online","number":%d,"joined":true}`, username, number)
}

// Pair returns a master and a slave that are Raw peers.
func (s *Stage) Pair() (alice, one *Raw) {
	s.T.Helper()
	alice, one = s.Raw(), s.Raw()
	alice.Send(AliceCreates)
	alice.Expect(AliceCreated)
	one.Send(OneJoins)
	one.Expect(OneJoined)
	alice.Expect(OneOnline)
	return alice, one
}

// OneResumed is the answer to the first resume of user_one, with the ref.
func OneResumed(ref uint64) string {
	return strings.NewReplacer(`"ref":1`, fmt.Sprintf(`"ref":%d`, ref), `"epoch":1`, `"epoch":2`).Replace(OneJoined)
}
