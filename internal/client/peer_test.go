package client

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// peer is the hub's end of one connection, played by the test. What the client writes is
// gathered, so that the test can also say what it did not write.
type peer struct {
	t    *testing.T
	conn *memory.Conn

	mu     sync.Mutex
	frames []wire.Frame
	end    error
}

// play has the connections of a scriptedHub, in a bubble.
type play struct {
	scriptedHub
	client *Client
	// hang: dialling waits for it to be closed.
	hang chan struct{}

	mu sync.Mutex
	// refusal is the error of dialling, or nil. count is how often it was tried.
	refusal error
	count   int
}

func (p *play) Dial(ctx context.Context) (transport.Conn, error) {
	p.mu.Lock()
	p.count++
	refusal := p.refusal
	p.mu.Unlock()
	if p.hang != nil {
		select {
		case <-p.hang:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if refusal != nil {
		return nil, refusal
	}
	return p.scriptedHub.Dial(ctx)
}

// refuse lets dialling fail with the error, or nil.
func (p *play) refuse(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusal = err
}

// dials is how often was dialled.
func (p *play) dials() int {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

var errSendUnknown = errors.New("send unknown")

// inPlay runs a test with a client and its hubs in a bubble, at the end of which nothing of the
// client is left.
func inPlay(t *testing.T, set func(*Options), test func(t *testing.T, p *play)) {
	synctest.Test(t, func(t *testing.T) {
		p := &play{scriptedHub: scriptedHub{t, make(chan *memory.Conn, 1000)}}
		options := Options{
			PublicError: func(why *wire.Cause) error { return why }, ErrSendUnknown: errSendUnknown, DialTimeout: 10 * time.Second,
			CloseTimeout: time.Second, WriteTimeout: time.Second, Logger: slog.New(slog.DiscardHandler),
			MinBackoff: 10 * time.Millisecond, MaxBackoff: 20 * time.Millisecond, Inbox: QueueLimit{Messages: 100, Bytes: 1 << 20},
		}
		if set != nil {
			set(&options)
		}
		p.client = New(p, options)
		test(t, p)
		require.NoError(t, p.client.Close())
		for len(p.conns) > 0 {
			_ = (<-p.conns).Close(transport.Reason{})
		}
	})
}

// dialled is the hub's end of the next connection.
func (p *play) dialled() *peer {
	p.t.Helper()
	synctest.Wait()
	require.NotEmpty(p.t, p.conns, "nothing was dialled")
	hub := &peer{t: p.t, conn: <-p.conns}
	go func() {
		for {
			data, err := hub.conn.Read()
			hub.mu.Lock()
			if err == nil {
				var frame wire.Frame
				frame, err = wire.Decode(append([]byte(nil), data...))
				hub.frames = append(hub.frames, frame)
			}
			if hub.end = err; err != nil {
				hub.mu.Unlock()
				_ = hub.conn.Close(transport.Reason{})
				return
			}
			hub.mu.Unlock()
		}
	}()
	return hub
}

// notDialled expects that no connection was made.
func (p *play) notDialled() {
	p.t.Helper()
	synctest.Wait()
	require.Empty(p.t, p.conns)
}

// of are the frames of the type that have come, in order. They are removed, the others stay.
func (p *peer) of(of wire.Type) (found []wire.Frame) {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	rest := p.frames[:0]
	for _, frame := range p.frames {
		if frame.Type == of {
			found = append(found, frame)
		} else {
			rest = append(rest, frame)
		}
	}
	p.frames = rest
	return found
}

// one is the one frame of the type that has come.
func (p *peer) one(of wire.Type) wire.Frame {
	p.t.Helper()
	found := p.of(of)
	require.Len(p.t, found, 1, "%v", of)
	return found[0]
}

// says writes the frames, and waits until the client has taken them.
func (p *peer) says(frames ...wire.Frame) {
	p.t.Helper()
	for _, frame := range frames {
		require.NoError(p.t, p.conn.Write(wire.Append(nil, wire.Binary, &frame)))
	}
	synctest.Wait()
}

// refuses answers the frame with the code.
func (p *peer) refuses(frame wire.Frame, why *wire.Cause) {
	p.t.Helper()
	p.says(wire.Frame{Type: wire.Error, Ref: frame.Ref, Channel: frame.Channel, Code: string(why.Code), Reason: "because"})
}

// announces says that the hub shuts down within a second.
func (p *peer) announces() {
	p.t.Helper()
	p.says(wire.Frame{Type: wire.Shutdown, Timeout: 1000, HasTimeout: true})
}

// closes closes the connection.
func (p *peer) closes(code transport.CloseCode) {
	p.t.Helper()
	_ = p.conn.Close(transport.Reason{Code: code})
	synctest.Wait()
}

// ended is the code with which the client has closed the connection.
func (p *peer) ended() transport.CloseCode {
	p.t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	var closed *transport.CloseError
	require.ErrorAs(p.t, p.end, &closed)
	return closed.Reason.Code
}

func (p *peer) isOpen() bool {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end == nil
}

// takesIn answers a join or a resume of a slave.
func (p *peer) takesIn(frame wire.Frame) {
	p.t.Helper()
	p.says(scriptedHub{}.joined(frame))
}

// takesMaster answers a create or a resume of a master, with the slaves of the names.
func (p *peer) takesMaster(frame wire.Frame, slaves ...string) {
	p.t.Helper()
	p.says(mastersAnswer(frame, slaves...))
}

func mastersAnswer(frame wire.Frame, slaves ...string) wire.Frame {
	created := wire.Frame{
		Type: wire.Created, Ref: frame.Ref, Channel: frame.Channel, Username: frame.Username, Secret: "secret", Epoch: 1,
		MasterTimeout: 30_000, HasMasterTimeout: true, HasMembers: true,
	}
	for i, name := range slaves {
		created.Members = append(created.Members, wire.Member{Username: name, State: wire.StateOnline, Number: uint64(i + 1)})
	}
	return created
}

func message(channel string, seq uint64) wire.Frame {
	return wire.Frame{Type: wire.Message, Channel: channel, From: "alice", Seq: seq, Payload: wire.Payload{Kind: wire.TextPayload}}
}

// joins enters the channel on the connection that there is, or on a new one.
func (p *play) joins(channel string, hub *peer) (*Membership, *Inbox[any], *peer) {
	p.t.Helper()
	inbox := anyInbox(QueueLimit{Messages: 100, Bytes: 1 << 20})
	entered := make(chan *Membership, 1)
	go func() {
		m, err := p.client.Enter(p.t.Context(), wire.Slave, wire.Frame{Type: wire.Join, Channel: channel, Username: "ada"}, inbox)
		require.NoError(p.t, err)
		entered <- m
	}()
	if hub == nil {
		hub = p.dialled()
	}
	hub.takesIn(hub.one(wire.Join))
	return <-entered, inbox, hub
}

// creates creates the channel abc, which the hub takes as one that has these slaves.
func (p *play) creates(slaves ...string) (*Membership, *Inbox[any], *peer) {
	p.t.Helper()
	inbox := anyInbox(QueueLimit{Messages: 100, Bytes: 1 << 20})
	entered := make(chan *Membership, 1)
	go func() {
		m, err := p.client.Enter(p.t.Context(), wire.Master, wire.Frame{Type: wire.Create, Channel: "abc", Username: "alice"}, inbox)
		require.NoError(p.t, err)
		entered <- m
	}()
	hub := p.dialled()
	hub.takesMaster(hub.one(wire.Create), slaves...)
	return <-entered, inbox, hub
}

// moves waits until the client has made the next connection.
func (p *play) moves() *peer {
	p.t.Helper()
	time.Sleep(time.Second)
	return p.dialled()
}

// events are what the inbox has: the numbers of messages, and other events as they are.
func events(inbox *Inbox[any]) (all []any) {
	synctest.Wait()
	for {
		event, ok := inbox.tryTake()
		if !ok {
			return all
		}
		if m, ok := event.(Message); ok {
			event = m.Seq
		}
		all = append(all, event)
	}
}

// sends sends in the background. The error comes when there is an answer.
func sends(ctx context.Context, m *Membership, text string) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := m.Send(ctx, wire.Frame{Payload: wire.Payload{Kind: wire.TextPayload, Data: []byte(text)}})
		done <- err
	}()
	synctest.Wait()
	return done
}

// waits expects that there is no answer yet.
func waits[T any](t *testing.T, done <-chan T) {
	t.Helper()
	synctest.Wait()
	require.Empty(t, done)
}
