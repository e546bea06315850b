package netconn

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
)

// onBoth runs a test in a bubble, with a connection and the bare other end of it,
// plain and over TLS. still has the connection stand still.
func onBoth(t *testing.T, options transport.ConnOptions, test func(t *testing.T, c *conn, peer net.Conn, still func(time.Duration))) {
	certificate()
	for name, newPair := range map[string]func() (net.Conn, net.Conn){"plain": memoryConns, "TLS": memoryTLSConns} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, peer := newPair()
				raw := near
				if secure, ok := near.(*tls.Conn); ok {
					raw = secure.NetConn()
				}
				c := newConn(near, options.WithDefaults(nil))
				test(t, c, peer, raw.(*memnet.Conn).StandStill)
				_ = peer.Close()
				_ = c.Close(goodbye)
			})
		})
	}
}

// What lies in the buffers when this side has stood still is read before anybody is
// judged: a word of a peer, before and after it was probed, and an answer to a probe.
func TestStoodStill(t *testing.T) {
	for _, before := range []time.Duration{2 * time.Second, 9 * time.Second, 11 * time.Second} {
		for _, still := range []time.Duration{5 * time.Second, 12 * time.Second, 15 * time.Second, time.Hour} {
			onBoth(t, patient, func(t *testing.T, c *conn, peer net.Conn, stand func(time.Duration)) {
				read := reading(c)
				time.Sleep(before)
				go func() {
					time.Sleep(still / 2)
					send(t, peer, []byte(answer))
					send(t, peer, unit(kindMessage, "here"))
				}()
				stand(still)
				require.Equal(t, outcome{"here", nil, before + still}, <-read)
			})
		}
	}
}

// Nothing lies there: the peer is probed, and has the time to answer.
func TestStoodStillBesideASilentPeer(t *testing.T) {
	onBoth(t, patient, func(t *testing.T, c *conn, peer net.Conn, stand func(time.Duration)) {
		read := reading(c)
		go func() {
			for range 3 {
				receive(t, peer, headerSize)
				send(t, peer, []byte(answer))
			}
			receive(t, peer, headerSize)
		}()
		time.Sleep(time.Second)
		stand(20 * time.Second)
		synctest.Wait()
		time.Sleep(25 * time.Second) // two more silences, and two more answers
		stood := time.Now()
		end := <-read
		require.ErrorIs(t, end.err, transport.ErrSilent)
		require.LessOrEqual(t, time.Since(stood), 15*time.Second)
		require.GreaterOrEqual(t, time.Since(stood), 5*time.Second)
	})
}

// A message whose rest has come meanwhile is complete, however large.
func TestMessageThatCameMeanwhile(t *testing.T) {
	for _, size := range []int{100, 3000, 60_000} {
		onBoth(t, patient, func(t *testing.T, c *conn, peer net.Conn, stand func(time.Duration)) {
			message := strings.Repeat("x", size)
			whole := unit(kindMessage, message)
			read := reading(c)
			send(t, peer, whole[:size/2])
			time.Sleep(time.Second)
			go func() {
				time.Sleep(time.Second)
				send(t, peer, whole[size/2:])
			}()
			stand(30 * time.Second)
			end := <-read
			require.NoError(t, end.err)
			require.Equal(t, message, end.message)
			require.Equal(t, 31*time.Second, end.after)
		})
	}
}

// Who sends byte by byte does not live on that: the rest has to be there.
func TestLastLookIsBounded(t *testing.T) {
	onBoth(t, patient, func(t *testing.T, c *conn, peer net.Conn, stand func(time.Duration)) {
		read := reading(c)
		send(t, peer, appendHeader(nil, kindMessage, 100_000))
		during(t, peer, func() { drip(peer, make([]byte, 100_000), 50*time.Millisecond) })
		time.Sleep(time.Second)
		stand(30 * time.Second)
		end := <-read
		require.ErrorIs(t, end.err, transport.ErrSlow)
		require.LessOrEqual(t, end.after, 32*time.Second)
	})
}
