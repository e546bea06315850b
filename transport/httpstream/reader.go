package httpstream

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strconv"

	"github.com/lectern-go/lectern/transport"
)

// A received is an event as it has come.
type received struct {
	id   uint64 // zero where it has none
	kind string // empty for a message in the text form
	data []byte // valid until the next one is read
}

// An eventReader reads events in the format of Server-Sent Events.
type eventReader struct {
	reader *bufio.Reader
	most   int    // size in bytes of the data of the largest event
	line   []byte // where one does not fit into the reader's buffer
	data   []byte
}

// newEventReader returns one for events whose messages have at most limit bytes.
func newEventReader(from io.Reader, limit int) *eventReader {
	return &eventReader{reader: bufio.NewReader(from), most: max(base64.StdEncoding.EncodedLen(limit), maxClosingLine)}
}

// next returns the next event that has data. At the end of what there is the error is io.EOF, and
// what has come of an event that is not complete is dropped, as the format demands.
func (r *eventReader) next() (received, error) {
	var e received
	r.data = r.data[:0]
	some := false
	for {
		line, err := r.readLine()
		if err != nil {
			return received{}, err
		}
		if len(line) == 0 {
			if some {
				e.data = r.data
				return e, nil
			}
			e = received{}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			if e.id, err = strconv.ParseUint(string(value), 10, 64); err != nil || e.id == 0 {
				return received{}, offence("the id of an event is no number from 1 on")
			}
		case "event":
			e.kind = string(value)
		case "data":
			if some {
				r.data = append(r.data, '\n')
			}
			some = true
			if r.data = append(r.data, value...); len(r.data) > r.most {
				return received{}, transport.ErrMessageTooLarge
			}
		}
	}
}

// readLine returns the next line without its end, valid until the next call.
func (r *eventReader) readLine() ([]byte, error) {
	line, err := r.reader.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		r.line = r.line[:0]
		for errors.Is(err, bufio.ErrBufferFull) {
			if r.line = append(r.line, line...); len(r.line) > r.most+len("data: \r\n") {
				return nil, transport.ErrMessageTooLarge
			}
			line, err = r.reader.ReadSlice('\n')
		}
		r.line = append(r.line, line...)
		line = r.line
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// The kinds of events, beside that of messages in the text form.
const (
	kindOpen   = "open"
	kindBinary = "binary"
	kindProbe  = "probe"
	kindClose  = "close"
)

// message is the one that the event is. It reports false for other events, which are no messages.
func (e received) message() ([]byte, bool, error) {
	switch e.kind {
	case "", "message":
		return e.data, true, nil
	case kindBinary:
		n, err := lineEncoding.Decode(e.data, e.data)
		if err != nil {
			return nil, true, offence("an event is not base64")
		}
		return e.data[:n], true, nil
	}
	return nil, false, nil
}
