package client

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// nowhere is a dialer that must not be asked.
type nowhere struct{ t *testing.T }

func (n nowhere) Dial(context.Context) (transport.Conn, error) {
	n.t.Error("dialled for a name that no hub takes")
	return nil, errors.New("nowhere")
}

// What no hub takes is refused without a connection, by the public error.
func TestNamesAreCheckedBeforeDialling(t *testing.T) {
	public := errors.New("bad name")
	c := New(nowhere{t}, Options{PublicError: func(why *wire.Cause) error {
		require.Equal(t, wire.ErrBadName.Code, why.Code)
		require.Regexp(t, "^(channel|username): ", why.Text)
		return public
	}})
	defer c.Close()
	_, _, err := c.Status(t.Context(), "")
	require.Equal(t, public, err)
	for _, frame := range []wire.Frame{
		{Type: wire.Join, Channel: "\x00", Username: "bob"}, {Type: wire.Create, Channel: "abc123", Username: " "},
	} {
		_, err = c.Enter(t.Context(), wire.Slave, frame, anyInbox(QueueLimit{}))
		require.Equal(t, public, err)
	}
}
