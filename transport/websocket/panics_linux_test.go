package websocket_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// fragileAcceptor panics where it is given a message.
type fragileAcceptor struct{ *acceptor }

func (s fragileAcceptor) Accept(ctx context.Context, conn transport.Conn) (transport.Receiver, error) {
	receiver, err := s.acceptor.Accept(ctx, conn)
	return fragileReceiver{receiver.(*started)}, err
}

type fragileReceiver struct{ *started }

func (fragileReceiver) Receive([]byte) error { panic("cannot take it") }

func TestPanicOfAReceiver(t *testing.T) {
	for name, polled := range map[string]bool{"polled": true, "not polled": false} {
		t.Run(name, func(t *testing.T) {
			logged := make(chan string, 10)
			s := newPolledSite(t, "tcp", websocket.Options{}, func(s *polledSite, server *http.Server) {
				s.handler = websocket.NewHandler(fragileAcceptor{s.acceptor}, websocket.Options{})
				if !polled {
					websocket.WithoutEpoll(s.handler)
				}
				server.Handler, server.ErrorLog = s.handler, log.New(lines(logged), "", 0)
			})
			rw, client, server := s.connect(t)
			_, err := client.Write(frame(fin|opText, "{}"))
			require.NoError(t, err)
			require.Contains(t, <-logged, "cannot take it")
			head := make([]byte, 4)
			_, err = io.ReadFull(rw, head)
			require.NoError(t, err)
			require.Equal(t, []byte{fin | opClose, 2, 1011 >> 8, 1011 & 0xff}, head)
			client.Close()
			_, err = server.Read()
			require.ErrorContains(t, err, "panicked")
			server.Close(goodbye)
		})
	}
}

type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// leavingAcceptor ends the goroutine where it is given a message, as a test's
// FailNow does.
type leavingAcceptor struct{ *acceptor }

func (s leavingAcceptor) Accept(ctx context.Context, conn transport.Conn) (transport.Receiver, error) {
	receiver, err := s.acceptor.Accept(ctx, conn)
	return leavingReceiver{receiver.(*started)}, err
}

type leavingReceiver struct{ *started }

func (leavingReceiver) Receive([]byte) error {
	runtime.Goexit()
	return nil
}

// A server that ends its goroutine costs itself the connection, and nobody else
// anything.
func TestReceiverThatEndsItsGoroutine(t *testing.T) {
	s := newPolledSite(t, "tcp", websocket.Options{}, func(s *polledSite, server *http.Server) {
		s.handler = websocket.NewHandler(leavingAcceptor{s.acceptor}, websocket.Options{})
		server.Handler = s.handler
	})
	for range 2 {
		rw, client, server := s.connect(t)
		_, err := client.Write(frame(fin|opText, "{}"))
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, rw) // the server waits for its peer to close too
		require.NoError(t, err)
		client.Close()
		_, err = server.Read()
		require.ErrorContains(t, err, "panicked")
		server.Close(goodbye)
	}
}
