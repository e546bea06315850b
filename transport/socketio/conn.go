package socketio

import (
	"cmp"
	"errors"
	"sync"

	"github.com/lectern-go/lectern/internal/engineio"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// A conn is one socket: to the hub it is a transport.Conn that speaks the binary form of
// Lectern's protocol, to its session it is the receiver of what the client sends.
//
// What arrives is handled in the session's turn, in which the hub is called. What the hub writes
// comes by one goroutine at a time, which may be another one. What both know lies under mu, and
// nothing is called under that.
type conn struct {
	adapter *adapter
	session session
	hub     transport.Receiver

	// Of the receiver's turn.

	// incoming is an event of which attachments are to come, nil where there is none.
	incoming *incoming
	// query is that of the request that has begun the session.
	query string

	// Of who writes.

	// tried is what TryWrite could not write, for the Write that follows, nil where there is
	// none.
	tried [][]byte

	mu sync.Mutex
	state
}

// A session is what a conn needs of an engineio.Session.
type session interface {
	ID() string
	Version() int
	PeerAddress() string
	MaxFrameBytes() int
	SetMaxFrameBytes(bytes int)
	Taken() uint64
	TryWrite(packets ...[]byte) bool
	Write(packets ...[]byte) error
	WriteLast(reason transport.Reason, packets ...[]byte) error
	Close(reason transport.Reason, last ...[]byte) error
	GoInTurn(f func() error)
}

var _ session = (*engineio.Session)(nil)

// state is what both sides of a conn know; its lock covers it.
type state struct {
	stage   stage
	attempt *attempt // of the stage connecting
	// username and token are those that the client has connected with.
	username, token string
	seats           []seat
	current         string // the channel that was entered last
	heading         heading
	record          *record
	// errands, waiting and asked are nil in most sockets.
	errands *errands
	// waiting are the refs of joins that wait to be let in.
	waiting map[uint64]bool
	open    questions
	asked   *asked
	// told: the client was told why its socket ends, by an event.
	told bool
	// lost: the client is not there any more.
	lost bool
}

type stage uint8

const (
	unconnected stage = iota
	connecting
	connected
)

// A heading is the channel that the client has asked for last, while the hub has not answered. What
// the client emits behind that, without a channel, is for it.
type heading struct {
	channel string // empty where there is none
	ref     uint64 // zero where no acknowledgement was asked for
}

// at is the channel that events without one are for, empty where there is none. The lock is held.
func (s *state) at() string { return cmp.Or(s.heading.channel, s.current) }

// headed notes that the hub has answered, where the frame is the answer to what was asked for
// last. The lock is held.
func (s *state) headed(frame *wire.Frame) {
	if h := s.heading; frame.Ref == h.ref && (h.ref != 0 || frame.Channel == h.channel) {
		s.heading = heading{}
	}
}

// A seat is a membership of the socket.
type seat struct {
	channel, username, secret string
	master                    bool
	epoch                     uint64
	last                      uint64 // the highest number that was written
}

// Refs of the frames by which a socket is connected, of those that the client's emits have
// become, and of the adapter's errands.
const (
	attemptRefs = 15
	firstRef    = attemptRefs + 1
	firstErrand = maxID + firstRef + 1
)

var (
	_ transport.TryWriter        = (*conn)(nil)
	_ transport.LastWriter       = (*conn)(nil)
	_ transport.WriteMeter       = (*conn)(nil)
	_ transport.FrameLimitSetter = (*conn)(nil)
	_ transport.Addressed        = (*conn)(nil)
)

// Start is that of engineio.Receiver. A socket of protocol 3 is connected by the server.
func (c *conn) Start() error {
	if c.session.Version() == 3 {
		return c.connect(nil)
	}
	return nil
}

// Receive is that of engineio.Receiver.
func (c *conn) Receive(message []byte, isText bool) error {
	if !isText {
		return c.receiveAttachment(message)
	}
	if c.incoming != nil {
		return badPacket("text where an attachment was to come")
	}
	p, err := parsePacket(message)
	if err != nil {
		return err
	}
	if p.attachments > 0 {
		c.incoming = expect(p)
		return nil
	}
	return c.handle(p, nil)
}

func (c *conn) receiveAttachment(content []byte) error {
	if c.incoming == nil {
		return badPacket("an attachment that nothing has announced")
	}
	if most := c.session.MaxFrameBytes(); c.incoming.size+len(content) > most {
		return transport.ErrMessageTooLarge
	}
	if !c.incoming.add(content) {
		return nil
	}
	whole := c.incoming
	c.incoming = nil
	return c.handle(whole.packet, whole.attachments)
}

// handle does what a whole packet asks for.
func (c *conn) handle(p packet, attachments [][]byte) error {
	if len(p.namespace) > 0 {
		return c.refuseNamespace(p)
	}
	if p.kind == packetConnect {
		return c.connect(p.data)
	}
	if c.stageNow() == unconnected {
		return badPacket("an event before the socket is connected")
	}
	switch p.kind {
	case packetDisconnect:
		return &transport.CloseError{Reason: transport.Reason{Code: transport.Left, Text: "the client has disconnected the socket"}}
	case packetEvent, packetBinaryEvent:
		e, err := parseEvent(p.data)
		var refused notPossible
		if errors.As(err, &refused) {
			return c.refuse(p, "bad_frame", string(refused))
		}
		if err != nil {
			return err
		}
		e.attachments = attachments
		return c.emit(&e, p)
	case packetAck, packetBinaryAck:
		var e event
		count, err := parseArray(p.data, &e.arguments)
		var refused notPossible
		switch {
		case !p.hasID:
			return badPacket("an acknowledgement without a number")
		case errors.As(err, &refused):
			return c.refuse(packet{}, "bad_frame", string(refused))
		case err != nil:
			return err
		}
		e.count, e.attachments = count, attachments
		return c.acknowledged(&e, p.id)
	}
	return badPacket("a type that a client does not send")
}

func (c *conn) stageNow() stage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stage
}

// Pause is that of engineio.Receiver.
func (c *conn) Pause() { c.hub.Pause() }

// End is that of engineio.Receiver.
func (c *conn) End(err error) error {
	c.mu.Lock()
	c.lost = !errors.Is(err, transport.ErrProtocol) && !errors.Is(err, transport.ErrMessageTooLarge)
	c.open.stop()
	c.mu.Unlock()
	err = c.hub.End(err)
	c.adapter.records.lose(c)
	return err
}

// give hands a frame to the hub. It is called in the receiver's turn.
func (c *conn) give(frame *wire.Frame) error {
	buffer := frameBuffers.Get().(*[]byte)
	defer func() { frameBuffers.Put(buffer) }()
	*buffer = wire.Append((*buffer)[:0], wire.Binary, frame)
	return c.hub.Receive(*buffer)
}

// seatOf returns the seat in the channel, nil where there is none. The lock is held.
func (s *state) seatOf(channel string) *seat {
	for i := range s.seats {
		if s.seats[i].channel == channel {
			return &s.seats[i]
		}
	}
	return nil
}
