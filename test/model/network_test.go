package model

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// player is a user with a client, and the network between it and the hub.
type player struct {
	// number is the user's. Two players are the same user, with a client each.
	index, number int
	service       *service
	client        *lectern.Client
	listener      *memory.Listener
	offline       bool
	// ejected: the hub has closed the connection, and what follows is not decided yet.
	ejected bool
	// ended is when the hub last ended a membership of the client, and with it its connection.
	ended time.Time
	seats map[*star]*seat
	// waits are what the client waits for. ghostly: the hub learns that the connection before the present
	// one is lost from the knocks that come on this one.
	waits   map[*star]*entry
	ghostly bool

	mu   sync.Mutex
	gate chan struct{} // closed while dialling is possible
	// loses is what the next connection loses.
	loses loss
	relay *relay
}

func (p *player) name() string { return fmt.Sprint("user_", p.number) }

// isIn reports whether the client is a member of the channel, or about to be.
func (p *player) isIn(c *star) bool { return p.seats[c] != nil || p.waits[c] != nil }

// relay carries a connection, so that one end can be lost without the other's
// knowing.
type relay struct {
	near, far *memory.Conn
	mu        sync.Mutex
	ghost     bool
	loses     loss
}

// loss is what a connection loses, until it is cut.
type loss uint8

const (
	answers   loss = iota + 1 // everything from the hub, but why it ends
	reasons                   // that too
	questions                 // everything to it
)

// lose loses from now on.
func (r *relay) lose(what loss) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loses = what
}

// lose has the present connection lose, or where there is none the next one.
func (p *player) lose(what loss) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loses = what
	if p.relay != nil {
		p.relay.lose(what)
	}
}

func (r *relay) carry(from, to *memory.Conn, back bool) {
	for {
		data, err := from.Read()
		r.mu.Lock()
		ghost, loses, lost := r.ghost, r.loses, (r.loses == answers || r.loses == reasons) && back || r.loses == questions && !back
		r.mu.Unlock()
		if err == nil {
			if !lost {
				_ = to.Write(data)
			}
			continue
		}
		var closed *transport.CloseError
		if errors.As(err, &closed) && !(back && loses == reasons) {
			_ = to.Close(closed.Reason)
			return
		}
		if back || !ghost {
			to.Cut()
		}
		return
	}
}

// cut loses the connection, at the user's end alone where it leaves a ghost.
func (r *relay) cut(ghost bool) {
	r.mu.Lock()
	r.ghost = ghost
	r.mu.Unlock()
	r.near.Cut()
	if !ghost {
		r.far.Cut()
	}
}

// Dial waits for the network to be there.
func (p *player) Dial(ctx context.Context) (transport.Conn, error) {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	select {
	case <-gate:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	listener := p.listener
	p.mu.Unlock()
	conn, err := listener.Dial(ctx)
	if err != nil {
		return nil, err
	}
	mine, near := memory.Pipe(memory.Options{})
	p.mu.Lock()
	r := &relay{near: near, far: conn.(*memory.Conn), loses: p.loses}
	p.mu.Unlock()
	go r.carry(r.near, r.far, false)
	go r.carry(r.far, r.near, true)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.relay = r
	return mine, nil
}

func (p *player) cut(ghost bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loses = 0
	if p.relay != nil {
		p.relay.cut(ghost)
	}
}

func (p *player) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = make(chan struct{})
}

func (p *player) unshut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.gate)
}
