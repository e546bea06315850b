package httpstream

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/lectern-go/lectern/transport"
)

// The body of a POST has one message in each line. A line that begins with '{' is that
// message; behind '=' is one in base64; '!' begins the last line, which closes the connection.
const (
	encodedLine = '='
	closingLine = '!'
)

// maxClosingLine is the size in bytes of the longest line that closes a connection: each of
// the bytes of a reason may be an escape of six.
const maxClosingLine = 64 + 6*transport.MaxReasonText

// maxBody is the size in bytes of the largest body, where messages have at most limit bytes:
// one of them in base64, and as much as several small ones may take up beside.
func maxBody(limit int) int64 {
	return int64(base64.StdEncoding.EncodedLen(limit)) + 64<<10
}

// appendLine appends the line that is the message.
func appendLine(body, message []byte) []byte {
	if isText(message) {
		body = append(body, message...)
	} else {
		body = append(body, encodedLine)
		body = base64.StdEncoding.AppendEncode(body, message)
	}
	return append(body, '\n')
}

// lineSize is how many bytes appendLine appends at most.
func lineSize(message []byte) int { return base64.StdEncoding.EncodedLen(len(message)) + 2 }

// appendClosing appends the line that closes the connection.
func appendClosing(body []byte, f farewell) []byte {
	return append(append(append(body, closingLine), f.json()...), '\n')
}

// A lineReader takes the body of a POST apart. What it returns is valid until the next call.
// It holds a small buffer, and a larger one only for a line that has come so far.
type lineReader struct {
	body    io.Reader
	small   *[smallLines]byte // lent
	data    []byte            // read, and not taken yet
	buffer  []byte            // where data lies
	scanned int               // how much of data has no end of a line
	ended   error             // what the reading has ended with
	left    int64             // how many bytes the body may still have
}

const smallLines = 4 << 10

var lineBuffers = sync.Pool{New: func() any { return new([smallLines]byte) }}

func newLineReader(body io.Reader, most int64) *lineReader {
	r := &lineReader{body: body, small: lineBuffers.Get().(*[smallLines]byte), left: most}
	r.buffer = r.small[:]
	return r
}

func (r *lineReader) release() {
	lineBuffers.Put(r.small)
	r.small, r.buffer, r.data = nil, nil, nil
}

// A line is what one says.
type line struct {
	message []byte
	closing *farewell // instead of a message
}

// next returns the next line, whose message has at most limit bytes. Behind the last one the
// error is io.EOF. One that matches transport.ErrProtocol or transport.ErrMessageTooLarge says
// what the peer has done wrong; any other is of the reading.
func (r *lineReader) next(limit int) (line, error) {
	most := base64.StdEncoding.EncodedLen(limit) + 1 // or a text of more than limit bytes is found below
	text, err := r.raw(max(most, maxClosingLine))
	if err != nil {
		return line{}, err
	}
	if len(text) == 0 {
		return line{}, offence("a line of a POST is empty")
	}
	switch text[0] {
	case '{':
		switch {
		case len(text) > limit:
			return line{}, transport.ErrMessageTooLarge
		case !utf8.Valid(text):
			return line{}, offence("a line of a POST is not UTF-8")
		}
		return line{message: text}, nil
	case encodedLine:
		return decodeLine(text[1:], limit)
	case closingLine:
		f, ok := parseFarewell(text[1:])
		if !ok {
			return line{}, offence(`a line with ! does not say why the connection is closed, as !{"code":4005,"reason":"left"} does`)
		}
		return line{closing: &f}, nil
	}
	return line{}, offence("a line of a POST begins with none of {, = and !")
}

var lineEncoding = base64.StdEncoding.Strict()

// decodeLine decodes in place.
func decodeLine(encoded []byte, limit int) (line, error) {
	returns := bytes.IndexByte(encoded, '\r') >= 0 // which the decoder would pass over
	n, err := lineEncoding.Decode(encoded, encoded)
	switch {
	case returns || err != nil:
		return line{}, offence("a line of a POST is not base64 behind the =")
	case n > limit:
		return line{}, transport.ErrMessageTooLarge
	}
	return line{message: encoded[:n]}, nil
}

// raw returns the next line as it is, without its end, of at most most bytes.
func (r *lineReader) raw(most int) ([]byte, error) {
	for {
		if i := bytes.IndexByte(r.data[r.scanned:], '\n'); i >= 0 {
			i += r.scanned
			text := r.data[:i]
			r.data, r.scanned = r.data[i+1:], 0
			if len(text) > most {
				return nil, transport.ErrMessageTooLarge
			}
			return text, nil
		}
		if r.scanned = len(r.data); r.scanned > most {
			return nil, transport.ErrMessageTooLarge
		}
		if r.ended != nil {
			if r.ended != io.EOF || len(r.data) == 0 {
				return nil, r.ended
			}
			text := r.data // the last line needs no end
			r.data, r.scanned = nil, 0
			return text, nil
		}
		r.more(most)
	}
}

// more reads on. It makes room for what has come, never for what was announced.
func (r *lineReader) more(most int) {
	if len(r.data) == len(r.buffer) {
		larger := make([]byte, min(2*len(r.buffer), max(most+2, len(r.buffer)+1)))
		r.data = larger[:copy(larger, r.data)]
		r.buffer = larger
	} else if cap(r.data) == 0 || &r.data[:1][0] != &r.buffer[0] {
		r.data = r.buffer[:copy(r.buffer, r.data)]
	}
	space := r.buffer[len(r.data):]
	if int64(len(space)) > r.left+1 {
		space = space[:r.left+1]
	}
	n, err := r.body.Read(space)
	r.data = r.data[:len(r.data)+n]
	r.left -= int64(n)
	if r.ended = err; r.left < 0 {
		r.data, r.ended = nil, transport.ErrMessageTooLarge
	}
}

// offence is the error of a peer that does not keep to the protocol.
func offence(what string) error { return fmt.Errorf("%w: %s", transport.ErrProtocol, what) }

// offenceText is what an offence says to the peer.
func offenceText(err error) string {
	text := err.Error()
	if errors.Is(err, transport.ErrProtocol) && len(text) > len(transport.ErrProtocol.Error())+2 {
		return text[len(transport.ErrProtocol.Error())+2:]
	}
	return text
}
