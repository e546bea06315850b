package websocket_test

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// A keeper is a listener that tells what it has accepted.
type keeper struct {
	net.Listener
	kept chan *memnet.Conn
}

func (k keeper) Accept() (net.Conn, error) {
	c, err := k.Listener.Accept()
	if err == nil {
		k.kept <- c.(*memnet.Conn)
	}
	return c, err
}

// thatStands runs a test on each kind of end, which stand has stand still.
func thatStands(t *testing.T, test func(t *testing.T, conn transport.Conn, peer *hostile, stand func(time.Duration))) {
	options := websocket.Options{Conn: transport.ConnOptions{ProbeAfter: 10 * time.Second, GiveUp: 5 * time.Second}}
	t.Run("dialling", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			conn, peer, over := dialHostileOver(t, options)
			test(t, conn, peer, over.StandStill)
		})
	})
	dial := func(t *testing.T, handler http.Handler) (*hostile, *memnet.Conn) {
		kept := make(chan *memnet.Conn, 1)
		s := newSiteBehind(t, func(l net.Listener) net.Listener { return keeper{l, kept} }, options, func(s *http.Server) { s.Handler = handler })
		client := s.dialRaw(t)
		client.send([]byte(handshake + "\r\n"))
		require.Equal(t, http.StatusSwitchingProtocols, client.response().StatusCode)
		return &hostile{Conn: client.Conn, t: t, reader: bufio.NewReader(client.Conn), masks: true}, <-kept
	}
	t.Run("serving", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			service := newService()
			peer, over := dial(t, websocket.NewHandler(service, options))
			conn := service.accept(t)
			test(t, conn, peer, over.StandStill)
			conn.Close(goodbye)
			close(service.done)
		})
	})
	t.Run("attended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := &acceptor{accepted: make(chan *started, 1)}
			peer, over := dial(t, websocket.NewHandler(server, options))
			conn := <-server.accepted
			test(t, conn, peer, over.StandStill)
			peer.Close()
			conn.Close(goodbye)
			server.ended.Wait()
		})
	})
}

// What lies in the buffers when this side has stood still is read before anybody is
// judged: a word of a peer, before and after it was probed, and an answer to a ping.
func TestStoodStill(t *testing.T) {
	for _, before := range []time.Duration{2 * time.Second, 9 * time.Second, 11 * time.Second} {
		for _, still := range []time.Duration{5 * time.Second, 12 * time.Second, 15 * time.Second, time.Hour} {
			thatStands(t, func(t *testing.T, conn transport.Conn, peer *hostile, stand func(time.Duration)) {
				time.Sleep(before)
				peer.during(func() {
					time.Sleep(still / 2)
					peer.send(peer.frame(fin|opPong, ""), peer.frame(fin|opText, "{}"))
				})
				go stand(still)
				message, err := conn.Read()
				require.NoError(t, err)
				require.Equal(t, "{}", string(message))
			})
		}
	}
}

// A message whose rest has come meanwhile is complete, however large.
func TestMessageThatCameMeanwhile(t *testing.T) {
	for _, size := range []int{100, 3000, 60_000} {
		thatStands(t, func(t *testing.T, conn transport.Conn, peer *hostile, stand func(time.Duration)) {
			message := strings.Repeat("x", size)
			whole := peer.frame(fin|opBinary, message)
			peer.send(whole[:size/2])
			time.Sleep(time.Second)
			peer.during(func() {
				time.Sleep(time.Second)
				peer.send(whole[size/2:])
			})
			go stand(30 * time.Second)
			got, err := conn.Read()
			require.NoError(t, err)
			require.Equal(t, message, string(got))
		})
	}
}

// Who sends byte by byte does not live on that: the rest has to be there.
func TestLastLookIsBounded(t *testing.T) {
	thatStands(t, func(t *testing.T, conn transport.Conn, peer *hostile, stand func(time.Duration)) {
		peer.during(func() { peer.drip(peer.frame(fin|opBinary, strings.Repeat("x", 100_000)), 50*time.Millisecond) })
		time.Sleep(time.Second)
		start := time.Now()
		read := make(chan error, 1)
		go func() {
			_, err := conn.Read()
			read <- err
		}()
		synctest.Wait() // the message has begun to arrive before this side stands still
		go stand(30 * time.Second)
		require.ErrorIs(t, <-read, transport.ErrSlow)
		require.GreaterOrEqual(t, time.Since(start), 30*time.Second)
		require.LessOrEqual(t, time.Since(start), 31*time.Second)
	})
}
