package websocket

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// Options that make no sense are told to whoever gives them, at once.
func TestOptionsThatMakeNoSense(t *testing.T) {
	for field, options := range map[string]Options{
		"MessageTimeout": {Conn: transport.ConnOptions{MessageTimeout: 10}}, "Options.HandshakeTimeout": {HandshakeTimeout: 10},
	} {
		func() {
			defer func() { require.ErrorContains(t, recover().(error), field+" is 10ns") }()
			NewHandler(nil, options)
		}()
	}
	_, err := Dialer{URL: "ws://127.0.0.1:1", Conn: transport.ConnOptions{GiveUp: 10}}.Dial(t.Context())
	require.ErrorContains(t, err, "GiveUp is 10ns")
}
