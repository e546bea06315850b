package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	gorilla "github.com/gorilla/websocket"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// patience bounds each waiting of the story for what must happen next.
const patience = 10 * time.Second

// stage is what the story is played on: a hub behind an HTTP server, those who
// connect to it, and the transcript. After the first difference from what
// should happen it does nothing more, so that the story need not look at each
// error.
type stage struct {
	ctx     context.Context
	screen  *screen
	hub     *lectern.Hub
	server  *http.Server
	served  chan error
	url     string
	clients []*lectern.Client
	err     error
}

func newStage(ctx context.Context, out io.Writer, policy lectern.Policy) (*stage, error) {
	hub, err := lectern.NewHub(policy)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/ws", websocket.NewHandler(hub, websocket.Options{Hosts: []string{"localhost"}}))
	s := &stage{
		ctx: ctx, screen: &screen{out: out}, hub: hub,
		server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10},
		served: make(chan error, 1),
		url:    "ws://" + listener.Addr().String() + "/ws",
	}
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

// close ends everybody, the hub and the server, in this order.
func (s *stage) close() error {
	for _, client := range s.clients {
		client.Close()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), patience)
	defer cancel()
	err := errors.Join(s.hub.Shutdown(ctx), s.server.Close())
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func (s *stage) wait() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, patience)
}

// differs notes the first thing that is not as it should be.
func (s *stage) differs(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

func (s *stage) heading(text string) {
	if s.err == nil {
		s.screen.line("")
		s.screen.line("%s", text)
	}
}

// tells writes what one of the story does or gets.
func (s *stage) tells(who, format string, args ...any) {
	if s.err == nil {
		s.screen.line("  %-10s %s", who, fmt.Sprintf(format, args...))
	}
}

// client is a user with a connection of its own.
func (s *stage) client(dialer transport.Dialer) *lectern.Client {
	client := lectern.NewClient(dialer, lectern.ClientOptions{
		MinBackoff: 10 * time.Millisecond, MaxBackoff: 50 * time.Millisecond,
	})
	s.clients = append(s.clients, client)
	return client
}

func (s *stage) create(client *lectern.Client, who, channel string) *lectern.Master {
	if s.err != nil {
		return nil
	}
	ctx, cancel := s.wait()
	defer cancel()
	master, err := client.Create(ctx, channel, who)
	if err != nil {
		s.differs("%s cannot create %s: %w", who, channel, err)
		return nil
	}
	s.tells(who, "creates %s, and is its master", channel)
	return master
}

func (s *stage) join(client *lectern.Client, who, channel string) *lectern.Slave {
	if s.err != nil {
		return nil
	}
	ctx, cancel := s.wait()
	defer cancel()
	slave, err := client.Join(ctx, channel, who)
	if err != nil {
		s.differs("%s cannot join %s: %w", who, channel, err)
		return nil
	}
	master := slave.Master()
	if master.State != lectern.StateOnline {
		s.differs("%s has joined %s and takes its master for %s", who, channel, master.State)
	}
	s.tells(who, "joins %s, and knows that its master %s is %s", channel, master.Username, master.State)
	return slave
}

func (s *stage) switches(slave *lectern.Slave, channel string) *lectern.Slave {
	if s.err != nil {
		return nil
	}
	ctx, cancel := s.wait()
	defer cancel()
	next, err := slave.Switch(ctx, channel)
	if err != nil {
		s.differs("%s cannot switch to %s: %w", slave.Username(), channel, err)
		return nil
	}
	if !errors.Is(slave.Err(), lectern.ErrLeft) {
		s.differs("%s has switched, and its old membership says %v", slave.Username(), slave.Err())
	}
	s.tells(slave.Username(), "switches to %s: it has left %s in the same step", channel, slave.Channel())
	return next
}

// refused is for what must not work.
func (s *stage) refused(who, what string, want error, try func(context.Context) error) {
	if s.err != nil {
		return
	}
	ctx, cancel := s.wait()
	defer cancel()
	if err := try(ctx); !errors.Is(err, want) {
		s.differs("%s %s: the answer should be %v and is %v", who, what, want, err)
		return
	}
	s.tells(who, "%s: refused, %s", what, explain(want))
}

func (s *stage) broadcasts(master *lectern.Master, text string) {
	if s.err != nil {
		return
	}
	ctx, cancel := s.wait()
	defer cancel()
	if _, err := master.Broadcast(ctx, lectern.Text(text)); err != nil {
		s.differs("%s says %q to all: %w", master.Username(), text, err)
	}
	s.tells(master.Username(), "to all of %s: %q", master.Channel(), text)
}

func (s *stage) sends(master *lectern.Master, to, text string) {
	if s.err != nil {
		return
	}
	ctx, cancel := s.wait()
	defer cancel()
	if _, err := master.Send(ctx, to, lectern.Text(text)); err != nil {
		s.differs("%s says %q to %s: %w", master.Username(), text, to, err)
	}
	s.tells(master.Username(), "to %s alone: %q", to, text)
}

func (s *stage) answers(slave *lectern.Slave, text string) {
	if s.err != nil {
		return
	}
	ctx, cancel := s.wait()
	defer cancel()
	if _, err := slave.Send(ctx, lectern.Text(text)); err != nil {
		s.differs("%s says %q to its master: %w", slave.Username(), text, err)
	}
	s.tells(slave.Username(), "to its master: %q", text)
}

// next is the next event of a member, or the error behind the last one.
func (s *stage) next(m member) (lectern.Event, error) {
	ctx, cancel := s.wait()
	defer cancel()
	for event, err := range m.Events(ctx) {
		return event, err
	}
	return nil, errors.New("there are no events")
}

// hears demands that the very next thing each of the members gets is the
// message: nothing has come before it.
func hears[M member](s *stage, from, text string, private bool, members ...M) {
	for _, m := range members {
		if s.err != nil {
			return
		}
		event, err := s.next(m)
		got, ok := event.(lectern.Message)
		if err != nil || !ok || got.From != from || got.Text() != text || got.Private != private {
			s.differs("%s should hear %q from %s, and gets %+v, %v", m.Username(), text, from, event, err)
			return
		}
		how := ""
		if private {
			how = ", for nobody else"
		}
		s.tells(m.Username(), "hears %s%s: %q", from, how, text)
	}
}

// sees demands that the very next thing each of the members gets is the change.
func sees[M member](s *stage, username string, state lectern.State, reason string, members ...M) {
	for _, m := range members {
		if s.err != nil {
			return
		}
		event, err := s.next(m)
		got, ok := event.(lectern.Presence)
		if err != nil || !ok || got.Username != username || got.State != state || got.Reason != reason {
			s.differs("%s should see %s %s, and gets %+v, %v", m.Username(), username, state, event, err)
			return
		}
		switch {
		case state == lectern.StateUnknown:
			s.tells(m.Username(), "has lost its connection to the hub%s", left(got.Deadline))
		case reason != "":
			s.tells(m.Username(), "sees that %s is %s: %s", username, state, reason)
		default:
			s.tells(m.Username(), "sees that %s is %s%s", username, state, left(got.Deadline))
		}
		awaited := state == lectern.StateAway || state == lectern.StateUnknown
		if wait := got.Deadline.Sub(got.Since); awaited && (wait <= 0 || wait > masterTimeout) {
			s.differs("%s should wait for at most %v, and waits for %v", m.Username(), masterTimeout, wait)
		}
	}
}

// ends demands that the very next thing each of the members gets is the end.
func ends[M member](s *stage, why error, members ...M) {
	for _, m := range members {
		if s.err != nil {
			return
		}
		event, err := s.next(m)
		if !errors.Is(err, why) || !errors.Is(m.Err(), why) {
			s.differs("%s should end with %v, and gets %+v, %v", m.Username(), why, event, err)
			return
		}
		s.tells(m.Username(), "is out: %s", explain(err))
	}
}

// cable is a Dialer whose connections can be cut beneath it, without a word to
// either end, as when a network fails.
type cable struct {
	websocket websocket.Dialer

	mu   sync.Mutex
	out  bool
	conn net.Conn
}

func newCable(url string) *cable {
	c := &cable{}
	c.websocket = websocket.Dialer{URL: url, NetDialContext: c.connect}
	return c
}

var errUnplugged = errors.New("the cable is unplugged")

func (c *cable) Dial(ctx context.Context) (transport.Conn, error) { return c.websocket.Dial(ctx) }

func (c *cable) connect(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out {
		conn.Close()
		return nil, errUnplugged
	}
	c.conn = conn
	return conn, nil
}

// unplug cuts the connection and lets no new one through.
func (c *cable) unplug() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = true
	if c.conn != nil {
		c.conn.Close()
	}
}

func (c *cable) plug() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = false
}

// stranger speaks the text form of the protocol by hand, and so can say what
// the library has no words for.
type stranger struct {
	stage *stage
	name  string
	ws    *gorilla.Conn
}

func (s *stage) stranger(name string) *stranger {
	x := &stranger{stage: s, name: name}
	if s.err != nil {
		return x
	}
	ctx, cancel := s.wait()
	defer cancel()
	ws, response, err := gorilla.DefaultDialer.DialContext(ctx, s.url, nil)
	if err != nil {
		s.differs("%s cannot connect: %w", name, err)
		return x
	}
	response.Body.Close()
	x.ws = ws
	return x
}

func (x *stranger) close() {
	if x.ws != nil {
		x.ws.Close()
	}
}

func (x *stranger) writes(frame string) {
	if x.stage.err != nil {
		return
	}
	x.ws.SetWriteDeadline(time.Now().Add(patience))
	if err := x.ws.WriteMessage(gorilla.TextMessage, []byte(frame)); err != nil {
		x.stage.differs("%s cannot write: %w", x.name, err)
	}
	x.stage.tells(x.name, "writes %s", frame)
}

// reads demands the type and, where it is not empty, the code of the next frame.
func (x *stranger) reads(kind, code string) {
	if x.stage.err != nil {
		return
	}
	x.ws.SetReadDeadline(time.Now().Add(patience))
	_, data, err := x.ws.ReadMessage()
	var frame struct{ Type, Code string }
	if err == nil {
		err = json.Unmarshal(data, &frame)
	}
	if err != nil || frame.Type != kind || frame.Code != code {
		x.stage.differs("%s should read %s %s, and reads %s, %v", x.name, kind, code, data, err)
		return
	}
	if kind == "joined" {
		// The frame has the resume secret in it, which is nobody else's.
		x.stage.tells(x.name, "reads that it has joined")
		return
	}
	x.stage.tells(x.name, "reads  %s", data)
}

// isClosed demands that the hub closes the connection, with this reason.
func (x *stranger) isClosed(code transport.CloseCode) {
	if x.stage.err != nil {
		return
	}
	x.ws.SetReadDeadline(time.Now().Add(patience))
	_, data, err := x.ws.ReadMessage()
	if !gorilla.IsCloseError(err, int(code)) {
		x.stage.differs("the connection of %s should be closed with %d, and gives %s, %v", x.name, code, data, err)
		return
	}
	x.stage.tells(x.name, "is disconnected with %d, %s", code, code)
}
