package direct_test

import (
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/direct"
)

// sized is a connection whose buffer has a size.
type sized struct {
	net.Conn
	set []int
	err error
}

func (s *sized) SetWriteBuffer(bytes int) error {
	s.set = append(s.set, bytes)
	return s.err
}

// around is something around a connection that shows it.
type around struct{ net.Conn }

func (a around) NetConn() net.Conn { return a.Conn }

// hiding is something around a connection that does not.
type hiding struct{ net.Conn }

func TestSetSendBuffer(t *testing.T) {
	for _, test := range []struct {
		what  string
		bytes int
		wrap  func(net.Conn) net.Conn
		want  []int
	}{
		{"a socket", 1000, func(c net.Conn) net.Conn { return c }, []int{1000}},
		{"beneath another", 1000, func(c net.Conn) net.Conn { return around{c} }, []int{1000}},
		{"beneath two others", 1000, func(c net.Conn) net.Conn { return around{around{c}} }, []int{1000}},
		{"hidden", 1000, func(c net.Conn) net.Conn { return around{hiding{c}} }, nil},
		{"zero", 0, func(c net.Conn) net.Conn { return c }, nil},
		{"left to the system", -1, func(c net.Conn) net.Conn { return around{c} }, nil},
	} {
		t.Run(test.what, func(t *testing.T) {
			socket := &sized{err: errors.New("it has died")}
			direct.SetSendBuffer(test.wrap(socket), test.bytes)
			require.Equal(t, test.want, socket.set)
		})
	}
}
