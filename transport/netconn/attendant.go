package netconn

import (
	"context"
	"errors"
	"time"

	"github.com/lectern-go/lectern/transport"
)

// An attendant has a connection's messages received by a server that is given
// them. While there are some, one goroutine reads and handles them. After a while in
// which nothing has come it ends, and leaves the waiting to another one: waiting
// takes so few and small frames that a stack of 2 KB does, where handling takes one
// of 8 KB, which a goroutine for both would not give back. A member takes 11.8 KB
// with one, 5.9 KB so (bench: run -only memory -servers "lectern netconn").
//
// There is one goroutine at a time, and what is here is that one's.
type attendant struct {
	conn     *conn
	receiver transport.Receiver
	ended    func() // told when the connection has ended

	// waited: the one that has waited has read, with that outcome.
	waited bool
	n      int
	err    error
}

// quietAfter is how long nothing has come when the waiting is left to a small
// goroutine. To change goroutines costs some microseconds, which a connection on
// which much happens does not pay.
const quietAfter = 100 * time.Millisecond

// errQuiet ends a Read of an attendant: nothing has come for a while.
var errQuiet = errors.New("netconn: quiet")

// errInterrupted is told to a server whose own code has panicked, or ended the
// goroutine.
var errInterrupted = errors.New("netconn: the reading was interrupted")

// attend has the connection served until it ends, which ended is told.
func (c *conn) attend(ctx context.Context, server transport.Acceptor, ended func()) {
	a := &attendant{conn: c, ended: ended}
	started := false
	defer func() {
		if !started {
			a.finish()
		}
	}()
	receiver, err := server.Accept(ctx, c)
	if err != nil {
		return // why is the server's to log
	}
	a.receiver, started = receiver, true
	c.input.attendant = a
	go a.handle()
}

// handle reads, and hands over what has come.
func (a *attendant) handle() {
	parked := false
	defer func() {
		if !parked {
			a.finish()
		}
	}()
	for {
		message, err := a.conn.Read()
		switch {
		case err == nil:
			err = a.receiver.Receive(message)
		case err == errQuiet:
			if err = nil; a.conn.park() {
				parked = true
				go a.wait()
				return
			}
		}
		if err != nil {
			a.end(err)
			return
		}
	}
}

// park takes the reading for wait. It reports false where Close has begun.
func (c *conn) park() bool {
	return c.beginReading(c.lookAt(c.silentAt()))
}

// wait waits for what comes next.
func (a *attendant) wait() {
	in := &a.conn.input
	a.n, a.err = a.conn.endReading(a.conn.net.Read(in.buffer()[in.end:]))
	a.waited = true
	go a.handle()
}

// takeOver returns what the Read of wait has come to, where there was one.
func (a *attendant) takeOver() (n int, err error, has bool) {
	if a == nil || !a.waited {
		return 0, nil, false
	}
	a.waited = false
	return a.n, a.err, true
}

// pause is called before the reading waits.
func (a *attendant) pause() {
	if a != nil {
		a.receiver.Pause()
	}
}

func (a *attendant) end(err error) {
	receiver := a.receiver
	a.receiver = nil
	_ = receiver.End(err) // why it ended is the server's to log
}

// finish is called when the server's code is left, be it by a panic.
func (a *attendant) finish() {
	defer a.ended()
	// The server has closed it by contract; this is for one that panics, or that
	// was written for a test.
	defer a.conn.Close(transport.Reason{Code: transport.Shutdown})
	if a.receiver != nil {
		a.end(errInterrupted)
	}
}
