package httpstream

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// fuzzLimit is the size in bytes of the largest message in what is fuzzed.
const fuzzLimit = 300

// FuzzLines holds the reading of a body against a simple one, whatever pieces it comes in.
func FuzzLines(f *testing.F) {
	for _, body := range []string{
		"", "\n", "{}\n", "{}", "{}\n{1}\n=\n", "=AP8Q\n", "=AP8Q=\n", "=AP9=\n", "!{\"code\":4005,\"reason\":\"left\"}", "!{\"code\":1}\n", "!\n{}\n",
		"x\n", "{\xff}\n", "=" + string(bytes.Repeat([]byte("A"), 404)) + "\n", string(bytes.Repeat([]byte("{"), 301)) + "\n", string(bytes.Repeat([]byte("{}\n"), 3000)),
	} {
		f.Add([]byte(body), byte(0))
		f.Add([]byte(body), byte(1))
	}
	f.Fuzz(func(t *testing.T, body []byte, pieces byte) {
		var from io.Reader = bytes.NewReader(body)
		switch pieces % 4 {
		case 1:
			from = iotest.OneByteReader(from)
		case 2:
			from = iotest.HalfReader(from)
		case 3:
			from = iotest.DataErrReader(from)
		}
		most := maxBody(fuzzLimit)
		lines := newLineReader(from, most)
		defer lines.release()
		rest := body
		for {
			got, err := lines.next(fuzzLimit)
			require.LessOrEqual(t, len(lines.buffer), 8<<10, "a buffer is not much larger than a line")
			if int64(len(body)) > most && err != nil {
				return // it may be refused before its lines are
			}
			if len(rest) == 0 {
				require.Equal(t, io.EOF, err)
				return
			}
			text, behind, _ := bytes.Cut(rest, []byte("\n"))
			rest = behind
			want, wantErr := plainLine(text)
			if wantErr != nil {
				require.ErrorIs(t, err, wantErr)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want.closing, got.closing)
			require.Equal(t, string(want.message), string(got.message))
			if want.closing == nil {
				again := newLineReader(bytes.NewReader(appendLine(nil, want.message)), most)
				back, err := again.next(fuzzLimit)
				require.NoError(t, err)
				require.Equal(t, string(want.message), string(back.message))
				again.release()
			}
		}
	})
}

// plainLine is what a line says, and what is wrong with it.
func plainLine(text []byte) (line, error) {
	switch {
	case len(text) > max(base64.StdEncoding.EncodedLen(fuzzLimit)+1, maxClosingLine):
		return line{}, transport.ErrMessageTooLarge
	case len(text) == 0:
	case text[0] == '{' && len(text) > fuzzLimit:
		return line{}, transport.ErrMessageTooLarge
	case text[0] == '{' && (isText(text) || bytes.IndexByte(text, '\r') >= 0 && isText(bytes.ReplaceAll(text, []byte("\r"), nil))):
		return line{message: text}, nil
	case text[0] == '=' && bytes.IndexByte(text, '\r') < 0:
		message, err := base64.StdEncoding.Strict().DecodeString(string(text[1:]))
		switch {
		case err != nil:
		case len(message) > fuzzLimit:
			return line{}, transport.ErrMessageTooLarge
		default:
			return line{message: message}, nil
		}
	case text[0] == '!':
		if f, ok := parseFarewell(text[1:]); ok {
			return line{closing: &f}, nil
		}
	}
	return line{}, transport.ErrProtocol
}

// FuzzEvents holds what is written of a message, in pieces of any size, against what is read of it;
// and has anything else read, which fails or does not.
func FuzzEvents(f *testing.F) {
	for _, message := range []string{"", "{}", "{1}", "\x00\xff\x10", "{\n}", "{\r}", "{\xff}", string(bytes.Repeat([]byte("x"), 300)), string(bytes.Repeat([]byte("{"), 5000))} {
		f.Add([]byte(message), uint64(1), 64)
		f.Add([]byte(message), uint64(1<<63), 4)
	}
	f.Add([]byte("id: 1\ndata: {}\n\n: nothing yet\n\nevent: close\ndata: {\"code\":4001}\n\n"), uint64(1), 5)
	f.Add([]byte("id: x\n\ndata:a\r\ndata: b\r\n\r\ndata\n\nevent:binary\ndata: ?\n\n"), uint64(1), 7)
	f.Fuzz(func(t *testing.T, message []byte, id uint64, piece int) {
		anything := newEventReader(bytes.NewReader(message), fuzzLimit)
		for {
			e, err := anything.next()
			if err != nil {
				require.True(t, err == io.EOF || errors.Is(err, transport.ErrProtocol) || errors.Is(err, transport.ErrMessageTooLarge), "%v", err)
				break
			}
			require.LessOrEqual(t, len(e.data), max(base64.StdEncoding.EncodedLen(fuzzLimit), maxClosingLine))
			_, _, _ = e.message()
		}

		id = max(id, 1)
		w := window{acked: id - 1}
		w.add(message)
		w.add([]byte("{behind}"))
		if id == 1<<64-1 {
			return // there is none behind
		}
		piece = min(max(piece, leastPart), 1<<16)
		var all []byte
		for at := w.cursorAt(id - 1); at.id < w.last(); {
			part := w.fill(make([]byte, 0, piece), &at)
			require.NotEmpty(t, part)
			require.LessOrEqual(t, len(part), piece)
			all = append(all, part...)
		}
		require.EqualValues(t, len(all), w.sizeTo(w.last()))
		events := newEventReader(bytes.NewReader(all), len(message)+8)
		for i, want := range [][]byte{message, []byte("{behind}")} {
			e, err := events.next()
			require.NoError(t, err)
			require.Equal(t, id+uint64(i), e.id)
			got, is, err := e.message()
			require.NoError(t, err)
			require.True(t, is)
			require.Equal(t, string(want), string(got))
		}
		_, err := events.next()
		require.Equal(t, io.EOF, err)
	})
}

// What a carrier had not written is written by another, from any point on.
func TestWindow(t *testing.T) {
	var w window
	for i := range 2000 {
		message := bytes.Repeat([]byte{byte(i)}, i%700)
		if !w.fits(1, len(message)) {
			before := w.sizeTo(w.acked + 1)
			require.True(t, w.acknowledge(w.acked+uint64(len(w.messages)/2)))
			require.Less(t, before, w.ackedSize)
			require.False(t, w.acknowledge(w.acked))
		}
		w.add(message)
		require.LessOrEqual(t, len(w.messages), maxWindowMessages)
		require.LessOrEqual(t, w.bytes, maxWindowBytes)
		require.EqualValues(t, i+1, w.last())
	}
	require.True(t, w.acknowledge(w.last()))
	require.Nil(t, w.messages)
	require.Zero(t, w.bytes)
	require.True(t, w.fits(1, 100<<20), "one alone is taken, however large")
	w.add(make([]byte, 100<<20))
	require.False(t, w.fits(1, 0))
}
