//go:build linux

package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// This file has httpstream, as PROTOCOL.md, section 2, has it: a connection is opened, and becomes a
// stream of events. What is sent goes out in POSTs on other connections, which all of the fleet share, as
// those of many clients do behind a proxy.

// posters is how many of these there are.
const posters = 8

// openRequest is the request that opens a connection; first is what the client sends along, or nil.
func openRequest(first []byte) []byte {
	request := fmt.Appendf(nil, "POST /open HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", len(first))
	return append(request, first...)
}

// post sends a message, or nothing where it is nil, and tells what has arrived.
func (f *Fleet) post(c *Conn, message []byte) {
	for len(f.posters) < posters {
		p, err := f.dial(Master)
		if err != nil {
			f.fail(err)
			return
		}
		p.sink = true
		f.posters = append(f.posters, p)
	}
	f.frame = fmt.Appendf(f.frame[:0], "POST /send HTTP/1.1\r\nHost: localhost\r\nLectern-Connection: %s\r\nLast-Event-ID: %d\r\nContent-Length: %d\r\n\r\n%s",
		c.secret, c.last, len(message), message)
	f.write(f.posters[(c.Number+1)%posters], f.frame)
}

// opens takes what answers the open, and then the head of the stream. It returns false where that has not
// come whole.
func (f *Fleet) opens(c *Conn, data []byte) (rest []byte, whole bool) {
	for !c.upgraded {
		end := bytes.Index(data, []byte("\r\n\r\n"))
		if end < 0 {
			return data, false
		}
		if !bytes.HasPrefix(data, []byte("HTTP/1.1 200")) {
			f.fail(fmt.Errorf("the open is answered by %q", data))
			return data, false
		}
		body := data[end+4:]
		if c.secret != "" {
			c.upgraded = true
			f.entering--
			return body, true
		}
		size := bytes.IndexByte(body, '\n')
		if size < 0 {
			return data, false
		}
		var opened struct{ Connection string }
		if err := json.Unmarshal(body[:size], &opened); err != nil {
			f.fail(err)
			return data, false
		}
		c.secret = opened.Connection
		f.write(c, fmt.Appendf(nil, "GET /stream HTTP/1.1\r\nHost: localhost\r\nLectern-Connection: %s\r\n\r\n", c.secret))
		data = body[size+1:]
	}
	return data, true
}

var errEvent = errors.New("an event that is in several pieces")

// cutEvent returns the first event of the data and its size, or 0 where it has not come whole. The events
// that the bench causes are small: none is in two chunks.
func (f *Fleet) cutEvent(c *Conn, data []byte) (frame, int) {
	end := bytes.Index(data, []byte("\n\n"))
	if end < 0 {
		return frame{}, 0
	}
	event := data[:end]
	start := bytes.Index(event, []byte("data: "))
	if start < 0 {
		f.fail(errEvent)
		return frame{}, 0
	}
	is := frame{other, event[start+len("data: "):]}
	switch {
	case bytes.Contains(event[:start], []byte("event: probe\n")):
		is.kind = probe
	case bytes.Contains(event[:start], []byte("event: close\n")):
		is.kind = farewell
	case !bytes.Contains(event[:start], []byte("event: ")):
		is.kind = message
		_, id, _ := bytes.Cut(event[:start-1], []byte("id: "))
		last, err := strconv.ParseUint(string(id), 10, 64)
		if err != nil || last != c.last+1 {
			f.fail(fmt.Errorf("the event %q behind %d", event, c.last))
		}
		c.last = last
	}
	return is, end + 2
}
