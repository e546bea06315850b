//go:build linux

package load

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// unmasked is a client's frame as a server would write it.
func unmasked(data []byte, header int) []byte {
	data = bytes.Clone(data)
	data[1] &= 0x7f
	return append(data[:header], data[header+4:]...)
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		framing      Framing
		size, header int
	}{
		{Binary, 0, 2}, {Binary, 125, 2}, {Text, 126, 4}, {Binary, 65_535, 4}, {Units, 0, 5}, {Units, 70_000, 5},
	} {
		body := bytes.Repeat([]byte("x"), c.size)
		data := c.framing.appendFrame(nil, body)
		if c.framing != Units {
			data = unmasked(data, c.header)
		}
		for _, less := range []int{1, len(data) / 2, len(data)} {
			_, size := c.framing.cut(data[:len(data)-less])
			require.Zero(t, size, "what has not come whole is no frame yet")
		}
		frame, size := c.framing.cut(append(data, "more"...))
		require.Equal(t, len(data), size)
		require.Equal(t, message, frame.kind)
		require.Equal(t, string(body), string(frame.body))
	}
}

func TestCutKinds(t *testing.T) {
	for first, want := range map[byte]kind{0x82: message, 0x81: message, 0x01: fragment, 0x00: fragment, 0x80: ending, 0x88: farewell, 0x89: probe, 0x8a: other} {
		frame, size := Binary.cut([]byte{first, 1, 'x'})
		require.Equal(t, 3, size)
		require.Equal(t, want, frame.kind, "%#x", first)
	}
	for first, want := range map[byte]kind{0: message, 1: probe, 2: other, 3: farewell} {
		frame, _ := Units.cut([]byte{first, 0, 0, 0, 0})
		require.Equal(t, want, frame.kind, "%#x", first)
	}
}

func TestReading(t *testing.T) {
	require.Equal(t, 3, (&Chat{Payload: 128}).Read(make([]byte, 3*128+2)).Messages)
	require.Equal(t, 1, (&Chat{Payload: 128}).Read(make([]byte, 128)).Messages)
	require.Equal(t, Heard{Messages: 2}, new(Centrifuge).Read([]byte{2, replyPush, 0, 2, replyPush, 0}))
	require.Equal(t, []byte{0}, new(Centrifuge).Read([]byte{0}).Answer)
	require.True(t, new(Centrifuge).Read([]byte{2, replyID, 1}).Entered)
	require.NotEmpty(t, new(Centrifuge).Read([]byte{4, replyID, 1, replyError, 0}).Refusal)
	require.NotEmpty(t, new(Centrifuge).Read([]byte{9, replyPush}).Refusal)
	require.Equal(t, []byte("3"), new(SocketIO).Read([]byte("2")).Answer)
	require.Equal(t, 1, new(SocketIO).Read([]byte(`42["m","x"]`)).Messages)
	require.True(t, new(LecternText).Read([]byte(`{"type":"joined"}`)).Entered)
	require.NotEmpty(t, new(LecternText).Read([]byte(`{"type":"error"}`)).Refusal)
}
