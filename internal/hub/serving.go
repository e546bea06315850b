package hub

import (
	"context"
	"errors"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// Serve runs one accepted connection until it ends, and closes it. Adapters call it.
// When ctx is done, the connection is closed with shutdown. The error says why the
// connection ended. It is nil where the hub or the peer has closed it in order.
func (h *Hub) Serve(ctx context.Context, conn transport.Conn) error {
	receiver, err := h.Accept(ctx, conn)
	if err != nil {
		return err
	}
	return receive(conn, receiver)
}

// Accept is Serve for adapters that know when a message has arrived. The adapter reads
// from conn, and passes what it reads to the receiver. See transport.Acceptor.
func (h *Hub) Accept(ctx context.Context, conn transport.Conn) (transport.Receiver, error) {
	receiver, err := h.TryAccept(ctx, conn)
	if err != nil {
		reason := shutdownReason
		if err == errTooManyConnections {
			reason = transport.Reason{Code: transport.RateLimited, Text: errTooManyConnections.Text}
			h.config.Logger.With(addressOf(conn)...).Warn("connection refused", "open", h.config.MaxConnections)
		}
		_ = conn.Close(reason)
		return nil, err
	}
	return receiver, nil
}

// receive reads from the connection until it ends. Where something panics, the
// connection ends all the same.
func receive(conn transport.Conn, receiver transport.Receiver) error {
	reading := true
	defer func() {
		if reading {
			_ = receiver.End(errInterrupted)
		}
	}()
	for {
		message, err := conn.Read()
		if err == nil {
			err = receiver.Receive(message)
			receiver.Pause() // it is not known whether another message has arrived already
		}
		if err != nil {
			reading = false
			return receiver.End(err)
		}
	}
}

// errInterrupted is why a connection ends whose reader has panicked.
var errInterrupted = errors.New("lectern: the reading of the connection was interrupted")

// errTooManyConnections is why a connection over MaxConnections is refused.
var errTooManyConnections = wire.ErrBusy.With("the hub has as many connections as it may: connect again later")

// TryAccept is Accept, but does not close a connection that it refuses. The caller must
// do that.
func (h *Hub) TryAccept(ctx context.Context, conn transport.Conn) (transport.Receiver, error) {
	s, err := h.addSession(ctx, conn)
	if err != nil {
		return nil, err
	}
	s.start()
	return s, nil
}
