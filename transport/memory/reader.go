package memory

import "github.com/lectern-go/lectern/transport"

// A reader gives a connection's messages to a receiver. It is a goroutine only
// while there are some: one that waits in Read would be 5 KB a connection. The
// lock of the pipe covers running.
type reader struct {
	conn     *Conn
	receiver transport.Receiver
	running  bool
}

// Attend has the messages given to the receiver from now on, as
// [transport.Acceptor] says. It takes the place of Read, which nobody may call any
// more.
func (c *Conn) Attend(receiver transport.Receiver) {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	c.in.reader = &reader{conn: c, receiver: receiver}
	c.in.reader.start()
}

// start is called under the lock.
func (r *reader) start() {
	if !r.running {
		r.running = true
		go r.run()
	}
}

func (r *reader) run() {
	for {
		message, ok, err := r.next()
		if !ok {
			return
		}
		if err == nil {
			err = r.receiver.Receive(message)
			if !r.more() {
				r.receiver.Pause()
			}
		}
		if err != nil {
			_ = r.receiver.End(err)
			return // and running for good
		}
	}
}

// more reports whether a message is there already.
func (r *reader) more() bool {
	r.conn.pipe.mu.Lock()
	defer r.conn.pipe.mu.Unlock()
	return r.conn.in.count > 0
}

func (r *reader) next() (message []byte, ok bool, err error) {
	r.conn.pipe.mu.Lock()
	defer r.conn.pipe.mu.Unlock()
	message, ok, err = r.conn.next()
	r.running = ok
	return message, ok, err
}
