package transport_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// limiting is a server that has an opinion on the size of messages.
type limiting int

func (limiting) Serve(context.Context, transport.Conn) error { return nil }
func (l limiting) MaxFrameBytes() int                        { return int(l) }

func TestConnOptionsDefaults(t *testing.T) {
	defaults := transport.ConnOptions{
		MaxFrameBytes: transport.DefaultMaxFrameBytes, ProbeAfter: transport.DefaultProbeAfter, GiveUp: transport.DefaultGiveUp,
		MessageTimeout: transport.DefaultMessageTimeout, ControlFramesPerSecond: transport.DefaultControlFramesPerSecond,
		SendBufferBytes: transport.DefaultSendBufferBytes,
	}
	require.Equal(t, defaults, transport.ConnOptions{}.WithDefaults(nil))
	require.Equal(t, defaults, defaults.WithDefaults(limiting(7)))

	none := transport.ConnOptions{ProbeAfter: -1, MessageTimeout: -1, ControlFramesPerSecond: -1, SendBufferBytes: -1}
	want := none
	want.MaxFrameBytes, want.GiveUp = transport.DefaultMaxFrameBytes, transport.DefaultGiveUp
	require.Equal(t, want, none.WithDefaults(nil))

	require.Equal(t, 7, transport.ConnOptions{MaxFrameBytes: -1}.WithDefaults(limiting(7)).MaxFrameBytes)
	require.Equal(t, transport.DefaultMaxFrameBytes, transport.ConnOptions{}.WithDefaults(limiting(0)).MaxFrameBytes)
	frequent := transport.ConnOptions{ProbeAfter: 20 * time.Millisecond}
	require.Equal(t, 100, frequent.WithDefaults(nil).ControlFramesPerSecond)
}
