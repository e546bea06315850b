package memory

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/lectern-go/lectern/transport"
)

// Listener gives a server its connections from within the process. It is the
// transport.Dialer that leads to that server, and it owns the goroutines that
// serve what was dialled. It is safe for concurrent use.
type Listener struct {
	server  transport.Server
	options Options
	// frameLimit is that of the ends that the server gets.
	frameLimit int
	serving    sync.WaitGroup

	mu      sync.Mutex
	live    map[*Conn]served
	dialled uint64
	refusal error
	closed  bool
}

// served is what a Listener knows of a connection, by the end that was dialled.
type served struct {
	number uint64 // in the order of dialling
	cancel context.CancelFunc
}

// Listen returns a Listener whose connections are served by server. Where
// options name no MaxFrameBytes, the server's own is taken.
func Listen(server transport.Server, options Options) *Listener {
	l := &Listener{
		server:     server,
		options:    options.withDefaults(),
		frameLimit: transport.MaxFrameBytes(options.MaxFrameBytes, server),
		live:       make(map[*Conn]served),
	}
	if l.frameLimit <= 0 { // a server without an opinion
		l.frameLimit = l.options.MaxFrameBytes
	}
	return l
}

// Dial makes a connection, which is a *Conn, and has its other end served in a
// goroutine of its own. The server sees the values of ctx, so they can tell its
// authorization who dials; it does not see ctx end.
//
// Dial fails when ctx is done, with the error given to Refuse, and with one
// that matches net.ErrClosed once the Listener is closed.
func (l *Listener) Dial(ctx context.Context) (transport.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memory: dialling: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, fmt.Errorf("memory: the listener is closed: %w", net.ErrClosed)
	}
	if l.refusal != nil {
		return nil, fmt.Errorf("memory: dialling: %w", l.refusal)
	}
	dialled, accepted := newPipe(l.options)
	accepted.bound(l.frameLimit)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l.dialled++
	l.live[dialled] = served{number: l.dialled, cancel: cancel}
	l.serving.Go(func() {
		defer l.forget(dialled)
		// The server has closed it by contract; this is for one that panics, or
		// that was written for a test.
		defer accepted.Close(transport.Reason{Code: transport.Shutdown})
		_ = l.server.Serve(ctx, accepted) // why it ended is the server's to log
	})
	return dialled, nil
}

func (l *Listener) forget(dialled *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live[dialled].cancel()
	delete(l.live, dialled)
}

// Conns returns the connections that are being served, by the ends that were
// dialled, in the order of dialling: for tests that cut or silence them.
func (l *Listener) Conns() []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	conns := make([]*Conn, 0, len(l.live))
	for conn := range l.live {
		conns = append(conns, conn)
	}
	slices.SortFunc(conns, func(a, b *Conn) int {
		return cmp.Compare(l.live[a].number, l.live[b].number)
	})
	return conns
}

// Refuse lets every Dial from now on fail with err, as while a network or a
// server is down. A nil err ends that. Connections that exist go on.
func (l *Listener) Refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusal = err
}

// Close refuses further connections, ends the contexts of those that are being
// served, and returns when the server is done with all of them and their
// goroutines are gone. It always returns nil, each time it is called; it must
// not be called by the server itself.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.closed = true
	for _, s := range l.live {
		s.cancel()
	}
	l.mu.Unlock()
	l.serving.Wait()
	return nil
}
