package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// A class has all its members behind one proxy.
type class struct {
	proxy proxy
	// dials counts the connections that the clients have made: one each, where none was lost.
	dials   atomic.Int64
	clients []*lectern.Client
	master  *lectern.Master
	slave   *lectern.Slave
	pages   []*page
}

// dialer connects as a page of the class would: with its origin, and without WebSocket's
// pings, which pages cannot send.
func (p proxy) dialer(dials *atomic.Int64) websocket.Dialer {
	return websocket.Dialer{
		URL:    "ws://" + className + ":" + p.port + "/ws",
		Header: http.Header{"Origin": {"http://" + className + ":" + p.port}, "X-Forwarded-For": {"192.0.2.66"}},
		NetDialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			if dials != nil {
				dials.Add(1)
			}
			return new(net.Dialer).DialContext(ctx, network, p.address())
		},
		Conn: transport.ConnOptions{ProbeAfter: -1},
	}
}

func (c *class) client() *lectern.Client {
	client := lectern.NewClient(c.proxy.dialer(&c.dials), lectern.ClientOptions{})
	c.clients = append(c.clients, client)
	return client
}

func (c *class) close() {
	if c == nil {
		return
	}
	for _, client := range c.clients {
		_ = client.Close()
	}
	for _, page := range c.pages {
		_ = page.conn.Close(transport.Reason{Code: transport.Left})
	}
}

// A page speaks the text form by hand. It reads all the time, as browsers do, or it would
// not answer the hub's pings.
type page struct {
	conn   transport.Conn
	frames chan string // closed at the end
	err    error       // why it has ended, then
}

func newPage(conn transport.Conn) *page {
	p := &page{conn: conn, frames: make(chan string, 1000)}
	go func() {
		defer close(p.frames)
		for {
			frame, err := conn.Read()
			if err != nil {
				p.err = err
				return
			}
			p.frames <- string(frame)
		}
	}()
	return p
}

// opens joins the class by a first message, which goes along with the handshake.
func (c *class) opens(ctx context.Context, name string) (*page, error) {
	join := fmt.Sprintf(`{"type":"join","ref":1,"channel":%q,"username":%q}`, c.proxy.name, name)
	conn, sent, err := c.proxy.dialer(nil).DialFirst(ctx, []byte(join))
	if err != nil {
		return nil, err
	}
	p := newPage(conn)
	c.pages = append(c.pages, p)
	if !sent {
		return nil, errors.New("the first message does not go along")
	}
	_, err = p.until(`"type":"joined"`)
	return p, err
}

// until reads until there is a frame with the text.
func (p *page) until(text string) (string, error) {
	late := time.After(patience)
	for {
		select {
		case frame, ok := <-p.frames:
			if !ok {
				return "", fmt.Errorf("instead of %q: %w", text, p.err)
			}
			if strings.Contains(frame, text) {
				return frame, nil
			}
		case <-late:
			return "", fmt.Errorf("%q never comes", text)
		}
	}
}

// untilClosed reads until the connection is closed, and expects the code.
func (p *page) untilClosed(code transport.CloseCode) error {
	_, err := p.until("\x00")
	var closed *transport.CloseError
	if !errors.As(err, &closed) || closed.Reason.Code != code {
		return fmt.Errorf("closed by %w, where it should be by %d", err, code)
	}
	return nil
}

// meet holds a class, which is quiet for a while, and leaves it open with one page in it.
func (p proxy) meet(ctx context.Context, quiet time.Duration) (c *class, err error) {
	c = &class{proxy: p}
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if c.master, err = c.client().Create(within, p.name, "alice"); err != nil {
		return c, err
	}
	if c.slave, err = c.client().Join(within, p.name, "user_one"); err != nil {
		return c, err
	}
	for _, name := range []string{"kicked", "leaves", "stays"} {
		if _, err := c.opens(within, name); err != nil {
			return c, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := c.passes(within); err != nil {
		return c, err
	}
	cancel()

	fmt.Printf("behind %s: quiet for %v\n", p.name, quiet)
	select {
	case <-ctx.Done():
		return c, ctx.Err()
	case <-time.After(quiet):
	}
	within, cancel = context.WithTimeout(ctx, patience)
	defer cancel()
	if err := c.passes(within); err != nil {
		return c, fmt.Errorf("after the quiet: %w", err)
	}
	if n := c.dials.Load(); n != 2 {
		return c, fmt.Errorf("the two clients have made %d connections: the quiet was not survived", n)
	}
	if err := c.ends(within); err != nil {
		return c, err
	}
	if err := p.refusesOthers(within); err != nil {
		return c, err
	}
	fmt.Printf("behind %s: ok\n", p.name)
	return c, nil
}

// passes expects that messages of every size pass, both ways.
func (c *class) passes(ctx context.Context) error {
	for _, size := range []int{1, 125, 126, 60_000} {
		text := strings.Repeat("x", size)
		if _, err := c.master.Broadcast(ctx, lectern.Text(text)); err != nil {
			return err
		}
		got, err := c.slave.Receive(ctx)
		if err != nil || got.Text() != text {
			return fmt.Errorf("a broadcast of %d bytes: %w", size, err)
		}
		for _, page := range c.pages {
			if _, err := page.until(`"text":"` + text + `"`); err != nil {
				return err
			}
		}
		if _, err := c.slave.Send(ctx, lectern.Text(text)); err != nil {
			return err
		}
		for event, err := range c.master.Events(ctx) {
			if err != nil {
				return err
			}
			if message, ok := event.(lectern.Message); ok {
				if message.Text() != text {
					return fmt.Errorf("a slave's message of %d bytes has %d", size, len(message.Text()))
				}
				break
			}
		}
	}
	return nil
}

// ends expects that the numbers of both sides arrive at the other.
func (c *class) ends(ctx context.Context) error {
	if err := c.master.Kick(ctx, "kicked", "enough"); err != nil {
		return err
	}
	if err := c.pages[0].untilClosed(transport.Kicked); err != nil {
		return fmt.Errorf("a kick: %w", err)
	}
	if err := c.pages[1].conn.Close(transport.Reason{Code: transport.Left}); err != nil {
		return err
	}
	for event, err := range c.master.Events(ctx) {
		if err != nil {
			return err
		}
		if p, ok := event.(lectern.Presence); ok && p.Username == "leaves" {
			if p.State != lectern.StateGone {
				return fmt.Errorf("who leaves by its number is told as %v", p.State)
			}
			break
		}
	}
	// Another class, which its master closes.
	brief := &class{proxy: c.proxy}
	defer brief.close()
	brief.proxy.name += " briefly"
	master, err := brief.client().Create(ctx, brief.proxy.name, "alice")
	if err != nil {
		return err
	}
	page, err := brief.opens(ctx, "user_one")
	if err != nil {
		return err
	}
	if err := master.Close(); err != nil {
		return err
	}
	return page.untilClosed(transport.MasterLeft)
}

// expectShutdown expects that the page that has stayed is told of the hub's end.
func (c *class) expectShutdown() error {
	page := c.pages[2]
	if _, err := page.until(`"type":"shutdown"`); err != nil {
		return err
	}
	return page.untilClosed(transport.Shutdown)
}

// refusesOthers expects that pages of other origins are refused, and learn which host
// the proxy has passed on.
func (p proxy) refusesOthers(ctx context.Context) error {
	dialer := p.dialer(nil)
	dialer.Header.Set("Origin", "http://other.example.com")
	_, err := dialer.Dial(ctx)
	var refused *websocket.RefusedError
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusForbidden || !strings.Contains(refused.Text, className+":"+p.port) {
		return fmt.Errorf("a page of another origin: %w", err)
	}
	return nil
}
