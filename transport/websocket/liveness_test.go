package websocket_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// readError reads until the connection ends, and returns why and when it did.
func readError(conn transport.Conn, since time.Time) (time.Duration, error) {
	for {
		if _, err := conn.Read(); err != nil {
			return time.Since(since), err
		}
	}
}

func TestSilentPeer(t *testing.T) {
	for _, c := range []struct {
		name               string
		probeAfter, giveUp time.Duration
		probed, ended      time.Duration
	}{
		{"H4 default", 0, 0, 10 * time.Second, 15 * time.Second},
		{"milliseconds", 3 * time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond, 5 * time.Millisecond},
		{"given", time.Minute, time.Hour, time.Minute, time.Minute + time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := connectRaw(t, websocket.Options{Conn: transport.ConnOptions{ProbeAfter: c.probeAfter, GiveUp: c.giveUp}})
				start := time.Now()
				probed := make(chan time.Duration)
				go func() {
					client.expect(fin|opPing, "")
					probed <- time.Since(start)
				}()
				ended := make(chan time.Duration)
				go func() {
					at, err := readError(server, start)
					if errors.Is(err, transport.ErrSilent) {
						ended <- at
					}
					close(ended)
				}()
				require.Equal(t, c.probed, <-probed)
				require.Equal(t, c.ended, <-ended)

				// Nobody is there who could be waited for.
				start = time.Now()
				server.Close(goodbye)
				require.Zero(t, time.Since(start))
			})
		})
	}
}

// Whatever arrives puts the end off, by one interval and no more.
func TestSignsOfLife(t *testing.T) {
	message := frame(fin|opText, "{}")
	for name, sign := range map[string][]byte{
		"message":         message,
		"part of a frame": message[:1],
		"B15 pong":        frame(fin|opPong, ""),
		"B15 many pongs":  []byte(strings.Repeat(string(frame(fin|opPong, "")), 10)),
		"ping":            frame(fin|opPing, ""),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := connectRaw(t, websocket.Options{Conn: transport.ConnOptions{MessageTimeout: -1}})
				start := time.Now()
				go func() {
					time.Sleep(14 * time.Second) // a probe is on its way
					client.Write(sign)
				}()
				at, err := readError(server, start)
				require.ErrorIs(t, err, transport.ErrSilent)
				require.Equal(t, 29*time.Second, at)
			})
		})
	}
}

func TestNoProbing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connectRaw(t, websocket.Options{Conn: transport.ConnOptions{ProbeAfter: -1}})
		go func() {
			time.Sleep(24 * time.Hour)
			client.Write(frame(fin|opText, "{}"))
		}()
		_, err := server.Read()
		require.NoError(t, err)
		go server.Close(goodbye)
		client.expectClose(4005) // the first thing in a day
	})
}

// A client that does nothing but read, as scripts in browsers do, stays
// connected: its library answers the probes.
func TestPlainClientStaysConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, websocket.Options{}, nil)
		dialer := gorilla.Dialer{NetDialContext: s.listener.DialContext, Subprotocols: []string{websocket.Subprotocol}}
		client, response, err := dialer.DialContext(t.Context(), "ws://lectern.test/ws", nil)
		require.NoError(t, err)
		require.Equal(t, websocket.Subprotocol, client.Subprotocol())
		require.Equal(t, 101, response.StatusCode)
		server := s.service.accept(t)

		reading := make(chan error)
		go func() {
			_, err := server.Read()
			reading <- err
		}()
		go func() {
			time.Sleep(100 * (transport.DefaultProbeAfter + transport.DefaultGiveUp))
			server.Write([]byte(`{"still":"here"}`))
		}()
		kind, message, err := client.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, gorilla.TextMessage, kind)
		require.Equal(t, `{"still":"here"}`, string(message))

		go server.Close(goodbye)
		_, _, err = client.ReadMessage()
		require.Equal(t, &gorilla.CloseError{Code: 4005, Text: "goodbye"}, err)
		require.NoError(t, client.Close())
		require.Error(t, <-reading)
	})
}

// A peer that sends pings and does not read must not keep what it sends from
// being read: the answers wait for the message that is stuck, or are dropped.
func TestPingsDuringStuckWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connectRaw(t, websocket.Options{Conn: transport.ConnOptions{ControlFramesPerSecond: -1}})
		message := strings.Repeat("x", 1<<20)
		writing := make(chan error)
		go func() { writing <- server.Write([]byte(message)) }()
		synctest.Wait()

		start := time.Now()
		go func() {
			for range 1000 {
				client.Write(frame(fin|opPing, "first"))
			}
			client.Write(frame(fin|opText, "{}"))
		}()
		got, err := server.Read()
		require.NoError(t, err)
		require.Equal(t, "{}", string(got))
		require.Zero(t, time.Since(start))

		client.expect(fin|opBinary, message)
		client.expect(fin|opPong, "first")
		require.NoError(t, <-writing)
		synctest.Wait() // the other answers are written, so this one is in time
		client.send(frame(fin|opPing, "last"))
		go server.Read()
		answers := 1
		for {
			got, err := client.receive()
			require.NoError(t, err)
			require.Equal(t, byte(fin|opPong), got.first)
			if got.payload == "last" {
				break
			}
			answers++
		}
		require.Less(t, answers, 200)
	})
}

// With nothing being written, an answer to a ping that the peer does not take
// holds up the reading for five seconds, and ends the writing.
func TestPongThatNobodyTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connectRaw(t, websocket.Options{})
		require.NoError(t, server.Write(make([]byte, 65536-4))) // what memnet holds, less the header
		start := time.Now()
		go client.send(frame(fin|opPing, ""), frame(fin|opText, "{}"))
		_, err := server.Read()
		require.NoError(t, err)
		require.Equal(t, 5*time.Second, time.Since(start))
		require.Error(t, server.Write([]byte("{}")))
		require.Error(t, server.Close(goodbye))
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}

// Pings are answered between the messages of a long batch, not after it.
func TestPingDuringBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connectRaw(t, websocket.Options{})
		batch := make([][]byte, 1000)
		for i := range batch {
			batch[i] = []byte(strings.Repeat("x", 1000))
		}
		writing := make(chan error)
		go func() { writing <- server.Write(batch...) }()
		go server.Read()
		synctest.Wait()
		client.send(frame(fin|opPing, "here?"))
		synctest.Wait()
		messages, before := 0, -1
		for messages < len(batch) {
			got, err := client.receive()
			require.NoError(t, err)
			switch got.first {
			case fin | opBinary:
				require.Len(t, got.payload, 1000)
				messages++
			case fin | opPong:
				require.Equal(t, "here?", got.payload)
				before = messages
			}
		}
		require.NoError(t, <-writing)
		require.Positive(t, before)
		require.Less(t, before, 300)
	})
}

// Control frames and messages that are written at the same time stay whole.
func TestPingsAmongMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connectRaw(t, websocket.Options{Conn: transport.ConnOptions{ControlFramesPerSecond: -1}})
		const count = 3000
		go readError(server, time.Now())
		go func() {
			random := rand.New(rand.NewPCG(1, 2))
			for sent := 0; sent < count; {
				var batch [][]byte
				for range min(1+random.IntN(100), count-sent) {
					batch = append(batch, []byte(strings.Repeat("x", sent)))
					sent++
				}
				if server.Write(batch...) != nil {
					return
				}
			}
		}()
		go func() {
			for range 500 {
				client.Write(frame(fin|opPing, strings.Repeat("p", 125)))
			}
		}()
		pongs := 0
		for received := 0; received < count; {
			got, err := client.receive()
			require.NoError(t, err)
			switch got.first {
			case fin | opBinary:
				require.Equal(t, strings.Repeat("x", received), got.payload)
				received++
			case fin | opPong:
				require.Equal(t, strings.Repeat("p", 125), got.payload)
				pongs++
			default:
				t.Fatalf("received a frame that begins with %#x", got.first)
			}
		}
		require.Positive(t, pongs)
	})
}

// A peer that takes what it is sent is not silent, though the ping and its pong wait for
// that; it is once nothing moves any more.
func TestWhatMovesIsASignOfLife(t *testing.T) {
	eachSide(t, websocket.Options{}, func(t *testing.T, conn transport.Conn, peer *hostile) {
		ended := make(chan error, 1)
		go func() {
			_, err := readError(conn, time.Now())
			ended <- err
		}()
		writing := make(chan error, 1)
		go func() { writing <- conn.Write(make([]byte, 200_000)) }()
		for range 100 {
			time.Sleep(time.Second)
			_, err := io.ReadFull(peer.Conn, make([]byte, 1000))
			require.NoError(t, err)
		}
		synctest.Wait()
		require.Empty(t, ended)
		start := time.Now()
		require.ErrorIs(t, <-ended, transport.ErrSilent)
		require.LessOrEqual(t, time.Since(start), 2*15*time.Second)
		go conn.Close(goodbye)
		require.Error(t, <-writing)
	})
}
