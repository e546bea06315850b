package engineio

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// What was written is fetched before the end of a session that polls, and the end by itself.
func TestCloseOfAPolledSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		id, e := s.poll(t)
		closed := make(chan error)
		go func() {
			closed <- e.session.WriteLast(transport.Reason{Code: transport.Kicked}, append(Text(nil), "bye"...))
		}()
		synctest.Wait()
		for _, want := range []string{"4bye", "1"} {
			_, body := s.get(t, id)
			require.Equal(t, want, body)
		}
		require.NoError(t, <-closed)
		require.ErrorIs(t, <-e.ended, errClosed)
		status, _ := s.get(t, id)
		require.Equal(t, http.StatusBadRequest, status)
		require.ErrorIs(t, e.session.Write([]byte("x")), errClosed)
		require.False(t, e.session.TryWrite([]byte("x")))
	})
}

// A client that fetches nothing holds the end up for a second.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		_, e := s.poll(t)
		require.NoError(t, e.session.Write(append(Text(nil), "one"...)))
		written := make(chan error)
		go func() { written <- e.session.Write(append(Text(nil), "two"...)) }()
		synctest.Wait()
		begun := time.Now()
		require.NoError(t, e.session.Close(transport.Reason{Code: transport.Slow}, append(Text(nil), "last"...)))
		require.Equal(t, closeWait, time.Since(begun))
		require.ErrorIs(t, <-written, errClosed)
		require.NoError(t, e.session.Close(transport.Reason{}), "once more")
		<-e.ended
	})
}

// A client that closes can still fetch one answer, since its requests may overtake each other.
func TestClientCloses(t *testing.T) {
	t.Run("with a poll that waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, nil)
			id, e := s.poll(t)
			first := make(chan string)
			go func() {
				_, body := s.get(t, id)
				first <- body
			}()
			synctest.Wait()
			require.Equal(t, http.StatusOK, s.post(t, id, "1"))
			require.Equal(t, "6", <-first)
			require.Equal(t, errGone, <-e.ended)
			status, _ := s.get(t, id)
			require.Equal(t, http.StatusBadRequest, status)
		})
	})
	t.Run("before its poll", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, nil)
			id, e := s.poll(t)
			require.Equal(t, http.StatusOK, s.post(t, id, "1"))
			_, body := s.get(t, id)
			require.Equal(t, "6", body)
			require.Equal(t, errGone, <-e.ended)
		})
	})
	t.Run("over WebSocket", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, nil)
			c := s.dial(t, "", "4")
			say(t, c, "1")
			hearEnd(c)
			e := <-s.echoes
			require.Equal(t, errGone, <-e.ended)
		})
	})
}

// The last packets come before the end over WebSocket too.
func TestLastPacketsOverWebSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		c := s.dial(t, "", "4")
		_, _, err := c.ReadMessage()
		require.NoError(t, err)
		e := <-s.echoes
		go func() { _ = e.session.Close(transport.Reason{Code: transport.Kicked}, append(Text(nil), "1"...)) }()
		hear(t, c, "41")
		hearEnd(c)
		<-e.ended
	})
}

// A client that is about to change has paused its polls: it gets the last packets where it goes to.
func TestCloseInTheMiddleOfAnUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		id, e := s.poll(t)
		first := make(chan string)
		go func() {
			_, body := s.get(t, id)
			first <- body
		}()
		synctest.Wait()
		c := s.dial(t, id, "4")
		say(t, c, "2probe")
		hear(t, c, "3probe")
		require.Equal(t, "6", <-first)
		require.NoError(t, e.session.Write(append(Text(nil), "the last words"...)))
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_ = e.session.Close(transport.Reason{Code: transport.Kicked}, append(Text(nil), "1"...))
		}()
		synctest.Wait()
		begun := time.Now()
		say(t, c, "5")
		hear(t, c, "4the last words", "41")
		hearEnd(c)
		<-closed
		require.Zero(t, time.Since(begun))
		<-e.ended
	})
}
