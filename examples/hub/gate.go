package main

import (
	"net"
	"sync"
)

// A gate is a listener that can stop accepting before it is closed, and who serves on it
// notices nothing: netconn.Serve ends its connections with its listener, and the hub has still
// to tell them something then. Whoever comes meanwhile waits in the system's backlog, where
// another process has the listener too, and is refused by the system where none has.
type gate struct {
	net.Listener
	close   func() error
	stopped chan struct{}
	closed  chan struct{}
	ending  sync.Once
}

func newGate(listener net.Listener) *gate {
	return &gate{
		Listener: listener,
		close:    sync.OnceValue(listener.Close),
		stopped:  make(chan struct{}),
		closed:   make(chan struct{}),
	}
}

// stop is called once at most.
func (g *gate) stop() {
	close(g.stopped)
	_ = g.close()
}

func (g *gate) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		select {
		case <-g.stopped:
			<-g.closed
		default:
		}
	}
	return conn, err
}

func (g *gate) Close() error {
	err := g.close()
	g.ending.Do(func() { close(g.closed) })
	return err
}
