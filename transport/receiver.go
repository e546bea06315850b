package transport

import "context"

// Acceptor is an optional power of a [Server]: it is given the messages of
// a connection, where Serve fetches them itself by Read. So an adapter that is
// told when something has arrived needs no goroutine for a connection on which
// nothing does.
//
// The adapter calls Accept in the place of Serve, then Read on the Conn whenever
// it may not have to wait for long, and gives each message to Receive. The first
// error of Read or of Receive goes to End. Close of the Conn, which the server
// calls at any time, ends the reading too: the adapter sees to it that Read is
// called then, and End with its error, though nothing has arrived.
type Acceptor interface {
	// Accept takes the connection on. The context is as in Serve, and may be used
	// until End has returned. After an error, which is Serve's, the connection
	// is closed and there is nothing to end.
	Accept(ctx context.Context, conn Conn) (Receiver, error)
}

// Receiver takes the messages of one connection. Its methods are called by one
// goroutine at a time, not always the same one.
type Receiver interface {
	// Receive takes the message that Read has returned; it does not keep the
	// slice. It may block, for as long as the server holds the peer up, but not
	// wait for a further message. An error means that the connection has to end:
	// nothing is read any more.
	Receive(message []byte) error

	// Pause is called before the adapter waits for what has not arrived yet, be
	// it the rest of a message, and so after the last Receive of those that could
	// follow on each other. Until then the receiver may put off what comes of
	// them. Calls beyond that do no harm.
	Pause()

	// End is called once, with the error that has ended the reading, and nothing
	// after it. It closes the Conn and returns when the connection has ended.
	// The error is Serve's.
	End(err error) error
}
