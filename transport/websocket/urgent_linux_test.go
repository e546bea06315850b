package websocket_test

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// Urgent data of TCP is no part of the stream, but a read ends before it. What came
// along behind it is read all the same.
func TestUrgentDataPolled(t *testing.T) {
	s := newPolledSite(t, "tcp", websocket.Options{Conn: transport.ConnOptions{ProbeAfter: -1}}, nil)
	for range 20 { // not always is everything there at the first read
		_, client, server := s.connect(t)
		raw, err := client.(*net.TCPConn).SyscallConn()
		require.NoError(t, err)
		message := frame(fin|opText, "{}")
		require.NoError(t, raw.Control(func(fd uintptr) {
			const more = 0x8000 // MSG_MORE
			require.NoError(t, syscall.Sendto(int(fd), message, more, nil))
			require.NoError(t, syscall.Sendto(int(fd), []byte("!"), syscall.MSG_OOB|more, nil))
			require.NoError(t, syscall.Sendto(int(fd), message, 0, nil))
		}))
		for range 2 {
			got, err := server.Read()
			require.NoError(t, err)
			require.Equal(t, "{}", string(got))
		}
		client.Close()
		server.Close(goodbye)
	}
}
