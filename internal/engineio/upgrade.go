package engineio

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/lectern-go/lectern/internal/websocket"
	"github.com/lectern-go/lectern/transport"
)

// A client that polls changes to a WebSocket in three steps. It asks on the WebSocket whether it
// works ("2probe"), and is told so ("3probe"); it lets its poll be answered, and asks for
// nothing more; and it says that it changes ("5"). Then what no poll has fetched is written to
// the WebSocket before anything else is: while that lasts, Write waits, so that the order is
// kept by construction.
//
// A probe is such a WebSocket, and the server and receiver of it.
type probe struct {
	session *Session // nil where it is only to be closed
	ws      *websocket.Conn
	timer   *time.Timer // closes it where the client does not go on
	moved   bool        // it carries the session, or is about to; the reader's
}

var (
	probing  = []byte("2probe")
	changing = []byte("5")
)

func (p *probe) Serve(ctx context.Context, conn transport.Conn) error {
	receiver, err := p.Accept(ctx, conn)
	if err != nil {
		return err
	}
	return serve(conn, receiver)
}

func (p *probe) Accept(ctx context.Context, conn transport.Conn) (transport.Receiver, error) {
	transport.ReturnContext(ctx)
	p.ws = conn.(*websocket.Conn)
	if p.session == nil || !p.session.polling.attach(p) {
		_ = p.ws.Close(transport.Reason{Code: transport.Replaced, Text: "the session is carried by another connection, or is over"})
		return nil, errClosed
	}
	p.ws.SetMaxFrameBytes(int(p.session.limit.Load()))
	p.timer = time.AfterFunc(upgradeWait, func() {
		_ = p.ws.Close(transport.Reason{Code: transport.Idle, Text: "no upgrade"})
	})
	return p, nil
}

// LogFault is that of transport.FaultLogger.
func (p *probe) LogFault(err error) {
	if p.session != nil {
		transport.LogFault(p.session.endpoint.config.Server, err)
	}
}

func (p *probe) Receive(message []byte) error {
	switch {
	case p.moved:
		return (*carried)(p.session).Receive(message)
	case p.ws.ReadText() && bytes.Equal(message, probing):
		p.ws.Interject(engine("3probe"))
		return p.session.polling.ask()
	case p.ws.ReadText() && bytes.Equal(message, changing):
		p.timer.Stop()
		var err error
		p.moved, err = p.session.polling.move(p.ws)
		return err
	}
	return fmt.Errorf("%w: not what a client sends before it changes", transport.ErrProtocol)
}

func (p *probe) Pause() {
	if p.moved {
		(*carried)(p.session).Pause()
	}
}

func (p *probe) End(err error) error {
	p.timer.Stop()
	defer p.session.polling.detach(p)
	if p.moved {
		return (*carried)(p.session).End(err)
	}
	return p.ws.Close(transport.Reason{Code: transport.Idle})
}

// attach notes the probe, and reports whether the session can change to it.
func (p *polling) attach(by *probe) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != polled || p.probe != nil {
		return false
	}
	p.probe = by
	return true
}

func (p *polling) detach(by *probe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.probe == by {
		p.probe, p.asked = nil, false
	}
}

// ask has GETs be answered soon, so that the client can change.
func (p *polling) ask() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked {
		return fmt.Errorf("%w: a second probe", transport.ErrProtocol)
	}
	p.asked = true
	p.notify()
	return nil
}

// move makes the WebSocket the carrier. It reports false where that is not possible.
func (p *polling) move(ws *websocket.Conn) (moves bool, err error) {
	p.mu.Lock()
	if p.state != polled && p.state != closing || !p.asked {
		p.mu.Unlock()
		return false, fmt.Errorf("%w: a change that was not asked for, or comes too late", transport.ErrProtocol)
	}
	p.ending = p.state == closing
	p.state = moving
	packets := append(p.small, p.packets...)
	p.small, p.packets = nil, nil
	p.notify() // a GET that waits is told to go
	p.mu.Unlock()
	if len(packets) > 0 {
		err = ws.Write(packets...)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == moving {
		p.state = moved
		p.session.ws.Store(ws)
		ws.SetMaxFrameBytes(int(p.session.limit.Load()))
		for _, packet := range p.small {
			ws.Interject(packet)
		}
		p.small = nil
		if p.ending {
			p.state = closed
			close(p.over)
		}
	}
	p.roomy()
	return true, err
}
