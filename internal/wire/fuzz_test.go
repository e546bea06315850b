package wire_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// seed adds the vectors to a target's corpus.
func seed(f *testing.F) {
	for _, input := range readVectors(f).inputs(f) {
		f.Add(input)
	}
}

// requireSound checks what holds of every input: Decode says yes or no, in its
// own words, and what it says yes to survives any way through both forms.
func requireSound(t *testing.T, input []byte) (wire.Frame, error) {
	before := bytes.Clone(input)
	frame, err := wire.Decode(input)
	require.Equal(t, before, input)
	if err != nil {
		var decodeErr *wire.DecodeError
		require.ErrorAs(t, err, &decodeErr)
		require.Contains(t, []string{wire.CodeBadFrame, wire.CodeUnsupported}, decodeErr.Code)
		require.LessOrEqual(t, decodeErr.Ref, uint64(wire.MaxNumber))
		require.Equal(t, wire.Frame{}, frame)
		return frame, err
	}
	text := wire.Append(nil, wire.Text, &frame)
	require.True(t, json.Valid(text), "%s", text)
	require.True(t, utf8.Valid(text))
	for _, written := range [][]byte{text, wire.Append(nil, wire.Binary, &frame)} {
		again, err := wire.Decode(written)
		require.NoError(t, err, "%q", written)
		require.Equal(t, frame, again, "%q", written)
		require.Equal(t, written, wire.Append(nil, wire.FormOf(written), &again))
	}
	return frame, nil
}

func FuzzRoundTrip(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, input []byte) { requireSound(t, input) })
}

// What the text form's reader takes, encoding/json takes and reads alike.
func FuzzDecodeText(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		if wire.FormOf(input) != wire.Text {
			input = append([]byte{'{'}, input...)
		}
		frame, err := requireSound(t, input)
		if err != nil {
			return
		}
		require.True(t, json.Valid(input))
		var fields map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(input, &fields))
		require.Equal(t, frame.Type.String(), unmarshal[string](t, fields["type"]))
		if ref := fields["ref"]; ref != nil {
			require.Equal(t, frame.Ref, unmarshal[uint64](t, ref))
		}
		if frame.Channel != "" {
			require.Equal(t, frame.Channel, unmarshal[string](t, fields["channel"]))
		}
		switch frame.Payload.Kind {
		case wire.FailedPayload:
			failed := unmarshal[struct{ Code, Message string }](t, fields["failed"])
			code, message := frame.Payload.Failure()
			require.Equal(t, failed.Code, code)
			require.Equal(t, failed.Message, message)
		case wire.TextPayload:
			require.Equal(t, string(frame.Payload.Data), unmarshal[string](t, fields["text"]))
		case wire.DataPayload:
			require.Equal(t, string(fields["data"]), string(frame.Payload.Data))
		case wire.BytesPayload:
			require.Equal(t, frame.Payload.Data, unmarshal[[]byte](t, fields["base64"]))
		}
	})
}

func unmarshal[T any](t *testing.T, data []byte) (v T) {
	require.NoError(t, json.Unmarshal(data, &v))
	return v
}

// What the binary form's reader takes has its lengths right: with a byte less it
// is no frame any more.
func FuzzDecodeBinary(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		if wire.FormOf(input) != wire.Binary {
			input = append([]byte{byte(wire.Send)}, input...)
		}
		frame, err := requireSound(t, input)
		if err != nil {
			return
		}
		require.Equal(t, byte(frame.Type), input[0])
		_, err = wire.Decode(input[:len(input)-1])
		require.Error(t, err)
	})
}

// FuzzData holds the check of data against encoding/json: they differ only in
// what MaxDepth and half surrogate pairs are about.
func FuzzData(f *testing.F) {
	for _, data := range []string{`{"a":[1,-0.5e+3,true,false,null,"\ud83d\udc4b\\"]}`, ` 1 `, `"\ud800"`, "\"\xff\"", `[[[[`, `01`, `1.`} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		valid := json.Valid(data) && utf8.Valid(data)
		if wire.ValidData(data) {
			require.True(t, valid)
			return
		}
		if valid && !bytes.Contains(data, []byte(`\u`)) && bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) <= wire.MaxDepth {
			t.Errorf("refused: %q", data)
		}
	})
}
