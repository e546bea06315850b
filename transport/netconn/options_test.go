package netconn

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// Options that make no sense are told to whoever gives them, at once.
func TestOptionsThatMakeNoSense(t *testing.T) {
	wrong := transport.ConnOptions{ProbeAfter: 10}
	for field, options := range map[string]Options{
		"ProbeAfter": {Conn: wrong}, "Options.HandshakeTimeout": {HandshakeTimeout: 10},
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.ErrorContains(t, Serve(t.Context(), listener, nil, options), field+" is 10ns")
		_, err = listener.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
	}
	_, err := Dialer{Address: "127.0.0.1:1", Conn: wrong}.Dial(t.Context())
	require.ErrorContains(t, err, "ProbeAfter is 10ns")
	require.Panics(t, func() { New(nil, wrong) })
}
