package websocket_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// A connection that no poller takes is probed when it has been silent for as long
// as it may, counted from the last sign of life, and no earlier.
func TestSilentPeerThatIsAttended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &acceptor{accepted: make(chan *started, 1)}
		options := websocket.Options{Conn: transport.ConnOptions{ProbeAfter: 10 * time.Second, GiveUp: 5 * time.Second}}
		s := newSite(t, options, func(s *http.Server) { s.Handler = websocket.NewHandler(server, options) })
		client := s.dialRaw(t)
		client.send([]byte(handshake + "\r\n"))
		require.Equal(t, http.StatusSwitchingProtocols, client.response().StatusCode)
		conn := <-server.accepted
		start := time.Now()

		time.Sleep(6 * time.Second)
		client.send(frame(fin|opText, "{}"))
		message, err := conn.Read()
		require.NoError(t, err)
		require.Equal(t, "{}", string(message))
		client.expect(fin|opPing, "")
		require.Equal(t, 16*time.Second, time.Since(start))

		time.Sleep(time.Second)
		client.send(frame(fin|opPong, ""))
		client.expect(fin|opPing, "")
		require.Equal(t, 27*time.Second, time.Since(start))

		_, err = conn.Read()
		require.ErrorIs(t, err, transport.ErrSilent)
		require.Equal(t, 32*time.Second, time.Since(start))
		conn.Close(goodbye)
		server.ended.Wait()
	})
}

// What comes in pieces, and more than there is room for while waiting, is the same
// as elsewhere; and so is the end.
func TestMessagesThatAreAttended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &acceptor{accepted: make(chan *started, 1)}
		options := websocket.Options{Conn: transport.ConnOptions{ProbeAfter: -1, MessageTimeout: 3 * time.Second}}
		s := newSite(t, options, func(s *http.Server) { s.Handler = websocket.NewHandler(server, options) })
		client := s.dialRaw(t)
		client.send([]byte(handshake + "\r\n"))
		require.Equal(t, http.StatusSwitchingProtocols, client.response().StatusCode)
		conn := <-server.accepted

		long := string(make([]byte, 3000))
		for range 3 {
			whole := frame(fin|opBinary, long)
			go client.Write(append(whole, frame(fin|opText, "{}")...))
			for _, want := range []string{long, "{}"} {
				message, err := conn.Read()
				require.NoError(t, err)
				require.Equal(t, want, string(message))
			}
			time.Sleep(time.Minute)
		}
		// Half a header: the rest has to come in time.
		start := time.Now()
		client.send(frame(fin|opText, "{}")[:1])
		_, err := conn.Read()
		require.ErrorIs(t, err, transport.ErrSlow)
		require.Equal(t, 3*time.Second, time.Since(start))
		conn.Close(goodbye)
		server.ended.Wait()
	})
}
