package socketio

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lectern-go/lectern/internal/engineio"
	"github.com/lectern-go/lectern/internal/jsontext"
	"github.com/lectern-go/lectern/internal/wire"
)

// A client connects its socket with what it has to say of itself, and is told that it is
// connected when it has the seats that it has asked for, or had before.

// An attempt is a connection that the hub has not answered yet.
type attempt struct {
	id          credentials
	left        int      // answers that are still to come
	recovering  bool     // seats from before are asked for
	recovered   bool     // and one was got
	held        [][]byte // events for when the socket is connected
	recordWords [2]string
}

// credentials are what a client says as it connects: by the auth of its packet, and by the query
// of its first request where that has something more.
type credentials struct {
	pid, offset, session          string
	channel, username, token      string
	role, secret                  string
	hasChannel, hasName, hasToken bool
	// fields are those that make a frame, each behind a comma.
	fields []byte
}

// minSession and maxSession bound the word of a session, which is a secret.
const minSession, maxSession = 16, 128

// take notes one field.
func (id *credentials) take(key string, value []byte) {
	content := ""
	if s, isString := jsontext.StringOf(value); isString {
		content = string(s.Content())
	}
	switch key {
	case "pid":
		id.pid = content
		return
	case "offset":
		id.offset = content
		return
	case "session":
		id.session = content
		return
	case "role":
		id.role = content
		return
	case "type", "ref":
		return // of the frame itself
	case "channel":
		id.channel, id.hasChannel = content, true
	case "username":
		id.username, id.hasName = content, true
	case "token":
		id.token, id.hasToken = content, true
	case "resume":
		id.secret = content
	}
	id.fields = append(id.fields, ',')
	id.fields = jsontext.AppendQuoted(id.fields, key)
	id.fields = append(id.fields, ':')
	id.fields = append(id.fields, value...)
}

// queryStrings and queryNumbers are what a query may say.
var (
	queryStrings = []string{"channel", "username", "token", "master", "role", "resume", "session", "instance", "door", "roster"}
	queryNumbers = []string{"master_timeout_ms", "last", "epoch"}
)

// relevant is the query where it says something, and empty where it does not.
func relevant(query string) string {
	for _, names := range [][]string{queryStrings, queryNumbers} {
		for _, name := range names {
			if strings.Contains(query, name+"=") {
				return strings.Clone(query)
			}
		}
	}
	return ""
}

// credentialsOf reads the auth, an object or nothing, and the query.
func credentialsOf(auth []byte, query string) (id credentials, err error) {
	seen := make(map[string]bool)
	s := jsontext.Scanner{Data: auth}
	s.Space()
	if s.Pos < len(auth) {
		if s.Peek() != '{' {
			return id, badPacket("an auth that is no object")
		}
		p := s.Object(-1, func(key jsontext.String, value []byte) jsontext.Problem {
			name := string(key.Content())
			if len(seen) == wire.MaxFields {
				return jsontext.BadJSON
			}
			seen[name] = true
			id.take(name, value)
			return ""
		})
		if s.Space(); p != "" || s.Pos != len(auth) {
			return id, badPacket("an auth that is not JSON")
		}
	}
	values, _ := url.ParseQuery(query)
	for _, name := range queryStrings {
		if value, has := values[name]; has && !seen[name] {
			id.take(name, jsontext.AppendQuoted(nil, toValid(value[0])))
		}
	}
	for _, name := range queryNumbers {
		if value, has := values[name]; has && !seen[name] {
			if _, isNumber := number([]byte(value[0])); isNumber {
				id.take(name, []byte(value[0]))
			}
		}
	}
	return id, nil
}

// connect begins to connect the socket.
func (c *conn) connect(auth []byte) error {
	if c.stageNow() != unconnected {
		return badPacket("a second connection of one socket")
	}
	id, err := credentialsOf(auth, c.query)
	if err != nil {
		return err
	}
	if n := len(id.session); n > 0 && (n < minSession || n > maxSession) {
		return c.answerBehind(c.connectError("bad_frame", "session: it has "+strconv.Itoa(minSession)+" to "+strconv.Itoa(maxSession)+" bytes", ""))
	}
	seats, before := c.adapter.records.claim(id.pid, id.session)
	a := &attempt{id: id, recordWords: [2]string{"", id.session}}
	c.mu.Lock()
	c.stage, c.attempt = connecting, a
	c.username, c.token = id.username, id.token
	if !id.hasName {
		c.username = "guest-" + c.session.ID()[:8]
	}
	if before != nil && len(seats) > 0 {
		a.recovering, a.left = true, len(seats)
		a.recordWords = [2]string{before.pid, max(id.session, before.session)}
		c.seats = slices.Clone(seats)
		for i := range c.seats {
			if id.pid == before.pid {
				c.seats[i].last = lastIn(id.offset, c.seats[i].channel)
			}
		}
		seats = slices.Clone(c.seats)
	}
	c.mu.Unlock()
	if !a.recovering {
		return c.enter(a)
	}
	for i, s := range seats {
		frame := &wire.Frame{
			Type: wire.Resume, Ref: uint64(1 + i%attemptRefs), Channel: s.channel, Username: s.username,
			Secret: s.secret, Epoch: s.epoch, Last: s.last, Token: id.token,
		}
		if err := c.give(frame); err != nil {
			return err
		}
	}
	return nil
}

// enter asks for the seat that the client has named, where it has named one. It is called in the
// receiver's turn.
func (c *conn) enter(a *attempt) error {
	frame, err := c.entering(a)
	switch {
	case err != nil:
		return c.answerBehind(c.failed("bad_frame", err.Error(), a.id.channel))
	case frame == nil:
		return c.answerBehind(c.connected(a))
	}
	return c.give(frame)
}

// entering is the frame by which the client enters as it connects, nil where it names no channel.
func (c *conn) entering(a *attempt) (*wire.Frame, error) {
	if !a.id.hasChannel {
		return nil, nil
	}
	word := "join"
	switch {
	case a.id.secret != "":
		word = "resume"
	case a.id.role == "master":
		word = "create"
	}
	text := append([]byte(`{"type":"`), word...)
	text = append(text, `","ref":1`...)
	text = append(text, a.id.fields...)
	if !a.id.hasName {
		text = append(text, `,"username":`...)
		text = jsontext.AppendQuoted(text, c.username)
	}
	frame := new(wire.Frame)
	if err := wire.DecodeFromClient(frame, append(text, '}')); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a.left = 1
	return frame, nil
}

// connected is the packet that tells the client so. The socket is connected from then on.
func (c *conn) connected(a *attempt) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connectedNow(a)
}

// connectedNow is connected under the lock.
func (c *conn) connectedNow(a *attempt) []byte {
	c.stage, c.attempt = connected, nil
	words := a.recordWords
	if !a.recovered {
		words[0] = "" // another one: so the client knows that it has missed something
	}
	c.record = c.adapter.records.begin(c, words[0], words[1])
	packet := text(packetConnect)
	if c.session.Version() == 3 {
		return packet
	}
	packet = append(packet, `{"sid":"`...)
	packet = append(packet, engineio.NewID()...)
	packet = append(packet, `","pid":`...)
	packet = jsontext.AppendQuoted(packet, c.record.pid)
	return append(packet, '}')
}

// failed is the packet that tells the client that its socket is not connected.
func (c *conn) failed(code, message, channel string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stage, c.attempt, c.seats = unconnected, nil, nil
	return c.connectError(code, message, channel)
}

func (c *conn) connectError(code, message, channel string) []byte {
	packet := text(packetConnectError)
	if c.session.Version() == 3 {
		return jsontext.AppendQuoted(packet, code+": "+message)
	}
	packet = append(packet, `{"message":`...)
	packet = jsontext.AppendQuoted(packet, code)
	packet = append(packet, `,"data":`...)
	return append(appendRefusal(packet, code, message, channel), '}')
}

// refuseNamespace tells the client that there is the main namespace alone.
func (c *conn) refuseNamespace(p packet) error {
	if p.kind != packetConnect {
		return badPacket("a namespace that is not connected")
	}
	packet := append(text(packetConnectError), p.namespace...)
	if c.session.Version() == 3 {
		return c.answerBehind(append(packet, `,"Invalid namespace"`...))
	}
	return c.answerBehind(append(packet, `,{"message":"Invalid namespace"}`...))
}

// attemptEntered notes a seat that was entered as the socket connects, and returns the packets
// with which it is connected, where it is by that. The lock is held.
func (c *conn) attemptEntered(packets [][]byte, event []byte) [][]byte {
	a := c.attempt
	a.left--
	a.recovered = a.recovering
	packets = append(packets, c.connectedNow(a), event)
	return append(packets, a.held...)
}

// attemptRefused notes a seat that is not to be had as the socket connects. The lock is held.
func (c *conn) attemptRefused(packets [][]byte, frame *wire.Frame) [][]byte {
	a := c.attempt
	a.left--
	if !a.recovering {
		c.stage, c.attempt = unconnected, nil
		return append(packets, c.connectError(frame.Code, frame.Reason, frame.Channel))
	}
	c.dropSeat(frame.Channel)
	if a.left > 0 {
		a.held = append(a.held, seatLost(frame))
		return packets
	}
	// Nothing is left of what there was: the client connects as one that has had nothing.
	a.recovering, a.held = false, nil
	c.seats = nil
	c.later(func() error { return c.enter(a) })
	return packets
}

// seatLost is the event of a seat that could not be resumed, beside others that could.
func seatLost(frame *wire.Frame) []byte {
	packet := append(beginEvent("closed"), `,{"channel":`...)
	packet = jsontext.AppendQuoted(packet, frame.Channel)
	packet = append(packet, `,"code":`...)
	packet = jsontext.AppendQuoted(packet, frame.Code)
	packet = append(packet, `,"reason":`...)
	packet = jsontext.AppendQuoted(packet, frame.Reason)
	return append(packet, `}]`...)
}
