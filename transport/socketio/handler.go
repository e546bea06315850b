package socketio

import (
	"cmp"
	"context"
	"net/http"

	"github.com/lectern-go/lectern/internal/engineio"
	"github.com/lectern-go/lectern/internal/origin"
	"github.com/lectern-go/lectern/internal/request"
	"github.com/lectern-go/lectern/transport"
)

// Hub is what a handler has its sockets served by. A *lectern.Hub is one: what is made of events
// are frames of Lectern's protocol.
type Hub interface {
	transport.Server
	transport.Acceptor
}

// NewHandler returns a handler for stock socket.io clients, to be mounted where they look for
// it, with everything below:
//
//	mux.Handle("/socket.io/", socketio.NewHandler(hub, socketio.Options{}))
//
// It panics where options.Origins or Hosts has an entry that no browser ever sends, or a time in
// the options makes no sense. What the documentation of the package websocket says of the
// http.Server, and of the return of the handler for a WebSocket, holds here too. A hub's Close
// and Shutdown end the sockets, and wait for them.
func NewHandler(hub Hub, options Options) http.Handler {
	options.check()
	contextOf := options.Context
	if contextOf == nil {
		contextOf = request.Kept
	}
	a := newAdapter(hub, options)
	return engineio.NewEndpoint(engineio.Config{
		Server: hub,
		Accept: func(ctx context.Context, s *engineio.Session, query string) (engineio.Receiver, error) {
			return a.accept(ctx, s, query)
		},
		Origins:          origin.NewPolicy("socketio", options.Origins, options.Hosts),
		Conn:             options.Conn.WithDefaults(hub),
		HandshakeTimeout: max(cmp.Or(options.HandshakeTimeout, DefaultHandshakeTimeout), 0),
		Version3:         options.EIO3,
		Context:          contextOf,
	})
}

// An adapter is what the sockets of a handler share.
type adapter struct {
	hub     Hub
	shares  bool // of the hub's messages
	recent  recent
	records *records
}

func newAdapter(hub Hub, options Options) *adapter {
	return &adapter{
		hub:     hub,
		shares:  transport.SharesMessages(hub),
		records: newRecords(cmp.Or(options.MaxDisconnection, DefaultMaxDisconnection)),
	}
}

// accept makes a session a connection of the hub.
func (a *adapter) accept(ctx context.Context, s session, query string) (engineio.Receiver, error) {
	c := &conn{adapter: a, session: s, query: relevant(query)}
	receiver, err := a.hub.Accept(ctx, c)
	if err != nil {
		return nil, err
	}
	c.hub = receiver
	return c, nil
}
