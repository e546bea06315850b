package websocket_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// beginWith dials with a first message, and no more.
func (s *polledSite) beginWith(t testing.TB, message string) (*bufio.Reader, net.Conn) {
	t.Helper()
	c := s.dial(t)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err := io.WriteString(c, request("",
		"Sec-WebSocket-Protocol: lectern.v1.first, lectern.v1.first."+base64.RawURLEncoding.EncodeToString([]byte(message))))
	require.NoError(t, err)
	return bufio.NewReader(c), c
}

func switched(t testing.TB, r *bufio.Reader) {
	t.Helper()
	response, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	require.Equal(t, "lectern.v1.first", response.Header.Get("Sec-WebSocket-Protocol"))
}

// The server has the message before the client has an answer, which comes with what
// the server says to it, or by itself; and the connection goes on as any other,
// whoever waits for it.
func TestFirstMessageIsThereAtOnce(t *testing.T) {
	for _, c := range []struct {
		name    string
		polled  bool
		answers bool
	}{
		{"polled", true, true}, {"polled, without an answer", true, false},
		{"not polled", false, true}, {"not polled, without an answer", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newPolledSite(t, "tcp", websocket.Options{}, func(s *polledSite, _ *http.Server) {
				if !c.polled {
					websocket.WithoutEpoll(s.handler)
				}
			})
			reader, client := s.beginWith(t, "{1}")
			server := s.accept(t)
			defer server.Close(goodbye)
			message, err := server.Read()
			require.NoError(t, err)
			require.Equal(t, "{1}", string(message))
			if c.answers {
				require.NoError(t, server.Conn.Write([]byte("{0}")))
			}
			switched(t, reader)
			if c.answers {
				answer := make([]byte, 5)
				_, err = io.ReadFull(reader, answer)
				require.NoError(t, err)
				require.Equal(t, "\x81\x03{0}", string(answer))
			}
			<-server.pauses // nothing more is there
			for _, next := range []string{"{2}", "{3}"} {
				_, err = client.Write(frame(fin|opText, next))
				require.NoError(t, err)
				message, err = server.Read()
				require.NoError(t, err)
				require.Equal(t, next, string(message))
			}
			client.Close()
			_, err = server.Read()
			require.Error(t, err)
		})
	}
}

// closingAcceptor closes the connection as soon as it has it.
type closingAcceptor struct{ *acceptor }

func (s closingAcceptor) Accept(ctx context.Context, conn transport.Conn) (transport.Receiver, error) {
	receiver, err := s.acceptor.Accept(ctx, conn)
	receiver.(*started).Close(goodbye)
	return receiver, err
}

// A connection that closes before its first message is handed out ends as any
// other.
func TestClosedBeforeTheFirstMessage(t *testing.T) {
	for name, polled := range map[string]bool{"polled": true, "not polled": false} {
		t.Run(name, func(t *testing.T) {
			s := newPolledSite(t, "tcp", websocket.Options{}, func(s *polledSite, server *http.Server) {
				s.handler = websocket.NewHandler(closingAcceptor{s.acceptor}, websocket.Options{})
				if !polled {
					websocket.WithoutEpoll(s.handler)
				}
				server.Handler = s.handler
			})
			reader, client := s.beginWith(t, "{}")
			switched(t, reader)
			head := make([]byte, 2)
			_, err := io.ReadFull(reader, head)
			require.NoError(t, err)
			require.Equal(t, byte(fin|opClose), head[0])
			client.Close()
			server := s.accept(t)
			<-server.ended
			require.ErrorIs(t, server.err, net.ErrClosed)
		})
	}
}

// asideAcceptor has the connection closed by somebody else.
type asideAcceptor struct {
	*acceptor
	closing chan struct{}
}

func (s asideAcceptor) Accept(ctx context.Context, conn transport.Conn) (transport.Receiver, error) {
	receiver, err := s.acceptor.Accept(ctx, conn)
	go func() {
		close(s.closing)
		receiver.(*started).Close(goodbye)
	}()
	<-s.closing
	return receiver, err
}

// Whoever closes a connection reads what has come, beside the one who hands it out
// (a race before).
func TestClosedAsideBeforeTheFirstMessage(t *testing.T) {
	for range 50 {
		s := newPolledSite(t, "tcp", websocket.Options{}, func(s *polledSite, server *http.Server) {
			s.handler = websocket.NewHandler(asideAcceptor{s.acceptor, make(chan struct{})}, websocket.Options{})
			server.Handler = s.handler
		})
		reader, client := s.beginWith(t, "{}")
		switched(t, reader)
		_, _ = io.Copy(io.Discard, reader)
		client.Close()
		server := s.accept(t)
		<-server.ended
		require.ErrorIs(t, server.err, net.ErrClosed)
	}
}

// A receiver that panics at the first message costs its connection alone.
func TestPanicAtTheFirstMessage(t *testing.T) {
	s := newPolledSite(t, "tcp", websocket.Options{}, func(s *polledSite, server *http.Server) {
		s.handler = websocket.NewHandler(fragileAcceptor{s.acceptor}, websocket.Options{})
		server.Handler = s.handler
	})
	reader, client := s.beginWith(t, "{}")
	switched(t, reader)
	head := make([]byte, 4)
	_, err := io.ReadFull(reader, head)
	require.NoError(t, err)
	require.Equal(t, []byte{fin | opClose, 2, 1011 >> 8, 1011 & 0xff}, head)
	client.Close()
	server := s.accept(t)
	_, err = server.Read()
	require.ErrorContains(t, err, "panicked")
	server.Close(goodbye)
}
