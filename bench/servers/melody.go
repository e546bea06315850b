package servers

import (
	"net/http"

	"github.com/olahol/melody"
)

// newMelody is melody with its defaults.
func newMelody() (Server, error) {
	m := melody.New()
	const numberKey = "number"
	var s star[*melody.Session]
	m.HandleConnect(func(session *melody.Session) {
		number := role(session.Request.URL.Path)
		session.Set(numberKey, number)
		s.enter(number, session)
	})
	m.HandleDisconnect(func(session *melody.Session) {
		s.leave(session.MustGet(numberKey).(int))
	})
	receive := func(session *melody.Session, message []byte) {
		if session.MustGet(numberKey).(int) < 0 && message[0] == ToAll {
			_ = m.BroadcastBinaryOthers(message, session)
			return
		}
		s.mu.RLock()
		to := s.master
		if session == to {
			to = s.members[recipient(message)]
		}
		s.mu.RUnlock()
		_ = to.WriteBinary(message)
	}
	m.HandleMessageBinary(receive)
	return serveHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = m.HandleRequest(w, r)
	}), s.count, m.Close)
}
