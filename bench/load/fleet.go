//go:build linux

// Package load is the bench's load generator: as many connections as one likes
// in one goroutine, driven by epoll. They parse no more than the headers of
// frames and what a Dialect looks at, and share one buffer.
package load

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Master is the number of the master's connection; members have 0 and up.
const Master = -1

// Fleet is one master and its members on one server. It is for one goroutine.
type Fleet struct {
	// Delivered is called as a connection has received so many messages. It may
	// send.
	Delivered func(c *Conn, messages int)

	// Narrow is for the members below this number that will be deaf: the system
	// keeps as little for them as it can, on either side.
	Narrow int

	Members []*Conn
	Master  *Conn

	dialect  Dialect
	framing  Framing
	address  unix.SockaddrInet4
	epoll    int
	conns    map[int32]*Conn
	events   []unix.EpollEvent
	buf      []byte
	frame    []byte // the last one sent
	number   int    // the next member's
	entering int
	posters  []*Conn // for what is sent, of Events
	corked   []*Conn // with something to write at the end of Together
	together bool
	err      error
}

// Conn is one connection.
type Conn struct {
	// Number is Master or the member's, which no other one of the fleet has had.
	Number int
	// Received counts messages, for whoever uses the fleet.
	Received int
	// Lost is set when the server has ended the connection.
	Lost bool
	// Deaf connections are not read.
	Deaf bool

	fd        int
	upgraded  bool
	entered   bool
	rest      []byte // of a frame that has not come whole
	fragments []byte // of a message that has not
	unsent    []byte

	secret string // of Events, with the number of the last one
	last   uint64
	sink   bool // what comes on it is read and dropped
}

// New returns a fleet without connections.
func New(dialect Dialect, framing Framing, address string) (*Fleet, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &Fleet{
		dialect: dialect, framing: framing, epoll: epoll,
		address: unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()},
		conns:   make(map[int32]*Conn), events: make([]unix.EpollEvent, 512), buf: make([]byte, 256<<10),
	}, nil
}

// Dialect is the one that the fleet speaks.
func (f *Fleet) Dialect() Dialect { return f.dialect }

// Close closes all connections without a goodbye.
func (f *Fleet) Close() {
	for _, c := range f.conns {
		_ = unix.Close(c.fd)
	}
	_ = unix.Close(f.epoll)
}

// atOnce is how many connections are being made at a time.
const atOnce = 64

// Join connects the master, where there is none yet, and members until there
// are so many, and returns when the server has let them all in.
func (f *Fleet) Join(members int) error {
	if err := f.connect(members, f.dialect.Along()); err != nil {
		return err
	}
	return f.Enter()
}

// Connect makes the connections of Join, and no more than that: only a master that
// has to be there enters.
func (f *Fleet) Connect(members int) error { return f.connect(members, false) }

func (f *Fleet) connect(members int, along bool) error {
	done := func() bool { return f.entering == 0 }
	if f.Master == nil {
		c, err := f.open(Master, along)
		if err != nil {
			return err
		}
		f.Master = c
		if err := f.Wait(done, patience); err != nil {
			return err
		}
		if err := f.enter(c, done); err != nil {
			return err
		}
	}
	for len(f.Members) < members {
		c, err := f.open(f.number, along)
		if err != nil {
			return err
		}
		f.number++
		f.Members = append(f.Members, c)
	}
	return f.Wait(done, patience)
}

// open makes a connection, and lets the handshakes become no more than atOnce.
// along: what the connection sends to join goes along with the handshake.
func (f *Fleet) open(number int, along bool) (*Conn, error) {
	c, err := f.dial(number)
	if err != nil {
		return nil, err
	}
	if f.framing != Units {
		var first []byte
		if along {
			first = f.dialect.Enter(number)
			f.entering++
		}
		f.entering++
		if f.framing == Events {
			f.write(c, openRequest(first))
		} else {
			f.write(c, upgradeRequest(f.dialect.Target(number), first))
		}
	}
	return c, f.Wait(func() bool { return f.entering < atOnce }, patience)
}

// patience is how long anything may take that is not measured.
const patience = 30 * time.Second

// Enter makes the connected members join.
func (f *Fleet) Enter() error {
	for _, c := range f.Members {
		if err := f.enter(c, func() bool { return f.entering < atOnce }); err != nil {
			return err
		}
	}
	return f.Wait(func() bool { return f.entering == 0 }, patience)
}

func (f *Fleet) enter(c *Conn, then func() bool) error {
	if c.entered {
		return nil
	}
	message := f.dialect.Enter(c.Number)
	if message == nil {
		c.entered = true
		return nil
	}
	f.entering++
	f.Send(c, message)
	return f.Wait(then, patience)
}

// dial opens a connection. Each comes from one of eight loopback addresses, so
// that ports do not run short.
func (f *Fleet) dial(number int) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("connection %d: %w", number, err)
	}
	from := unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + (number+8)%8)}}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.Bind(fd, &from),
	)
	if number >= 0 && number < f.Narrow {
		err = errors.Join(err,
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 2<<10),
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, 536))
	}
	err = errors.Join(err, unix.Connect(fd, &f.address), unix.SetNonblock(fd, true))
	if err == nil {
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		err = unix.EpollCtl(f.epoll, unix.EPOLL_CTL_ADD, fd, &event)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("connection %d: %w", number, err)
	}
	c := &Conn{Number: number, fd: fd, upgraded: f.framing == Units}
	f.conns[int32(fd)] = c
	return c, nil
}

// Deafen ends the reading of the narrow members.
func (f *Fleet) Deafen() {
	for _, c := range f.Members[:f.Narrow] {
		c.Deaf = true
		f.watch(c, 0)
	}
}

// HangUp closes the connections of the members but the first so many.
func (f *Fleet) HangUp(from int) {
	for _, c := range f.Members[from:] {
		_ = unix.Close(c.fd)
		delete(f.conns, int32(c.fd))
	}
	f.Members = f.Members[:from]
}

// Send sends one message.
func (f *Fleet) Send(c *Conn, message []byte) {
	if f.framing == Events {
		f.post(c, message)
		return
	}
	f.frame = f.framing.appendFrame(f.frame[:0], message)
	f.write(c, f.frame)
}

// Broadcast, Private and Report send a payload from the master to all, from the
// master to one, and from a member to the master. With a ref above 0 the server
// is asked for an acknowledgement, where it has such a thing.
func (f *Fleet) Broadcast(ref int, payload []byte) {
	f.Send(f.Master, f.dialect.ToAll(ref, payload))
}

func (f *Fleet) Private(ref, member int, payload []byte) {
	f.Send(f.Master, f.dialect.ToOne(ref, f.Members[member].Number, payload))
}

func (f *Fleet) Report(ref, member int, payload []byte) {
	f.Send(f.Members[member], f.dialect.ToMaster(ref, f.Members[member].Number, payload))
}

// Together sends what send sends on each connection in one write.
func (f *Fleet) Together(send func()) {
	f.together = true
	send()
	f.together = false
	for _, c := range f.corked {
		data := c.unsent
		c.unsent = nil
		f.write(c, data)
		if c.unsent == nil {
			c.unsent = data[:0]
		}
	}
	f.corked = f.corked[:0]
}

func (f *Fleet) write(c *Conn, data []byte) {
	if len(c.unsent) > 0 || f.together {
		if len(c.unsent) == 0 {
			f.corked = append(f.corked, c)
		}
		c.unsent = append(c.unsent, data...)
		return
	}
	n, err := unix.Write(c.fd, data)
	switch {
	case err == unix.EAGAIN:
		n = 0
	case err != nil:
		f.lose(c, err)
		return
	}
	if n < len(data) {
		c.unsent = append(c.unsent, data[n:]...)
		f.watch(c, unix.EPOLLIN|unix.EPOLLOUT)
	}
}

func (f *Fleet) watch(c *Conn, events uint32) {
	event := unix.EpollEvent{Events: events, Fd: int32(c.fd)}
	f.fail(unix.EpollCtl(f.epoll, unix.EPOLL_CTL_MOD, c.fd, &event))
}

func (f *Fleet) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// lose notes that a connection has ended. Only deaf ones may.
func (f *Fleet) lose(c *Conn, err error) {
	if c.Lost {
		return
	}
	c.Lost = true
	_ = unix.EpollCtl(f.epoll, unix.EPOLL_CTL_DEL, c.fd, nil)
	if !c.Deaf {
		f.fail(fmt.Errorf("connection %d has ended: %w", c.Number, err))
	}
}

// ErrTimeout is Wait's error.
var ErrTimeout = errors.New("it takes too long")

// Wait polls until done, which is asked after each poll.
func (f *Fleet) Wait(done func() bool, timeout time.Duration) error {
	var began time.Time
	for !done() {
		if began.IsZero() {
			began = time.Now()
		}
		if err := f.poll(time.Second); err != nil {
			return err
		}
		if time.Since(began) > timeout {
			return fmt.Errorf("%w: after %v", ErrTimeout, timeout)
		}
	}
	return f.err
}

// Idle polls for a while.
func (f *Fleet) Idle(d time.Duration) error {
	for end := time.Now().Add(d); ; {
		left := time.Until(end)
		if left <= 0 {
			return f.err
		}
		if err := f.poll(left); err != nil {
			return err
		}
	}
}

func (f *Fleet) poll(timeout time.Duration) error {
	if f.err != nil {
		return f.err
	}
	n, err := unix.EpollWait(f.epoll, f.events, int((timeout+time.Millisecond-1)/time.Millisecond))
	if err == unix.EINTR {
		return nil
	}
	if err != nil {
		return err
	}
	for _, event := range f.events[:n] {
		c := f.conns[event.Fd]
		if event.Events&unix.EPOLLOUT != 0 {
			data := c.unsent
			c.unsent = nil
			f.watch(c, unix.EPOLLIN)
			f.write(c, data)
		}
		if event.Events&^unix.EPOLLOUT != 0 && !c.Lost {
			f.read(c)
		}
	}
	return f.err
}

// read takes what is there. Epoll tells again where the buffer was too small.
func (f *Fleet) read(c *Conn) {
	n, err := unix.Read(c.fd, f.buf)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return
	case err != nil:
		f.lose(c, err)
		return
	case n == 0:
		f.lose(c, errors.New("end of file"))
		return
	}
	if c.sink {
		return
	}
	data := f.buf[:n]
	if len(c.rest) > 0 {
		c.rest = append(c.rest, data...)
		data = c.rest
	}
	if f.framing == Events {
		var whole bool
		if data, whole = f.opens(c, data); !whole {
			c.rest = append(c.rest[:0], data...)
			return
		}
	}
	if !c.upgraded {
		end := bytes.Index(data, []byte("\r\n\r\n"))
		if end < 0 {
			c.rest = append(c.rest[:0], data...)
			return
		}
		if !bytes.HasPrefix(data, []byte("HTTP/1.1 101")) {
			f.fail(fmt.Errorf("the handshake is answered by %q", data))
			return
		}
		c.upgraded = true
		f.entering--
		data = data[end+4:]
	}
	messages := 0
	for !c.Lost {
		frame, size := f.cut(c, data)
		if size == 0 {
			break
		}
		data = data[size:]
		messages += f.heard(c, frame)
	}
	// The rest may be a part of what it is copied to.
	c.rest = append(c.rest[:0], data...)
	if cap(c.rest) > 0 && len(c.rest) == 0 {
		c.rest = nil
	}
	if messages > 0 {
		c.Received += messages
		if f.Delivered != nil {
			f.Delivered(c, messages)
		}
	}
}

func (f *Fleet) cut(c *Conn, data []byte) (frame, int) {
	if f.framing == Events {
		return f.cutEvent(c, data)
	}
	return f.framing.cut(data)
}

func (f *Fleet) heard(c *Conn, frame frame) (messages int) {
	switch frame.kind {
	case probe:
		if f.framing == Events {
			f.post(c, nil)
			return 0
		}
		f.frame = f.framing.appendAnswer(f.frame[:0], frame.body)
		f.write(c, f.frame)
	case farewell:
		f.lose(c, fmt.Errorf("closed with %q", frame.body))
	case fragment:
		c.fragments = append(c.fragments, frame.body...)
	case message, ending:
		body := frame.body
		if frame.kind == ending {
			body = append(c.fragments, body...)
			c.fragments = body[:0]
		}
		heard := f.dialect.Read(body)
		if heard.Refusal != "" {
			f.fail(fmt.Errorf("connection %d is refused: %s", c.Number, heard.Refusal))
		}
		if heard.Entered && !c.entered {
			c.entered = true
			f.entering--
		}
		if heard.Answer != nil {
			f.Send(c, heard.Answer)
		}
		return heard.Messages
	}
	return 0
}
